"""What colours does a drawn person have?

Skin: the ten hex values of the Monk Skin Tone Scale (Ellis Monk and Google, 2022, skintone.google,
CC BY 4.0). A drawn face has its tone by construction; the scale was made for annotators of people, not for
drawings.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np

from .canvas import Pixels

MONK_HEX: tuple[str, ...] = (
    "f6ede4", "f3e7db", "f7ead0", "eadaba", "d7bd96", "a07e56", "825c43", "604134", "3a312a", "292420",
)  # fmt: skip
TONE_GROUPS: tuple[str, ...] = ("light", "medium", "dark")
_GROUP_TONES: Mapping[str, tuple[int, ...]] = MappingProxyType(
    {"light": (1, 2, 3), "medium": (4, 5, 6), "dark": (7, 8, 9, 10)}
)

HAIR: Mapping[str, str] = MappingProxyType(
    {
        "black": "1d1917",
        "dark brown": "3a2719",
        "brown": "5d3d25",
        "light brown": "8a6440",
        "blond": "c9a566",
        "red": "9a4a22",
        "grey": "8d8984",
        "white": "c4c0b8",
    }
)
IRIS: Mapping[str, str] = MappingProxyType(
    {
        "dark brown": "33200f",
        "brown": "56361c",
        "hazel": "6b5a2c",
        "green": "4f6b45",
        "blue": "4b6f8f",
        "grey": "5f6f78",
    }
)
CLOTHES: tuple[str, ...] = (
    "2f4058",
    "6d2f3a",
    "3b5a48",
    "555b66",
    "8a7a5c",
    "2b2b30",
    "7d8fa6",
    "a3a59b",
    "5a4570",
)
BACKGROUNDS: tuple[str, ...] = (
    "b9c4cc", "8fa3ad", "d8d2c4", "a7b29a", "6f7d86", "c7b8a8", "9fa8bd", "e3e3e0", "596873", "b59c8c",
)  # fmt: skip


def rgb(code: str) -> Pixels:
    """Give the colour (3,) in 0..1 of a six-digit hex code."""
    return np.array([int(code[i : i + 2], 16) for i in (0, 2, 4)], dtype=np.float32) / np.float32(255)


def monk(tone: int) -> Pixels:
    """Give the colour (3,) of a Monk skin tone, 1 (lightest) to 10."""
    return rgb(MONK_HEX[tone - 1])


def skin_paint(tone: int) -> Pixels:
    """Give the base colour of drawn skin for a Monk tone.

    The scale's swatches are flat and a little grey; skin under a lamp is lighter and redder. One curve
    and one factor for all ten tones keep their order.
    """
    curve, factor = np.array([0.68, 0.72, 0.74]), np.array([0.97, 0.86, 0.77])
    return np.asarray(monk(tone) ** curve * factor, dtype=np.float32)


def tone_group(tone: int) -> str:
    """Name the group of a Monk tone: light (1-3), medium (4-6) or dark (7-10)."""
    return next(name for name, tones in _GROUP_TONES.items() if tone in tones)


def tones_of(group: str) -> tuple[int, ...]:
    """List the Monk tones of a group."""
    return _GROUP_TONES[group]


def mix(a: Pixels, b: Pixels, part: float) -> Pixels:
    """Go from one colour to another by a part of 0..1."""
    return np.asarray(a + np.float32(part) * (b - a), dtype=np.float32)


def lip_colour(skin: Pixels, rouge: float) -> Pixels:
    """Give the lips' colour for a skin colour; rouge 0..1 adds red, deeper on darker skin."""
    dark = float(np.clip(1 - skin.mean() / 0.75, 0, 1))
    factor = np.array([0.90, 0.66, 0.66]) * (1 - dark) + np.array([1.12, 0.84, 0.98]) * dark
    natural = np.asarray(skin * factor, dtype=np.float32)
    red = np.array([0.70, 0.20, 0.24], dtype=np.float32) * np.float32(1 - 0.55 * dark)
    return mix(natural, red, 0.55 * rouge)
