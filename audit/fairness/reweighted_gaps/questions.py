"""Which groups are compared on which cells, and what they show there as observed and at the common mix."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ....core.errors import AuditError, nearest
from ....core.probes import ProbeContext
from ....core.statistics.groups import Groups, build_groups
from ....core.statistics.reweighting import (
    Explained,
    Support,
    Weighed,
    common_support,
    explained,
    weigh,
)
from .params import ReweightedGapsParams


@dataclass(frozen=True, eq=False)
class CellFaces:
    """The labelled faces: what every question shares."""

    rows: NDArray[np.int64]
    person: NDArray[np.int64]
    labels: NDArray[np.int64]
    predicted: NDArray[np.int64]
    cell: NDArray[np.int64]
    cell_names: tuple[str, ...]
    cell_labels: NDArray[np.int64]

    @property
    def people(self) -> int:
        """How many people there are."""
        return int(self.person.max(initial=-1)) + 1


@dataclass(frozen=True, eq=False)
class Question:
    """One metric of one class by one attribute."""

    metric: str
    label: str | None
    groups: Groups
    support: Support
    names: tuple[str, ...] = ()
    weighed: Weighed | None = None
    away: Explained | None = None
    reason: str = ""

    @property
    def slice(self) -> dict[str, str]:
        """The label, where the metric is of one."""
        return {} if self.label is None else {"label": self.label}


def controls_of(context: ProbeContext, params: ReweightedGapsParams) -> tuple[str, ...]:
    """Return the attributes that are held equal beside the label: as asked, or those whose role is control."""
    known = context.faces.attributes
    if params.controls is None:
        return tuple(name for name, spec in known.items() if spec.role == "control")
    for name in params.controls:
        if name not in known:
            raise AuditError(
                f"reweighted_gaps: controls names {name!r}, which is none of the attributes {list(known)}"
                f"{nearest(name, known)}"
            )
    return tuple(dict.fromkeys(params.controls))


def cells_of(context: ProbeContext, controls: Sequence[str]) -> CellFaces:
    """Sort the labelled faces into cells of label and control levels."""
    rows = np.flatnonzero(context.predictions.labels >= 0)
    labels, classes = context.predictions.labels[rows], context.predictions.classes
    code, names = labels, [*classes]
    cell_labels = np.arange(len(classes))
    if controls:
        levels = build_groups(context.faces.frame.iloc[rows], controls)
        code = labels * len(levels) + levels.codes
        words = [", ".join(f"{name} {level}" for name, level in value.items()) for value in levels.values]
        names = [f"{label}, {level}" for label in classes for level in words]
        cell_labels = np.repeat(cell_labels, len(levels))
    present, cell = np.unique(code, return_inverse=True)
    return CellFaces(
        rows,
        np.unique(context.faces.subject_codes[rows], return_inverse=True)[1].reshape(-1).astype(np.int64),
        labels,
        context.predictions.predicted[rows],
        cell.reshape(-1).astype(np.int64),
        tuple(names[place] for place in present),
        cell_labels[present],
    )


def questions_of(
    context: ProbeContext, params: ReweightedGapsParams, faces: CellFaces, groups: Groups, controlled: bool
) -> Iterator[Question]:
    """Yield every metric of one grouping, weighed or with the reason why not."""
    classes = context.predictions.classes
    for name in params.labels or ():
        if name not in classes:
            raise AuditError(
                f"reweighted_gaps: labels names {name!r}, which is none of the classes {list(classes)}"
                f"{nearest(name, classes)}"
            )
    shown = [place for place, name in enumerate(classes) if params.labels is None or name in params.labels]
    shown = [place for place in shown if (faces.labels == place).any()]
    for metric in params.metrics:
        if metric == "recall" and not controlled:
            continue
        for place in [None] if metric == "accuracy" else shown:
            yield _weighed(context, params, faces, groups, metric, place)


def _weighed(
    context: ProbeContext,
    params: ReweightedGapsParams,
    faces: CellFaces,
    groups: Groups,
    metric: str,
    place: int | None,
) -> Question:
    use = np.ones(len(faces.rows), dtype=np.bool_)
    if metric == "recall":
        use = faces.labels == place
    elif metric == "fpr":
        use = faces.labels != place
    code, cells = groups.codes[faces.rows], len(faces.cell_names)
    size = len(groups) * cells
    spot = code[use] * cells + faces.cell[use]
    counted = np.bincount(spot, minlength=size).reshape(len(groups), cells)
    people = np.bincount(np.unique(faces.person[use] * size + spot) % size, minlength=size).reshape(len(groups), cells)
    label = None if place is None else context.predictions.classes[place]
    support = common_support(
        people,
        counted,
        np.bincount(np.unique(faces.person[use] * len(groups) + code[use]) % len(groups), minlength=len(groups)),
        faces.cell_names,
        least_people=params.cell_people,
        least_kept=params.least_kept,
        least=context.rules.min_subjects,
    )
    if support.reason:
        return Question(metric, label, groups, support, reason=support.reason)
    position = np.full(len(groups), -1, dtype=np.int64)
    position[support.groups] = np.arange(len(support.groups))
    order = np.cumsum(support.cells) - 1
    use &= (position[code] >= 0) & support.cells[faces.cell]
    answered = faces.predicted[use] == (faces.labels[use] if place is None else place)
    above, below = answered.astype(np.float64), np.ones(int(use.sum()))
    if metric == "precision":
        below, above = above, (answered & (faces.labels[use] == place)).astype(np.float64)
    weighed = weigh(
        faces.person[use],
        position[code[use]],
        order[faces.cell[use]],
        (faces.people, len(support.groups), int(support.cells.sum())),
        above,
        below,
    )
    names = tuple(", ".join(groups.values[group].values()) for group in support.groups)
    if weighed is None:
        return Question(
            metric, label, groups, support, names, reason=f"the model answers {label} for no face of some group"
        )
    small = _too_few(context, weighed, names)
    if small:
        return Question(metric, label, groups, support, names, reason=small)
    away = explained(weighed, context.rules.level, context.random("away", metric, str(label), groups.name))
    return Question(metric, label, groups, support, names, weighed, away)


def _too_few(context: ProbeContext, weighed: Weighed, names: Sequence[str]) -> str:
    """Say which group's reweighted value rests on too few independent faces; empty where none does."""
    overall = float(weighed.faces @ weighed.reweighted / weighed.faces.sum())
    variance = np.diag(weighed.covariance("reweighted"))
    unit = overall * (1 - overall)
    needed = context.rules.effective_needed(unit)
    for group, name in enumerate(names):
        if weighed.people[group] < context.rules.min_subjects:
            return f"{name}: {weighed.people[group]} people; {context.rules.min_subjects} are needed"
        own = float(weighed.reweighted[group] * (1 - weighed.reweighted[group]))
        effective = max(own, unit) / variance[group] if variance[group] > 0 else float(weighed.people[group])
        if effective < needed:
            return f"{name}: the weights leave an n_eff of {effective:.0f}; {needed:.0f} are needed"
    return ""
