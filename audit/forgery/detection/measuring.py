"""The measures of a detector: rates at the threshold, AUROC, equal error rate and average precision."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from ....core.probes import Output, PairedScores, ProbeContext, Scores
from ....core.results import Estimate, Measurement
from ....core.statistics.auroc import auroc
from ....core.statistics.detection_rates import SAME_SCORES, average_precision, equal_error_rate
from ....core.statistics.groups import Groups
from ....core.statistics.precision_by_chance import METHOD as BY_CHANCE
from ....core.statistics.precision_by_chance import precision_by_chance
from ....core.statistics.rules import StatisticsRules
from ....core.statistics.slicing import Slicer, slice_scores
from .material import Scored
from .params import DetectionParams

METHOD = "method"
TITLES = {
    "auroc": "AUROC of forged against genuine faces",
    "apcer": "share of forgeries that pass (APCER)",
    "bpcer": "share of genuine faces that are called forged (BPCER)",
}
RANKED = ("auroc", "eer", "ap")


@dataclass(frozen=True)
class Depth:
    """How much of a set of scores is measured.

    Attributes:
        by_group: whether groups are measured.
        gaps: whether gaps between groups are tested.
        methods: whether methods are measured.
        nulls: whether what a score that knows nothing reaches is measured where it depends on the faces.
    """

    by_group: bool = True
    gaps: bool = True
    methods: bool = True
    nulls: bool = True


class Measuring:
    """Measures sets of scores of one audit.

    Attributes:
        context: of the probe.
        params: its parameters.
        prevalence: share of forgeries at which average precision is measured: that of all labelled faces.
        groupings: the attributes and intersections.
    """

    def __init__(self, context: ProbeContext, params: DetectionParams, faces: Scored) -> None:
        """Prepare to measure.

        Args:
            context: of the probe.
            params: its parameters.
            faces: all labelled faces.
        """
        self.context, self.params = context, params
        self.prevalence = float(faces.forged.mean())
        self.groupings = context.faces.groupings
        # Where nobody is named, frames of one video are what was sampled as one; the runner takes faces for that.
        own = not np.array_equal(faces.people, context.faces.subject_codes)
        self._slicer = Slicer(faces.people, self.groupings, context.rules, context.seed) if own else None

    def outputs(self, scored: Scored, depth: Depth) -> Iterator[Output]:
        """Yield everything about a set of scores: overall, by group, by method."""
        yield from self._ranking(scored, {}, depth)
        yield from self._rates(scored, depth)
        for name in scored.names if depth.methods else ():
            of, place = scored.of(name), {METHOD: name}
            yield from self._rate("apcer", of.only(of.forged), place, by_group=depth.by_group)
            yield from self._ranking(of, place, replace(depth, gaps=False), only_auroc=not depth.by_group)

    def _rates(self, scored: Scored, depth: Depth) -> Iterator[Output]:
        yield from self._rate("accuracy", scored, {}, by_group=depth.by_group)
        for metric, kind in (("apcer", True), ("bpcer", False)):
            of = scored.only(scored.forged == kind)
            if len(of.rows):
                yield from self._rate(metric, of, {}, by_group=depth.by_group, gaps=depth.gaps)
            else:
                reason = f"no face is labelled {scored.lacking}"
                yield self.measurement(metric, Estimate.not_measured(reason, n=0, subjects=0), {}, scored)

    def rate_scores(self, metric: str, scored: Scored, place: Mapping[str, str] | None = None) -> Scores:
        """Return a rate at the threshold as a score of each face: ``accuracy``, ``apcer`` or ``bpcer``."""
        called = scored.scores >= self.params.threshold
        right = called == scored.forged
        return Scores(
            metric,
            scored.rows,
            (right if metric == "accuracy" else ~right).astype(np.float64),
            kind="rate",
            bounds=(0.0, 1.0),
            direction="higher" if metric == "accuracy" else "lower",
            slice=place or {},
            condition=scored.condition,
            by_group=False,
            keep=False,
        )

    def rate(self, metric: str, scored: Scored) -> Estimate:
        """Return the estimate of a rate over all these faces."""
        score = self.rate_scores(metric, scored)
        return slice_scores(score, scored.people, (), self.context.rules, self.context.probe_id)[0].estimate

    def _rate(
        self, metric: str, scored: Scored, place: Mapping[str, str], *, by_group: bool = False, gaps: bool = False
    ) -> Iterator[Output]:
        score = replace(self.rate_scores(metric, scored, place), by_group=by_group)
        yield from self._sliced(self._tested(score) if gaps and metric in self.params.gaps else score)

    def _tested(self, score: Scores | PairedScores) -> Scores | PairedScores:
        title, tolerance = TITLES[score.metric], self.params.tolerance
        return replace(score, gaps=True, title=title, tolerance=tolerance)

    def _ranking(
        self,
        scored: Scored,
        place: Mapping[str, str],
        depth: Depth,
        *,
        only_auroc: bool = False,
    ) -> Iterator[Output]:
        """Yield what does not depend on the threshold."""
        reason = self.unranked(scored)
        metrics = RANKED[:1] if only_auroc else RANKED
        if reason:
            for metric in metrics:
                none = Estimate.not_measured(reason, n=len(scored.rows), subjects=len(np.unique(scored.subjects)))
                yield self.measurement(metric, none, place, scored)
            return
        area = PairedScores(
            "auroc",
            "auroc",
            scored.rows,
            scored.forged.astype(np.float64),
            scored.scores,
            direction="higher",
            slice=place,
            condition=scored.condition,
            by_group=depth.by_group,
        )
        yield from self._sliced(self._tested(area) if depth.gaps and "auroc" in self.params.gaps else area)
        for metric in metrics[1:]:
            yield from self._ranked(metric, scored, place, scored, depth)
            for groups in self.groupings if depth.by_group and not place else ():
                yield from self._by_group(metric, scored, groups, depth)

    def _ranked(
        self, metric: str, of: Scored, place: Mapping[str, str], scored: Scored, depth: Depth
    ) -> Iterator[Measurement]:
        """Yield the equal error rate or average precision of some of these faces, the latter with its null."""
        estimate = self.ranking(metric, of)
        yield self.measurement(metric, estimate, place, scored)
        if metric == "ap" and depth.nulls and estimate.value is not None:
            yield self.context.measurement(
                "ap.null", self.precision_by_chance(of), slice=dict(place), condition=dict(scored.condition)
            )

    def precision_by_chance(self, scored: Scored) -> Estimate:
        """Return the mean of average precision when the labels of these faces are dealt out at random."""
        value = precision_by_chance(scored.scores, scored.forged, self.prevalence)
        return Estimate(value=value, method=BY_CHANCE, n=len(scored.rows))

    def unranked(self, scored: Scored) -> str:
        """Say why these faces cannot be ranked; empty where they can."""
        if scored.lacking:
            return f"no face is labelled {scored.lacking}: there is nothing to tell the others from"
        return SAME_SCORES if np.ptp(scored.scores) == 0 else ""

    def ranking(self, metric: str, scored: Scored, rules: StatisticsRules | None = None) -> Estimate:
        """Return the estimate of AUROC, equal error rate or average precision over all these faces.

        Args:
            metric: ``auroc``, ``eer`` or ``ap``.
            scored: the faces.
            rules: those of the audit unless given.
        """
        subjects, rules = scored.subjects, rules or self.context.rules
        reason = self.unranked(scored)
        if reason:
            return Estimate.not_measured(reason, n=len(scored.rows), subjects=len(np.unique(subjects)))
        if metric == "auroc":
            return auroc(scored.scores, scored.forged, subjects, rules)
        if metric == "eer":
            return equal_error_rate(scored.scores, scored.forged, subjects, rules)
        return average_precision(scored.scores, scored.forged, subjects, rules, self.prevalence)

    def _by_group(self, metric: str, scored: Scored, groups: Groups, depth: Depth) -> Iterator[Measurement]:
        codes = groups.codes[scored.rows]
        for code, value in enumerate(groups.values):
            of = scored.only(codes == code)
            if len(of.rows):
                yield from self._ranked(metric, of, value, scored, depth)
            else:
                none = Estimate.not_measured("no labelled face", n=0, subjects=0)
                yield self.measurement(metric, none, value, scored)

    def measurement(self, metric: str, estimate: Estimate, place: Mapping[str, str], scored: Scored) -> Measurement:
        """Return a measurement of these faces."""
        return self.context.measurement(
            metric,
            estimate,
            slice=dict(place),
            condition=dict(scored.condition),
            direction="lower" if metric in ("eer", "apcer", "bpcer") else "higher",
        )

    def _sliced(self, score: Scores | PairedScores) -> Iterator[Output]:
        """Hand a score on, or slice it here where the runner does not know what was sampled as one."""
        if self._slicer is None or score.condition.get("unit") == "video":  # a video is one line, whoever is in it
            yield score
        else:
            yield from self._slicer.measure(replace(score, gaps=False), self.context.probe_id)
