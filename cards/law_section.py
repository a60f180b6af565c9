"""The card's section on law and standards: which provisions this audit is evidence for, and what is missing."""

from __future__ import annotations

from ..core.policy import policy_of
from ..core.results import AuditResults
from .law import CrosswalkRow, crosswalk, disclosure
from .statements import Statements
from .tree import Block, BulletList, Item, Paragraph, Part, Section, TableBlock

TITLE = "Provisions this is evidence for"
_COLUMNS = ("provision", "what it asks, in short, and the state of this row", "evidence in this audit", "missing here")
_READING = (
    "This is a pointer for a person who judges conformity. It is not legal advice, and evidence that is held does not "
    "say that a provision is met.",
    "Which provisions apply depends on the use and the place. Each row names its source and the day it was written, "
    "and says whether a person has verified it.",
    "No harmonised standard gives a presumption of conformity by this card.",
)


def law_section(results: AuditResults, statements: Statements) -> Section:
    """Build the section: how to read it, a table for each instrument, a disclosure to start from where one is due.

    Args:
        results: of the audit.
        statements: of the author.
    """
    rows = crosswalk(results, statements)
    policy = policy_of(results, statements.intended_use.deployment_context)
    by_instrument: dict[str, list[CrosswalkRow]] = {}
    for row in rows:
        by_instrument.setdefault(row.provision.instrument, []).append(row)
    items = [_item("law.reading", "How to read this", BulletList(tuple(map(Paragraph.of, _READING))))]
    if policy:
        told = (Paragraph.of(" ".join((f"{found.severity}: {found.claim}", *found.caveats))) for found in policy)
        items.append(_item("law.policy", "What the stated use means", BulletList(tuple(told))))
    for number, (instrument, own) in enumerate(by_instrument.items(), start=1):
        remarks = list(dict.fromkeys(text for row in own for text in _remarks(row)))
        table = TableBlock(_COLUMNS, tuple(_cells(row, remarks) for row in own), f"{instrument}: held and missing")
        notes = [Paragraph.of(f"Source: {own[0].provision.publication}.")]
        notes += [Paragraph.of(f"Note {place}: {text}") for place, text in enumerate(remarks, start=1)]
        items.append(_item(f"law.instrument_{number}", instrument, table, BulletList(tuple(notes))))
    if any("disclosure" in row.provision.evidence.facts for row in rows):
        text = tuple(map(Paragraph.of, disclosure(results.target.task, statements)))
        lead = Paragraph.of("A text to start from; what stands in brackets is for the deployer to fill in.")
        items.append(_item("law.disclosure", "Telling people that it is at work", lead, BulletList(text)))
    return Section(10, TITLE, tuple(items))


def _item(name: str, title: str, *blocks: Block) -> Item:
    return Item(name, title, "measured", blocks)


def _remarks(row: CrosswalkRow) -> list[str]:
    """Return what is uncertain in a row or holds by analogy only; many rows share one remark."""
    return [text for text in (row.provision.by_analogy, row.provision.uncertain) if text]


def _cells(row: CrosswalkRow, remarks: list[str]) -> tuple[Part, ...]:
    own = row.provision
    applies = f"; applies from {own.applies_from}" if own.applies_from is not None else ""
    notes = ", ".join(str(remarks.index(text) + 1) for text in _remarks(row))
    missing = [*row.missing, *([f"beyond any audit here: {own.beyond}"] if own.beyond else [])]
    return (
        f"{own.id}: {own.provision}{applies}",
        f"{own.asks} (This row: {own.standing}{f'; see note {notes}' if notes else ''}.)",
        " · ".join(held.text for held in row.held) or "none",
        " · ".join(missing) or "nothing that was looked for",
    )
