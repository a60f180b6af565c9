"""Titles and meanings of what probes of triggers, poisoned data and backdoored weights measure."""

from __future__ import annotations

from collections.abc import Mapping

BACKDOOR_CONDITION_NAMES: Mapping[str, Mapping[str, str]] = {}
"""What is done to faces, by kind and name, where the name with spaces for underscores would not do."""

BACKDOOR_TEXTS: Mapping[str, tuple[str, str]] = {}
"""Title and meaning by metric."""
