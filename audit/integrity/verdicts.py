"""What a check of integrity says: a verdict, what was seen, what to do about it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import pandas as pd

from ...core.probes import Output, ProbeContext, TableOutput
from ...core.results import Finding, Measurement, Severity

Verdict = Literal["holds", "differs", "not checked"]
COLUMNS = ("check", "verdict", "seen", "do")


@dataclass(frozen=True)
class Check:
    """One line of the checklist.

    Attributes:
        name: in measurement keys and in the finding's id, e.g. ``batch_order``.
        title: in words.
        verdict: ``holds``, ``differs`` or ``not checked``.
        seen: the numbers, or why it was not checked.
        do: what to do about it; empty where nothing is to be done.
        severity: of the finding when it differs.
        measurements: the numbers as measurements; their keys are the finding's evidence.
        further: tables and notes to yield beside.
        also: keys of another check's measurements that the finding rests on too.
        caveats: of the finding.
        p_adjusted: of the finding, where it rests on a test.
    """

    name: str
    title: str
    verdict: Verdict
    seen: str
    do: str = ""
    severity: Severity = "high"
    measurements: tuple[Measurement, ...] = ()
    further: tuple[Output, ...] = ()
    also: tuple[str, ...] = ()
    caveats: tuple[str, ...] = ()
    p_adjusted: float | None = None

    def finding(self, context: ProbeContext) -> Finding | None:
        """Return the finding of a check that differs, ``None`` of any other."""
        if self.verdict != "differs":
            return None
        return context.finding(
            self.name,
            self.severity,
            f"{self.title[0].upper()}{self.title[1:]}: {self.seen}. {self.do}",
            evidence=[*(item.key for item in self.measurements), *self.also],
            caveats=self.caveats,
            p_adjusted=self.p_adjusted,
        )


def not_checked(name: str, title: str, why: str, measurements: Sequence[Measurement] = ()) -> Check:
    """Return a check that could not be made, with the reason."""
    return Check(name, title, "not checked", why, measurements=tuple(measurements))


def checklist(checks: Iterable[Check]) -> TableOutput:
    """Return the table ``checklist``: one row per check with the columns :data:`COLUMNS`."""
    rows = [(check.title, check.verdict, check.seen, check.do) for check in checks]
    return TableOutput("checklist", pd.DataFrame(rows, columns=list(COLUMNS)), "Integrity of the audit itself")
