"""What a figure is in the report: a drawing, the same numbers as a table, and words for those who cannot see it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ...cards.tree import TableBlock
from .picture import Picture
from .theme import Drawing


@dataclass(frozen=True)
class Panel:
    """One drawing.

    Attributes:
        name: what tells it from its siblings, e.g. ``recall of happy``.
        drawing: the plotly figure, in the light colours, or a picture.
        table: the numbers of the drawing; its text alternative.
        alt: one sentence that says what is drawn.
        caption: what to read from it, below the drawing; may be empty.
        family: what it has in common with siblings, e.g. ``ethnicity × gender``; may be empty.
    """

    name: str
    drawing: Drawing | Picture
    table: TableBlock
    alt: str
    caption: str = ""
    family: str = ""


@dataclass(frozen=True)
class FigureGroup:
    """Drawings that belong together: a choice between them, or all side by side.

    Attributes:
        title: heading.
        caption: how to read them; may be empty.
        panels: at least one.
        layout: ``choice`` shows one at a time, ``grid`` shows all.
    """

    title: str
    panels: tuple[Panel, ...]
    caption: str = ""
    layout: Literal["choice", "grid"] = "choice"

    @property
    def families(self) -> list[tuple[str, list[tuple[int, str]]]]:
        """The families in order, each with the position and name of its panels."""
        found: dict[str, list[tuple[int, str]]] = {}
        for position, panel in enumerate(self.panels):
            found.setdefault(panel.family, []).append((position, panel.name))
        return list(found.items())
