"""A detector kind by kind: how well it tells each way of forging from genuine faces, beside chance."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from ...cards.conditions import under
from ...cards.tree import Part, TableBlock
from ...cards.wording import metric_title
from ...core.results import Estimate, ProbeResult
from .cells import Row, count_of, drawn_as, estimate_of, quoted, rows_of
from .forest import ForestRow, forest
from .panel import FigureGroup

ALL = "all"
CHANCE = 0.5


@dataclass(frozen=True)
class _Layout:
    """How a table of kinds of forgery is written.

    Attributes:
        kind: name of the column, and of the part of a key, that names the kind.
        ends: columns of the interval of the AUROC.
        further: other measures with the columns of their intervals.
        title: of the figure.
        caption: how to read it.
    """

    kind: str
    ends: tuple[str, str]
    further: Mapping[str, tuple[str, str]]
    title: str
    caption: str

    @property
    def needed(self) -> tuple[str, ...]:
        """The columns without which nothing is drawn."""
        return (self.kind, "faces", "auroc", *self.ends)


OF_DATA = _Layout(
    "method",
    ("low", "high"),
    {name: (f"{name}_low", f"{name}_high") for name in ("eer", "ap", "apcer")},
    "Method by method",
    "AUROC of each method's forgeries against all genuine faces. At the dotted line scores are no better than a coin; "
    "an interval that crosses it leaves that open. Well below it the sign of the scores may be turned.",
)
MADE = _Layout(
    "forgery",
    ("auroc_low", "auroc_high"),
    {name: (f"{name}_low", f"{name}_high") for name in ("apcer", "above_own_photo")},
    "Forgeries made here, kind by kind",
    "AUROC of forgeries made here against the photos they were made of, saved by the same steps. At the dotted line "
    "answers are no better than a coin; an interval that crosses it leaves that open.",
)


def forgery_method_figures(probe: ProbeResult, table: Sequence[Sequence[str]]) -> Iterator[FigureGroup]:
    """Draw a table with a row for each kind of forgery: of the data (``OF_DATA``) or made here (``MADE``)."""
    for layout in (OF_DATA, MADE):
        rows = sorted(rows_of(table, layout.needed), key=lambda row: row[layout.kind] != ALL)
        if rows:
            yield _figure(probe, rows, layout)
            return


def _figure(probe: ProbeResult, rows: Sequence[Row], layout: _Layout) -> FigureGroup:
    title = metric_title("auroc", probe.probe)
    drawn = [
        ForestRow(_name(row, layout), "kind", (drawn_as(estimate_of(row, "auroc", *layout.ends), "auroc"),))
        for row in rows
    ]
    alt = f"{title} of each kind of forgery with its interval; the line is chance, one half."
    chance = drawn_as(Estimate(value=CHANCE), "auroc")
    panel = forest(title, drawn, (title,), alt, chance, reference_name="chance")
    return FigureGroup(layout.title, (replace(panel, table=_table(probe, rows, layout)),), layout.caption)


def _name(row: Row, layout: _Layout) -> str:
    name = row[layout.kind]
    if name == ALL:
        return "all methods"
    done = under({layout.kind: name})
    return done.named if done is not None else name


def _table(probe: ProbeResult, rows: Sequence[Row], layout: _Layout) -> TableBlock:
    further = [name for name in layout.further if any(name in row for row in rows)]
    body: list[tuple[Part, ...]] = []
    for row in rows:
        place = {} if row[layout.kind] == ALL else {layout.kind: row[layout.kind]}
        cells = [quoted(probe, "auroc", place, estimate_of(row, "auroc", *layout.ends))]
        cells += [quoted(probe, name, place, estimate_of(row, name, *layout.further[name])) for name in further]
        sizes = [count_of(row, "faces"), count_of(row, "people")]
        body.append((_name(row, layout), *("–" if size is None else f"{size:,}" for size in sizes), *cells))
    heads = [metric_title(name, probe.probe) for name in ("auroc", *further)]
    return TableBlock((layout.kind, "faces", "people", *heads), tuple(body), layout.title)
