"""Groups and labels: how many faces of each group have each label, coloured by how far that is from all faces."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from ...cards.tree import TableBlock
from .panel import FigureGroup, Panel
from .theme import BLUE, INK, ORANGE, SURFACE, Drawing, plain

MOST_GROUPS = 30
ROW = 30
NEEDED = ("attributes", "group", "label", "faces", "people", "share_of_group", "share_of_all", "excess", "p_adjusted")
SIGNIFICANT = 0.05
_ALT = "Number of faces for each group and label, coloured by how far the label's share in the group is from all faces."
_CAPTION = (
    "Each cell holds a number of faces. Orange: the label has a larger share of the group's faces than of all others; "
    "blue: a smaller one. A star marks a share that differs by more than chance, all cells of the table asked at once."
)


def group_label_figures(table: Sequence[Sequence[str]]) -> Iterator[FigureGroup]:
    """Draw a table with a row for each group and label, whose first row names the columns of ``NEEDED``."""
    names = list(table[0])
    if not set(NEEDED) <= set(names) or len(table) < 2:
        return
    rows = [dict(zip(names, row, strict=True)) for row in table[1:]]
    panels = []
    for attributes in dict.fromkeys(row["attributes"] for row in rows):
        here = [row for row in rows if row["attributes"] == attributes]
        panels.append(_panel(attributes.replace("&", " × "), here))
    yield FigureGroup("Groups and labels", tuple(panels), _CAPTION)


def _panel(attributes: str, rows: Sequence[Mapping[str, str]]) -> Panel:
    labels = list(dict.fromkeys(row["label"] for row in rows))
    groups = list(dict.fromkeys(row["group"] for row in rows))
    cell = {(row["group"], row["label"]): row for row in rows}
    shown = groups[:MOST_GROUPS]
    excess = [[_number(cell.get((group, label)), "excess") for label in labels] for group in shown]
    most = max([abs(value) for line in excess for value in line if value is not None] + [0.05])
    drawn = Drawing(
        height=90 + ROW * max(3, len(shown)),
        xaxis={"tickvals": list(range(len(labels))), "ticktext": [plain(name, 16) for name in labels], "side": "top"},
        yaxis={
            "tickvals": list(range(len(shown))),
            "ticktext": [plain(name, 34) for name in shown],
            "autorange": "reversed",
            "tickfont": {"color": INK},
        },
    )
    drawn.update(xaxis={"showgrid": False, "zeroline": False}, yaxis={"showgrid": False, "zeroline": False})
    drawn.heatmap(
        x=list(range(len(labels))),
        y=list(range(len(shown))),
        z=excess,
        zmin=-most,
        zmax=most,
        colorscale=[[0, BLUE], [0.5, SURFACE], [1, ORANGE]],
        text=[[_text(cell.get((group, label))) for label in labels] for group in shown],
        texttemplate="%{text}",
        textfont={"size": 13},
        hoverinfo="text",
        hovertext=[[_hover(cell.get((group, label)), group, label) for label in labels] for group in shown],
        xgap=2,
        ygap=2,
        colorbar={
            "title": {"text": "share less that of others", "side": "right", "font": {"size": 11}},
            "thickness": 10,
            "outlinewidth": 0,
            "tickformat": "+.0%",
            "len": 0.9,
        },
    )
    body = tuple(
        (
            row["group"],
            row["label"],
            f"{int(float(row['faces'])):,}",
            f"{int(float(row['people'])):,}",
            _percent(row, "share_of_group"),
            _percent(row, "share_of_all"),
            row["p_adjusted"] or "–",
        )
        for row in rows
    )
    columns = ("group", "label", "faces", "people", "share of group", "share of all", "adjusted p")
    caption = "" if len(shown) == len(groups) else f"Drawn are {len(shown)} of {len(groups)} groups."
    return Panel(attributes, drawn, TableBlock(columns, body, f"Groups and labels by {attributes}"), _ALT, caption)


def _number(row: Mapping[str, str] | None, name: str) -> float | None:
    return float(row[name]) if row is not None and row[name] not in ("", "nan") else None


def _text(row: Mapping[str, str] | None) -> str:
    if row is None:
        return "0"
    p = _number(row, "p_adjusted")
    return f"{int(float(row['faces'])):,}{' *' if p is not None and p <= SIGNIFICANT else ''}"


def _percent(row: Mapping[str, str], name: str) -> str:
    value = _number(row, name)
    return "–" if value is None else f"{100 * value:.1f} %"


def _hover(row: Mapping[str, str] | None, group: str, label: str) -> str:
    if row is None:
        return f"{plain(group)}, {plain(label)}: no face"
    faces, people = int(float(row["faces"])), int(float(row["people"]))
    return (
        f"{plain(group)}, {plain(label)}: {faces:,} faces of {people:,} people<br>"
        f"{_percent(row, 'share_of_group')} of the group, {_percent(row, 'share_of_all')} of all faces"
    )
