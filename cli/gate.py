"""``countenance gate``: judge gates on results, without torch."""

from __future__ import annotations

from pathlib import Path

import yaml
from pydantic import TypeAdapter, ValidationError

from ..core.errors import PlanError
from ..core.gates import judge_all
from ..core.plan import GateSpec
from ..core.results_file import describe_faults, load_results
from .console import print_gates, say
from .run import exit_code

_GATES = TypeAdapter(list[GateSpec])


def gate(run: Path, plan: Path | None, strict: bool) -> int:
    """Judge the run's own gates, or another plan's, and return the exit code."""
    results = load_results(run)
    written = results.plan.get("gates", []) if plan is None else _gates_of(plan)
    try:
        gates = _GATES.validate_python(written)
    except ValidationError as error:
        raise PlanError(f"the gates cannot be read: {describe_faults(error.errors())}") from error
    judged = results.model_copy(update={"gates": judge_all(gates, results)})
    if not gates:
        say("there are no gates to judge")
    print_gates(judged.gates)
    return exit_code(judged, strict)


def _gates_of(plan: Path) -> object:
    try:
        content = yaml.safe_load(plan.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise PlanError(f"expected a plan at {plan}, but there is no such file") from None
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise PlanError(f"{plan} cannot be read: {' '.join(str(error).split())}") from error
    gates = content.get("gates") if isinstance(content, dict) else content
    if gates is None:
        raise PlanError(f"{plan} has no gates")
    return gates
