"""Who loses most: a table of groups under each thing done to the faces, and a fold with the rest of it."""

from __future__ import annotations

from collections.abc import Iterator

from ...cards.losses import losses_tables, who_loses_most
from ...cards.tree import Block
from ...core.results import AuditResults, ProbeResult

MOST_ROWS = 10


def loss_blocks(probe: ProbeResult, results: AuditResults) -> Iterator[tuple[bool, Block]]:
    """Yield the sentence and the table of who loses most, each with whether a reader unfolds it first."""
    told = who_loses_most(probe, results)
    if told is not None:
        yield False, told
    for table, more in losses_tables(probe, results, MOST_ROWS):
        yield False, table
        if more is not None:
            yield True, more
