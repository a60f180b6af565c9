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
    "mce": (
        "mean corruption error",
        "mean over corruptions of the mean error over severities, not divided by another net's errors",
    ),
    "relative_mce": ("relative mean corruption error", "the mean corruption error less the error of faces as they are"),
}
_ATTACKS = {
    "smallest_eps": ("smallest eps that flips", "smallest of the sizes tried at which the attack changes the answer"),
    "survives": (
        "flips that outlast a camera",
        "of the answers that an attack changed, the share that stay so; without faces that the camera itself changes",
    ),
}
_FRAMES = {
    "withstood": (
        "withstood up to",
        "largest amount tried (share of the box, or degrees) up to which no more right answers are lost than accepted",
    ),
    "mirror_consistency": ("mirror consistency", "share of answers that are the same for the mirror image of the face"),
    "mirror_consistency.null": (
        "mirror consistency by chance",
        "the same when the mirror image is one of another person's face",
    ),
    "mirror_distance": (
        "mirror distance",
        "how far the outputs for a face and its mirror image lie apart: half the sum of absolute differences of the "
        "class probabilities, or the mean absolute difference",
    ),
    "faces_beyond_picture": (
        "faces beyond the picture",
        "most faces whose crop reached beyond the picture in a change",
    ),
}
_OPEN_SET = {
    "unknown_auroc": (
        "AUROC against unknowns",
        "chance that a face the model was made for scores above an unknown one; 0.5 for a score that knows nothing",
    ),
    "fpr95": (
        "FPR at 95 % TPR",
        "share of unknowns accepted at the score that accepts 95 % of known faces; 0.95 for a score that knows nothing",
    ),
    "known_rejected": ("known faces rejected", "share of known faces below the score that 95 % of all of them reach"),
    "unknown_accepted": (
        "unknowns accepted",
        "share of unknowns that reach the score which 95 % of the known faces reach",
    ),
    "known_above_unknown": (
        "rank above unknowns",
        "mean share of the unknowns that a known face scores above, ties counting half",
    ),
    "known_accuracy": ("accuracy on known faces", "share of the faces of known classes that are answered rightly"),
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
    **_FRAMES,
    **_OPEN_SET,
}
"""Title and meaning by metric."""
