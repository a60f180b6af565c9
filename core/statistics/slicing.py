"""From a per-face score to measurements: over all faces, by attribute and by intersection."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from ..errors import UsageError
from ..keys import format_key
from ..probes import PairedScores, Scores, StatisticName
from ..results import Direction, Estimate, Measurement
from .correlated_gaps import ask_correlated, people_covariance
from .correlated_values import influence_on_groups
from .cross_fit import cross_fitted_gap, cross_fitted_worst
from .deals import Deals
from .gap_data import GapData, PairedData, PairedFaces, SummedData
from .gap_questions import ATTRIBUTE, GroupQuestion, OpenQuestion, close
from .gaps import PERMUTATIONS, Asked, NoGap, ask, too_few
from .groups import Groups
from .intervals import Intervals, mean_intervals, rate_intervals
from .permutations import ScoredFaces
from .rules import StatisticsRules
from .sums import Floats, GroupSums, Integers, Lines, add_up, divide, squared_residuals, total_at

if TYPE_CHECKING:
    from .paired import PairedStatistic


class Slicer:
    """Measures scores of the same faces, one after the other; people and groups are worked out once."""

    def __init__(
        self,
        subjects: Integers,
        groups: Sequence[Groups],
        rules: StatisticsRules,
        seed: int = 0,
        permutations: int = PERMUTATIONS,
        *,
        shared: bool = True,
    ) -> None:
        """Prepare to slice.

        Args:
            subjects: person of each face, shape (faces,), whole numbers from 0; where nobody said whose face it is,
                each face is its own person.
            groups: the attributes and intersections to slice by.
            rules: level of confidence and smallest groups.
            seed: the plan's seed, for the permutations behind gaps.
            permutations: how often groups are dealt out anew for a gap.
            shared: whether all questions use the same permutations, which keeps how they depend on each other;
                without, a single question about many faces of few kinds is faster.
        """
        self.rules = rules
        self.seed = seed
        self.permutations = permutations
        self._subjects = subjects
        self.groups = tuple(groups)
        self._everyone = Lines.of(subjects)
        self._lines = [Lines.of(subjects, each.codes, max(len(each), 1)) for each in self.groups]
        people = int(subjects.max(initial=-1)) + 1
        self._deals = Deals(people, permutations + 1, seed) if shared else None
        several = len(self._everyone.group) < len(subjects)
        self._people = ("person", "people") if several else ("face", "faces")

    def measure(self, scores: Scores | PairedScores, probe_id: str) -> list[Measurement]:
        """Return the measurements of one score: over all faces first, then group by group.

        Raises:
            UsageError: when the score does not fit the faces, or its slice names an attribute that is
            sliced by.
        """
        self._check(scores)
        measurements = []
        if scores.overall:
            estimate = self._overall(scores)
            measurements.append(self._measurement(scores, probe_id, {}, estimate))
        if scores.by_group:
            for groups, lines in zip(self.groups, self._lines, strict=True):
                estimates = self._by_group(scores, groups, lines)
                for value, estimate in zip(groups.values, estimates, strict=False):
                    measurements.append(self._measurement(scores, probe_id, value, estimate))
        return measurements

    def gaps(self, scores: Scores | PairedScores, probe_id: str) -> list[GroupQuestion]:
        """Return the largest difference between the groups of every attribute and intersection; none unless asked.

        These questions alone are answered together; a probe's are collected by :meth:`ask` first.
        """
        return close(self.ask(scores, probe_id))

    def ask(self, scores: Scores | PairedScores, probe_id: str) -> list[OpenQuestion]:
        """Ask how far the groups of every attribute and intersection differ; nothing unless the score says so.

        What is dealt depends on the plan's seed alone, so that questions of one probe can be answered together.

        Raises:
            UsageError: as :meth:`measure`, or when the score's slice has the name ``attribute``.
        """
        if not scores.gaps:
            return []
        self._check(scores)
        if ATTRIBUTE in scores.slice:
            raise UsageError(f"the slice of {scores.metric} is called {ATTRIBUTE!r}, which names the gap's attribute")
        return [
            OpenQuestion(
                probe_id=probe_id,
                metric=scores.metric,
                attribute=groups.name,
                asked=self._asked(scores, groups, lines, probe_id),
                slice=scores.slice,
                condition=scores.condition,
                direction=scores.direction,
                title=scores.title,
                level=self.rules.level,
            )
            for groups, lines in zip(self.groups, self._lines, strict=True)
        ]

    def _asked(self, scores: Scores | PairedScores, groups: Groups, lines: Lines, probe_id: str) -> Asked | NoGap:
        estimates = self._by_group(scores, groups, lines) if len(groups) else []
        left_out = {code: each.reason or "" for code, each in enumerate(estimates) if each.value is None}
        names = [", ".join(value.values()) for value in groups.values]
        none = too_few(names, left_out, groups.out_of_scope)
        if none is not None:
            return none
        chosen = np.asarray([code for code in range(len(groups)) if code not in left_out], dtype=np.int64)
        key = format_key(probe_id, scores.metric, {**scores.slice, ATTRIBUTE: groups.name}, scores.condition)
        digest = hashlib.sha256(f"{self.seed}\x1f{key}".encode()).digest()
        random = np.random.default_rng(int.from_bytes(digest[:8], "little"))
        person, group = self._subjects[scores.rows], groups.codes[scores.rows]
        cross_fitted = None
        data: GapData
        if isinstance(scores, Scores):
            faces = ScoredFaces.of(person, group, len(groups), scores.values, scores.weights).only(chosen)
            data = summed = SummedData(faces, scores.kind, scores.bounds)
            cross_fitted = self._cross_fitted(summed, len(chosen), scores.direction, random)
        else:
            paired = PairedFaces(person, group, len(groups), scores.first, scores.second).only(chosen)
            data = PairedData(paired, _paired(scores.statistic))
            if data.people_in_several:
                reason = (
                    f"{self.count_people(data.people_in_several)} in several groups, and differences in "
                    f"{scores.statistic} are tested only where everyone is in one group"
                )
                return NoGap(reason, {names[code]: why for code, why in left_out.items()})
        asked = ask(
            data,
            [names[code] for code in chosen],
            {names[code]: why for code, why in sorted(left_out.items())},
            self.rules,
            random,
            direction=scores.direction,
            permutations=self.permutations,
            deals=self._deals if self._deals is not None and self._deals.affordable else None,
            tolerance=scores.tolerance,
            cross_fitted=cross_fitted,
            out_of_scope=[names[code] for code in groups.out_of_scope],
        )
        if isinstance(data, SummedData) and data.people_in_several:
            return replace(asked, guard=self._guard(asked, data, random))
        return asked

    def _guard(self, asked: Asked, data: SummedData, random: np.random.Generator) -> Asked:
        """Ask again with the covariance of the groups' values that people in several groups make.

        Shuffling groups within people takes it that a difference is the same for everyone. Where it is larger in some
        people than in others, their differences vary more than the shuffled ones.
        """
        x, n, group, person = data.lines()
        groups = len(asked.names)
        value, influence = influence_on_groups(x, n, group, person, groups)
        return ask_correlated(
            value,
            people_covariance(influence),
            total_at(group, n, groups),
            asked.names,
            self.rules,
            random,
            people=data.people,
            faces=data.faces,
            group_people=np.bincount(group, minlength=groups).astype(np.int64),
            people_in_several=data.people_in_several,
            bounds=data.bounds if data.bounds is not None else None,
            kind=data.kind,
            direction=asked.direction,
            tolerance=asked.tolerance,
            draws=self.permutations,
        )

    @staticmethod
    def _cross_fitted(
        data: SummedData, groups: int, direction: Direction, random: np.random.Generator
    ) -> tuple[float, float] | None:
        x, n, group, person = data.lines()
        largest = cross_fitted_gap(x, n, group, groups, random, person=person)
        sign = -1 if direction == "lower" else 1
        worst = cross_fitted_worst(x, n, group, groups, random, sign=sign, person=person)
        return (largest, worst) if math.isfinite(largest) and math.isfinite(worst) else None

    def _by_group(self, scores: Scores | PairedScores, groups: Groups, lines: Lines) -> list[Estimate]:
        if isinstance(scores, Scores):
            return self._estimates(scores, lines, overall=False)
        codes, statistic = groups.codes[scores.rows], _paired(scores.statistic)
        found = []
        for code in range(len(groups)):
            of = np.flatnonzero(codes == code)
            person = self._subjects[scores.rows[of]]
            found.append(statistic.estimate(scores.first[of], scores.second[of], person, self.rules))
        return found

    def _overall(self, scores: Scores | PairedScores) -> Estimate:
        if isinstance(scores, Scores):
            return self._estimates(scores, self._everyone, overall=True)[0]
        person = self._subjects[scores.rows]
        return _paired(scores.statistic).estimate(scores.first, scores.second, person, self.rules)

    def _check(self, scores: Scores | PairedScores) -> None:
        faces = len(self._everyone.of_face)
        name = scores.metric
        if isinstance(scores, Scores):
            columns = {"values": scores.values}
            if scores.weights is not None:
                columns["weights"] = scores.weights
        else:
            columns = {"first": scores.first, "second": scores.second}
        lengths = {len(scores.rows), *map(len, columns.values())}
        if len(lengths) > 1:
            told = f"rows, {' and '.join(columns)}"
            raise UsageError(f"expected {told} of {name} of one length, but got {sorted(lengths)}")
        if len(scores.rows) and not (scores.rows.min() >= 0 and scores.rows.max() < faces):
            raise UsageError(f"expected the rows of {name} to be 0 to {faces - 1}, but got {scores.rows.max()}")
        for column, numbers in columns.items():
            if not np.isfinite(numbers).all():
                raise UsageError(f"expected finite {column} of {name}, but got NaN or infinity")
        if "weights" in columns and not (columns["weights"] >= 0).all():
            raise UsageError(f"expected finite weights of {name}, 0 or more")
        taken = {attribute for groups in self.groups for attribute in groups.attributes} & set(scores.slice)
        if (scores.by_group or scores.gaps) and taken:
            raise UsageError(f"the attribute {min(taken)!r} has the name of a slice of {name}: rename the attribute")

    def _measurement(
        self, scores: Scores | PairedScores, probe_id: str, group: dict[str, str], estimate: Estimate
    ) -> Measurement:
        return Measurement.of(
            probe_id,
            scores.metric,
            estimate,
            slice={**scores.slice, **group},
            condition=dict(scores.condition),
            direction=scores.direction,
        )

    def _estimates(self, scores: Scores, lines: Lines, *, overall: bool) -> list[Estimate]:
        sums = add_up(lines, scores.rows, scores.values, scores.weights)
        level, everything = self.rules.level, max(float(sums.n.sum()), 1e-300)
        overall_value = float(sums.x.sum()) / everything
        if scores.kind == "rate":
            intervals, width = rate_intervals(sums, level, exact=scores.exact), 1.0
            variance = overall_value * (1 - overall_value)
        else:

            def squares(around: Floats) -> Floats:
                return squared_residuals(lines, scores.rows, scores.values, scores.weights, around)

            own = divide(squares(np.nan_to_num(sums.value)), sums.n, 0.0)
            intervals = mean_intervals(sums, own, level, scores.bounds)
            width = scores.bounds[1] - scores.bounds[0] if scores.bounds else math.inf
            variance = float(squares(np.full(lines.groups, overall_value)).sum()) / everything
        needed = 0.0 if overall else self.rules.effective_needed(variance, width)
        faces = sums.faces.astype(np.float64)
        if scores.kind == "rate":  # p (1 - p) / variance: however often a face was asked about, or counts in F1
            n_effective = np.minimum(intervals.n_effective, faces)
        else:
            n_effective = intervals.n_effective * divide(faces, sums.n, 1.0)  # in faces
        intervals = replace(intervals, n_effective=n_effective)
        return [self._estimate(scores, sums, intervals, group, needed) for group in range(lines.groups)]

    def _estimate(self, scores: Scores, sums: GroupSums, intervals: Intervals, group: int, needed: float) -> Estimate:
        faces, subjects = int(sums.faces[group]), int(sums.subjects[group])
        reason = self._too_small(scores, sums, float(intervals.n_effective[group]), group, needed)
        if reason:
            return Estimate.not_measured(reason, n=faces, subjects=subjects)
        low, high = float(intervals.low[group]), float(intervals.high[group])
        bounded = math.isfinite(low) and math.isfinite(high)
        return Estimate(
            value=float(intervals.value[group]),
            low=low if bounded else None,
            high=high if bounded else None,
            level=self.rules.level if bounded else None,
            method=intervals.method[group],
            n=faces,
            subjects=subjects,
            n_effective=float(intervals.n_effective[group]),
            count=float(sums.x[group]) if scores.kind == "rate" and scores.weights is None else None,
        )

    def _too_small(self, scores: Scores, sums: GroupSums, n_effective: float, group: int, needed: float) -> str | None:
        """Say why a group is not measured and what it lacks, or return ``None``."""
        subjects, total = int(sums.subjects[group]), float(sums.n[group])
        if total == 0:
            place = "".join(f" of {name} {value}" for name, value in scores.slice.items())
            return f"no face here counts towards {scores.metric}{place}"
        if subjects < self.rules.min_subjects:
            return f"{self.count_people(subjects)}; {self.rules.min_subjects} are needed"
        if n_effective < needed * (1 - 1e-9):  # rounding must not ask for one more
            more = math.ceil((needed / n_effective - 1) * subjects)
            have = f"n_eff {math.floor(n_effective)} of {math.ceil(needed)} needed"
            return f"{have}: about {more:,} more {self._people[more != 1]}"
        return None

    def count_people(self, count: int) -> str:
        """Return ``1 person`` or ``3 people`` (faces, where each face is its own person)."""
        return f"{count:,} {self._people[count != 1]}"


def _paired(name: StatisticName) -> PairedStatistic:
    from .paired import PAIRED

    return PAIRED[name]


def slice_scores(
    scores: Scores, subjects: Integers, groups: Sequence[Groups], rules: StatisticsRules, probe_id: str
) -> list[Measurement]:
    """Return the measurements of one score; for many scores of the same faces, keep a :class:`Slicer`."""
    return Slicer(subjects, groups, rules).measure(scores, probe_id)
