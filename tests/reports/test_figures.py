"""Figures: every drawing is a valid plotly figure, says its numbers in a table, and holds no markup from data."""

from __future__ import annotations

import base64
from pathlib import Path

import numpy as np
import pytest

from countenance.cards.tree import MeasurementRef
from countenance.core.results import Estimate, Measurement, ProbeResult
from countenance.reports.drawing import figures_of, folded_figures_of
from countenance.reports.figures.confusion import confusion_figure
from countenance.reports.figures.forest import MOST_ROWS, MOST_SILENT, ForestRow, forest
from countenance.reports.figures.groups import group_figures
from countenance.reports.figures.heatmaps import heatmap_figures
from countenance.reports.figures.panel import FigureGroup
from countenance.reports.figures.theme import DARK, INK, MUTED, SERIES, SURFACE, Drawing, plain
from countenance.reports.run_files import RunFiles


@pytest.fixture(scope="module")
def run(run_folder: Path) -> RunFiles:
    return RunFiles.read(run_folder)


def of(run: RunFiles, probe_id: str) -> dict[str, FigureGroup]:
    probe = run.results.probe(probe_id)
    assert probe is not None
    return {group.title: group for group in figures_of(run, probe)}


def quoted(group: FigureGroup) -> set[str]:
    rows = (row for panel in group.panels for row in panel.table.rows)
    return {cell.key for row in rows for cell in row if isinstance(cell, MeasurementRef)}


def test_every_drawing_is_a_plotly_figure(run: RunFiles) -> None:
    count = 0
    for probe in run.results.probes:
        for group in figures_of(run, probe):
            assert group.panels
            for panel in group.panels:
                assert panel.drawing.figure().data  # plotly checks every property
                assert panel.alt
                assert panel.table.rows
                count += 1
    assert count > 50


def test_which_figures_a_probe_gets_depends_on_what_it_measured(run: RunFiles) -> None:
    assert set(of(run, "performance")) == {"By class", "Confusion matrix"}
    assert set(of(run, "group_metrics")) == {"By group", "By combination of groups"}
    assert set(of(run, "global_heatmaps")) == {
        "Mean heatmaps on the canonical face",
        "Beside what chance gives",
        "By group",
        "By combination of groups",
    }
    assert set(of(run, "pgd")) == {"Against the size of the perturbation"}
    attacked = run.results.probe("pgd")
    assert attacked is not None
    assert [group.title for group in folded_figures_of(run, attacked)] == ["By group", "By combination of groups"]
    assert of(run, "mirror") == {}


def test_a_forest_plot_draws_value_interval_and_n(run: RunFiles) -> None:
    group = of(run, "group_metrics")["By group"]
    panel = next(panel for panel in group.panels if panel.name == "recall of happy")
    data = panel.drawing.as_json()
    women = run.results["group_metrics/recall[gender=female,label=happy]"].estimate
    points = data["data"][0]
    place = points["x"].index(women.value)
    assert points["x"][place] + points["error_x"]["array"][place] == pytest.approx(women.high)
    assert points["x"][place] - points["error_x"]["arrayminus"][place] == pytest.approx(women.low)
    sizes = next(trace for trace in data["data"] if trace["mode"] == "text")
    assert sizes["text"][place] == f" {women.n}"
    whole = run.results["performance/recall[label=happy]"].estimate.value
    assert data["layout"]["shapes"][0]["x0"] == whole  # the line of all faces
    reasons = next(trace for trace in data["data"] if trace["mode"] == "markers+text")
    assert " n_eff 13 of 35 needed: about 22 more people" in reasons["text"]
    assert any(text.startswith(" held back: fewer than 5 people") for text in reasons["text"])
    assert reasons["marker"]["color"] == "rgba(0,0,0,0)"  # hollow


def test_intersections_are_one_figure_with_families(run: RunFiles) -> None:
    group = of(run, "group_metrics")["By combination of groups"]
    assert [family for family, _ in group.families] == ["ethnicity × gender"]
    assert [position for _, members in group.families for position, _ in members] == list(range(len(group.panels)))


