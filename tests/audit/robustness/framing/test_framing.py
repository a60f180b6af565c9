from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

import countenance
from countenance.audit.robustness.framing.mirroring import _agreement_with_others, _answers
from countenance.audit.robustness.framing.params import FramingParams
from countenance.audit.robustness.framing.withstood import Loss, withstood
from countenance.core.numbers import Fraction
from countenance.core.results import AuditResults, Estimate

SIDE, WHOLE = 32, 64
EDGE = (WHOLE - SIDE) // 2
PEOPLE = 40


class Reads(nn.Module):
    """Says yes where a reading of the picture, (n, 3, h, w) to (n,), is above 0."""

    def __init__(self, reading: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.reading = reading

    def forward(self, pixels: Tensor) -> Tensor:
        found = 20 * self.reading(pixels)
        return torch.stack([-found, found], dim=1)


def line(pixels: Tensor) -> Tensor:
    """How much brighter a line down the middle is than the picture."""
    middle = SIDE // 2
    return pixels[..., middle - 1 : middle + 1].mean((1, 2, 3)) - pixels.mean((1, 2, 3))


def colour(pixels: Tensor) -> Tensor:
    return (pixels[:, 0] - pixels[:, 2]).mean((1, 2))


def sides(pixels: Tensor) -> Tensor:
    half = SIDE // 2
    return pixels[..., half:].mean((1, 2, 3)) - pixels[..., :half].mean((1, 2, 3))


def faces(folder: Path, draw: Callable[[int, int], np.ndarray]) -> pd.DataFrame:
    """Two pictures of each of 40 people; ``draw(person, label)`` gives the box, (32, 32, 3), of a grey picture."""
    random = np.random.default_rng(1)
    lines = []
    for person in range(PEOPLE):
        for label in (0, 1):
            pixels = np.full((WHOLE, WHOLE, 3), 0.5) + random.normal(0, 0.02, (WHOLE, WHOLE, 3))
            pixels[EDGE : EDGE + SIDE, EDGE : EDGE + SIDE] += draw(person, label)
            name = f"{person}_{label}.png"
            Image.fromarray((pixels.clip(0, 1) * 255).astype(np.uint8)).save(folder / name)
            kind = ("broad", "narrow")[person % 2]
            lines.append([name, ("no", "yes")[label], f"p{person}", kind, EDGE, EDGE, EDGE + SIDE, EDGE + SIDE])
    return pd.DataFrame(lines, columns=["path", "label", "subject", "kind", "x0", "y0", "x1", "y1"])


def run(folder: Path, frame: pd.DataFrame, reading: Callable[[Tensor], Tensor], **params: Any) -> AuditResults:
    data = {
        "subject": "subject",
        "box": ["x0", "y0", "x1", "y1"],
        "attributes": {"kind": {"assigned_by": "annotator"}},
    }
    if "x0" not in frame:
        del data["box"]
    results = countenance.run(
        model=Reads(reading),
        faces=frame,
        folder=folder,
        out=folder / "run",
        classes=["no", "yes"],
        input={"size": SIDE, "mean": [0.0] * 3, "std": [1.0] * 3},
        data=data,
        probes=[{"probe": "framing", **params}],
    )
    assert results.probes[0].status == "ok", results.probes[0].reason
    return results


FEW = {"shift": [0.05, 0.25], "loose_box": [], "tight_box": [], "aspect": [], "rotation": []}


def by_line(person: int, label: int) -> np.ndarray:
    """A line of two pixels for people of odd numbers; for the others the middle third."""
    signal = np.zeros((SIDE, SIDE, 3))
    half = 1 if person % 2 else SIDE // 4 + 5
    signal[:, SIDE // 2 - half : SIDE // 2 + half] = 0.2 if label else -0.2
    return signal


def by_colour(person: int, label: int) -> np.ndarray:
    signal = np.zeros((SIDE, SIDE, 3))
    signal[..., 0 if label else 2] = 0.2
    return signal


def by_side(person: int, label: int) -> np.ndarray:
    signal = np.zeros((SIDE, SIDE, 3))
    signal[:, SIDE // 2 :] = 0.2 if label else -0.2
    return signal


def test_a_model_that_loses_one_group_when_the_box_moves_is_exposed(tmp_path: Path) -> None:
    results = run(tmp_path, faces(tmp_path, by_line), line, **FEW)
    assert results["framing/accuracy@amount=0,change=none"].estimate.value == 1
    assert (
        results["framing/lost[kind=narrow]@amount=0.25,change=shift"].estimate.value == 0.5
    )  # left and right of the four
    assert results["framing/lost[kind=broad]@amount=0.25,change=shift"].estimate.value == 0
    assert results["framing/accuracy@amount=0.25,change=shift_up"].estimate.value == 1
    assert results["framing/changed@change=identity"].estimate.value == 0
    told = " ".join(finding.claim for finding in results.findings())
    assert "narrow" in told
    found = {finding.id: finding for finding in results.findings()}
    assert "box moved" in found["framing.costliest"].claim


def test_a_model_that_reads_what_no_frame_changes_loses_nothing(tmp_path: Path) -> None:
    results = run(tmp_path, faces(tmp_path, by_colour), colour)
    lost = [item for item in results.measurements() if item.metric == "lost" and not item.slice]
    assert len(lost) > 10
    assert all(item.estimate.value == 0 for item in lost)
    assert [finding.id for finding in results.probes[0].findings] == ["framing.costliest"]
    assert results["framing/mirror_consistency"].estimate.value == 1
    assert results["framing/mirror_consistency.null"].estimate.value == pytest.approx(0.5, abs=0.01)
    assert results["framing/withstood@change=shift"].estimate.value == 0.2
    assert results["framing/withstood@change=rotation"].estimate.value == 30


def test_a_model_that_tells_left_from_right_answers_otherwise_to_mirror_images(tmp_path: Path) -> None:
    results = run(tmp_path, faces(tmp_path, by_side), sides, **FEW)
    assert results["framing/mirror_consistency"].estimate.value == 0
    assert results["framing/lost@change=mirror"].estimate.value == 1
    distance = results["framing/mirror_distance"].estimate.value
    assert distance is not None
    assert distance > 0.9


def test_what_is_withstood_and_what_is_said_of_it(tmp_path: Path) -> None:
    frame = faces(tmp_path, by_line)
    narrow = frame[frame["kind"] == "narrow"].reset_index(drop=True)
    results = run(tmp_path, narrow, line, **{**FEW, "shift": [0.01, 0.25], "tight_box": [0.5]}, mirror=False)
    stood = results["framing/withstood@change=shift"].estimate
    assert (stood.value, stood.high) == (0.01, 0.25)
    found = {finding.id: finding for finding in results.findings()}
    assert found["framing.shift"].severity == "low"
    assert "moved aside by 25 %" in found["framing.shift"].claim
    assert set(found["framing.shift"].evidence) <= {item.key for item in results.measurements()}
    assert "framing/mirror_consistency" not in {item.key for item in results.measurements()}


def test_faces_without_boxes_and_without_labels(tmp_path: Path) -> None:
    frame = faces(tmp_path, by_line).drop(columns=["label", "x0", "y0", "x1", "y1"])
    results = run(tmp_path, frame, line, **FEW)
    probe = results.probes[0]
    assert any("no boxes" in note for note in probe.notes)
    assert results["framing/changed@amount=0.25,change=shift"].estimate.value is not None
    assert not [item for item in probe.measurements if item.metric in ("accuracy", "lost")]
    beyond = pd.read_csv(tmp_path / "run" / "tables" / "framing.beyond_picture.csv").set_index(["change", "amount"])
    assert beyond.loc[("shift_left", 0.25), "reaching_beyond"] == len(frame)
    assert beyond.loc[("shift_left", 0.25), "share_of_crop_beyond"] == pytest.approx(0.25)


def test_boxes_at_the_edge_of_the_picture_are_counted(tmp_path: Path) -> None:
    frame = faces(tmp_path, by_colour)
    frame[["x0", "x1"]] -= EDGE
    results = run(tmp_path, frame, colour, **FEW)
    assert results["framing/faces_beyond_picture"].estimate.value == len(frame)
    assert any("reached beyond the picture" in note for note in results.probes[0].notes)


def test_a_model_at_chance_is_not_measured(tmp_path: Path) -> None:
    results = run(tmp_path, faces(tmp_path, by_colour), lambda pixels: pixels.mean((1, 2, 3)) - 2, **FEW)
    measured = {item.metric: item.estimate for item in results.probes[0].measurements}
    assert measured["accuracy"].value is None
    assert "one and the same answer" in (measured["accuracy"].reason or "")


def loss(amount: str, low: float, value: float, high: float) -> Loss:
    return Loss(Fraction(amount), Estimate(value=value, low=low, high=high, level=0.95, n=100))


@pytest.mark.parametrize(
    ("losses", "expected"),
    [
        ([(0, 0.01, 0.05), (0.02, 0.05, 0.09), (0.2, 0.3, 0.4)], (2, 2, 3)),
        ([(0, 0.01, 0.05), (0.05, 0.09, 0.15), (0.2, 0.3, 0.4)], (2, 1, 3)),
        ([(0, 0.01, 0.05), (0.12, 0.2, 0.3), (0.08, 0.15, 0.2)], (1, 1, None)),
        ([(0.2, 0.3, 0.4), (0.3, 0.4, 0.5), (0.4, 0.5, 0.6)], (0, 0, 1)),
        ([(0, 0, 0.04), (0, 0, 0.04), (0, 0.01, 0.05)], (3, 3, None)),
        ([(0, 0.05, 0.12), (0, 0.05, 0.09), (0, 0.2, 0.3)], (2, 0, None)),
    ],
)
def test_up_to_which_amount_a_change_is_withstood(losses: Any, expected: tuple[float, float, float | None]) -> None:
    found = withstood([loss(str(place + 1), *each) for place, each in enumerate(losses)], 0.1)
    assert (found.value, found.low, found.high) == expected


def test_agreement_by_chance_is_that_with_other_peoples_faces() -> None:
    random = np.random.default_rng(0)
    straight, mirrored = random.dirichlet(np.ones(4), 30), random.dirichlet(np.ones(4), 30)
    people = random.integers(0, 9, 30)
    found, known = _agreement_with_others(_answers(straight, True), _answers(mirrored, True), people)
    a, b = straight.argmax(1), mirrored.argmax(1)
    expected = [np.mean([a[i] == b[j] for j in range(30) if people[j] != people[i]]) for i in range(30)]
    np.testing.assert_allclose(found, expected)
    assert known.all()
    units = _agreement_with_others(_answers(straight, False), _answers(mirrored, False), people)[0]
    a, b = straight >= 0.5, mirrored >= 0.5
    expected = [np.mean([(a[i] == b[j]).mean() for j in range(30) if people[j] != people[i]]) for i in range(30)]
    np.testing.assert_allclose(units, expected)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"shift": 0}, "above 0 and at most 0.5"),
        ({"shift": [0.6]}, "at most 0.5"),
        ({"tight_box": 1}, "at most 0.9"),
        ({"rotation": [-5]}, "at most 180 \\(degrees\\), but got -5"),
        ({"rotation": [5, 5]}, "each amount once"),
        ({"shift": "a tenth"}, "expected a number"),
        ({"accepted_loss": 0}, "greater than 0"),
        (
            {"shift": [], "loose_box": [], "tight_box": [], "aspect": [], "rotation": [], "mirror": False},
            "at least one",
        ),
        ({"zoom": 0.1}, "zoom"),
    ],
)
def test_settings_that_cannot_be(given: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        FramingParams(**given)


def test_amounts_are_sorted_and_kept_as_written() -> None:
    assert [str(each) for each in FramingParams(rotation=[20, "5"]).rotation] == ["5", "20"]
    assert [str(each) for each in FramingParams(shift="1/8").shift] == ["1/8"]


def run_task(folder: Path, task: str, classes: list[str], output: str, reading: Callable[[Tensor], Tensor]) -> Any:
    frame = faces(folder, by_side).drop(columns="label")
    side = np.tile([0, 1], PEOPLE)
    truth = {"AU1": side, "AU12": 1 - side} if task == "action_units" else {"valence": side - 0.5, "arousal": 0 * side}
    frame = frame.assign(**{f"y_{name}": values for name, values in truth.items()})

    class Net(nn.Module):
        def forward(self, pixels: Tensor) -> Tensor:
            return reading(pixels)

    results = countenance.run(
        model=Net(),
        faces=frame,
        folder=folder,
        task=task,
        classes=classes,
        output=output,
        input={"size": SIDE, "mean": [0.0] * 3, "std": [1.0] * 3},
        data={"subject": "subject", "box": ["x0", "y0", "x1", "y1"]},
        probes=[{"probe": "framing", **FEW}],
    )
    assert results.probes[0].status == "ok", results.probes[0].reason
    return results


def test_action_units(tmp_path: Path) -> None:
    def reading(pixels: Tensor) -> Tensor:
        return torch.stack([20 * sides(pixels), -20 * sides(pixels)], dim=1)

    results = run_task(tmp_path, "action_units", ["AU1", "AU12"], "logits", reading)
    assert results["framing/accuracy@amount=0,change=none"].estimate.value == 1
    assert results["framing/lost@change=mirror"].estimate.value == 1
    assert results["framing/mirror_consistency"].estimate.value == 0
    assert results["framing/mirror_consistency.null"].estimate.value == pytest.approx(0.5, abs=0.02)


def test_valence_and_arousal(tmp_path: Path) -> None:
    def reading(pixels: Tensor) -> Tensor:
        return torch.stack([2.5 * sides(pixels), 0 * sides(pixels)], dim=1)

    results = run_task(tmp_path, "valence_arousal", [], "values", reading)
    assert results["framing/absolute_error@amount=0,change=none"].estimate.value == pytest.approx(0, abs=0.02)
    assert results["framing/error_rise@change=mirror"].estimate.value == pytest.approx(0.5, abs=0.05)
    assert results["framing/mirror_distance"].estimate.value == pytest.approx(0.5, abs=0.05)
    assert not [item for item in results.measurements() if item.metric in ("withstood", "mirror_consistency")]
