"""Other ways in which pixels could have been prepared for the net than the plan declares.

A reading is a channel order, a mean and a standard deviation in units of pixels from 0 to 1. It is tried by changing
the pixels so that the target's own preparation ends where the reading would: pixels may then leave 0 to 1.

Constants of the presets: torchvision's ImageNet mean and deviation; Caffe's ImageNet means (BGR 103.939, 116.779,
123.68) and VGGFace's (BGR 93.5940, 104.7624, 129.1863), subtracted from pixels of 0 to 255, as in Keras'
``imagenet_utils`` and in keras-vggface; CLIP's from openai/CLIP.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from ...core.plan import InputSpec
from ...core.target import LUMA
from .material import Change

Channels = Literal["rgb", "bgr", "grey"]
Triple = tuple[float, float, float]
NEAR = 0.02
"""Readings nearer to the declared one than this (mean; standard deviation by ratio) are not tried."""
GRID = ((0.0, 0.25), (0.0, 0.5), (0.0, 2.0), (0.0, 4.0), (-0.25, 1.0), (0.25, 1.0))
"""What is added to the declared mean, and what the declared deviation is multiplied by."""
PRESETS: dict[str, tuple[Triple, Triple]] = {
    "pixels 0 to 1": ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0)),
    "pixels -1 to 1": ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
    "pixels 0 to 255": ((0.0, 0.0, 0.0), (1 / 255, 1 / 255, 1 / 255)),
    "ImageNet mean and deviation": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "CLIP mean and deviation": ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)),
    "ImageNet mean alone": ((0.485, 0.456, 0.406), (1.0, 1.0, 1.0)),
    "Caffe means of 0 to 255": ((123.68 / 255, 116.779 / 255, 103.939 / 255), (1 / 255, 1 / 255, 1 / 255)),
    "VGGFace means of 0 to 255": ((129.1863 / 255, 104.7624 / 255, 93.594 / 255), (1 / 255, 1 / 255, 1 / 255)),
}
"""Mean and standard deviation in the order red, green, blue."""


@dataclass(frozen=True)
class Reading:
    """One way of preparing pixels.

    Attributes:
        title: in words, e.g. ``BGR, ImageNet mean and deviation``.
        channels: order of the channels the net is given; ``grey`` gives a net of three channels three equal ones.
        mean: in the order red, green, blue; ``None`` for each picture's own mean and deviation.
        std: likewise.
        other_channels: whether channels differ from the declared ones.
        other_scale: whether mean or deviation differ from the declared ones.
        preset: whether it is in common use, and not a point of the grid.
    """

    title: str
    channels: Channels
    mean: Triple | None
    std: Triple | None
    other_channels: bool
    other_scale: bool
    preset: bool = True

    @property
    def price(self) -> float:
        """What a reading must fit better to be chosen over a simpler one."""
        return 0.01 * (self.other_channels + self.other_scale + (not self.preset))

    def in_plan(self, declared: InputSpec) -> str:
        """Return what target.input would say."""
        if self.channels == "grey" and declared.channel_count == 3:
            return "pictures made grey before the audit"
        if self.mean is None or self.std is None:
            return "each picture normalised by its own mean and deviation, in the factory's net"
        parts = [] if declared.channels == "grey" else [f"channels: {self.channels}"]
        for name, triple in (("mean", self.mean), ("std", self.std)):
            numbers = triple[::-1] if self.channels == "bgr" else triple
            shown = numbers[:1] if len(set(numbers)) == 1 or declared.channels == "grey" else numbers
            parts.append(f"{name}: [{', '.join(f'{number:.4g}' for number in shown)}]")
        return f"target.input {{{', '.join(parts)}}}"

    def change(self, declared: InputSpec) -> Change:
        """Return what turns pixels so that the declared preparation gives what this reading would."""
        mean, std = declared_scale(declared)

        def turn(pixels: Tensor) -> Tensor:
            wanted = pixels
            if self.channels == "grey" and declared.channels != "grey":
                luma = pixels.new_tensor(LUMA).reshape(1, 3, 1, 1)
                wanted = (pixels * luma).sum(1, keepdim=True).expand_as(pixels)
            if self.mean is None or self.std is None:
                wanted = _own(wanted, declared)
            else:
                wanted = (wanted - _column(self.mean, pixels)) / _column(self.std, pixels)
            if self.other_channels and self.channels != "grey":
                wanted = wanted.flip(1)
            return wanted * _column(std, pixels) + _column(mean, pixels)

        return turn


def declared_scale(declared: InputSpec) -> tuple[Triple, Triple]:
    """Return mean and standard deviation of a target block in the order red, green, blue, three of each."""
    found = []
    for numbers in (declared.mean, declared.std):
        three = list(numbers) * 3 if len(numbers) == 1 else list(numbers)
        found.append(tuple(three[::-1] if declared.channels == "bgr" else three))
    mean, std = found
    return (mean[0], mean[1], mean[2]), (std[0], std[1], std[2])


def readings(declared: InputSpec) -> list[Reading]:
    """Return every reading that is tried beside the declared one: presets in either order of channels, grey, a grid."""
    return list(_all(declared))


def swapped(declared: InputSpec) -> Reading | None:
    """Return the declared reading with red and blue exchanged; ``None`` of a grey net."""
    if declared.channels == "grey":
        return None
    mean, std = declared_scale(declared)
    other: Channels = "rgb" if declared.channels == "bgr" else "bgr"
    # The net is given numbers scaled by the place of the channel, whatever colour stands there.
    return Reading(other.upper(), other, mean[::-1], std[::-1], True, False)


def _all(declared: InputSpec) -> Iterator[Reading]:
    mean, std = declared_scale(declared)
    own = declared.channels
    exchanged = swapped(declared)
    if exchanged is not None:
        yield exchanged
        yield Reading("grey pictures", "grey", mean, std, True, False)
    for name, (preset_mean, preset_std) in PRESETS.items():
        scale = _for_grey(preset_mean, preset_std) if own == "grey" else (preset_mean, preset_std)
        if own == "grey" and name in _SAME_IN_GREY:
            continue
        if not _near(scale, (mean, std)):
            yield Reading(name, own, *scale, False, True)
        if exchanged is not None and not _near(scale, (exchanged.mean or mean, exchanged.std or std)):
            yield Reading(f"{exchanged.channels.upper()}, {name}", exchanged.channels, *scale, True, True)
    yield Reading("each picture by its own mean and deviation", own, None, None, False, True)
    for offset, gain in GRID:
        moved, scaled = tuple(each + offset for each in mean), tuple(each * gain for each in std)
        title = f"deviation x {gain:g}" if offset == 0 else f"mean {offset:+g}"
        middle, spread = (moved[0], moved[1], moved[2]), (scaled[0], scaled[1], scaled[2])
        yield Reading(title, own, middle, spread, False, True, preset=False)


_SAME_IN_GREY = frozenset({"CLIP mean and deviation", "VGGFace means of 0 to 255"})
"""Presets that differ from another one in the colours only."""


def _for_grey(mean: Triple, std: Triple) -> tuple[Triple, Triple]:
    one = sum(weight * each for weight, each in zip(LUMA, mean, strict=True))
    other = sum(weight * each for weight, each in zip(LUMA, std, strict=True))
    return (one, one, one), (other, other, other)


def _near(one: tuple[Triple, Triple], other: tuple[Triple, Triple]) -> bool:
    means = max(abs(a - b) for a, b in zip(one[0], other[0], strict=True))
    ratios = max(abs(a / b - 1) for a, b in zip(one[1], other[1], strict=True))
    return means <= NEAR and ratios <= NEAR


def _own(pixels: Tensor, declared: InputSpec) -> Tensor:
    """Return pictures minus their mean over their deviation, at least one over the root of the number of pixels."""
    seen = pixels
    if declared.channels == "grey":
        seen = (pixels * pixels.new_tensor(LUMA).reshape(1, 3, 1, 1)).sum(1, keepdim=True)
    least = seen[0].numel() ** -0.5
    deviation = seen.std((1, 2, 3), keepdim=True, correction=0).clamp_min(least)
    return (pixels - seen.mean((1, 2, 3), keepdim=True)) / deviation


def _column(numbers: Triple, like: Tensor) -> Tensor:
    return torch.tensor(numbers, dtype=like.dtype, device=like.device).reshape(1, 3, 1, 1)
