from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest

from countenance.explain.heatmaps.agreement import agreement, iou, stretch
from countenance.explain.heatmaps.heatmap_findings import DRAWN, assignment_test, by_expression
from countenance.explain.heatmaps.heatmap_scores import HeatmapScorer, centre_region

SHAPE = (44, 36)
RANDOM = np.random.default_rng(3)


def masks() -> dict[str, np.ndarray]:
    random = np.random.default_rng(1)
    return {name: random.random(SHAPE) < share for name, share in (("fear", 0.2), ("anger", 0.3), ("disgust", 0.4))}


def blobs(seed: int) -> np.ndarray:
    """Two smooth spots."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[0 : SHAPE[0], 0 : SHAPE[1]]
    spots = [np.exp(-((x - cx) ** 2 + (y - cy) ** 2) / 50) for cx, cy in random.normal((18, 20), 6, (2, 2))]
    return np.asarray(sum(spots), dtype=np.float32)


def scorer(own: str | None = "fear") -> HeatmapScorer:
    return HeatmapScorer(masks(), own, np.ones(SHAPE, bool), "otsu")


def test_scores_are_those_of_the_stretched_map() -> None:
    heatmap = blobs(0)
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
    assert assignment_test(table, RANDOM) == pytest.approx(np.mean([total >= true - 1e-12 for total in sums]))
    assert assignment_test({name: table[name] for name in names[:2]}, RANDOM) is None
    perfect = {name: {mask: float(mask == name) for mask in names} for name in names}
    assert assignment_test(perfect, RANDOM) == pytest.approx(1 / 24)


def test_with_many_masks_assignments_are_drawn() -> None:
    """Nine masks and three labels have 504 assignments, so the drawn share can be held against the exact one."""
    random = np.random.default_rng(4)
    names = [f"e{number}" for number in range(9)]
    table = {name: {mask: float(random.random()) for mask in names} for name in names[:3]}
    true = sum(table[name][name] for name in table)
    sums = [sum(table[name][mask] for name, mask in zip(table, deal, strict=True)) for deal in permutations(names, 3)]
    exact = float(np.mean([total >= true - 1e-12 for total in sums]))
    assert 0.02 < exact < 0.9
    drawn = assignment_test(table, np.random.default_rng(5))
    assert drawn == pytest.approx(exact, abs=4 * np.sqrt(exact / DRAWN))
    assert drawn == assignment_test(table, np.random.default_rng(5))
    many = [f"e{number}" for number in range(14)]
    perfect = {name: {mask: float(mask == name) for mask in many} for name in many}
    assert assignment_test(perfect, RANDOM) == pytest.approx(1 / (DRAWN + 1))


def test_two_classes_that_mean_one_expression_both_count() -> None:
    """A model may have ``happy`` and ``joy``: neither may stand for both in the test over all classes."""
    happy, joy, sad = ({"happiness": value, "sadness": 0.2} for value in (0.4, 0.1, 0.3))
    found = by_expression([("happiness", happy), ("happiness", joy), ("sadness", sad)])
    assert found["happiness"] == pytest.approx({"happiness": 0.25, "sadness": 0.2})
    assert found["sadness"] == sad
