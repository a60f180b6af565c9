"""Which faces a strip shows, what it says of each answer, and that no face of the data is in it unless it may be."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor, nn

from countenance.audit.robustness.answer_texts import answers_of
from countenance.audit.robustness.conditions import Condition, Perturbed
from countenance.audit.robustness.strip import FIRST_STAND_IN, permitted_rows, stand_ins, strip
from countenance.core.faces import FaceBatch
from countenance.core.plan import InputSpec, TargetSpec
from countenance.core.predictions import Predictions
from countenance.core.probes import ArrayOutput, JsonOutput, ProbeContext
from countenance.core.statistics.rules import StatisticsRules
from countenance.core.target import Target

DARK = [Condition("corruption", "dark", "severity", size, f"dark, severity {size}") for size in ("1", "2")]
CLASSES = ("neutral", "happy", "sad")


class Brightness(nn.Module):
    """Calls a bright picture happy and a dark one neutral."""

    def forward(self, pixels: Tensor) -> Tensor:
        level = pixels.mean((1, 2, 3))
        return torch.stack([0.3 - level, level - 0.3, torch.full_like(level, -9)], 1) * 20


def darken(condition: Condition, batch: FaceBatch) -> Perturbed:
    return Perturbed(batch.pixels * (0.5 if condition.size == "1" else 0.1))


class DataFaces:
    """Six faces of three people."""

    def __init__(self, may_publish: list[bool], size: int | tuple[int, int] = 24) -> None:
        height, width = (size, size) if isinstance(size, int) else size
        self.frame = pd.DataFrame({"may_publish": may_publish})
        self.pixels = torch.linspace(0.4, 0.9, len(may_publish))[:, None, None, None].expand(-1, 3, height, width)
        self.subject_codes = np.arange(len(may_publish)) // 2
        self.landmarks_kind = "none"
        self.asked: list[int] = []

    def batches(self, size: int, rows: np.ndarray, *, landmarks: bool = False) -> Iterator[FaceBatch]:
        self.asked += rows.tolist()
        yield FaceBatch(rows, self.pixels[rows].clone())


@contextmanager
def silent(unit: str, total: int) -> Iterator[Any]:
    yield lambda count=1: None


def context_of(
    faces: Any, *, permitted: bool = False, channels: Any = "rgb", size: Any = 24, kind: str = "none", seed: int = 3
) -> ProbeContext:
    spec = TargetSpec(
        checkpoint="net.pt",
        task="expression",
        classes=list(CLASSES),
        input=InputSpec(size=size, channels=channels),
        output="logits",
    )
    faces.landmarks_kind = kind
    labels = np.array([0, 1] * (len(faces.frame) // 2))
    values = np.eye(3)[np.ones(len(labels), dtype=int)]
    return ProbeContext(
        probe_id="corruptions",
        faces=faces,
        predictions=Predictions("expression", CLASSES, values, labels.astype(float)),
        target=Target(Brightness(), spec, format="module"),
        rules=StatisticsRules(),
        seed=seed,
        batch_size=4,
        progress=silent,
        faces_permitted=permitted,
    )


def read(outputs: Iterator[ArrayOutput | JsonOutput]) -> tuple[np.ndarray, dict[str, Any]]:
    arrays, document = outputs
    assert isinstance(arrays, ArrayOutput)
    assert isinstance(document, JsonOutput)
    return arrays.arrays["pictures"], json.loads(json.dumps(document.content))


def test_drawn_faces_stand_in_where_no_face_may_be_shown():
    faces = DataFaces([True] * 6)
    pictures, told = read(strip(context_of(faces), DARK, darken, title="Darker"))
    assert faces.asked == []
    assert told["drawn"] is True
    assert pictures.shape == (3, 3, 24, 24, 3)
    assert [face["shows"] for face in told["faces"]] == [
        "a drawn face, happy", "a drawn face, neutral", "a drawn face, surprised",
    ]  # fmt: skip
    assert [each["title"] for each in told["conditions"]] == ["as it is", "dark, severity 1", "dark, severity 2"]
    assert told["conditions"][2]["values"] == {"corruption": "dark", "severity": "2"}


def test_answers_are_those_of_the_model_on_the_pictures_shown():
    pictures, told = read(strip(context_of(DataFaces([True] * 6)), DARK, darken))
    for face, row in zip(told["faces"], pictures, strict=True):
        called = ["happy" if picture.mean() / 255 > 0.3 else "neutral" for picture in row]
        assert [answer["text"].split()[0] for answer in face["answers"]] == called
        assert [answer["changed"] for answer in face["answers"]] == [name != called[0] for name in called]
    assert any(answer["changed"] for face in told["faces"] for answer in face["answers"])


def test_permitted_faces_are_of_different_people_and_labels_right_ones_first():
    context = context_of(DataFaces([True] * 6), permitted=True)
    rows = permitted_rows(context)
    assert len(set(context.faces.subject_codes[rows])) == 3
    assert set(context.predictions.labels[rows]) == {0, 1}
    right = context.predictions.labels[rows] == 1
    assert right.sum() == 2  # three people and two labels: one of the three has to be of the other label
    np.testing.assert_array_equal(rows, permitted_rows(context))


@pytest.mark.parametrize("seed", range(5))
def test_faces_that_must_not_be_published_are_never_read(seed):
    faces = DataFaces([False, False, True, False, False, True])
    pictures, told = read(strip(context_of(faces, permitted=True, seed=seed), DARK, darken))
    assert sorted(faces.asked) == [2, 5]
    assert told["drawn"] is False
    assert len(pictures) == len(told["faces"]) == 2
    assert told["faces"][0]["shows"] == "a face labelled neutral"
    np.testing.assert_allclose(pictures[0, 0] / 255, 0.6, atol=0.003)


def test_none_that_may_be_published_gives_drawn_faces_even_where_the_plan_permits():
    faces = DataFaces([False] * 6)
    _, told = read(strip(context_of(faces, permitted=True), DARK, darken))
    assert told["drawn"] is True
    assert faces.asked == []


def test_what_cannot_be_done_to_a_face_is_told():
    def perturb(condition: Condition, batch: FaceBatch) -> Perturbed:
        return Perturbed(batch.pixels, np.array([True, False, True]))

    _, told = read(strip(context_of(DataFaces([True] * 6)), DARK[:1], perturb))
    assert [face["answers"][1]["possible"] for face in told["faces"]] == [True, False, True]
    assert all(face["answers"][0]["possible"] for face in told["faces"])


@pytest.mark.parametrize("kind, points", [("5", 5), ("68", 68), ("478", 478), ("aligned", 5), ("none", None)])
def test_drawn_faces_bring_the_landmarks_of_the_data(kind, points):
    seen: list[FaceBatch] = []

    def perturb(condition: Condition, batch: FaceBatch) -> Perturbed:
        seen.append(batch)
        return Perturbed(batch.pixels)

    context = context_of(DataFaces([True] * 6), kind=kind, size=(48, 96))
    pictures, _ = read(strip(context, DARK[:1], perturb, landmarks=True))
    (batch,) = seen
    assert batch.pixels.shape == (3, 3, 48, 96)
    assert pictures.shape == (3, 2, 48, 96, 3)
    assert batch.rows.tolist() == [FIRST_STAND_IN, FIRST_STAND_IN + 1, FIRST_STAND_IN + 2]
    if points is None:
        assert batch.landmarks is None
    else:
        assert batch.landmarks is not None
        assert batch.landmarks.shape == (3, points, 2)
        inside = (batch.landmarks >= 0) & (batch.landmarks <= (96, 48))
        assert inside.all()


def test_landmarks_of_the_drawn_faces_lie_on_the_same_places_in_every_set():
    sets = {count: stand_ins((192, 192), count)[0].landmarks for count in ("5", "68", "478")}
    eyes = {"5": sets["5"][:, 0], "68": sets["68"][:, 36:42].mean(1), "478": sets["478"][:, 468]}
    np.testing.assert_allclose(eyes["5"], eyes["68"], atol=0.2)
    np.testing.assert_allclose(eyes["478"], eyes["68"], atol=4)  # the iris of the mesh need not be the mean of the lids
    np.testing.assert_allclose(sets["478"][:, 152], sets["68"][:, 8], atol=6)  # the chin


def test_large_and_grey_inputs():
    context = context_of(DataFaces([True] * 6), channels="grey", size=200)
    pictures, told = read(strip(context, DARK, darken))
    assert pictures.shape == (3, 3, 128, 128, 3)
    assert told["grey"] is True
    assert told["size"] == [200, 200]


def test_nothing_to_show_and_too_much():
    assert list(strip(context_of(DataFaces([True] * 6)), [], darken)) == []
    with pytest.raises(ValueError, match="at most 24 conditions"):
        list(strip(context_of(DataFaces([True] * 6)), DARK * 13, darken))


def test_of_pairs_no_face_is_chosen():
    context = context_of(DataFaces([True] * 6), permitted=True)
    pairs = SimpleNamespace(task="verification")
    assert len(permitted_rows(ProbeContext(**{**context.__dict__, "predictions": pairs}))) == 0


def test_answers_of_other_tasks():
    units = answers_of(np.array([[0.9, 0.2, 0.6], [0.1, 0.1, 0.1], [np.nan, 0, 0]]), "action_units", ("1", "2", "12"))
    assert units.texts == ("1, 12", "no unit", "no number")
    same = answers_of(np.array([[0.8, 0.3, 0.9], [0.9, 0.1, 0.1], [0, 0, 0.0]]), "action_units", ("1", "2", "12"))
    assert [same.changed(n, units) for n in range(3)] == [False, True, True]
    many = answers_of(np.ones((1, 7)), "action_units", tuple("abcdefg"))
    assert many.texts == ("a, b, c, d and 3 more",)
    moved = answers_of(np.array([[0.314, -0.2]]), "valence_arousal", ("valence", "arousal"))
    assert moved.texts == ("valence +0.31, arousal -0.20",)
    assert moved.changed(0, moved) is None
    first = np.array([[1.0, 0.0], [1.0, 1.0]])
    alike = answers_of(np.array([[1.0, 1.0], [np.inf, 0]]), "verification", (), first)
    assert alike.texts == ("similarity 0.71", "no number")
    lost = answers_of(np.array([[np.nan, 1, 2]]), "expression", CLASSES)
    assert lost.texts == ("no number",)
    assert lost.changed(0, answers_of(np.eye(3)[:1], "expression", CLASSES)) is True


def test_the_command_of_the_readme_draws_the_files_that_are_there(root: Path, tmp_path: Path):
    from countenance.synth.stand_ins import write_stand_ins

    write_stand_ins(tmp_path)
    kept = root / "audit" / "robustness" / "data"
    assert (tmp_path / "stand_ins.json").read_text() == (kept / "stand_ins.json").read_text()
    from PIL import Image

    made, held = (np.asarray(Image.open(folder / "stand_ins.png")) for folder in (tmp_path, kept))
    np.testing.assert_array_equal(made, held)
