"""The heatmaps of several run folders, compared."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from countenance.cli.compare import print_comparison
from countenance.core.compare import compare
from countenance.core.results import (
    Artifact,
    AuditResults,
    DataSummary,
    Estimate,
    Measurement,
    ProbeResult,
    TargetSummary,
)
from countenance.core.results_file import write_results
from countenance.core.run_folder import RunFolder

Make = Callable[..., Path]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    def folder(name: str, maps: Mapping[str, np.ndarray], iou: float = 0.2) -> Path:
        place = tmp_path / name
        place.mkdir()
        artifacts: list[Artifact] = []
        if maps:
            arrays: Mapping[str, Any] = {f"{label}.heatmap": each for label, each in maps.items()}
            artifacts.append(RunFolder(place).write_arrays("where", "heatmaps", arrays, ""))
        estimate = Estimate(value=iou, low=iou - 0.1, high=iou + 0.1)
        measured = [Measurement.of("where", "iou", estimate, slice={"label": label}) for label in maps]
        probe = ProbeResult(id="where", probe="w", version=1, status="ok", measurements=measured, artifacts=artifacts)
        data = DataSummary(faces=1, sha256="d")
        target = TargetSummary(name="t", task="expression")
        results = AuditResults(
            name=name, tool={}, started="", seconds=0, target=target, data=data, plan={}, probes=[probe]
        )
        write_results(results, place)
        return place

    return folder


def spot(x: int, size: int = 20) -> np.ndarray:
    grid = np.arange(size)
    values = np.exp(-((grid[:, None] - 10) ** 2 + (grid[None, :] - x) ** 2) / 20)
    return (255 * values).astype(np.uint8)


def test_networks_that_look_alike_join_first(make: Make, capsys: pytest.CaptureFixture[str]) -> None:
    left = make("left", {"happy": spot(4), "sad": spot(4)}, 0.25)
    also_left = make("also left", {"happy": spot(5), "sad": spot(4)})
    right = make("right", {"happy": spot(15)})
    found = compare(left, also_left, right)
    happy, sad = found.heatmaps.trees
    assert happy.merges[0][:2] == (0, 1)
    assert happy.heights[0] < 0.2 < happy.heights[1]
    assert sad.names == ("left", "also left")
    assert sad.left_out == {"right": "no heatmap of sad"}
    assert found.heatmaps.overlaps["happy"][0] == Estimate(value=0.25, low=0.15, high=0.35)
    assert found.heatmaps.overlaps["sad"][2] is None
    print_comparison(found)
    told = capsys.readouterr().out
    assert "left and also left (0." in told
    assert "how alike the networks are" in told


def test_what_cannot_be_compared_is_told(make: Make) -> None:
    one, other = make("one", {"happy": spot(4)}), make("other", {"happy": spot(9)})
    bare = make("bare", {})
    changed = make("changed", {"happy": spot(9)})
    (changed / "artifacts" / "where.heatmaps.npz").write_bytes(b"")
    found = compare(one, other, bare, changed)
    assert len(found.heatmaps.trees[0].names) == 2
    assert any("bare has no heatmaps to compare: none of its probes" in note for note in found.notes)
    assert any("changed has no heatmaps to compare" in note and "was changed" in note for note in found.notes)
    sizes = compare(one, make("small", {"happy": spot(4, 10)}))
    assert sizes.heatmaps.trees == ()
    assert any("different sizes" in note for note in sizes.notes)


def test_two_words_for_one_expression_are_one_class(make: Make) -> None:
    one = make("one", {"fearful": spot(4), "happy": spot(9)}, 0.3)
    other = make("other", {"fear": spot(5), "happy": spot(9), "joy": spot(3)})
    found = compare(one, other).heatmaps
    assert [tree.label for tree in found.trees] == ["fearful", "happy"]
    assert [estimate and estimate.value for estimate in found.overlaps["fearful"]] == [0.3, 0.2]
    assert any("Only other has a heatmap of joy" in note for note in found.notes)


def test_runs_without_heatmaps_get_no_remark(make: Make) -> None:
    found = compare(make("a", {}), make("b", {}))
    assert found.heatmaps.trees == ()
    assert not any("heatmap" in note for note in found.notes)


def test_classes_that_one_run_alone_has_are_told(make: Make) -> None:
    """That no tree is drawn of them must not pass in silence."""
    one = make("one", {"happy": spot(4), "fear": spot(4), "disgust": spot(6)})
    found = compare(one, make("other", {"happy": spot(9), "awe": spot(4)}))
    assert [tree.label for tree in found.heatmaps.trees] == ["happy"]
    assert any("Only one has a heatmap of fear, disgust:" in note for note in found.notes)
    assert any("Only other has a heatmap of awe:" in note for note in found.notes)
    assert not any("Only" in note for note in compare(one, make("bare", {})).notes)
