"""Titles and meanings of indices over groups and of what stands beside each of them."""

from __future__ import annotations

from collections.abc import Mapping

_INDICES = {
    "accuracy_difference": ("difference of accuracy", "largest less smallest accuracy of a group"),
    "accuracy_ratio": ("ratio of accuracies", "smallest over largest accuracy of a group; 1 is equality"),
    "accuracy_deviation": ("mean deviation of accuracy", "mean distance of the groups' accuracies from their mean"),
    "accuracy_std": (
        "standard deviation of accuracy",
        "of the accuracies of a sample of groups, every group counting alike",
    ),
    "skewed_error_ratio": ("skewed error ratio", "largest over smallest share of wrong answers in a group"),
    "equalized_odds_difference": (
        "equalised odds difference",
        "largest difference between two groups in any class's true or false positive rate",
    ),
    "demographic_parity_difference": (
        "demographic parity difference",
        "largest difference between two groups in how often any class is answered; labels do not matter",
    ),
    "demographic_parity_ratio": (
        "demographic parity ratio",
        "smallest ratio between two groups in how often any class is answered; 1 is equality",
    ),
    "fnr_gini": ("Gini coefficient of misses", "inequality of the groups' miss rates, 0 to 1"),
    "fpr_to_geometric_mean": (
        "largest FPR over the geometric mean",
        "false positive rate of the worst group over the geometric mean of the groups; 1 is equality",
    ),
    "garbe": ("GARBE", "weighted mean of the Gini coefficients of false alarms and misses, 0 to 1"),
    "fairness_discrepancy_rate": (
        "fairness discrepancy rate",
        "1 less the weighted mean of the largest differences in false alarms and misses; 1 is equality",
    ),
    "inequity_ratio": (
        "inequity ratio",
        "weighted geometric mean of largest over smallest rate, of false alarms and of misses; 1 is equality",
    ),
    "sum_of_error_differences": (
        "sum of error differences",
        "mean distance of the groups from their mean, in false alarms and misses together",
    ),
}
_BESIDE = {
    "null_permuted": ("{} by chance", "the same when groups of these sizes are dealt out at random over people"),
    "p": ("p of the {}", "share of random groupings of people that are at least as unequal"),
    "p_adjusted": ("{}, adjusted p", "p-value adjusted for all indices of the probe together"),
    "corrected": ("{} without chance", "estimate of what is left when the share of chance is taken out"),
}

INDEX_TEXTS: Mapping[str, tuple[str, str]] = _INDICES | {
    f"{name}.{beside}": (form.format(title), meaning)
    for name, (title, _) in _INDICES.items()
    for beside, (form, meaning) in _BESIDE.items()
}
"""Title and meaning of each metric of the probe ``group_indices``."""
