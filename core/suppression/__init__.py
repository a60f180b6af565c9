"""What may be published of an audit's results: numbers of small groups are held back, also against subtraction."""

from __future__ import annotations

from .view import DEFAULT_MIN_PUBLISHED, min_published, published, published_all, published_table

__all__ = ["DEFAULT_MIN_PUBLISHED", "min_published", "published", "published_all", "published_table"]
