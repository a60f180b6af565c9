"""Things that hide part of a face in daily life, drawn by its landmarks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from ..paint import Painting
from .hair import draw_hair
from .hand import draw_hand
from .medical_mask import draw_medical_mask
from .model import Model
from .scarf import draw_scarf
from .sunglasses import draw_sunglasses

_EYES = tuple(range(36, 48))
_BROWS = tuple(range(17, 27))
_MOUTH = tuple(range(48, 60))


@dataclass(frozen=True)
class Thing:
    """Something that can be drawn onto faces.

    Attributes:
        title: words that follow "under".
        hidden: landmarks that it covers; it needs half of them in the crop.
        draw: paints it.
    """

    title: str
    hidden: tuple[int, ...]
    draw: Callable[[Painting, Model], None]


OBJECTS: Mapping[str, Thing] = MappingProxyType(
    {
        "sunglasses": Thing("sunglasses", _EYES, draw_sunglasses),
        "medical_mask": Thing("a medical mask", _MOUTH, draw_medical_mask),
        "hand": Thing("a hand over the mouth", _MOUTH, draw_hand),
        "scarf": Thing("a scarf", _MOUTH, draw_scarf),
        "hair": Thing("hair over the brows", _BROWS, draw_hair),
    }
)
"""Every thing by name."""

__all__ = ["OBJECTS", "Model", "Thing"]
