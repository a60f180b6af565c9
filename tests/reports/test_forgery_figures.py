"""Figures of forged faces and backdoors: scores, ROC, methods, ladders, maps, triggers, drills and scans."""

from __future__ import annotations

import re
from base64 import b64decode
from io import BytesIO
from math import exp
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from PIL import ExifTags, Image

from countenance.cards.tree import MeasurementRef
from countenance.core.results import Estimate, Measurement, ProbeResult
from countenance.reports.drawing import figures_of
from countenance.reports.figures.cells import count_of, estimate_of, quoted, rows_of, value_of
from countenance.reports.figures.data_scan import flag_figures
from countenance.reports.figures.densities import density_figures
from countenance.reports.figures.forgery_methods import forgery_method_figures
from countenance.reports.figures.ladders import ladder_figures
from countenance.reports.figures.localisation import localisation_figures
from countenance.reports.figures.panel import FigureGroup, Panel
from countenance.reports.figures.poison_drill import drill_figures
from countenance.reports.figures.replayed import replayed_figures
from countenance.reports.figures.roc import roc_figures
from countenance.reports.figures.scan import scan_figures
from countenance.reports.figures.strips import strip_figures
from countenance.reports.figures.trigger_bank import bank_figures
from countenance.reports.figures.triggers import trigger_figures
from countenance.reports.report import render_report
from countenance.reports.run_files import RunFiles
from countenance.reports.summary import summary_lines

PROBE = ProbeResult(id="p", probe="p", version=1, status="ok")
HOSTILE = '<img src=x onerror="broken()">'


