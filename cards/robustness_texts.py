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
    "impersonation": (
        "impersonation",
        "of pairs of two people, the share that match (once the first photo is changed, where an attack is named)",
    ),
    "dodging": (
        "dodging",
        "of pairs of one person, the share that do not match "
        "(once the first photo is changed, where an attack is named)",
    ),
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
    "unknown_auroc.null": ("AUROC of a score that knows nothing", "0.5, whatever the data"),
    "fpr95.null": ("FPR at 95 % TPR of a score that knows nothing", "0.95, whatever the data"),
    "unknowns_set_aside": ("unknown pictures set aside", "pictures of unknowns that could not be read"),
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

_INTEGRITY = {
    "checks_that_differ": ("checks that differ", "how many of the checks that could be made found a difference"),
    "answers_changed": (
        "answers that change in a check",
        "share of faces with another answer when the same is asked in another way",
    ),
    "largest_change": (
        "largest change in a check",
        "largest change of a probability (or value) when the same is asked in another way",
    ),
    "modules_in_training": ("modules in training mode", "modules of the net that were left in training mode"),
    "class_order_gain": (
        "gain of another order of classes",
        "balanced accuracy gained by the order that fits best, for people by whom it was not chosen",
    ),
    "class_order_gain.p": ("p of another order of classes", "p-value of that order fitting no better"),
    "channel_order_gain": (
        "gain of red and blue exchanged",
        "balanced accuracy gained when red and blue are exchanged before the net",
    ),
    "preprocessing_gain": (
        "gain of another reading of pixels",
        "balanced accuracy gained by the channels, mean and deviation that fit best, for people by whom they were not "
        "chosen",
    ),
    "preprocessing_gain.p": ("p of another reading of pixels", "p-value of that reading fitting no better"),
    "preprocessing_information": (
        "information gained by another reading of pixels",
        "nats per face that it tells more of the label, thresholds and confidence fitted anew",
    ),
    "not_finite": ("plain pictures without an answer", "pictures of one colour or noise with NaN or infinite outputs"),
    "output_range": ("range of the outputs", "largest distance of a probability (or value) between two faces"),
    "saturated": ("saturated answers", "share of faces answered with a certainty of 1 to six digits"),
    "sum_error": ("error of the sum", "largest distance from 1 of the sum of a face's probabilities"),
}
_OCCLUSION = {
    "area": ("area under the curve", "mean of accuracy over the shares that are hidden, from none to the largest"),
    "area_kept": ("area under the curve", "mean share of answers kept over the shares that are hidden"),
    "area_moved": ("area under the curve", "mean move of the answer over the shares that are hidden"),
    "random_minus_guided": (
        "random minus guided",
        "how much less is left when patches are hidden where a map points than at random, as a difference of areas",
    ),
    "random_minus_guided.null_elsewhere": (
        "random minus guided by chance",
        "the same with the map moved to a random place: what a map of this form reaches without pointing",
    ),
    "elsewhere_minus_guided": (
        "elsewhere minus guided",
        "how much less is left than when the map is moved to a random place; 0 for a map that points nowhere",
    ),
    "last_minus_first": (
        "last minus first",
        "how much less is left when the most important patches are hidden first than when they are hidden last",
    ),
    "beyond_elsewhere": (
        "cost beyond elsewhere",
        "how much less is left when something is hidden than when the same thing lies at a random place",
    ),
}

CONDITION_NAMES: Mapping[str, Mapping[str, str]] = {
    "attack": {
        "pgd": "PGD",
        "fgsm": "FGSM",
        "apgd_ce": "APGD-CE",
        "apgd_t": "APGD-T",
        "fab": "FAB",
        "square": "Square Attack",
        "quick": "attacks of the quick tier",
        "standard": "attacks of the standard tier",
        "full": "attacks of the full tier",
        "noise": "noise of the same size",
        "low_frequency": "smooth changes",
        "patch": "a sticker",
        "eyeglasses": "the frame of glasses",
    },
    "corruption": {
        "gaussian_noise": "Gaussian noise",
        "gaussian_blur": "Gaussian blur",
        "jpeg": "JPEG",
        "jpeg_compression": "JPEG compression",
        "noise": "all noise",
        "blur": "all blur",
        "weather": "all weather",
        "digital": "all digital",
        "face": "all that is typical of faces",
        "imagenet_c": "the fifteen of ImageNet-C",
    },
    "occlusion": {
        "random": "patches at random",
        "guided": "patches, the most important first",
        "guided_last": "patches, the least important first",
        "guided_elsewhere": "patches by a map moved elsewhere",
    },
    "change": {"identity": "no change", "mirror": "mirroring"},
}
"""What is done to faces, by kind and name, where the name with spaces for underscores would not do."""

ROBUSTNESS_TEXTS: Mapping[str, tuple[str, str]] = {
    **_UNDER_CONDITIONS,
    **_ATTACKS,
    **_FRAMES,
    **_OPEN_SET,
    **_OCCLUSION,
    **_INTEGRITY,
}
"""Title and meaning by metric."""
