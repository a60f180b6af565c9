"""Which figures a probe's results get, by what they hold."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from ..cards.conditions import perturbs
from ..core.results import ProbeResult
from .figures.calibration import calibration_figures
from .figures.checklist import checklist_figures
from .figures.classes import class_figures, null_figures
from .figures.condition_tables import condition_figures
from .figures.confusion import confusion_figure
from .figures.curves import curve_figures
from .figures.data_scan import flag_figures
from .figures.densities import density_figures
from .figures.explanations import failed_check, main_method, method_figures
from .figures.forgery_methods import forgery_method_figures
from .figures.gap_forest import gap_figures
from .figures.group_labels import group_label_figures
from .figures.groups import group_figures
from .figures.heatmaps import heatmap_figures
from .figures.ladders import ladder_figures
from .figures.localisation import localisation_figures
from .figures.panel import FigureGroup
from .figures.poison_drill import drill_figures
from .figures.replayed import replayed_figures
from .figures.roc import roc_figures
from .figures.scan import scan_figures
from .figures.single_faces import single_face_figures
from .figures.strips import strip_figures
from .figures.trigger_bank import bank_figures
from .figures.triggers import trigger_figures
from .figures.units import unit_figures
from .figures.worst_slices import slice_figures
from .run_files import RunFiles

_BESIDE_NULLS = {
    "units.csv": "energy",
    "roc.csv": "auroc",
    "made.csv": "auroc",
    "replayed.csv": "attack_success",
}
"""Metrics that a figure draws beside their nulls already, by the table it is drawn from."""
Drawer = Callable[[RunFiles, ProbeResult], Iterator[FigureGroup]]


def figures_of(run: RunFiles, probe: ProbeResult) -> list[FigureGroup]:
    """Return the figures of a probe: what its artifacts and measurements allow, in reading order.

    Nothing here depends on a probe's name, so a probe of another package gets the figures its results allow.
    """
    drawers: tuple[Drawer, ...] = (
        _checklist,
        _heatmaps,
        _methods,
        _single_faces,
        _localisation,
        _densities,
        _roc,
        _forgery_methods,
        _ladders,
        _bank,
        _drill,
        _flags,
        _scan,
        _triggers,
        _replayed,
        _units,
        *((_curves, _conditions, _strip, _nulls) if perturbs(probe) else (_nulls,)),
        _classes,
        _confusion,
        *(() if perturbs(probe) else (_gaps, _groups)),
        _calibration,
        _group_labels,
        _slices,
    )
    return [figure for draw in drawers for figure in draw(run, probe)] if probe.status == "ok" else []


def folded_figures_of(run: RunFiles, probe: ProbeResult) -> list[FigureGroup]:
    """Return the figures that a reader unfolds: group by group, of a probe that did many things to the faces."""
    drawers: tuple[Drawer, ...] = (_gaps, _groups) if perturbs(probe) and probe.status == "ok" else ()
    return [figure for draw in drawers for figure in draw(run, probe)]


def _permitted(run: RunFiles) -> bool:
    return bool(dict(run.results.plan.get("report") or {}).get("faces") == "permitted")


def _heatmaps(run: RunFiles, probe: ProbeResult) -> Iterator[FigureGroup]:
    arrays = run.arrays(probe, "heatmaps.npz")
    if arrays is not None:
        told = run.document(probe, "methods.json") or {}
        drawing = run.document(probe, "drawing.json") or {}
        yield from heatmap_figures(probe, arrays, drawing, failed_check(main_method(probe, told), _checks(run)))


def _methods(run: RunFiles, probe: ProbeResult) -> Iterator[FigureGroup]:
    told = run.document(probe, "methods.json")
    if told is not None:
        arrays = run.arrays(probe, "methods.npz") or {}
        yield from method_figures(probe, arrays, told, run.document(probe, "drawing.json") or {}, _checks(run))


def _checks(run: RunFiles) -> dict[str, Any]:
    """Return what any probe of the run found of each method's faithfulness."""
    documents = [run.document(probe, "checks.json") for probe in run.results.probes]
    return {name: found for document in documents if document for name, found in document["methods"].items()}


def _single_faces(run: RunFiles, probe: ProbeResult) -> Iterator[FigureGroup]:
    told, arrays = run.document(probe, "examples.json"), run.arrays(probe, "examples.npz")
    if told is not None and arrays is not None:
        drawing = run.document(probe, "drawing.json") or {}
        yield from single_face_figures(probe, arrays, told, drawing, _permitted(run))


def _units(run: RunFiles, probe: ProbeResult) -> Iterator[FigureGroup]:
    table = run.table(probe, "units.csv")
    if table is not None:
        yield from unit_figures(probe, table)


