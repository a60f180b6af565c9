"""Figures of explanations: the grid of methods, single faces, action units, nulls by condition, and trees."""

from __future__ import annotations

import base64
import importlib.util
import io
import re
from html.parser import HTMLParser
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from PIL import Image

from countenance.cards.tree import MeasurementRef
from countenance.core.compare_heatmaps import HeatmapComparison
from countenance.core.heatmap_similarity import heatmap_tree
from countenance.core.results import Estimate, Measurement, ProbeResult
from countenance.reports import render_report
from countenance.reports.drawing import figures_of
from countenance.reports.figures.classes import null_figures
from countenance.reports.figures.dendrogram import dendrogram, heatmap_comparison_figures, overlap_panel
from countenance.reports.figures.explanations import method_figures
from countenance.reports.figures.panel import FigureGroup, Panel
from countenance.reports.figures.picture import FaceLines, Picture, heat_filters, heat_png, path, photo
from countenance.reports.figures.theme import DARK, HEAT, SURFACE
from countenance.reports.figures.units import unit_figures
from countenance.reports.run_files import RunFiles


def _beside(name: str) -> ModuleType:
    """Load a module that stands beside this one."""
    spec = importlib.util.spec_from_file_location(name, Path(__file__).parent / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


_explained = _beside("explained_run")
BOOK, CHECKS, METHODS, UNITS = _explained.BOOK, _explained.CHECKS, _explained.METHODS, _explained.UNITS
add_explanations = _explained.add_explanations
make_run = _beside("made_run").make_run

HOSTILE = {
    "happy": "</script><script>document.title='broken'</script>",
    "sad": '"><img src=x onerror="document.title=1">',
    "angry": "' onload='x",
}


@pytest.fixture(scope="module")
def explained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("explained")
    add_explanations(folder, make_run(folder))
    return folder


@pytest.fixture(scope="module")
def run(explained: Path) -> RunFiles:
    return RunFiles.read(explained)


def of(run: RunFiles, name: str) -> dict[str, FigureGroup]:
    probe = run.results.probe(name)
    assert probe is not None
    return {group.title: group for group in figures_of(run, probe)}


def only(group: FigureGroup) -> tuple[Panel, str]:
    (panel,) = group.panels
    assert isinstance(panel.drawing, Picture)
    return panel, str(panel.drawing.markup)


class Tags(HTMLParser):
    """Collects tags, refusing what cannot be told from an attack."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.found if name == tag]


def rows_of(markup: str) -> dict[str, str]:
    """Rows of the grid by their method's title."""
    rows = re.findall(r"<tr>.*?</tr>", markup, re.DOTALL)
    named = {found[1]: row for row in rows if (found := re.search(r'class="method">(.*?)</span>', row))}
    assert len(named) == len(METHODS)
    return named


# The grid ------------------------------------------------------------------------------------------------------------


def test_the_grid_holds_every_method_and_class(run: RunFiles) -> None:
    panel, markup = only(of(run, "global_heatmaps")["Every method side by side"])
    rows = rows_of(markup)
    maps = {title: row.count('class="heat"') for title, row in rows.items()}
    assert maps == {**dict.fromkeys(maps, 6), "LRP": 0, "LIME": 5}
    assert "not used on this model: LRP: no rule for what is no module" in rows["LRP"]
    assert '<td class="empty"><span class="of">surprised</span><span class="why">no map</span></td>' in rows["LIME"]
    assert markup.count('class="mask"') == sum(maps.values())
    assert "features.14" in rows["GradCAM"]
    assert "IoU 0.310" in rows["GradCAM"]  # of the first method, measured without a condition
    assert "IoU 0.170" in rows["LayerCAM"]  # of a further one, measured under its name
    assert "9 methods (rows)" in panel.alt


def test_methods_that_fail_the_check_are_marked(run: RunFiles) -> None:
    groups = of(run, "global_heatmaps")
    panel, markup = only(groups["Every method side by side"])
    rows = rows_of(markup)
    marked = {title for title, row in rows.items() if '<span class="chip fail">fails the randomisation check' in row}
    assert marked == {CHECKS[name]["title"] for name in ("eigencam", "guided_backprop")}
    assert "correlation 0.77 after randomisation" in rows["Guided backpropagation"]
    assert "too slow for this budget" in rows["RISE"]
    assert "randomisation" not in rows["LIME"], "nothing is said of what no probe checked"
    assert "<dt>ROAD</dt><dd>0.120</dd>" in rows["Saliency"]
    cells = {row[0]: row[-5:] for row in panel.table.rows}
    assert "<dt>ROAD</dt><dd>0.310 / 0.020</dd>" in rows["GradCAM"]
    assert cells["GradCAM"][1] == "0.310, moved at random 0.020"
    assert "the same maps as GradCAM" in rows["LayerCAM"]
    assert cells["Saliency"] == ("passes", "0.120 [0.080, 0.170]", "0.350", "0.600", "0.410")
    assert cells["LIME"] == ("not measured",) * 5
    assert cells["RISE"][:2] == ("not measured: too slow for this budget", "not measured")
    assert "fails the randomisation check" not in groups["Mean heatmaps on the canonical face"].caption


def test_the_figure_of_one_method_says_that_it_fails(run: RunFiles) -> None:
    probe = run.results.probe("global_heatmaps")
    assert probe is not None
    other = probe.model_copy(update={"params": {**probe.params, "method": "eigencam"}})
    groups = {group.title: group for group in figures_of(run, other)}
    caption = groups["Mean heatmaps on the canonical face"].caption
    assert "EigenCAM fails the randomisation check: with random weights its maps still correlate 0.83" in caption
    _, markup = only(groups["Every method side by side"])
    assert "IoU 0.310" in rows_of(markup)["EigenCAM"]


def test_the_scored_method_stands_first_and_those_without_maps_last(run: RunFiles) -> None:
    _, markup = only(of(run, "global_heatmaps")["Every method side by side"])
    titles = list(rows_of(markup))
    assert titles[0] == "GradCAM"
    assert titles[-1] == "LRP"
    told = {"methods": {"b": {"title": "B"}, "a": {"title": "A"}}, "labels": ["x"]}
    heat = np.zeros((275, 224), dtype=np.uint8)
    (group,) = method_figures(_empty_probe(), {"a/x": heat, "b/x": heat}, told, {}, {})
    assert [row[0] for row in group.panels[0].table.rows] == ["B", "A"]
    assert list(method_figures(_empty_probe(), {}, told, {}, {})) == []
    assert list(method_figures(_empty_probe(), {}, {}, {}, {})) == []


def test_numbers_of_the_grid_are_quoted_from_the_results(run: RunFiles) -> None:
    panel, _ = only(of(run, "global_heatmaps")["Every method side by side"])
    keys = {cell.key for row in panel.table.rows for cell in row if isinstance(cell, MeasurementRef)}
    assert "global_heatmaps/iou[label=happy]" in keys
    assert "global_heatmaps/iou[label=happy]@method=layercam" in keys
    assert all(run.results[key].key == key for key in keys)


def test_without_checks_the_grid_says_so(run: RunFiles) -> None:
    probes = [probe for probe in run.results.probes if probe.id != "faithful"]
    bare = RunFiles(run.path, run.results.model_copy(update={"probes": probes}), run.card, frozenset(), run.withheld)
    panel, markup = only(of(bare, "global_heatmaps")["Every method side by side"])
    assert "chip" not in markup
    assert "did not check whether the methods are faithful" in panel.caption
    assert panel.table.columns[-1] == "IoU of surprised"


# Pictures ------------------------------------------------------------------------------------------------------------


def decoded(address: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(address.partition(",")[2])))


