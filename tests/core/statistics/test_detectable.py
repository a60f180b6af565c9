"""Sizes of differences that would be shown."""

from __future__ import annotations

from math import sqrt

import numpy as np
import pytest

from countenance.core.statistics.detectable import UNFAVOURABLE, against_rest, detectable, detectable_pair
from countenance.core.statistics.group_tests import GroupValues


def equal_groups(groups: int, n: float, rate: float = 0.7) -> GroupValues:
    ones = np.ones((1, groups))
    return GroupValues(ones * rate, ones * n, ones * n, np.array([[rate * (1 - rate)]]))


def wilson_by_hand(p: float, n: float, z: float) -> tuple[float, float]:
    centre, half = p + z * z / (2 * n), z * sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return (centre - half) / (1 + z * z / n), (centre + half) / (1 + z * z / n)


# Critical values and sizes in errors of one group, of many equal groups: what a normal approximation gives.
@pytest.mark.parametrize(
    ("groups", "pair", "rest", "size"),
    [(6, 2.97, 2.73, 4.13), (14, 3.47, 3.03, 4.22), (42, 4.02, 3.35, 4.44), (126, 4.49, 3.64, 4.69)],
)
def test_large_equal_groups_have_the_size_of_the_normal_approximation(groups, pair, rest, size):
    found = detectable(equal_groups(groups, 1e6), "rate", rest, pair)
    assert found.any_group / sqrt(0.21 / 1e6) == pytest.approx(size, abs=0.01)
    assert found.any_group / sqrt(0.21 / 1e6) == pytest.approx((rest + 1.036) * sqrt(groups / (groups - 1)), rel=0.002)


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("tolerance", [0.0, 0.05])
def test_at_the_size_the_lower_limit_is_the_tolerance(sign, tolerance):
    centre, own, others, critical = 0.6, np.array([80.0, 300.0]), np.array([900.0, 500.0]), 2.8
    sizes = against_rest(centre, own, others, critical, "rate", tolerance, sign)
    for size, n, m in zip(sizes, own, others, strict=True):
        rate = centre - sign * size
        error = sqrt(rate * (1 - rate) / n + centre * (1 - centre) / m)
        seen = rate + sign * UNFAVOURABLE * error
        mine, theirs = wilson_by_hand(seen, n, critical), wilson_by_hand(centre, m, critical)
        if sign > 0:
            limit = centre - seen - sqrt((centre - theirs[0]) ** 2 + (mine[1] - seen) ** 2)
        else:
            limit = seen - centre - sqrt((theirs[1] - centre) ** 2 + (seen - mine[0]) ** 2)
        assert limit == pytest.approx(tolerance, abs=1e-9)


def test_the_size_of_a_pair():
    size = float(detectable_pair(0.6, np.array([200.0]), np.array([90.0]), 3.0, "rate", 0.02)[0])
    above, below = 0.6 + size / 2, 0.6 - size / 2
    va, vb = above * (1 - above) / 200, below * (1 - below) / 90
    seen_a = above - UNFAVOURABLE * va / sqrt(va + vb)
    seen_b = below + UNFAVOURABLE * vb / sqrt(va + vb)
    low, high = wilson_by_hand(seen_a, 200, 3.0)[0], wilson_by_hand(seen_b, 90, 3.0)[1]
    assert seen_a - seen_b - sqrt((seen_a - low) ** 2 + (high - seen_b) ** 2) == pytest.approx(0.02, abs=1e-9)
    near_one = detectable_pair(0.97, np.array([200.0]), np.array([90.0]), 3.0, "rate")
    assert 0.06 < near_one[0] < 1  # more than twice what is left above: the pair moves down
    assert np.isnan(detectable_pair(0.5, np.array([4.0]), np.array([4.0]), 3.0, "rate", 0.3)[0])


def test_a_gap_of_the_stated_size_is_shown_with_the_stated_power():
    rng = np.random.default_rng(0)
    n, critical, tolerance, centre = np.array([400, 150, 60]), 2.6, 0.02, 0.8
    values = GroupValues(np.full((1, 3), 0.8), n[None] * 1.0, n[None] * 1.0, np.array([[0.16]]))
    sizes = detectable(values, "rate", critical, tolerance=tolerance).of_group
    for group, size in enumerate(sizes):
        rates = np.where(np.arange(3) == group, centre - size, centre)
        seen = rng.binomial(n, rates, (4000, 3)) / n
        others = np.delete(np.arange(3), group)
        m = n[others].sum()
        rest = (seen[:, others] * n[others]).sum(axis=1) / m
        shown = 0
        for own, other in zip(seen[:, group], rest, strict=True):
            high, low = wilson_by_hand(own, n[group], critical)[1], wilson_by_hand(other, m, critical)[0]
            shown += other - own - sqrt((high - own) ** 2 + (other - low) ** 2) > tolerance
        assert 0.80 <= shown / 4000 <= 0.92


def test_any_group_is_the_hardest_and_impossible_sizes_are_said():
    values = GroupValues(
        np.full((1, 3), 0.6), np.array([[500.0, 90.0, 4.0]]), np.array([[500.0, 90.0, 4.0]]), np.ones((1, 1))
    )
    found = detectable(values, "rate", 2.6, 2.7)
    assert np.isnan(found.of_group[2])
    assert found.any_group is None
    two = GroupValues(*(part[:, :2] for part in (values.value, values.weight, values.n_effective)), values.unit)
    found = detectable(two, "rate", 2.6)
    assert found.any_group == found.of_group.max() > found.of_group.min() - 1e-12
    assert detectable(two, "rate", 2.6, tolerance=0.7).any_group is None


def test_either_side_is_the_larger_of_those_that_are_possible():
    values = equal_groups(4, 60, 0.9)
    below, above = (detectable(values, "rate", 2.6, sign=sign).of_group for sign in (1, -1))
    assert np.isnan(above).all()  # a tenth is left above .9
    np.testing.assert_array_equal(detectable(values, "rate", 2.6, sign=0).of_group, below)
    middle = equal_groups(4, 60, 0.4)
    sizes = [detectable(middle, "rate", 2.6, sign=sign).any_group for sign in (1, -1, 0)]
    assert sizes[2] == max(sizes[:2])


def test_means_have_the_closed_form_and_their_bounds():
    values = GroupValues(
        np.array([[2.0, 2.0, 2.0]]), np.array([[100.0, 50, 50]]), np.array([[50.0, 25, 25]]), np.array([[4.0]])
    )
    found = detectable(values, "mean", 2.5, tolerance=0.1)
    expected = 0.1 + (2.5 + UNFAVOURABLE) * np.sqrt([4 / 50 + 4 / 50, 4 / 25 + 4 / 75, 4 / 25 + 4 / 75])
    # the others of a group of 25: (100^2 / 50 + 50^2 / 25) / 150^2 = 1 / 75
    np.testing.assert_allclose(found.of_group, expected)
    assert detectable(values, "mean", 2.5, bounds=(1.0, 10.0)).any_group is None
    assert detectable(values, "mean", 2.5, bounds=(1.0, 10.0), sign=-1).any_group is not None
    assert detectable(values, "mean", 2.5, 2.5).of_group[0] == pytest.approx(3.536 * sqrt(4 / 50 + 4 / 50))
    pair = detectable_pair(2.0, np.array([0.04]), np.array([0.05]), 2.0, "mean", 0.0, (0.0, 0.5))
    assert np.isnan(pair[0])
    assert detectable_pair(2.0, np.array([0.04]), np.array([0.05]), 2.0, "mean")[0] == pytest.approx(3.036 * 0.3)
