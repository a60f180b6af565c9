"""Averages over classes or units by group: balanced accuracy, macro F1, macro recall.

Such an average is no share of faces, so the rule for small groups is applied to what its variance makes of it: a group
of ``n`` faces is worth as many independent faces as a rate of the same value would need for that variance.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from ....core.results import Estimate
from ....core.statistics.class_means import METHOD, ClassSums, mean_of_ratios, too_few
from ....core.statistics.groups import Groups
from ....core.statistics.intervals import effective_n
from ....core.statistics.rules import StatisticsRules
from .rates import Floats, Rows

SumsOf = Callable[[Rows], ClassSums]


def averages_by_group(
    sums_of: SumsOf, rows: Rows, subjects: Rows, groups: Groups, names: Sequence[str], rules: StatisticsRules
) -> Iterator[tuple[dict[str, str], Estimate]]:
    """Yield the slice and the estimate of each group.

    Args:
        sums_of: from positions of faces to the sums by person, shape (people, k).
        rows: positions of the faces that take part.
        subjects: person of each of all faces.
        groups: an attribute or an intersection.
        names: of the k classes or units; those that no face has are left out everywhere.
        rules: level and smallest groups.
    """
    whole = sums_of(rows).total
    present = np.flatnonzero(whole.n > 0).tolist()
    if len(present) == 0:
        return
    pooled: Floats = whole.value[present]
    order = np.argsort(groups.codes[rows], kind="stable")
    ends = np.cumsum(np.bincount(groups.codes[rows], minlength=len(groups)))
    for group, (value, end) in enumerate(zip(groups.values, ends, strict=True)):
        start = ends[group - 1] if group else 0
        here = rows[order[start:end]]
        people = len(np.unique(subjects[here]))
        if len(here) == 0:
            yield value, Estimate.not_measured("no face here has a label", n=0, subjects=0)
            continue
        if people < rules.min_subjects:
            yield value, too_few(people, len(here), rules)
            continue
        sums = sums_of(here)
        sums = ClassSums(sums.x[:, present], sums.n[:, present])
        lacking = [names[place] for place, n in zip(present, sums.n.sum(axis=0), strict=True) if n == 0]
        if lacking:
            reason = f"no face here counts towards {', '.join(lacking)}, so the average would be of fewer"
            yield value, Estimate.not_measured(reason, n=len(here), subjects=people)
            continue
        yield value, _estimate(sums, pooled, len(here), people, rules)


def average_over_all(sums_of: SumsOf, rows: Rows, subjects: Rows, rules: StatisticsRules) -> Estimate:
    """Return the average over the labels that any face counts towards, of all faces; arguments as above."""
    people = len(np.unique(subjects[rows]))
    if people < rules.min_subjects:
        return too_few(people, len(rows), rules)
    sums = sums_of(rows)
    present = np.flatnonzero(sums.n.sum(axis=0) > 0).tolist()
    if not present:
        return Estimate.not_measured("no face counts towards any label", n=len(rows), subjects=people)
    value, low, high = mean_of_ratios(ClassSums(sums.x[:, present], sums.n[:, present]), rules.level)
    return Estimate(value=value, low=low, high=high, level=rules.level, method=METHOD, n=len(rows), subjects=people)


def _estimate(sums: ClassSums, pooled: Floats, faces: int, people: int, rules: StatisticsRules) -> Estimate:
    """Return the average of one group, or why it is not measured."""
    total = sums.total
    p = total.value
    worth = effective_n(total, p * (1 - p))
    variance = float((pooled * (1 - pooled) / worth).sum()) / len(pooled) ** 2
    mean = float(pooled.mean())
    n_effective = min(mean * (1 - mean) / variance, float(faces)) if variance > 0 else float(worth.min())
    needed = rules.effective_needed(mean * (1 - mean))
    if n_effective < needed * (1 - 1e-9):
        more = int(np.ceil((needed / n_effective - 1) * people))
        reason = f"n_eff {int(n_effective)} of {int(np.ceil(needed))} needed: about {more:,} more people"
        return Estimate.not_measured(reason, n=faces, subjects=people)
    value, low, high = mean_of_ratios(sums, rules.level)
    return Estimate(
        value=value, low=low, high=high, level=rules.level, method=METHOD, n=faces, subjects=people,
        n_effective=n_effective,
    )  # fmt: skip
