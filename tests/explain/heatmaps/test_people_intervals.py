from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import t as student

from countenance.explain.heatmaps.heatmap_scores import HeatmapScorer
from countenance.explain.heatmaps.people_intervals import PAIRS, Resampled, people_intervals, resample

SHAPE = (44, 36)
FACE = np.ones(SHAPE, bool)


def masks() -> dict[str, np.ndarray]:
    y, x = np.mgrid[0 : SHAPE[0], 0 : SHAPE[1]]
    return {"fear": y > 20, "anger": y < 14, "disgust": (abs(x - 18) < 9) & (y > 8)}


SCORER = HeatmapScorer(masks(), "fear", FACE, "otsu")


def people(count: int, seed: int, spread: float = 1.0) -> np.ndarray:
    """Smooth maps: a blob in one place for everybody, another in a place of their own."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[0 : SHAPE[0], 0 : SHAPE[1]]

    def blob(cx: float, cy: float, size: float) -> np.ndarray:
        return np.exp(-((x - cx) ** 2 + (y - cy) ** 2) / (2 * size**2))

    maps = [
        blob(18, 26, 6) + 0.8 * blob(random.normal(18, 6 * spread), random.normal(14, 6 * spread), 5)
        for _ in range(count)
    ]
    return np.stack(maps).astype(np.float32)


def average(heatmap: np.ndarray) -> dict[str, float]:
    """A score that is linear in the people, and one whose bias is known: the variance over n."""
    mean = float(heatmap.mean(dtype=np.float64))
    return {"mean": mean, "square": mean**2}


def numbers(count: int, seed: int = 0) -> np.ndarray:
    """Maps that are the same everywhere, a number for each person."""
    values = np.random.default_rng(seed).normal(3, 1, count)
    return np.broadcast_to(values[:, None, None], (count, 2, 2)).astype(np.float32)


@pytest.mark.parametrize("count", [12, 13])
def test_scores_are_those_of_a_slow_loop(count: int) -> None:
    means = people(count, 2)
    found = resample(means, SCORER, np.random.default_rng(5))["iou"]

    def score(maps: np.ndarray) -> float:
        return SCORER(maps.mean(0, dtype=np.float64).astype(np.float32))["iou"]

    assert found.value == pytest.approx(score(means))
    np.testing.assert_allclose(found.without, [score(np.delete(means, one, 0)) for one in range(count)], atol=2e-3)
    random = np.random.default_rng(5)
    orders = [random.permutation(count) for _ in range(PAIRS)]
    expected = [(score(means[order[: count // 2]]), score(means[order[count // 2 :]])) for order in orders]
    np.testing.assert_allclose(found.halves, expected, atol=2e-3)


@pytest.mark.parametrize("count", [10, 15, 40])
def test_errors_of_a_mean_are_its_standard_error_and_its_bias_is_none(count: int) -> None:
    means = numbers(count)
    found = resample(means, average, np.random.default_rng(0))["mean"]
    expected = means[:, 0, 0].std(ddof=1) / np.sqrt(count)
    assert found.jackknife_error == pytest.approx(expected, rel=1e-5)
    assert found.half_error == pytest.approx(expected, rel=0.25)
    assert abs(found.bias) < 0.1 * expected


@pytest.mark.parametrize("count", [10, 15, 40])
def test_a_bias_that_falls_with_the_number_of_people_is_found(count: int) -> None:
    """The square of a mean of n lies above that of the truth by the variance over n."""
    biases = []
    for seed in range(20):
        means = numbers(count, seed)
        found = resample(means, average, np.random.default_rng(seed))["square"]
        biases.append(found.bias / (means[:, 0, 0].var(ddof=1) / count))
    assert np.mean(biases) == pytest.approx(1, abs=0.2)


def made(without: list[float], halves: list[list[float]], value: float = 0.5) -> Resampled:
    return Resampled(value, np.array(without), np.array(halves))


def test_limits_by_their_formula() -> None:
    """Twelve people: the larger standard error, a quarter of 11 degrees, drawn out to the side of many people."""
    without, halves = [0.5 + 0.01 * step for step in range(-6, 6)], [[0.56, 0.58], [0.60, 0.54], [0.58, 0.56]]
    found = made(without, halves)
    jackknife = np.sqrt(11 / 12 * np.sum((np.array(without) - np.mean(without)) ** 2))
    half = np.sqrt(np.mean([np.var([0.56, 0.60, 0.58], ddof=1), np.var([0.58, 0.54, 0.56], ddof=1)]))
    assert found.jackknife_error == pytest.approx(jackknife)
    assert found.half_error == pytest.approx(half)
    assert found.bias == pytest.approx(0.07)
    reach = student.ppf(0.95, 11 / 4) * jackknife
    assert found.limits(0.9, (-1, 1)) == pytest.approx((0.43 - reach, 0.5 + reach))
    scattered = made([0.5] * 12, [[0.3, 0.7], [0.7, 0.3], [0.5, 0.5]])
    assert scattered.half_error == pytest.approx(0.2)
    assert scattered.limits(0.5)[1] == pytest.approx(0.5 + student.ppf(0.75, 11 / 4) * 0.2)


def test_halves_of_unequal_size_are_weighed_by_it() -> None:
    found = made([0.5] * 5, [[0.6, 0.55], [0.6, 0.55]])  # two people and three
    assert found.bias == pytest.approx((0.1 * 2 / 3 + 0.05 * 3 / 2) / 2)


def test_intervals_stay_within_bounds_and_hold_the_value() -> None:
    for count in (2, 3, 4, 12):
        estimates = people_intervals(people(count, 3, spread=3.0), SCORER, 0.95, count, np.random.default_rng(1))
        for name, estimate in estimates.items():
            lowest = -1 if name in {"specificity", "margin"} else 0
            assert lowest <= estimate.low <= estimate.value <= estimate.high <= 1  # type: ignore[operator]
            assert (estimate.method, estimate.level, estimate.n) == ("jackknife_of_people", 0.95, count)
    two = people_intervals(people(2, 3), SCORER, 0.95, 2, np.random.default_rng(1))["iou"]
    assert (two.low, two.high) == (0, 1), "two people say nothing"


def test_the_same_seed_gives_the_same_interval() -> None:
    first, again, other = (
        people_intervals(people(11, 4), SCORER, 0.95, 11, np.random.default_rng(s)) for s in (1, 1, 2)
    )
    assert first == again
    assert first["iou"].value == other["iou"].value
    assert first != other


@pytest.mark.slow
@pytest.mark.parametrize("count", [10, 15, 25])
def test_intervals_cover_the_truth(count: int) -> None:
    """Nominally 95 %; the truth is the score of the mean over very many people."""
    truth = SCORER(people(20_000, 99).mean(0, dtype=np.float64).astype(np.float32))
    hits = {"iou": 0, "specificity": 0}
    for seed in range(300):
        estimates = people_intervals(people(count, seed), SCORER, 0.95, count, np.random.default_rng(seed))
        for name in hits:
            hits[name] += estimates[name].low <= truth[name] <= estimates[name].high  # type: ignore[operator]
    assert all(hit / 300 >= 0.91 for hit in hits.values()), hits
