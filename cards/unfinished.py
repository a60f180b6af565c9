"""What of an audit did not come to its end, in words that may be published.

A probe's error is written by whatever code failed and may name faces, people or paths, so only its kind is told.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from ..core.results import AuditResults, GateOutcome, ProbeResult
from .gate_words import in_words
from .wording import plural

_KIND = re.compile(r"[A-Z]\w*(?:Error|Exception|Exit|Interrupt|Warning)(?=:|\Z)")
_ELSEWHERE = "see log.txt in the run folder"


def not_run(results: AuditResults) -> list[str]:
    """Return the ids of the plan's probes that left no result: the audit broke off before them."""
    there = {probe.id for probe in results.probes}
    planned = [entry.get("id") for entry in results.plan.get("probes") or () if isinstance(entry, Mapping)]
    return [name for name in planned if isinstance(name, str) and name not in there]


def gates_not_judged(results: AuditResults) -> int:
    """Return how many gates of the plan have no verdict, although gates are judged at the end of every audit."""
    return max(0, len(results.plan.get("gates") or ()) - len(results.gates))


def breaking_off(results: AuditResults) -> str:
    """Say that the audit is incomplete; an empty string where it is not."""
    missing, gates = not_run(results), gates_not_judged(results)
    told = []
    if missing:
        told.append(f"{', '.join(missing)} did not run")
    if gates:
        told.append("gates were not judged")
    return f"The audit broke off: {'; '.join(told)}." if told else ""


def reason_told(probe: ProbeResult) -> str:
    """Return why a probe was skipped or failed, without the words of an error; empty for one that ran."""
    if probe.status != "failed":
        return probe.reason or ""
    kind = _KIND.match(probe.reason or "")
    return f"{kind[0]}, {_ELSEWHERE}" if kind else _ELSEWHERE


def gate_reason(gate: GateOutcome, results: AuditResults) -> str:
    """Return why a gate came to its verdict, in words: without keys, and without those of a failed probe's error."""
    why = gate.why
    for probe in results.probes:
        if probe.status == "failed":
            why = why.replace(f": {probe.reason}", f": {reason_told(probe)}")
    return in_words(why, gate, results)


def gates_text(count: int) -> str:
    """Say that gates of the plan were not judged."""
    return f"{plural(count, 'gate')} of the plan {'was' if count == 1 else 'were'} not judged."
