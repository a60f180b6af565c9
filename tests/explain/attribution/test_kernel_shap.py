"""KernelSHAP against exact Shapley values, the kernel's formula, and Captum."""

from __future__ import annotations

from itertools import combinations
from math import comb, factorial

import numpy as np
import pytest
import torch
from black_box_nets import CornerNet, box_of, request_for, smooth_faces, tiles
from torch import Tensor, nn

from countenance.explain.attribution.kernel_shap import coalitions, kernel_shap, shapley_values
from countenance.explain.attribution.superpixels import Superpixels, superpixels


def game(players: int, seed: int = 0) -> np.ndarray:
    """Values of all coalitions of a game with interactions, by the bits of their number."""
    random = np.random.default_rng(seed)
    pull, pairs = random.normal(size=players), random.normal(size=(players, players)) / players
    rows = (np.arange(2**players)[:, None] >> np.arange(players)) & 1
    return np.tanh(rows @ pull + ((rows @ pairs) * rows).sum(1))


def value(table: np.ndarray, shown: np.ndarray) -> np.ndarray:
    return table[shown.astype(np.int64) @ (1 << np.arange(shown.shape[1]))]


def exact(table: np.ndarray, players: int) -> np.ndarray:
    """Shapley values from the definition: mean marginal contribution over all orders."""
    values = np.zeros(players)
    for player in range(players):
        others = [other for other in range(players) if other != player]
        for size in range(players):
            weight = factorial(size) * factorial(players - size - 1) / factorial(players)
            for chosen in combinations(others, size):
                code = sum(1 << other for other in chosen)
                values[player] += weight * (table[code | 1 << player] - table[code])
    return values


@pytest.mark.parametrize("players", [2, 3, 6, 7])
def test_all_coalitions_with_the_kernels_weights_where_the_samples_reach(players: int) -> None:
    shown, weights = coalitions(players, 2**players, seed=0)
    assert shown[0].all()
    assert not shown[1].any()
    assert len(shown) == 2**players == len({tuple(row) for row in shown})
    for row, weight in zip(shown[2:], weights[2:], strict=True):
        size = int(row.sum())
        assert weight == pytest.approx((players - 1) / (comb(players, size) * size * (players - size)))


@pytest.mark.parametrize("players", [2, 3, 6, 7])
def test_values_are_exact_where_all_coalitions_are_asked(players: int) -> None:
    table = game(players)
    shown, weights = coalitions(players, 2**players, seed=0)
    np.testing.assert_allclose(shapley_values(shown, value(table, shown), weights), exact(table, players), atol=1e-9)


@pytest.mark.parametrize("samples", [62, 63, 300, 1001])
def test_drawn_coalitions_come_in_pairs_and_every_size_has_its_weight(samples: int) -> None:
    players = 30
    shown, weights = coalitions(players, samples, seed=1)
    assert samples - 1 <= len(shown) <= samples
    known = {tuple(row) for row in shown}
    assert all(tuple(~row) in known for row in shown)
    sizes = np.arange(1, players)
    mass = (players - 1) / (sizes * (players - sizes))
    counted = shown.sum(1)
    assert weights[counted == 1].sum() == pytest.approx(mass[0])
    assert weights[counted == players - 1].sum() == pytest.approx(mass[-1])
    if samples > 63:  # a single sample left over has no partner
        assert weights.sum() == pytest.approx(mass.sum())


def test_drawn_sizes_have_the_kernels_weights_in_expectation() -> None:
    players = 12
    shown, weights = coalitions(players, 3000, seed=2)
    assert len(shown) < 2**players
    for size in range(1, players):
        expected = (players - 1) / (size * (players - size))
        assert weights[shown.sum(1) == size].sum() == pytest.approx(expected, rel=0.15)
    # Within a size every player is in as many coalitions as another.
    middle = shown[shown.sum(1) == 6]
    assert middle.mean(0) == pytest.approx(0.5, abs=0.08)


