"""Judging the gates of a run folder again: those of its plan, or of another file, on a given day."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from .errors import ResultsError
from .gates import gate_ids, judge_all, unneeded
from .gates.change import PairedChange
from .paired_change import PairedRuns
from .plan import GateSpec, WaiverSpec
from .plan_file import load_gate_file
from .results import RESULTS_FILE, AuditResults
from .results_file import describe_faults, load_results

Spec = TypeVar("Spec", GateSpec, WaiverSpec)


@dataclass(frozen=True)
class JudgedRun:
    """A run with its gates judged.

    Attributes:
        results: of the run, with the outcomes of these gates in place of its own.
        gates: what was judged, in the order of the outcomes.
        waivers: of these gates.
        baseline: the run that gates on a change were held against.
        notes: waivers that are not needed, reviews that are due, a baseline that was not found.
    """

    results: AuditResults
    gates: list[GateSpec]
    waivers: list[WaiverSpec]
    baseline: AuditResults | None
    notes: list[str]


def judge_run(
    run: str | Path,
    *,
    plan: str | Path | None = None,
    baseline: str | Path | None = None,
    today: date | None = None,
    paired: PairedChange | None = None,
) -> JudgedRun:
    """Judge a run folder.

    Args:
        run: the run folder, or its ``results.json``.
        plan: a plan or a file of gates to take gates, waivers and baseline from; those of the run unless given. What
            the file does not have is taken from the run, but waivers never are: they are of the gates beside them.
        baseline: the run to compare with, in place of what the plan names.
        today: the day on which waivers are judged; this day unless given.
        paired: see :func:`countenance.core.gates.judge_all`; face by face from the tables of both runs unless given.

    Raises:
        ResultsError: when the run or the baseline cannot be read.
        PlanError: when the file cannot be read as gates, or a waiver names no gate.
        UsageError: for a measure that is no key.
    """
    results = load_results(run)
    file = None if plan is None else load_gate_file(plan)
    if file is None or file.gates is None:
        gates = _of_run(results, "gates", GateSpec)
        waivers = _of_run(results, "waivers", WaiverSpec) if file is None else file.waivers
    else:
        gates, waivers = file.gates, file.waivers
    notes: list[str] = []
    chosen = baseline if baseline is not None else file.baseline if file is not None else None
    if chosen is None:
        chosen = _baseline_of_run(results, gates, notes)
    before = None if chosen is None else load_results(chosen)
    paired = paired or face_by_face(results, before, run, chosen, gates)
    day = today or date.today()
    outcomes = judge_all(gates, results, baseline=before, waivers=waivers, today=day, paired=paired)
    notes += [*unneeded(outcomes, gates, waivers), *_due(gates, day)]
    return JudgedRun(results.model_copy(update={"gates": outcomes}), gates, waivers, before, notes)


def face_by_face(
    results: AuditResults,
    baseline: AuditResults | None,
    run: str | Path | None,
    baseline_run: str | Path | None,
    gates: Sequence[GateSpec],
) -> PairedChange | None:
    """Return the change face by face from the tables of two run folders, ``None`` where no gate is on a change."""
    if baseline is None or run is None or baseline_run is None or all(gate.change is None for gate in gates):
        return None
    folders = [path.parent if path.is_file() else path for path in (Path(run), Path(baseline_run))]
    return PairedRuns(results, baseline, *folders).bounds


def _of_run(results: AuditResults, name: str, model: type[Spec]) -> list[Spec]:
    written: Any = results.plan.get(name) or []
    try:
        return TypeAdapter(list[model]).validate_python(written)  # type: ignore[valid-type]
    except ValidationError as error:
        raise ResultsError(f"the {name} of the run cannot be read: {describe_faults(error.errors())}") from error


def _baseline_of_run(results: AuditResults, gates: Sequence[GateSpec], notes: list[str]) -> Path | None:
    """Return the baseline that the plan of a run names, whose path is relative to a plan that may lie elsewhere."""
    written = results.plan.get("baseline")
    if not isinstance(written, str) or all(gate.change is None for gate in gates):
        return None
    path = Path(written)
    if (path / RESULTS_FILE if path.is_dir() else path).is_file():
        return path
    notes.append(
        f"the plan of the run names the baseline {written!r}, relative to the plan, and it is not there from this "
        "folder: say where with --baseline"
    )
    return None


def _due(gates: Sequence[GateSpec], today: date) -> list[str]:
    names = gate_ids(gates)
    return [
        f"the review of {name} was due on {gate.review_by.isoformat()}"
        for name, gate in zip(names, gates, strict=True)
        if gate.review_by is not None and gate.review_by < today
    ]
