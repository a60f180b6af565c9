"""``countenance law``: provisions and controls, and what a run holds for them."""

from __future__ import annotations

from pathlib import Path

from ..cards.law import CrosswalkRow, Provision, crosswalk, disclosure, find_provision, provisions
from ..cards.statements import STATEMENTS_FILE, Statements, load_statements
from ..core.errors import EXIT_OK, UsageError
from ..core.results_file import load_results
from .console import print_table, say

POINTER = "A pointer for a person, not legal advice."


def law(wanted: str | None, run: Path | None) -> int:
    """List the provisions, or tell all about one; with a run, what it holds for them."""
    rows = provisions() if wanted is None else (find_provision(wanted),)
    if run is not None:
        _print_crosswalk(rows, run)
    elif wanted is None:
        told = [[row.id, row.provision, row.asks, row.standing] for row in rows]
        print_table(
            "Provisions this toolkit can be evidence for", ["id", "provision", "asks", "state of the row"], told
        )
    else:
        _tell(rows[0])
    say(POINTER)
    return EXIT_OK


def _tell(row: Provision) -> None:
    say(f"{row.id}: {row.instrument}, {row.provision}")
    say(row.asks)
    lines = {
        "Applies from": str(row.applies_from) if row.applies_from is not None else "",
        "Tasks": ", ".join(row.tasks),
        "Probes": ", ".join(row.evidence.probes),
        "Statements": ", ".join(row.evidence.card),
        "Beyond any audit here": row.beyond,
        "By analogy": row.by_analogy or "",
        "Uncertain": row.uncertain or "",
        "Source": row.publication if row.source in row.publication else row.source,
        "State of the row": row.standing,
    }
    for name, text in lines.items():
        if text:
            say(f"{name}: {text}")
    if "disclosure" in row.evidence.facts:
        say("\nA text to start from:")
        for paragraph in disclosure(row.tasks[0] if row.tasks else "", Statements()):
            say(f"  {paragraph}")


def _print_crosswalk(rows: tuple[Provision, ...], run: Path) -> None:
    results = load_results(run)
    file = (run if run.is_dir() else run.parent) / STATEMENTS_FILE
    statements = load_statements(file) if file.exists() else Statements()
    found = crosswalk(results, statements, rows)
    if not found:
        raise UsageError(f"{rows[0].id} has to do with other tasks than {results.target.task}, which {run} audited")
    columns = ["id", "evidence in this audit", "missing here", "state of the row"]
    print_table(results.name, columns, [_cells(row) for row in found])


def _cells(row: CrosswalkRow) -> list[str]:
    held = "; ".join(item.text for item in row.held) or "none"
    return [row.provision.id, held, "; ".join(row.missing), row.provision.standing]
