"""Heatmaps of several networks, scored and compared, as one self-contained HTML page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..core.compare_heatmaps import HeatmapComparison
from ..core.files import write_atomically
from .figures.dendrogram import heatmap_comparison_figures
from .figures.panel import FigureGroup
from .html import render
from .page import Anchors


@dataclass(frozen=True)
class NetworksPage:
    """What the template is given."""

    names: tuple[str, ...]
    notes: tuple[str, ...]
    figures: tuple[FigureGroup, ...]
    anchors: Anchors


def write_networks(names: Sequence[str], found: HeatmapComparison, notes: Sequence[str], path: Path) -> Path:
    """Write how alike the networks' heatmaps are and how much they overlap the masks; return the path.

    Args:
        names: of the networks, in the order of the overlaps.
        found: what their heatmaps have in common.
        notes: told above the figures.
        path: of the page.
    """
    figures = tuple(heatmap_comparison_figures(names, found))
    page = NetworksPage(tuple(names), (*notes, *found.notes), figures, Anchors())
    write_atomically(path, render("networks.html.j2", page=page))
    return path
