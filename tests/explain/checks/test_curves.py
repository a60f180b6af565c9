"""Deletion and insertion curves against a naive loop, and the null they stand beside."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from checks.patch_net import ELSEWHERE, PATCH, PatchNet, faces_with_pattern, map_of, target_of

from countenance.explain.checks.curves import (
    baseline_of,
    deletion,
    insertion,
    moved_elsewhere,
    relevance_order,
)
from countenance.explain.checks.scorer import Scorer

CLASSES = torch.zeros(3, dtype=torch.long)


def test_curves_equal_a_naive_loop() -> None:
    target, pixels = target_of(PatchNet()), faces_with_pattern(3)
    maps = torch.rand(3, 32, 32, generator=torch.Generator().manual_seed(0))
    order = relevance_order(maps, [1, 2, 3])
    steps = 7
    scorer = Scorer(target, 5)
    found = {
        "deletion": deletion(scorer, pixels, CLASSES, order, steps=steps),
        "insertion": insertion(scorer, pixels, CLASSES, order, steps=steps),
    }
    blurred = baseline_of(pixels, "blur")
    for name, one in found.items():
        for place in range(3):
            ranked = np.argsort(-maps[place].numpy().ravel(), kind="stable")
            start = (pixels if name == "deletion" else blurred)[place].numpy().reshape(3, -1).copy()
            end = (torch.zeros_like(pixels) if name == "deletion" else pixels)[place].numpy().reshape(3, -1)
            curve = []
            for step in range(steps + 1):
                changed = ranked[: step * 1024 // steps]
                start[:, changed] = end[:, changed]
                picture = torch.from_numpy(start.reshape(1, 3, 32, 32))
                curve.append(float(target.probabilities(target(picture))[0, 0]))
            np.testing.assert_allclose(one.probability[place].numpy(), curve, atol=1e-5)
            area = sum((a + b) / 2 / steps for a, b in pairwise(curve))
            assert float(one.area[place]) == pytest.approx(area, abs=1e-5)


def test_the_right_map_beats_itself_moved_and_a_wrong_one_does_worse() -> None:
    scorer, pixels = Scorer(target_of(PatchNet()), 16), faces_with_pattern(3)

    def areas(maps: torch.Tensor) -> tuple[float, float]:
        order = relevance_order(maps, [1, 2, 3])
        return (
            float(deletion(scorer, pixels, CLASSES, order).area.mean()),
            float(insertion(scorer, pixels, CLASSES, order).area.mean()),
        )

    right, wrong = map_of(PATCH, 3), map_of(ELSEWHERE, 3)
    moved = np.mean([areas(moved_elsewhere(right, [draw, draw + 50, draw + 90])) for draw in range(8)], axis=0)
    assert areas(right)[0] < moved[0] - 0.1
    assert areas(right)[1] > moved[1] + 0.03
    assert areas(wrong)[0] > areas(right)[0] + 0.2
    assert areas(wrong)[1] < areas(right)[1] - 0.05


def test_order_is_a_permutation_that_falls_with_relevance_and_scatters_ties_by_seed() -> None:
    maps = torch.zeros(2, 16, 16)
    maps[:, 4, 5], maps[:, 6, 7] = 1.0, 0.5
    order = relevance_order(maps, [1, 2])
    assert bool((order[:, 4, 5] == 0).all())
    assert bool((order[:, 6, 7] == 1).all())
    assert order.flatten(1).sort(dim=1).values.tolist() == [list(range(256))] * 2
    assert not torch.equal(order[0], order[1])
    assert torch.equal(order, relevance_order(maps, [1, 2]))


def test_a_moved_map_keeps_its_values_and_its_seed_decides_where_it_goes() -> None:
    maps = torch.rand(2, 20, 24, generator=torch.Generator().manual_seed(0))
    moved = moved_elsewhere(maps, [3, 4])
    assert torch.equal(moved.flatten(1).sort(dim=1).values, maps.flatten(1).sort(dim=1).values)
    assert not torch.equal(moved, maps)
    assert torch.equal(moved, moved_elsewhere(maps, [3, 4]))
    assert torch.equal(moved[1:], moved_elsewhere(maps[1:], [4]))


def test_blur_keeps_brightness_and_black_is_black() -> None:
    planes = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    blurred = baseline_of(planes, "blur")
    torch.testing.assert_close(blurred.mean(), planes.mean(), atol=0.01, rtol=0)
    assert float(blurred.std()) < 0.2 * float(planes.std())
    assert not baseline_of(planes, "black").any()
    torch.testing.assert_close(baseline_of(torch.full((1, 1, 16, 20), 0.3), "blur"), torch.full((1, 1, 16, 20), 0.3))
