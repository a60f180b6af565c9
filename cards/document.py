"""The card as JSON, and the files of a run folder."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

from ..core.files import write_atomically
from ..core.results import AuditResults, Estimate
from ..core.results_file import load_results
from .build import build_card
from .markdown import to_markdown
from .statements import Statements, load_statements
from .tree import Card

CARD_FILE = "MODEL_CARD.md"
STATEMENTS_FILE = "card.yaml"


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
        results: what its ``results.json`` holds, if the caller has read it.

    Raises:
        ResultsError: when the folder holds no readable results.
        StatementsError: when ``card.yaml`` cannot be used as written.
    """
    statements = folder / STATEMENTS_FILE
    author = load_statements(statements) if statements.exists() else Statements()
    return build_card(results or load_results(folder), author, folder)


def write_card(folder: Path) -> Path:
    """Write ``MODEL_CARD.md`` into a run folder and return its path; raises as :func:`card_of`."""
    path = folder / CARD_FILE
    write_atomically(path, to_markdown(card_of(folder)))
    return path
