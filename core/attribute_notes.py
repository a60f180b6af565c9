"""What is odd about an attribute and no fault: told in notes, which the results keep. No note names a face."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from .errors import nearest
from .plan import AttributeSpec
from .statistics.groups import MISSING

LOG = logging.getLogger("countenance")
MOST_NUMBERS_AS_GROUPS = 12
_BINS = 4
_SHOWN = 3
_MONK = frozenset({"monk", "mst", "monkskintone", "monkscale"})


def attribute_notes(frame: pd.DataFrame, attributes: Mapping[str, AttributeSpec], *, subjects: bool) -> list[str]:
    """Say what is odd about the attributes of some faces.

    Args:
        frame: one row per face, with the group of each attribute, ``subject`` and ``label``.
        attributes: the attributes to look at, each a column of the frame.
        subjects: whether ``subject`` names people.
    """
    notes: list[str] = []
    for name, spec in attributes.items():
        groups = frame[name].astype(object)
        notes += _monk(name, spec)
        absent = [group for group in spec.out_of_scope if not (groups == group).any()]
        if absent:
            hint = nearest(absent[0], sorted(set(map(str, groups))))
            notes.append(f"{name}: out_of_scope names {', '.join(map(repr, absent))}, which no face has{hint}.")
        notes += _sizes(name, spec, groups)
        notes += _labels(name, groups, frame["label"])
        if subjects and spec.of == "subject":
            notes += _mixed(name, groups, frame["subject"])
    return notes


def suggested_bins(numbers: Sequence[float]) -> list[float]:
    """Return edges that cut numbers into about four bins of equally many, rounded where that does not merge bins.

    None for fewer than two different numbers.
    """
    finite = np.asarray([number for number in numbers if np.isfinite(number)], dtype=np.float64)
    if len(np.unique(finite)) < 2:
        return []
    wanted = np.quantile(finite, np.linspace(0, 1, _BINS + 1))
    for digits in range(1, 8):
        edges = [float(f"{edge:.{digits}g}") for edge in wanted]
        edges[0] = min(edges[0], float(np.floor(finite.min())))
        edges[-1] = max(edges[-1], float(np.ceil(finite.max())))
        if len(set(edges)) == len(set(wanted.tolist())):
            break
    return sorted(set(edges))


def bins_text(numbers: Sequence[float]) -> str:
    """Write suggested bins as a plan does: ``bins: [18, 25, 31, 62]``; empty where there is one number only."""
    edges = suggested_bins(numbers)
    return f"bins: [{', '.join(f'{edge:g}' for edge in edges)}]" if len(edges) > 1 else ""


def _sizes(name: str, spec: AttributeSpec, groups: pd.Series) -> list[str]:
    stated = groups[groups != MISSING]
    different = int(stated.nunique())
    missing = len(groups) - len(stated)
    notes = []
    if different == 0:
        return [f"{name} is missing of all {len(groups):,} faces: nothing can be compared by it."]
    if different == 1:
        rest = f" ({missing:,} faces have none)" if missing else ""
        notes.append(f"{name} has one value only, {stated.iloc[0]!r}{rest}: no gap can be measured by it.")
    elif different == len(stated):
        notes.append(
            f"{name} has another value for every one of {different:,} faces, as an id has: no group can be measured. "
            "Give it bins if it is a number, name another column, or take it out of the plan"
            f"{_suggestion(stated)}."
        )
    elif spec.bins is None and spec.derive is None and different > MOST_NUMBERS_AS_GROUPS:
        suggestion = _suggestion(stated)
        if suggestion:
            notes.append(
                f"{name} holds {different} different numbers, and each is a group of its own: give it bins{suggestion}."
            )
    if missing:
        notes.append(
            f"{name} is missing of {missing:,} of {len(groups):,} faces ({missing / len(groups):.1%}): they are a "
            f"group of their own, {MISSING}."
        )
    return notes


def _suggestion(values: pd.Series) -> str:
    """Suggest bins by quantiles for values that are all numbers; an empty text for others."""
    numbers = pd.to_numeric(values, errors="coerce")
    text = "" if numbers.isna().any() else bins_text(numbers.astype(float).tolist())
    return f", e.g. {text} (quantiles of these faces)" if text else ""


def _labels(name: str, groups: pd.Series, labels: pd.Series) -> list[str]:
    """Say which labels stand in one group only, and which groups lack a label that others have."""
    labelled = labels.notna()
    if not labelled.any() or groups.nunique() < 2 or groups.nunique() > MOST_NUMBERS_AS_GROUPS:
        return []
    counts = pd.crosstab(groups[labelled], labels[labelled])
    alone = [
        f"{label!r} in {counts.index[counts[label] > 0][0]!r}" for label in counts if (counts[label] > 0).sum() == 1
    ]
    lacking: dict[str, list[str]] = {}
    for label in counts:
        present = counts[label] > 0
        for group in counts.index[~present] if present.sum() > 1 else []:
            lacking.setdefault(str(group), []).append(str(label))
    notes = []
    if alone:
        notes.append(
            f"{name}: some labels occur in one group only ({_few(alone)}): their rates cannot be compared between "
            "groups, and the attribute and the label cannot be told apart there."
        )
    if lacking:
        told = [f"{group!r} without {_few([repr(label) for label in without])}" for group, without in lacking.items()]
        notes.append(f"{name}: some groups have no face of a label ({_few(told)}): its rates are not measured there.")
    return notes


def _mixed(name: str, groups: pd.Series, subjects: pd.Series) -> list[str]:
    """Say which personal attribute differs within a person; the rows stand in the log, which nobody publishes."""
    several = groups.groupby(subjects, sort=False).transform("nunique") > 1
    if not several.any():
        return []
    people = int(subjects[several].nunique())
    first = subjects[several].iloc[0]
    rows = np.flatnonzero((several & (subjects == first)).to_numpy()) + 1
    LOG.warning("%s differs between the pictures of one person, e.g. in rows %s", name, ", ".join(map(str, rows[:8])))
    seen = sorted({str(group) for group in groups[several & (subjects == first)]})
    named = "1 person stands" if people == 1 else f"{people:,} people stand"
    return [
        f"{named} in more than one group of {name}, an attribute of the person, e.g. in "
        f"{_few([repr(group) for group in seen])} (of: image tells that it may differ between pictures; the log names "
        "rows)"
    ]


def _monk(name: str, spec: AttributeSpec) -> list[str]:
    """Warn where steps of the Monk scale were not given by people."""
    words = "".join(character if character.isalnum() else " " for character in name.lower()).split()
    named = {*words, "".join(words)}
    if not named & _MONK or spec.assigned_by not in {"derived", "model"}:
        return []
    how = "derived" if spec.assigned_by == "derived" else "assigned by a model"
    return [
        f"{name} is named after the Monk Skin Tone scale, whose ten steps annotators choose by eye, and was {how}: its "
        "steps are not comparable with annotated ones."
    ]


def _few(told: Sequence[str]) -> str:
    more = f" and {len(told) - _SHOWN} more" if len(told) > _SHOWN else ""
    return ", ".join(told[:_SHOWN]) + more
