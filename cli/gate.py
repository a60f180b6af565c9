"""``countenance gate``: judge gates on results, without torch."""

from __future__ import annotations

from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from ..core.errors import ResultsError
from ..core.gates import judge_all
from ..core.plan import GateSpec
from ..core.plan_file import load_gates
from ..core.results import AuditResults
from ..core.results_file import describe_faults, load_results
from .console import print_gates, say
from .run import exit_code


def gate(run: Path, plan: Path | None, strict: bool) -> int:
    """Judge the run's own gates, or another plan's, and return the exit code."""
    results = load_results(run)
    gates = _own_gates(results) if plan is None else load_gates(plan)
    judged = results.model_copy(update={"gates": judge_all(gates, results)})
    if not gates:
        say("there are no gates to judge")
    print_gates(judged.gates)
    return exit_code(judged, strict)


def _own_gates(results: AuditResults) -> list[GateSpec]:
    try:
        return TypeAdapter(list[GateSpec]).validate_python(results.plan.get("gates", []))
    except ValidationError as error:
        raise ResultsError(f"the gates of the run cannot be read: {describe_faults(error.errors())}") from error
