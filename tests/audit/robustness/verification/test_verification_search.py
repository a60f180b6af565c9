"""The searches on embeddings, and who is chosen to be attacked."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor

from countenance.audit.robustness.verification.attempts import NONE, Attempts, choose_attempts
from countenance.audit.robustness.verification.search import CosineAscent, Search, SquareSearch
from countenance.core.faces import Faces
from countenance.core.portraits import Portraits

SEARCHES: list[Search] = [CosineAscent(steps=30), SquareSearch(queries=200)]


def unit(x: Tensor) -> Tensor:
    return torch.nn.functional.normalize(x, dim=1)


def colour(pixels: Tensor) -> Tensor:
    """An embedding that is the one pixel's own colour."""
    return pixels.flatten(1)


@pytest.mark.parametrize("search", SEARCHES, ids=lambda search: search.name)
@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_the_best_colour_of_a_box_is_found_as_by_trying_all(search: Search, sign: float) -> None:
    pixels = torch.tensor([[0.5, 0.45, 0.4], [0.9, 0.2, 0.5], [0.02, 0.5, 0.97]]).reshape(3, 3, 1, 1)
    reference = unit(torch.tensor([[0.1, 0.9, 0.3], [0.5, 0.5, 0.5], [0.9, 0.1, 0.1]]))
    eps = 0.1
    found = search(colour, pixels, reference, sign, np.arange(3), eps).pixels
    steps = np.linspace(-eps, eps, 41)
    grid = torch.tensor(list(product(steps, steps, steps)), dtype=torch.float32)
    for place in range(3):
        every = (pixels[place].flatten() + grid).clamp(0, 1)
        best = float((sign * unit(every) @ reference[place]).max())
        reached = float(sign * unit(found[place].flatten()[None]) @ reference[place])
        assert reached >= best - 2e-3
        assert float((found[place] - pixels[place]).abs().max()) <= eps + 1e-6
    assert found.min() >= 0
    assert found.max() <= 1


@pytest.mark.parametrize("search", SEARCHES, ids=lambda search: search.name)
def test_an_attempt_depends_on_its_row_and_not_on_its_batch(search: Search, net: Any, photos: Any) -> None:
    pixels, _ = photos(8, 1, seed=1)
    reference = unit(net(photos(8, 1, seed=6)[0]))
    rows = np.array([3, 1, 7, 30, 12, 5, 8, 99])
    together = search(net, pixels, reference, 1.0, rows, 0.03).pixels
    alone = search(net, pixels[3:4], reference[3:4], 1.0, rows[3:4], 0.03).pixels
    torch.testing.assert_close(together[3:4], alone, atol=1e-5, rtol=0)
    assert not torch.equal(together[3:4], pixels[3:4])


def test_the_search_goes_on_beyond_any_threshold(net: Any, photos: Any) -> None:
    pixels, _ = photos(8, 1, seed=1)
    reference = unit(net(photos(8, 1, seed=6)[0]))

    def reached(steps: int) -> Tensor:
        moved = CosineAscent(steps=steps)(net, pixels, reference, 1.0, np.arange(8), 0.1).pixels
        return torch.nn.functional.cosine_similarity(net(moved), reference)

    assert (reached(60) > reached(6)).float().mean() > 0.8


def test_square_asks_as_often_as_told_and_never_for_gradients(net: Any, photos: Any) -> None:
    pixels, _ = photos(4, 1, seed=1)
    asked = []

    def embed(shown: Tensor) -> Tensor:
        assert not shown.requires_grad
        asked.append(len(shown))
        return net(shown)

    SquareSearch(queries=25)(embed, pixels, unit(net(pixels.flip(0))), 1.0, np.arange(4), 0.05)
    assert asked == [4] * (25 + 2)  # and once each for the photo and for what was found


def test_gradients_that_are_not_finite_are_told_and_move_nothing(net: Any, photos: Any) -> None:
    pixels, _ = photos(3, 1, seed=1)
    reference = unit(net(pixels.flip(0)))

    def embed(shown: Tensor) -> Tensor:
        found = net(shown)
        return torch.where((shown != pixels).flatten(1).any(1)[:, None], found * torch.nan, found)

    moved = CosineAscent(steps=3)(embed, pixels, reference, 1.0, np.arange(3), 0.1)
    assert moved.no_gradient.all()
    torch.testing.assert_close(moved.pixels, pixels)


def portraits(people: str, pairs: list[tuple[int, int]]) -> Portraits:
    frame = pd.DataFrame({"face_id": [f"f{place}" for place in range(len(people))], "subject": list(people)})
    first, second = np.array(pairs).T
    return Portraits(Faces(frame=frame, has_subjects=True), np.eye(len(people)), first, second)


def test_attempts_are_judged_by_a_photo_that_nobody_used() -> None:
    single = portraits("aaabbc", [(0, 1), (3, 4), (0, 3), (2, 5), (5, 1)])
    same = np.array([True, True, False, False, False])
    random = np.random.default_rng(0)
    passing = choose_attempts("impersonation", single, same, None, random)
    assert passing.pairs.tolist() == [2, 3, 4]
    assert passing.changed.tolist() == [0, 2, 5]
    assert passing.other[:2].tolist() == [4, NONE]  # b has one more photo, c none
    assert passing.other[2] in {0, 2}
    assert passing.grouped_by.tolist() == [3, 5, 1]
    dodging = choose_attempts("dodging", single, same, None, random)
    assert dodging.other.tolist() == [2, NONE]
    assert dodging.grouped_by.tolist() == [0, 3]


def test_a_few_attempts_are_spread_over_people() -> None:
    pairs = [(0, place) for place in range(1, 8)] + [(1, 4), (2, 5), (3, 6)]
    single = portraits("abcdefgh", pairs)
    chosen = choose_attempts("impersonation", single, np.zeros(10, dtype=bool), 4, np.random.default_rng(1))
    assert sorted(chosen.changed.tolist()) == [0, 1, 2, 3]


def test_success_is_a_match_or_the_lack_of_one() -> None:
    nobody = np.zeros(0, dtype=np.int64)
    similarity = np.array([0.4, 0.5, 0.6, np.nan])
    for goal, expected in (("impersonation", [False, True, True, False]), ("dodging", [True, False, False, False])):
        attempts = Attempts(goal, nobody, nobody, nobody, nobody)  # type: ignore[arg-type]
        assert attempts.succeeded(similarity, 0.5).tolist() == expected
