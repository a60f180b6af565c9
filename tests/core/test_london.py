"""Real checkpoints on real faces: the numbers that every format has to give."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from numpy.typing import NDArray
from torch import Tensor

from countenance.core.api import run_plan
from countenance.core.faces import Faces
from countenance.core.places import read_yaml
from countenance.core.plan_file import LoadedPlan, Problems, check_plan
from countenance.core.predictions import truth_of
from countenance.core.setup import load_faces, load_target

Outputs = NDArray[np.float64]
FORMATS = ("safetensors", "pt", "pt2", "onnx")


def plan_of(root: Path, name: str, format: str = "safetensors") -> LoadedPlan:
    """The plan of the repository, for another format of the same checkpoint."""
    folder = root / "tests" / "plans"
    content: dict[str, Any] = yaml.safe_load((folder / f"london_{name}.yaml").read_text())
    content["target"]["checkpoint"] = str(Path(content["target"]["checkpoint"]).with_suffix(f".{format}"))
    if format in {"pt2", "onnx"}:
        del content["target"]["factory"]
    content |= {"probes": ["performance"], "gates": []}
    content["run"] = {"workers": 1, "device": "cpu"}
    return check_plan(read_yaml(yaml.safe_dump(content)), folder, Problems(name))


def faces_of(plan: LoadedPlan) -> tuple[Faces, Tensor]:
    """The faces, and the pixels of all of them."""
    faces, _ = load_faces(plan)
    return faces, torch.cat([batch.pixels for batch in faces.batches(51)])


def outputs_of(plan: LoadedPlan, faces: Faces, pixels: Tensor) -> tuple[Outputs, Outputs, tuple[str, ...]]:
    """Raw outputs for all faces in batches of 51, the place of each label, and the classes."""
    target = load_target(plan)
    with torch.no_grad():
        outputs = np.concatenate([target(part).numpy() for part in pixels.split(51)]).astype(np.float64)
    return outputs, truth_of(faces, target.task, target.classes), target.classes


@pytest.fixture(scope="module")
def expression(shared: Path, root: Path) -> dict[str, Any]:
    """Outputs of face_expression in every format."""
    pytest.importorskip("onnxruntime")
    faces, pixels = faces_of(plan_of(root, "face_expression"))
    return {format: outputs_of(plan_of(root, "face_expression", format), faces, pixels) for format in FORMATS}


@pytest.mark.parametrize("format", FORMATS)
def test_face_expression_knows_101_neutral_and_69_happy_faces_in_every_format(
    expression: dict[str, Any], format: str
) -> None:
    outputs, labels, classes = expression[format]
    right = outputs.argmax(1) == labels
    counts = {name: int(right[labels == classes.index(name)].sum()) for name in ("neutral", "happy")}
    assert counts == {"neutral": 101, "happy": 69}
    assert [(labels == classes.index(name)).sum() for name in counts] == [102, 102]


@pytest.mark.parametrize("format", FORMATS[1:])
def test_all_formats_give_the_same_outputs(expression: dict[str, Any], format: str) -> None:
    assert np.abs(expression[format][0] - expression["safetensors"][0]).max() < 1e-4


def test_mini_xception_knows_about_100_neutral_and_50_happy_faces(shared: Path, root: Path) -> None:
    plan = plan_of(root, "mini_xception")
    outputs, labels, classes = outputs_of(plan, *faces_of(plan))
    right = outputs.argmax(1) == labels
    assert abs(right[labels == classes.index("neutral")].sum() - 100) <= 2
    assert abs(right[labels == classes.index("happy")].sum() - 50) <= 2


def test_a_wrong_order_of_the_classes_changes_the_answers_and_not_the_outputs(
    shared: Path, root: Path, expression: dict[str, Any]
) -> None:
    """What the performance probe has to flag: the net is as good as before, and looks hopeless."""
    plan = plan_of(root, "face_expression")
    turned = plan.plan.model_dump(mode="json")
    turned["target"]["classes"] = turned["target"]["classes"][1:] + turned["target"]["classes"][:1]
    results = run_plan(check_plan(read_yaml(yaml.safe_dump(turned)), plan.folder, Problems("turned")))
    accuracy = results["performance/accuracy"].estimate.value
    assert accuracy is not None
    assert accuracy < 0.2
    assert any("order" in finding.claim or "classes" in finding.claim for finding in results.findings())