def test_a_heatmap_keeps_its_levels_in_few_bytes() -> None:
    yy, xx = np.mgrid[0:275, 0:224]
    heat = (255 * np.exp(-(((xx - 112) / 40) ** 2 + ((yy - 200) / 30) ** 2))).astype(np.uint8)
    address = heat_png(heat)
    assert len(address) < 8000
    picture = decoded(address)
    assert (picture.mode, picture.size) == ("L", (112, 138))
    small = np.asarray(picture, dtype=float)
    assert np.abs(small[:137] - heat[:274:2, ::2]).max() < 15
    assert (small.min(), small.max()) == (0, 255)


def test_a_photograph_holds_pixels_only() -> None:
    crop = np.full((30, 20, 3), (200, 120, 90), dtype=np.uint8)
    picture = decoded(photo(crop))
    assert picture.size == (20, 30)
    assert not picture.getexif()
    assert np.abs(np.asarray(picture, dtype=int) - crop).max() < 8


def test_filters_give_the_colours_of_the_theme() -> None:
    filters = str(heat_filters())
    for name, first, last in (("heat-light", HEAT[0], HEAT[-1]), ("heat-dark", DARK[SURFACE], DARK[HEAT[-1]])):
        found = re.search(rf'<filter id="{name}".*?</filter>', filters)
        assert found is not None
        tables = re.findall(r'tableValues="(.*?)"', found[0])
        ends = [[round(255 * float(value)) for value in (table.split()[0], table.split()[-1])] for table in tables]
        for place, colour in ((0, first), (1, last)):
            wanted = [int(colour[at : at + 2], 16) for at in (1, 3, 5)]
            assert [end[place] for end in ends] == pytest.approx(wanted, abs=1)


