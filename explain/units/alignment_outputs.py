"""What the probe ``au_alignment`` writes beside its scores: nulls, findings, the table of units, the drawing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ...core.probes import JsonOutput, ProbeContext, TableOutput
from ...core.results import Estimate, Finding, Measurement
from ..canonical import CANVAS_HEIGHT, CANVAS_WIDTH
from ..face_drawing import face_lines
from ..heatmaps.heatmap_findings import assignment_test, by_expression
from ..landmarks import FloatArray
from .accounts import ExplainedFaces, even_shares
from .codebook import Codebook
from .exchange import Exchange
from .findings import (
    MARGIN,
    MOUTH,
    SIDES_NULL,
    UPPER,
    closeness_finding,
    has_upper_units,
    mouth_finding,
    mouth_only,
    on_the_face,
    outside_finding,
    side_finding,
    summary_finding,
)
from .regions import face_parts, unit_names
from .unit_maps import canonical_ellipses

Estimates = Mapping[tuple[str, str, str], Estimate]
"""Estimates over all faces by metric, label, and unit or part (empty for metrics that have neither)."""


@dataclass(frozen=True)
class Account:
    """Everything that is told of one run.

    Attributes:
        labels: names of the classes that have maps, in the target's order.
        estimates: of every score.
        exchanges: the test of each label that has units.
        codebook: the units.
        of: which class was explained, ``predicted`` or ``label``.
    """

    labels: tuple[str, ...]
    estimates: Estimates
    exchanges: Mapping[str, Exchange]
    codebook: Codebook
    of: str

    def get(self, metric: str, label: str, of: str = "") -> Estimate | None:
        """Return an estimate, None if there is none or it was not measured."""
        found = self.estimates.get((metric, label, of))
        return None if found is None or found.value is None else found

    def by_label(self, metric: str, of: str = "") -> dict[str, Estimate]:
        """Return an estimate of each label that was measured."""
        found = {label: self.get(metric, label, of) for label in self.labels}
        return {label: one for label, one in found.items() if one is not None}


def exact_nulls(context: ProbeContext, account: Account) -> Iterator[Measurement]:
    """Yield the nulls that no sampling of faces makes uncertain: the energy of an even map."""
    by_unit, by_part = even_shares(account.codebook)
    for label in account.labels:
        place = {"label": label}
        for unit, share in by_unit.items():
            yield context.measurement("energy.null_even", _exact(share), slice={**place, "unit": unit})
        for part, share in by_part.items():
            yield context.measurement("part_energy.null_even", _exact(share), slice={**place, "part": part})


def alignment_findings(
    context: ProbeContext, account: Account, faces: ExplainedFaces, places: Mapping[str, int | None]
) -> Iterator[Finding]:
    """Yield what the estimates support."""
    for label in account.labels:
        scores = {metric: one for (metric, name, of), one in account.estimates.items() if name == label and not of}
        tested = account.exchanges.get(label)
        margins = {
            of: one for (metric, name, of), one in account.estimates.items() if name == label and metric == MARGIN
        }
        near = closeness_finding(context, label, scores, margins, tested.p if tested else None, account.codebook)
        if near is not None:
            yield near
    outside, constant = account.by_label("outside_face"), account.by_label("outside_face.null_even")
    yield from (one for label in account.labels if (one := _outside(context, account, label)) is not None)
    sides = side_finding(context, account.by_label("asymmetry"), account.by_label(SIDES_NULL))
    if sides is not None:
        yield sides
    asked = [name for name in context.predictions.classes if has_upper_units(account.codebook, name)]
    upper, mouth = account.by_label("part_energy", UPPER), account.by_label("part_energy", MOUTH)
    _, even = even_shares(account.codebook)
    away = [name for name in asked if not on_the_face(outside.get(name), constant.get(name))]
    if mouth_only(asked, upper, mouth, even[UPPER], even[MOUTH], away):
        yield mouth_finding(context, asked, upper, even[UPPER])
    yield from _summary(context, account, faces, places)


def _outside(context: ProbeContext, account: Account, label: str) -> Finding | None:
    outside, even = account.get("outside_face", label), account.get("outside_face.null_even", label)
    return None if outside is None or even is None else outside_finding(context, label, outside, even)


def _summary(
    context: ProbeContext, account: Account, faces: ExplainedFaces, places: Mapping[str, int | None]
) -> Iterator[Finding]:
    """Compare likeness to the own units with likeness to units dealt out at random, over all labels."""
    expressions = list(account.codebook.expressions)
    found: list[tuple[str, dict[str, float]]] = []
    labels = []
    for label in account.labels:
        place = places[label]
        mine = faces.classes == context.predictions.classes.index(label)
        if place is None or account.get("cam_cos", label) is None:
            continue
        likeness = faces.evidence.cosine[mine]
        likeness = likeness[np.isfinite(likeness).all(axis=1)]
        if len(likeness):
            own = dict(zip(expressions, likeness.mean(axis=0).tolist(), strict=True))
            found.append((expressions[place], own))
            labels.append(label)
    table = by_expression(found)
    p = assignment_test(table, context.random("assignments"))
    if p is not None:
        yield summary_finding(context, table, labels, p)


def artifacts(account: Account) -> Iterator[JsonOutput | TableOutput]:
    """Yield the table of units and the outlines of their regions on the canonical face.

    ``units`` has a row for each label and unit: ``energy`` with ``low`` and ``high``; ``null`` with ``null_low`` and
    ``null_high``, the energy of the other classes' maps there; ``even``, that of an even map; ``density``, energy
    over ``even``, with limits; ``in_codebook``, whether the unit is said to belong to the expression.
    """
    yield TableOutput("units", _table(account), "Share of each class's maps in the regions of action units")
    yield JsonOutput("units_drawing", _drawing(account.codebook), "Regions of action units on the canonical face")


def _table(account: Account) -> pd.DataFrame:
    by_unit, _ = even_shares(account.codebook)
    names = unit_names()
    rows = []
    for label in account.labels:
        own = account.codebook.units_of(label)
        for unit in account.codebook.units:
            code = f"AU{unit}"
            energy = account.estimates[("energy", label, code)]
            null = account.estimates[("energy.null_other_classes", label, code)]
            even = by_unit[code]
            rows.append(
                {
                    "label": label,
                    "unit": code,
                    "name": names[unit],
                    "in_codebook": int(unit in own),
                    "energy": energy.value,
                    "low": energy.low,
                    "high": energy.high,
                    "null": null.value,
                    "null_low": null.low,
                    "null_high": null.high,
                    "even": even,
                    "density": None if energy.value is None else energy.value / even,
                    "density_low": None if energy.low is None else energy.low / even,
                    "density_high": None if energy.high is None else energy.high / even,
                    "of": account.of,
                    "reason": energy.reason or "",
                }
            )
    return pd.DataFrame(rows)


def _drawing(codebook: Codebook) -> dict[str, object]:
    names = unit_names()
    return {
        "canvas": {"width": CANVAS_WIDTH, "height": CANVAS_HEIGHT},
        "face": [_points(line) for line in face_lines()],
        "units": {
            f"AU{unit}": {"name": names[unit], "lines": [_points(line) for line in lines]}
            for unit, lines in canonical_ellipses(codebook.units).items()
        },
        "parts": {part: [f"AU{unit}" for unit in units] for part, units in face_parts().items()},
        "codebook": {
            "name": codebook.name,
            "version": codebook.version,
            "sources": list(codebook.sources),
            "corrections": list(codebook.corrections),
            "expressions": {name: [f"AU{unit}" for unit in units] for name, units in codebook.expressions.items()},
        },
    }


def _points(line: FloatArray) -> list[list[float]]:
    return [[round(float(x), 1), round(float(y), 1)] for x, y in line]


def _exact(value: float) -> Estimate:
    return Estimate(value=value, method="exact")
