"""A real checkpoint on real faces, as a program and as ONNX, which gives no gradients to guide by."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

import countenance
from countenance.core.results import AuditResults


def run(root: Path, folder: Path, probe: dict[str, Any], checkpoint: str | None = None) -> AuditResults:
    plan = yaml.safe_load((root / "tests" / "plans" / "london_face_expression.yaml").read_text(encoding="utf-8"))
    shared = root.parent / "shared"
    plan["target"]["checkpoint"] = str(shared / "models" / (checkpoint or "face_expression.safetensors"))
    plan["target"]["factory"] = f"{shared / 'models' / 'nets.py'}:FaceExpressionNet"
    if checkpoint is not None:
        del plan["target"]["factory"]
    plan["data"]["manifest"] = str(shared / "data" / "london" / "manifest.csv")
    plan["data"]["landmarks"] = str(shared / "data" / "london" / "landmarks_mediapipe478.npz")
    plan["data"]["attributes"] = {"gender": {"assigned_by": "self-reported"}}
    plan["data"].pop("intersections")
    for key in ("gates", "card"):
        plan.pop(key)
    plan["probes"] = [{"probe": "occlusion", **probe}]
    (folder / "plan.yaml").write_text(yaml.safe_dump(plan), encoding="utf-8")
    results = countenance.run(folder / "plan.yaml", out=folder / "run")
    assert results.probes[0].status == "ok", results.probes[0].reason
    return results


def test_smiles_are_lost_under_what_hides_the_mouth(root: Path, shared: Path, tmp_path: Path) -> None:
    found = run(root, tmp_path, {"faces": 60, "shares": [0.3], "regions": ["eyes", "mouth"], "objects": ["hand"]})

    def value(key: str) -> float:
        number = found[f"occlusion/{key}"].estimate.value
        assert number is not None
        return number

    assert value("accuracy[label=happy]@occlusion=none") > 0.6
    assert value("accuracy[label=happy]@occlusion=hand") < 0.3
    assert value("accuracy@occlusion=hand") < value("accuracy@occlusion=hand_elsewhere") - 0.2
    assert value("accuracy@occlusion=mouth") < value("accuracy@occlusion=mouth_elsewhere") - 0.2
    assert value("accuracy@occlusion=eyes") > value("accuracy@occlusion=mouth") + 0.2
    assert value("last_minus_first") > 0
    pictures = np.load(tmp_path / "run" / "artifacts" / "occlusion.strip.npz")["pictures"]
    assert pictures.shape == (3, 1 + 3 + 2, 112, 112, 3)  # as they are, two regions, a hand, one share of two curves


@pytest.mark.parametrize("method", ["gradcam", pytest.param("occlusion", marks=pytest.mark.slow)])
def test_onnx_is_guided_by_a_method_that_only_asks(root: Path, shared: Path, tmp_path: Path, method: str) -> None:
    probe = {"faces": 40, "shares": [0.4], "regions": [], "objects": [], "method": method}
    found = run(root, tmp_path, probe, "face_expression.onnx")
    guided = found["occlusion/random_minus_guided"].estimate
    assert found["occlusion/accuracy@occlusion=random,share=0.4"].estimate.value is not None
    if method == "gradcam":
        assert guided.value is None
        assert "the model gives no gradients" in (guided.reason or "")
        assert "methods that only ask it: lime, kernel_shap, rise, occlusion" in (guided.reason or "")
        assert any("Not measured" in note for note in found.probes[0].notes)
    else:
        assert guided.value is not None
        assert found["occlusion/last_minus_first"].estimate.value is not None