def test_paths_and_lines_that_are_missing() -> None:
    assert path([[[0, 0], [10.26, 3.1]], [], [[5, 5]]]) == "M0 0L10.5 3M5 5"
    lines = FaceLines.of("x", {})
    assert 'viewBox="0 0 224 275"' in lines.map(np.zeros((275, 224), dtype=np.uint8), "alt", "no such mask")
    assert lines.prefix != FaceLines.of("y", {}).prefix


def test_the_page_is_small_valid_and_defines_each_id_once(explained: Path) -> None:
    page = render_report(explained)
    plain = render_report_size(explained)
    assert len(page) - plain < 900_000
    tags = Tags(page)
    ids = [found["id"] for _, found in tags.found if found.get("id")]
    assert len(ids) == len(set(ids))
    used = {str(found["href"])[1:] for found in tags.all("use")}
    assert used <= set(ids)
    assert used
    assert {"heat-light", "heat-dark", "heat-over"} <= set(ids)
    assert all(str(found["href"]).startswith("data:image/") for found in tags.all("image"))
    assert all(found.get("aria-label") for found in tags.all("svg") if found.get("role") == "img")
    assert render_report(explained) == page


def render_report_size(explained: Path) -> int:
    """Length of the report of the same run without explanations."""
    folder = explained.parent / "plain"
    if not folder.exists():
        make_run(folder)
    return len(render_report(folder))


def test_hostile_names_stay_text(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    add_explanations(folder, make_run(folder, rename=HOSTILE), faces="permitted")
    clean = tmp_path / "clean"
    add_explanations(clean, make_run(clean), faces="permitted")
    pictures = []
    for each in (folder, clean):
        run = RunFiles.read(each)
        groups = [group for name in ("global_heatmaps", "au_alignment") for group in of(run, name).values()]
        drawn = [panel.drawing for group in groups for panel in group.panels if isinstance(panel.drawing, Picture)]
        assert len(drawn) == 3
        pictures.append([Tags(str(picture.markup)) for picture in drawn])
    for hostile, usual in zip(*pictures, strict=True):
        assert [(tag, sorted(found)) for tag, found in hostile.found] == [
            (tag, sorted(found)) for tag, found in usual.found
        ]
        assert HOSTILE["sad"] in hostile.text
    page = Tags(render_report(folder))
    assert len(page.all("script")) == 4
    assert not page.all("img")
    assert not [name for _, found in page.found for name in found if name.startswith("on")]


# Single faces --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "faces, permitted, photos", [("none", True, 0), ("permitted", False, 0), ("permitted", True, 5)]
)
def test_faces_are_shown_only_where_plan_and_row_permit(
    tmp_path: Path, faces: str, permitted: bool, photos: int
) -> None:
    folder = tmp_path / "run"
    add_explanations(folder, make_run(folder), faces=faces, permitted=permitted)
    panel, markup = only(of(RunFiles.read(folder), "global_heatmaps")["Single faces"])
    assert markup.count("data:image/jpeg") == photos
    assert markup.count('class="over"') == photos
    assert markup.count('class="heat"') == 7 - photos
    assert isinstance(panel.drawing, Picture)
    assert panel.drawing.shows_faces == bool(photos)
    text = " ".join(Tags(render_report(folder)).text.split())
    assert ("No face of the data is shown" in text) == (not photos)
    assert ("are shown under the probes that chose them" in text) == bool(photos)
    assert ("although the plan permits" in text) == (faces == "permitted" and not photos)


def test_single_faces_say_why_they_were_chosen(run: RunFiles) -> None:
    panel, markup = only(of(run, "global_heatmaps")["Single faces"])
    assert "Chosen by rule, not by hand" in panel.caption
    assert "No face may be shown" in panel.caption
    first = panel.table.rows[0]
    assert first == ("happy", "most typical", "happy", "happy", "correlation 0.91 with the mean map", "the drawn face")
    assert "<b>most wrong</b>called happy, labelled neutral; called happy with probability 0.93" in markup


