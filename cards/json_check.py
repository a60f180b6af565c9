"""Whether a card in JSON still says what its evidence says."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..core.errors import UsageError
from .document import to_json
from .tree import Card

_HASHED = {"results.json": "evidence", "card.yaml": "statements"}
_LONGEST = 120


def json_differences(text: str, card: Card, file: Path) -> tuple[dict[str, str], list[tuple[str, str, str]], list[str]]:
    """Compare a card in JSON with its evidence.

    Args:
        text: of the card.
        card: as its evidence gives it.
        file: where the text is from, for errors.

    Returns:
        The SHA-256 it carries by file, numbers that differ (key, card, results), and other differences by place.

    Raises:
        UsageError: when the text is no JSON of a card.
    """
    try:
        theirs = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UsageError(
            f"the card {file} is not valid JSON: {error}; countenance card RUN --format json writes it"
        ) from error
    if not isinstance(theirs, dict):
        raise UsageError(f"the card {file} is no card: expected a record, but got {type(theirs).__name__}")
    numbers: list[tuple[str, str, str]] = []
    texts: list[str] = []
    ours = json.loads(to_json(card))
    for place, there, here in _unlike(theirs, ours, ()):
        if place and place[0] in _HASHED.values():
            continue
        if isinstance(here, dict) and here.get("kind") == "MeasurementRef":
            told = there.get("estimate", there) if isinstance(there, dict) else there
            numbers.append((str(here["key"]), _short(told), _short(here["estimate"])))
        else:
            where = ".".join(map(str, place)) or "the card"
            texts.append(f"{where}: the card says {_short(there)} where its evidence gives {_short(here)}")
    carried = {name: str(theirs.get(field) or "") for name, field in _HASHED.items()}
    return carried, numbers, texts


def _unlike(there: Any, here: Any, place: tuple[str | int, ...]) -> Iterator[tuple[tuple[str | int, ...], Any, Any]]:
    """Yield the smallest parts that differ; a quoted measurement counts as one."""
    if there == here and type(there) is type(here):
        return
    quoted = isinstance(here, dict) and here.get("kind") == "MeasurementRef"
    if isinstance(there, dict) and isinstance(here, dict) and not quoted:
        for name in dict.fromkeys((*here, *there)):
            yield from _unlike(there.get(name), here.get(name), (*place, name))
    elif isinstance(there, list) and isinstance(here, list) and len(there) == len(here):
        for position, (one, other) in enumerate(zip(there, here, strict=True)):
            yield from _unlike(one, other, (*place, position))
    else:
        yield place, there, here


def _short(value: Any) -> str:
    if isinstance(value, dict):
        value = {name: part for name, part in value.items() if part is not None}
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
