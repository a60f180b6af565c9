"""Group metrics of a Parquet table of predictions of any length: read once, in batches, in bounded memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from ...errors import ManifestError, Problems, UsageError, nearest
from ...manifest import OUTSIDE
from ...plan import DataSpec, TargetSpec
from ...predictions import CLEAN
from ...results import Measurement
from ..groups import MISSING, Groups, plan_groups
from ..rules import StatisticsRules
from ..sums import Floats
from .agreements import AGREEMENTS, agreement_of
from .estimates import estimates_of
from .grouped import BlockSums, Grouping
from .lines import LineStore, PartialLines, lines_of_rows
from .measures import Block
from .reading import Rows, TableReader
from .tallies import Tally, names_of, tally_of

PROBE = "slices"


@dataclass(frozen=True, eq=False)
class Slices:
    """What was measured of a table.

    Attributes:
        measurements: over all faces first, then attribute by attribute, intersection by intersection.
        faces: rows that count: of condition ``clean``, and with a label where the task has one.
        people: people among them.
        absent: metrics that are not measured in batches, with the reason.
        notes: remarks: rows left out, people in two groups, every row its own person.
    """

    measurements: list[Measurement]
    faces: int
    people: int
    absent: Mapping[str, str]
    notes: tuple[str, ...]

    def to_frame(self) -> pd.DataFrame:
        """Return one row per measurement: what and where, value and interval, sizes, or why it was not measured."""
        rows = []
        for item in self.measurements:
            estimate = item.estimate
            where = {name: value for name, value in item.slice.items() if name not in {"label", "dimension"}}
            rows.append(
                {
                    "metric": item.metric,
                    "label": item.slice.get("label", item.slice.get("dimension", "")),
                    "attributes": "&".join(where),
                    "group": " & ".join(where.values()) if where else "(all)",
                    "value": estimate.value,
                    "low": estimate.low,
                    "high": estimate.high,
                    "faces": estimate.n,
                    "people": estimate.subjects,
                    "n_effective": estimate.n_effective,
                    "method": estimate.method or "",
                    "not_measured": estimate.reason or "",
                }
            )
        return pd.DataFrame(rows)


def slice_table(
    path: Path | str,
    target: TargetSpec,
    data: DataSpec,
    *,
    metrics: Iterable[str] | None = None,
    labels: Iterable[str] | None = None,
    rules: StatisticsRules | None = None,
    progress: Callable[[int], None] = lambda rows: None,
) -> Slices:
    """Measure the groups of a Parquet table of predictions without holding its rows in memory.

    Values and intervals are those that ``group_metrics`` gives of the same table. Memory grows with people and with
    groups, time with rows.

    Args:
        path: the table, with the columns of a table of predictions (see ``docs/prediction-tables.md``).
        target: task and classes.
        data: columns of label, subject, attributes and intersections, as in a plan.
        metrics: names of metrics; all that can be measured in batches unless given.
        labels: classes, units or dimensions to measure; all unless given.
        rules: level and smallest groups.
        progress: told how many rows have been read.

    Raises:
        ManifestError: with every problem of the table at once.
        UsageError: for a metric or label that there is not.
    """
    path, rules = Path(path), rules or StatisticsRules(min_subjects=data.min_subjects)
    data = _without_controls(data)
    tally = tally_of(target)
    label = (data.label or "label") if tally.label else None
    reader = TableReader(path, data, tally.numbers, label, tally.optional)
    store, squares = LineStore(), _Squares()
    for rows in reader.batches():
        part = _tallied(tally, rows, label, reader, squares)
        if not reader.faults:
            store.add(part)
        progress(reader.rows)
    reader.faults.raise_all(path, reader.rows)
    lines = store.finish()
    totals = None if lines is None else lines.counts.sum(axis=0, dtype=np.int64)
    if lines is None or totals is None or not totals.any():
        what = "whose condition is 'clean'" if reader.unclean == reader.rows else "with a label"
        raise ManifestError(f"{path} has no row {what}: there is nothing to measure")
    clean = reader.rows - reader.unclean
    words = ("person", "people") if len(lines.people) < clean else ("face", "faces")
    lines = _without_empty(lines)
    blocks = _chosen(tally.blocks(totals), tally, target, metrics, labels)
    groupings = [Groups("", (), [{}], np.zeros(len(reader.cells), dtype=np.int64)), *_groupings(reader)]
    measurements = _measure(lines, blocks, groupings, squares, rules, words)
    faces, people = clean - tally.unlabelled, int((np.diff(lines.person) != 0).sum()) + 1
    return Slices(measurements, faces, people, tally.absent, tuple(_notes(reader, tally, lines, groupings)))


def _without_controls(data: DataSpec) -> DataSpec:
    """Return the data block without control attributes: groups are compared within their levels, not by them."""
    sliced = {name: spec for name, spec in data.attributes.items() if spec.role == "group"}
    combined = [names for names in data.intersections if set(names) <= set(sliced)]
    return data.model_copy(update={"attributes": sliced, "intersections": combined})


class _Squares:
    """Sums of squared values of faces by cell, which a mean's spread needs."""

    def __init__(self) -> None:
        self._sums = np.zeros((0, 0))

    def add(self, cell: np.ndarray, squares: Floats) -> None:
        if not squares.shape[1]:
            return
        cells = max(int(cell.max(initial=-1)) + 1, len(self._sums))
        grown = np.zeros((cells, squares.shape[1]))
        if self._sums.size:
            grown[: len(self._sums)] = self._sums
        for place in range(squares.shape[1]):
            grown[:, place] += np.bincount(cell, squares[:, place], cells)
        self._sums = grown

    def of(self, place: int, group_of_cell: np.ndarray, groups: int) -> Floats:
        """Return the sums of groups of cells."""
        column = np.zeros(len(group_of_cell))
        column[: len(self._sums)] = self._sums[:, place]
        return np.asarray(np.bincount(group_of_cell, column, groups), dtype=np.float64)


