"""The change of a measurement between two runs, face by face, where the runs audited the same faces."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from .compare_scores import NotPaired, Ranking, RunScores
from .gates.bounds import Bounds
from .keys import parse_key
from .results import AuditResults, Estimate
from .results_file import load_results
from .statistics.rules import StatisticsRules
from .statistics.same_faces import Change, Ratio, change_of_auroc, change_of_means
from .statistics.sums import Integers

LEAST_SHARE = 0.5
MIN_SUBJECTS = 10


class PairedRuns:
    """Two runs, the later held against the earlier on the faces that both audited.

    A face is the same where its id is, its person and, where there is one, its label.

    Attributes:
        reason: why the runs cannot be held against each other face by face, empty where they can.
        faces: how many faces both have.
        old_faces: how many the earlier run has.
        new_faces: how many the later run has.
    """

    def __init__(self, new: AuditResults, old: AuditResults, new_folder: str | Path, old_folder: str | Path) -> None:
        """Join the faces of two runs."""
        self.faces = self.old_faces = self.new_faces = 0
        self.reason = ""
        self._estimates = {
            side: {item.key: item.estimate for item in run.measurements()} for side, run in (("new", new), ("old", old))
        }
        self._versions = [{probe.id: (probe.probe, probe.version) for probe in run.probes} for run in (new, old)]
        stated = new.plan.get("data")
        least = stated.get("min_subjects", MIN_SUBJECTS) if isinstance(stated, dict) else MIN_SUBJECTS
        self._least = least if isinstance(least, int) else MIN_SUBJECTS
        try:
            self._new, self._old = RunScores(new, Path(new_folder)), RunScores(old, Path(old_folder))
            self._join()
        except NotPaired as reason:
            self.reason = str(reason)

    @classmethod
    def of(cls, new_folder: str | Path, old_folder: str | Path) -> PairedRuns:
        """Read both runs from their folders; raises :class:`ResultsError` where one has no readable results."""
        return cls(load_results(new_folder), load_results(old_folder), new_folder, old_folder)

    def change(self, key: str, level: float = 0.95, *, relative: bool = False) -> Change | None:
        """Return new less old of a measurement on the common faces, ``None`` where no table tells it face by face.

        Args:
            key: of the measurement.
            level: confidence of the limits.
            relative: new over old less 1 instead.
        """
        if self.reason:
            return None
        parts = parse_key(key)
        known = [versions.get(parts.probe) for versions in self._versions]
        if known[0] != known[1]:
            return None
        found = []
        for run, side in ((self._old, "old"), (self._new, "new")):
            estimate = self._estimates[side].get(key)
            try:
                score = run.score(parts)
            except NotPaired:
                return None
            if estimate is None or estimate.value is None or score is None or not run.agrees(score, estimate.value):
                return None
            found.append(score)
        return self._between(found[0], found[1], level, relative)

    def bounds(self, key: str, tail: float, relative: bool) -> Bounds | None:
        """Return the change with a bound on each side whose error is ``tail``, as gates on a change take it."""
        change = self.change(key, 1 - 2 * tail, relative=relative)
        if change is None or change.low == change.high:
            return None
        return Bounds(change.value, change.low, change.high)

    def _between(
        self, old: tuple[Ratio, ...] | Ranking, new: tuple[Ratio, ...] | Ranking, level: float, relative: bool
    ) -> Change | None:
        change: Change | None = None
        if isinstance(old, Ranking) and isinstance(new, Ranking):
            one, other = self._at_old, self._at_new
            rows = np.flatnonzero(old.counted[one] & new.counted[other])
            one, other = one[rows], other[rows]
            if not relative:
                rules = StatisticsRules(level=level, min_subjects=self._least)
                change = change_of_auroc(old.score[one], new.score[other], old.positive[one], self._person[rows], rules)
        elif not isinstance(old, Ranking) and not isinstance(new, Ranking):
            before = [ratio.at(self._at_old) for ratio in old]
            after = [ratio.at(self._at_new) for ratio in new]
            change = change_of_means(before, after, self._person, level, relative=relative)
        return change if change is not None and change.people >= self._least else None

    def _join(self) -> None:
        old, new = self._old, self._new
        self.old_faces, self.new_faces = len(old.ids), len(new.ids)
        at_old = pd.Index(old.ids).get_indexer(pd.Index(new.ids))
        at_new = np.flatnonzero(at_old >= 0)
        at_old = at_old[at_new]
        alike = np.ones(len(at_new), dtype=np.bool_)
        for column in ("subject", "label"):
            if column in old.table.columns and column in new.table.columns:
                one = old.table[column].astype("string").fillna("").to_numpy(dtype=object)[at_old]
                alike &= one == new.table[column].astype("string").fillna("").to_numpy(dtype=object)[at_new]
        self._at_old, self._at_new = at_old[alike].astype(np.int64), at_new[alike].astype(np.int64)
        self.faces = len(self._at_new)
        self._person: Integers = pd.factorize(new.table["subject"].astype(str))[0][self._at_new].astype(np.int64)
        if self.faces < LEAST_SHARE * max(self.old_faces, self.new_faces):
            raise NotPaired(
                f"{self.faces:,} faces are the same (id, person and label) of {self.old_faces:,} and "
                f"{self.new_faces:,}; half are needed"
            )
        people = len(np.unique(self._person))
        if people < self._least:
            raise NotPaired(f"the common faces are of {people} people; {self._least} are needed")


def paired_change(new_folder: str | Path, old_folder: str | Path, key: str) -> Estimate | None:
    """Return the change of a measurement from the faces that both runs audited, ``None`` where it cannot be had.

    To ask about many keys, keep a :class:`PairedRuns`.

    Args:
        new_folder: the later run.
        old_folder: the run it is held against.
        key: of the measurement, which both runs must have.

    Raises:
        ResultsError: where a folder has no readable results.
    """
    change = PairedRuns.of(new_folder, old_folder).change(key)
    return None if change is None else as_estimate(change)


def as_estimate(change: Change) -> Estimate:
    """Return a change as an estimate."""
    known = change.high > change.low
    return Estimate(
        value=change.value,
        low=change.low if known else None,
        high=change.high if known else None,
        level=change.level if known else None,
        method=change.method,
        n=change.faces,
        subjects=change.people,
    )