def _nulls(run: RunFiles, probe: ProbeResult) -> Iterator[FigureGroup]:
    drawn = {metric for name, metric in _BESIDE_NULLS.items() if run.table(probe, name) is not None}
    yield from null_figures(probe, run.results, drawn)


def _curves(run: RunFiles, probe: ProbeResult) -> Iterator[FigureGroup]:
    yield from curve_figures(probe, run.results)


def _conditions(run: RunFiles, probe: ProbeResult) -> Iterator[FigureGroup]:
    yield from condition_figures(probe, run.results)


def _strip(run: RunFiles, probe: ProbeResult) -> Iterator[FigureGroup]:
    told, arrays = run.document(probe, "strip.json"), run.arrays(probe, "strip.npz")
    if told is not None and arrays is not None:
        yield from strip_figures(probe, arrays, told, _permitted(run))


def _checklist(run: RunFiles, probe: ProbeResult) -> Iterator[FigureGroup]:
    table = run.table(probe, "checklist.csv")
    if table:
        yield from checklist_figures(table)


def _classes(run: RunFiles, probe: ProbeResult) -> Iterator[FigureGroup]:
    yield from class_figures(probe, run.results)


def _confusion(run: RunFiles, probe: ProbeResult) -> Iterator[FigureGroup]:
    table = run.table(probe, "confusion.csv")
    if table is not None and len(table) > 1:
        counts = [[int(float(cell)) for cell in row[1:]] for row in table[1:]]
        yield confusion_figure(table[0][1:], [row[0] for row in table[1:]], counts)


def _gaps(run: RunFiles, probe: ProbeResult) -> Iterator[FigureGroup]:
    yield from gap_figures(probe)


def _groups(run: RunFiles, probe: ProbeResult) -> Iterator[FigureGroup]:
    yield from group_figures(probe, run.results)


def _localisation(run: RunFiles, probe: ProbeResult) -> Iterator[FigureGroup]:
    told, arrays = run.document(probe, "localisation.json"), run.arrays(probe, "localisation.npz")
    if told is not None and arrays is not None:
        yield from localisation_figures(arrays, told, _permitted(run))


def _densities(run: RunFiles, probe: ProbeResult) -> Iterator[FigureGroup]:
    table = run.table(probe, "densities.csv")
    if table:
        threshold = probe.params.get("threshold")
        yield from density_figures(table, float(threshold) if isinstance(threshold, (int, float)) else None)


def _roc(run: RunFiles, probe: ProbeResult) -> Iterator[FigureGroup]:
    yield from roc_figures(run.table(probe, "roc.csv") or ())


def _forgery_methods(run: RunFiles, probe: ProbeResult) -> Iterator[FigureGroup]:
    yield from forgery_method_figures(probe, run.table(probe, "methods.csv") or run.table(probe, "made.csv") or ())


def _ladders(_: RunFiles, probe: ProbeResult) -> Iterator[FigureGroup]:
    yield from ladder_figures(probe)


def _bank(run: RunFiles, probe: ProbeResult) -> Iterator[FigureGroup]:
    yield from bank_figures(probe, run.table(probe, "bank.csv") or ())


def _drill(run: RunFiles, probe: ProbeResult) -> Iterator[FigureGroup]:
    yield from drill_figures(probe, run.table(probe, "drill.csv") or ())


def _flags(run: RunFiles, probe: ProbeResult) -> Iterator[FigureGroup]:
    yield from flag_figures(probe, run.table(probe, "scan.csv") or ())


def _scan(run: RunFiles, probe: ProbeResult) -> Iterator[FigureGroup]:
    yield from scan_figures(probe, run.table(probe, "scan.csv") or (), run.table(probe, "calibration.csv"))


def _triggers(run: RunFiles, probe: ProbeResult) -> Iterator[FigureGroup]:
    told, arrays = run.document(probe, "triggers.json"), run.arrays(probe, "triggers.npz")
    if told is not None and arrays is not None:
        yield from trigger_figures(arrays, told)


def _replayed(run: RunFiles, probe: ProbeResult) -> Iterator[FigureGroup]:
    yield from replayed_figures(probe, run.table(probe, "replayed.csv") or ())


def _calibration(run: RunFiles, probe: ProbeResult) -> Iterator[FigureGroup]:
    table = run.table(probe, "calibration.csv")
    if table:
        yield from calibration_figures(table)


def _group_labels(run: RunFiles, probe: ProbeResult) -> Iterator[FigureGroup]:
    table = run.table(probe, "matrix.csv")
    if table:
        yield from group_label_figures(table)


def _slices(run: RunFiles, probe: ProbeResult) -> Iterator[FigureGroup]:
    table = run.table(probe, "slices.csv")
    if table:
        yield from slice_figures(table)