def _tallied(tally: Tally, rows: Rows, label: str | None, reader: TableReader, squares: _Squares) -> PartialLines:
    """Return the lines of one batch."""
    people = rows.people
    if people is None:  # each row is its own person, numbered through the table
        people = pa.array(np.arange(reader.rows - len(rows.cell), reader.rows))
    line, person, cell = lines_of_rows(rows.person, len(people), rows.cell, len(reader.cells))
    told = tally.count(rows, label or "", line, len(person), reader.faults)
    squares.add(rows.cell[told.rows], told.squares)
    return PartialLines(people, person.astype(np.int32), cell.astype(np.int32), told.counts, told.amounts)


def _without_empty(lines: PartialLines) -> PartialLines:
    """Leave out people none of whose faces counts, as those without a label."""
    some = lines.counts.any(axis=1)
    if some.all():
        return lines
    return PartialLines(lines.people, lines.person[some], lines.cell[some], lines.counts[some], lines.amounts[some])


def _chosen(
    blocks: list[Block],
    tally: Tally,
    target: TargetSpec,
    metrics: Iterable[str] | None,
    labels: Iterable[str] | None,
) -> list[Block]:
    problems, known = Problems("what to measure"), names_of(blocks)
    wanted = known if metrics is None else list(metrics)
    of = list(target.class_names) if labels is None else list(labels)
    for name in wanted:
        if name in tally.absent:
            problems.add(f"{name} is not measured in batches: {tally.absent[name]}")
        elif name not in known:
            problems.add(f"there is no metric {name!r} ({', '.join(known)}){nearest(name, known)}")
    for name in of:
        if name not in target.class_names:
            problems.add(f"{name!r} is none of {list(target.class_names)}{nearest(name, target.class_names)}")
    problems.raise_as(UsageError)
    found = []
    for block in blocks:
        measures = tuple(measure for measure in block.measures if measure.metric in wanted)
        agreement = tuple(metric for metric in block.agreement if metric in wanted)
        if (measures or agreement) and all(value in of for value in block.slice.values()):
            found.append(Block(block.columns, measures, block.slice, block.squares, agreement))
    return found


