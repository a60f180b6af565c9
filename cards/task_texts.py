"""Titles and meanings of the metrics of action units, of valence and arousal, and of pairs of faces."""

from __future__ import annotations

from collections.abc import Mapping

TASK_TEXTS: Mapping[str, tuple[str, str]] = {
    "brier": (
        "Brier score",
        "mean squared distance of the probabilities from what is true; 0 is best, 2 the worst for several classes",
    ),
    "macro_recall": ("macro recall", "mean over action units of the share found of the faces where the unit is active"),
    "ccc": ("CCC", "concordance of predicted and true value: 1 only where both agree in level, spread and order"),
    "pcc": ("PCC", "Pearson correlation of predicted and true value"),
    "rmse": ("RMSE", "root of the mean squared distance of predicted and true value"),
    "sagr": ("SAGR", "share of faces where predicted and true value have the same sign"),
    "bias": ("bias", "mean of predicted less true value"),
    "mean_truth": ("mean true value", "mean of the true values"),
    "fmr": ("FMR", "share of impostor pairs (two people) that match: false match rate"),
    "fnmr": ("FNMR", "share of genuine pairs (one person) that do not match: false non-match rate"),
    "tpr_at_fpr": ("TPR at an FPR", "share of genuine pairs that match where this share of impostor pairs does"),
    "threshold": ("threshold", "similarity from which a pair matches"),
    "skewed_error_ratio.null_drawn": (
        "skewed error ratio by chance",
        "the same for groups of these sizes with one common error rate",
    ),
    "accuracy_std.null_drawn": (
        "standard deviation of accuracy by chance",
        "the same for groups of these sizes with one common error rate",
    ),
}
