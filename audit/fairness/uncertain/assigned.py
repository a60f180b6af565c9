"""Who was put into which group, and what is known of the errors: a matrix of the plan, or a second annotator."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ....core.attribute_spec import AttributeSpec
from ....core.errors import AuditError, Problems
from ....core.label_errors import arrays_of, check_groups, second_column
from ....core.manifest import OUTSIDE
from ....core.probes import Note, Output, ProbeContext
from ....core.results import Finding
from ....core.statistics.groups import MISSING, build_groups
from ....core.statistics.misclassified import LabelErrors
from ....core.statistics.sums import Integers
from ....core.statistics.two_annotators import TwoAnnotators, two_annotators

NO_GROUP = (MISSING, OUTSIDE)


@dataclass(frozen=True, eq=False)
class Assigned:
    """An attribute whose errors are known.

    Attributes:
        name: of the attribute.
        spec: what the plan says of it.
        groups: names of the groups.
        first: group of each face, shape (faces,), -1 where it has none.
        second: the second annotator's group of each face; ``None`` without one.
        errors: how groups are assigned.
        agreement: how two annotators agree; ``None`` for a matrix of the plan.
    """

    name: str
    spec: AttributeSpec
    groups: tuple[str, ...]
    first: Integers
    second: Integers | None
    errors: LabelErrors
    agreement: TwoAnnotators | None = None

    @property
    def source(self) -> str:
        """Where the errors are known from, in words."""
        if self.agreement is not None:
            return "the agreement of two annotators"
        checked = f", {self.spec.confusion_n:,} faces checked per group" if self.spec.confusion_n is not None else ""
        both = "two matrices, of faces the model gets right and wrong" if self.errors.dependent else "a matrix"
        return f"{both} of the {self.spec.assigned_by}'s errors{checked}"


def assigned_attribute(context: ProbeContext, name: str, spec: AttributeSpec) -> Assigned:
    """Read the groups of an attribute with a matrix or a second annotator.

    Raises:
        AuditError: when faces are in a group that the matrix does not know.
    """
    frame, random = context.faces.frame, context.random("errors", name)
    present = _present(frame[name])
    if spec.confusion is not None:
        problems = Problems(f"the attribute {name!r}")
        check_groups(name, spec, present, NO_GROUP, problems)
        problems.raise_as(AuditError)
        groups, right, wrong = arrays_of(spec.confusion, spec.confusion_wrong)
        errors = LabelErrors.known(right, wrong, checked=spec.confusion_n, random=random)
        return Assigned(name, spec, tuple(groups), _codes(frame[name], groups), None, errors)
    other = frame[second_column(name)]
    groups = list(dict.fromkeys([*present, *_present(other)]))
    first, second = _codes(frame[name], groups), _codes(other, groups)
    both = (first >= 0) & (second >= 0)
    if not both.any():
        raise AuditError(f"no face has a group of {name} by both annotators ({spec.column or name} and {spec.second})")
    agreement = two_annotators(first[both], second[both], context.faces.subject_codes[both], len(groups), random)
    return Assigned(name, spec, tuple(groups), first, second, agreement.errors, agreement)


def _present(column: pd.Series) -> list[str]:
    """Return the groups of a column in their order, without what stands for none."""
    groups = build_groups(pd.DataFrame({"group": column}), ["group"])
    return [value["group"] for value in groups.values if value["group"] not in NO_GROUP]


def _codes(column: pd.Series, groups: list[str]) -> Integers:
    place = {name: code for code, name in enumerate(groups)}
    return np.asarray(column.astype(str).map(place).fillna(-1), dtype=np.int64)


def unproven(context: ProbeContext, attributes: Mapping[str, AttributeSpec]) -> Iterator[Finding]:
    """Yield one finding on the attributes that somebody else assigned with errors nobody knows."""
    others = {
        name: spec
        for name, spec in attributes.items()
        if spec.assigned_by != "self-reported" and spec.confusion is None and spec.second is None
    }
    if not others:
        return
    by = "; ".join(f"{name} ({_who(spec)})" for name, spec in others.items())
    yield context.finding(
        "errors_unknown",
        "note",
        f"Nothing says how often people were put into a wrong group of {by}. If such errors have nothing to do with "
        "whether the model is right, groups as assigned differ less than the true ones: a gap that is shown stays "
        "shown, but a gap that is not shown, or a pass, says less than it seems. If the errors fall on the faces the "
        "model fails on, neither holds.",
        caveats=[
            "A matrix of the errors (confusion, with confusion_n) or a second annotator (second) in the plan lets "
            "them be undone."
        ],
    )


def _who(spec: AttributeSpec) -> str:
    return {"annotator": "by an annotator", "model": "by a model", "derived": "derived"}[spec.assigned_by]


def nothing_to_do(attributes: Mapping[str, AttributeSpec]) -> str:
    """Say why no attribute is corrected."""
    if not attributes:
        return "Nothing was measured: the plan names no attributes of the faces."
    told = [f"{name} is {spec.assigned_by}" for name, spec in attributes.items()]
    return (
        f"Nothing was measured: no attribute has a matrix of its errors or a second annotator ({', '.join(told)}). "
        "Give confusion or second in data.attributes to correct gaps for errors in the groups."
    )


def remarks(context: ProbeContext, known: list[Assigned]) -> Iterator[Output]:
    """Yield what the reader has to know of each attribute's errors."""
    for assigned in known:
        none = int((assigned.first < 0).sum())
        if none:
            yield Note(
                f"{none:,} of {len(assigned.first):,} faces have no group of {assigned.name} and are left out: the "
                "errors of leaving a group out are not known."
            )
        agreement = assigned.agreement
        if agreement is None:
            continue
        yield Note(
            f"Errors in {assigned.name} are worked out from two annotators (kappa {agreement.kappa:.2f}, standard "
            f"error {agreement.kappa_error:.2f}) under assumptions that their answers cannot prove: both are equally "
            "good, their mistakes are independent, and who is mistaken picks a group as often as it is assigned at "
            "all. Mistakes that both make do not show."
        )
        if len(agreement.shares_differ):
            which = ", ".join(assigned.groups[place] for place in agreement.shares_differ)
            yield context.finding(
                f"annotators_differ.{assigned.name}",
                "note",
                f"The two annotators of {assigned.name} give different shares to {which}: they are not equally good, "
                "as the correction assumes. Compare the gaps by each of them.",
            )
    combined = [
        " & ".join(names) for names in context.faces.intersections if {assigned.name for assigned in known} & set(names)
    ]
    if combined:
        yield Note(f"Intersections are not corrected: {', '.join(combined)}.")
