"""Two or more runs, measurement by measurement: every run is held against the first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from .compare_heatmaps import HeatmapComparison, compare_heatmaps
from .compare_notes import data_note, other_notes
from .compare_rows import ORDER, ComparedRow, Relation, RunChange, adjust, held_against
from .errors import UsageError
from .keys import parse_key
from .paired_change import PairedRuns
from .results import AuditResults, Estimate
from .results_file import load_results
from .statistics.same_faces import Change
from .suppression import published_all

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["ComparedRow", "Comparison", "Relation", "RunChange", "compare"]

IN_MEMORY = "its results are held in memory, without the tables of its run folder"
ADJUSTED = (
    "p-values are adjusted for the number of measurements (Benjamini and Hochberg; those with a better side are one "
    "family, over all runs): of what is listed as worse or better, an expected 5 % or less is chance. The intervals "
    "of changes are at 95 % each, not adjusted."
)
TWO_SAMPLES = (
    "What is not held against each other face by face (differences between groups, statistics without a number for "
    "each face, probes that measured otherwise) is taken as two samples: the interval of the change comes from the "
    "two intervals. On the same faces it is wider than it need be, as a rule."
)


@dataclass(frozen=True)
class Comparison:
    """Several runs compared.

    Attributes:
        names: one name per run, made different by a number where they are the same.
        rows: regressions first, then what else differs, then the rest in the order of the first run.
        same_data: whether all runs audited the very same faces.
        notes: what limits the comparison.
        heatmaps: how alike the runs' mean heatmaps are.
    """

    names: list[str]
    rows: list[ComparedRow]
    same_data: bool
    notes: list[str]
    heatmaps: HeatmapComparison = field(default_factory=HeatmapComparison)

    @property
    def paired(self) -> bool:
        """Whether any measurement was compared face by face."""
        return any(change.paired for row in self.rows for change in row.changes)

    @property
    def regressions(self) -> list[ComparedRow]:
        """The rows in which some run is worse than the first."""
        return [row for row in self.rows if row.worse]

    def to_frame(self) -> pd.DataFrame:
        """Return one row per measurement: key, verdict, each run's value with its interval, and its change."""
        import pandas as pd

        table = []
        for row in self.rows:
            line: dict[str, object] = {"key": row.key, "verdict": row.verdict, "worse": row.worse, "change": row.change}
            for name, estimate in zip(self.names, row.estimates, strict=True):
                line[name] = estimate.value if estimate else None
                line[f"{name} low"] = estimate.low if estimate else None
                line[f"{name} high"] = estimate.high if estimate else None
            for name, change in zip(self.names[1:], row.changes, strict=True):
                line[f"{name} verdict"] = change.verdict
                line[f"{name} change"] = change.value
                line[f"{name} change low"], line[f"{name} change high"] = change.low, change.high
                line[f"{name} p"], line[f"{name} p adjusted"] = change.p, change.p_adjusted
                line[f"{name} paired"], line[f"{name} detectable"] = change.paired, change.detectable
            table.append(line)
        return pd.DataFrame(table)


def compare(*runs: AuditResults | str | Path, publish: bool = False) -> Comparison:
    """Compare two or more runs, given as results or as run folders; the first is what the others are held against.

    Runs given as folders are compared face by face where they audited the same faces.

    Args:
        runs: results or run folders.
        publish: hold back numbers of small groups, of all runs where of one, as in a page that others are to read.

    Raises:
        UsageError: for fewer than two runs.
        ResultsError: for a folder without readable results.
    """
    if len(runs) < 2:
        raise UsageError(f"expected two or more runs to compare, but got {len(runs)}")
    loaded = [run if isinstance(run, AuditResults) else load_results(run) for run in runs]
    loaded = published_all(loaded) if publish else loaded
    folders = [None if isinstance(run, AuditResults) else _folder(run) for run in runs]
    joined = [
        PairedRuns(run, loaded[0], folder, folders[0]) if folder is not None and folders[0] is not None else None
        for run, folder in zip(loaded[1:], folders[1:], strict=True)
    ]
    rows = adjust(_rows(loaded, joined))
    rows.sort(key=_place)
    same = len({run.data.sha256 for run in loaded}) == 1 and bool(loaded[0].data.sha256)
    names = _names(loaded)
    heatmaps = compare_heatmaps(names, loaded, folders)
    notes = [data_note(loaded, same), *_pairing_notes(names, joined, rows), *other_notes(loaded), *heatmaps.notes]
    return Comparison(names, rows, same, notes, heatmaps)


def _rows(runs: Sequence[AuditResults], joined: Sequence[PairedRuns | None]) -> list[ComparedRow]:
    by_key = [{item.key: item for item in run.measurements()} for run in runs]
    rows = []
    for key in dict.fromkeys(key for items in by_key for key in items):
        found = [items.get(key) for items in by_key]
        direction = next(item.direction for item in found if item is not None)
        estimates = [item.estimate if item is not None else None for item in found]
        changes = [
            held_against(estimates[0], other, direction, _face_by_face(key, estimates[0], other, pair))
            for other, pair in zip(estimates[1:], joined, strict=True)
        ]
        rows.append(ComparedRow(key, direction, estimates, changes))
    return rows


def _face_by_face(key: str, first: Estimate | None, other: Estimate | None, pair: PairedRuns | None) -> Change | None:
    if pair is None or first is None or other is None or first.value is None or other.value is None:
        return None
    return pair.change(key)


def _place(row: ComparedRow) -> tuple[bool, int, bool, float]:
    """Sort regressions first, of these what holds for all faces first, then what is least likely chance."""
    change = row.leading
    if not row.worse:
        return (True, ORDER.index(change.verdict), False, 0.0)
    parts = parse_key(row.key)
    return (False, ORDER.index(change.verdict), bool(parts.slice), change.p or 0.0)


def _pairing_notes(
    names: Sequence[str], joined: Sequence[PairedRuns | None], rows: Sequence[ComparedRow]
) -> Iterator[str]:
    """Say what was compared face by face and why the rest was not."""
    for place, (name, pair) in enumerate(zip(names[1:], joined, strict=True)):
        count = sum(row.changes[place].paired for row in rows)
        if pair is None:
            yield f"{name} is not compared face by face: {IN_MEMORY}."
        elif pair.reason:
            yield f"{name} is not compared face by face: {pair.reason}."
        elif pair.faces < max(pair.old_faces, pair.new_faces):
            yield (
                f"{name} is compared face by face on the {pair.faces:,} faces that are the same (id, person and label) "
                f"of {pair.old_faces:,} and {pair.new_faces:,}: {count:,} measurements. Their change is that on these."
            )
        else:
            yield f"{name} is compared face by face on all {pair.faces:,} faces: {count:,} measurements."
    if any(change.p is not None and not change.paired for row in rows for change in row.changes):
        yield TWO_SAMPLES
    yield ADJUSTED


def _folder(run: str | Path) -> Path:
    """Return the run folder of a path that names it or the results file in it."""
    path = Path(run)
    return path.parent if path.is_file() else path


def _names(runs: Sequence[AuditResults]) -> list[str]:
    names: list[str] = []
    for run in runs:
        name, number = run.name, 2
        while name in names:
            name, number = f"{run.name} ({number})", number + 1
        names.append(name)
    return names
