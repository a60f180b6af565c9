"""The engine behind every perturbation: what is counted, face by face."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from countenance.audit.robustness.conditions import Condition, Perturbed, at_chance, measure, measured_rows
from countenance.audit.robustness.losses import Summary, robustness_outputs
from countenance.core.faces import FaceBatch
from countenance.core.predictions import Predictions
from countenance.core.probes import Note, ProbeContext, Scores, TableOutput
from countenance.core.results import Measurement
from countenance.core.statistics.rules import StatisticsRules


class _Faces:
    def __init__(self, pixels: Tensor, subjects: np.ndarray) -> None:
        self.pixels, self.subject_codes = pixels, subjects

    def batches(self, size: int, rows: np.ndarray, *, landmarks: bool = False) -> Iterator[FaceBatch]:
        for start in range(0, len(rows), size):
            chunk = rows[start : start + size]
            points = np.zeros((len(chunk), 5, 2), dtype=np.float32) if landmarks else None
            yield FaceBatch(chunk, self.pixels[chunk].clone(), points)


class _Target:
    """Answers class k where channel k is brightest; ``probabilities`` of a linear read-out."""

    device = torch.device("cpu")

    def __init__(self, task: str) -> None:
        self.task = task

    def __call__(self, pixels: Tensor) -> Tensor:
        return pixels.mean((2, 3))

    def probabilities(self, outputs: Tensor) -> Tensor:
        return outputs.softmax(1) if self.task == "expression" else outputs


def _context(task: str, pixels: Tensor, truth: np.ndarray, size: int = 3, people: int = 40) -> ProbeContext:
    from contextlib import contextmanager

    @contextmanager
    def silent(unit: str, total: int) -> Iterator[Any]:
        yield lambda count=1: None

    target = _Target(task)
    values = target.probabilities(target(pixels).double()).numpy()
    subjects = np.arange(len(pixels), dtype=np.int64) % people
    return ProbeContext(
        probe_id="probe",
        faces=_Faces(pixels, subjects),  # type: ignore[arg-type]
        predictions=Predictions(task, ("a", "b", "c"), values, truth.astype(np.float64)),
        target=target,  # type: ignore[arg-type]
        rules=StatisticsRules(),
        seed=1,
        batch_size=size,
        progress=silent,
    )


def _pixels(count: int = 40) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return (
        torch.rand((count, 3, 4, 4), generator=generator) * 0.2
        + torch.eye(3)[torch.arange(count) % 3][:, :, None, None] * 0.5
    )


def _rotate(condition: Condition, batch: FaceBatch) -> Perturbed:
    turns = int(condition.size)
    return Perturbed(batch.pixels.roll(turns, 1), batch.rows % 4 != 3)


CONDITIONS = [Condition("change", "turn", "amount", str(turns), f"{turns} turns") for turns in (0, 1)]


def test_outcomes_count_what_is_right_lost_and_changed() -> None:
    truth = np.arange(40) % 3
    truth[:4] = [1, 1, -1, -1]  # wrong labels: not right before; none: not judged
    context = _context("expression", _pixels(), truth)
    rows = measured_rows(context, None)
    assert list(rows) == [row for row in range(40) if row not in (2, 3)]
    found = measure(context, rows, CONDITIONS, _rotate)
    was = np.arange(40)[rows] % 3 == truth[rows]
    assert (found.before == was).all()
    assert (found.after[0] == was).all()
    assert found.after[1].sum() == 1  # face 0, labelled 1, turned into 1
    assert found.lost[1].sum() == was.sum()
    assert (found.changed[1] == 1).all()
    assert not found.changed[0].any()
    assert (found.possible == (rows % 4 != 3)).all()
    assert found.of(change="turn") == (0, 1)
    assert (found.answers[0] == rows % 3).all()
    assert (found.answers[1] == (rows + 1) % 3).all()
    outputs = robustness_outputs(context, found, [], tolerance=None, clean={"change": "none", "amount": "0"})
    table = next(out.frame for out in outputs if isinstance(out, TableOutput)).set_index("condition")
    kept = rows[rows % 4 != 3]
    assert table.loc["1 turns", "faces"] == len(kept)
    assert table.loc["1 turns", "b"] == pytest.approx((kept % 3 == 0).mean(), abs=1e-4)
    assert table.loc["as they are", "a"] == pytest.approx((rows % 3 == 0).mean(), abs=1e-4)


def test_only_faces_that_are_right_are_given_to_an_attack() -> None:
    truth = np.arange(40) % 3
    truth[5] = 0  # wrong
    context = _context("expression", _pixels(), truth)
    seen: list[int] = []

    def attack(condition: Condition, batch: FaceBatch) -> Perturbed:
        seen.extend(batch.rows.tolist())
        return Perturbed(batch.pixels.roll(1, 1))

    found = measure(context, np.arange(40), CONDITIONS[1:], attack, only_right=True)
    assert sorted(seen) == [row for row in range(40) if row != 5]
    assert found.after.sum() == 0
    assert found.lost.sum() == 39
    assert not found.changed[0, 5]
    assert found.possible.all()

    def not_to_the_first(condition: Condition, batch: FaceBatch) -> np.ndarray:
        return batch.rows > 9

    found = measure(context, np.arange(40), CONDITIONS[1:], attack, only_right=True, possible_to=not_to_the_first)
    assert not found.possible[0, 5]
    assert found.possible.sum() == 39


def test_action_units_are_counted_unit_by_unit() -> None:
    pixels = _pixels()
    truth = (np.arange(40)[:, None] % 3 == np.arange(3)).astype(float)
    truth[0, 1] = np.nan
    context = _context("action_units", pixels, truth)
    found = measure(context, np.arange(40), CONDITIONS, _rotate)
    assert list(found.weights[:2]) == [2, 3]
    assert (found.before == found.weights).all()
    # a turn puts two of the three units wrong, of face 0 the known one
    assert list(found.lost[1][:3]) == [1, 2, 2]
    assert found.changed[1][1] == pytest.approx(2 / 3)


def test_values_are_judged_by_their_error() -> None:
    pixels = _pixels()
    truth = _Target("valence_arousal")(pixels).numpy()
    context = _context("valence_arousal", pixels, truth)
    found = measure(context, np.arange(40), CONDITIONS, _rotate)
    assert found.before == pytest.approx(0)
    slow = np.abs(np.roll(truth, 1, axis=1) - truth).mean(1)
    assert found.lost[1] == pytest.approx(slow, abs=1e-6)


def test_an_answer_that_is_no_number_is_wrong_and_told() -> None:
    context = _context("expression", _pixels(), np.arange(40) % 3)

    def break_it(condition: Condition, batch: FaceBatch) -> Perturbed:
        return Perturbed(torch.where(torch.from_numpy(batch.rows == 7)[:, None, None, None], torch.nan, batch.pixels))

    found = measure(context, np.arange(40), CONDITIONS[1:], break_it)
    assert found.lost.sum() == 1
    assert found.unanswered[0, 7]
    outputs = list(robustness_outputs(context, found, [], tolerance=None, clean={"change": "none", "amount": "0"}))
    assert any(isinstance(out, Note) and "1 of 40 faces" in out.text for out in outputs)


def test_scores_agree_with_a_count_by_hand() -> None:
    context = _context("expression", _pixels(), np.arange(40) % 3)
    found = measure(context, np.arange(40), CONDITIONS, _rotate)
    summary = Summary({"change": "turn"}, (0, 1), "turns", gaps=True)
    clean = {"change": "none", "amount": "0"}
    outputs = list(robustness_outputs(context, found, [summary], tolerance=0.1, clean=clean))
    scores = {(out.metric, *sorted(out.condition.items())): out for out in outputs if isinstance(out, Scores)}
    lost = scores["lost", ("change", "turn")]
    assert lost.gaps
    assert lost.tolerance == 0.1
    assert lost.kind == "rate"
    assert lost.values.sum() / lost.weights.sum() == pytest.approx(0.5)  # type: ignore[union-attr]
    assert len(lost.rows) == 30  # possible for three of four
    changed = scores["changed", ("change", "turn")]
    assert changed.values == pytest.approx(np.full(30, 0.5))
    assert scores["accuracy", ("amount", "1"), ("change", "turn")].values.mean() == 0
    assert scores["accuracy", ("amount", "0"), ("change", "none")].values.mean() == 1


def test_without_labels_only_changes_are_told() -> None:
    context = _context("expression", _pixels(), np.full(40, -1))
    rows = measured_rows(context, None)
    assert len(rows) == 40
    found = measure(context, rows, CONDITIONS, _rotate)
    summary = Summary({"change": "turn"}, (0, 1), "turns", gaps=True)
    outputs = robustness_outputs(context, found, [summary], tolerance=0.1, clean={"change": "none"})
    assert {out.metric for out in outputs if isinstance(out, Scores)} == {"changed"}


def test_what_could_be_done_to_no_face_says_so() -> None:
    context = _context("expression", _pixels(), np.arange(40) % 3)

    def never(condition: Condition, batch: FaceBatch) -> Perturbed:
        return Perturbed(batch.pixels, np.zeros(len(batch), dtype=bool))

    found = measure(context, np.arange(40), CONDITIONS[1:], never, landmarks=True)
    summary = Summary({"change": "turn"}, (0,), "turns")
    outputs = list(robustness_outputs(context, found, [summary], tolerance=None, clean={"change": "none"}))
    told = [out for out in outputs if isinstance(out, Measurement)]
    assert told
    assert all(out.estimate.value is None and "none of the faces" in (out.estimate.reason or "") for out in told)


def test_a_model_at_chance_is_not_asked() -> None:
    pixels = _pixels(90)
    right = np.arange(90) % 3
    shuffled = np.random.default_rng(0).permutation(right)
    rows = np.arange(90)
    assert at_chance(_context("expression", pixels, right, people=90), rows) == ""
    assert "nothing to lose" in at_chance(_context("expression", pixels, shuffled, people=90), rows)
    assert "right on none" in at_chance(_context("expression", pixels, (right + 1) % 3, people=90), rows)
    same = torch.full_like(pixels, 0.5)
    assert "one and the same" in at_chance(_context("expression", same, right, people=90), rows)
    # labels of one class cannot tell
    assert at_chance(_context("expression", pixels, np.zeros(90), people=90), rows) == ""
    assert at_chance(_context("valence_arousal", pixels, np.zeros((90, 3)), people=90), rows) == ""
    assert "one and the same" in at_chance(_context("valence_arousal", same, np.zeros((90, 3)), people=90), rows)
    assert "one and the same" in at_chance(_context("action_units", same, np.zeros((90, 3)), people=90), rows)


def test_the_sample_is_the_same_for_every_probe() -> None:
    from dataclasses import replace

    context = _context("expression", _pixels(), np.arange(40) % 3, people=20)
    rows = measured_rows(context, 10)
    assert (rows == measured_rows(replace(context, probe_id="other"), 10)).all()
    assert len(set(context.faces.subject_codes[rows])) == 10
