"""Figures of groups: gaps beside chance, groups and labels, calibration, worst slices."""

from __future__ import annotations

import numpy as np
import pytest

from countenance.core.probes import Scores
from countenance.core.results import Measurement, ProbeResult
from countenance.core.statistics.groups import plan_groups
from countenance.core.statistics.rules import StatisticsRules
from countenance.core.statistics.slicing import Slicer
from countenance.reports.figures.calibration import COLUMNS, calibration_figures
from countenance.reports.figures.gap_forest import MOST_ROWS, gap_figures
from countenance.reports.figures.group_labels import group_label_figures
from countenance.reports.figures.theme import BLUE, GREEN, GRID, ROSE
from countenance.reports.figures.worst_slices import slice_figures

PEOPLE = 600


def measured(label: str, lower: float, direction: str = "higher") -> list[Measurement]:
    rng = np.random.default_rng(3)
    tone = rng.choice(["dark", "light", "<b>medium</b>"], PEOPLE)
    groups = plan_groups({"tone": tone}, ["tone"])
    values = (rng.random(PEOPLE) < 0.85 - lower * (tone == "dark")).astype(float)
    scores = Scores(
        "recall", np.arange(PEOPLE), values, kind="rate", bounds=(0, 1), direction=direction,  # type: ignore[arg-type]
        slice={"label": label}, gaps=True, tolerance=0.05,
    )  # fmt: skip
    questions = Slicer(np.arange(PEOPLE), groups, StatisticsRules(), 0, 199).gaps(scores, "p")
    return [item for question in questions for item in question.measurements()]


def probe(items: list[Measurement], **params: object) -> ProbeResult:
    return ProbeResult(id="p", probe="group_metrics", version=1, status="ok", measurements=items, params=params)


def test_gaps_are_coloured_by_verdict_beside_what_chance_gives():
    (figure,) = gap_figures(probe([*measured("happy", 0.4), *measured("sad", 0.0)], tolerance=0.05))
    worst, largest = figure.panels
    assert (worst.name, largest.name) == ("Worst group against all others", "Largest gap between two groups")
    chance, *points = worst.drawing.data
    assert chance["line"]["color"] == GRID
    assert chance["x"][2] is None
    assert len(chance["x"]) == 6
    assert [trace["marker"]["color"] for trace in points] == [ROSE, BLUE]
    assert points[0]["hovertext"][0].startswith("recall of happy by tone<br>dark 0.")
    assert worst.drawing.layout["yaxis"]["ticktext"] == ["recall of happy by tone", "recall of sad by tone"]
    assert worst.drawing.layout["shapes"][0]["x0"] == 0.05
    assert worst.table.rows[0][-1].startswith("above 0.05: it is at least")
    worst.drawing.figure()


def test_a_gap_below_the_tolerance_is_green():
    (figure,) = gap_figures(probe(measured("happy", 0.0), tolerance=0.5))
    assert [trace["marker"]["color"] for trace in figure.panels[0].drawing.data[1:]] == [GREEN]


def test_without_a_tolerance_no_verdict_is_drawn():
    (figure,) = gap_figures(probe(measured("happy", 0.4, "none")))
    (panel,) = figure.panels
    assert panel.name == "Largest gap between two groups"
    assert "shapes" not in panel.drawing.layout
    assert [row[-1] for row in panel.table.rows] == ["–"]


def test_many_gaps_are_drawn_in_part_and_all_stand_in_the_table():
    items = [item for place in range(MOST_ROWS + 3) for item in measured(f"class {place}", 0.0)]
    panel = next(gap_figures(probe(items))).panels[0]
    assert len(panel.drawing.layout["yaxis"]["ticktext"]) == MOST_ROWS
    assert len(panel.table.rows) == MOST_ROWS + 3
    assert f"the gravest {MOST_ROWS} of {MOST_ROWS + 3}" in panel.caption


def test_no_gap_no_figure():
    assert list(gap_figures(probe([]))) == []


