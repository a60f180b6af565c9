"""The model card: nine sections built from a run folder and the author's statements."""

from __future__ import annotations

from .build import build_card
from .document import card_of, to_json, write_card
from .markdown import to_markdown
from .statements import Statements, load_statements, template
from .tree import Card

__all__ = [
    "Card",
    "Statements",
    "build_card",
    "card_of",
    "load_statements",
    "template",
    "to_json",
    "to_markdown",
    "write_card",
]
