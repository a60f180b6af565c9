"""Which indices there are: of which rates, which way is better, and how each is made."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ...core.results import Direction
from ...core.statistics import index_bounds as bounds
from ...core.statistics.index_bounds import Index
from ...core.statistics.index_rates import Rate
from .index_material import ACCURACY, FPR, RECALL, SELECTION

Make = Callable[[Sequence[Rate], float, float, np.random.Generator], Index]


@dataclass(frozen=True)
class IndexOf:
    """An index: of which rates, over all classes at once or of each class, which way is better, and its formula.

    Attributes:
        rates: names of the rates.
        per_label: whether there is one for each class.
        together: whether all rates are of the same groups, those large enough for each.
        direction: which way is better.
        title: what a sentence calls it.
        make: from the rates, the error of each bound, the weight of the first of two error rates and a random source.
    """

    rates: tuple[str, ...]
    per_label: bool
    direction: Direction
    title: str
    make: Make
    together: bool = False


def _errors(rates: Sequence[Rate]) -> list[Rate]:
    """Return false positive and false negative rate from false positive rate and recall."""
    return [rates[0], rates[1].complement()]


INDICES: dict[str, IndexOf] = {
    "accuracy_difference": IndexOf(
        (ACCURACY,), False, "lower", "difference of accuracy", lambda r, a, _, s: bounds.difference_index(r, a, s)
    ),
    "accuracy_ratio": IndexOf(
        (ACCURACY,), False, "higher", "ratio of accuracies", lambda r, a, *_: bounds.ratio_index(r, a)
    ),
    "accuracy_deviation": IndexOf(
        (ACCURACY,),
        False,
        "lower",
        "mean absolute deviation of accuracy",
        lambda r, a, *_: bounds.spread_index(r[0], "mean_absolute_deviation", a),
    ),
    "accuracy_std": IndexOf(
        (ACCURACY,),
        False,
        "lower",
        "standard deviation of accuracy",
        lambda r, a, *_: bounds.spread_index(r[0], "standard_deviation", a),
    ),
    "skewed_error_ratio": IndexOf(
        (ACCURACY,),
        False,
        "lower",
        "skewed error ratio",
        lambda r, a, *_: bounds.max_to_min_index(r[0].complement(), a),
    ),
    "equalized_odds_difference": IndexOf(
        (RECALL, FPR),
        False,
        "lower",
        "equalised odds difference",
        lambda r, a, _, s: bounds.difference_index(r, a, s),
    ),
    "demographic_parity_difference": IndexOf(
        (SELECTION,),
        False,
        "lower",
        "demographic parity difference",
        lambda r, a, _, s: bounds.difference_index(r, a, s),
    ),
    "demographic_parity_ratio": IndexOf(
        (SELECTION,), False, "higher", "demographic parity ratio", lambda r, a, *_: bounds.ratio_index(r, a)
    ),
    "fnr_gini": IndexOf(
        (RECALL,),
        True,
        "lower",
        "Gini coefficient of the miss rate",
        lambda r, a, *_: bounds.spread_index(r[0].complement(), "gini", a),
    ),
    "fpr_to_geometric_mean": IndexOf(
        (FPR,),
        True,
        "lower",
        "largest false positive rate over the geometric mean",
        lambda r, a, *_: bounds.max_to_geometric_mean_index(r[0], a),
    ),
    "garbe": IndexOf(
        (FPR, RECALL),
        True,
        "lower",
        "GARBE",
        lambda r, a, w, _: bounds.spreads_index(_errors(r), "gini", (w, 1 - w), a),
        together=True,
    ),
    "fairness_discrepancy_rate": IndexOf(
        (FPR, RECALL),
        True,
        "higher",
        "fairness discrepancy rate",
        lambda r, a, w, _: bounds.fairness_discrepancy_index(_errors(r), w, a),
        together=True,
    ),
    "inequity_ratio": IndexOf(
        (FPR, RECALL),
        True,
        "lower",
        "inequity ratio",
        lambda r, a, w, _: bounds.inequity_index(_errors(r), w, a),
        together=True,
    ),
    "sum_of_error_differences": IndexOf(
        (FPR, RECALL),
        True,
        "lower",
        "sum of error differences",
        lambda r, a, *_: bounds.spreads_index(_errors(r), "mean_absolute_deviation", (1.0, 1.0), a),
        together=True,
    ),
}
