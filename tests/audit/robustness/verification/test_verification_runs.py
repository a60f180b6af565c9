"""Whole audits of a verification checkpoint: pairs made by person or read from a table, with and without gradients."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from PIL import Image
from safetensors.torch import save_file

from countenance.cli import execute
from countenance.core.api import run_plan
from countenance.core.plan_file import load_plan

NETS = '''
from torch import nn


class TinyEmbedding(nn.Module):
    """Embeds normalised pixels (n, 3, 16, 16) as (n, 16)."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(3, 12, 3, 2, 1), nn.ReLU(), nn.Conv2d(12, 24, 3, 2, 1), nn.ReLU(),
            nn.Flatten(), nn.Linear(24 * 16, 16),
        )

    def forward(self, x):
        return self.layers(x)
'''


def as_onnx(net: Any, file: Path) -> None:
    """Write the same net in ONNX form."""
    onnx = pytest.importorskip("onnx")
    helper, numpy_helper = onnx.helper, onnx.numpy_helper
    state = {name.removeprefix("layers."): value.numpy() for name, value in net.state_dict().items()}
    convolution = {"strides": [2, 2], "pads": [1, 1, 1, 1], "kernel_shape": [3, 3]}
    nodes = [
        helper.make_node("Conv", ["x", "0.weight", "0.bias"], ["a"], **convolution),
        helper.make_node("Relu", ["a"], ["b"]),
        helper.make_node("Conv", ["b", "2.weight", "2.bias"], ["c"], **convolution),
        helper.make_node("Relu", ["c"], ["d"]),
        helper.make_node("Flatten", ["d"], ["e"]),
        helper.make_node("Gemm", ["e", "5.weight", "5.bias"], ["out"], transB=1),
    ]
    values = [numpy_helper.from_array(value, name) for name, value in state.items()]
    number = onnx.TensorProto.FLOAT
    graph = helper.make_graph(
        nodes, "embedding",
        [helper.make_tensor_value_info("x", number, ["n", 3, 16, 16])],
        [helper.make_tensor_value_info("out", number, ["n", 16])],
        values,
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    file.write_bytes(model.SerializeToString())


@pytest.fixture
def folder(tmp_path: Path, net: Any, photos: Any) -> Path:
    """Photos of 40 people, three each, a net in two forms, and a manifest."""
    pixels, people = photos(40, 3, seed=5)
    (tmp_path / "images").mkdir()
    rows = []
    for place, (photo, person) in enumerate(zip(pixels, people, strict=True)):
        path = f"images/{place:03d}.png"
        Image.fromarray((photo.permute(1, 2, 0).numpy() * 255).round().astype(np.uint8)).save(tmp_path / path)
        rows.append({"path": path, "person": f"p{person:03d}", "half": "odd" if person % 2 else "even"})
    pd.DataFrame(rows).to_csv(tmp_path / "manifest.csv", index=False)
    (tmp_path / "nets.py").write_text(NETS)
    save_file(net.state_dict(), tmp_path / "net.safetensors")
    return tmp_path


def plan_file(folder: Path, checkpoint: str = "net.safetensors", **blocks: Any) -> Path:
    target = {"checkpoint": checkpoint, "task": "verification", "input": {"size": 16, "mean": [0.5]}}
    target |= {"output": "embedding", **({} if checkpoint.endswith("onnx") else {"factory": "nets.py:TinyEmbedding"})}
    data = {"manifest": "manifest.csv", "subject": "person", "attributes": {"half": {"assigned_by": "annotator"}}}
    plan = {
        "name": "pairs",
        "seed": 4,
        "target": target,
        "data": data | blocks.pop("data", {}),
        "run": {"device": "cpu", "batch_size": 32, "workers": 1},
        "probes": ["performance", "verification_attacks"],
        **blocks,
    }
    file = folder / "audit.yaml"
    file.write_text(yaml.safe_dump(plan))
    return file


ATTACK = {"probe": "verification_attacks", "eps": ["8/255", "16/255"], "attempts": 60}


def test_the_command_audits_a_checkpoint_on_pairs_made_by_person(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    gate = {"measure": "verification_attacks/impersonation@attack=pgd,eps=16/255,photo=other", "at_most": 0.1}
    plan = plan_file(folder, probes=[{"probe": "performance", "fmr": 0.01}, ATTACK], gates=[gate])
    status = execute(["run", str(plan), "--out", str(folder / "run")])
    told = capsys.readouterr().out
    assert status == 1, told  # the gate fails
    assert "could pass as another person" in " ".join(told.split())
    assert (folder / "run" / "report.html").stat().st_size > 10_000
    assert "impersonation" in (folder / "run" / "report.html").read_text(encoding="utf-8")
    scores = pd.read_parquet(folder / "run" / "scores.parquet")
    assert set(scores["score"]) == {"impersonation_similarity", "dodging_similarity"}
    predictions = pd.read_parquet(folder / "run" / "predictions.parquet")
    assert set(scores["face_id"]) <= set(predictions["pair_id"])
    table = pd.read_csv(folder / "run" / "tables" / "verification_attacks.success.csv")
    assert len(table) == 2 * 5 * 2


def test_the_same_plan_gives_the_same_numbers_and_another_seed_others(folder: Path) -> None:
    plan = plan_file(folder, probes=[{**ATTACK, "eps": "8/255"}])
    first, again = run_plan(load_plan(plan)), run_plan(load_plan(plan))
    assert first.probes[0].measurements == again.probes[0].measurements
    plan = plan_file(folder, probes=[{**ATTACK, "eps": "8/255"}], seed=5)
    assert first.probes[0].measurements != run_plan(load_plan(plan)).probes[0].measurements


def test_pairs_of_a_table_set_the_threshold_and_are_attacked(folder: Path) -> None:
    manifest = pd.read_csv(folder / "manifest.csv")
    random = np.random.default_rng(0)
    rows = [tuple(random.choice(len(manifest), 2, replace=False)) for _ in range(1500)]
    first, second = zip(*dict.fromkeys(rows), strict=True)
    table = pd.DataFrame({"face_a": manifest["path"][list(first)].to_numpy()})
    table["face_b"] = manifest["path"][list(second)].to_numpy()
    table.to_csv(folder / "pairs.csv", index=False)
    results = run_plan(load_plan(plan_file(folder, data={"pairs": "pairs.csv"}, probes=[ATTACK])))
    (probe,) = results.probes
    assert probe.status == "ok", probe.reason
    assert results["verification_attacks/threshold@far=0.01"].estimate.n == results[
        "verification_attacks/fmr@far=0.01"].estimate.n < len(table)  # fmt: skip
    impersonation = results["verification_attacks/impersonation@attack=pgd,eps=16/255,photo=given"].estimate
    assert impersonation.n == 60
    assert (impersonation.low or 0) > 0.5


def test_onnx_is_attacked_by_answers_only(folder: Path, net: Any) -> None:
    as_onnx(net, folder / "net.onnx")
    square = {**ATTACK, "id": "square", "attack": "square", "queries": 120, "eps": "16/255", "attempts": 30}
    results = run_plan(load_plan(plan_file(folder, "net.onnx", probes=[ATTACK, square])))
    skipped, attacked = results.probes
    assert skipped.status == "skipped"
    assert skipped.reason == "the target gives no gradients (onnx); `attack: square` asks for answers only"
    assert attacked.status == "ok", attacked.reason
    share = results["square/dodging@attack=square,eps=16/255,photo=given"].estimate.value
    noise = results["square/dodging@attack=noise,eps=16/255,photo=given"].estimate.value
    assert share is not None
    assert noise is not None
    assert share > 0.5 > 0.1 > noise


def test_a_table_of_similarities_has_no_model_to_attack(folder: Path) -> None:
    table = pd.DataFrame({"pair_id": ["x", "y"], "face_a": ["a", "c"], "face_b": ["b", "d"], "same": [1, 0]})
    table.assign(similarity=[0.9, 0.1]).to_csv(folder / "table.csv", index=False)
    plan = yaml.safe_load(plan_file(folder, probes=[ATTACK]).read_text())
    plan |= {"target": {"predictions": "table.csv", "task": "verification"}, "data": {}}
    (folder / "audit.yaml").write_text(yaml.safe_dump(plan))
    (probe,) = run_plan(load_plan(folder / "audit.yaml")).probes
    assert probe.status == "skipped"
    assert probe.reason == "the target is a table of predictions: there is no model to run"


def test_an_expression_net_is_not_attacked_as_verification(folder: Path) -> None:
    plan = yaml.safe_load(plan_file(folder, probes=[ATTACK]).read_text())
    plan["target"] |= {"task": "expression", "classes": [f"c{place}" for place in range(16)], "output": "logits"}
    plan["data"] = {"manifest": "manifest.csv", "label": None}
    (folder / "audit.yaml").write_text(yaml.safe_dump(plan))
    (probe,) = run_plan(load_plan(folder / "audit.yaml")).probes
    assert probe.status == "skipped"
    assert probe.reason == "it measures verification targets, this one's task is expression"
