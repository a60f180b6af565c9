"""Every check against an attack that does wrong, and against one that does not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from countenance.audit.robustness.attacks import Attacked
from countenance.audit.robustness.ledger import CHECKS, Ledger, answers_differently, verify

EPS = 8 / 255
LABELS = torch.zeros(4, dtype=torch.long)


def scores(pixels: Tensor) -> Tensor:
    """Class 0 while the mean is below 0.5."""
    mean = pixels.mean((1, 2, 3))
    return torch.stack([0.5 - mean, mean - 0.5], 1)


@pytest.fixture
def pixels() -> Tensor:
    drawn = 0.4 + 0.1 * torch.rand((4, 3, 5, 5), generator=torch.Generator().manual_seed(0))
    drawn[2:] += 0.04  # these two can be flipped within eps
    return drawn


@pytest.fixture
def honest(pixels: Tensor) -> Attacked:
    moved = pixels + EPS
    right = scores(moved).argmax(1) == 0
    return Attacked(moved, ~right, torch.full((4,), -2.0), torch.full((4,), -1.0), torch.zeros(4, dtype=torch.bool))


def marked(pixels: Tensor, attacked: Attacked) -> dict[str, list[bool]]:
    seen = verify(scores, pixels, LABELS, attacked, EPS)
    return {name: getattr(seen, name).tolist() for name in CHECKS if getattr(seen, name).any()}


def test_an_honest_attack_is_not_marked(pixels: Tensor, honest: Attacked) -> None:
    assert marked(pixels, honest) == {}
    assert verify(scores, pixels, LABELS, honest, EPS).right.tolist() == [True, True, False, False]


@pytest.mark.parametrize("too_far", [1e-5, 0.1, float("nan")])
def test_leaving_the_ball_is_marked_and_proves_nothing(pixels: Tensor, honest: Attacked, too_far: float) -> None:
    moved = honest.pixels.clone()
    moved[2, 0, 0, 0] = pixels[2, 0, 0, 0] + EPS + too_far
    broken = replace(honest, pixels=moved)
    assert marked(pixels, broken)["out_of_bounds"] == [False, False, True, False]
    assert verify(scores, pixels, LABELS, broken, EPS).right.tolist() == [True, True, True, False]


@pytest.mark.parametrize("value", [-0.001, 1.001])
def test_leaving_the_range_of_pixels_is_marked(value: float) -> None:
    pixels = torch.full((4, 3, 5, 5), 0.4)
    pixels[1, 0, 0, 0] = min(max(value, 0), 1)
    moved = pixels.clone()
    moved[1, 0, 0, 0] = value  # within eps of the face, but no pixel value
    fine = torch.zeros(4)
    broken = Attacked(moved, fine.bool(), fine, fine + 1, fine.bool())
    assert marked(pixels, broken)["out_of_bounds"] == [False, True, False, False]


def test_a_face_given_back_unchanged_is_marked(pixels: Tensor, honest: Attacked) -> None:
    moved = honest.pixels.clone()
    moved[1] = pixels[1]
    assert marked(pixels, replace(honest, pixels=moved)) == {"unchanged": [False, True, False, False]}


def test_an_answer_that_the_pixels_do_not_give_is_marked(pixels: Tensor, honest: Attacked) -> None:
    boastful = replace(honest, flipped=torch.ones(4, dtype=torch.bool))
    assert marked(pixels, boastful) == {"unconfirmed": [True, True, False, False]}


def test_a_loss_that_never_rose_is_marked_on_faces_that_stand(pixels: Tensor, honest: Attacked) -> None:
    for after in (-2.0, -3.0, float("nan")):
        flat = replace(honest, loss_after=torch.full((4,), after))
        assert marked(pixels, flat) == {"not_rising": [True, True, False, False]}


def test_outputs_that_are_no_answer_are_marked_and_not_right(pixels: Tensor, honest: Attacked) -> None:
    def broken(points: Tensor) -> Tensor:
        logits = scores(points)
        logits[0, 1] = float("nan")
        return logits

    seen = verify(broken, pixels, LABELS, honest, EPS)
    assert seen.no_answer.tolist() == [True, False, False, False]
    assert seen.right.tolist() == [False, True, False, False]


def test_answers_that_change_when_asked_again_are_marked() -> None:
    pixels = torch.rand((5, 3, 4, 4), generator=torch.Generator().manual_seed(0))
    net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(48, 3))
    with torch.no_grad():
        assert not answers_differently(net, pixels, net(pixels)).any()
        dropping = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Dropout(0.2), torch.nn.Linear(48, 3))
        assert answers_differently(dropping, pixels, dropping(pixels)).all()
        by_batch = torch.nn.Sequential(torch.nn.BatchNorm2d(3), net)  # in training mode: normalised by the batch
        assert answers_differently(by_batch, pixels, by_batch(pixels)).all()
        sometimes = net(pixels)
        sometimes[1, 0] = float("nan")
    assert answers_differently(net, pixels, sometimes).tolist() == [False, True, False, False, False]


def test_the_smallest_eps_is_the_first_that_flips() -> None:
    ledger = Ledger(np.arange(4), levels=3)
    ledger.clean[:] = [False, True, True, True]
    ledger.right[:, 1:] = np.array([[0, 1, 1], [1, 0, 1], [0, 1, 1]])
    assert ledger.first_flip().tolist() == [-1, 0, 1, 3]


def test_faces_that_a_stopped_search_left_out_are_not_settled() -> None:
    ledger = Ledger(np.arange(4), levels=2)
    ledger.clean[:] = [False, True, True, True]
    ledger.right[:, 1:] = np.array([[0, 1, 1], [0, 1, 1]])
    ledger.tried[:] = [[0, 1, 1, 1], [0, 0, 1, 0]]  # the first had flipped already, the last was not reached
    assert ledger.settled.tolist() == [[False, True, True, True], [False, True, True, False]]
