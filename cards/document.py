"""The card as JSON, and the files of a run folder."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

from ..core.files import write_atomically
from ..core.results import AuditResults, Estimate
from ..core.results_file import load_results
from ..core.suppression import published
from .build import build_card
from .html import to_html
from .markdown import to_markdown
from .statements import STATEMENTS_FILE, Statements, load_statements
from .tree import Card

Format = Literal["md", "html", "json"]
CARD_FILE = "MODEL_CARD.md"
CARD_FILES: dict[Format, str] = {"md": CARD_FILE, "html": "card.html", "json": "card.json"}
"""Where a card stands in a run folder, by format."""


def to_json(card: Card) -> str:
    """Return the card's tree as JSON; each block names its kind, each quoted number its key."""
    return json.dumps(_plain(card), indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _plain(value: Any) -> Any:
    if isinstance(value, Estimate):
        return value.model_dump(mode="json")
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
        return {"kind": type(value).__name__, **fields}
    if isinstance(value, tuple):
        return [_plain(entry) for entry in value]
    return value


def card_of(folder: Path, results: AuditResults | None = None) -> Card:
    """Build the card of a run folder from its ``results.json`` and, where there is one, its ``card.yaml``.

    Args:
        folder: the run folder.
        results: what its ``results.json`` holds, if the caller has read it; small groups are held back.

    Raises:
        ResultsError: when the folder holds no readable results.
        StatementsError: when ``card.yaml`` cannot be used as written.
    """
    statements = folder / STATEMENTS_FILE
    author = load_statements(statements) if statements.exists() else Statements()
    return build_card(published(results or load_results(folder)), author, folder)


def rendered(card: Card, form: Format) -> str:
    """Return the card in a format; see :func:`to_markdown`, :func:`to_html`, :func:`to_json`."""
    if form == "json":
        return to_json(card)
    return to_html(card) if form == "html" else to_markdown(card)


def write_card(folder: Path) -> Path:
    """Write ``MODEL_CARD.md`` into a run folder and return its path; raises as :func:`card_of`."""
    return write_cards(folder, ["md"])[0]


def write_cards(folder: Path, forms: Iterable[Format]) -> list[Path]:
    """Write the card into a run folder in several formats, and return the paths; raises as :func:`card_of`."""
    card = card_of(folder)
    paths = []
    for form in forms:
        write_atomically(folder / CARD_FILES[form], rendered(card, form))
        paths.append(folder / CARD_FILES[form])
    return paths
