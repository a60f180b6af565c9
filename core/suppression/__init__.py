"""What may be published of an audit's results: numbers of small groups are held back, also against subtraction."""

from __future__ import annotations

from .pattern import Pattern, held_back
from .tables import without_small_groups
from .view import DEFAULT_MIN_PUBLISHED, min_published, published, published_all
from .words import is_held_back

__all__ = [
    "DEFAULT_MIN_PUBLISHED",
    "Pattern",
    "held_back",
    "is_held_back",
    "min_published",
    "published",
    "published_all",
    "without_small_groups",
]
