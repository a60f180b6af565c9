"""How often the groups of an attribute are assigned wrongly, as the plan says it: matrices and a second annotator."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from .errors import Problems, nearest

if TYPE_CHECKING:
    from .attribute_spec import AttributeSpec

Matrix = Mapping[str, Mapping[str, float]]
SUM_TOLERANCE = 0.01


def second_column(attribute: str) -> str:
    """Return the column of ``faces.frame`` that holds the second annotator's groups."""
    return f"{attribute} (second)"


def matrix_problems(
    confusion: Matrix | None, confusion_wrong: Matrix | None, checked: int | None, second: str | None
) -> list[str]:
    """Return what is wrong with the matrices of an attribute, as far as it can be told without the faces.

    Args:
        confusion: chance of each assigned group by true group.
        confusion_wrong: the same among faces the model gets wrong.
        checked: faces behind each row.
        second: column of a second annotator.
    """
    found = []
    if confusion is None:
        needing = {"confusion_wrong": confusion_wrong, "confusion_n": checked}
        found += [f"{name} needs confusion beside it" for name, given in needing.items() if given is not None]
    elif second is not None:
        found.append("expected either confusion or second, one of the two: a matrix needs no second annotator")
    for name, matrix in (("confusion", confusion), ("confusion_wrong", confusion_wrong)):
        if matrix is not None:
            found += _of_matrix(name, matrix)
    if confusion is not None and confusion_wrong is not None and set(confusion) != set(confusion_wrong):
        apart = sorted(set(confusion) ^ set(confusion_wrong))
        found.append(f"confusion and confusion_wrong have different groups: {', '.join(map(repr, apart))}")
    return found


def _of_matrix(name: str, matrix: Matrix) -> list[str]:
    found = []
    if len(matrix) < 2:
        found.append(f"{name} has {len(matrix)} group(s), expected two or more")
    for true, row in matrix.items():
        for assigned in row:
            if assigned not in matrix:
                found.append(f"{name}[{true}] names {assigned!r}, which has no row{nearest(assigned, matrix)}")
        outside = [f"{assigned} {chance:g}" for assigned, chance in row.items() if not 0 <= chance <= 1]
        total = math.fsum(row.values())
        if outside:
            found.append(f"{name}[{true}] holds {', '.join(outside)}, expected chances from 0 to 1")
        elif abs(total - 1) > SUM_TOLERANCE + 1e-9:
            found.append(
                f"{name}[{true}] sums to {total:.3g}, expected 1 (rows are true groups, columns assigned ones)"
            )
    return found


def check_groups(
    name: str, spec: AttributeSpec, assigned: Iterable[object], no_group: Collection[str], problems: Problems
) -> None:
    """Note every group of the faces that the attribute's matrix does not know.

    Args:
        name: of the attribute.
        spec: what the plan says of it.
        assigned: the groups that faces have.
        no_group: what stands for no group, such as a missing value.
        problems: where faults are noted.
    """
    if spec.confusion is None:
        return
    for group in sorted({str(each) for each in assigned} - set(spec.confusion) - set(no_group)):
        hint = nearest(group, spec.confusion)
        problems.add(
            f"data.attributes.{name}.confusion has no row for the group {group!r}{hint}; it knows "
            f"{', '.join(map(repr, spec.confusion))}"
        )


def arrays_of(
    confusion: Matrix, confusion_wrong: Matrix | None
) -> tuple[list[str], NDArray[np.float64], NDArray[np.float64] | None]:
    """Return the groups, and both matrices with rows that sum to 1, shape (groups, groups)."""
    groups = list(confusion)

    def array(matrix: Matrix) -> NDArray[np.float64]:
        rows = np.asarray([[matrix[true].get(assigned, 0.0) for assigned in groups] for true in groups])
        return np.asarray(rows / rows.sum(axis=1, keepdims=True), dtype=np.float64)

    return groups, array(confusion), None if confusion_wrong is None else array(confusion_wrong)