def test_an_additive_game_is_recovered_from_few_coalitions() -> None:
    pull = np.random.default_rng(0).normal(size=30)
    shown, weights = coalitions(30, 62, seed=0)
    np.testing.assert_allclose(shapley_values(shown, 0.3 + shown @ pull, weights), pull, atol=1e-9)


def test_drawn_values_add_up_and_come_nearer_with_more_samples() -> None:
    players, table = 12, game(12, seed=3)
    truth, errors = exact(table, players), {}
    for samples in (60, 300, 1500):
        misses = []
        for seed in range(8):
            shown, weights = coalitions(players, samples, seed)
            values = shapley_values(shown, value(table, shown), weights)
            assert values.sum() == pytest.approx(table[-1] - table[0])
            misses.append(np.abs(values - truth).max())
        errors[samples] = np.mean(misses)
    assert errors[1500] < 0.6 * errors[300] < 0.4 * errors[60]
    assert errors[1500] < 0.05 * np.ptp(truth)


def test_the_map_is_that_of_the_exact_values_of_the_net() -> None:
    net, faces = CornerNet(), smooth_faces(1)
    parts = tiles(faces, 2, 4)
    labels, count = parts.labels[0], parts.counts[0]
    table = []
    for code in range(2**count):
        shown = torch.tensor([code >> place & 1 for place in range(count)])[labels]
        table.append(float(net(faces * shown).softmax(1)[0, 1]))
    values = exact(np.array(table), count)
    raw = np.maximum(values, 0)[labels.numpy()]
    found = kernel_shap(box_of(net), request_for(faces), parts, 2**count)
    assert found.problems == (None,)
    np.testing.assert_allclose(found.maps[0].numpy(), (raw - raw.min()) / np.ptp(raw), atol=1e-4)


@pytest.mark.filterwarnings("ignore:.*")
def test_values_equal_captums() -> None:
    from captum.attr import KernelShap

    faces = smooth_faces(1)
    parts = tiles(faces, 2, 3)
    count, net = parts.counts[0], CornerNet()

    def probability(x: Tensor) -> Tensor:
        return net(x).softmax(1)[:, 1]

    torch.manual_seed(0)
    attributions = KernelShap(probability).attribute(
        faces, baselines=0.0, feature_mask=parts.labels[:, None], n_samples=1200, return_input_shape=True
    )
    shown, weights = coalitions(count, 2**count, seed=0)
    place = torch.from_numpy(shown)[:, parts.labels[0]][:, None]
    with torch.no_grad():
        values = shapley_values(shown, probability(faces * place).double().numpy(), weights)
    theirs = [float(attributions[0, 0][parts.labels[0] == index][0]) for index in range(count)]
    assert np.ptp(values) > 0.1
    np.testing.assert_allclose(values, theirs, atol=0.02)


def test_too_few_samples_to_tell_superpixels_apart_are_told() -> None:
    faces = smooth_faces(1)
    parts = superpixels(faces, 40)
    found = kernel_shap(box_of(CornerNet()), request_for(faces), parts, 40)
    (problem,) = found.problems
    assert problem is not None
    assert f"cannot tell {parts.counts[0]} superpixels apart" in problem
    assert f"`shap_samples` to at least {2 * parts.counts[0] + 2}" in problem
    assert torch.isnan(found.maps).all()
    enough = kernel_shap(box_of(CornerNet()), request_for(faces), parts, 2 * parts.counts[0] + 2)
    assert enough.problems == (None,)


def test_a_face_that_is_a_single_superpixel_has_no_map() -> None:
    faces = torch.rand(1, 3, 8, 8)
    one = Superpixels(faces, torch.zeros(1, 8, 8, dtype=torch.int64), (1,))

    class Mean(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.mean((2, 3))

    found = kernel_shap(box_of(Mean()), request_for(faces), one, 50)
    assert found.problems[0] is not None
    assert "single superpixel" in found.problems[0]
