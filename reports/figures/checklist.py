"""Integrity as a checklist: what was checked, how it came out in a sign and a word, what was seen, what to do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from markupsafe import Markup

from ...cards.tree import TableBlock
from .panel import FigureGroup, Panel
from .picture import Picture

NEEDED = ("check", "verdict", "seen", "do")
SIGNS: Mapping[str, tuple[str, str]] = {
    "differs": ("✗", "fail"),
    "fail": ("✗", "fail"),
    "warning": ("!", "inconclusive"),
    "holds": ("✓", "pass"),
    "pass": ("✓", "pass"),
}
"""Sign and colour by verdict; any other was not checked."""
_OTHER = ("–", "not-measured")
_ORDER = ("fail", "inconclusive", "pass", "not-measured")


def checklist_figures(table: Sequence[Sequence[str]]) -> Iterator[FigureGroup]:
    """Draw a table with a row for each check, whose first row names the columns of ``NEEDED``; faults first."""
    names = list(table[0]) if table else []
    if not set(NEEDED) <= set(names) or len(table) < 2:
        return
    rows = [dict(zip(names, row, strict=True)) for row in table[1:]]
    rows.sort(key=lambda row: _ORDER.index(_sign(row)[1]))
    items = Markup("").join(map(_item, rows))
    head = Markup("").join(
        Markup('<th scope="col">{}</th>').format(name) for name in ("verdict", "check", "seen", "what to do")
    )
    markup = Markup(
        '<div class="table" role="group" tabindex="0" aria-label="Checks"><table class="stack checklist"><thead><tr>'
        "{}</tr></thead><tbody>{}</tbody></table></div>"
    ).format(head, items)
    counts = {kind: sum(_sign(row)[1] == kind for row in rows) for kind in _ORDER}
    words = {"fail": "differ", "inconclusive": "warn", "pass": "hold", "not-measured": "could not be made"}
    told = ", ".join(f"{count} {words[kind]}" for kind, count in counts.items() if count)
    body = tuple(tuple(row[name] for name in NEEDED) for row in rows)
    panel = Panel(
        "checks",
        Picture(markup),
        TableBlock(NEEDED, (), "Checks"),
        f"A checklist of {len(rows)} checks: {told}.",
        f"Of {len(rows)} checks {told}.",
    )
    if body:
        yield FigureGroup("Checklist", (panel,))


def _item(row: Mapping[str, str]) -> Markup:
    sign, kind = _sign(row)
    return Markup(
        '<tr class="{kind}"><td><span class="chip {kind}"><span aria-hidden="true">{sign}</span> {verdict}</span></td>'
        '<th scope="row">{check}</th><td>{seen}</td><td>{do}</td></tr>'
    ).format(kind=kind, sign=sign, verdict=row["verdict"], check=row["check"], seen=row["seen"], do=row["do"])


def _sign(row: Mapping[str, str]) -> tuple[str, str]:
    return SIGNS.get(row["verdict"].strip().lower(), _OTHER)
