"""What is done once faces and model are loaded and before any prediction is made: derive, and tell what is in vain.

A limit on a gap is passed only when its upper bound is small enough, and with few faces it never is, whatever the model
answers. That is known before the run, from the sizes of the groups alone.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .derive.deriving import with_derived
from .derive.kept import kept_file
from .faces import Faces
from .keys import parse_key
from .plan import GateSpec
from .plan_file import LoadedPlan
from .predict import hash_of_data, package_versions
from .predictions import Predictions, truth_of
from .probes import Advance
from .progress import Reporter
from .setup import Material
from .statistics.faces_needed import Question, passable
from .statistics.groups import Groups
from .statistics.rules import StatisticsRules

LOG = logging.getLogger("countenance")
TASKS = frozenset({"expression", "forgery", "action_units"})
QUESTIONS: Mapping[str, Question] = {"gap": "gap", "worst_vs_rest": "worst_vs_rest"}
ANY = "*"
_OF_POSITIVES, _OF_OTHERS = frozenset({"recall", "fnr"}), frozenset({"fpr"})
_OF_ALL = frozenset({"accuracy", "precision", "fdr", "for", "base_rate", "selection_rate"})
RATES = _OF_POSITIVES | _OF_OTHERS | _OF_ALL
MOST_GROUPS = 400


def prepared(
    material: Material, loaded: LoadedPlan, rules: StatisticsRules, reporter: Reporter, cache: Path | None = None
) -> Material:
    """Derive the attributes that the plan asks for, and tell which limits on gaps these faces could never pass.

    Args:
        material: faces, target and predictions as loaded.
        loaded: the plan.
        rules: level of confidence and smallest number of people.
        reporter: is told what is in vain.
        cache: folder in which what was measured in the pictures is kept for another run; ``None`` keeps nothing.

    Raises:
        PlanError: when the landmarks cannot give what the plan asks to derive.
    """

    def kept_at(measures: Sequence[str]) -> Path:
        assert cache is not None
        return kept_file(cache, hash_of_data(material.faces), measures, package_versions())

    def progress(unit: str, total: int) -> AbstractContextManager[Advance]:
        return reporter.progress("pictures", unit, total)

    data = loaded.plan.data
    faces, derived = with_derived(material.faces, data, rules, progress, None if cache is None else kept_at)
    foreseen = tuple(in_vain(faces, loaded, rules, material.predictions))
    for note in (*material.notes, *derived, *foreseen):
        LOG.info("%s", note)
    for note in foreseen:
        reporter.message(f"before the run: {note}")
    return replace(material, faces=faces, notes=(*material.notes, *derived, *foreseen))


@dataclass(frozen=True)
class _Asked:
    """One limit on one difference between groups."""

    question: Question
    metric: str
    label: str | None
    groups: Groups
    limit: float

    @property
    def name(self) -> str:
        """The score and the attribute in words."""
        score = self.metric if self.label is None else f"{self.metric} of {self.label}"
        return f"{score} by {' and '.join(self.groups.attributes)}"


def in_vain(
    faces: Faces, loaded: LoadedPlan, rules: StatisticsRules, given: Predictions | None = None
) -> Iterator[str]:
    """Yield a sentence for each gate, and for the tolerance of each probe, that these faces can hardly ever pass.

    Only rates are looked at, whose bounds follow from the sizes of the groups. The faces counted are those that count
    at most: of precision, whose faces are known after the run only, all that have a label.

    Args:
        faces: the faces, with the attributes derived from their pictures.
        loaded: the plan.
        rules: smallest groups.
        given: predictions made elsewhere, which hold the truth; else it stands with the faces.
    """
    plan = loaded.plan
    if plan.target.task not in TASKS or not faces.groupings:
        return
    classes = plan.target.class_names
    truth = truth_of(faces, plan.target.task, classes) if given is None else given.truth
    people = _People(faces, truth, classes, rules)
    for gate in plan.gates:
        told = people.tell(_of_gate(gate, faces.groupings, people.labels))
        if told:
            yield f"The gate {gate.measure} at most {gate.at_most:g}: {told}"
    metric = "accuracy" if plan.target.task != "action_units" else "selection_rate"
    for tolerance, probes in _tolerances(loaded).items():
        asked = [_Asked("worst_vs_rest", metric, None, groups, tolerance) for groups in faces.groupings]
        told = people.tell(asked)
        if told:
            yield f"The tolerance {tolerance:g} of {', '.join(probes)}, even if all faces count: {told}"


def _tolerances(loaded: LoadedPlan) -> dict[float, list[str]]:
    """Return the ids of the probes that test gaps against each tolerance."""
    found: dict[float, list[str]] = {}
    for probe_id, params in loaded.params.items():
        tolerance = getattr(params, "tolerance", None)
        if params.compares_groups and isinstance(tolerance, float) and getattr(params, "gaps", None) != ():
            found.setdefault(tolerance, []).append(probe_id)
    return found


def _of_gate(gate: GateSpec, groupings: Sequence[Groups], labels: Sequence[str]) -> list[_Asked]:
    """Return the differences between groups that a gate limits from above; none for another gate."""
    key = parse_key(gate.measure)
    metric, _, end = key.metric.rpartition(".")
    of_a_value = gate.change is None and gate.across is None
    if gate.at_most is None or not of_a_value or end not in QUESTIONS or metric not in RATES:
        return []
    place = {**key.slice, **gate.where}
    wanted = place.get("attribute", ANY)
    chosen = [each for each in groupings if wanted in {ANY, each.name}]
    label = place.get("label")
    of = list(labels) if label == ANY else [label]
    return [_Asked(QUESTIONS[end], metric, one, groups, gate.at_most) for groups in chosen for one in of]


class _People:
    """Counts the people and faces of groups that a score is about."""

    def __init__(
        self, faces: Faces, truth: NDArray[np.float64], classes: Sequence[str], rules: StatisticsRules
    ) -> None:
        self.rules = rules
        self.subjects = faces.subject_codes
        self.classes = tuple(classes)
        if truth.ndim == 1:  # the place of the label among the classes, -1 where there is none
            self.known = np.broadcast_to((truth >= 0)[:, None], (len(truth), len(classes)))
            self.positive = truth[:, None] == np.arange(len(classes))
        else:
            self.known, self.positive = np.isfinite(truth), truth == 1
        self.labels = [name for place, name in enumerate(classes) if self.positive[:, place].any()]

    def tell(self, asked: Sequence[_Asked]) -> str:
        """Say what stands against passing these limits, by the first of them, and of how many it is true."""
        told = [(each, self._against(each)) for each in asked if 1 < len(each.groups) <= MOST_GROUPS]
        against = [(each, sentences) for each, sentences in told if sentences]
        if not against:
            return ""
        first, sentences = against[0]
        several = f"{len(against)} of {len(told)} differences have too few faces; " if len(told) > 1 else ""
        return f"{several}{first.name}: {' '.join(sentences)}"

    def _against(self, asked: _Asked) -> list[str]:
        count = self._counted(asked.metric, asked.label)
        codes, size = asked.groups.codes[count], len(asked.groups)
        n = np.bincount(codes, minlength=size)
        pairs = np.unique(codes * (int(self.subjects.max(initial=0)) + 1) + self.subjects[count])
        m = np.bincount(pairs // (int(self.subjects.max(initial=0)) + 1), minlength=size)
        needed = self.rules.min_subjects
        use = [place for place in range(size) if m[place] >= needed or place not in asked.groups.out_of_scope]
        names = [", ".join(asked.groups.values[place].values()) for place in use]
        return passable(asked.limit, m[use], n[use], names=names, question=asked.question, rules=self.rules)

    def _counted(self, metric: str, label: str | None) -> NDArray[np.int64]:
        """Return the faces that can count towards a score at most."""
        if label not in self.classes:
            return np.flatnonzero(self.known.any(axis=1)).astype(np.int64)
        place = self.classes.index(label)
        known, positive = self.known[:, place], self.positive[:, place]
        if metric in _OF_POSITIVES:
            return np.flatnonzero(known & positive).astype(np.int64)
        if metric in _OF_OTHERS:
            return np.flatnonzero(known & ~positive).astype(np.int64)
        return np.flatnonzero(known).astype(np.int64)
