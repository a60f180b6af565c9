"""``countenance run``: audit a model as a plan says."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..cards.statements import load_statements
from ..cards.wording import plural
from ..core.errors import EXIT_GATE_FAILED, EXIT_INCOMPLETE, EXIT_INCONCLUSIVE, EXIT_OK
from ..core.interruption import ending_in_order
from ..core.results import AuditResults, Measurement
from ..reports.ci import CiFiles
from ..reports.summary import summary_lines
from .ci import tell_ci
from .console import TerminalReporter, print_gates, print_table, say
from .documents import write_documents


def run(
    plan: Path,
    out: Path | None,
    resume: bool,
    overwrite: bool,
    strict: bool,
    trust: bool,
    report: bool,
    files: CiFiles,
) -> int:
    """Run the plan, write report, card and what else was asked for, print a summary, and return the exit code."""
    from ..core.plan_file import load_plan

    files.check()  # as of the card below
    loaded = load_plan(plan)
    if loaded.plan.card is not None:
        load_statements(loaded.path(loaded.plan.card))  # a fault in it is told before hours of computing, not after
    from ..core.api import run_plan

    folder = out if out is not None else Path("runs") / plan.stem
    reporter = TerminalReporter()
    with ending_in_order():  # a scheduler's time limit leaves no pictures of people behind, and the run can go on
        results = run_plan(loaded, folder, resume=resume, overwrite=overwrite, trust=trust, reporter=reporter)
    print_summary(results, reporter.said)
    if report:
        for path in write_documents(folder):
            say(f"wrote {path}")
    tell_ci(results, folder, files, [plan], strict)
    return exit_code(results, strict)


def exit_code(results: AuditResults, strict: bool) -> int:
    """Return the exit code: the audit could not complete, a gate failed, inconclusive under strict, or all right."""
    planned = [entry["id"] for entry in results.plan.get("probes", []) if isinstance(entry, dict) and "id" in entry]
    ended = {probe.id for probe in results.probes if probe.status != "failed"}
    if not ended.issuperset(planned):
        return EXIT_INCOMPLETE
    if any(outcome.counts_against for outcome in results.gates):
        return EXIT_GATE_FAILED
    if any(finding.severity == "high" for finding in results.policy):
        return EXIT_GATE_FAILED  # no threshold and no waiver lets a prohibited use through
    verdicts = {outcome.verdict for outcome in results.gates}
    return EXIT_INCONCLUSIVE if strict and "inconclusive" in verdicts else EXIT_OK


def print_summary(results: AuditResults, said: Sequence[str] = ()) -> None:
    """Print what was measured, what was found and how the gates stand; of the notes those not ``said`` before."""
    heads = {line.probe_id: line.estimate for line in summary_lines(results)}
    rows = []
    for probe in results.probes:
        whole = [[item.key, str(item.estimate)] for item in probe.measurements if _over_all(item)]
        head = heads.get(probe.id)
        rows += whole or ([[head.key, str(head.estimate)]] if head is not None else [])
    if rows:
        print_table(f"{results.name}: {size_of(results)}", ["measurement", "estimate"], rows)
    found = results.findings()
    findings = [finding for finding in found if finding.severity != "note"]
    styles = {"high": "bold red", "medium": "red", "low": "yellow", "note": ""}
    if findings:
        told = [[finding.severity, finding.claim] for finding in findings]
        print_table("Findings", ["severity", "claim"], told, [styles[finding.severity] for finding in findings])
    if len(found) > len(findings):
        say(f"and {plural(len(found) - len(findings), 'note')}, in the report")
    for text in (*results.data.not_measured, *results.data.notes):
        if not any(text in line for line in said):
            say(text)
    print_gates(results.gates)


def _over_all(item: Measurement) -> bool:
    """Tell whether a line of the summary is due: of several methods compared the report has the table."""
    told = not item.slice and item.direction != "none" and not item.metric.startswith("check.")
    return told and "method" not in item.condition


def size_of(results: AuditResults) -> str:
    """Say how much was audited, e.g. ``204 faces of 102 people``."""
    people = f" of {results.data.subjects:,} people" if results.data.subjects is not None else ""
    aside = f", {len(results.data.quarantined)} set aside" if results.data.quarantined else ""
    rows = "pair" if results.target.task == "verification" else "face"
    return f"{plural(results.data.faces, rows)}{people}{aside}"
