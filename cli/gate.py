"""``countenance gate``: judge gates on results, without torch."""

from __future__ import annotations

from datetime import date
from pathlib import Path

from ..core.errors import UsageError
from ..core.judge_run import judge_run
from ..core.policy import deployment_of, policy_of_run
from ..reports.ci import CiFiles
from .ci import tell_ci
from .console import print_gates, say
from .run import exit_code


def gate(run: Path, plan: Path | None, baseline: Path | None, as_of: str | None, strict: bool, files: CiFiles) -> int:
    """Judge the run's own gates, or another plan's, write the files that were asked for, and return the exit code."""
    files.check()
    found = judge_run(run, plan=plan, baseline=baseline, today=_day(as_of))
    use = None if plan is None else deployment_of(plan)
    judged = found.results.model_copy(update={"policy": policy_of_run(run, found.results, use)})
    if not found.gates:
        say("there are no gates to judge")
    print_gates(judged.gates)
    for finding in judged.policy:
        if finding.severity != "note":
            say(f"policy, {finding.severity}: {finding.claim}")
    for note in found.notes:
        say(note)
    tell_ci(judged, run, files, [] if plan is None else [plan], strict)
    return exit_code(judged, strict)


def _day(written: str | None) -> date | None:
    try:
        return None if written is None else date.fromisoformat(written)
    except ValueError as error:
        raise UsageError(f"expected a day such as 2027-05-01 after --as-of, but got {written!r}") from error
