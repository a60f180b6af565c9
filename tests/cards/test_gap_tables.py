"""Tables of gaps: what they quote, how verdicts are worded, what a placebo row shows, and what was not measured."""

from __future__ import annotations

import numpy as np
import pytest

from countenance.cards.gaps import GAP, WORST, gap_blocks, questions_of
from countenance.cards.tree import BulletList, MeasurementRef, TableBlock
from countenance.cards.wording import number
from countenance.core.keys import format_key
from countenance.core.probes import Scores
from countenance.core.results import Estimate, Measurement, ProbeResult
from countenance.core.statistics.groups import plan_groups
from countenance.core.statistics.rules import StatisticsRules
from countenance.core.statistics.slicing import Slicer

PEOPLE = 400


def measured(lower: float = 0.0, direction: str = "higher", **more: object) -> list[Measurement]:
    rng = np.random.default_rng(3)
    tone = rng.choice(["dark", "light", "medium"], PEOPLE)
    camera = np.where(np.arange(PEOPLE) < 4, "rare", "usual")
    groups = plan_groups({"tone": tone, "camera": camera}, ["tone", "camera"])
    values = (rng.random(PEOPLE) < 0.85 - lower * (tone == "dark")).astype(float)
    scores = Scores(
        "recall", np.arange(PEOPLE), values, kind="rate", bounds=(0, 1), direction=direction,  # type: ignore[arg-type]
        slice={"label": "happy"}, gaps=True, **more,
    )  # fmt: skip
    slicer = Slicer(np.arange(PEOPLE), groups, StatisticsRules(), 0, 199)
    return [item for question in slicer.gaps(scores, "by_group") for item in question.measurements()]


def probe(items: list[Measurement], **params: object) -> ProbeResult:
    return ProbeResult(
        id="by_group", probe="group_metrics", version=1, status="ok", measurements=items, params=params
    )  # fmt: skip


def tables(found: ProbeResult, intersectional: bool | None = None) -> dict[str, TableBlock]:
    blocks = [block for block in gap_blocks(found, intersectional) if isinstance(block, TableBlock)]
    return {block.caption: block for block in blocks}


def test_each_gap_stands_with_its_groups_its_null_its_p_value_and_its_verdict():
    found = tables(probe(measured(0.4, tolerance=0.05), tolerance=0.05))
    worst = found["The group that does worst against all others, tolerance 0.05"]
    assert worst.columns == ("difference in", "worst group", "behind by", "by chance", "adjusted p", "verdict")
    (row,) = worst.rows
    assert row[:2] == ("recall of happy, by tone", "dark")
    quoted = [cell.key for cell in row if isinstance(cell, MeasurementRef)]
    assert quoted == [
        f"by_group/recall.worst_vs_rest{end}[attribute=tone,label=happy]"
        for end in ("", ".null_permuted", ".p_adjusted")
    ]
    assert str(row[-1]).startswith("fail: at least 0.")
    largest = found["Largest gap between two groups, tolerance 0.05"]
    assert str(largest.rows[0][1]).startswith("dark below ")


def test_an_even_score_is_told_with_what_would_have_been_shown():
    (row,) = tables(probe(measured(tolerance=0.05), tolerance=0.05))[
        "The group that does worst against all others, tolerance 0.05"
    ].rows
    told = str(row[-1])
    assert told.startswith("inconclusive: at most 0.")
    assert told.endswith(" would have been shown")
    (one,) = [
        one for one in questions_of(probe(measured(tolerance=0.05), tolerance=0.05), WORST) if one.told[:3] != "not"
    ]
    assert one.told.startswith("no gap above 0.05 could be shown; 0.")
    assert "would have been; it may be as large as 0." in one.told


def test_without_a_tolerance_there_is_no_verdict():
    found = tables(probe(measured(0.4)))
    assert found["Largest gap between two groups"].columns[-1] == "adjusted p"


def test_a_score_without_a_better_side_has_no_worst_group():
    assert [one.score for one in questions_of(probe(measured(direction="none")), GAP)] == ["recall of happy"] * 2
    assert questions_of(probe(measured(direction="none")), WORST) == []


def test_the_placebo_stands_beside_the_real_gap():
    found = tables(probe(measured(0.4)))["Placebo"]
    (row,) = found.rows
    assert row[0] == "recall of happy, by tone"
    real, placebo, p = row[1:]
    assert isinstance(real, MeasurementRef)
    assert isinstance(placebo, MeasurementRef)
    assert isinstance(p, MeasurementRef)
    assert (placebo.estimate.value or 0) < (real.estimate.value or 0)
    assert p.key == "by_group/recall.gap.placebo.p_adjusted[attribute=tone,label=happy]"


def test_what_was_not_measured_says_why():
    lists = [block for block in gap_blocks(probe(measured())) if isinstance(block, BulletList)]
    (told,) = lists[0].items
    assert told.parts == (
        "No gap by camera of recall of happy: only one of 2 groups, usual, has enough of the faces that have this "
        "score (rare: 4 faces; 10 are needed).",
    )


@pytest.mark.parametrize(("intersectional", "rows"), [(False, 1), (True, 0), (None, 1)])
def test_attributes_and_their_combinations_are_told_apart(intersectional, rows):
    found = tables(probe(measured()), intersectional)
    assert len(found.get("Largest gap between two groups", TableBlock((), ())).rows) == rows


def gap(metric: str, value: float | None, **where: str) -> Measurement:
    where = {"attribute": "tone", **where}
    estimate = Estimate(value=None, reason="one group") if value is None else Estimate(value=value, about="a below a")
    return Measurement(key=format_key("by_group", metric, where), metric=metric, slice=where, estimate=estimate)


def test_groups_that_are_all_alike_are_not_told_apart():
    (row,) = tables(probe([gap("recall.gap", -0.0)]))["Largest gap between two groups"].rows
    assert row[1] == "none: all alike"
    assert number(-0.0) == number(-1e-16) == "0.000"


def test_scores_within_levels_of_a_control_come_last_and_are_counted():
    kept = [gap("recall.gap", 0.3, light="low"), gap("recall.gap", 0.1)]
    first, second = questions_of(probe(kept), GAP)
    assert first.within == (("light", "low"),)
    assert second.within == ()
    assert [row[0] for row in tables(probe(kept))["Largest gap between two groups"].rows] == [
        "recall, by tone",
        "recall (light = low), by tone",
    ]
    gone = [gap("recall.gap", None), *(gap("recall.gap", None, light=level) for level in ("low", "high"))]
    (block,) = gap_blocks(probe(gone))
    assert isinstance(block, BulletList)
    assert block.items[0].parts == ("No gap by tone of recall and of 2 scores within levels of light: one group.",)


def test_a_gap_at_one_mix_stands_beside_the_observed_one():
    items = [gap("recall.observed.gap", 0.3), gap("recall.reweighted.gap", 0.1), gap("recall.explained", 0.2)]
    (table,) = tables(probe(items)).values()
    assert table.columns == (
        "difference in", "between", "as observed", "at one mix", "adjusted p", "part that goes away",
    )  # fmt: skip
    assert table.caption == "Largest gap between two groups, as observed and at one mix of labels and controls"
    (row,) = table.rows
    assert [cell.estimate.value for cell in row if isinstance(cell, MeasurementRef)] == [0.3, 0.1, 0.2]
