"""Which figures a probe's results get, by what they hold."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from ..core.results import ProbeResult
from .figures.classes import class_figures, null_figures
from .figures.confusion import confusion_figure
from .figures.curves import curve_figures
from .figures.groups import group_figures
from .figures.heatmaps import heatmap_figures
from .figures.panel import FigureGroup
from .run_files import RunFiles

Drawer = Callable[[RunFiles, ProbeResult], Iterator[FigureGroup]]


def figures_of(run: RunFiles, probe: ProbeResult) -> list[FigureGroup]:
    """Return the figures of a probe: what its artifacts and measurements allow, in reading order.

    Nothing here depends on a probe's name, so a probe of another package gets the figures its results allow.
    """
    drawers: tuple[Drawer, ...] = (_heatmaps, _nulls, _curves, _classes, _confusion, _groups)
    return [figure for draw in drawers for figure in draw(run, probe)] if probe.status == "ok" else []


def _heatmaps(run: RunFiles, probe: ProbeResult) -> Iterator[FigureGroup]:
    arrays = run.arrays(probe, "heatmaps.npz")
    if arrays is not None:
        yield from heatmap_figures(probe, arrays, run.document(probe, "drawing.json") or {})


def _nulls(run: RunFiles, probe: ProbeResult) -> Iterator[FigureGroup]:
    yield from null_figures(probe, run.results)


def _curves(run: RunFiles, probe: ProbeResult) -> Iterator[FigureGroup]:
    yield from curve_figures(probe, run.results)


def _classes(run: RunFiles, probe: ProbeResult) -> Iterator[FigureGroup]:
    yield from class_figures(probe, run.results)


def _confusion(run: RunFiles, probe: ProbeResult) -> Iterator[FigureGroup]:
    table = run.table(probe, "confusion.csv")
    if table is not None and len(table) > 1:
        counts = [[int(float(cell)) for cell in row[1:]] for row in table[1:]]
        yield confusion_figure(table[0][1:], [row[0] for row in table[1:]], counts)


def _groups(run: RunFiles, probe: ProbeResult) -> Iterator[FigureGroup]:
    yield from group_figures(probe, run.results)
