"""The probe ``reweighted_gaps``: how far do groups differ at the same mix of labels and controls?"""

from __future__ import annotations

from collections.abc import Iterator

from ....core.probes import Note, Output, ProbeContext, TableOutput, probe
from ....core.statistics.correlated_gaps import told_as_drawn
from ....core.statistics.gap_findings import gap_findings
from .outputs import OBSERVED, REWEIGHTED, answered, mix_findings, table_of, value_measurements
from .params import ReweightedGapsParams
from .questions import cells_of, controls_of, questions_of


@probe(
    "reweighted_gaps",
    version=1,
    title="Gaps at the same mix of labels and controls",
    pillar="fairness",
    params=ReweightedGapsParams,
    needs={"labels"},
    shows="Accuracy, FPR and precision of each group as observed, and as they would be if every group had the same mix "
    "of labels and of control attributes; which part of the largest gap that takes away, and which gap is left.",
    hides="Differences in what is not held equal: how strong the expressions are, how hard the pictures. On faces that "
    "a group does not have nothing is told: they are left out of the comparison, never filled in. That a gap goes "
    "away says where it comes from, not that no one is worse off.",
    citation="Holt and Smith 1979, JRSS A 142:33; Zou 2007, Psychological Methods 12:399",
)
def reweighted_gaps(context: ProbeContext, params: ReweightedGapsParams) -> Iterator[Output]:
    """Gaps as observed and with labels and controls brought to one mix, with what goes away."""
    controls = controls_of(context, params)
    groupings = [one for one in context.faces.groupings if len(one) > 1 and not set(one.attributes) & set(controls)]
    if not groupings:
        yield Note("Nothing was reweighted: the plan names no attribute with two groups beside the controls.")
        return
    faces = cells_of(context, controls)
    questions = [
        question for groups in groupings for question in questions_of(context, params, faces, groups, bool(controls))
    ]
    held = " and ".join(["the label", *controls])
    yield Note(
        f"Held equal: {held}. The common mix is that of all faces of the groups compared, in cells of which each group "
        f"has at least {params.cell_people} people."
    )
    for groups in groupings:
        support = next((one.support for one in questions if one.groups is groups and one.label is None), None)
        if support is not None and not support.reason and support.kept < 1:
            yield Note(f"By {groups.name}, {support.kept:.1%} of the faces lie in cells that all groups have.")
    for one in questions:
        yield from value_measurements(context, one)
    yield TableOutput("gaps", table_of(questions), "Largest gaps as observed, and what of them goes away")
    for question in answered(context, questions, OBSERVED):
        yield told_as_drawn(question.measurements())[0]
    left = answered(context, questions, REWEIGHTED)
    for question in left:
        yield from told_as_drawn(question.measurements())
    yield from gap_findings(left, drawn=True, gravest="low")
    yield from mix_findings(context, questions)
