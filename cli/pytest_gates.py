"""Gates as tests of pytest: one for each, one for whether the audit is complete, and one for policy."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest

from ..core.errors import CountenanceError
from ..core.gates import gate_ids
from ..core.judge_run import judge_run
from ..core.plan_file import load_gate_file
from ..core.policy import policy_of_run
from ..core.results import AuditResults
from ..reports.ci.cases import Case, Suite, cases_of

MARKER = "countenance"
COMPLETE, POLICY = "the audit is complete", "policy"


class GateFailed(Exception):
    """A gate did not pass; the message says why."""


class Audit:
    """An audit whose gates are tests: a run folder, or a plan that is run when the first test needs it.

    Args:
        path: a run folder, its ``results.json``, or a plan.
        strict: an inconclusive gate fails.
    """

    def __init__(self, path: Path, strict: bool) -> None:
        self.path = path
        self.strict = strict
        self.is_run = path.is_dir() or path.suffix == ".json"

    @cached_property
    def names(self) -> list[str]:
        """The names of the gates, without an audit."""
        return gate_ids(judge_run(self.path).gates if self.is_run else load_gate_file(self.path).gates or [])

    @cached_property
    def cases(self) -> list[Case]:
        """Every case; a plan is run for them, without a run folder."""
        return cases_of(self._results(), strict=self.strict)

    def _results(self) -> AuditResults:
        if self.is_run:
            results = judge_run(self.path).results
            return results.model_copy(update={"policy": policy_of_run(self.path, results)})
        from ..core.api import run_plan
        from ..core.plan_file import load_plan

        return run_plan(load_plan(self.path))


class GateItem(pytest.Item):
    """A test of one or more cases of an audit."""

    def __init__(self, *, audit: Audit, suite: Suite, position: int | None, **more: Any) -> None:
        super().__init__(**more)
        self.audit, self.suite, self.place = audit, suite, position
        self.add_marker(MARKER)
        self.extra_keyword_matches.update((MARKER, suite))

    def runtest(self) -> None:
        """Fail, skip or pass as the cases do; of several the gravest counts."""
        cases = [case for case in self.audit.cases if case.suite == self.suite]
        if self.place is not None:
            cases = cases[self.place : self.place + 1]
        broken = [case for case in cases if case.state in {"failed", "error"}]
        if broken:
            raise GateFailed("\n\n".join(f"{case.name}: {case.kind}\n{case.detail}" for case in broken))
        skipped = [case for case in cases if case.state == "skipped"]
        if skipped and self.suite != "probes":
            pytest.skip("; ".join(f"{case.kind}: {case.message}" for case in skipped))

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """Show why in words; a traceback only of what is no verdict."""
        if isinstance(excinfo.value, (GateFailed, CountenanceError)):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        """Return the audit, and how the test is called."""
        return self.audit.path, None, f"{self.audit.path}::{self.name}"


def items_of(session: pytest.Session, written: str, strict: bool) -> Sequence[GateItem]:
    """Return the tests of a run folder or a plan.

    Raises:
        pytest.UsageError: when it cannot be read.
    """
    audit = Audit(Path(written), strict)
    if not audit.is_run and hasattr(session.config, "workerinput"):
        raise pytest.UsageError(
            f"every worker would run {written}: run it first and give its run folder, or leave -n out"
        )
    try:
        names = audit.names
    except CountenanceError as error:
        raise pytest.UsageError(f"--countenance {written}: {error}") from error
    tests: list[tuple[str, Suite, int | None]] = [(COMPLETE, "probes", None), (POLICY, "policy", None)]
    tests += [(name, "gates", place) for place, name in enumerate(names)]
    return [
        GateItem.from_parent(session, name=name, nodeid=f"{written}::{name}", audit=audit, suite=suite, position=place)
        for name, suite, place in tests
    ]
