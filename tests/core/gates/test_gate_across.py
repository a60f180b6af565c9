from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from countenance.core.gates import Bounds, judge
from countenance.core.gates.across import across_difference, across_ratio
from countenance.core.gates.bounds import at_tail, difference, ratio
from countenance.core.results import Estimate

some_bounds = st.tuples(st.floats(0.05, 0.95), st.floats(0, 0.05), st.floats(0, 0.05)).map(
    lambda three: Bounds(three[0], three[0] - three[1], three[0] + three[2])
)


@settings(deadline=None, max_examples=50)
@given(st.lists(some_bounds, min_size=2, max_size=6))
def test_bounds_across_slices_are_those_of_all_ordered_pairs(slices: list[Bounds]) -> None:
    pairs = [(one, other) for i, one in enumerate(slices) for j, other in enumerate(slices) if i != j]
    differences = [difference(one, other) for one, other in pairs]
    found = across_difference(slices)
    assert found.value == pytest.approx(max(each.value for each in differences))
    assert found.low == pytest.approx(max(0, *(each.low for each in differences)))
    assert found.high == pytest.approx(max(each.high for each in differences))
    ratios = [ratio(one, other) for one, other in pairs]
    times = across_ratio(slices)
    assert times is not None
    assert times.value == pytest.approx(min(each.value for each in ratios if each is not None))
    assert times.low == pytest.approx(min(each.low for each in ratios if each is not None))
    assert times.high == pytest.approx(min(1, *(each.high for each in ratios if each is not None)))


@pytest.mark.parametrize(
    ("low", "verdict"), [(900, "pass"), (860, "inconclusive"), (840, "inconclusive"), (780, "fail")]
)
def test_the_largest_minus_the_smallest(results_of: Any, gate_of: Any, low: int, verdict: str) -> None:
    made = results_of({"a": (900, 1000), "b": (low, 1000), "c": (890, 1000)})
    outcome = judge(gate_of(every=True, across="difference", at_most=0.05), made)
    assert outcome.verdict == verdict
    if low < 890:
        assert outcome.evidence == ["p/rate[group=b]", "p/rate[group=a]", "p/rate[group=c]"]
        assert "of 3 slices p/rate[group=b] is the smallest" in outcome.why
        assert "and p/rate[group=a] the largest, 0.900" in outcome.why
        assert "the limit is largest minus smallest at most 0.05" in outcome.why


@pytest.mark.parametrize(("low", "verdict"), [(900, "pass"), (730, "inconclusive"), (600, "fail")])
def test_the_smallest_over_the_largest(results_of: Any, gate_of: Any, low: int, verdict: str) -> None:
    made = results_of({"a": (900, 1000), "b": (low, 1000), "c": (890, 1000)})
    outcome = judge(gate_of(every=True, across="ratio", at_least=0.8), made)
    assert outcome.verdict == verdict
    assert "smallest over largest is" in outcome.why


def test_slices_that_cannot_take_part_are_told(results_of: Any, gate_of: Any) -> None:
    few = Estimate.not_measured("3 people", n=3)
    bare = Estimate(value=0.5, n=100)
    made = results_of({"a": (900, 1000), "b": (890, 1000), "small": (1, 4), "few": few, "bare": bare})
    gate = gate_of(every=True, across="difference", at_most=0.05, min_n=30)
    outcome = judge(gate, made)
    assert outcome.verdict == "pass"
    assert "(3 measurements not measured, e.g. p/rate[group=small]: n = 4, and the gate asks for 30)" in outcome.why
    required = judge(gate.model_copy(update={"require": "all"}), made)
    assert required.verdict == "inconclusive"
    assert "the gate requires every group to be measured" in required.why


@pytest.mark.parametrize(
    ("counts", "across", "said"),
    [
        ({"a": (9, 10)}, "difference", "it is the only slice that was measured, and across needs two"),
        ({"a": (9, 10), "b": Estimate(value=0.5)}, "difference", "it is the only slice that was measured"),
        ({"a": Estimate.not_measured("3 people")}, "difference", "3 people"),
        ({"a": (0, 10), "b": (0, 10)}, "ratio", "a ratio needs one above 0"),
        ({"a": Estimate(value=-0.1, low=-0.2, high=0.1), "b": (9, 10)}, "ratio", "a ratio needs slices of 0 or more"),
    ],
)
def test_fewer_than_two_slices_are_not_measured(
    results_of: Any, gate_of: Any, counts: dict[str, Any], across: str, said: str
) -> None:
    limit = {"at_most": 0.1} if across == "difference" else {"at_least": 0.8}
    outcome = judge(gate_of(every=True, across=across, **limit), results_of(counts))
    assert outcome.verdict == "not measured"
    assert said in outcome.why