@pytest.fixture(scope="module")
def folder(forged_run: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("forged")
    forged_run.make_forged_run(path)
    return path


@pytest.fixture(scope="module")
def run(folder: Path) -> RunFiles:
    return RunFiles.read(folder)


def of(run: RunFiles, probe_id: str) -> dict[str, FigureGroup]:
    probe = run.results.probe(probe_id)
    assert probe is not None
    return {group.title: group for group in figures_of(run, probe)}


def markup(panel: Panel) -> str:
    return str(panel.drawing.markup)  # type: ignore[union-attr]


def traces(panel: Panel) -> list[dict[str, Any]]:
    return list(panel.drawing.data)  # type: ignore[union-attr]


def test_which_figures_there_are(run: RunFiles) -> None:
    assert list(of(run, "forgery_detection")) == [
        "Scores of genuine and of forged faces",
        "ROC curve",
        "Method by method",
        "Against compression and size",
        "Gaps between groups",
        "By group",
        "By combination of groups",
    ]
    assert list(of(run, "forgery_localisation")) == [
        "Where the detector looks, and what was changed",
        "Beside what chance gives",
    ]
    assert list(of(run, "trigger_sensitivity")) == ["Triggers against controls"]
    assert list(of(run, "poison_drill")) == ["Poisoned on purpose"]
    assert list(of(run, "data_scan")) == ["Flags beside false alarms"]
    assert list(of(run, "backdoor_scan")) == ["Beside clean reference nets", "Inverted triggers"]
    assert list(of(run, "known_triggers")) == ["Known triggers, replayed"]


def test_every_drawing_is_a_plotly_figure_or_markup_with_words_and_numbers(run: RunFiles) -> None:
    for probe in run.results.probes:
        for group in figures_of(run, probe):
            for panel in group.panels:
                assert panel.alt
                if not hasattr(panel.drawing, "markup"):
                    assert panel.drawing.figure().data
                if panel is group.panels[0]:
                    assert panel.table.rows


def test_scores_of_genuine_faces_lie_beside_those_of_each_method(run: RunFiles) -> None:
    group = of(run, "forgery_detection")["Scores of genuine and of forged faces"]
    assert [panel.name for panel in group.panels] == ["every method", "faceswap", "morph", "mouth_splice"]
    genuine, *others = traces(group.panels[0])
    assert genuine["name"] == "genuine"
    assert genuine["fill"] == "tozeroy"
    assert [trace["name"] for trace in others] == ["faceswap", "morph", "mouth_splice"]
    assert abs(sum(genuine["y"][:-1]) - 1) < 1e-9
    assert genuine["x"] == pytest.approx(np.linspace(0, 1, 21))
    shapes = group.panels[0].drawing.as_json()["layout"]["shapes"]  # type: ignore[union-attr]
    assert shapes[0]["x0"] == 0.5
    assert group.panels[0].table.columns == ("score", "genuine", "faceswap", "morph", "mouth_splice")
    assert len(group.panels[0].table.rows) == 20


def test_roc_of_all_with_its_band_then_the_methods_side_by_side(run: RunFiles) -> None:
    group = of(run, "forgery_detection")["ROC curve"]
    names = [panel.name for panel in group.panels]
    assert names == ["all methods", "methods side by side", "faceswap", "morph", "mouth_splice"]
    chance, band, curve = traces(group.panels[0])
    assert chance["x"] == chance["y"] == [0, 1]
    assert band["fill"] == "toself"
    assert curve["x"] == sorted(curve["x"])
    assert group.panels[0].caption == "95 % band."
    assert sum(trace.get("fill") == "toself" for trace in traces(group.panels[1])) == 0
    assert group.panels[0].table.rows[-1][1:3] == ("1.000", "1.000")


def test_methods_stand_beside_chance_and_quote_the_measurements(run: RunFiles) -> None:
    (panel,) = of(run, "forgery_detection")["Method by method"].panels
    layout = panel.drawing.as_json()["layout"]  # type: ignore[union-attr]
    assert layout["shapes"][0]["x0"] == 0.5
    assert any(note["text"] == "chance 0.500" for note in layout["annotations"])
    rows = {row[0]: row for row in panel.table.rows}
    assert list(rows) == ["all methods", "faceswap", "morph", "mouth_splice", "rare_swap"]
    quoted_cell = rows["morph"][3]
    assert isinstance(quoted_cell, MeasurementRef)
    assert quoted_cell.key == "forgery_detection/auroc[method=morph]"
    assert rows["rare_swap"][3] == "not measured: 3 people; 10 are needed"
    assert panel.table.columns[:4] == ("method", "faces", "people", "AUROC")
    assert len(panel.table.columns) == 7


def test_forgeries_made_here_stand_beside_chance_too() -> None:
    head = ["forgery", "faces", "people", "auroc", "auroc_low", "auroc_high", "apcer", "reason"]
    lines = [
        ["morph", "102", "102", "0.8", "0.7", "0.9", "0.4", ""],
        ["eyes_splice", "0", "", "", "", "", "", "why not"],
    ]
    (group,) = forgery_method_figures(PROBE, [head, *lines])
    assert group.title == "Forgeries made here, kind by kind"
    (panel,) = group.panels
    assert [row[0] for row in panel.table.rows] == ["morph of two people", "eyes of another photo"]
    assert panel.table.rows[0][3] == "0.800 [0.700, 0.900], n = 102"
    assert panel.table.rows[1][3] == "not measured: why not"


def test_ladders_run_from_faces_as_they_are_down(run: RunFiles) -> None:
    group = of(run, "forgery_detection")["Against compression and size"]
    assert [panel.name for panel in group.panels] == ["by JPEG quality", "by size"]
    panel = group.panels[0]
    ticks = panel.drawing.as_json()["layout"]["xaxis"]["ticktext"]  # type: ignore[union-attr]
    assert ticks == ["as they are", "90", "70", "50", "30"]
    line = next(trace for trace in traces(panel) if trace.get("name") == "all methods")
    assert line["x"] == [0, 1, 2, 3, 4]
    assert line["y"] == sorted(line["y"], reverse=True)
    assert all(isinstance(cell, MeasurementRef) for row in panel.table.rows for cell in row[1:])


def test_a_ladder_needs_more_than_one_step() -> None:
    alone = Measurement.of("p", "auroc", Estimate(value=0.7), condition={"size": "0.5"})
    other = Measurement.of("p", "auroc", Estimate(value=0.7), condition={"attack": "pgd", "eps": "8/255"})
    assert list(ladder_figures(PROBE.model_copy(update={"measurements": [alone, other]}))) == []


def test_maps_lie_beside_masks_and_forgeries_say_that_they_are(run: RunFiles) -> None:
    (panel,) = of(run, "forgery_localisation")["Where the detector looks, and what was changed"].panels
    text = markup(panel)
    assert text.count('class="trio"') == 4
    assert text.count("third synthetic") == 8
    assert text.count("<svg ") == text.count('role="img"') == 12
    assert "IoU 0.200, of everything 0.100" in text
    assert "They are of nobody" in panel.caption
    assert panel.drawing.shows_faces is False  # type: ignore[union-attr]


def localised(**told: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    arrays = {
        "faces": np.zeros((1, 16, 16, 3), np.uint8),
        "maps": np.zeros((1, 16, 16), np.float16),
        "masks": np.ones((1, 16, 16), np.float16),
    }
    return arrays, {"faces": [{"title": HOSTILE, "method": HOSTILE, "iou": None, "ones": 0.2}], **told}


def test_faces_of_the_data_are_shown_only_where_the_plan_permits_it() -> None:
    assert list(localisation_figures(*localised(stand_in=False), False)) == []
    assert list(localisation_figures(*localised(stand_in="yes"), False)) == []
    (group,) = localisation_figures(*localised(stand_in=False), True)
    assert group.panels[0].drawing.shows_faces is True  # type: ignore[union-attr]
    assert "They are of nobody" not in group.panels[0].caption


def test_maps_whose_parts_do_not_fit_are_not_drawn() -> None:
    arrays, told = localised(stand_in=True)
    assert list(localisation_figures({**arrays, "masks": arrays["masks"][:0]}, told, True)) == []
    assert list(localisation_figures({"faces": arrays["faces"]}, told, True)) == []
    assert list(localisation_figures(arrays, {**told, "faces": []}, True)) == []


def test_text_from_data_is_escaped() -> None:
    (group,) = localisation_figures(*localised(stand_in=True), False)
    assert "<img" not in markup(group.panels[0])
    entry = {"class": HOSTILE, "family": HOSTILE, "size": 1.0, "p_adjusted": None, "title": HOSTILE}
    (group,) = trigger_figures({"patterns": np.zeros((1, 8, 8, 3), np.uint8)}, [entry])
    assert markup(group.panels[0]).count("<img") == 1
    assert 'onerror="' not in markup(group.panels[0])
    line = [HOSTILE, HOSTILE, "1", "0", "1", "0.5", "0.5"]
    head = ["class", "family", "size", "reference_mean", "reference_sd", "z", "p_adjusted"]
    (group,) = scan_figures(PROBE, [head, line])
    assert "<img" not in markup(group.panels[0])
    table = [["part", "name", "alpha", "bd_auc", "low", "high", "faces"], ["bank", HOSTILE, "", "0.5", "", "", "5"]]
    (group,) = bank_figures(PROBE, table)
    assert "<img" not in str(group.panels[0].drawing.as_json())  # type: ignore[union-attr]


def test_the_bank_stands_beside_its_controls_with_both_maxima(run: RunFiles) -> None:
    (panel,) = of(run, "trigger_sensitivity")["Triggers against controls"].panels
    layout = panel.drawing.as_json()["layout"]  # type: ignore[union-attr]
    assert [shape["x0"] for shape in layout["shapes"]] == [0.5, 0.9, 0.76]
    assert panel.caption.startswith("Largest of the bank 0.900, largest of the controls 0.760.")
    assert "0.140 [0.097, 0.183], n = 136. Verdict: suspicious." in panel.caption
    parts = [row[1] for row in panel.table.rows]
    assert parts == ["triggers of the bank"] * 4 + ["controls"] * 3 + ["shown beside, not in the margin"]
    assert all(isinstance(row[-1], MeasurementRef) for row in panel.table.rows)


def test_a_drill_is_drawn_by_share_and_by_defence(run: RunFiles) -> None:
    group = of(run, "poison_drill")["Poisoned on purpose"]
    names = [panel.name for panel in group.panels]
    assert names == [
        "by poisoned share",
        "defences at 10 %, stamped before self-blending",
        "defences at 10 %, stamped on genuine copies",
    ]
    lines = {trace["name"]: trace for trace in traces(group.panels[0]) if trace["mode"] == "lines+markers"}
    ways = ("stamped before self-blending", "stamped on genuine copies")
    assert set(lines) == {f"{score}, {way}" for score in ("BD-AUC", "clean AUC") for way in ways}
    assert lines["BD-AUC, stamped on genuine copies"]["y"] == pytest.approx([0.54, 0.62, 0.78, 0.93])
    assert len(group.panels[0].table.rows) == 11
    assert all(isinstance(row[3], MeasurementRef) for row in group.panels[0].table.rows)
    assert [row[2] for row in group.panels[2].table.rows] == ["none", "fine pruning", "fine tuning"]


def test_flags_stand_beside_what_false_alarms_explain(run: RunFiles) -> None:
    (panel,) = of(run, "data_scan")["Flags beside false alarms"].panels
    bars, points = traces(panel)
    assert points["x"] == [31.0, 9.0]
    assert bars["x"][1] == pytest.approx(10.2)
    assert "laplacian: 31 of 204 flagged at a false-alarm rate of 0.050." in panel.alt
    assert panel.caption == "clustering was not measured: the model gives no embedding."
    assert panel.table.rows[0] == ("laplacian", "204", "31", "0.050", "0.670", "–")


def test_a_rate_of_whole_classes_explains_no_number_of_images() -> None:
    head = ["method", "flagged", "faces", "false_alarm_rate"]
    lines = [["laplacian", "3", "100", "0.05"], ["clustering", "20", "100", "0.05"]]
    (group,) = flag_figures(PROBE, [head, *lines])
    bars, _ = traces(group.panels[0])
    assert bars["x"] == [0.0, 5.0, None, 0.0, 0.0, None]
    assert "so it has no bar" in group.panels[0].caption


def test_a_scan_is_tabulated_by_z_and_drawn_beside_the_reference_nets(run: RunFiles) -> None:
    group = of(run, "backdoor_scan")["Beside clean reference nets"]
    assert [panel.name for panel in group.panels][:3] == ["every family", "mask", "off face mask"]
    first = group.panels[0]
    assert markup(first).count("<td") == 35
    assert markup(first).count('class="own above"') == 1
    assert "Framed: adjusted p below 0.05 (sad, off face mask)." in first.caption
    rate = "1 of 12 clean reference nets would be flagged (rate 0.083 [0.002, 0.385])."
    assert rate in first.caption
    assert first.table.rows[0][:2] == ("sad", "off face mask")
    quoted_cell = first.table.rows[0][4]
    assert isinstance(quoted_cell, MeasurementRef)
    assert quoted_cell.key == "backdoor_scan/below_references@family=off_face_mask,towards=sad"
    spread, nets, limits, audited = traces(group.panels[2])
    assert limits["x"][2] < nets["x"][24]
    assert len(nets["x"]) == 12 * 7
    assert audited["marker"]["color"].count("#b3265e") == 1
    low, high = spread["x"][:2]
    assert high / low == pytest.approx(exp(4 * 0.16))
    assert group.panels[2].drawing.as_json()["layout"]["xaxis"]["type"] == "log"  # type: ignore[union-attr]


def test_a_scan_without_reference_nets_shows_sizes_and_says_why() -> None:
    head = ["class", "family", "size", "reference_mean", "reference_sd", "z", "p_adjusted", "reason"]
    lines = [["sad", "mask", "14.2", "", "", "", "", "8 clean reference nets are needed and none was given"]]
    (group,) = scan_figures(PROBE, [head, *lines])
    assert group.title == "Sizes without reference nets"
    (panel,) = group.panels
    assert panel.caption.endswith("8 clean reference nets are needed and none was given.")
    assert ">14.200<" in markup(panel)
    assert "own above" not in markup(panel)


def test_inverted_triggers_are_pictures_the_smallest_p_first(run: RunFiles) -> None:
    (panel,) = of(run, "backdoor_scan")["Inverted triggers"].panels
    text = markup(panel)
    assert text.count("<img ") == 16
    assert text.count("frame other") == 1
    assert re.findall(r'<span class="said">([a-z]+)</span>', text)[0] == "sad"
    assert len(panel.table.rows) == 35
    assert panel.caption == "Shown are the 16 with the smallest p of 35."


def test_known_triggers_stand_beside_random_marks(run: RunFiles) -> None:
    group = of(run, "known_triggers")["Known triggers, replayed"]
    assert [panel.name for panel in group.panels] == ["every trigger", "patch", "blended", "sinusoid", "warp", "pff"]
    first = group.panels[0]
    assert markup(first).count("<td") == 35
    assert markup(first).count("own above") == 1
    assert first.caption.endswith("Framed: adjusted p below 0.05 (patch to sad).")
    found, null = traces(group.panels[1])[:2]
    assert found["x"][0] == 0.97
    assert null["x"][0] == pytest.approx(0.06)
    assert group.panels[1].caption == "A checkered patch."
    assert group.panels[1].table.rows[0][0] == "sad"
    assert isinstance(first.table.rows[2][2], MeasurementRef)


def test_pictures_of_a_strip_that_are_forged_say_so() -> None:
    answers = [{"text": "happy", "changed": False, "possible": True}] * 3
    saved = ({"forgery": "resaved"}, "saved once more")
    titles = [({}, "as it is"), saved, ({"forgery": "morph"}, "morph, made here")]
    told = {
        "title": "", "drawn": True, "rule": "", "size": [48, 64], "grey": False,
        "conditions": [{"values": values, "title": title} for values, title in titles],
        "faces": [{"shows": "a drawn face", "answers": answers}],
    }  # fmt: skip
    (group,) = strip_figures(PROBE, {"pictures": np.zeros((1, 3, 48, 64, 3), np.uint8)}, told, False)
    text = markup(group.panels[0])
    assert text.count("shot synthetic") == 1
    saved = [Image.open(BytesIO(b64decode(code))) for code in re.findall(r"base64,([^\"]+)", text)]
    told = [picture.getexif().get(ExifTags.Base.ImageDescription, "") for picture in saved]
    assert [text.startswith("SYNTHETIC") for text in told] == [False, False, True]
    assert 'alt="synthetic: A drawn face, morph, made here' in text
    assert "Pictures marked SYNTHETIC are forgeries" in group.panels[0].caption


@pytest.mark.parametrize(
    "draw",
    [
        density_figures,
        roc_figures,
        lambda table: forgery_method_figures(PROBE, table),
        lambda table: bank_figures(PROBE, table),
        lambda table: drill_figures(PROBE, table),
        lambda table: flag_figures(PROBE, table),
        lambda table: scan_figures(PROBE, table),
        lambda table: replayed_figures(PROBE, table),
    ],
)
def test_tables_of_another_kind_are_not_drawn(draw: Any) -> None:
    assert list(draw([])) == []
    assert list(draw([["attribute", "group"], ["a", "b"]])) == []


def test_cells_of_a_table() -> None:
    (row,) = rows_of([["a", "b", "n", "reason"], ["0.5", "nan", "12.0", "too few"]], ("a",))
    assert value_of(row, "a") == 0.5
    assert value_of(row, "b") is None
    assert value_of(row, "c") is None
    assert count_of(row, "n") == 12
    assert estimate_of(row, "b", n="n").reason == "too few"
    assert estimate_of(row, "a", n="n").low is None
    assert rows_of([["a"]], ("b",)) == []
    item = Measurement.of("p", "m", Estimate(value=0.1), slice={"x": "1"}, condition={"y": "2"})
    found = quoted(PROBE.model_copy(update={"measurements": [item]}), "m", {"x": "1", "y": "2"}, item.estimate)
    assert isinstance(found, MeasurementRef)
    assert quoted(PROBE, "m", {}, Estimate(value=0.1)) == "0.100"


def test_every_probe_has_a_number_to_start_from(run: RunFiles) -> None:
    lines = {line.probe_id: line for line in summary_lines(run.results)}
    assert all(line.estimate is not None for line in lines.values() if line.probe_id != "data_scan")
    keys = {name: line.estimate.key for name, line in lines.items() if line.estimate is not None}
    assert keys["forgery_detection"] == "forgery_detection/auroc"
    assert keys["trigger_sensitivity"] == "trigger_sensitivity/trigger_margin"
    assert keys["backdoor_scan"] == "backdoor_scan/smallest_p_adjusted"
    assert keys["poison_drill"] == "poison_drill/bd_auc@defence=none,embedding=real_copies,poisoned=0.1"


def test_the_report_holds_it_all(folder: Path) -> None:
    text = render_report(folder)
    assert len(text.encode()) < 8_000_000
    for words in ("ROC curve", "Triggers against controls", "Inverted triggers", "Flags beside false alarms"):
        assert words in text
    assert text == render_report(folder)
