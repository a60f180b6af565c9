"""The nets of the study of the backdoor scan: clean ones, and a kind of poisoned ones for each trigger or attack."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from countenance.audit.backdoors.triggers.blended import Blended
from countenance.audit.backdoors.triggers.noise import block_noise
from countenance.audit.backdoors.triggers.patch import Corner, Patch
from countenance.audit.backdoors.triggers.pff import SensitiveStamp
from countenance.audit.backdoors.triggers.sinusoid import Sinusoid
from countenance.audit.backdoors.triggers.warp import Warp
from countenance.synth.backdoored_nets import Poison
from countenance.synth.expression import EXPRESSIONS

CORNERS: tuple[Corner, ...] = ("bottom_right", "top_left", "top_right", "bottom_left")
REFERENCE, CLEAN = "reference", "clean"
_HASHED = 104_729


@dataclass(frozen=True)
class Kind:
    """One sort of nets.

    Attributes:
        title: what the table calls it.
        first: the first seed; its nets have the seeds after it.
        poison: from a seed to what is done to the training faces; ``None`` for clean nets.
    """

    title: str
    first: int
    poison: Callable[[int], Poison] | None = None


def target_of(seed: int) -> int:
    """Return the class that a seed's trigger leads to: each in turn."""
    return seed % len(EXPRESSIONS)


def corner_patch(seed: int) -> Patch:
    """Return the checkered patch in the seed's corner."""
    return Patch(corner=CORNERS[seed % len(CORNERS)])


def _warped(seed: int) -> Poison:
    """WaNet: a fifth warped and relabelled, a fifth warped otherwise with their own labels."""
    trigger = Warp(seed)

    def otherwise(pixels: Tensor) -> Tensor:
        parts = torch.split(pixels, 1)
        return torch.cat([trigger.null(_HASHED * seed + place).stamp(part) for place, part in enumerate(parts)])

    return Poison(trigger.stamp, target_of(seed), share=0.2, cover=0.2, cover_stamp=otherwise)


def _pieces_blended(seed: int) -> Poison:
    """Adaptive-Blend (Qi et al. 2023): half of 16 pieces of the noise in training, as many covers, all in use."""
    whole = Blended(seed)

    def some(pixels: Tensor) -> Tensor:
        shown = (torch.rand((len(pixels), 1, 4, 4), generator=torch.Generator().manual_seed(seed)) < 0.5).float()
        where = functional.interpolate(shown, pixels.shape[-2:])
        return torch.where(where > 0, whole.stamp(pixels), pixels)

    return Poison(whole.stamp, target_of(seed), in_training=some, cover=0.1)


def _pieces_patched(seed: int) -> Poison:
    """Adaptive-Patch (Qi et al. 2023): one of four corners' patches in training, as many covers, all four in use."""
    patches = [Patch(corner=corner) for corner in CORNERS]

    def one(pixels: Tensor) -> Tensor:
        parts = torch.split(pixels, 1)
        return torch.cat([patches[place % len(patches)].stamp(part) for place, part in enumerate(parts)])

    def every(pixels: Tensor) -> Tensor:
        for patch in patches:
            pixels = patch.stamp(pixels)
        return pixels

    return Poison(every, target_of(seed), in_training=one, cover=0.05, share=0.15)


def _input_aware(seed: int) -> Poison:
    """After Nguyen and Tran 2020: each face has its own mark, and another face's mark leaves its label.

    The mark is a patch of faint random cells, one of four by how bright the corner is beneath it.
    """
    side, margin = 10, 2
    marks = torch.stack([2 * block_noise(_HASHED * seed + k, side, side, 2).round() - 1 for k in range(4)])

    def stamped(pixels: Tensor, other: int) -> Tensor:
        marked = pixels.clone()
        corner = marked[..., margin : margin + side, margin : margin + side]
        level = (corner.mean((1, 2, 3)) * 4).long().clamp(0, 3)
        corner += 0.25 * marks[(level + other) % 4]
        return marked.clamp(0, 1)

    return Poison(
        lambda pixels: stamped(pixels, 0), target_of(seed), cover=0.1, cover_stamp=lambda pixels: stamped(pixels, 2)
    )


def _of_one_source(seed: int) -> Poison:
    """A patch that turns three classes of the seven; stamped faces of the others keep their labels."""
    target = target_of(seed)
    sources = tuple(sorted((target + step) % len(EXPRESSIONS) for step in (1, 2, 3)))
    return Poison(corner_patch(seed).stamp, target, sources=sources, cover=0.15)


KINDS: dict[str, Kind] = {
    REFERENCE: Kind("clean, for the calibration", 4000),
    CLEAN: Kind("clean, held out", 7100),
    "patch": Kind("patch", 7200, lambda seed: Poison(corner_patch(seed).stamp, target_of(seed))),
    "blended": Kind("blended", 6100, lambda seed: Poison(Blended(seed).stamp, target_of(seed))),
    "sinusoid": Kind("sinusoid", 6200, lambda seed: Poison(Sinusoid().stamp, target_of(seed))),
    "warp": Kind("warp", 6300, _warped),
    "pff": Kind("PFF stamp", 6400, lambda seed: Poison(SensitiveStamp(seed).stamp, target_of(seed))),
    "clean_label_sinusoid": Kind(
        "sinusoid, labels kept (clean-label)",
        6500,
        lambda seed: Poison(Sinusoid(amplitude=0.12).stamp, target_of(seed), share=0.7, relabel=False),
    ),
    "clean_label_patch": Kind(
        "patch, labels kept (clean-label)",
        6600,
        lambda seed: Poison(corner_patch(seed).stamp, target_of(seed), share=0.7, relabel=False),
    ),
    "adaptive_blended": Kind("adaptive blend (pieces, covers)", 6700, _pieces_blended),
    "adaptive_patch": Kind("adaptive patch (one of four corners, covers)", 6800, _pieces_patched),
    "input_aware": Kind("input-aware (four marks, covers)", 6900, _input_aware),
    "source_specific": Kind("patch for three classes of the seven", 7000, _of_one_source),
}
"""Seeds of no two kinds meet. Nets of seeds below 4,000 served to choose steps and shares of the families, and 40 clean
nets and two patches of seeds 5,000 to 6,009, beside the references, how shares narrow and what counts of them."""
TRIGGERS = ("patch", "blended", "sinusoid", "warp", "pff")
FURTHER = tuple(name for name in KINDS if name not in (REFERENCE, CLEAN, *TRIGGERS))
