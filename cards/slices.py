"""Sorting a probe's measurements by the groups they belong to."""

from __future__ import annotations

import weakref
from collections.abc import Iterable
from dataclasses import dataclass

from ..core.results import Measurement, ProbeResult
from .metric_texts import IN_PROBE
from .wording import place_title

Pairs = tuple[tuple[str, str], ...]

_ORDER = (
    "fmr", "fnmr", "tpr_at_fpr", "ccc", "rmse",
    "accuracy", "balanced_accuracy", "macro_f1", "auroc", "recall", "precision", "f1",
    "fnr", "fpr", "base_rate", "fdr", "for", "selection_rate", "ece", "confidence_minus_accuracy",
    "iou", "mask_iou", "pixel_auroc", "mask_iou_at_area", "mask_energy",
    "specificity", "margin", "energy_in_mask", "energy_outside_face", "face_iou", "face_specificity",
    "cam_cos", "cam_cos.specificity", "trigger_margin", "smallest_p_adjusted",
)  # fmt: skip


DETAILS = frozenset({"attribute", "layer", "other", "part", "unit"})
"""Names in a slice of which there are many values for each class: a card would drown in them.

They stand in tables of their own (gaps between groups, action units) and in the report.
"""


def is_detail(measurement: Measurement, attributes: Iterable[str]) -> bool:
    """Whether a measurement is one of many of a class: of a unit, a layer, a pair of groups, a further method."""
    if "label" in measurement.slice and "method" in measurement.condition:
        return True
    return bool(DETAILS & set(measurement.slice) - set(attributes))


@dataclass(frozen=True)
class Column:
    """What is measured, apart from the group: metric, rest of the slice (such as the label) and condition."""

    metric: str
    rest: Pairs
    condition: Pairs

    def title(self, probe: str = "") -> str:
        """As shown, e.g. ``recall of happy``; ``probe`` is the name of the probe that measured it."""
        return place_title(self.metric, dict(self.rest), dict(self.condition), probe)


@dataclass(frozen=True)
class Grouped:
    """Measurements of one probe by one attribute or intersection.

    Attributes:
        probe: name of the probe (not its id in the plan).
        attributes: names, sorted; empty for measurements over all faces.
        groups: the values of the attributes, in the order the results give them.
        columns: what was measured, in reading order.
        cells: the measurement of each (group, column) that exists.
    """

    probe: str
    attributes: tuple[str, ...]
    groups: tuple[tuple[str, ...], ...]
    columns: tuple[Column, ...]
    cells: dict[tuple[tuple[str, ...], Column], Measurement]

    @property
    def title(self) -> str:
        """As shown, e.g. ``ethnicity × gender``."""
        return " × ".join(self.attributes)

    def rests(self) -> list[Pairs]:
        """Return the different rests of the slice, in reading order."""
        return list(dict.fromkeys(column.rest for column in self.columns))


def group_name(values: Iterable[str]) -> str:
    """Write a group, e.g. ``black, female``; an empty text is told as such."""
    return ", ".join(value if value.strip() else "(empty)" for value in values)


def column_of(measurement: Measurement, attributes: Iterable[str]) -> tuple[Pairs, Column]:
    """Split a measurement into its group (pairs of attributes) and what is measured of it."""
    names = set(attributes)
    group = tuple(sorted((name, value) for name, value in measurement.slice.items() if name in names))
    rest = tuple(sorted((name, value) for name, value in measurement.slice.items() if name not in names))
    return group, Column(measurement.metric, rest, tuple(sorted(measurement.condition.items())))


def by_grouping(result: ProbeResult, attributes: Iterable[str]) -> list[Grouped]:
    """Sort a probe's measurements into tables: without group, one for each attribute, one for each intersection.

    Args:
        result: of the probe.
        attributes: names of the audited attributes; any other name in a slice is no group.

    Returns:
        Without details (:func:`is_detail`), one :class:`Grouped` for each set of attributes that occurs; fewer
        attributes first.
    """
    known = tuple(attributes)
    key = (id(result), known)
    if key not in _sorted:  # cards and reports ask a dozen times, and a probe may have 30,000 measurements
        _sorted[key] = _sort(result, known)
        weakref.finalize(result, _sorted.pop, key, None)
    return _sorted[key]


_sorted: dict[tuple[int, tuple[str, ...]], list[Grouped]] = {}


def _sort(result: ProbeResult, known: tuple[str, ...]) -> list[Grouped]:
    found: dict[tuple[str, ...], dict[tuple[tuple[str, ...], Column], Measurement]] = {}
    for measurement in result.measurements:
        if is_detail(measurement, known):
            continue
        group, column = column_of(measurement, known)
        names = tuple(name for name, _ in group)
        found.setdefault(names, {})[tuple(value for _, value in group), column] = measurement
    return [
        Grouped(
            probe=result.probe,
            attributes=names,
            groups=tuple(dict.fromkeys(group for group, _ in cells)),
            columns=tuple(sorted(dict.fromkeys(c for _, c in cells), key=lambda c: _reading_order(c, result.probe))),
            cells=cells,
        )
        for names, cells in sorted(found.items(), key=lambda entry: len(entry[0]))
    ]


def _reading_order(column: Column, probe: str) -> int:
    """Known metrics in their usual order with their nulls, others after them as they come (sorting is stable)."""
    metric = column.metric.partition(".null")[0]
    return _ORDER.index(metric) if metric in _ORDER and metric not in IN_PROBE.get(probe, {}) else len(_ORDER)