def test_curves_show_attack_and_control_over_all_faces_and_groups(run: RunFiles) -> None:
    group = of(run, "pgd")["Against the size of the perturbation"]
    assert [panel.name for panel in group.panels][:2] == ["all faces", "by gender"]
    lines = [trace for trace in group.panels[0].drawing.as_json()["data"] if trace["mode"] == "lines+markers"]
    assert [line["name"] for line in lines] == ["PGD", "noise of the same size"]
    assert lines[0]["x"] == [0.0, 1.0, 2.0, 3.0, 4.0]  # equal steps for equal ratios, 0 apart
    axis = group.panels[0].drawing.as_json()["layout"]["xaxis"]
    assert axis["ticktext"] == ["0", "1/255", "2/255", "4/255", "8/255"]
    assert "logarithmic, 0 stands apart" in axis["title"]["text"]
    assert lines[0]["y"][0] == run.results["pgd/accuracy@attack=none,eps=0"].estimate.value
    assert lines[0]["y"][-1] == run.results["pgd/accuracy@attack=pgd,eps=8/255"].estimate.value
    assert group.panels[0].drawing.as_json()["data"][0]["fill"] == "toself"  # the band
    by_gender = [t["name"] for t in group.panels[1].drawing.as_json()["data"] if t["mode"] == "lines+markers"]
    assert by_gender == ["female", "male"]


def test_nulls_stand_in_the_same_drawing(run: RunFiles) -> None:
    group = of(run, "global_heatmaps")["Beside what chance gives"]
    names = [trace["name"] for trace in group.panels[0].drawing.as_json()["data"] if trace["mode"] == "markers"]
    assert names == ["IoU", "IoU of all-ones", "IoU of random maps", "IoU with other masks"]
    assert "global_heatmaps/iou.null_ones[label=happy]" in quoted(group)


def test_heatmaps_carry_the_mask_and_say_iou_beside_its_nulls(run: RunFiles) -> None:
    group = of(run, "global_heatmaps")["Mean heatmaps on the canonical face"]
    assert group.layout == "grid"
    panel = group.panels[0]
    heat, face, halo, mask = panel.drawing.as_json()["data"]
    assert (heat["z"]["dtype"], heat["z"]["shape"]) == ("u1", "275, 224")
    assert len(mask["x"]) == len(halo["x"]) == 41  # the outline and a gap
    assert len(face["x"]) == 4 * 41
    assert "IoU 0.310 [0.270, 0.360], n = 100. Beside it: IoU of all-ones 0.258" in panel.caption
    other = group.panels[1]
    assert other.name == "sad"
    assert "not measured" in other.caption


def test_a_heatmap_is_not_said_to_have_the_overlap_of_another_methods_map(run: RunFiles) -> None:
    """Measurements of further methods may come first: methods of one family are explained together."""
    probe = run.results.probe("global_heatmaps")
    assert probe is not None
    further = Measurement.of(
        "global_heatmaps",
        "iou",
        Estimate(value=0.9, low=0.8, high=0.95, level=0.95, method="x", n=7),
        slice={"label": "happy"},
        condition={"method": "layercam"},
    )
    both = probe.model_copy(update={"measurements": [further, *probe.measurements]})
    (group,) = heatmap_figures(both, {"happy.heatmap": np.eye(4)}, {})
    assert "IoU 0.310 [0.270, 0.360], n = 100. Beside it: IoU of all-ones 0.258" in group.panels[0].caption
    assert "global_heatmaps/iou[label=happy]" in quoted(group)


def test_a_heatmap_of_floats_is_scaled_by_its_largest_value(run: RunFiles) -> None:
    probe = run.results.probe("global_heatmaps")
    assert probe is not None
    (group,) = heatmap_figures(probe, {"x.heatmap": np.array([[0.0, 0.25], [0.5, 0.125]])}, {})
    z = group.panels[0].drawing.as_json()["data"][0]["z"]
    assert list(base64.b64decode(z["bdata"])) == [0, 128, 255, 64]
    assert (z["dtype"], z["shape"]) == ("u1", "2, 2")
    assert "No mask" in group.panels[0].caption
    assert list(heatmap_figures(probe, {"x.mean": np.zeros((2, 2))}, {})) == []


