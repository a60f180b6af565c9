from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor, nn

import countenance
from countenance.core.errors import PlanError
from countenance.core.results import AuditResults

SIDE, PEOPLE = 16, 60
CLASSES = ["red", "green", "blue"]
NETS = """
import torch
from torch import nn


class Colours(nn.Module):
    '''Reads how much of each colour there is, beyond grey.'''

    def __init__(self, classes: int = 3) -> None:
        super().__init__()
        self.weights = nn.Parameter(torch.zeros(classes, 3))

    def forward(self, pixels):
        colour = pixels.mean((2, 3))
        return (colour - colour.mean(1, keepdim=True)) @ self.weights.T
"""


class Reads(nn.Module):
    """Gives logits from a function of the pixels."""

    def __init__(self, reading: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.reading = reading

    def forward(self, pixels: Tensor) -> Tensor:
        return self.reading(pixels)


def stripes(pixels: Tensor) -> Tensor:
    """Colour, and how sure depends on whether there are stripes at all."""
    colour = pixels.mean((2, 3))
    fine = (pixels[..., 1::2] - pixels[..., ::2]).mean((1, 2, 3)).clamp_min(0)
    return 400 * fine[:, None] * (colour - colour.mean(1, keepdim=True))


def plain(pixels: Tensor) -> Tensor:
    colour = pixels.mean((2, 3))
    return 30 * (colour - colour.mean(1, keepdim=True))


def draw(folder: Path, name: str, label: int, faint: float = 1.0, seed: int = 0) -> str:
    random = np.random.default_rng([seed, label])
    pixels = np.full((SIDE, SIDE, 3), 0.4) + random.normal(0, 0.03, 3)
    pixels[:, 1::2] += 0.2 * faint
    pixels[..., label] += 0.15 + random.normal(0, 0.02)
    Image.fromarray((pixels.clip(0, 1) * 255).astype(np.uint8)).save(folder / name)
    return name


def faces(folder: Path, faint: float = 1.0) -> pd.DataFrame:
    """Three faces of each of 60 people; those of odd numbers have fainter stripes if asked."""
    lines = []
    for person in range(PEOPLE):
        for label, name in enumerate(CLASSES):
            weak = faint if person % 2 else 1.0
            file = draw(folder, f"{person}_{label}.png", label, weak, seed=200 + person)
            lines.append([file, name, f"p{person}", ("plain", "faint")[person % 2]])
    return pd.DataFrame(lines, columns=["path", "label", "subject", "kind"])


def run(folder: Path, frame: pd.DataFrame, reading: Callable[[Tensor], Tensor], **params: Any) -> AuditResults:
    output = params.pop("output", "logits")
    return countenance.run(
        model=Reads(reading),
        faces=frame,
        folder=folder,
        out=folder / "run",
        classes=CLASSES,
        input={"size": SIDE, "mean": [0.0] * 3, "std": [1.0] * 3},
        output=output,
        data={"subject": "subject", "attributes": {"kind": {"assigned_by": "annotator"}}},
        probes=[{"probe": "open_set", **params}],
    )


def ok(results: AuditResults) -> AuditResults:
    assert results.probes[0].status == "ok", results.probes[0].reason
    keys = {item.key for item in results.measurements()}
    for finding in results.findings():
        assert set(finding.evidence) <= keys, finding.id
    return results


def value(results: AuditResults, key: str) -> float:
    found = results[f"open_set/{key}"].estimate.value
    assert found is not None, results[f"open_set/{key}"].estimate.reason
    return found


def test_a_model_that_is_unsure_without_what_makes_a_face_tells_it(tmp_path: Path) -> None:
    results = ok(run(tmp_path, faces(tmp_path), stripes, non_faces=["flat", "noise"]))
    for score in ("msp", "max_logit", "energy"):
        assert value(results, f"unknown_auroc@score={score},unknown=flat") == 1
        assert value(results, f"fpr95@score={score},unknown=made") == 0
        assert value(results, f"unknown_auroc[kind=faint]@score={score},unknown=made") == 1
        assert value(results, f"unknown_accepted[kind=plain]@score={score},unknown=made") == 0
    assert [finding.id for finding in results.probes[0].findings] == ["open_set.unknowns"]
    answers = pd.read_csv(tmp_path / "run" / "tables" / "open_set.made_answers.csv")
    assert answers.groupby("unknown")["share"].sum().round(6).tolist() == [1, 1]


def test_a_model_that_reads_colour_alone_takes_flat_colours_for_faces(tmp_path: Path) -> None:
    results = ok(run(tmp_path, faces(tmp_path), plain, non_faces=["flat"]))
    for score in ("msp", "max_logit", "energy"):
        assert value(results, f"unknown_auroc@score={score},unknown=flat") == pytest.approx(0.5, abs=0.01)
        assert value(results, f"fpr95@score={score},unknown=flat") == pytest.approx(0.95, abs=0.02)
    assert value(results, "unknown_auroc.null") == 0.5
    assert value(results, "fpr95.null") == 0.95
    found = {finding.id: finding for finding in results.findings()}
    assert found["open_set.accepts.flat"].severity == "medium"
    assert "flat colour" in found["open_set.accepts.flat"].claim


def test_a_group_whose_faces_are_rejected_more_often_is_exposed_and_its_twin_is_not(tmp_path: Path) -> None:
    planted = ok(run(tmp_path, faces(tmp_path, faint=0.5), stripes, non_faces=["flat"]))
    assert value(planted, "known_rejected[kind=plain]@score=energy") == 0
    assert value(planted, "known_rejected[kind=faint]@score=energy") == pytest.approx(0.1, abs=0.02)
    even = ok(run(tmp_path / "run", faces_in(tmp_path / "run"), stripes, non_faces=["flat"]))
    gap = [finding for finding in even.findings() if "known_rejected" in finding.id]
    assert not gap


def faces_in(folder: Path) -> pd.DataFrame:
    folder.mkdir(exist_ok=True)
    return faces(folder)


def test_of_probabilities_the_others_are_not_measured(tmp_path: Path) -> None:
    results = ok(run(tmp_path, faces(tmp_path), lambda x: plain(x).softmax(1), output="probabilities"))
    assert value(results, "unknown_auroc@score=msp,unknown=noise") > 0.5
    energy = results["open_set/unknown_auroc@score=energy,unknown=noise"].estimate
    assert energy.value is None
    assert "give logits" in (energy.reason or "")
    assert "open_set/known_rejected[kind=faint]@score=energy" not in {item.key for item in results.measurements()}


def test_given_unknowns_that_are_drawn_like_the_faces_are_not_told_from_them(tmp_path: Path) -> None:
    frame = faces(tmp_path)
    (tmp_path / "more" / "same").mkdir(parents=True)
    for number in range(60):
        draw(tmp_path / "more" / "same", f"{number}.png", number % 3, seed=1000 + number)
    results = ok(run(tmp_path, frame, stripes, unknown="more"))
    found = results["open_set/unknown_auroc@score=energy,unknown=same"].estimate
    assert found.low is not None
    assert found.high is not None
    assert found.low < 0.5 < found.high
    rate = results["open_set/fpr95@score=energy,unknown=same"].estimate
    assert rate.low is not None
    assert rate.high is not None
    assert rate.low < 0.95 < rate.high
    assert value(results, "known_above_unknown[kind=plain]@score=energy,unknown=same") == pytest.approx(0.5, abs=0.15)


def test_given_unknowns_of_several_kinds_and_one_that_cannot_be_read(tmp_path: Path) -> None:
    frame = faces(tmp_path)
    for kind, faint in (("masks", 0.0), ("statues", 0.1)):
        (tmp_path / "more" / kind).mkdir(parents=True)
        for number in range(15):
            draw(tmp_path / "more" / kind, f"{number}.png", number % 3, faint, seed=number)
    (tmp_path / "more" / "masks" / "broken.png").write_bytes(b"no picture")
    results = ok(run(tmp_path, frame, stripes, unknown="more", non_faces=["noise"]))
    assert value(results, "unknowns_set_aside") == 1
    for kind in ("masks", "statues", "given", "noise"):
        assert value(results, f"unknown_auroc@score=energy,unknown={kind}") > 0.9
        assert results[f"open_set/fpr95@score=energy,unknown={kind}"].estimate.n == {"given": 30, "noise": 180}.get(
            kind, 15
        )
    set_aside = pd.read_csv(tmp_path / "run" / "tables" / "open_set.unknowns_set_aside.csv")
    assert set_aside["kind"].tolist() == ["masks"]


def checkpoint(path: Path, weights: list[list[float]]) -> str:
    save_file({"weights": torch.tensor(weights)}, path)
    return path.name


def plan(folder: Path, probe: str, classes: str = "[red, green, blue]") -> Path:
    (folder / "nets.py").write_text(NETS)
    checkpoint(folder / "all.safetensors", (30 * torch.eye(3)).tolist())
    text = f"""
version: 1
name: colours
seed: 1
target:
  checkpoint: all.safetensors
  factory: nets.py:Colours
  task: expression
  classes: {classes}
  input: {{size: {SIDE}, mean: [0, 0, 0], std: [1, 1, 1]}}
  output: logits
data: {{manifest: faces.csv, label: label, subject: subject}}
probes:
  - {probe}
"""
    (folder / "plan.yaml").write_text(text)
    return folder / "plan.yaml"


BLIND = [[30.0, 0, 0], [0, 30.0, 0]]  # blue leaves both logits low
FOOLED = [[30.0, 0, 30.0], [0, 15.0, 0]]  # blue is as good as red and green


@pytest.mark.parametrize(("weights", "told"), [(BLIND, True), (FOOLED, False)])
def test_a_class_that_was_left_out(tmp_path: Path, weights: list[list[float]], told: bool) -> None:
    faces(tmp_path).to_csv(tmp_path / "faces.csv", index=False)
    checkpoint(tmp_path / "no_blue.safetensors", weights)
    probe = "{probe: open_set, checkpoints: {blue: no_blue.safetensors}, arguments: {classes: 2}}"
    results = ok(countenance.run(plan(tmp_path, probe)))
    found = results["open_set/unknown_auroc@left_out=blue,score=energy"].estimate
    assert value(results, "known_accuracy@left_out=blue") > 0.95
    if told:
        assert found.value == 1
        assert value(results, "fpr95@left_out=blue,score=energy") == 0
    else:
        assert found.value == pytest.approx(0.5, abs=0.15)
        assert value(results, "fpr95@left_out=blue,score=energy") > 0.8
    finding = next(each for each in results.findings() if each.id == "open_set.without.blue")
    assert "labelled blue" in finding.claim
    assert "not surely told" not in finding.claim  # by msp it is told either way
    assert not [item for item in results.measurements() if "unknown=" in item.key]


def test_the_mean_over_left_out_classes(tmp_path: Path) -> None:
    faces(tmp_path).to_csv(tmp_path / "faces.csv", index=False)
    for name, lacking in (("red", 0), ("green", 1)):
        weights = [row for place, row in enumerate((30 * torch.eye(3)).tolist()) if place != lacking]
        weights[0][lacking] = 28.0
        checkpoint(tmp_path / f"no_{name}.safetensors", weights)
    files = "{red: no_red.safetensors, green: no_green.safetensors}"
    results = ok(
        countenance.run(plan(tmp_path, f"{{probe: open_set, checkpoints: {files}, arguments: {{classes: 2}}}}"))
    )
    each = [value(results, f"unknown_auroc@left_out={name},score=msp") for name in ("red", "green")]
    mean = results["open_set/unknown_auroc@left_out=all,score=msp"].estimate
    assert mean.value == pytest.approx(np.mean(each))
    assert mean.low is not None
    assert mean.high is not None
    assert mean.low < mean.value < mean.high


@pytest.mark.parametrize(
    ("probe", "told"),
    [
        (
            "{probe: open_set, checkpoints: {blew: all.safetensors}}",
            "none of the classes red, green, blue; did you mean",
        ),
        ("{probe: open_set, checkpoints: {blue: all.safetensors}}", "lists 2 classes .* gives 3 outputs"),
        (
            "{probe: open_set, checkpoints: {blue: all.safetensors}, arguments: {classes: 2}}",
            "the checkpoint without 'blue'",
        ),
    ],
)
def test_checkpoints_that_do_not_fit(tmp_path: Path, probe: str, told: str) -> None:
    faces(tmp_path).to_csv(tmp_path / "faces.csv", index=False)
    result = countenance.run(plan(tmp_path, probe)).probes[0]
    assert result.status == "failed"
    assert result.reason is not None
    assert re.search(told, result.reason), result.reason


def test_files_that_are_not_there_are_told_before_anything_runs(tmp_path: Path) -> None:
    faces(tmp_path).to_csv(tmp_path / "faces.csv", index=False)
    with pytest.raises(PlanError, match="there is no file"):
        countenance.run(plan(tmp_path, "{probe: open_set, checkpoints: {blue: missing.pt}}"))
    with pytest.raises(PlanError, match="no such file"):
        countenance.run(plan(tmp_path, "{probe: open_set, unknown: missing.csv}"))


def test_results_hang_on_the_seed_alone(tmp_path: Path) -> None:
    frame = faces(tmp_path)
    first = run(tmp_path, frame, plain, non_faces=["noise", "shuffled"])
    (tmp_path / "run").rename(tmp_path / "first")
    second = run(tmp_path, frame, plain, non_faces=["noise", "shuffled"])
    assert [item.model_dump() for item in first.measurements()] == [item.model_dump() for item in second.measurements()]