def test_a_slice_without_a_hit_bounds_the_ratio(results_of: Any, gate_of: Any) -> None:
    made = results_of({"a": (0, 200), "b": (180, 200)})
    assert judge(gate_of(every=True, across="ratio", at_least=0.8), made).verdict == "fail"


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"across": "difference", "at_least": 0.1}, "takes at_most, 0 or more"),
        ({"across": "difference", "at_most": -0.1}, "takes at_most, 0 or more"),
        ({"across": "ratio", "at_most": 0.8}, "takes at_least, above 0 and at most 1"),
        ({"across": "ratio", "at_least": 1.25}, "takes at_least, above 0 and at most 1"),
        ({"across": "ratio", "at_least": 0.8, "change": "absolute"}, "across and change do not go together"),
    ],
)
def test_a_gate_across_slices_that_contradicts_itself_is_refused(
    results_of: Any, gate_of: Any, fields: dict[str, Any], said: str
) -> None:
    outcome = judge(gate_of(every=True, **fields), results_of({"a": (9, 10), "b": (8, 10)}))
    assert outcome.verdict == "not measured"
    assert said in outcome.why


def test_a_gate_across_needs_a_wildcard(results_of: Any, gate_of: Any) -> None:
    outcome = judge(gate_of(across="difference", at_most=0.1), results_of({"": (9, 10)}))
    assert "write '*' for a value in where" in outcome.why


def slices_of(rate: float, sizes: tuple[int, ...], runs: int, pairs: int, results_of: Any) -> list[list[Bounds]]:
    """Draw slices of one rate, with bounds at the error that all pairs together leave to one."""
    random = np.random.default_rng([int(rate * 100), *sizes])
    found: dict[tuple[int, int], Bounds | None] = {}
    for n in set(sizes):
        for count in range(n + 1):
            estimate = results_of({"": (count, n)}).get("p/rate").estimate
            found[count, n] = at_tail(estimate, 0.025 / pairs)
    drawn = random.binomial(sizes, rate, size=(runs, len(sizes)))
    return [[each for i, n in enumerate(sizes) if (each := found[row[i], n]) is not None] for row in drawn]


@pytest.mark.parametrize(
    ("rate", "sizes"), [(0.9, (100,) * 10), (0.7, (50, 100, 200, 400)), (0.97, (60,) * 12), (0.5, (200,) * 2)]
)
def test_slices_of_one_rate_hardly_ever_fail(results_of: Any, rate: float, sizes: tuple[int, ...]) -> None:
    """No difference, and none tolerated: at most 2.5 % of runs fail, in 400 of them."""
    runs = slices_of(rate, sizes, 400, len(sizes) * (len(sizes) - 1), results_of)
    most = 0.025 + 2.6 * np.sqrt(0.025 * 0.975 / 400)
    assert np.mean([across_difference(slices).low > 0 for slices in runs]) <= most
    ratios = [across_ratio(slices) for slices in runs]
    assert np.mean([each is not None and each.high < 1 for each in ratios]) <= most


def test_without_correction_slices_of_one_rate_fail_too_often(results_of: Any, gate_of: Any) -> None:
    runs = slices_of(0.7, (200,) * 10, 100, 1, results_of)
    assert np.mean([across_difference(slices).low > 0 for slices in runs]) > 0.3
    counts = {"a": (120, 200), "b": (143, 200)} | {str(n): (130, 200) for n in range(8)}
    gate = gate_of(every=True, across="difference", at_most=0.0)
    assert judge(gate, results_of(counts)).verdict == "inconclusive"
    assert judge(gate.model_copy(update={"correction": "none"}), results_of(counts)).verdict == "fail"


def test_a_difference_at_the_limit_passes_in_few_runs(results_of: Any) -> None:
    """A pass says that no two slices are further apart: at a difference just at the limit 2.5 % of runs say so."""
    random = np.random.default_rng(5)
    drawn = random.binomial(400, (0.8, 0.9, 0.85), size=(400, 3))
    highs = []
    for row in drawn:
        made = results_of({str(i): (count, 400) for i, count in enumerate(row)})
        slices = [at_tail(item.estimate, 0.025) for item in made.measurements()]
        highs.append(across_difference([each for each in slices if each is not None]).high)
    assert np.mean(np.array(highs) <= 0.1) <= 0.025 + 2.6 * np.sqrt(0.025 * 0.975 / 400)