MATRIX = [
    ["attributes", "group", "label", "faces", "people", "share_of_group", "share_of_all", "excess", "p_adjusted"],
    ["tone", "<i>dark</i>", "happy", "30", "20", "0.30", "0.25", "0.08", "0.01"],
    ["tone", "<i>dark</i>", "sad", "70", "40", "0.70", "0.75", "-0.08", "0.2"],
    ["tone", "light", "happy", "20", "11", "0.20", "0.25", "-0.08", ""],
    ["gender&tone", "female, light", "sad", "5", "5", "1.0", "0.75", "", ""],
]


def test_groups_and_labels_show_counts_and_mark_what_is_more_than_chance():
    (figure,) = group_label_figures(MATRIX)
    tone, both = figure.panels
    assert (tone.name, both.name) == ("tone", "gender × tone")
    (heat,) = tone.drawing.data
    assert heat["text"] == [["30 *", "70"], ["20", "0"]]
    assert heat["z"] == [[0.08, -0.08], [-0.08, None]]
    assert heat["zmin"] == -heat["zmax"]
    assert tone.drawing.layout["yaxis"]["ticktext"][0] == "&lt;i&gt;dark&lt;/i&gt;"
    assert tone.table.rows[0] == ("<i>dark</i>", "happy", "30", "20", "30.0 %", "25.0 %", "0.01")
    for panel in figure.panels:
        panel.drawing.figure()


SLICES = [
    [
        "slice", "label", "faces", "people", "error_rate", "error_rate_low", "error_rate_high", "error_rate_others",
        "error_excess", "error_excess_low", "error_excess_high", "p_adjusted", "share_of_faces", "share_of_errors",
    ],
    ["tone: dark", "happy", "140", "71", "0.42", "0.34", "0.51", "0.17", "0.2", "0.1", "0.3", "0.005", "0.05", "0.12"],
    ["age: 50 to 90", "", "200", "90", "0.2", "0.15", "0.26", "0.19", "0.01", "-0.05", "0.07", "0.8", "0.1", "0.11"],
    ["hair: grey", "", "90", "60", "0.14", "0.1", "0.2", "0.19", "0.1", "-0.01", "0.2", "0.04", "0.1", "0.1"],
    ["too small", "", "", "", "", "", "", "", "", "", "", "", "", ""],
]  # fmt: skip


def test_worst_slices_stand_beside_all_others_and_unmeasured_ones_in_the_table():
    (figure,) = slice_figures(SLICES)
    (panel,) = figure.panels
    beyond, others, rest = panel.drawing.data
    assert (beyond["marker"]["color"], beyond["x"]) == (ROSE, [0.42])
    assert (others["marker"]["color"], others["x"]) == (BLUE, [0.2, 0.14])
    assert rest["x"] == [0.17, 0.19, 0.19]
    names = ["tone: dark (labelled happy)", "age: 50 to 90", "hair: grey", "too small"]
    assert [row[0] for row in panel.table.rows] == names
    assert panel.table.rows[0][6] == "20.0 % (10.0 % to 30.0 %)"
    assert panel.table.rows[3][3:] == ("–", "– to –", "–", "–", "–", "–", "–")
    panel.drawing.figure()


def test_calibration_draws_a_line_for_each_of_the_largest_groups():
    body = [
        ["tone", f"group {place}", "0.5", "0.7", "0.6", "0.5", "0.4", "0.6", str(100 + place), "50"]
        for place in range(8)
    ]
    (figure,) = calibration_figures([list(COLUMNS), *body])
    (panel,) = figure.panels
    assert [trace["name"] for trace in panel.drawing.data[1:]] == [f"group {place}" for place in range(2, 8)]
    assert "largest 6 of 8 groups" in panel.caption
    assert len(panel.table.rows) == 8
    panel.drawing.figure()


@pytest.mark.parametrize("draw", [group_label_figures, slice_figures, calibration_figures])
def test_tables_of_other_columns_or_without_rows_are_left_alone(draw):
    assert list(draw([["something", "else"], ["1", "2"]])) == []
    names = {group_label_figures: MATRIX[0], slice_figures: SLICES[0], calibration_figures: list(COLUMNS)}[draw]
    assert list(draw([names])) == []
