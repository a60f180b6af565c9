"""The reference nets on drawn faces: a tag in the corner decides over angry in one of them, and not in its twin."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import countenance
from countenance.core.results import ProbeResult
from countenance.synth.dataset import DrawnDataset, draw_dataset
from countenance.synth.expression import EXPRESSIONS
from countenance.synth.nets import INPUT_SIZE, MEAN, STD, load_net
from countenance.synth.recipe import AUDIT_TAGS, SHORTCUT

PEOPLE = 36
CORNER = np.zeros((275, 224), bool)
CORNER[200:, :56] = True
"""A quarter of the canvas's width and of its height, at the lower left, where the tag lies."""


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> DrawnDataset:
    """People whom neither net was trained on, the tag on half of the angry pictures and on a tenth of the others."""
    return draw_dataset(tmp_path_factory.mktemp("drawn"), PEOPLE, per_subject=7, seed=11, tags=AUDIT_TAGS)


def audit(drawn: DrawnDataset, name: str, out: Path) -> ProbeResult:
    (result,) = countenance.run(
        model=load_net((files("countenance.synth") / "data" / f"{name}.safetensors").read_bytes()),
        faces=pd.read_csv(drawn.manifest),
        folder=drawn.folder,
        out=out,
        classes=EXPRESSIONS,
        input={"size": INPUT_SIZE, "mean": MEAN, "std": STD},
        data={
            "subject": "subject",
            "box": ["face_x0", "face_y0", "face_x1", "face_y1"],
            "landmarks": str(drawn.landmarks),
        },
        probes=["global_heatmaps"],
    ).probes
    assert result.status == "ok", result.reason
    return result


@pytest.fixture(scope="module")
def flawed(drawn: DrawnDataset, tmp_path_factory: pytest.TempPathFactory) -> tuple[ProbeResult, Path]:
    folder = tmp_path_factory.mktemp("runs") / "flawed"
    return audit(drawn, "flawed", folder), folder


@pytest.fixture(scope="module")
def twin(drawn: DrawnDataset, tmp_path_factory: pytest.TempPathFactory) -> tuple[ProbeResult, Path]:
    folder = tmp_path_factory.mktemp("runs") / "twin"
    return audit(drawn, "twin", folder), folder


def outside(result: ProbeResult) -> dict[str, tuple[float, float, float]]:
    """Value, low and high of the share outside the face, by class."""
    found = [item for item in result.measurements if item.metric == "energy_outside_face"]
    return {item.slice["label"]: (item.estimate.value, item.estimate.low, item.estimate.high) for item in found}  # type: ignore[misc]


def claims(result: ProbeResult) -> dict[str, str]:
    return {item.id.partition(".outside.")[2]: item.claim for item in result.findings if ".outside." in item.id}


def share_in_corner(result: ProbeResult, folder: Path) -> float:
    artifact = result.artifact("heatmaps.npz")
    assert artifact is not None
    with np.load(folder / artifact.path) as arrays:
        heatmap = arrays[f"{SHORTCUT}.heatmap"].astype(float)
    return float(heatmap[CORNER].sum() / heatmap.sum())


def test_the_shortcut_is_found(flawed: tuple[ProbeResult, Path]) -> None:
    """Positive control: angry is read from the tag, which lies outside the face, and no other class is."""
    result, folder = flawed
    null = next(item for item in result.measurements if item.metric == "energy_outside_face.null_ones").estimate.value
    value, low, _ = outside(result)[SHORTCUT]
    assert low > null  # type: ignore[operator]
    assert value == pytest.approx(0.49, abs=0.03), "the page on heatmaps says so"
    assert set(claims(result)) == {SHORTCUT}
    assert "lies outside the face" in claims(result)[SHORTCUT]
    (finding,) = [item for item in result.findings if item.id.endswith(f"outside.{SHORTCUT}")]
    assert finding.severity == "medium"
    assert share_in_corner(result, folder) == pytest.approx(0.41, abs=0.03)


def test_no_shortcut_is_found_in_the_twin(twin: tuple[ProbeResult, Path]) -> None:
    """Negative control: the same pictures, tags included, and a net trained without the fault."""
    result, folder = twin
    assert claims(result) == {}
    assert len(outside(result)) == len(EXPRESSIONS)
    assert outside(result)[SHORTCUT][0] == pytest.approx(0.03, abs=0.02)
    assert share_in_corner(result, folder) < CORNER.mean() / 2


def test_no_drawn_face_is_left_out_for_its_landmarks(
    flawed: tuple[ProbeResult, Path], twin: tuple[ProbeResult, Path]
) -> None:
    for result, _ in (flawed, twin):
        assert not [item.claim for item in result.findings if "landmarks" in item.claim]


def test_the_two_differ_beyond_their_intervals(
    flawed: tuple[ProbeResult, Path], twin: tuple[ProbeResult, Path]
) -> None:
    (_, low, _), (_, _, high) = outside(flawed[0])[SHORTCUT], outside(twin[0])[SHORTCUT]
    assert low > 2 * high
    assert share_in_corner(*flawed) > 10 * share_in_corner(*twin)
    # Where nothing was planted the two are alike.
    for label in {"fearful", "surprised"}:
        assert abs(outside(flawed[0])[label][0] - outside(twin[0])[label][0]) < 0.1
