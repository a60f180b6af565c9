"""The probe ``representation``: who is in the data, and does a label go with a group?"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TypedDict

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field

from ...core.keys import format_key
from ...core.probes import Note, Output, ProbeContext, ProbeParams, TableOutput, probe
from ...core.results import Estimate, Finding, Measurement
from ...core.statistics.groups import MISSING, Groups, build_groups
from ...core.statistics.label_excess import PERMUTATIONS, LabelsOfGroups, labels_of_groups
from ...core.statistics.representation import Measure, group_evenness
from ...core.statistics.sums import total_at

SIGNIFICANT = 0.05
LARGE = 0.1
NAMED = 3
METHOD_NORM = "null_quantile_and_influence"
METHOD_EVEN = "even_chances"
METHOD_PERMUTED = "permuted_groups"
METHOD_EXCESS = "mover_wilson"
METHOD_TEST = "permutation_of_people"
CAVEATS = [
    "It speaks of these data, of how they were collected and labelled, and not of the model.",
    "A label that goes with a group can be learned as a shortcut, and data of the same kind do not show that it was.",
]


class _Counted(TypedDict, total=False):
    """How many faces and people stand behind an estimate."""

    n: int
    subjects: int


class RepresentationParams(ProbeParams):
    """How much to compute, and how much to write."""

    permutations: int = Field(
        default=PERMUTATIONS, ge=199, le=20_000, description="how often groups are dealt out anew over people"
    )
    most_cells: int = Field(
        default=1000,
        ge=0,
        description="an attribute or intersection with more groups times labels has its cells in the table only",
    )


@probe(
    "representation",
    version=1,
    title="Groups and labels of the data",
    pillar="fairness",
    params=RepresentationParams,
    needs={"labels"},
    shows="How many faces and people each group and each planned intersection has, how unevenly they are represented, "
    "and which labels a group has more or less often than the others, tested against groups dealt out over people.",
    hides="Whether the labels are right, and what the model makes of them. A label that is rarer in a group because "
    "its people were photographed less often with that expression looks like one that was withheld from them.",
    citation="Dominguez-Catena, Paternain, Galar 2024, arXiv 2303.15889; Bouma 2009; Westfall and Young 1993",
)
def representation(context: ProbeContext, params: RepresentationParams) -> Iterator[Output]:
    """Counts of groups and labels, evenness of groups (NSD), labels that go with a group (NMI), cell by cell."""
    rows = np.flatnonzero(context.predictions.labels >= 0)
    groupings = []
    for groups in context.faces.groupings:
        if len(np.unique(groups.codes[rows])) > 1:
            groupings.append(groups)
        else:
            yield Note(f"All labelled faces are in one group by {groups.name}: there is nothing to compare.")
    if not groupings:
        yield Note("Nothing was compared: the plan names no attribute by which the labelled faces differ.")
        return
    labels, subjects = context.predictions.labels[rows], context.faces.subject_codes[rows]
    shown, places = np.unique(labels, return_inverse=True)
    names = [context.predictions.classes[place] for place in shown]
    groupings = [build_groups(context.faces.frame.iloc[rows], groups.attributes) for groups in groupings]
    yield from _evenness(context, groupings, subjects)
    found = labels_of_groups(
        subjects,
        places.reshape(-1).astype(np.int64),
        len(names),
        groupings,
        [groups.codes for groups in groupings],
        context.rules,
        int(context.random("permutations").integers(2**31)),
        params.permutations,
    )
    yield TableOutput("matrix", _matrix(found, names, subjects, places.reshape(-1)), "Groups and labels")
    for one in found:
        yield from _association(context, one, len(rows))
        if one.faces.size <= params.most_cells:
            yield from _cells(context, one, names)
        else:
            yield Note(
                f"{one.groups.name} has {one.faces.size:,} cells of group and label: they stand in the table alone."
            )
        yield from _finding(context, one, names, pointed_at=one.faces.size <= params.most_cells)


def _evenness(
    context: ProbeContext, groupings: Sequence[Groups], subjects: NDArray[np.int64]
) -> Iterator[Measurement | Finding]:
    """Yield the NSD of faces and of people of every grouping."""
    person = np.unique(subjects, return_inverse=True)[1].reshape(-1).astype(np.int64)
    once = 1 / total_at(person, None, int(person.max()) + 1)[person]
    for groups in groupings:
        possible, absent = _possible(groups)
        for name, weights in (("nsd", None), ("nsd_people", once)):
            random = context.random(name, groups.name)
            level = context.rules.level
            measure = group_evenness(person, groups.codes, possible, level, random, weights)
            place = {"attribute": groups.name}
            counted: _Counted = {"n": len(person), "subjects": int(person.max()) + 1}
            value = Estimate(
                value=measure.value, low=measure.low, high=measure.high, level=level, method=METHOD_NORM, **counted
            )
            yield context.measurement(name, value, slice=place)
            yield context.measurement(f"{name}.null_even", _null(measure, METHOD_EVEN, level, counted), slice=place)
        if absent:
            told = "; ".join(absent[:NAMED]) + (f"; and {len(absent) - NAMED} more" if len(absent) > NAMED else "")
            yield context.finding(
                f"absent.{groups.name}",
                "note",
                f"{len(absent)} of {possible} combinations of {' and '.join(groups.attributes)} have no face at all: "
                f"{told}. Nothing that is measured on these faces speaks of them.",
                evidence=[format_key(context.probe_id, "nsd", {"attribute": groups.name})],
            )


def _possible(groups: Groups) -> tuple[int, list[str]]:
    """Return how many groups there could be, and the combinations of stated values that no face has."""
    levels = [list(dict.fromkeys(value[name] for value in groups.values)) for name in groups.attributes]
    stated = [[level for level in of if level != MISSING] for of in levels]
    here = {tuple(value[name] for name in groups.attributes) for value in groups.values}
    combinations = math.prod(map(len, stated))
    present = sum(MISSING not in value for value in here)
    absent: list[str] = []
    if combinations > present and combinations <= 100_000:
        grid = np.stack(
            [part.reshape(-1) for part in np.meshgrid(*(np.arange(len(of)) for of in stated), indexing="ij")]
        )
        for place in grid.T:
            value = tuple(of[at] for of, at in zip(stated, place, strict=True))
            if value not in here:
                absent.append(", ".join(value))
    return len(here) + combinations - present, absent


def _null(measure: Measure, method: str, level: float, counted: _Counted) -> Estimate:
    return Estimate(
        value=measure.null_mean,
        low=measure.null_low,
        high=measure.null_high,
        level=level,
        method=method,
        **counted,
    )


def _association(context: ProbeContext, one: LabelsOfGroups, faces: int) -> Iterator[Measurement]:
    """Yield the NMI of one grouping, what chance gives, and its p-values."""
    level, place, measure = context.rules.level, {"attribute": one.groups.name}, one.information
    counted: _Counted = {"n": faces}
    value = Estimate(
        value=measure.value, low=measure.low, high=measure.high, level=level, method=METHOD_NORM, **counted
    )
    yield context.measurement("nmi", value, slice=place)
    yield context.measurement("nmi.null_permuted", _null(measure, METHOD_PERMUTED, level, counted), slice=place)
    for name, p in (("nmi.p", measure.p), ("nmi.p_adjusted", one.information_p_adjusted)):
        yield context.measurement(name, Estimate(value=p, method=METHOD_TEST, **counted), slice=place)


def _cells(context: ProbeContext, one: LabelsOfGroups, names: Sequence[str]) -> Iterator[Measurement]:
    """Yield the excess of every cell and its p-value, or why there is none."""
    for group, value in enumerate(one.groups.values):
        faces, people = int(one.faces[group].sum()), int(one.people[group])
        for label, name in enumerate(names):
            place = {**value, "label": name}
            if not one.tested[group]:
                reason = f"{people} people; {context.rules.min_subjects} are needed, in the group and in all others"
                estimate = Estimate.not_measured(reason.replace("1 people", "1 person"), n=faces, subjects=people)
                yield context.measurement("label_excess", estimate, slice=place)
                continue
            estimate = Estimate(
                value=float(one.excess[group, label]),
                low=float(one.low[group, label]),
                high=float(one.high[group, label]),
                level=context.rules.level,
                method=METHOD_EXCESS,
                n=faces,
                subjects=people,
            )
            yield context.measurement("label_excess", estimate, slice=place)
            p = Estimate(value=float(one.p_adjusted[group, label]), method=METHOD_TEST, n=faces, subjects=people)
            yield context.measurement("label_excess.p_adjusted", p, slice=place)


def _finding(
    context: ProbeContext, one: LabelsOfGroups, names: Sequence[str], *, pointed_at: bool
) -> Iterator[Finding]:
    """Yield a finding where some label goes with a group of this grouping."""
    p = np.where(np.isnan(one.p_adjusted), 1.0, one.p_adjusted)
    cells = [(int(group), int(label)) for group, label in np.argwhere(p <= SIGNIFICANT)]
    if not cells:
        return
    cells.sort(key=lambda cell: (-round(abs(float(one.errors[cell])), 6), -float(one.excess[cell])))
    if one.tested.sum() == len(one.tested) == 2:  # what one of two groups has more of, the other has less of
        cells = list({label: (group, label) for group, label in reversed(cells)}.values())[::-1]
    shares = one.faces / one.faces.sum(axis=1, keepdims=True)
    told = []
    for group, label in cells[:NAMED]:
        share, excess = float(shares[group, label]), float(one.excess[group, label])
        name = ", ".join(one.groups.values[group].values())
        told.append(
            f"{names[label]} is the label of {share:.1%} of the faces of {name} and of {share - excess:.1%} of all "
            f"others (p {_p(float(p[group, label]))})"
        )
    more = f"; and {len(cells) - NAMED} more" if len(cells) > NAMED else ""
    largest = max(abs(float(one.excess[cell])) for cell in cells)
    evidence = [format_key(context.probe_id, "nmi", {"attribute": one.groups.name})]
    if pointed_at:
        evidence += [
            format_key(context.probe_id, "label_excess", {**one.groups.values[group], "label": names[label]})
            for group, label in cells[:NAMED]
        ]
    yield context.finding(
        f"labels.{one.groups.name}",
        "medium" if largest >= LARGE else "low",
        f"Labels go with groups by {one.groups.name}, more than by chance: {'; '.join(told)}{more}.",
        evidence=evidence,
        caveats=CAVEATS,
        p_adjusted=float(p.min()),
    )


def _p(value: float) -> str:
    return f"{value:.3f}" if value > 0.001 else "at most 0.001"


def _matrix(
    found: Sequence[LabelsOfGroups], names: Sequence[str], subjects: NDArray[np.int64], labels: NDArray[np.int64]
) -> pd.DataFrame:
    """Lay out every group and label: counts, shares, excess with limits, residual, NPMI and adjusted p-value."""
    parts = []
    for one in found:
        groups, classes = one.faces.shape
        cell = one.groups.codes * classes + labels
        pairs = np.unique(np.stack([cell, subjects]), axis=1)[0]
        people = np.bincount(pairs, minlength=groups * classes)
        shares = one.faces / one.faces.sum(axis=1, keepdims=True)
        columns = {
            "attributes": one.groups.name,
            "group": np.repeat([" & ".join(value.values()) for value in one.groups.values], classes),
            "label": np.tile(list(names), groups),
            "faces": one.faces.reshape(-1).astype(np.int64),
            "people": people,
            "share_of_group": shares.reshape(-1),
            "share_of_all": (one.faces / one.faces.sum()).reshape(-1),
            "excess": one.excess.reshape(-1),
            "excess_low": one.low.reshape(-1),
            "excess_high": one.high.reshape(-1),
            "residual": one.errors.reshape(-1),
            "npmi": one.npmi.reshape(-1),
            "p_adjusted": one.p_adjusted.reshape(-1),
        }
        parts.append(pd.DataFrame(columns))
    return pd.concat(parts, ignore_index=True)
