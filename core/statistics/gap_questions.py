"""Questions about gaps: does this score differ between the groups of this attribute? Their numbers and findings.

Who asks about many scores and attributes finds a small p-value by chance. A finding is raised only where the p-value
holds after Holm's adjustment over all questions that one probe asked (Holm 1979, Scandinavian Journal of
Statistics 6:65).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from ..keys import format_key
from ..results import Direction, Estimate, Finding, Measurement
from .gaps import Difference, Gap, NoGap
from .sums import Floats

ATTRIBUTE = "attribute"
GAP, WORST, NULL, P_VALUE = "gap", "worst_vs_rest", "null_permuted", "p"
METHOD_GAP = "max_pair_permutation"
METHOD_WORST = "group_against_rest_permutation"
METHOD_NULL = "permuted_groups"
METHOD_PEOPLE = "permutation_of_people"
METHOD_WITHIN = "permutation_within_people"
SIGNIFICANT = 0.05


@dataclass(frozen=True)
class GroupQuestion:
    """One score, one attribute, and how far its groups differ.

    Attributes:
        probe_id: the probe that asks.
        metric: name of the score.
        attribute: name of the attribute, ``ethnicity&gender`` for an intersection.
        gap: the answer.
        slice: slice that all faces share, e.g. ``{"label": "happy"}``.
        condition: e.g. ``{"eps": "8/255"}``.
        direction: which way is better.
        title: what a sentence calls the score.
        level: confidence level of the bounds.
    """

    probe_id: str
    metric: str
    attribute: str
    gap: Gap | NoGap
    slice: Mapping[str, str] = field(default_factory=dict)
    condition: Mapping[str, str] = field(default_factory=dict)
    direction: Direction = "none"
    title: str = ""
    level: float = 0.95

    def measurements(self) -> list[Measurement]:
        """Return the gap, its null and its p-value, and the same for the worst group against all others.

        - ``METRIC.gap``: largest difference between two groups, with the bounds of the true one.
        - ``METRIC.gap.null_permuted``: its mean when groups are dealt out at random over people, with 95 % range.
        - ``METRIC.gap.p``: p-value of the permutation test; it has no interval.
        - ``METRIC.worst_vs_rest`` and the like, where a direction is better: how much worse the group that does
          worst is than all others together.

        A gap that was not measured has the first alone, with the reason.
        """
        gap = self.gap
        if isinstance(gap, NoGap):
            return [self._measurement(GAP, Estimate.not_measured(gap.reason))]
        found = self._difference(GAP, gap.largest, METHOD_GAP, gap)
        if gap.worst_vs_rest is not None:
            found += self._difference(WORST, gap.worst_vs_rest, METHOD_WORST, gap)
        return found

    def _difference(self, name: str, difference: Difference, method: str, gap: Gap) -> list[Measurement]:
        known = difference.low is not None and difference.high is not None
        test = METHOD_WITHIN if gap.people_in_several else METHOD_PEOPLE

        def estimate(value: float, method: str, low: float | None = None, high: float | None = None) -> Estimate:
            level = None if low is None else self.level
            return Estimate(
                value=value, low=low, high=high, level=level, method=method, n=gap.faces, subjects=gap.people
            )

        bounds = (difference.low, difference.high) if known else (None, None)
        null = estimate(difference.null_mean, METHOD_NULL, difference.null_low, difference.null_high)
        return [
            self._measurement(name, estimate(difference.value, method, *bounds), "lower"),
            self._measurement(f"{name}.{NULL}", null),
            self._measurement(f"{name}.{P_VALUE}", estimate(difference.p, test)),
        ]

    def _measurement(self, name: str, estimate: Estimate, direction: Direction = "none") -> Measurement:
        return Measurement.of(
            self.probe_id,
            f"{self.metric}.{name}",
            estimate,
            slice=self.full_slice,
            condition=dict(self.condition),
            direction=direction,
        )

    @property
    def full_slice(self) -> dict[str, str]:
        """Where the gap stands: the slice that all faces share, and the attribute."""
        return {**self.slice, ATTRIBUTE: self.attribute}

    @property
    def place(self) -> str:
        """Slice and condition in words: `` of label happy at eps 8/255``, or nothing."""
        words = "".join(f" of {name} {value}" for name, value in sorted(self.slice.items()))
        return words + "".join(f" at {name} {value}" for name, value in sorted(self.condition.items()))


def holm(p_values: Sequence[float]) -> Floats:
    """Return p-values adjusted by Holm's step-down method, in the order given."""
    p = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(p, kind="stable")
    stepped = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    adjusted = np.empty(len(p))
    adjusted[order] = np.minimum(stepped, 1.0)
    return adjusted