def _groupings(reader: TableReader) -> list[Groups]:
    """Return every attribute and intersection as groups of cells."""
    columns: dict[str, Any] = {}
    for place, (name, spec) in enumerate(reader.data.attributes.items()):
        texts = pd.Series([cell[place] for cell in reader.cells], dtype=object)
        if spec.bins is not None:
            names = [f"{low:g} to {high:g}" for low, high in pairwise(spec.bins)]
            order = [group for group in (*names, OUTSIDE, MISSING) if (texts == group).any()]
            columns[name] = texts.astype(pd.CategoricalDtype(order))
        else:
            columns[name] = texts
    if not columns:
        return []
    return list(plan_groups(columns, reader.data.attributes, reader.data.intersections))


def _measure(
    lines: PartialLines,
    blocks: list[Block],
    groupings: list[Groups],
    squares: _Squares,
    rules: StatisticsRules,
    words: tuple[str, str],
) -> list[Measurement]:
    cells = len(groupings[0].codes)
    finest = Grouping.of(lines, np.arange(cells), cells)
    one_cell_each = bool((np.diff(lines.person) != 0).all())
    coarse = [] if one_cell_each else [Grouping.of(lines, groups.codes, len(groups)) for groups in groupings]
    measurements: list[list[Measurement]] = [[] for _ in groupings]
    for block in blocks:
        if block.agreement:
            for at, groups in enumerate(groupings):
                measurements[at] += _agreements(block, lines, groups, rules)
            continue
        by_cell = BlockSums.of(block, finest.block(lines, block.columns), finest.starts) if one_cell_each else None
        for at, groups in enumerate(groupings):
            if by_cell is not None:
                sums = by_cell.coarser(groups.codes, len(groups))
            else:
                sums = BlockSums.of(block, coarse[at].block(lines, block.columns), coarse[at].starts)
            squared = None if block.squares is None else squares.of(block.squares, groups.codes, len(groups))
            measurements[at] += _of_block(block, sums, squared, groups, rules, words)
    return [item for found in measurements for item in found]


def _of_block(
    block: Block,
    sums: BlockSums,
    squares: Floats | None,
    groups: Groups,
    rules: StatisticsRules,
    words: tuple[str, str],
) -> list[Measurement]:
    place = "".join(f" of {name} {value}" for name, value in block.slice.items())
    found = []
    for measure in block.measures:
        of_groups = estimates_of(
            measure, place, sums.sums_of(measure), squares, rules, words, overall=not groups.attributes
        )
        for value, estimate in zip(groups.values, of_groups, strict=True):
            where = {**block.slice, **value}
            found.append(Measurement.of(PROBE, measure.metric, estimate, slice=where, direction=measure.direction))
    return found


def _agreements(block: Block, lines: PartialLines, groups: Groups, rules: StatisticsRules) -> Iterator[Measurement]:
    grouping = Grouping.of(lines, groups.codes, len(groups))
    values = grouping.block(lines, block.columns)
    for metric in block.agreement:
        for group, (start, end) in zip(groups.values, pairwise(grouping.starts), strict=True):
            estimate = agreement_of(metric, values[start:end], rules)
            where = {**block.slice, **group}
            yield Measurement.of(PROBE, metric, estimate, slice=where, direction=AGREEMENTS[metric][1])


def _notes(reader: TableReader, tally: Tally, lines: PartialLines, groupings: list[Groups]) -> Iterator[str]:
    """Say what the numbers leave out and rest on."""
    if reader.unclean:
        yield f"{reader.unclean:,} of {reader.rows:,} rows are of another condition than {CLEAN!r} and are left out."
    if tally.unlabelled:
        yield f"{tally.unlabelled:,} rows have no label or truth and are left out."
    if reader.subject is None:
        yield "No column names the person of a row: each row is taken for another person."
    for groups in groupings:
        spec = reader.data.attributes.get(groups.name)
        if spec is not None and spec.of == "subject" and reader.subject is not None:
            group = groups.codes[lines.cell]
            same = lines.person[1:] == lines.person[:-1]
            mixed = len(np.unique(lines.person[1:][same & (group[1:] != group[:-1])]))
            if mixed:
                yield f"{mixed:,} people stand in more than one group of {groups.name}, an attribute of the person."
