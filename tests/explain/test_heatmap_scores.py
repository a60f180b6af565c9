from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from scipy.stats import t as student

from countenance.explain.agreement import agreement, iou, stretch
from countenance.explain.heatmap_findings import assignment_test
from countenance.explain.heatmap_scores import HeatmapScorer, centre_region, jackknife

SHAPE = (44, 36)


def masks() -> dict[str, np.ndarray]:
    random = np.random.default_rng(1)
    return {name: random.random(SHAPE) < share for name, share in (("fear", 0.2), ("anger", 0.3), ("disgust", 0.4))}


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


def scorer(own: str | None = "fear") -> HeatmapScorer:
    return HeatmapScorer(masks(), own, np.ones(SHAPE, bool), "otsu")


def test_scores_are_those_of_the_stretched_map() -> None:
    heatmap = people(1, 0)[0]
    scores = scorer()(heatmap)
    expected = agreement(stretch(heatmap), masks()["fear"])
    for name in ("iou", "precision", "recall", "area", "energy_in_mask", "auroc"):
        assert scores[name] == pytest.approx(getattr(expected, name))
    evidence = stretch(heatmap) > expected.threshold
    others = [iou(evidence, masks()[name]) for name in ("anger", "disgust")]
    assert scores["null_other_masks"] == pytest.approx(np.mean(others))
    assert scores["specificity"] == pytest.approx(expected.iou - np.mean(others))
    assert scores["margin"] == pytest.approx(expected.iou - max(others))
    assert scores["iou_with_other.anger"] == pytest.approx(others[0])
    assert scores["energy_outside_face"] == 0
    assert set(scorer(None)(heatmap)) == {"energy_outside_face"}


def test_jackknife_equals_its_formula() -> None:
    means = people(12, 2)
    found = jackknife(means, scorer(), 0.9, faces=20)["iou"]
    score = lambda maps: scorer()(maps.mean(0, dtype=np.float64).astype(np.float32))["iou"]  # noqa: E731
    without = np.array([score(np.delete(means, person, 0)) for person in range(12)])
    error = np.sqrt(11 / 12 * ((without - without.mean()) ** 2).sum())
    reach = student.ppf(0.95, 11) * error
    assert found.value == pytest.approx(score(means))
    assert (found.low, found.high) == pytest.approx(
        (max(0, score(means) - reach), min(1, score(means) + reach)), abs=1e-6
    )
    assert (found.level, found.n, found.subjects) == (0.9, 20, 12)


def test_intervals_stay_within_bounds() -> None:
    estimates = jackknife(people(4, 3, spread=3.0), scorer(), 0.999, faces=4)
    for name, estimate in estimates.items():
        lowest = -1 if name in {"specificity", "margin"} else 0
        assert lowest <= estimate.low <= estimate.high <= 1  # type: ignore[operator]


@pytest.mark.slow
@pytest.mark.parametrize("count", [15, 25])
def test_intervals_cover_the_truth(count: int) -> None:
    """Nominally 95 %; the truth is the score of the mean over very many people. Few are known to be too few."""
    truth = scorer()(people(20_000, 99).mean(0, dtype=np.float64).astype(np.float32))
    hits = {"iou": 0, "specificity": 0}
    for seed in range(200):
        estimates = jackknife(people(count, seed), scorer(), 0.95, count)
        for name in hits:
            hits[name] += estimates[name].low <= truth[name] <= estimates[name].high  # type: ignore[operator]
    assert all(hit / 200 >= 0.84 for hit in hits.values()), hits


def test_centre_region_has_its_area_and_lies_in_the_middle() -> None:
    region = centre_region(0.2, *SHAPE)
    assert region.mean() == pytest.approx(0.2, abs=0.01)
    np.testing.assert_array_equal(region, region[::-1, ::-1])
    assert region[22, 18]
    assert not region[0].any()


def test_assignments_are_all_counted() -> None:
    random = np.random.default_rng(0)
    names = ["anger", "fear", "sadness", "surprise"]
    table = {name: {mask: float(random.random()) for mask in names} for name in names[:3]}
    true = sum(table[name][name] for name in table)
    sums = [sum(table[name][mask] for name, mask in zip(table, deal, strict=True)) for deal in permutations(names, 3)]
    assert assignment_test(table) == pytest.approx(np.mean([total >= true - 1e-12 for total in sums]))
    assert assignment_test({name: table[name] for name in names[:2]}) is None
    perfect = {name: {mask: float(mask == name) for mask in names} for name in names}
    assert assignment_test(perfect) == pytest.approx(1 / 24)
