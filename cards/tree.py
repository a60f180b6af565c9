"""The card as a tree: sections of items, items of blocks, blocks of text and references to measurements.

A number never stands in the tree as text of its own: it is a :class:`MeasurementRef`, which carries the key
it has in
``results.json``. Markdown, HTML and JSON are drawn from this one tree.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from ..core.results import Estimate

ItemStatus = Literal["stated", "measured", "not stated", "not measured"]


@dataclass(frozen=True)
class MeasurementRef:
    """A measurement quoted in the card: its key in ``results.json`` and its estimate there."""

    key: str
    estimate: Estimate


Part = str | MeasurementRef
"""A piece of running text or a table cell: words, or a quoted measurement."""


@dataclass(frozen=True)
class Paragraph:
    """A sentence or several, written by this package from what was measured."""

    parts: tuple[Part, ...]

    @classmethod
    def of(cls, *parts: Part) -> Paragraph:
        """Make a paragraph of words and quoted measurements."""
        return cls(parts)


@dataclass(frozen=True)
class Heading:
    """A heading inside an item."""

    text: str


@dataclass(frozen=True)
class BulletList:
    """A list; each entry is a paragraph."""

    items: tuple[Paragraph, ...]


@dataclass(frozen=True)
class TableBlock:
    """A table with one header row; the first column names the row."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Part, ...], ...]
    caption: str = ""

    def __post_init__(self) -> None:
        """Refuse rows that do not fit the header."""
        for row in self.rows:
            if len(row) != len(self.columns):
                raise ValueError(f"expected {len(self.columns)} cells in a row of {self.caption!r}, but got {len(row)}")


@dataclass(frozen=True)
class Statement:
    """What the author of the card wrote, one paragraph an entry; shown as the author's word."""

    paragraphs: tuple[str, ...]


Block = Heading | Paragraph | BulletList | TableBlock | Statement


@dataclass(frozen=True)
class Item:
    """A sub-item of a section.

    Attributes:
        name: place of the author's statement in ``card.yaml``, e.g. ``model_details.license``; for an item
        the author
            is not asked about, a name of the same form.
        title: as shown.
        status: ``measured`` when the audit fills it, ``stated`` when only the author does, else what is
        missing.
        blocks: the content; empty for ``not stated``.
        reason: why there is no content, for ``not measured``.
    """

    name: str
    title: str
    status: ItemStatus
    blocks: tuple[Block, ...] = ()
    reason: str = ""


@dataclass(frozen=True)
class Section:
    """One of the nine sections of Mitchell et al. (2019), or the closing account of what is missing."""

    number: int
    title: str
    items: tuple[Item, ...]


@dataclass(frozen=True)
class Card:
    """A model card.

    Attributes:
        title: name of the model.
        task: the audited task.
        summary: one paragraph for the head of the card.
        sections: the nine sections in order.
        absent: what was not stated and not measured.
        provisions: of law and standards that the audit is evidence for; shown between the two.
        license: the licence the author stated, or ``None``.
        tags: search words for a model hub.
        headline: measurements over all faces, which the front matter quotes.
        dataset: name of the audited data.
        evidence: SHA-256 of the ``results.json`` the card was built from; empty where there was no file.
        written_by: package and version that built the card.
        audited_by: package and version that measured.
        statements: SHA-256 of the ``card.yaml`` the card was built from; empty where there was none.
        faults: why the results need not be what the audit measured; shown at the head of the card.
    """

    title: str
    task: str
    summary: Paragraph
    sections: tuple[Section, ...]
    absent: Section
    license: str | None
    tags: tuple[str, ...]
    headline: tuple[MeasurementRef, ...]
    dataset: str
    evidence: str
    written_by: str
    provisions: Section | None = None
    audited_by: str = ""
    statements: str = ""
    faults: tuple[str, ...] = ()

    @property
    def every_section(self) -> tuple[Section, ...]:
        """The nine sections, the provisions where there are any, and what is missing, in reading order."""
        return (*self.sections, *([self.provisions] if self.provisions is not None else []), self.absent)

    def refs(self) -> Iterator[MeasurementRef]:
        """Iterate over every quoted measurement, in reading order; one may come more than once."""
        yield from (part for part in self.summary.parts if isinstance(part, MeasurementRef))
        yield from self.headline
        for section in self.every_section:
            for item in section.items:
                for block in item.blocks:
                    yield from _refs_of(block)

    def item(self, name: str) -> Item | None:
        """Return the item with this name, or ``None``."""
        items = (item for section in self.every_section for item in section.items)
        return next((item for item in items if item.name == name), None)


def _refs_of(block: Block) -> Iterator[MeasurementRef]:
    rows: tuple[tuple[Part, ...], ...] = ()
    if isinstance(block, Paragraph):
        rows = (block.parts,)
    elif isinstance(block, BulletList):
        rows = tuple(entry.parts for entry in block.items)
    elif isinstance(block, TableBlock):
        rows = block.rows
    for row in rows:
        yield from (part for part in row if isinstance(part, MeasurementRef))
