"""Titles and meanings of what probes of forged faces measure."""

from __future__ import annotations

from collections.abc import Mapping

FORGERY_CONDITION_NAMES: Mapping[str, Mapping[str, str]] = {}
"""What is done to faces, by kind and name, where the name with spaces for underscores would not do."""

FORGERY_TEXTS: Mapping[str, tuple[str, str]] = {}
"""Title and meaning by metric."""
