"""Titles and meanings of what robustness and integrity probes measure."""

from __future__ import annotations

from collections.abc import Mapping

_UNDER_CONDITIONS = {
    "lost": (
        "answers lost",
        "of the faces answered rightly as they are, the share answered wrongly under the condition",
    ),
    "error_rise": ("rise of the error", "mean absolute error under the condition less that of the faces as they are"),
    "absolute_error": ("absolute error", "mean distance of predicted and true value, over the dimensions"),
    "moved": ("move of the answer", "mean distance of the values under the condition from those without it"),
    "changed": ("answers changed", "share of faces with another answer under the condition than as they are"),
}
_ATTACKS = {
    "smallest_eps": ("smallest eps that flips", "smallest of the sizes tried at which the attack changes the answer"),
}

CONDITION_NAMES: Mapping[str, str] = {
    "pgd": "PGD",
    "fgsm": "FGSM",
    "apgd_ce": "APGD-CE",
    "apgd_t": "APGD-T",
    "fab": "FAB",
    "square": "Square Attack",
    "quick": "attacks of the quick tier",
    "standard": "attacks of the standard tier",
    "full": "attacks of the full tier",
    "noise": "noise",
    "gaussian_noise": "Gaussian noise",
    "jpeg": "JPEG",
    "jpeg_compression": "JPEG compression",
    "random": "patches in random places",
    "guided": "patches on what matters most",
}
"""What is done to faces, where its name in keys with spaces for underscores would not do."""

ROBUSTNESS_TEXTS: Mapping[str, tuple[str, str]] = {
    **_UNDER_CONDITIONS,
    **_ATTACKS,
}
"""Title and meaning by metric."""
