"""Networks joined by how alike their mean heatmaps are, and how much each overlaps the masks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from ...cards.absent import short_reason
from ...cards.tree import Part, TableBlock
from ...cards.wording import estimate_text, number, plural
from ...core.compare_heatmaps import HeatmapComparison
from ...core.heatmap_similarity import HeatmapTree
from ...core.results import Estimate
from .panel import FigureGroup, Panel
from .theme import BLUE, HEAT, INK, MUTED, SURFACE, Drawing, plain

_ROW = 30
_MOST_NETWORKS = 60


def heatmap_comparison_figures(names: Sequence[str], found: HeatmapComparison) -> Iterator[FigureGroup]:
    """Yield a dendrogram for each expression, and the overlap of networks by expressions.

    Args:
        names: of the runs, in the order of the overlaps.
        found: what their heatmaps have in common.
    """
    trees = [tree for tree in found.trees if tree.merges]
    if trees:
        yield FigureGroup(
            "How alike the mean heatmaps are",
            tuple(map(dendrogram, trees)),
            "Two networks, or groups of them, are joined at the mean of 1 - r over their pairs, where r is the "
            "correlation of two heatmaps' pixels (average linkage, after Gaya-Morey et al. 2024): 0 is the same map, 1 "
            "is nothing in common, above 1 is opposite. Any networks give a tree, and alike maps may both be wrong.",
            "choice",
        )
    if any(estimate is not None for each in found.overlaps.values() for estimate in each):
        yield FigureGroup(
            "Overlap of networks by expressions",
            (overlap_panel(names, found.labels, found.overlaps),),
            "IoU of each network's mean heatmap with the mask of the expression. It says something only beside its "
            "nulls, which each run's own report gives.",
        )


def dendrogram(tree: HeatmapTree) -> Panel:
    """Draw networks joined by how alike their heatmaps of one expression are.

    Args:
        tree: with at least one join.
    """
    place = {network: float(row) for row, network in enumerate(tree.order)}
    names = dict(enumerate(tree.names))
    height_of = dict.fromkeys(place, 0.0)
    x: list[float | None] = []
    y: list[float | None] = []
    joins: list[tuple[float, float, str]] = []
    rows: list[tuple[Part, ...]] = []
    for joined, (first, second, height, count) in enumerate(tree.merges, start=len(tree.names)):
        x += [height_of[first], height, height, height_of[second], None]
        y += [place[first], place[first], place[second], place[second], None]
        place[joined] = (place[first] + place[second]) / 2
        height_of[joined] = height
        names[joined] = f"group of {count}" if count > 2 else f"{names[first]} and {names[second]}"
        joins.append((height, place[joined], f"{names[first]} with {names[second]}"))
        rows.append((names[first], names[second], number(height), f"{count}"))
    top = max(tree.heights)
    drawn = Drawing(
        height=86 + _ROW * len(tree.names),
        showlegend=False,
        margin={"t": 14, "r": 44},
        xaxis={"range": [-0.01 * top, 1.02 * top or 1.0], "title": {"text": "distance 1 - r"}, "nticks": 6},
        yaxis={
            "range": [len(tree.names) - 0.4, -0.6],
            "tickvals": [place[network] for network in tree.order],
            "ticktext": [plain(tree.names[network], 34) for network in tree.order],
            "tickfont": {"color": INK, "size": 13},
            "showgrid": False,
            "zeroline": False,
        },
    )
    drawn.scatter(x=x, y=y, mode="lines", line={"color": BLUE, "width": 2}, hoverinfo="skip", cliponaxis=False)
    drawn.scatter(
        x=[height for height, _, _ in joins],
        y=[middle for _, middle, _ in joins],
        mode="markers+text",
        marker={"size": 6, "color": BLUE},
        text=[f" {number(height)}" for height, _, _ in joins],
        textposition="top right",
        textfont={"size": 11.5, "color": MUTED},
        hoverinfo="text",
        hovertext=[f"{plain(text, 80)}: {number(height)}" for height, _, text in joins],
        cliponaxis=False,
    )
    table = TableBlock(
        ("joins", "with", "distance 1 - r", "networks"), tuple(rows), f"Joins of {tree.label}, lowest first"
    )
    caption = "; ".join(f"{name} left out: {short_reason(reason)}" for name, reason in tree.left_out.items())
    many = plural(len(tree.names), "network")
    alt = f"Tree of {many} by their heatmaps of {tree.label}; the last join is at {number(top)}."
    return Panel(tree.label, drawn, table, alt, f"{caption}." if caption else "")


def overlap_panel(
    names: Sequence[str], labels: Sequence[str], overlaps: Mapping[str, Sequence[Estimate | None]]
) -> Panel:
    """Draw the IoU of networks by expressions.

    Args:
        names: of the networks.
        labels: the expressions.
        overlaps: for each expression one estimate a network, or None.
    """
    shown = list(range(min(len(names), _MOST_NETWORKS)))
    cells = {(row, label): overlaps[label][row] for row in range(len(names)) for label in labels}
    values = {at: cell.value for at, cell in cells.items() if cell is not None and cell.value is not None}
    largest = max(values.values(), default=1.0) or 1.0
    z = [[values.get((row, label)) for label in labels] for row in shown]
    drawn = Drawing(
        height=70 + _ROW * len(shown),
        showlegend=False,
        xaxis={
            "side": "top",
            "showgrid": False,
            "zeroline": False,
            "tickvals": list(range(len(labels))),
            "ticktext": [plain(label, 16) for label in labels],
            "tickfont": {"color": INK, "size": 13},
        },
        yaxis={
            "autorange": "reversed",
            "zeroline": False,
            "showgrid": False,
            "tickvals": shown,
            "ticktext": [plain(names[row], 34) for row in shown],
            "tickfont": {"color": INK, "size": 13},
        },
    )
    drawn.heatmap(
        x=list(range(len(labels))),
        y=shown,
        z=z,
        zmin=0,
        zmax=2 * largest,  # the upper half of the scale is too dark for the numbers that stand on it
        colorscale=[[0, SURFACE], [0.5, HEAT[1]], [1, HEAT[2]]],
        showscale=False,
        xgap=2,
        ygap=2,
        hoverinfo="skip",
        text=[["–" if value is None else number(value) for value in row] for row in z],
        texttemplate="%{text}",
        textfont={"color": INK, "size": 12},
    )
    rows = tuple((name, *(_told(cells[row, label]) for label in labels)) for row, name in enumerate(names))
    table = TableBlock(("network", *labels), rows, "IoU of mean heatmaps with the masks")
    more = f"Not drawn: {plural(len(names) - len(shown), 'network')}." if len(shown) < len(names) else ""
    return Panel("IoU", drawn, table, f"IoU of {len(names)} networks (rows) for {', '.join(labels)} (columns).", more)


def _told(estimate: Estimate | None) -> str:
    return "–" if estimate is None else short_reason(estimate_text(estimate))
