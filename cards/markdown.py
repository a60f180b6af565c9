"""The card as Markdown, with the front matter that a model hub reads."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import yaml

from .absent import short_reason
from .tree import (
    Block,
    BulletList,
    Card,
    Heading,
    Item,
    MeasurementRef,
    Paragraph,
    Part,
    Section,
    Statement,
    TableBlock,
)
from .wording import estimate_text

Show = Callable[[MeasurementRef], str]
"""Writes a quoted measurement; :mod:`.check` puts marks there instead to see which numbers of a card differ."""

SOURCE = "Sections follow Mitchell et al. (2019), Model Cards for Model Reporting, doi:10.1145/3287560.3287596."
_PIPELINE = {
    "expression": "image-classification",
    "forgery": "image-classification",
    "verification": "feature-extraction",
}
# Licence names that the Hugging Face hub knows; any other goes under license_name.
_LICENSES = frozenset(
    [
        "afl-3.0", "agpl-3.0", "apache-2.0", "artistic-2.0", "bigscience-openrail-m", "bsd",
        "bsd-2-clause", "bsd-3-clause", "bsl-1.0", "cc", "cc-by-2.0", "cc-by-3.0", "cc-by-4.0",
        "cc-by-nc-2.0", "cc-by-nc-3.0", "cc-by-nc-4.0", "cc-by-nc-nd-4.0", "cc-by-nc-sa-4.0",
        "cc-by-nd-4.0", "cc-by-sa-3.0", "cc-by-sa-4.0", "cc0-1.0", "creativeml-openrail-m", "ecl-2.0",
        "epl-2.0", "eupl-1.1", "eupl-1.2", "gpl", "gpl-2.0", "gpl-3.0", "isc", "lgpl", "lgpl-2.1",
        "lgpl-3.0", "mit", "mpl-2.0", "ncsa", "odc-by", "openrail", "openrail++", "unlicense", "wtfpl",
        "zlib",
    ]
)  # fmt: skip
_SPECIAL = re.compile(r"([\\`*_{}\[\]#!|~$])")
# What renderers turn into links by themselves, and the place where an invisible character keeps them from it. An entity
# would not: GitHub and others look for links in the text after entities are read.
_AUTOLINK = re.compile(r"(?<=:)(?=//)|(?<=@)|(?<=www)(?=\.)", re.IGNORECASE)
_APART = "\u200b"
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


def escape_markdown(text: str, *, links: bool = False) -> str:
    """Return text that reads the same in Markdown and cannot become markup, HTML, a link or another line.

    Args:
        text: as it came.
        links: leave addresses such as ``https://…`` and ``a@b.c`` whole, which many renderers make links of.
    """
    plain = " ".join(_CONTROL.sub("", " ".join(text.split())).split())  # the first character is a seen one
    if not links:
        plain = _AUTOLINK.sub(_APART, plain)
    plain = plain.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    plain = _SPECIAL.sub(r"\\\1", plain)
    return re.sub(r"^(\d+)([.)])(?=\s|$)", r"\1\\\2", re.sub(r"^([-+:=])", r"\\\1", plain))


def shown(ref: MeasurementRef) -> str:
    """Write a quoted measurement with its interval and n, or why it was not measured."""
    return estimate_text(ref.estimate)


def to_markdown(card: Card, show: Show = shown) -> str:
    """Return the card as Markdown with front matter (``license``, ``tags``, ``model-index``).

    Args:
        card: the tree.
        show: how a quoted measurement is written.
    """
    lines = [
        "---",
        _front_matter(card).rstrip("\n"),
        "---",
        "",
        f"# Model card: {escape_markdown(card.title)}",
        "",
    ]
    for fault in card.faults:
        lines += [f"> **Mind:** {escape_markdown(fault)}", ""]
    lines += [_parts(card.summary.parts, show), ""]
    for section in card.every_section:
        lines += list(_section(section, show))
    lines += ["---", "", _footer(card)]
    return "\n".join(lines) + "\n"


def _footer(card: Card) -> str:
    """Return the last line: who wrote the card, and the SHA-256 of the files that it was written from."""
    author = f"and card.yaml (SHA-256 `{card.statements}`)" if card.statements else "without a card.yaml"
    return (
        f"Written by {escape_markdown(card.written_by)} from results.json (SHA-256 `{card.evidence}`) {author}; "
        f"audited with {escape_markdown(card.audited_by)}. {SOURCE}"
    )


def _section(section: Section, show: Show) -> Iterator[str]:
    yield from (f"## {section_heading(section)}", "")
    for item in section.items:
        yield from (f"### {escape_markdown(item.title)}", "")
        yield from _item(item, show)


def section_heading(section: Section) -> str:
    """Return the heading of a section, with its number where it is one of the nine."""
    return f"{section.number}. {section.title}" if section.number <= 9 else section.title


def _item(item: Item, show: Show) -> Iterator[str]:
    if item.status == "not stated":
        yield from ("*not stated*", "")
    for block in item.blocks:
        yield from _block(block, show)
        yield ""
    if item.status == "not measured":
        yield from (f"*not measured:* {escape_markdown(item.reason)}", "")


def _block(block: Block, show: Show) -> Iterator[str]:
    if isinstance(block, Heading):
        yield f"#### {escape_markdown(block.text)}"
    elif isinstance(block, Paragraph):
        yield _parts(block.parts, show)
    elif isinstance(block, BulletList):
        yield from (f"- {_parts(entry.parts, show)}" for entry in block.items)
    elif isinstance(block, Statement):
        for position, text in enumerate(block.paragraphs):
            yield from ([">"] if position else [])
            yield f"> {escape_markdown(text, links=True)}"
        yield from (">", "> (stated by the author)")
    else:
        yield from _table(block, show)


def _table(table: TableBlock, show: Show) -> Iterator[str]:
    if table.caption:
        yield from (f"**{escape_markdown(table.caption)}**", "")
    yield f"| {' | '.join(escape_markdown(column) for column in table.columns)} |"
    yield "|" + " --- |" * len(table.columns)
    for row in table.rows:
        yield f"| {' | '.join(_part(cell, show) for cell in row)} |"


def _parts(parts: tuple[Part, ...], show: Show) -> str:
    """Join the pieces before escaping: some characters are markup at the start of a line only."""
    return escape_markdown("".join(show(part) if isinstance(part, MeasurementRef) else part for part in parts))


def _part(part: Part, show: Show) -> str:
    """Write a table cell; the column says the metric, so a reason need not."""
    return escape_markdown(short_reason(show(part)) if isinstance(part, MeasurementRef) else part)


def _front_matter(card: Card) -> str:
    matter: dict[str, Any] = {}
    if card.license:
        known = card.license.strip().lower().replace(" ", "-")
        if known in _LICENSES:
            matter["license"] = known
        else:
            matter |= {"license": "other", "license_name": card.license}
    if card.task in _PIPELINE:
        matter["pipeline_tag"] = _PIPELINE[card.task]
    matter["tags"] = list(card.tags)
    metrics = [
        {"type": metric, "value": value, "name": metric.replace("_", " ")}
        for metric, value in ((ref.key.partition("/")[2], ref.estimate.value) for ref in card.headline)
    ]
    if metrics:
        dataset = card.dataset or "audited data"
        result = {
            "task": {"type": _PIPELINE.get(card.task, card.task), "name": card.task},
            "dataset": {
                "type": re.sub(r"[^a-z0-9]+", "-", dataset.lower()).strip("-") or "data",
                "name": dataset,
            },
            "metrics": metrics,
        }
        matter["model-index"] = [{"name": card.title, "results": [result]}]
    return yaml.safe_dump(matter, sort_keys=False, allow_unicode=True, width=100)
