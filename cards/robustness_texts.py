"""Titles and meanings of what robustness and integrity probes measure."""

from __future__ import annotations

from collections.abc import Mapping

_UNDER_CONDITIONS = {
    "lost": (
        "answers lost",
        "of the faces answered rightly as they are, the share answered wrongly under the condition",
    ),
    "changed": ("answers changed", "share of faces with another answer under the condition than as they are"),
}
_ATTACKS = {
    "smallest_eps": ("smallest eps that flips", "smallest of the sizes tried at which the attack changes the answer"),
}

ROBUSTNESS_TEXTS: Mapping[str, tuple[str, str]] = {
    **_UNDER_CONDITIONS,
    **_ATTACKS,
}
"""Title and meaning by metric."""
