"""The picture of mean heatmaps: from run folders, as the docs show it."""

from __future__ import annotations

import base64
import hashlib
import io
import re
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from countenance.core.errors import ResultsError
from countenance.core.results import (
    Artifact,
    AuditResults,
    DataSummary,
    Estimate,
    Measurement,
    ProbeResult,
    TargetSummary,
)
from countenance.explain.heatmaps.heatmap_picture import heatmaps_svg, main, panel_of
from countenance.explain.mask_picture import svg_path
from countenance.explain.masks import ekman_masks

HEATMAP = np.zeros((275, 224), np.uint8)
HEATMAP[100:120, 50:90] = 255


def make_run(folder: Path, name: str) -> Path:
    """A run folder with the heatmap of one class."""
    (folder / "artifacts").mkdir(parents=True)
    file = folder / "artifacts" / "global_heatmaps.heatmaps.npz"
    np.savez(file, **{"happy.heatmap": HEATMAP, "happy.mask": ekman_masks().masks["happiness"]})
    left_out = Measurement.of("global_heatmaps", "faces_without_map", Estimate(value=2, n=14), slice={"label": "happy"})
    probe = ProbeResult(
        id="global_heatmaps",
        probe="global_heatmaps",
        version=1,
        status="ok",
        measurements=[left_out],
        artifacts=[
            Artifact(path=file.relative_to(folder).as_posix(), sha256=hashlib.sha256(file.read_bytes()).hexdigest())
        ],
    )
    results = AuditResults(
        name=name,
        tool={},
        started="2026-01-01T00:00:00Z",
        seconds=1,
        target=TargetSummary(name=name, task="expression"),
        data=DataSummary(faces=14),
        plan={},
        probes=[probe],
    )
    (folder / "results.json").write_text(results.model_dump_json(), encoding="utf-8")
    return folder


def test_the_command_draws_every_run(tmp_path: Path) -> None:
    runs = [make_run(tmp_path / name, name) for name in ("first", "a<b")]
    out = tmp_path / "picture.svg"
    assert main(["happy", str(out), *map(str, runs)]) == 0
    tree = ElementTree.fromstring(out.read_text(encoding="utf-8"))
    assert [text.text for text in tree.findall(".//{*}text")] == ["first, 12 faces", "a<b, 12 faces"]
    assert len(tree.findall(".//{*}path[@class='mask']")) == 2
    image = tree.find(".//{*}image")
    assert image is not None
    encoded = image.attrib["href"].removeprefix("data:image/png;base64,")
    picture = Image.open(io.BytesIO(base64.b64decode(encoded)))
    grey = np.asarray(picture.convert("L"), dtype=int)
    assert picture.size == (224, 275)
    assert np.array_equal(grey < 128, HEATMAP > 0), "dark where the evidence lies, light elsewhere"


def test_a_heatmap_that_is_not_there_or_was_changed_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = make_run(tmp_path / "run", "net")
    with pytest.raises(ResultsError, match="a heatmap of the class 'sad'"):
        panel_of(run, "sad")
    assert main(["happy", str(tmp_path / "x.svg"), str(tmp_path / "nowhere")]) != 0
    assert capsys.readouterr().err
    with (run / "artifacts" / "global_heatmaps.heatmaps.npz").open("ab") as file:
        file.write(b"more")
    with pytest.raises(ResultsError, match="changed it since"):
        panel_of(run, "happy")
    assert not (tmp_path / "x.svg").exists()


def test_no_mask_no_outline() -> None:
    from countenance.explain.heatmaps.heatmap_picture import HeatmapPanel

    tree = ElementTree.fromstring(heatmaps_svg("t", [HeatmapPanel("neutral", HEATMAP, None)]))
    assert tree.find(".//{*}path[@class='mask']").attrib["d"] == ""  # type: ignore[union-attr]


def test_picture_in_the_docs_is_of_the_two_real_nets(root: Path) -> None:
    svg = (root / "docs" / "images" / "global-heatmaps-happy.svg").read_text(encoding="utf-8")
    assert re.findall(r"<text[^>]*>([^<]*)</text>", svg) == ["face_expression, 69 faces", "mini_xception, 50 faces"]
    assert svg.count(svg_path(ekman_masks().outline("happiness"), closed=True)) == 2
