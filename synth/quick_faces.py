"""Grey drawn faces by the thousand: seven expressions of brows, eyes and mouth, with a person's own measures.

For studies that train hundreds of small nets. A face here is a dozen soft-edged shapes on a small grid, all faces of
a batch drawn at once; for faces with people, action units and landmarks see :mod:`.dataset`, which draws some hundred
times slower. What each expression does to brows, eyes and mouth follows the usual prototypes (:mod:`.expression`),
with an intensity of its own for every face.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import torch
from torch import Tensor

from .expression import EXPRESSIONS

SIZE = 64
"""Side of the pictures in pixels."""
INTENSITY = (0.45, 1.0)
"""Smallest and largest share of an expression's prototype that a face shows."""
OVAL = (0.0, 0.06, 0.62, 0.80)
"""Centre (x, y) and half axes of the mean face's oval, in half sides of the picture from its middle, y down."""
_BATCH = 64
_MOVES = ("brow_height", "brow_inner", "brow_close", "eye_open", "mouth_curve", "mouth_open", "mouth_wide", "lip_lift")

PROTOTYPES: Mapping[str, tuple[float, ...]] = MappingProxyType(
    {  # in the order of _MOVES; heights in half sides of the picture, openings and widths as shares
        "neutral": (0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0),
        "happy": (0.0, 0.0, 0.0, -0.30, 0.10, 0.035, 0.30, 0.0),
        "sad": (0.0, 0.09, 0.2, -0.25, -0.08, 0.0, -0.10, 0.0),
        "angry": (-0.05, -0.09, 0.6, 0.10, -0.02, 0.0, -0.25, 0.0),
        "fearful": (0.07, 0.07, 0.2, 0.45, -0.05, 0.05, 0.20, 0.0),
        "disgusted": (-0.04, -0.03, 0.3, -0.45, -0.05, 0.03, 0.0, 0.07),
        "surprised": (0.12, 0.0, 0.0, 0.55, 0.0, 0.13, -0.30, 0.0),
    }
)
_SPREAD = (0.007, 0.007, 0.06, 0.04, 0.007, 0.004, 0.03, 0.005)
"""Standard deviation of each move between faces of one expression."""


@dataclass(frozen=True)
class QuickFaces:
    """Drawn faces.

    Attributes:
        pixels: grey, float32 (n, 1, size, size), 0 to 1.
        labels: (n,) positions in ``EXPRESSIONS``.
    """

    pixels: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def rgb(self) -> Tensor:
        """The same pictures with three equal channels, (n, 3, size, size), as an audit hands them to a target."""
        return self.pixels.expand(-1, 3, -1, -1)


def quick_faces(count: int, seed: int, size: int = SIZE, noise: float = 0.03) -> QuickFaces:
    """Draw faces whose expressions take turns; everything follows from the seed.

    Args:
        count: how many, at least 1.
        seed: of measures, intensities, light and grain.
        size: side of the pictures in pixels.
        noise: standard deviation of the grain, in units of 0..1.
    """
    chance = torch.Generator().manual_seed(seed)
    labels = torch.arange(count) % len(EXPRESSIONS)
    table = torch.tensor([PROTOTYPES[name] for name in EXPRESSIONS])
    low, high = INTENSITY
    intensity = low + (high - low) * torch.rand((count, 1), generator=chance)
    moves = table[labels] * intensity + torch.tensor(_SPREAD) * torch.randn((count, len(_MOVES)), generator=chance)
    measures = torch.randn((count, len(_MEASURES)), generator=chance)
    tones = torch.rand((count, len(_TONES)), generator=chance)
    pixels = torch.empty((count, 1, size, size))
    for start in range(0, count, _BATCH):
        of = slice(start, start + _BATCH)
        pixels[of, 0] = _draw(moves[of], measures[of], tones[of], size)
    pixels += noise * torch.randn(pixels.shape, generator=chance)
    return QuickFaces(pixels.clamp_(0, 1), labels)


_MEASURES = ("wide", "long", "eyes_apart", "eyes_high", "mouth_low", "brow_thick", "x", "y", "roll")
_TONES = ("ground", "skin", "hair", "hairline", "side_light", "brow_dark", "lip_dark")


