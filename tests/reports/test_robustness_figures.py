"""Figures of robustness: curves over any strength, what costs most, strips of faces, who loses most, the checklist."""

from __future__ import annotations

import re
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from countenance.cards.slices import by_grouping
from countenance.cards.tree import MeasurementRef
from countenance.core.results import ProbeResult
from countenance.reports.drawing import figures_of, folded_figures_of
from countenance.reports.figures.checklist import checklist_figures
from countenance.reports.figures.curve_lines import Axis, alike, lines_of, metrics_of
from countenance.reports.figures.panel import FigureGroup
from countenance.reports.figures.strips import small_picture, strip_figures
from countenance.reports.figures.theme import MUTED
from countenance.reports.page import build_page
from countenance.reports.report import render_report
from countenance.reports.run_files import RunFiles

NAMES = ("gaussian_noise", "fog", "jpeg", "contrast", "brightness", "low_light", "snow", "frost")


@pytest.fixture(scope="module")
def folder(robust_run: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("robust")
    robust_run.make_robust_run(path, NAMES, permutations=99)
    return path


@pytest.fixture(scope="module")
def run(folder: Path) -> RunFiles:
    return RunFiles.read(folder)


def probe_of(run: RunFiles, probe_id: str) -> ProbeResult:
    probe = run.results.probe(probe_id)
    assert probe is not None
    return probe


def of(run: RunFiles, probe_id: str) -> dict[str, FigureGroup]:
    return {group.title: group for group in figures_of(run, probe_of(run, probe_id))}


def lines(panel: Any) -> dict[str, dict[str, Any]]:
    return {trace["name"]: trace for trace in panel.drawing.data if trace["mode"] == "lines+markers"}


def bands(panel: Any) -> int:
    return sum(trace.get("fill") == "toself" for trace in panel.drawing.data)


def test_every_drawing_is_a_plotly_figure_or_markup_with_words_and_numbers(run: RunFiles) -> None:
    for probe in run.results.probes:
        for group in [*figures_of(run, probe), *folded_figures_of(run, probe)]:
            for panel in group.panels:
                assert panel.alt
                if not hasattr(panel.drawing, "markup"):
                    assert panel.drawing.figure().data
                    assert panel.table.rows


def test_which_figures_there_are(run: RunFiles) -> None:
    assert list(of(run, "corruptions")) == [
        "Against the severity",
        "What costs most",
        "At every severity",
        "Faces at the largest severity",
    ]
    assert list(of(run, "occlusion")) == ["Against the share that is covered", "What costs most", "Covered faces"]
    assert list(of(run, "framing")) == ["Against the amount of the change", "What costs most"]
    assert list(of(run, "integrity")) == ["Checklist"]
    folded = [group.title for group in folded_figures_of(run, probe_of(run, "corruptions"))]
    assert folded == ["Gaps between groups", "By group", "By combination of groups"]


def test_curves_over_severity_start_at_faces_as_they_are(run: RunFiles) -> None:
    panel = of(run, "corruptions")["Against the severity"].panels[0]
    drawn = lines(panel)
    assert next(iter(drawn)) == "all corruptions"
    assert drawn["all corruptions"]["x"] == [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]
    assert (
        drawn["all corruptions"]["y"][0]
        == run.results["corruptions/accuracy@corruption=none,severity=0"].estimate.value
    )
    last = run.results["corruptions/accuracy@corruption=all,severity=5"].estimate.value
    assert drawn["all corruptions"]["y"][-1] == last
    assert len(drawn) == 6
    assert bands(panel) == 1  # six bands over each other could not be told apart
    assert "the 5 that cost most of 8" in panel.caption
    assert len(panel.table.rows) == 9
    deepest = {name: trace["y"][-1] for name, trace in drawn.items() if name != "all corruptions"}
    others = {row[0] for row in panel.table.rows} - set(drawn)
    assert others
    quoted = {row[0]: row[-1].estimate.value for row in panel.table.rows if isinstance(row[-1], MeasurementRef)}
    assert max(deepest.values()) <= min(quoted[name] for name in others)


def test_curves_by_group_are_of_all_corruptions_with_a_band_for_each_group(run: RunFiles) -> None:
    panels = of(run, "corruptions")["Against the severity"].panels
    panel = next(panel for panel in panels if panel.name == "by gender" and panel.family == "accuracy")
    assert set(lines(panel)) == {"female", "male"}
    assert bands(panel) == 2
    lost = next(panel for panel in panels if panel.name == "by gender" and panel.family == "answers lost")
    assert lines(lost)["female"]["x"] == [1.0, 2.0, 3.0, 4.0, 5.0]  # nothing is lost of faces as they are
    assert lines(lost)["female"]["y"][-1] > lines(lost)["male"]["y"][-1]


def test_small_groups_are_named_below_the_curves(run: RunFiles) -> None:
    panels = of(run, "corruptions")["Against the severity"].panels
    panel = next(panel for panel in panels if panel.name == "by ethnicity")
    assert "Not measured: " in panel.caption
    assert "east_asian/white" in panel.caption


def test_what_has_other_strengths_has_its_own_axis(run: RunFiles) -> None:
    found = of(run, "framing")["Against the amount of the change"].panels
    panels = {panel.name: panel for panel in found if panel.family == "accuracy"}
    shift = panels["all faces, amount 0.05 to 0.2"]
    assert {"shift", "shift left", "shift right"} == set(lines(shift))
    turned = panels["all faces, amount 5 to 30"]
    assert lines(turned)["rotation"]["x"] == [0.0, 5.0, 15.0, 30.0]
    assert "by gender, rotation" in panels


def test_strengths_that_span_much_stand_at_equal_steps_for_equal_ratios(run: RunFiles) -> None:
    probe = probe_of(run, "pgd")
    (table, *_) = by_grouping(probe, run.results.data.attributes)
    assert metrics_of([table]) == ["accuracy"]
    (part,) = alike(lines_of(table, "accuracy"))
    axis = Axis.of(part)
    assert axis.logarithmic
    assert list(axis.places.values()) == [0.0, 1.0, 2.0, 3.0, 4.0]
    noise = next(line for line in part if line.done.control)
    assert noise.done.named == "noise of the same size"
    drawn = lines(of(run, "pgd")["Against the size of the perturbation"].panels[0])
    assert drawn["noise of the same size"]["line"]["color"] == MUTED


def test_what_costs_most_stands_first_beside_faces_as_they_are(run: RunFiles) -> None:
    panel = of(run, "corruptions")["What costs most"].panels[0]
    names = [row[0] for row in panel.table.rows]
    assert names[0] == "all corruptions"
    values = [row[1].estimate.value for row in panel.table.rows[1:] if isinstance(row[1], MeasurementRef)]
    assert values == sorted(values)
    clean = run.results["corruptions/accuracy@corruption=none,severity=0"].estimate.value
    assert panel.drawing.as_json()["layout"]["shapes"][0]["x0"] == clean  # type: ignore[union-attr]
    texts = [note["text"] for note in panel.drawing.as_json()["layout"]["annotations"]]  # type: ignore[union-attr]
    assert any(text.startswith("as they are 0.") for text in texts)


def test_an_object_stands_beside_itself_moved_elsewhere(run: RunFiles) -> None:
    panel = of(run, "occlusion")["What costs most"].panels[0]
    rows = {row[0]: row[1:] for row in panel.table.rows}
    assert "sunglasses, moved elsewhere" not in rows
    first, second = rows["sunglasses"]
    assert isinstance(second, MeasurementRef)
    assert second.key == "occlusion/accuracy@occlusion=sunglasses_elsewhere"
    assert isinstance(first, MeasurementRef)


def test_the_table_of_severities_holds_every_number_and_colours_by_loss(run: RunFiles) -> None:
    panel = of(run, "corruptions")["At every severity"].panels[0]
    markup = str(panel.drawing.markup)  # type: ignore[union-attr]
    assert markup.count("<td") == 5 * len(NAMES)
    strengths = [int(found) for found in re.findall(r"--strength:(\d+)%", markup)]
    assert strengths[4] > strengths[0]
    assert strengths[4] == max(strengths)  # the row of what costs most, at its largest severity
    assert len(panel.table.rows) == len(NAMES)
    assert all(isinstance(cell, MeasurementRef) for row in panel.table.rows for cell in row[1:])
    assert "of the 0.8" in panel.caption


def test_a_strip_says_the_answer_of_every_picture_and_marks_others_by_a_sign(run: RunFiles) -> None:
    panel = of(run, "occlusion")["Covered faces"].panels[0]
    markup = str(panel.drawing.markup)  # type: ignore[union-attr]
    told = run.document(probe_of(run, "occlusion"), "strip.json")
    count = len(told["faces"]) * len(told["conditions"])
    assert markup.count("<img ") == markup.count('src="data:image/webp;base64,') == count
    others = sum(answer["changed"] for face in told["faces"] for answer in face["answers"] if answer["possible"])
    assert markup.count(">≠</b>") == markup.count("frame other") == others
    assert markup.count("could not be done</span>") == 1
    assert "A drawn face, happy, sunglasses: " in markup
    assert "drawn faces stand in" in panel.caption
    assert panel.drawing.shows_faces is False  # type: ignore[union-attr]
    assert len(panel.table.rows) == 3


def strip_of(told: dict[str, Any], pictures: np.ndarray, permitted: bool) -> list[FigureGroup]:
    probe = ProbeResult(id="p", probe="corruptions", version=1, status="ok")
    return list(strip_figures(probe, {"pictures": pictures}, told, permitted))


def told_of(shows: str, text: str, **more: Any) -> dict[str, Any]:
    answers = [{"text": text, "changed": False, "possible": True}, {"text": text, "changed": True, "possible": True}]
    return {
        "title": "", "drawn": True, "rule": "", "size": [48, 64], "grey": True,
        "conditions": [{"values": {}, "title": "as it is"}, {"values": {}, "title": "<script>x</script>"}],
        "faces": [{"shows": shows, "answers": answers}], **more,
    }  # fmt: skip


PICTURES = np.random.default_rng(0).integers(0, 255, (1, 2, 48, 64, 3)).astype(np.uint8)


def test_text_of_a_strip_is_escaped() -> None:
    (group,) = strip_of(told_of('<b onclick="x">face', 'sad"><img src=x>'), PICTURES, False)
    markup = str(group.panels[0].drawing.markup)  # type: ignore[union-attr]
    assert "<script" not in markup
    assert "<b onclick" not in markup
    assert markup.count("<img ") == 2
    assert "The model is given 64 × 48 pixels, which it reads in grey." in group.panels[0].caption


def test_faces_of_the_data_are_shown_only_where_the_plan_permits_it() -> None:
    told = told_of("a face labelled sad", "sad 0.91", drawn=False)
    assert strip_of(told, PICTURES, False) == []
    (group,) = strip_of(told, PICTURES, True)
    assert group.panels[0].drawing.shows_faces is True  # type: ignore[union-attr]
    assert strip_of({**told, "drawn": "yes"}, PICTURES, False) == []


def test_a_strip_whose_parts_do_not_fit_is_not_drawn() -> None:
    assert strip_of(told_of("a face", "sad"), PICTURES[:, :1], True) == []
    assert strip_of({**told_of("a face", "sad"), "faces": []}, PICTURES[:0], True) == []


def test_answers_that_are_numbers_have_no_sign() -> None:
    told = told_of("a face", "valence +0.31")
    told["faces"][0]["answers"][1]["changed"] = None
    (group,) = strip_of(told, PICTURES, False)
    assert "mark" not in str(group.panels[0].drawing.markup)  # type: ignore[union-attr]


def test_seventy_five_pictures_take_no_more_than_400_kilobytes() -> None:
    side = np.linspace(0, 255, 128)
    smooth = np.stack(np.broadcast_arrays(side[:, None], side[None, :], 128.0), axis=2)
    noisy = np.clip(smooth + np.random.default_rng(1).normal(0, 60, smooth.shape), 0, 255).astype(np.uint8)
    assert 75 * len(small_picture(noisy)) < 550_000  # noise in every one of them is the worst case
    assert 75 * len(small_picture(smooth.astype(np.uint8))) < 150_000


def test_the_checklist_has_a_sign_and_a_word_for_each_check_faults_first(run: RunFiles) -> None:
    panel = of(run, "integrity")["Checklist"].panels[0]
    markup = str(panel.drawing.markup)  # type: ignore[union-attr]
    assert re.findall(r'aria-hidden="true">(.)</span> ([a-z ]+)</span>', markup) == [
        ("✗", "differs"), ("!", "warning"), ("✓", "holds"), ("–", "not checked"),
    ]  # fmt: skip
    assert "bgr &lt;now&gt;" in markup
    assert panel.caption == "Of 4 checks 1 differ, 1 warn, 1 hold, 1 could not be made."


def test_a_table_that_is_no_checklist_is_not_drawn() -> None:
    assert list(checklist_figures([["check", "verdict"], ["a", "holds"]])) == []
    assert list(checklist_figures([["check", "verdict", "seen", "do"]])) == []
    assert list(checklist_figures([])) == []


def test_who_loses_most_stands_in_the_page_and_the_rest_is_folded(run: RunFiles) -> None:
    page = build_page(run)
    views = {view.probe.id: view for pillar in page.pillars for view in pillar.probes}
    _, table = views["corruptions"].losses
    assert table.columns[:2] == ("under", "loses most")  # type: ignore[union-attr]
    assert len(table.rows) == 10  # type: ignore[union-attr]
    folded = [block.caption for block in views["corruptions"].folded if hasattr(block, "caption")]
    assert folded[0].startswith("Who loses most, tolerance 0.1: the other ")
    assert any(caption.startswith("The group that does worst against all others") for caption in folded)
    assert views["corruptions"].gaps == ()
    assert views["integrity"].losses == ()


def test_the_report_holds_it_all_in_less_than_eight_megabytes(folder: Path) -> None:
    text = render_report(folder)
    assert len(text.encode()) < 8_000_000
    for words in ("What costs most", "At every severity", "Who loses most", "Checklist", "drawn faces stand in"):
        assert words in text
    assert text == render_report(folder)
