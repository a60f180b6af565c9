"""Integrity: does the audit itself hold? Importing registers the probe ``integrity``."""

from __future__ import annotations

from .probe import integrity

__all__ = ["integrity"]
