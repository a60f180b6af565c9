"""Questions about gaps: does this score differ between the groups of this attribute? Their numbers and findings.

All questions of one probe are answered together (:mod:`.joint`); what is told of the answers is the question of
:mod:`.gap_findings`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ..results import Direction, Estimate, Measurement
from .gap_answers import answer
from .gaps import Asked, Difference, Gap, NoGap

ATTRIBUTE = "attribute"
GAP, WORST, NULL, P_VALUE, P_ADJUSTED = "gap", "worst_vs_rest", "null_permuted", "p", "p_adjusted"
CROSS_FITTED, DETECTABLE, PLACEBO = "cross_fitted", "detectable", "placebo"
NEEDED = "faces_to_pass"
NAMED = 4
METHOD_GAP = "max_pair_permutation"
METHOD_WORST = "group_against_rest_permutation"
METHOD_NULL = "permuted_groups"
METHOD_PEOPLE = "permutation_of_people"
METHOD_WITHIN = "permutation_within_people"
METHOD_JOINT = "joint_step_down"
METHOD_CROSS_FITTED = "cross_fitted_5_folds"
METHOD_DETECTABLE = "size_shown_in_8_of_10"
METHOD_NEEDED = "passes_in_8_of_10"
METHOD_PLACEBO = "random_groups_of_people"


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
        """Return the gap, its null and its p-values, and the same for the worst group against all others.

        - ``METRIC.gap``: largest difference between two groups, with limits of the true one (both sides at once) and
          the one-sided bounds that gates test.
        - ``METRIC.gap.null_permuted``: its mean when groups are dealt out at random over people, with 95 % range.
        - ``METRIC.gap.p``: p-value of the permutation test; ``.p_adjusted``: over all questions of the probe.
        - ``METRIC.gap.cross_fitted``: measured on other people than those by whom the groups were picked.
        - ``METRIC.gap.detectable``: the smallest true gap that would be shown to exceed the tolerance.
        - ``METRIC.gap.faces_to_pass``: independent faces in each group with which a model without a gap would pass.
        - ``METRIC.gap.placebo`` and ``.placebo.p_adjusted``: the same question of random groups of people.
        - ``METRIC.worst_vs_rest`` and the like, where a direction is better: how much worse the group that does
          worst is than all others together.

        A gap that was not measured has the difference itself alone, with the reason.
        """
        gap = self.gap
        if isinstance(gap, NoGap):
            names = [GAP] if self.direction == "none" else [GAP, WORST]
            lacking = "; ".join(f"{name}: {why}" for name, why in list(gap.left_out.items())[:NAMED])
            more = f"; and {len(gap.left_out) - NAMED} more" if len(gap.left_out) > NAMED else ""
            none = Estimate.not_measured(f"{gap.reason} ({lacking}{more})" if lacking else gap.reason)
            if gap.blocking:
                none = none.model_copy(update={"groups_left_out": gap.blocking})
            return [self._measurement(name, none) for name in names]
        found = self._difference(GAP, gap.largest, METHOD_GAP, gap, f"{gap.lowest} below {gap.highest}")
        if gap.worst_vs_rest is not None:
            found += self._difference(WORST, gap.worst_vs_rest, METHOD_WORST, gap, gap.worst or "")
        return found

    def _difference(self, name: str, difference: Difference, method: str, gap: Gap, about: str) -> list[Measurement]:
        test = METHOD_WITHIN if gap.people_in_several else METHOD_PEOPLE

        def estimate(value: float, method: str, low: float | None = None, high: float | None = None) -> Estimate:
            level = None if low is None else self.level
            return Estimate(
                value=value, low=low, high=high, level=level, method=method, n=gap.faces, subjects=gap.people
            )

        known = difference.low is not None and difference.high is not None
        bounds = (difference.low, difference.high) if known else (None, None)
        whole = estimate(difference.value, method, *bounds).model_copy(
            update={
                "bound_low": difference.bound_low,
                "bound_high": difference.bound_high,
                "level": self.level if known else None,
                "about": about,
                "groups": len(gap.groups),
                "groups_left_out": gap.blocking,
            }
        )
        found = [
            self._measurement(name, whole, "lower"),
            self._measurement(
                f"{name}.{NULL}",
                estimate(difference.null_mean, METHOD_NULL, difference.null_low, difference.null_high),
            ),
            self._measurement(f"{name}.{P_VALUE}", estimate(difference.p, test)),
        ]
        further = (
            (P_ADJUSTED, difference.p_adjusted, METHOD_JOINT),
            (CROSS_FITTED, difference.cross_fitted, METHOD_CROSS_FITTED),
            (PLACEBO, difference.placebo, METHOD_PLACEBO),
            (f"{PLACEBO}.{P_ADJUSTED}", difference.placebo_p_adjusted, METHOD_JOINT),
        )
        found += [
            self._measurement(f"{name}.{suffix}", estimate(value, how))
            for suffix, value, how in further
            if value is not None
        ]
        if gap.tolerance is not None and known:
            size = (
                Estimate.not_measured(
                    "no difference between these groups, however large, would be shown to exceed the tolerance of "
                    f"{gap.tolerance:g}",
                    n=gap.faces,
                    subjects=gap.people,
                )
                if difference.detectable is None
                else estimate(difference.detectable, METHOD_DETECTABLE)
            )
            found.append(self._measurement(f"{name}.{DETECTABLE}", size))
            if difference.faces_to_pass is not None:
                needed = Estimate(value=math.ceil(difference.faces_to_pass), unit="faces", method=METHOD_NEEDED)
                found.append(self._measurement(f"{name}.{NEEDED}", needed))
        return found

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
        """Slice and condition in words: `` of happy where light is dim at eps 8/255``, or nothing.

        A title with "under" tells the condition itself, and in better words.
        """
        words = "".join(f" of {self.slice[name]}" for name in ("label", "dimension") if name in self.slice)
        others = sorted((name, value) for name, value in self.slice.items() if name not in ("label", "dimension"))
        rest = " and ".join(f"{name} is {value}" for name, value in others)
        words += f" where {rest}" if rest else ""
        if " under " in self.title:
            return words
        return words + "".join(f" at {name} {value}" for name, value in sorted(self.condition.items()))


@dataclass(frozen=True, eq=False)
class OpenQuestion:
    """A question that waits for the others of its probe; arguments as in :class:`GroupQuestion`."""

    probe_id: str
    metric: str
    attribute: str
    asked: Asked | NoGap
    slice: Mapping[str, str] = field(default_factory=dict)
    condition: Mapping[str, str] = field(default_factory=dict)
    direction: Direction = "none"
    title: str = ""
    level: float = 0.95

    def answered(self, gap: Gap | NoGap) -> GroupQuestion:
        """Return the question with its answer."""
        return GroupQuestion(
            self.probe_id,
            self.metric,
            self.attribute,
            gap,
            self.slice,
            self.condition,
            self.direction,
            self.title,
            self.level,
        )


def close(questions: Sequence[OpenQuestion]) -> list[GroupQuestion]:
    """Answer questions together, in the order given."""
    gaps = iter(answer([question.asked for question in questions if isinstance(question.asked, Asked)]))
    return [
        question.answered(question.asked if isinstance(question.asked, NoGap) else next(gaps)) for question in questions
    ]
