from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm

from countenance.core.gates.bounds import Bounds, at_tail, difference, further_out, ratio
from countenance.core.results import Estimate
from countenance.core.statistics.intervals import clopper_pearson, wilson


def wilson_estimate(count: float, n: float, level: float = 0.95) -> Estimate:
    low, high = wilson(np.array(count / n), np.array(n), norm.ppf(0.5 + level / 2))
    return Estimate(value=count / n, low=float(low), high=float(high), level=level, method="wilson")


@settings(deadline=None)
@given(n=st.integers(2, 5000), share=st.floats(0, 1), level=st.sampled_from([0.8, 0.9, 0.99, 0.9995]))
def test_a_wilson_interval_is_made_again_at_another_level(n: int, share: float, level: float) -> None:
    count = round(share * n)
    found = at_tail(wilson_estimate(count, n), (1 - level) / 2)
    wanted = wilson_estimate(count, n, level)
    assert found is not None
    assert (found.low, found.high) == pytest.approx((wanted.low, wanted.high), abs=1e-9)


@settings(deadline=None, max_examples=30)
@given(n=st.integers(5, 5000), share=st.floats(0, 1), level=st.sampled_from([0.8, 0.9, 0.99, 0.9995]))
def test_a_clopper_pearson_interval_is_made_again_and_takes_the_place_of_wilsons_far_out(
    n: int, share: float, level: float
) -> None:
    count = round(share * n)

    def exact(at: float) -> tuple[float, float]:
        low, high = clopper_pearson(np.array([count]), np.array([n]), at)
        return float(low[0]), float(high[0])

    low, high = exact(0.95)
    estimate = Estimate(value=count / n, low=low, high=high, level=0.95, method="korn_graubard")
    tail = (1 - level) / 2
    for found in (at_tail(estimate, tail), further_out(estimate, tail)):
        assert found is not None
        assert (found.low, found.high) == pytest.approx(exact(level), abs=1e-6)
    far = further_out(wilson_estimate(count, n), tail)
    assert far is not None
    assert (far.low, far.high) == pytest.approx(exact(level), abs=1e-6)


def test_another_interval_is_scaled_by_the_normal_quantiles() -> None:
    estimate = Estimate(value=0.5, low=0.3, high=0.8, level=0.9, method="bootstrap")
    found = at_tail(estimate, 0.005)
    scale = norm.ppf(0.995) / norm.ppf(0.95)
    assert found is not None
    assert (found.low, found.high) == pytest.approx((0.5 - 0.2 * scale, 0.5 + 0.3 * scale))
    assert at_tail(estimate, 0.05) == Bounds(0.5, 0.3, 0.8)


def test_what_was_counted_is_its_own_bound_and_what_has_no_interval_has_none() -> None:
    assert at_tail(Estimate(value=3, method="exact"), 0.001) == Bounds(3, 3, 3)
    assert at_tail(Estimate(value=3), 0.025) is None
    assert at_tail(Estimate.not_measured("few"), 0.025) is None


def test_the_difference_of_two_rates_is_newcombes() -> None:
    """Newcombe (1998), Statistics in Medicine 17:873, table II, method 10 (score), example (a): 56/70 - 48/80."""
    one, other = (at_tail(wilson_estimate(count, n), 0.025) for count, n in ((56, 70), (48, 80)))
    assert one is not None
    assert other is not None
    found = difference(one, other)
    assert (found.value, found.low, found.high) == pytest.approx((0.2, 0.0524, 0.3339), abs=5e-5)


rates = st.floats(0.01, 0.99)


@given(rates, st.floats(0, 0.5), st.floats(0, 0.5), rates, st.floats(0, 0.5), st.floats(0, 0.5))
def test_a_difference_turns_round_and_a_ratio_holds_its_value(
    a: float, down: float, up: float, b: float, below: float, above: float
) -> None:
    one, other = Bounds(a, max(0.0, a - down), a + up), Bounds(b, max(0.0, b - below), b + above)
    there, back = difference(one, other), difference(other, one)
    assert (there.low, there.high) == pytest.approx((-back.high, -back.low))
    assert there.low <= there.value <= there.high
    times = ratio(one, other)
    assert times is not None
    assert 0 <= times.low <= times.value <= times.high


def test_a_ratio_is_that_of_donner_and_zou() -> None:
    """The closed form written out, with the limits far from twice the values."""
    a, la, ua, b, lb, ub = 0.5, 0.4, 0.6, 0.8, 0.7, 0.85
    low = (a * b - math.sqrt((a * b) ** 2 - la * ub * (2 * a - la) * (2 * b - ub))) / (ub * (2 * b - ub))
    high = (a * b + math.sqrt((a * b) ** 2 - ua * lb * (2 * a - ua) * (2 * b - lb))) / (lb * (2 * b - lb))
    found = ratio(Bounds(a, la, ua), Bounds(b, lb, ub))
    assert found is not None
    assert (found.value, found.low, found.high) == pytest.approx((0.625, low, high))


def test_a_ratio_without_error_in_the_denominator_is_that_of_the_numerator() -> None:
    found = ratio(Bounds(0.4, 0.3, 0.6), Bounds(0.5, 0.5, 0.5))
    assert found is not None
    assert (found.value, found.low, found.high) == pytest.approx((0.8, 0.6, 1.2))


def test_edges_of_a_ratio() -> None:
    half = Bounds(0.5, 0.4, 0.6)
    nothing = ratio(Bounds(0.0, 0.0, 0.1), half)
    assert nothing is not None
    assert (nothing.value, nothing.low) == (0, 0)
    assert 0.1 / 0.6 < nothing.high < 0.1 / 0.4
    unbounded = ratio(half, Bounds(0.1, 0.0, 0.3))
    assert unbounded is not None
    assert math.isinf(unbounded.high)
    assert 0 < unbounded.low < 5
    assert "no bound" in str(unbounded)
    assert ratio(half, Bounds(0.0, 0.0, 0.1)) is None
    assert ratio(Bounds(-0.1, -0.2, 0.1), half) is None
