"""Two or more runs, measurement by measurement."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from .compare_heatmaps import HeatmapComparison, compare_heatmaps
from .errors import UsageError
from .results import AuditResults, Direction, Estimate, ProbeResult
from .results_file import load_results
from .suppression import published_all

if TYPE_CHECKING:
    import pandas as pd

Relation = Literal["apart", "overlapping", "no interval", "added", "removed", "not measured"]


@dataclass(frozen=True)
class ComparedRow:
    """One measurement in every run.

    Attributes:
        key: the measurement's key.
        direction: which way is better.
        estimates: one per run, ``None`` where the run has no such measurement.
        verdict: ``apart`` when the intervals of some two runs do not touch, ``overlapping`` when all touch (which is
            no proof of equality: the same faces make the difference more certain than the two intervals show),
            ``added`` or ``removed`` when the first or the last run has none.
        change: last minus first value, ``None`` where either is missing.
    """

    key: str
    direction: Direction
    estimates: list[Estimate | None]
    verdict: Relation
    change: float | None

    @property
    def worse(self) -> bool:
        """Whether the last run is apart from the first on the worse side."""
        ends = [self.estimates[0], self.estimates[-1]]
        if _relation(ends) != "apart" or self.change is None or self.direction == "none":
            return False
        return self.change < 0 if self.direction == "higher" else self.change > 0


@dataclass(frozen=True)
class Comparison:
    """Several runs compared.

    Attributes:
        names: one name per run, made different by a number where they are the same.
        rows: regressions first, then what is apart, then the rest in the order of the first run.
        same_data: whether all runs audited the very same faces.
        notes: what limits the comparison.
        heatmaps: how alike the runs' mean heatmaps are.
    """

    names: list[str]
    rows: list[ComparedRow]
    same_data: bool
    notes: list[str]
    heatmaps: HeatmapComparison = field(default_factory=HeatmapComparison)

    def to_frame(self) -> pd.DataFrame:
        """Return one row per measurement: key, verdict, change, and each run's value with its interval."""
        import pandas as pd

        table = []
        for row in self.rows:
            line: dict[str, object] = {"key": row.key, "verdict": row.verdict, "change": row.change}
            for name, estimate in zip(self.names, row.estimates, strict=True):
                line[name] = estimate.value if estimate else None
                line[f"{name} low"] = estimate.low if estimate else None
                line[f"{name} high"] = estimate.high if estimate else None
            table.append(line)
        return pd.DataFrame(table)


def compare(*runs: AuditResults | str | Path, publish: bool = False) -> Comparison:
    """Compare two or more runs, given as results or as run folders; the first is what the others are held against.

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
    by_key = [{item.key: item for item in run.measurements()} for run in loaded]
    keys = list(dict.fromkeys(key for items in by_key for key in items))
    rows = []
    for key in keys:
        found = [items.get(key) for items in by_key]
        direction = next(item.direction for item in found if item is not None)
        estimates = [item.estimate if item is not None else None for item in found]
        rows.append(ComparedRow(key, direction, estimates, _relation(estimates), _change(estimates)))
    rows.sort(key=lambda row: (not row.worse, row.verdict != "apart"))
    same = len({run.data.sha256 for run in loaded}) == 1 and bool(loaded[0].data.sha256)
    names = _names(loaded)
    folders = [None if isinstance(run, AuditResults) else _folder(run) for run in runs]
    heatmaps = compare_heatmaps(names, loaded, folders)
    return Comparison(names, rows, same, [*_notes(loaded, same), *heatmaps.notes], heatmaps)


def _folder(run: str | Path) -> Path:
    """Return the run folder of a path that names it or the results file in it."""
    path = Path(run)
    return path.parent if path.is_file() else path


def _relation(estimates: Sequence[Estimate | None]) -> Relation:
    if estimates[0] is None:
        return "added"
    if any(estimate is None for estimate in estimates):
        return "removed"
    present = [estimate for estimate in estimates if estimate is not None]
    if any(estimate.value is None for estimate in present):
        return "not measured"
    bounds = [(e.low, e.high) for e in present if e.low is not None and e.high is not None]
    if len(bounds) < len(present):
        return "no interval"
    return "apart" if max(low for low, _ in bounds) > min(high for _, high in bounds) else "overlapping"


def _change(estimates: Sequence[Estimate | None]) -> float | None:
    first, last = estimates[0], estimates[-1]
    if first is None or last is None or first.value is None or last.value is None:
        return None
    return last.value - first.value


def _names(runs: Sequence[AuditResults]) -> list[str]:
    names: list[str] = []
    for run in runs:
        name, number = run.name, 2
        while name in names:
            name, number = f"{run.name} ({number})", number + 1
        names.append(name)
    return names


def _notes(runs: Sequence[AuditResults], same: bool) -> list[str]:
    notes = []
    if same:
        notes.append("The runs audited the same faces. Intervals of one run each are wider than a paired test needs.")
    elif not all(run.data.sha256 for run in runs):
        notes.append("Whether the runs audited the same faces is not known: a hash of the data is missing.")
    elif all((run.data.faces, run.data.labels) == (runs[0].data.faces, runs[0].data.labels) for run in runs):
        notes.append(
            "The audited data differ (faces, labels, attributes or landmarks; of tables also the predictions), but the "
            "runs have as many faces of each label. A difference may come from the data and not from the model."
        )
    else:
        notes.append("The runs audited different data, so a difference may come from the faces and not from the model.")
    if len({run.schema_version for run in runs}) > 1 or len({run.tool.get("countenance") for run in runs}) > 1:
        notes.append("The runs were made with different versions of countenance.")
    if len({run.target.task for run in runs}) > 1:
        notes.append("The targets have different tasks.")
    notes += _probe_notes(runs)
    return notes


def _probe_notes(runs: Sequence[AuditResults]) -> Iterator[str]:
    """Tell of each probe id that did not measure the same thing in every run that has it."""
    by_id: dict[str, list[ProbeResult]] = {}
    for run in runs:
        for probe in run.probes:
            by_id.setdefault(probe.id, []).append(probe)
    for probe_id, probes in by_id.items():
        differs = []
        names = sorted({probe.probe for probe in probes})
        versions = sorted({probe.version for probe in probes})
        if len(names) > 1:
            differs.append(f"it is another probe ({', '.join(names)})")
        elif len(versions) > 1:
            differs.append(f"the version of the probe differs ({', '.join(map(str, versions))})")
        changed = _changed_params(probes) if len(names) == 1 else []
        if changed:
            differs.append(f"the parameters differ ({', '.join(changed)})")
        if differs:
            yield f"{probe_id} did not measure the same in every run: {' and '.join(differs)}."


def _changed_params(probes: Sequence[ProbeResult]) -> list[str]:
    """Return the names of the parameters that are not the same in all; a parameter may be missing in some."""
    absent = object()
    first = probes[0].params
    names = dict.fromkeys(name for probe in probes for name in probe.params)
    return [name for name in names if any(p.params.get(name, absent) != first.get(name, absent) for p in probes)]
