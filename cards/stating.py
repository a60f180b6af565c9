"""Items that join the audit's facts with the author's statement."""

from __future__ import annotations

from collections.abc import Sequence

from .statements import Statements
from .tree import Block, BulletList, Item, Paragraph, Statement


def stated(
    statements: Statements, name: str, title: str, facts: Sequence[str] = (), blocks: Sequence[Block] = ()
) -> Item:
    """Make an item from what the audit knows and what the author states under ``name`` in ``card.yaml``.

    Args:
        statements: of the author.
        name: dotted place in ``card.yaml``.
        title: as shown.
        facts: sentences the audit contributes, shown as a list.
        blocks: further blocks the audit contributes.
    """
    listed: tuple[Block, ...] = (BulletList(tuple(Paragraph.of(fact) for fact in facts)),) if facts else ()
    audit = (*listed, *blocks)
    words = statements.text(name)
    own: tuple[Block, ...] = (Statement(words),) if words else ()
    status = "measured" if audit else "stated" if own else "not stated"
    return Item(name, title, status, (*own, *audit))  # type: ignore[arg-type]
