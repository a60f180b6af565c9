"""The card as one HTML file: no script, nothing loaded, readable by a screen reader and on paper."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterator
from functools import cache
from html import escape as escape_html
from importlib.resources import files

from .absent import short_reason
from .markdown import SOURCE, Show, section_heading, shown
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

# What no HTML text may hold, and marks that would turn the direction of the text after them.
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]")


def to_html(card: Card, show: Show = shown) -> str:
    """Return the card as an HTML page, one block or table row a line.

    The page's content security policy lets it load and run nothing but its own style sheet.

    Args:
        card: the tree.
        show: how a quoted measurement is written.
    """
    title = _text(f"Model card: {card.title}")
    sections = card.every_section
    lines = [
        "<!doctype html>",
        '<html lang="en">',
        "<head>",
        '<meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{_policy()}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        '<meta name="referrer" content="no-referrer">',
        f'<meta name="generator" content="{_text(card.written_by)}">',
        f"<title>{title}</title>",
        f"<style>{_style()}</style>",
        "</head>",
        "<body>",
        '<a class="skip" href="#card">Skip to the card</a>',
        "<header>",
        f"<h1>{title}</h1>",
        *(f'<p class="mind"><strong>Mind:</strong> {_text(fault)}</p>' for fault in card.faults),
        f"<p>{_parts(card.summary.parts, show)}</p>",
        "</header>",
        '<nav aria-label="Sections"><ol>',
        *(f'<li><a href="#part-{place}">{_text(section.title)}</a></li>' for place, section in enumerate(sections, 1)),
        "</ol></nav>",
        '<main id="card" tabindex="-1">',
    ]
    for place, section in enumerate(sections, 1):
        lines += list(_section(section, f"part-{place}", show))
    lines += ["</main>", f"<footer><p>{_footer(card)}</p></footer>", "</body>", "</html>"]
    return "\n".join(lines) + "\n"


@cache
def _style() -> str:
    return (files(__package__) / "card.css").read_text(encoding="utf-8")


@cache
def _policy() -> str:
    digest = base64.b64encode(hashlib.sha256(_style().encode()).digest()).decode()
    return f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"


def _text(text: str) -> str:
    """Return text that stands on one line and cannot become markup."""
    return escape_html(_CONTROL.sub("", " ".join(text.split())))


def _footer(card: Card) -> str:
    author = f"and card.yaml (SHA-256 <code>{card.statements}</code>)" if card.statements else "without a card.yaml"
    return (
        f"Written by {_text(card.written_by)} from results.json (SHA-256 <code>{card.evidence}</code>) {author}; "
        f"audited with {_text(card.audited_by)}. {SOURCE}"
    )


def _section(section: Section, name: str, show: Show) -> Iterator[str]:
    yield f'<section aria-labelledby="{name}">'
    yield f'<h2 id="{name}">{_text(section_heading(section))}</h2>'
    for item in section.items:
        yield f"<h3>{_text(item.title)}</h3>"
        yield from _item(item, show)
    yield "</section>"


def _item(item: Item, show: Show) -> Iterator[str]:
    if item.status == "not stated":
        yield '<p class="missing"><em>not stated</em></p>'
    for block in item.blocks:
        yield from _block(block, show)
    if item.status == "not measured":
        yield f'<p class="missing"><em>not measured:</em> {_text(item.reason)}</p>'


def _block(block: Block, show: Show) -> Iterator[str]:
    if isinstance(block, Heading):
        yield f"<h4>{_text(block.text)}</h4>"
    elif isinstance(block, Paragraph):
        yield f"<p>{_parts(block.parts, show)}</p>"
    elif isinstance(block, BulletList):
        yield "<ul>"
        yield from (f"<li>{_parts(entry.parts, show)}</li>" for entry in block.items)
        yield "</ul>"
    elif isinstance(block, Statement):
        yield "<blockquote>"
        yield from (f"<p>{_text(text)}</p>" for text in block.paragraphs)
        yield '<p class="by">(stated by the author)</p>'
        yield "</blockquote>"
    else:
        yield from _table(block, show)


def _table(table: TableBlock, show: Show) -> Iterator[str]:
    label = _text(table.caption or table.columns[0])
    yield f'<div class="scroll" role="region" aria-label="{label}" tabindex="0"><table>'
    if table.caption:
        yield f"<caption>{_text(table.caption)}</caption>"
    heads = "".join(f'<th scope="col">{_text(column)}</th>' for column in table.columns)
    yield f"<thead><tr>{heads}</tr></thead>"
    yield "<tbody>"
    for first, *cells in table.rows:
        rest = "".join(f"<td>{_cell(cell, show)}</td>" for cell in cells)
        yield f'<tr><th scope="row">{_cell(first, show)}</th>{rest}</tr>'
    yield "</tbody></table></div>"


def _parts(parts: tuple[Part, ...], show: Show) -> str:
    return _text("".join(show(part) if isinstance(part, MeasurementRef) else part for part in parts))


def _cell(part: Part, show: Show) -> str:
    return _text(short_reason(show(part)) if isinstance(part, MeasurementRef) else part)
