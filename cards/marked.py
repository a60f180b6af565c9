"""A written card line by line: its section, and where in the line which measurement is quoted."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from html import unescape
from typing import Literal

from .html import to_html
from .markdown import to_markdown
from .tree import Card, MeasurementRef

_MARK = re.compile("\ue000([0-9]+)\ue001")
_HEADINGS = {
    "md": re.compile(r"(?P<level>#{2,3}) (?P<title>.+)"),
    "html": re.compile(r"<(?P<level>h[23])[^>]*>(?P<title>.*)</h[23]>"),
}
_SECTION_LEVELS = {"##", "h2"}


@dataclass(frozen=True)
class Line:
    """A line of a card.

    Attributes:
        text: as written.
        place: section and item.
        pieces: the text between the measurements it quotes; one more than ``keys``.
        keys: of the quoted measurements, in order.
    """

    text: str
    place: str
    pieces: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()


def lines_of(card: Card, form: Literal["md", "html"]) -> list[Line]:
    """Write the card, and say of each line that is not blank which measurements it quotes, without the front matter."""
    keys: list[str] = []

    def mark(ref: MeasurementRef) -> str:
        keys.append(ref.key)
        return f"\ue000{len(keys) - 1}\ue001"

    write = to_html if form == "html" else to_markdown
    plain, marked = (_body(text, form) for text in (write(card), write(card, mark)))
    placed = list(places(plain, form))
    found = []
    for (text, place), template in zip(placed, _kept(marked), strict=True):
        parts = _MARK.split(template)
        if len(parts) > 1:
            found.append(Line(text, place, tuple(parts[::2]), tuple(keys[int(number)] for number in parts[1::2])))
        else:
            found.append(Line(text, place))
    return found


def values_in(line: Line, text: str) -> list[str] | None:
    """Return what stands in another text in the places of the measurements; ``None`` where the words differ."""
    if not line.keys or not text.startswith(line.pieces[0]) or not text.endswith(line.pieces[-1]):
        return None
    values, at = [], len(line.pieces[0])
    end = len(text) - len(line.pieces[-1])
    for piece in line.pieces[1:-1]:
        found = text.find(piece, at, end) if piece else -1
        if found < 0:
            return None
        values.append(text[at:found])
        at = found + len(piece)
    return [*values, text[at:end]] if at <= end else None


def places(text: str, form: Literal["md", "html", "json"]) -> Iterator[tuple[str, str]]:
    """Yield the lines of a written card that are not blank, each with its section and item."""
    heading = _HEADINGS[form]
    section, place = "", "head of the card"
    for line in _kept(text):
        found = heading.fullmatch(line)
        if found:
            title = unescape(found["title"]).replace("\\", "")
            section = title if found["level"] in _SECTION_LEVELS else section
            place = title if found["level"] in _SECTION_LEVELS else f"{section}, {title}"
        elif line == "---" or line.startswith("<footer"):
            place = "end of the card"
        yield line, place


def _kept(text: str) -> Iterator[str]:
    return (line.rstrip() for line in text.splitlines() if line.strip())


def _body(text: str, form: str) -> str:
    return text.split("\n---\n", maxsplit=1)[1] if form == "md" else text
