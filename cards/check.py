"""Whether a card still says what its evidence says: it is written again and compared, number by number."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import yaml

from ..core.errors import UsageError
from .document import Format, card_of, rendered
from .json_check import json_differences
from .marked import Line, lines_of, places, values_in
from .tree import Card

_HASHES = {
    name: re.compile(rf"{name} \(SHA-256 (?:`|<code>)([0-9a-f]{{64}})") for name in ("results.json", "card.yaml")
}
_WRITER = re.compile(r"Written by (countenance \S+) from")
_HEAD = re.compile(r"\A--- *\n(.*?)\n--- *\n", re.DOTALL)
_HASH = re.compile(r"(?<=SHA-256 .)[0-9a-f]{64}|(?<=SHA-256 <code>)[0-9a-f]{64}")
_LONGEST = 160


@dataclass(frozen=True)
class Difference:
    """A quoted measurement that reads otherwise: its key, what the card says, and what the results say."""

    key: str
    card: str
    results: str


@dataclass(frozen=True)
class CardCheck:
    """What was found about a card.

    Attributes:
        file: the card.
        evidence: how the files it was written from changed since, and whether they can be relied on.
        numbers: quoted measurements that differ.
        texts: other differences, each with its section.
    """

    file: Path
    evidence: tuple[str, ...] = ()
    numbers: tuple[Difference, ...] = ()
    texts: tuple[str, ...] = ()

    @property
    def agrees(self) -> bool:
        """Whether the card says what its evidence says."""
        return not (self.evidence or self.numbers or self.texts)


def check_card(folder: Path, file: Path) -> CardCheck:
    """Compare a card with the one that the run folder gives now.

    Blank lines, line ends and further keys of the front matter are the author's own; everything else has to be as it
    is written by :func:`countenance.cards.write_card`.

    Args:
        folder: the run folder.
        file: the card: ``.json``, ``.html``, or Markdown.

    Raises:
        UsageError: when the card cannot be read.
        ResultsError: when the run folder holds no readable results.
        StatementsError: when its ``card.yaml`` cannot be used as written.
    """
    text = _read(file)
    form = format_of(file)
    card = card_of(folder)
    evidence = [*card.faults]
    if form == "json":
        changed, numbers, texts = json_differences(text, card, file)
        evidence += _evidence(changed, card, form)
    else:
        evidence += _evidence({name: _found(pattern, text) for name, pattern in _HASHES.items()}, card, form)
        body, head = text, list[str]()
        if form == "md":
            body, head = _without_head(text), list(_head_differences(text, rendered(card, "md")))
        numbers, texts = _compared(body, card, form)
        texts = [*head, *texts]
        writer = _found(_WRITER, text)
        if (numbers or texts) and writer and writer != card.written_by:
            evidence.append(
                f"it was written by {writer} and is compared with what {card.written_by} writes, whose words may "
                "differ: write it again"
            )
    found = dict.fromkeys(Difference(*row) for row in numbers)
    return CardCheck(file, tuple(evidence), tuple(found), tuple(texts))


def format_of(file: Path) -> Format:
    """Return the format that the name of a card says; Markdown where it says none."""
    suffix = file.suffix.lower()
    return "json" if suffix == ".json" else "html" if suffix in {".html", ".htm"} else "md"


def is_card(file: Path) -> bool:
    """Tell whether a file is a card that this package wrote, so that writing it again loses nothing."""
    text = _read(file)
    return "Written by countenance" in text or '"written_by": "countenance' in text


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8-sig").replace("\r\n", "\n")
    except FileNotFoundError:
        raise UsageError(
            f"expected a card at {file}, but there is no such file: countenance card RUN writes it"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"the card {file} cannot be read: {error}") from error


def _found(pattern: re.Pattern[str], text: str) -> str:
    found = pattern.findall(text)
    return str(found[-1]) if found else ""


def _evidence(said: dict[str, str], card: Card, form: Format) -> Iterator[str]:
    """Yield which of the files that a card was written from are others now."""
    now = {"results.json": card.evidence, "card.yaml": card.statements}
    if not said["results.json"]:
        where = "its evidence" if form == "json" else "its last line"
        yield f"it carries no SHA-256 of results.json: {where} was taken out, or it is no card of countenance"
        return
    for name, hashed in now.items():
        if said[name] != hashed:
            before, after = (f"SHA-256 {value[:12]}…" if value else "there was none" for value in (said[name], hashed))
            after = after if hashed else "there is none"
            yield f"{name} is not the one the card was written from: then {before}, now {after}"


def _without_head(text: str) -> str:
    return _HEAD.sub("", text, count=1)


def _head_differences(text: str, expected: str) -> Iterator[str]:
    """Compare the front matter: what this package writes must stand there, and anything else may."""
    ours = _front_matter(expected)
    try:
        theirs = _front_matter(text)
    except yaml.YAMLError as error:
        yield f"front matter: not valid YAML: {' '.join(str(error).split())}"
        return
    for name, value in ours.items():
        there = theirs.get(name)
        if name == "tags":
            missing = [tag for tag in value if tag not in (there if isinstance(there, list) else [])]
            if missing:
                yield f"front matter: tags lack {', '.join(missing)}"
        elif there != value:
            yield from (
                _metric_differences(value, there)
                if name == "model-index"
                else (f"front matter: {name} is {_short(there)} in the card, and {_short(value)} by its evidence",)
            )


def _front_matter(text: str) -> dict[str, Any]:
    found = _HEAD.match(text)
    content = yaml.safe_load(found[1]) if found else None
    return content if isinstance(content, dict) else {}


def _metric_differences(ours: Any, theirs: Any) -> Iterator[str]:
    try:
        rows = [
            {
                metric["type"]: metric["value"]
                for entry in index
                for result in entry["results"]
                for metric in result["metrics"]
            }
            for index in (ours, theirs)
        ]
    except (KeyError, TypeError):
        yield "front matter: model-index is not the one that the results give"
        return
    told = [
        f"front matter: {name} is {_short(rows[1].get(name))} in the card, and {_short(value)} by results.json"
        for name, value in rows[0].items()
        if rows[1].get(name) != value
    ]
    yield from told or ["front matter: model-index is not the one that the results give"]


def _compared(text: str, card: Card, form: Literal["md", "html"]) -> tuple[list[tuple[str, str, str]], list[str]]:
    """Compare two texts section by section; return the numbers and the other lines that differ."""
    expected = [replace(line, text=_HASH.sub("", line.text)) for line in lines_of(card, form)]  # hashes are told apart
    there = _by_place(Line(_HASH.sub("", line), place) for line, place in places(text, form))
    numbers: list[tuple[str, str, str]] = []
    texts: list[str] = []
    for place, lines in _by_place(expected).items():
        found = there.pop(place, None)
        if found is None:
            texts.append(f"{place}: the card has no such part")
            continue
        left = Counter(line.text for line in found)
        left.subtract(Counter(line.text for line in lines))
        extra = [text for text, count in left.items() for _ in range(max(count, 0))]
        missing = [line for line in lines if left[line.text] < 0]
        lost = []
        for line in missing:
            match = next(((other, values) for other in extra if (values := values_in(line, other)) is not None), None)
            if match is None:
                lost.append(line.text)
                continue
            extra.remove(match[0])
            said = zip(line.keys, match[1], values_in(line, line.text) or [], strict=True)
            numbers += [(key, theirs, ours) for key, theirs, ours in said if theirs != ours]
        texts += _told(place, lost, extra)
        if not missing and not extra and [line.text for line in found] != [line.text for line in lines]:
            texts.append(f"{place}: the lines stand in another order")
    texts += [f"{place}: no part of the card that the results give" for place in there]
    return numbers, texts


def _by_place(lines: Iterable[Line]) -> dict[str, list[Line]]:
    found: dict[str, list[Line]] = {}
    for line in lines:
        found.setdefault(line.place, []).append(line)
    return found


def _told(place: str, lost: list[str], extra: list[str]) -> list[str]:
    """Say how lines differ, in pairs as they come."""
    told = [
        f"{place}: the card says {_short(theirs)} where its evidence gives {_short(ours)}"
        for ours, theirs in zip(lost, extra, strict=False)
    ]
    told += [f"{place}: lacks {_short(line)}" for line in lost[len(extra) :]]
    return told + [f"{place}: holds {_short(line)}, which its evidence does not give" for line in extra[len(lost) :]]


def _short(value: Any) -> str:
    text = repr(value) if not isinstance(value, (dict, list)) else str(value)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
