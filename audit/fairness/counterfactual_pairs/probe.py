"""The probe ``counterfactual_pairs``: does the answer change when one thing in the picture changes?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ....core.collector import Collector
from ....core.errors import ManifestError, Problems
from ....core.faces import Faces
from ....core.manifest import group_values
from ....core.plan import AttributeSpec
from ....core.predict import predict
from ....core.probes import Note, Output, ProbeContext, Scores, TableOutput, probe
from ....core.results import Estimate
from ....core.statistics.slicing import Slicer
from ....core.statistics.sums import Floats, Integers
from .comparisons import Changed
from .outcomes import Outcome, outcomes
from .params import CounterfactualPairsParams
from .table import SUBJECT, PairTable


@probe(
    "counterfactual_pairs",
    version=1,
    title="Pairs that differ in one thing",
    pillar="fairness",
    params=CounterfactualPairsParams,
    needs={"model"},
    shows="How often the answer flips, and how far the scores move, when one thing in the picture is changed and the "
    "rest is kept; beside pairs in which nothing that should matter was changed, and which way the flips go.",
    hides="Whether only that one thing was changed: what made the pairs may have moved more, and what is kept is said "
    "by who made them. Changes that nobody made pairs of. Which of two answers is right.",
    citation="Denton et al. 2019, arXiv 1906.06439; Balakrishnan et al. 2020, arXiv 2007.06570; McNemar 1947, "
    "Psychometrika 12:153",
)
def counterfactual_pairs(context: ProbeContext, params: CounterfactualPairsParams) -> Iterator[Output]:
    """Flips of the prediction and drift of the scores between the two pictures of a pair, per change and group."""
    table = params.table()
    faults, first, second = _answers(context, table)
    broken = _broken(table, faults)
    yield from _set_aside(context, table, broken, faults)
    kept = np.flatnonzero(~broken)
    pairs = _as_faces(context, params, table, kept)
    answered = _Answered(pairs, table.frame["changed"].to_numpy(dtype=object)[kept], first[kept], second[kept])
    yield from _remarks(table, answered, params)

    slicer = Slicer(pairs.subject_codes, pairs.groupings, context.rules, context.seed)
    measured = Collector(context.probe_id, pairs, slicer, None)
    for scores in _scores(context, params, answered):
        measured.take(scores)
    measured.finish()
    yield from measured.measurements
    yield from (Note(text) for text in measured.notes)
    found = [_outcome(answered, name, params.control) for name in answered.changes]
    yield from outcomes(context, found, {item.key: item.estimate for item in measured.measurements}, params.control)
    yield from measured.findings
    yield from _tables(context, answered)


@dataclass(frozen=True, eq=False)
class _Answered:
    """The usable pairs and what the model says of them: probabilities (m, k) of the first and the second picture."""

    pairs: Faces
    changed: NDArray[np.object_]
    first: Floats
    second: Floats

    @property
    def changes(self) -> list[str]:
        return list(dict.fromkeys(self.changed))

    @property
    def before(self) -> Integers:
        return np.asarray(self.first.argmax(1), dtype=np.int64)

    @property
    def after(self) -> Integers:
        return np.asarray(self.second.argmax(1), dtype=np.int64)

    @property
    def flipped(self) -> Floats:
        return np.asarray(self.before != self.after, dtype=np.float64)

    @property
    def drift(self) -> Floats:
        """Half the sum of absolute changes: the share of probability that moved, 0 to 1."""
        return np.asarray(np.abs(self.second - self.first).sum(1) / 2, dtype=np.float64)

    def rows(self, changed: str) -> Integers:
        return np.flatnonzero(self.changed == changed).astype(np.int64)


def _answers(context: ProbeContext, table: PairTable) -> tuple[dict[tuple[str, int], str], Floats, Floats]:
    """Run the model once over each crop; return faults by side and row, and probabilities (n, k) of both sides."""
    keys: dict[tuple[str, ...], int] = {}
    place = np.empty((len(table), 2), dtype=np.int64)
    crops: list[tuple[int, int]] = []
    for row in range(len(table)):
        for side, column in enumerate(("path_a", "path_b")):
            box = () if table.boxes is None else tuple(map(str, table.boxes[row, side]))
            key = (str(table.frame[column].iat[row]), *box)
            if key not in keys:
                keys[key] = len(crops)
                crops.append((row, side))
            place[row, side] = keys[key]
    paths = [table.frame[("path_a", "path_b")[side]].iat[row] for row, side in crops]
    faces = Faces(
        frame=pd.DataFrame({"face_id": paths, "path": paths}),
        folder=table.folder,
        height_width=context.model.size,
        boxes=None if table.boxes is None else np.stack([table.boxes[row, side] for row, side in crops]),
        workers=context.faces.workers,
    )
    with context.progress("pictures", len(crops)) as advance:
        found = predict(context.model, faces, context.batch_size, advance)
    values = np.full((len(crops), found.values.shape[1]), np.nan)
    values[found.rows] = found.values
    faults = {
        (("a", "b")[side], row): found.faults[int(place[row, side])]
        for row in range(len(table))
        for side in range(2)
        if int(place[row, side]) in found.faults
    }
    return faults, values[place[:, 0]], values[place[:, 1]]


def _broken(table: PairTable, faults: dict[tuple[str, int], str]) -> NDArray[np.bool_]:
    broken = np.zeros(len(table), dtype=np.bool_)
    broken[[row for _, row in faults]] = True
    return broken


def _set_aside(
    context: ProbeContext, table: PairTable, broken: NDArray[np.bool_], faults: dict[tuple[str, int], str]
) -> Iterator[Output]:
    """Count the pairs that could not be used, and list them with the reason."""
    count = int(broken.sum())
    yield context.measurement("pairs_set_aside", Estimate(value=count, n=len(table), unit="pairs"), direction="lower")
    if not count:
        return
    ids = table.frame["pair_id"]
    listed = pd.DataFrame(
        [{"pair_id": ids.iat[row], "picture": side, "reason": reason} for (side, row), reason in faults.items()]
    )
    yield TableOutput("set_aside", listed, "Pairs that were set aside because a picture could not be used")
    reasons = listed["reason"].value_counts()
    told = "; ".join(f"{reason} ({times})" for reason, times in reasons.head(3).items())
    yield Note(f"{count:,} of {len(table):,} pairs were set aside because a picture could not be used: {told}.")


def _as_faces(context: ProbeContext, params: CounterfactualPairsParams, table: PairTable, kept: Integers) -> Faces:
    """Lay the usable pairs out as rows that can be sliced by group.

    Raises:
        ManifestError: when an attribute's column does not fit its description.
    """
    specs: dict[str, AttributeSpec] = dict(params.attributes or {})
    if params.attributes is None:
        columns = set(table.frame.columns)
        specs = {name: spec for name, spec in context.faces.attributes.items() if (spec.column or name) in columns}
    frame = pd.DataFrame({"face_id": table.frame["pair_id"]})
    frame["subject"] = table.frame[SUBJECT] if table.has_subjects else table.frame["path_a"]
    problems = Problems(params.pairs)
    for name, spec in specs.items():
        frame[name] = group_values(table.frame[spec.column or name], spec, name, problems)
    problems.raise_as(ManifestError)
    usable = [names for names in context.faces.intersections if set(names) <= set(specs)]
    frame = frame.iloc[kept].reset_index(drop=True)
    return Faces(frame, has_subjects=table.has_subjects, attributes=specs, intersections=usable)


def _remarks(table: PairTable, answered: _Answered, params: CounterfactualPairsParams) -> Iterator[Output]:
    people = answered.pairs.frame["subject"].nunique()
    who = "people" if table.has_subjects else "first pictures, each taken as another person (no column `subject`)"
    kept = table.frame[["changed", "kept"]].drop_duplicates("changed")
    stated = zip(kept["changed"].tolist(), kept["kept"].tolist(), strict=True)
    said = "; ".join(f"{changed}: {told or 'nothing was said'}" for changed, told in stated)
    yield Note(f"{len(answered.changed):,} pairs of {people:,} {who}. What was kept, as stated in the table: {said}.")
    if params.control is None:
        yield Note(
            "No control was named: how often an answer flips when nothing that should matter is changed is not known. "
            "Pairs that differ in noise or compression alone, marked in `changed`, would tell."
        )
    if not answered.pairs.attributes:
        yield Note("The table has none of the attributes of the data: nothing was measured by group.")


def _scores(context: ProbeContext, params: CounterfactualPairsParams, answered: _Answered) -> Iterator[Scores]:
    """Yield flips and drift, and per class the signed and the absolute change of its score."""
    moved = answered.second - answered.first
    classes = context.predictions.classes
    steps = _steps(answered, len(classes))
    for changed in answered.changes:
        rows, told = answered.rows(changed), {"changed": changed}
        tested = changed != params.control
        yield Scores(
            "flip_rate",
            rows,
            answered.flipped[rows],
            kind="rate",
            bounds=(0.0, 1.0),
            direction="lower",
            slice=told,
            gaps=tested,
            title="share of answers that flip",
        )
        drift = answered.drift[rows]
        yield Scores("drift", rows, drift, bounds=(0.0, 1.0), direction="lower", slice=told)
        for place, name in enumerate(classes):
            of_class = {**told, "label": name}
            change = moved[rows, place]
            yield Scores("score_change", rows, change, bounds=(-1.0, 1.0), slice=of_class)
            yield Scores(
                "absolute_score_change", rows, np.abs(change), bounds=(0.0, 1.0), direction="lower", slice=of_class
            )
            yield Scores(
                "selection_change", rows, steps[rows, place], bounds=(-1.0, 1.0), slice=of_class, by_group=False
            )


def _steps(answered: _Answered, classes: int) -> Floats:
    """Return +1 where the second picture is called a class and the first is not, -1 for the reverse: (m, classes)."""
    marks = np.eye(classes)
    return np.asarray(marks[answered.after] - marks[answered.before], dtype=np.float64)


def _outcome(answered: _Answered, changed: str, control: str | None) -> Outcome:
    rows = answered.rows(changed)
    people = answered.pairs.subject_codes
    same = answered.rows(control) if control is not None and control != changed else None
    return Outcome(
        changed=changed,
        flips=Changed(answered.flipped[rows], people[rows]),
        drift=Changed(answered.drift[rows], people[rows]),
        control_flips=None if same is None else Changed(answered.flipped[same], people[same]),
        control_drift=None if same is None else Changed(answered.drift[same], people[same]),
        steps=_steps(answered, answered.first.shape[1])[rows],
    )


def _tables(context: ProbeContext, answered: _Answered) -> Iterator[Output]:
    """Yield which answer became which, and every pair."""
    classes = np.asarray(context.predictions.classes, dtype=object)
    pairs = pd.DataFrame(
        {
            "pair_id": answered.pairs.frame["face_id"],
            "changed": answered.changed,
            "subject": answered.pairs.frame["subject"],
            "answer_a": classes[answered.before],
            "answer_b": classes[answered.after],
            "flipped": answered.flipped.astype(int),
            "drift": answered.drift,
        }
    )
    counted = pairs.groupby(["changed", "answer_a", "answer_b"], sort=True)["subject"]
    flips = counted.agg(pairs="size", people="nunique").reset_index()
    yield TableOutput("answers", flips, "Answers to the first and to the second picture")
    yield TableOutput("pairs", pairs, "Every pair with the answers to both pictures")