def gap_findings(questions: Sequence[GroupQuestion]) -> list[Finding]:
    """Return a finding for every gap whose p-value holds after adjustment over all the questions.

    Where no side of a score is better, the gaps by one attribute are told in one finding, that of the smallest p-value
    (of equal ones the largest beside its null) with the number of the others.

    Args:
        questions: everything that was asked of one probe's scores, answered or not; those without an answer do not
            count.
    """
    answered = [(question, question.gap) for question in questions if isinstance(question.gap, Gap)]
    adjusted = holm([gap.largest.p for _, gap in answered])
    held = [
        (question, gap, float(p)) for (question, gap), p in zip(answered, adjusted, strict=True) if p <= SIGNIFICANT
    ]
    found = [_finding(*each, len(answered)) for each in held if each[0].direction != "none"]
    neutral = [each for each in held if each[0].direction == "none"]
    for attribute in dict.fromkeys(question.attribute for question, _, _ in neutral):
        alike = [each for each in neutral if each[0].attribute == attribute]
        alike.sort(key=lambda each: (each[2], -each[1].largest.value / max(each[1].largest.null_mean, 1e-12)))
        first = _finding(*alike[0], len(answered))
        found.append(first if len(alike) == 1 else _with_others(first, alike[1:]))
    return found


def _with_others(first: Finding, others: Sequence[tuple[GroupQuestion, Gap, float]]) -> Finding:
    """Add to a finding in how many other scores the groups of the same attribute differ, and the keys of those."""
    many = "another score" if len(others) == 1 else f"{len(others)} other scores"
    evidence = [question.measurements()[0].key for question, _, _ in others]
    claim = f"{first.claim} Groups of this attribute differ in {many} too."
    return first.model_copy(update={"claim": claim, "evidence": [*first.evidence, *evidence]})


def _finding(question: GroupQuestion, gap: Gap, p: float, asked: int) -> Finding:
    found = gap.largest
    title = question.title or question.metric.replace("_", " ")
    bounds = "" if found.low is None or found.high is None else f" [{found.low:.3f}, {found.high:.3f}]"
    several = f" after adjustment for {asked} questions of this kind (Holm)" if asked > 1 else ""
    key = format_key(question.probe_id, f"{question.metric}.{GAP}", question.full_slice, question.condition)
    claim = (
        f"Grouped by {' and '.join(question.attribute.split('&'))}, the {title}{question.place} is lower for "
        f"{gap.lowest} ({gap.lowest_value:.3f}) than for {gap.highest} ({gap.highest_value:.3f}): a difference of "
        f"{found.value:.3f}{bounds}. Groups of these sizes dealt out at random over people differ by "
        f"{found.null_mean:.3f} on average; p = {p:.2g}{several}."
    )
    caveats = [
        "The groups may differ in more than this attribute: their pictures, their labels, their other attributes."
    ]
    if len(gap.groups) > 2:
        caveats.append(
            f"The p-value says that the {len(gap.groups)} groups are not all alike; which of them stand at the ends "
            "is less certain."
        )
    if gap.left_out:
        caveats.append(f"Too small to take part: {'; '.join(gap.left_out)}.")
    return Finding(
        id=key.replace("/", ".", 1),
        severity="medium" if question.direction != "none" else "low",  # without a better side no one is worse off
        claim=claim,
        evidence=[item.key for item in question.measurements() if f".{GAP}" in item.metric],
        p_adjusted=p,
        caveats=caveats,
    )


def gap_notes(questions: Sequence[GroupQuestion]) -> list[str]:
    """Return remarks on what the gaps of one probe leave out or could not have shown."""
    notes = []
    for attribute in dict.fromkeys(question.attribute for question in questions):
        gaps = [question.gap for question in questions if question.attribute == attribute]
        names = sorted({name for gap in gaps if isinstance(gap, Gap) for name in gap.left_out})
        if names:
            notes.append(f"gaps by {attribute} leave out, in all or some scores, groups too small: {'; '.join(names)}")
    answered = [question.gap for question in questions if isinstance(question.gap, Gap)]
    if answered and len(answered) > SIGNIFICANT * (answered[0].permutations + 1):
        notes.append(
            f"{len(answered)} gaps were tested with {answered[0].permutations:,} permutations each: too many for any "
            "to hold after adjustment, so no finding could be raised; the p-values as such stand in the results"
        )
    return notes
