"""Which group each face belongs to, by one attribute or by several at once."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..errors import UsageError, nearest

MISSING = "(missing)"
Columns = Mapping[str, Sequence[object]] | pd.DataFrame


@dataclass(frozen=True, eq=False)
class Groups:
    """The groups that one attribute, or an intersection of attributes, divides the faces into.

    Attributes:
        name: ``gender``, or ``ethnicity&gender`` for an intersection (attribute names sorted).
        attributes: the attribute names, sorted.
        values: the slice of each group, e.g. ``{"gender": "female"}``; every group has at least one face.
        codes: index into ``values`` of each face, shape (faces,).
        out_of_scope: groups that block no verdict when they are too small to measure.
    """

    name: str
    attributes: tuple[str, ...]
    values: list[dict[str, str]]
    codes: NDArray[np.int64]
    out_of_scope: frozenset[int] = frozenset()

    def __len__(self) -> int:
        return len(self.values)


def build_groups(columns: Columns, attributes: Iterable[str]) -> Groups:
    """Divide the faces by one attribute or by the intersection of several.

    Missing values (``None``, NaN) are a group of their own, ``(missing)``: a face whose attribute nobody
    stated is still a face the model was used on. Groups come in the order of their values, or of the
    categories of a pandas categorical, with the missing ones last; intersections list only the combinations
    that occur.

    Args:
        columns: one sequence per attribute, one value per face; a ``DataFrame`` will do.
        attributes: names of the columns to divide by, at least one, each once.

    Raises:
        UsageError: when no attribute is named, one is named twice, or one has no column.
    """
    names = tuple(sorted(attributes))
    if not names or len(set(names)) != len(names):
        raise UsageError(f"expected one or more different attributes to group by, but got {list(names)}")
    for name in names:
        if name not in columns:
            raise UsageError(f"there is no attribute {name!r}{nearest(name, map(str, columns))}")
    coded = [_encode(columns[name]) for name in names]
    shape = tuple(len(labels) for _, labels in coded)
    flat = np.ravel_multi_index([codes for codes, _ in coded], shape) if shape[0] else np.zeros(0, dtype=np.int64)
    present, codes = np.unique(flat, return_inverse=True)
    places = np.unravel_index(present, shape) if len(present) else ()
    values = [
        {name: labels[place[group]] for name, (_, labels), place in zip(names, coded, places, strict=True)}
        for group in range(len(present))
    ]
    return Groups("&".join(names), names, values, codes.astype(np.int64).reshape(-1))


def plan_groups(
    columns: Mapping[str, Sequence[object]],
    attributes: Iterable[str],
    intersections: Iterable[Iterable[str]] = (),
    out_of_scope: Mapping[str, Iterable[str]] | None = None,
) -> tuple[Groups, ...]:
    """Make the groups of every attribute and of every planned intersection, each once.

    Args:
        columns: one sequence per attribute, one value per face.
        attributes: names of the attributes to divide by.
        intersections: names of attributes to divide by together.
        out_of_scope: by attribute, groups that block no verdict; a combination is out of scope with any of its parts.
    """
    wanted = [(name,) for name in attributes] + [tuple(sorted(names)) for names in intersections]
    outside = {name: set(values) for name, values in (out_of_scope or {}).items()}
    found = []
    for names in dict.fromkeys(wanted):
        groups = build_groups(columns, names)
        codes = (
            code
            for code, value in enumerate(groups.values)
            if any(group in outside.get(name, ()) for name, group in value.items())
        )
        found.append(replace(groups, out_of_scope=frozenset(codes)))
    return tuple(found)


def _encode(column: Any) -> tuple[NDArray[np.int64], list[str]]:
    """Return the code of each face and the group names, missing last and only if it occurs."""
    series = column if isinstance(column, pd.Series) else pd.Series(np.asarray(column))
    if isinstance(series.dtype, pd.CategoricalDtype):
        order = np.arange(len(series.cat.categories))
        found, labels = series.cat.codes.to_numpy(), [str(label) for label in series.cat.categories]
    else:
        found, values = pd.factorize(series)
        texts = [str(value) for value in values]
        order = np.asarray(sorted(range(len(texts)), key=lambda code: _by_size(texts[code])), dtype=np.int64)
        labels = [texts[code] for code in order]
    place = np.full(len(labels) + 1, -1, dtype=np.int64)  # the last entry: the code -1 of a missing value stays
    place[order] = np.arange(len(labels))
    codes: NDArray[np.int64] = place[found]
    if MISSING in labels:  # written out in the data: the same group as the missing values, and last
        stated = labels.index(MISSING)
        labels.pop(stated)
        codes = np.where(codes == stated, -1, codes - (codes > stated))
    if (codes < 0).any():
        codes = np.where(codes < 0, len(labels), codes)
        labels.append(MISSING)
    return codes, labels


def _by_size(label: str) -> list[tuple[int, float, str]]:
    """Return a sort key by which ``5 to 30`` comes before ``30 to 45``."""
    parts = re.split(r"(\d+(?:\.\d+)?)", label)
    return [(0, float(part), "") if place % 2 else (1, 0.0, part) for place, part in enumerate(parts)]
