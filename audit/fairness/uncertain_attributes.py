"""The probe ``uncertain_attributes``: gaps between groups once errors in who is in which group are undone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from pydantic import Field

from ...core.probes import Note, Output, ProbeContext, ProbeParams, TableOutput, probe
from .uncertain.assigned import assigned_attribute, nothing_to_do, remarks, unproven
from .uncertain.results import agreement_table, findings_of, measurements_of, table_of
from .uncertain.scores import answered, rates_of, score_of

Metric = Literal["accuracy", "recall"]


class UncertainAttributesParams(ProbeParams):
    """Which rates to correct, of which classes."""

    metrics: tuple[Metric, ...] = Field(
        default=("accuracy", "recall"), min_length=1, description="rates to correct for errors in the groups"
    )
    labels: tuple[str, ...] | None = Field(
        default=None, min_length=1, description="classes whose recall is corrected; all unless given"
    )
    tolerance: float = Field(default=0.05, ge=0, lt=1, description="largest gap that is accepted")


@probe(
    "uncertain_attributes",
    version=1,
    title="Gaps with uncertain attributes",
    pillar="fairness",
    params=UncertainAttributesParams,
    needs={"labels"},
    shows="For attributes that somebody else assigned, and whose errors are known from a matrix or from a second "
    "annotator: rates and gaps of the true groups beside those of the groups as assigned, with intervals that know of "
    "the errors, and limits that hold however the errors depend on whether the model is right.",
    hides="Errors of attributes nobody checked. Whether a matrix holds for these faces and in every class: it is taken "
    "to. Intersections are not corrected. Two annotators who make the same mistakes look like two who make none.",
    citation="Barron 1977, Biometrics 33:414; Horowitz and Manski 1995, Econometrica 63:281; "
    "Zou 2007, Psychological Methods 12:399",
)
def uncertain_attributes(context: ProbeContext, params: UncertainAttributesParams) -> Iterator[Output]:
    """Rates and gaps of the true groups where groups were assigned with known errors."""
    attributes = {name: spec for name, spec in context.faces.attributes.items() if spec.role == "group"}
    rates = list(rates_of(context, params.metrics, params.labels))
    known = [
        assigned_attribute(context, name, spec)
        for name, spec in attributes.items()
        if spec.confusion is not None or spec.second is not None
    ]
    yield from unproven(context, attributes)
    if not known:
        yield Note(nothing_to_do(attributes))
        return
    yield from remarks(context, known)
    scores = [score_of(context, assigned, rate) for assigned in known for rate in rates]
    scores = answered(context, scores, params.tolerance)
    for score in scores:
        yield from measurements_of(context, score)
    yield TableOutput("groups", table_of(scores), "Rates of groups as assigned, and with label errors undone")
    if any(assigned.agreement is not None for assigned in known):
        yield TableOutput("agreement", agreement_table(scores), "Faces by the groups of both annotators")
    yield from findings_of(context, scores, params.tolerance)
