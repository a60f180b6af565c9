"""Titles and meanings of the metrics of action units, of valence and arousal, and of pairs of faces."""

from __future__ import annotations

from collections.abc import Mapping

_TEXTS = {
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
    "fmr_to_geometric_mean": (
        "largest FMR over the geometric mean",
        "false match rate of the worst group over the geometric mean of the groups; 1 is equality",
    ),
    "fmr_to_geometric_mean.p": (
        "p of the largest FMR over the geometric mean",
        "share of draws of equal groups that are at least as unequal",
    ),
}
_DRAWN = {
    "skewed_error_ratio": "skewed error ratio",
    "accuracy_std": "standard deviation of accuracy",
    "fmr_to_geometric_mean": "largest FMR over the geometric mean",
    "inequity_ratio": "inequity ratio",
    "garbe": "GARBE",
    "fairness_discrepancy_rate": "fairness discrepancy rate",
}
TASK_TEXTS: Mapping[str, tuple[str, str]] = _TEXTS | {
    f"{name}.null_drawn": (f"{title} by chance", "the same for groups of these sizes that have one rate in common")
    for name, title in _DRAWN.items()
}
