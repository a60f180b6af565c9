"""Real faces and real nets in four formats: every format tells the same, and a black box is explained too."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from countenance.core.errors import Problems
from countenance.core.places import YamlDocument
from countenance.core.plan_file import check_plan
from countenance.core.results import ProbeResult
from countenance.core.runner import Runner
from countenance.core.setup import Material, load_material

NETS = ("face_expression", "mini_xception")
METHODS = {"method": "gradcam", "also": ["layercam", "eigencam", "saliency"]}


def audit(root: Path, net: str, suffix: str, probes: list[dict[str, Any]], each: int = 12) -> dict[str, ProbeResult]:
    """Audit a net in one format on the first smiling and the first neutral faces."""
    content = yaml.safe_load((root / "tests" / "plans" / f"london_{net}.yaml").read_text())
    content["probes"] = probes
    content.pop("gates", None)
    content.pop("card", None)
    target = content["target"]
    target["checkpoint"] = target["checkpoint"].replace(".safetensors", suffix)
    if suffix in (".pt2", ".onnx"):
        target.pop("factory")
    loaded = check_plan(YamlDocument(content), root / "tests" / "plans", Problems("plan"))

    def load() -> Material:
        material = load_material(loaded)
        labels = material.faces.frame["label"]
        rows = np.concatenate([np.flatnonzero(labels == label)[:each] for label in ("happy", "neutral")])
        return replace(material, faces=material.faces.take(np.sort(rows)))

    return {result.id: result for result in Runner(loaded).run(load).probes}


def values(result: ProbeResult) -> dict[str, float]:
    return {item.key: item.estimate.value for item in result.measurements if item.estimate.value is not None}


@pytest.fixture(scope="module", params=NETS)
def as_module(request: pytest.FixtureRequest, root: Path, shared: Path) -> tuple[str, dict[str, ProbeResult]]:
    probes = [{"probe": "global_heatmaps", "select": "label", **METHODS}, {"probe": "au_alignment", "of": "label"}]
    return request.param, audit(root, request.param, ".safetensors", probes)


@pytest.mark.parametrize("suffix", [".pt", ".pt2"])
def test_formats_with_gradients_tell_the_same(
    root: Path, as_module: tuple[str, dict[str, ProbeResult]], suffix: str
) -> None:
    net, expected = as_module
    probes = [{"probe": "global_heatmaps", "select": "label", **METHODS}, {"probe": "au_alignment", "of": "label"}]
    found = audit(root, net, suffix, probes)
    for name, result in expected.items():
        assert result.status == found[name].status == "ok"
        wanted, got = values(result), values(found[name])
        assert wanted.keys() == got.keys()
        assert "global_heatmaps/iou[label=happy]@method=saliency" in values(expected["global_heatmaps"])
        for key, value in wanted.items():
            if not key.partition("[")[0].endswith(".p"):
                assert got[key] == pytest.approx(value, abs=2e-3), key


@pytest.mark.parametrize("net", NETS)
def test_a_net_without_gradients_is_explained_by_black_box_methods(root: Path, shared: Path, net: str) -> None:
    pytest.importorskip("onnxruntime")
    settings = {"window": 0.3, "stride": 0.15}
    probe = {"probe": "global_heatmaps", "select": "label", "method": "occlusion", "settings": settings}
    module = audit(root, net, ".safetensors", [probe])["global_heatmaps"]
    onnx = audit(root, net, ".onnx", [{**probe, "also": ["gradcam"]}, {**probe, "id": "cam", "method": "gradcam"}])
    black_box = onnx["global_heatmaps"]
    key = "global_heatmaps/iou[label=happy]"
    assert values(black_box)[key] == pytest.approx(values(module)[key], abs=5e-3)
    (missing,) = [m for m in black_box.measurements if m.key == f"{key}@method=gradcam"]
    assert "gradients" in str(missing.estimate.reason)
    assert onnx["cam"].status == "skipped"
    assert "no gradients" in str(onnx["cam"].reason)


def test_the_largest_gap_between_groups_stands_beside_its_null(
    as_module: tuple[str, dict[str, ProbeResult]],
) -> None:
    _, found = as_module
    measured = {item.key: item.estimate for item in found["global_heatmaps"].measurements}
    gap = measured["global_heatmaps/face_iou.gap[attribute=gender,label=happy]"]
    if gap.value is None:
        assert gap.reason
        return
    null = measured["global_heatmaps/face_iou.gap.null_permuted[attribute=gender,label=happy]"]
    assert gap.low is not None
    assert gap.high is not None
    assert gap.low <= gap.value <= gap.high
    assert null.value is not None
    assert null.value > 0
