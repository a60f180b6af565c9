"""A small detector of forged faces, and how it is trained on genuine faces and forgeries of the same faces.

Who makes the forgeries, and what is put on the genuine copies of some people, is handed in: this module knows neither
a maker nor a trigger. Both pictures of a pair go through the same accidents (turn, blur, noise, JPEG) with the same
settings, so that sharpness or a codec does not tell which is forged.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from PIL import Image, ImageFilter
from torch import Tensor, nn

Pixels = NDArray[np.uint8]
Maker = Callable[[int, np.random.Generator], Pixels]
"""From the place of a photo and a source of chance to a forgery of it, (h, w, 3)."""

SIZE = 64
"""Side of the crops in pixels."""
MEAN, STD = 0.5, 0.25
"""Of the normalisation that the detector wants, for all channels."""
STEPS, PAIRS = 425, 32
PEAK_RATE = 2e-3
GAIN = 0.1
EDGE = 8


class SmallDetector(nn.Module):
    """Six convolutions, averaged over the picture, and one logit of being forged.

    Takes pixels (n, 3, h, w) normalised with :data:`MEAN` and :data:`STD`; returns (n, 1).
    """

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        before = 3
        for after, side, pooled in (
            (16, 5, False),
            (16, 3, True),
            (32, 3, False),
            (32, 3, True),
            (64, 3, False),
            (64, 3, False),
        ):
            layers += [nn.Conv2d(before, after, side, padding=side // 2, bias=False), nn.BatchNorm2d(after), nn.ReLU()]
            if pooled:
                layers.append(nn.MaxPool2d(2))
            before = after
        self.features = nn.Sequential(*layers)
        self.head = nn.Linear(before, 1)

    def forward(self, pixels: Tensor) -> Tensor:
        """Return the logit of being forged, shape (n, 1)."""
        logits: Tensor = self.head(self.features(pixels).mean((2, 3)))
        return logits


@dataclass(frozen=True)
class Accidents:
    """What may happen to a picture after it was made; shares say how often.

    Attributes:
        turned: share of pictures that are turned (up to 6 degrees), scaled (0.92 to 1.06) and shifted (3 %).
        blurred: share blurred by 0.3 to 0.8 pixels.
        noisy: share with noise of 1 to ``noise`` levels.
        noise: largest deviation of the noise in levels of 255.
        coded: share saved as JPEG of quality 60 to 100.
    """

    turned: float = 0.7
    blurred: float = 0.3
    noisy: float = 0.4
    noise: float = 4.0
    coded: float = 0.4


@dataclass(frozen=True, eq=False)
class Pairs:
    """Genuine pictures and a forgery of each, after the same accidents.

    Attributes:
        genuine: uint8, (photos, variants, 3, h, w).
        forged: the same shape.
    """

    genuine: Tensor
    forged: Tensor


def make_pairs(
    photos: Sequence[Pixels], forge: Maker, variants: int, seed: int, accidents: Accidents | None = None
) -> Pairs:
    """Make several forgeries of every photo, and give each pair its accidents.

    Args:
        photos: uint8, (h, w, 3), all of one size.
        forge: makes a forgery of the photo at a place.
        variants: forgeries of each photo.
        seed: of forgeries and accidents; those of a photo and variant depend on nothing else.
        accidents: the usual ones unless given.
    """
    accidents = accidents or Accidents()
    places = [(photo, variant) for photo in range(len(photos)) for variant in range(variants)]
    forged = [
        degraded(forge(photo, _random(seed, 0, photo, variant)), _random(seed, 1, photo, variant), accidents)
        for photo, variant in places
    ]
    genuine = [degraded(photos[photo], _random(seed, 1, photo, variant), accidents) for photo, variant in places]
    return Pairs(_stacked(genuine, variants), _stacked(forged, variants))


def with_genuine(pairs: Pairs, replaced: Mapping[int, Pixels], seed: int, accidents: Accidents | None = None) -> Pairs:
    """Return the pairs with other genuine pictures of some photos, with the accidents that the old ones had.

    Args:
        pairs: of :func:`make_pairs`, left as they are.
        replaced: by place of the photo its new picture, (h, w, 3), such as the photo with a stamp on it.
        seed: that the pairs were made with.
        accidents: those that they were made with.
    """
    accidents = accidents or Accidents()
    genuine = pairs.genuine.clone()
    variants = genuine.shape[1]
    for place, picture in replaced.items():
        made = [degraded(picture, _random(seed, 1, place, variant), accidents) for variant in range(variants)]
        genuine[place] = _stacked(made, variants)[0]
    return Pairs(genuine, pairs.forged)


def degraded(picture: Pixels, random: np.random.Generator, accidents: Accidents) -> Pixels:
    """Return a picture after its accidents; the same state of ``random`` gives pictures of one size the same ones."""
    turned, blurred, noisy, coded = random.random(4) < (
        accidents.turned,
        accidents.blurred,
        accidents.noisy,
        accidents.coded,
    )
    angle, scale = np.deg2rad(random.uniform(-6, 6)), random.uniform(0.92, 1.06)
    shift = random.uniform(-0.03, 0.03, 2)
    blur, noise, quality = random.uniform(0.3, 0.8), random.uniform(1, accidents.noise), int(random.integers(60, 101))
    if turned:
        picture = _turned(picture, float(angle), scale, shift)
    if blurred:
        picture = np.asarray(Image.fromarray(picture).filter(ImageFilter.GaussianBlur(blur)))
    if noisy:
        grain = random.standard_normal(picture.shape, dtype=np.float32) * noise
        picture = np.clip(np.rint(picture + grain), 0, 255).astype(np.uint8)
    if coded:
        stream = BytesIO()
        Image.fromarray(picture).save(stream, "JPEG", quality=quality)
        picture = np.asarray(Image.open(stream))
    return picture


def train_detector(
    pairs: Pairs, photos: Sequence[int] | NDArray[np.int64], seed: int, *, steps: int = STEPS
) -> SmallDetector:
    """Train a detector; everything follows from pairs and seed, so that nets of one seed differ by their pairs alone.

    AdamW with one cycle up to 0.002; every step has 32 genuine pictures and a forgery of each, half of them mirrored,
    all with a random gain. Computed in bfloat16 and channels-last, which takes a processor half the time.

    Args:
        pairs: of all photos.
        photos: places of those to train on.
        seed: of first weights, order, mirroring and gain.
        steps: how many.

    Returns:
        The net in evaluation mode, in float32, contiguous.
    """
    among = torch.as_tensor(np.asarray(photos, dtype=np.int64))
    wanted = torch.cat([torch.zeros(PAIRS), torch.ones(PAIRS)])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        net = SmallDetector()
        net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        optimiser = torch.optim.AdamW(net.parameters(), lr=PEAK_RATE, weight_decay=1e-2)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, PEAK_RATE, total_steps=steps)
        for _ in range(steps):
            chosen = among[torch.randint(len(among), (PAIRS,))]
            variant = torch.randint(pairs.genuine.shape[1], (PAIRS,))
            mirrored, gain = torch.rand(PAIRS) < 0.5, 1 + GAIN * (2 * torch.rand(PAIRS, 1, 1, 1) - 1)
            shown = torch.cat(
                [
                    torch.where(mirrored[:, None, None, None], part.flip(3), part) * gain
                    for part in (pairs.genuine[chosen, variant] / 255, pairs.forged[chosen, variant] / 255)
                ]
            )
            shown = ((shown.clamp(0, 1) - MEAN) / STD).contiguous(memory_format=torch.channels_last)
            with torch.autocast("cpu", dtype=torch.bfloat16):
                logits = net(shown)
            loss = F.binary_cross_entropy_with_logits(logits[:, 0].float(), wanted)
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            schedule.step()
    net.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    return net.eval()


def scores(net: SmallDetector, pixels: Tensor, batch: int = 256) -> NDArray[np.float64]:
    """Return the logit of being forged of pixels (n, 3, h, w), 0 to 1: shape (n,)."""
    with torch.no_grad():
        parts = [net((part - MEAN) / STD)[:, 0] for part in torch.split(pixels, batch)]
    return torch.cat(parts).double().numpy()


def as_pixels(pictures: Sequence[Pixels]) -> Tensor:
    """Return pictures (h, w, 3) of one size as pixels (n, 3, h, w), 0 to 1."""
    return torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).float().div(255).contiguous()


def _turned(picture: Pixels, angle: float, scale: float, shift: NDArray[np.float64]) -> Pixels:
    """Turn, scale and shift about the centre (bicubic); what comes in from beyond repeats the edge."""
    height, width = picture.shape[:2]
    padded = Image.fromarray(np.pad(picture, ((EDGE, EDGE), (EDGE, EDGE), (0, 0)), mode="edge"))
    cos, sin = np.cos(angle) / scale, np.sin(angle) / scale
    x, y = width * (0.5 + shift[0]), height * (0.5 + shift[1])
    data = (
        cos,
        sin,
        width / 2 + EDGE - cos * x - sin * y,
        -sin,
        cos,
        height / 2 + EDGE + sin * x - cos * y,
    )
    return np.asarray(padded.transform((width, height), Image.Transform.AFFINE, data, Image.Resampling.BICUBIC))


def _stacked(pictures: list[Pixels], variants: int) -> Tensor:
    stacked = torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2)
    return stacked.reshape(-1, variants, *stacked.shape[1:]).contiguous()


def _random(seed: int, *parts: int) -> np.random.Generator:
    return np.random.default_rng([seed, *parts])