def test_confusion_counts_faces_and_colours_shares() -> None:
    group = confusion_figure(["a", "b", "c"], ["a", "b", "c"], [[3, 1, 0], [0, 0, 0], [1, 1, 2]])
    trace = group.panels[0].drawing.as_json()["data"][0]
    assert trace["text"] == [["3", "1", "0"], ["1", "1", "2"]]
    assert trace["z"] == [[0.75, 0.25, 0.0], [0.25, 0.25, 0.5]]
    assert "No face has the label b." in group.caption
    assert len(group.panels[0].table.rows) == 3


def row(name: str, value: float | None, block: str = "g") -> ForestRow:
    estimate = Estimate.not_measured("1 person; 10 are needed") if value is None else Estimate(value=value)
    return ForestRow(name, block, (Measurement.of("p", "m", estimate, slice={block: name}),))


def test_many_unmeasured_rows_are_folded_and_stay_in_the_table() -> None:
    rows = [row(f"small {n}", None) for n in range(20)] + [row("large", 0.5)]
    panel = forest("m", rows, ("m",), "alt")
    ticks = panel.drawing.layout["yaxis"]["ticktext"]
    assert ticks[0] == "large"
    assert len(ticks) == 1 + MOST_SILENT
    assert f"Not drawn: {20 - MOST_SILENT} rows" in panel.caption
    assert len(panel.table.rows) == 21


def test_a_very_long_forest_is_cut() -> None:
    panel = forest("m", [row(str(n), n / 400) for n in range(400)], ("m",), "alt")
    assert len(panel.drawing.layout["yaxis"]["tickvals"]) == MOST_ROWS
    assert panel.drawing.height < 3000


@pytest.mark.parametrize("values", [[-3.0, 4.0], [0.0], [1e6, 2e6], [None], [0.999, 1.0]])
def test_axes_hold_every_value(values: list[float | None]) -> None:
    panel = forest("m", [row(str(n), value) for n, value in enumerate(values)], ("m",), "alt")
    low, high = panel.drawing.layout["xaxis"]["range"]
    assert low < high
    assert all(low < value < high for value in values if value is not None)


def test_text_for_plotly_is_inert() -> None:
    assert plain("<a href='javascript:x'>&lt;b</a>") == "&lt;a href='javascript:x'&gt;&amp;lt;b&lt;/a&gt;"
    assert plain("a\nb\x00c\u202ed") == "a b c d"
    assert "$" not in plain("$x$")
    assert plain("x" * 99, 10) == "x" * 9 + "…"


def luminance(colour: str) -> float:
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("colour", [INK, MUTED, *SERIES])
def test_colours_stand_out_on_light_and_dark(colour: str) -> None:
    for shown, background in ((colour, SURFACE), (DARK[colour], DARK[SURFACE])):
        first, second = sorted((luminance(shown), luminance(background)))
        assert (second + 0.05) / (first + 0.05) >= 4.5


def test_layouts_merge_without_touching_each_other() -> None:
    first, second = Drawing(100), Drawing(100, xaxis={"title": {"text": "x"}})
    first.update(margin={"l": 99})
    assert second.layout["margin"]["l"] == 8
    assert second.layout["xaxis"]["title"]["standoff"] == 8


def test_the_line_over_all_faces_is_found_by_the_name_of_the_probe(run: RunFiles) -> None:
    """A plan may give the probe ``performance`` any id."""
    by_groups = run.results.probe("group_metrics")
    assert by_groups is not None

    def lines(probes: list[ProbeResult]) -> int:
        results = run.results.model_copy(update={"probes": probes})
        panels = [panel for group in group_figures(by_groups, results) for panel in group.panels]
        return sum(len(panel.drawing.layout.get("shapes", ())) for panel in panels)

    named = [
        probe.model_copy(update={"id": "mine"}) if probe.id == "performance" else probe for probe in run.results.probes
    ]
    without = [probe for probe in run.results.probes if probe.id != "performance"]
    assert lines(named) == lines(list(run.results.probes)) > lines(without)