# Action units --------------------------------------------------------------------------------------------------------


def test_units_stand_against_the_codebook(run: RunFiles) -> None:
    group = of(run, "au_alignment")["Action units against the codebook"]
    assert [panel.name for panel in group.panels] == ["all classes", "happy", "sad", "angry"]
    assert group.caption == "Not measured: fearful (9 people; 10 are needed)."
    grid = group.panels[0]
    assert isinstance(grid.drawing, Picture)
    own = len(re.findall(r'<td class="own', str(grid.drawing.markup)))
    assert own == sum(len(units) for units in BOOK.values())
    assert len(grid.table.rows) == len(UNITS)
    cell = grid.table.rows[4][1]
    assert isinstance(cell, MeasurementRef)
    assert cell.key == "au_alignment/energy[label=happy,unit=AU12]"


def test_units_of_a_class_have_intervals_beside_the_other_classes(run: RunFiles) -> None:
    panel = of(run, "au_alignment")["Action units against the codebook"].panels[1]
    data = panel.drawing.figure().data  # type: ignore[union-attr]
    assert [trace.name for trace in data] == ["maps of the other classes", "maps of happy"]
    assert panel.drawing.layout["yaxis"]["ticktext"][:3] == [  # type: ignore[union-attr]
        "<b>AU6 cheek raiser</b>",
        "<b>AU12 lip corner puller</b>",
        "AU1 inner brow raiser",
    ]
    assert data[0].error_x.array == pytest.approx([0.02] * len(UNITS))
    assert panel.table.rows[0][1:] == ("yes", panel.table.rows[0][2], "0.100 [0.080, 0.120]", "9.0 %")


def test_bold_and_tint_follow_the_intervals() -> None:
    head = ["label", "unit", "name", "in_codebook", "energy", "low", "high", "null", "null_low", "null_high", "even"]
    rows = [
        ["a", "AU1", "x", "1", "0.3", "0.25", "0.35", "0.2", "0.1", "0.24", "0.1"],
        ["a", "AU2", "y", "0", "0.3", "0.23", "0.35", "0.2", "0.1", "0.24", "0.2"],
        ["a", "AU4", "z", "0", "0.05", "0.04", "0.06", "0.2", "", "", "0.1"],
        ["a", "AU5", "w", "1", "", "", "", "", "", "", "0.1"],
    ]
    (group,) = unit_figures(_empty_probe(), [head, *rows])
    assert isinstance(group.panels[0].drawing, Picture)
    cells = re.findall(r'<td class="(.*?)"(?: style="--strength:(\d+)%")?', str(group.panels[0].drawing.markup))
    assert cells == [("own above", "100"), ("", "25"), ("", "0"), ("own", "")]
    silent = [row[:4] + [""] * 7 for row in rows]
    assert list(unit_figures(_empty_probe(), [head, *silent])) == []
    assert list(unit_figures(_empty_probe(), [])) == []


def _empty_probe() -> ProbeResult:
    return ProbeResult(id="p", probe="p", version=1, status="ok", seconds=1.0, shows="a", hides="b")


# Nulls ---------------------------------------------------------------------------------------------------------------


def test_every_metric_stands_beside_its_nulls_and_methods_share_a_drawing(run: RunFiles) -> None:
    panels = {panel.name: panel for panel in of(run, "global_heatmaps")["Beside what chance gives"].panels}
    assert "IoU" in panels
    assert not any("method" in name for name in panels)  # overlaps of further methods stand in the grid of methods
    (likeness,) = of(run, "au_alignment")["Beside what chance gives"].panels  # energy stands in the table of units
    traces = [trace["name"] for trace in likeness.drawing.as_json()["data"] if trace["mode"] == "markers"]  # type: ignore[union-attr]
    assert len(traces) == 4
    assert ": ." not in likeness.caption


def test_scores_of_methods_beside_their_nulls_are_rows_of_one_drawing(run: RunFiles) -> None:
    measured = [
        Measurement.of("p", metric, Estimate(value=value, n=4), condition={"method": method})
        for method, value in (("gradcam", 0.5), ("lime", 0.7))
        for metric in ("road", "road.null_random")
    ]
    probe = _empty_probe().model_copy(update={"probe": "explanation_checks", "measurements": measured})
    (panel,) = next(iter(null_figures(probe, run.results))).panels
    assert panel.name == "ROAD"
    assert [row[0] for row in panel.table.rows] == ["gradcam", "lime"]
    assert len(panel.table.columns) == 3


