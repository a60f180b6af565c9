"""The heatmaps of several runs: which networks look alike for each expression."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .expressions import expression_of
from .heatmap_similarity import HeatmapTree, heatmap_tree
from .results import AuditResults, Estimate, ProbeResult
from .results_file import changed_artifacts

HEATMAPS = "heatmaps.npz"


@dataclass(frozen=True)
class HeatmapComparison:
    """What the mean heatmaps of several runs have in common.

    Attributes:
        labels: in the order in which the runs have them.
        trees: one for each label of which at least two runs have a heatmap.
        overlaps: IoU with the label's mask, ``{label: one estimate or None per run}``.
        notes: runs without heatmaps, and why.
    """

    labels: tuple[str, ...] = ()
    trees: tuple[HeatmapTree, ...] = ()
    overlaps: Mapping[str, Sequence[Estimate | None]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def compare_heatmaps(
    names: Sequence[str], runs: Sequence[AuditResults], folders: Sequence[Path | None]
) -> HeatmapComparison:
    """Compare the mean heatmaps that runs wrote, of the first probe of each that has some.

    Args:
        names: one per run.
        runs: their results.
        folders: their run folders, None for results that are held in memory, whose heatmaps are not kept.
    """
    notes: list[str] = []
    maps: list[Mapping[str, NDArray[Any]]] = []
    probes = [_probe_with_heatmaps(run) for run in runs]
    known_as: dict[str, str] = {}
    words: list[dict[str, str]] = []
    for name, run, folder, probe in zip(names, runs, folders, probes, strict=True):
        found, reason = _read(run, folder, probe)
        words.append(_common_names(found, known_as))
        maps.append({word: found[own] for word, own in words[-1].items()})
        if reason and any(probes):
            notes.append(f"{name} has no heatmaps to compare: {reason}.")
    labels = tuple(dict.fromkeys(label for found in maps for label in found))
    trees = []
    alone: dict[str, list[str]] = {}
    for label in labels:
        present = {name: found[label] for name, found in zip(names, maps, strict=True) if label in found}
        sizes = {each.shape for each in present.values()}
        if len(sizes) > 1:
            notes.append(f"The heatmaps of {label} have different sizes and are not compared.")
        elif len(present) > 1:
            absent = {name: f"no heatmap of {label}" for name in names if name not in present}
            trees.append(heatmap_tree(label, present, absent))
        elif sum(map(bool, maps)) > 1:
            alone.setdefault(next(iter(present)), []).append(label)
    for name, missing in alone.items():
        notes.append(f"Only {name} has a heatmap of {', '.join(missing)}: there is nothing to compare.")
    overlaps = {
        label: [
            None if probe is None else _iou(probe, own.get(label, label))
            for probe, own in zip(probes, words, strict=True)
        ]
        for label in labels
    }
    return HeatmapComparison(labels, tuple(trees), overlaps, tuple(notes))


def _common_names(labels: Iterable[str], known_as: dict[str, str]) -> dict[str, str]:
    """Return for each class of a run the name under which all runs are compared, and its own.

    Two words for one expression (angry, anger) are one class, called as the first run calls it. Where a run has several
    classes of one expression, each goes by its own name.

    Args:
        labels: the run's own names.
        known_as: expression to common name; filled as runs come.
    """
    expressions = {label: expression_of(label) for label in labels}
    counts = Counter(expressions.values())
    return {
        known_as.setdefault(expression, label) if counts[expression] == 1 else label: label
        for label, expression in expressions.items()
    }


def _probe_with_heatmaps(run: AuditResults) -> ProbeResult | None:
    return next((probe for probe in run.probes if probe.artifact(HEATMAPS) is not None), None)


def _read(run: AuditResults, folder: Path | None, probe: ProbeResult | None) -> tuple[Mapping[str, NDArray[Any]], str]:
    """Return heatmaps by label and, where there are none, why."""
    artifact = None if probe is None else probe.artifact(HEATMAPS)
    if artifact is None:
        return {}, "none of its probes wrote any"
    if folder is None:
        return {}, "its results are held in memory, without files"
    if artifact.path in changed_artifacts(run, folder):
        return {}, f"{artifact.path} is missing or was changed since the audit"
    with np.load(folder / artifact.path, allow_pickle=False) as arrays:
        found = {name.removesuffix(".heatmap"): arrays[name] for name in arrays.files if name.endswith(".heatmap")}
    return found, ""


def _iou(probe: ProbeResult, label: str) -> Estimate | None:
    wanted = {"label": label}
    return next(
        (
            item.estimate
            for item in probe.measurements
            if item.metric == "iou" and item.slice == wanted and not item.condition
        ),
        None,
    )
