"""What is counted of each row, task by task, and which metrics are made of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from ...errors import ManifestError, nearest
from ...plan import TargetSpec
from ...prediction_tables import EXACT, ROUNDED_BY, SUM_TOLERANCE
from ..sums import Floats, Integers, total_at
from .lines import Counts
from .measures import Block, Measure, binary_measures
from .reading import Faults, Rows

RANKS = "it needs the faces in the order of their scores, which one line of sums per person does not keep"
BINS = "its interval needs the faces of each bin of confidence"
AVERAGE = "an average over classes; the classes themselves are measured"
WITHOUT_LABEL = frozenset({"fpr", "selection_rate"})
HALF = 0.5
OVER = "confidence_minus_accuracy"


@dataclass(frozen=True, eq=False)
class Tallied:
    """Sums of some rows by line, and sums of squares by cell.

    Attributes:
        counts: shape (lines, columns), whole numbers.
        amounts: shape (lines, further columns).
        rows: the rows that count towards a squared value, shape (m,).
        squares: squared values of these rows, shape (m, as many as amounts).
    """

    counts: Counts
    amounts: Floats
    rows: Integers
    squares: Floats


class Tally(Protocol):
    """What one task counts.

    Attributes:
        numbers: columns of numbers it reads.
        optional: those that may be empty.
        label: whether it reads the label.
        absent: metrics it does not measure, with the reason.
    """

    numbers: list[str]
    optional: frozenset[str]
    label: bool
    absent: dict[str, str]
    unlabelled: int

    def count(self, rows: Rows, label: str, line: Integers, lines: int, faults: Faults) -> Tallied:
        """Add up some rows by line."""
        ...

    def blocks(self, totals: Integers) -> list[Block]:
        """Return what is measured, given the sums of the count columns over all rows."""
        ...


class ClassTally:
    """One of k classes (expressions; genuine or forged): right answers, labels and answers of each class."""

    label = True
    optional: frozenset[str] = frozenset()

    def __init__(self, target: TargetSpec) -> None:
        self.classes = target.class_names
        self.task = target.task
        self.numbers = ["p_forged"] if self.task == "forgery" else [f"p_{name}" for name in self.classes]
        self.absent = {"auroc": RANKS, "ece": BINS, "balanced_accuracy": AVERAGE, "macro_f1": AVERAGE}
        self.unlabelled = 0

    def _probabilities(self, rows: Rows, faults: Faults) -> Floats:
        columns = [rows.columns[name] for name in self.numbers]
        for name, column in zip(self.numbers, columns, strict=True):
            outside = (column < -SUM_TOLERANCE) | (column > 1 + SUM_TOLERANCE)
            faults.add(f"the column {name!r} is no probability (expected 0 to 1)", int(outside.sum()))
        if self.task == "forgery":
            forged = columns[0]
            columns = [forged if name == "forged" else 1 - forged for name in self.classes]
            return np.stack(columns, axis=1)
        values = np.stack(columns, axis=1)
        totals = values.sum(axis=1)
        off = np.abs(totals - 1)
        with np.errstate(invalid="ignore"):
            wrong = off > max(SUM_TOLERANCE, len(self.classes) * ROUNDED_BY) + EXACT
        faults.add("the probabilities do not sum to 1", int(wrong.sum()))
        rounded = np.flatnonzero(off > EXACT)
        values[rounded] /= totals[rounded, None]
        return values

    def count(self, rows: Rows, label: str, line: Integers, lines: int, faults: Faults) -> Tallied:
        """Add up right answers, labels and answers by line and class, and two amounts: Brier score, overconfidence."""
        classes, k = list(self.classes), len(self.classes)
        known = np.asarray([classes.index(text) if text in classes else -2 for text in rows.labels] + [-1])
        truth = known[rows.columns[label]]
        for place, text in enumerate(rows.labels):
            if text not in classes:
                count = int((rows.columns[label] == place).sum())
                faults.add(f"the label {text!r} is none of the classes {classes}{nearest(text, classes)}", count)
        values = self._probabilities(rows, faults)
        kept = np.flatnonzero(truth >= 0)
        self.unlabelled += int((truth == -1).sum())
        truth, at, values = truth[kept].astype(np.int64), line[kept], values[kept]
        answer = values.argmax(axis=1)
        right = truth == answer
        size = lines * k
        counts = np.empty((lines, 3 * k + 2), dtype=np.int32)
        counts[:, :k] = np.bincount(at[right] * k + truth[right], minlength=size).reshape(lines, k)
        counts[:, k : 2 * k] = np.bincount(at * k + truth, minlength=size).reshape(lines, k)
        counts[:, 2 * k : 3 * k] = np.bincount(at * k + answer, minlength=size).reshape(lines, k)
        counts[:, 3 * k] = np.bincount(at, minlength=lines)
        counts[:, 3 * k + 1] = np.bincount(at[right], minlength=lines)
        everyone = np.arange(len(truth))
        brier = np.square(values).sum(axis=1) - 2 * values[everyone, truth] + 1
        if k == 2:
            brier /= 2  # of two classes one is enough, as in scikit-learn
        over = values[everyone, answer] - right
        amounts = np.stack([total_at(at, each, lines) for each in (brier, over)], axis=1)
        return Tallied(counts, amounts, kept, np.stack([brier**2, over**2], axis=1))

    def blocks(self, totals: Integers) -> list[Block]:
        """Return accuracy, Brier score and overconfidence, and the rates of each class."""
        k = len(self.classes)
        every, right, brier, over = 3 * k, 3 * k + 1, 3 * k + 2, 3 * k + 3
        found = [
            Block((right, every), (Measure("accuracy", (1, 0), (0, 1), direction="higher"),)),
            Block((brier, every), (_mean("brier", (0.0, 1.0 if k == 2 else 2.0), "lower"),), squares=0),
            Block((over, every), (_mean(OVER, (-1.0, 1.0), "none"),), squares=1),
        ]
        for place, name in enumerate(self.classes):
            measures = binary_measures(None if totals[k + place] else sorted(WITHOUT_LABEL))
            found.append(Block((place, k + place, 2 * k + place, every), measures, {"label": name}))
        return found


class UnitTally:
    """Many of k action units: each against its own truth, at a probability of one half; empty truth does not count."""

    label = False

    def __init__(self, target: TargetSpec) -> None:
        self.units = target.class_names
        self.optional = frozenset(f"y_{name}" for name in self.units)
        self.numbers = [f"{letter}_{name}" for name in self.units for letter in "yp"]
        self.absent = {"auroc": RANKS, "ece": BINS, "macro_recall": AVERAGE, "macro_f1": AVERAGE}
        self.unlabelled = 0

    def count(self, rows: Rows, label: str, line: Integers, lines: int, faults: Faults) -> Tallied:
        """Add up, unit by unit: both, with the unit, answered so, all, right answers; Brier score and overconfidence.

        Behind the counts of the units stand faces with a known unit, known units, and right answers over all units.
        """
        counts: list[Integers] = []
        amounts: list[Floats] = []
        squares = np.zeros((len(line), 2 * len(self.units)))
        all_known = all_right = np.zeros(len(line), dtype=np.int64)
        for place, name in enumerate(self.units):
            truth, p = rows.columns[f"y_{name}"], rows.columns[f"p_{name}"]
            known = ~np.isnan(truth)
            odd = known & ~np.isin(truth, (0, 1))
            faults.add(f"the column 'y_{name}' holds other values than 0 and 1", int(odd.sum()))
            outside = (p < -SUM_TOLERANCE) | (p > 1 + SUM_TOLERANCE)
            faults.add(f"the column 'p_{name}' is no probability (expected 0 to 1)", int(outside.sum()))
            there, answered = known & (truth == 1), known & (p >= HALF)
            for each in (there & answered, there, answered, known, known & (there == answered)):
                counts.append(np.bincount(line[each], minlength=lines))
            over = np.where(known, p - truth, 0.0)
            error = np.square(over)
            amounts += [total_at(line, each, lines) for each in (error, over)]
            squares[:, 2 * place], squares[:, 2 * place + 1] = np.square(error), error
            all_known, all_right = all_known + known, all_right + (known & (there == answered))
        some = all_known > 0
        for each, weights in ((some, None), (some, all_known), (some, all_right)):
            counts.append(np.bincount(line[each], None if weights is None else weights[each], lines))
        self.unlabelled += int((~some).sum())
        return Tallied(_together(counts), np.stack(amounts, axis=1), np.arange(len(line)), squares)

    def blocks(self, totals: Integers) -> list[Block]:
        """Return the accuracy over all units, and accuracy, rates, Brier score and overconfidence of each."""
        k = len(self.units)
        some, known, right = range(5 * k, 5 * k + 3)
        accuracy = Measure("accuracy", (0, 0, 1), (0, 1, 0), (1, 0, 0), direction="higher", counted=False)
        found = [Block((some, known, right), (accuracy,))]
        for place, name in enumerate(self.units):
            both, there, answered, known, right = range(5 * place, 5 * place + 5)
            shared = {"label": name}
            if totals[known]:
                found.append(Block((right, known), (Measure("accuracy", (1, 0), (0, 1), direction="higher"),), shared))
                error, over = 5 * k + 3 + 2 * place, 5 * k + 4 + 2 * place
                brier, overconfidence = _mean("brier", (0.0, 1.0), "lower"), _mean(OVER, (-1.0, 1.0), "none")
                found.append(Block((error, known), (brier,), shared, squares=2 * place))
                found.append(Block((over, known), (overconfidence,), shared, squares=2 * place + 1))
            measures = binary_measures(None if totals[there] else sorted(WITHOUT_LABEL))
            found.append(Block((both, there, answered, known), measures, shared))
        return found


class ValueTally:
    """Two values from -1 to 1: squared error, error, and agreement of the sign, each with its own truth."""

    label = False

    def __init__(self, target: TargetSpec) -> None:
        self.names = target.class_names
        self.numbers = [f"{letter}_{name}" for name in self.names for letter in "yv"]
        self.optional = frozenset(f"y_{name}" for name in self.names)
        self.absent: dict[str, str] = {}
        self.unlabelled = 0

    def count(self, rows: Rows, label: str, line: Integers, lines: int, faults: Faults) -> Tallied:
        """Add up, value by value: faces, faces whose sign agrees; then y, v, y^2, v^2 and y v."""
        counts, amounts, squares = [], [], []
        some = np.zeros(len(line), dtype=np.bool_)
        for name in self.names:
            truth, said = rows.columns[f"y_{name}"], rows.columns[f"v_{name}"]
            known = np.isfinite(truth)
            some |= known
            counts += [np.bincount(line[each], minlength=lines) for each in (known, known & _same_sign(truth, said))]
            y, v = np.where(known, truth, 0.0), np.where(known, said, 0.0)
            amounts += [total_at(line, each, lines) for each in (y, v, y * y, v * v, y * v)]
            squares += [np.square(v - y), np.square(y)]
        self.unlabelled += int((~some).sum())
        return Tallied(
            _together(counts), np.stack(amounts, axis=1), np.arange(len(line)), np.stack(squares, axis=1)
        )  # fmt: skip

    def blocks(self, totals: Integers) -> list[Block]:
        """Return CCC, PCC, RMSE, agreement of the sign, bias and mean truth of each value."""
        found, whole = [], 2 * len(self.names)
        for place, name in enumerate(self.names):
            known, agreeing, first = 2 * place, 2 * place + 1, whole + 5 * place
            if not totals[known]:
                continue
            shared = {"dimension": name}
            agree = Measure("sagr", (0, 1), (1, 0), direction="higher")
            bias = Measure("bias", (0, -1, 1), (1, 0, 0), kind="mean", bounds=None, counted=False)
            mean = Measure("mean_truth", (0, 1, 0), (1, 0, 0), kind="mean", bounds=None, counted=False)
            sums = (known, *range(first, first + 5))
            found += [
                Block(sums, (), shared, agreement=("ccc", "pcc", "rmse")),
                Block((known, agreeing), (agree,), shared),
                Block((known, first, first + 1), (bias,), shared, squares=2 * place),
                Block((known, first, first + 1), (mean,), shared, squares=2 * place + 1),
            ]
        return found


def tally_of(target: TargetSpec) -> Tally:
    """Return what is counted for a task.

    Raises:
        ManifestError: for pairs, whose rates depend on a threshold over all of them.
    """
    if target.task in {"expression", "forgery"}:
        return ClassTally(target)
    if target.task == "action_units":
        return UnitTally(target)
    if target.task == "valence_arousal":
        return ValueTally(target)
    raise ManifestError(
        "pairs (verification) are not measured in batches: their error rates need a threshold, and that the pairs in "
        "the order of their similarity; `countenance run` measures a table of pairs"
    )


def _together(columns: Sequence[Integers]) -> Counts:
    return np.stack(columns, axis=1).astype(np.int32)


def _same_sign(truth: Floats, said: Floats) -> np.ndarray:
    return np.asarray(np.sign(truth) == np.sign(said))


def _mean(metric: str, bounds: tuple[float, float], direction: str) -> Measure:
    return Measure(metric, (1, 0), (0, 1), kind="mean", bounds=bounds, direction=direction, counted=False)  # type: ignore[arg-type]


def names_of(blocks: Sequence[Block]) -> list[str]:
    """Return the metrics of some blocks, each once."""
    found = [(*block.agreement, *(measure.metric for measure in block.measures)) for block in blocks]
    return list(dict.fromkeys(name for names in found for name in names))
