from __future__ import annotations

import pytest
import yaml

from countenance.core.api import run_plan
from countenance.core.errors import Problems
from countenance.core.places import YamlDocument
from countenance.core.plan_file import check_plan


def audit(root, shared, suffix, probes):
    """The plan in tests/plans for a checkpoint of any format, asking for gender alone."""
    folder = root / "tests" / "plans"
    content = yaml.safe_load((folder / "london_leakage_face_expression.yaml").read_text(encoding="utf-8"))
    content["target"]["checkpoint"] = str(shared / "models" / f"face_expression.{suffix}")
    if suffix in {"onnx", "pt2"}:
        del content["target"]["factory"]
    content["data"]["attributes"] = {"gender": {"assigned_by": "self-reported"}}
    content["data"]["intersections"] = []
    content["probes"] = probes
    return run_plan(check_plan(YamlDocument(content), folder, Problems("plan")), trust=suffix == "pt2").probes


def test_a_real_embedding_tells_less_of_identity_than_the_untrained_net(root, shared):
    asked = [{"probe": "leakage", "session": "label", "permutations": 99}]
    found = {}
    for suffix in ("safetensors", "pt2"):
        (probe,) = audit(root, shared, suffix, asked)
        assert probe.status == "ok", probe.reason
        found[suffix] = {item.key.partition("/")[2]: item.estimate for item in probe.measurements}
    measured = found["safetensors"]
    assert measured["identity_accuracy"].value == pytest.approx(0.21, abs=0.05)
    assert measured["identity_accuracy"].low > measured["identity_accuracy.null_shuffled"].high
    assert measured["identity_accuracy.over_random_net"].high < 0
    assert measured["identity_accuracy.null_pixels"].value > 0.9
    assert 0.65 < measured["attribute_accuracy[attribute=gender]"].value < 0.9
    for metric in ("identity_accuracy", "attribute_accuracy[attribute=gender]"):
        assert found["pt2"][metric].value == pytest.approx(measured[metric].value, abs=0.011)


def test_a_net_without_layers_is_skipped_and_its_outputs_are_read(root, shared):
    pytest.importorskip("onnxruntime")
    asked = [{"probe": "leakage"}, {"probe": "leakage", "id": "outputs", "of": "outputs", "permutations": 99}]
    skipped, outputs = audit(root, shared, "onnx", asked)
    assert (skipped.status, skipped.reason) == ("skipped", "the target has no layers to look into (onnx)")
    assert outputs.status == "ok", outputs.reason
    reasons = {item.key: item.estimate.reason for item in outputs.measurements}
    assert "cannot be replaced" in reasons["outputs/identity_accuracy.null_random_net"]