# Trees ---------------------------------------------------------------------------------------------------------------


def tree_maps(seed: int = 0) -> dict[str, np.ndarray[Any, Any]]:
    random = np.random.default_rng(seed)
    one, two = random.random((2, 20, 16))
    maps = {"a": one, "b": one + 0.1 * two, "c": two, "d": two + 0.05 * one, "e": random.random((20, 16))}
    return {name: (200 * heat / heat.max()).astype(np.uint8) for name, heat in maps.items()}


def test_a_tree_is_drawn_at_its_heights_without_crossings() -> None:
    tree = heatmap_tree("fear", tree_maps(), {"<b>f</b>": "no heatmap of fear"})
    panel = dendrogram(tree)
    assert panel.drawing.figure().data  # type: ignore[union-attr]
    lines, joins = panel.drawing.as_json()["data"]  # type: ignore[union-attr]
    assert joins["x"] == list(tree.heights)
    assert joins["text"][-1].strip() == f"{max(tree.heights):.3f}"
    elbows = [lines["x"][at : at + 5] for at in range(0, len(lines["x"]), 5)]
    assert all(one <= height and two <= height and gap is None for one, height, _, two, gap in elbows)
    members = {place: {place} for place in range(len(tree.names))}
    for number, (first, second, _, _) in enumerate(tree.merges, start=len(tree.names)):
        members[number] = members[first] | members[second]
        places = sorted(tree.order.index(place) for place in members[number])
        assert places == list(range(places[0], places[-1] + 1)), "who is joined stands together"
    names = panel.drawing.layout["yaxis"]["ticktext"]  # type: ignore[union-attr]
    assert abs(names.index("a") - names.index("b")) == 1
    assert abs(names.index("c") - names.index("d")) == 1
    assert len(panel.table.rows) == 4
    assert panel.caption == "<b>f</b> left out: no heatmap of fear."


def test_published_heatmaps_give_the_published_heights(shared: Path) -> None:
    """Top merge heights of the six networks of the fixtures, as measured from Gaya-Morey et al.'s files."""
    wanted = {"anger": 0.733, "disgust": 0.436, "fear": 0.459, "happiness": 0.399, "sadness": 0.572, "surprise": 0.505}
    folder = shared / "fixtures" / "ekman_heatmaps"
    for label, height in wanted.items():
        files = sorted(folder.glob(f"*_{label}.png"))
        maps = {
            file.stem.partition("_")[0]: np.asarray(Image.open(file).convert("L"))
            for file in files
            if not file.stem.startswith("mask")
        }
        assert len(maps) == 6
        (row,) = dendrogram(heatmap_tree(label, maps)).table.rows[-1:]
        assert float(str(row[2])) == height


def test_networks_by_expressions() -> None:
    known = Estimate(value=0.25, low=0.2, high=0.3, level=0.95, method="t", n=60)
    overlaps: dict[str, list[Estimate | None]] = {
        "fear": [known, None],
        "joy": [Estimate.not_measured("9 people; 10 are needed"), known],
    }
    panel = overlap_panel(["one", "<i>two</i>"], ["fear", "joy"], overlaps)
    assert panel.drawing.figure().data[0].z == ([0.25, None], [None, 0.25])  # type: ignore[union-attr]
    assert panel.drawing.layout["yaxis"]["ticktext"][1] == "&lt;i&gt;two&lt;/i&gt;"  # type: ignore[union-attr]
    assert panel.table.rows[0][0] == "one"
    assert "0.250 [0.200, 0.300]" in str(panel.table.rows[0][1])
    assert "9 people" in str(panel.table.rows[0][2])
    assert panel.table.rows[1][1] == "–"


def test_what_a_comparison_gets() -> None:
    alone = HeatmapComparison(("fear",), (heatmap_tree("fear", {"a": tree_maps()["a"]}),), {"fear": [None]}, ())
    assert list(heatmap_comparison_figures(["a"], alone)) == []
    maps = tree_maps()
    full = HeatmapComparison(("fear",), (heatmap_tree("fear", maps),), {"fear": [Estimate(value=0.2)] * len(maps)}, ())
    titles = [group.title for group in heatmap_comparison_figures(list(maps), full)]
    assert titles == ["How alike the mean heatmaps are", "Overlap of networks by expressions"]