def _draw(moves: Tensor, measures: Tensor, tones: Tensor, size: int) -> Tensor:
    """Draw one batch, (n, size, size), before grain."""
    move = dict(zip(_MOVES, moves.T[:, :, None, None], strict=True))
    own = dict(zip(_MEASURES, measures.T[:, :, None, None], strict=True))
    tone = dict(zip(_TONES, tones.T[:, :, None, None], strict=True))
    edge = 2.0 / size  # a pixel, in half sides: shapes fade over about one
    axis = (torch.arange(size) + 0.5) * (2.0 / size) - 1
    turn = 0.04 * own["roll"]
    x = axis[None, None, :] - 0.03 * own["x"]
    y = axis[None, :, None] - OVAL[1] - 0.03 * own["y"]
    x, y = x + turn * y, y - turn * x
    half_width, half_height = OVAL[2] + 0.03 * own["wide"], OVAL[3] + 0.03 * own["long"]

    skin = 0.42 + 0.38 * tone["skin"]
    skin = skin * (1 + 0.22 * (tone["side_light"] - 0.5) * x - 0.10 * (x * x + y * y))
    picture = (0.15 + 0.7 * tone["ground"]) * (1 + 0.1 * y)
    around = ((x / half_width) ** 2 + (y / half_height) ** 2).sqrt()
    head = _inside((1 - around) * half_width, edge)
    hair = 0.08 + 0.35 * tone["hair"]
    crown = _inside((1.13 - around) * half_width, edge) * _inside(0.15 - y, edge)
    picture = picture + (hair - picture) * crown
    hairline = -half_height * (0.80 - 0.18 * tone["hairline"]) + 0.12 * x * x
    picture = picture + (skin - picture) * head * _inside(y - hairline, edge)

    side = x.abs()
    apart, eye_y = 0.27 + 0.015 * own["eyes_apart"], -0.14 + 0.015 * own["eyes_high"]
    open_by = 0.062 * (1 + move["eye_open"]).clamp(0.25, 1.9)
    eye_x, down = side - apart, y - eye_y
    eye = _inside((1 - ((eye_x / 0.125) ** 2 + (down / open_by) ** 2).sqrt()) * open_by, edge)
    picture = picture + (0.92 - picture) * eye
    iris = _inside(0.055 - (eye_x * eye_x + down * down).sqrt(), edge) * eye
    picture = picture + (0.10 - picture) * iris
    lid = _inside(0.014 - (down + open_by * (1 - (eye_x / 0.14) ** 2)).abs(), edge) * _inside(0.14 - eye_x.abs(), edge)
    picture = picture * (1 - 0.55 * lid)

    brow_x = side - apart + 0.03 * move["brow_close"]
    inner = (0.5 - brow_x / 0.34).clamp(0, 1)  # 1 at the nose, 0 at the temple
    brow_y = eye_y - 0.155 - move["brow_height"] - move["brow_inner"] * (1.6 * inner - 0.5) + 0.5 * brow_x * brow_x
    thick = 0.026 + 0.004 * own["brow_thick"].clamp(-2, 2)
    brow = _inside(thick - (y - brow_y).abs(), edge) * _inside(0.165 - brow_x.abs(), edge)
    picture = picture * (1 - (0.55 + 0.3 * tone["brow_dark"]) * brow)
    frown = _inside(0.014 - (side - 0.05).abs(), edge) * _inside(0.06 - (y - eye_y + 0.14).abs(), edge)
    picture = picture * (1 - 0.5 * (move["brow_close"] - 0.1).clamp(0, 1) * frown)

    nose_y = 0.17
    nose = _inside(0.018 - (y - nose_y - 0.04 + 1.5 * x * x).abs(), edge) * _inside(0.085 - side, edge)
    fold = _inside(0.014 - (side - 0.17 - 0.35 * (y - nose_y)).abs(), edge) * _inside(0.10 - (y - 0.26).abs(), edge)
    folds = (4 * move["mouth_curve"] + 9 * move["lip_lift"]).clamp(0, 1)
    picture = picture * (1 - 0.45 * nose) * (1 - 0.45 * folds * fold)

    wide = (0.22 * (1 + move["mouth_wide"])).clamp_min(0.08)
    across = x / wide
    arch = (1 - across * across).clamp_min(0)
    line = 0.44 + 0.02 * own["mouth_low"] + move["mouth_curve"] * (arch - 0.5) - 0.5 * move["lip_lift"] * arch
    gap = move["mouth_open"].clamp_min(0) * arch.sqrt()
    lips = _inside(gap + 0.032 * arch.sqrt() - (y - line).abs(), edge) * _inside(wide - side, edge)
    picture = picture * (1 - (0.30 + 0.25 * tone["lip_dark"]) * lips)
    mouth = _inside(gap + 0.010 - (y - line).abs(), edge) * _inside(wide * 0.95 - side, edge)
    picture = picture * (1 - 0.75 * mouth)
    teeth = _inside(0.45 * gap - (y - line + 0.45 * gap).abs(), edge) * _inside(wide * 0.8 - side, edge)
    drawn: Tensor = picture + (0.85 - picture) * teeth * (gap > 0.02).float() * (move["mouth_wide"] > 0).float()
    return drawn


def _inside(distance: Tensor, edge: float) -> Tensor:
    """Return 1 inside a shape and 0 outside, with a soft edge one pixel wide."""
    return (distance / edge + 0.5).clamp(0, 1)
