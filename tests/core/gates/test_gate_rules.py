from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.stats import binom, norm

from countenance.core.gates import floors, gate_faults, judge
from countenance.core.plan import GateSpec
from countenance.core.results import Estimate
from countenance.core.statistics.intervals import wilson


def test_min_n_counts_rows(results_of: Any, gate_of: Any) -> None:
    made = results_of({"a": (95, 100), "b": (1, 20), "c": Estimate(value=0.1, low=0.05, high=0.2, level=0.95)})
    outcome = judge(gate_of(every=True, at_least=0.8, min_n=50), made)
    assert outcome.verdict == "pass"
    assert "(2 measurements not measured, e.g. p/rate[group=b]: n = 20, and the gate asks for 50)" in outcome.why
    assert judge(gate_of(every=True, at_least=0.8, min_n=50, require="all"), made).verdict == "inconclusive"
    assert judge(gate_of(every=True, at_least=0.8, min_n=20), made).verdict == "fail"
    none = judge(gate_of(every=True, at_least=0.8, min_n=500), made)
    assert none.verdict == "not measured"
    assert "n = 100, and the gate asks for 500" in none.why


def test_a_slice_that_does_not_say_its_rows_has_too_few(results_of: Any, gate_of: Any) -> None:
    made = results_of({"": Estimate(value=0.9, low=0.85, high=0.95, level=0.95)})
    assert "it does not say how many rows it is of" in judge(gate_of(at_least=0.8, min_n=1), made).why


def test_the_bounds_are_taken_to_the_confidence_asked_for(results_of: Any, gate_of: Any) -> None:
    made = results_of({"": (90, 100)})

    def limits(level: float) -> tuple[float, float]:
        low, high = wilson(np.array(0.9), np.array(100.0), norm.ppf(0.5 + level / 2))
        return float(low), float(high)

    for level in (0.8, 0.9, 0.99):
        low, high = limits(level)
        asked = {"confidence": level}
        assert judge(gate_of(at_least=low - 1e-9, **asked), made).verdict == "pass"
        assert judge(gate_of(at_least=low + 1e-9, **asked), made).verdict == "inconclusive"
        assert judge(gate_of(at_least=high - 1e-9, **asked), made).verdict == "inconclusive"
        failed = judge(gate_of(at_least=high + 1e-9, **asked), made)
        assert failed.verdict == "fail"
        assert f"at {100 * level:g} % [{low:.3f}, {high:.3f}]" in failed.why


def test_a_difference_between_groups_keeps_its_own_confidence(results_of: Any, gate_of: Any) -> None:
    gap = Estimate(value=0.1, low=0.0, high=0.2, level=0.95, bound_low=0.01, bound_high=0.03, groups=2)
    outcome = judge(gate_of(at_most=0.05, confidence=0.99), results_of({"": gap}, direction="lower"))
    assert outcome.verdict == "not measured"
    assert "leave confidence out" in outcome.why


def test_without_correction_each_slice_fails_by_its_own_interval(results_of: Any, gate_of: Any) -> None:
    made = results_of({"a": (81, 100)} | dict.fromkeys("bcdefgh", (99, 100)))
    gate = gate_of(every=True, at_least=0.88)
    assert judge(gate, made).verdict == "inconclusive"
    assert judge(gate.model_copy(update={"correction": "none"}), made).verdict == "fail"


@pytest.mark.parametrize(("rate", "n", "slices"), [(0.9, 100, 10), (0.97, 60, 20), (0.6, 40, 10), (0.03, 80, 20)])
@pytest.mark.parametrize("side", ["at_least", "at_most"])
def test_a_value_at_the_limit_hardly_ever_fails(
    results_of: Any, gate_of: Any, rate: float, n: int, slices: int, side: str
) -> None:
    """Every slice just at the limit: at most 2.5 % of 4,000 runs fail.

    A slice fails by itself, so each count is judged once among others that pass.
    """
    gate = gate_of(every=True, **{side: rate})
    best = (n, n) if side == "at_least" else (0, n)
    others = {str(i): best for i in range(slices - 1)}
    likely = binom.pmf(np.arange(n + 1), n, rate) > 1e-7
    fails = [
        bool(likely[c]) and judge(gate, results_of({"x": (c, n), **others})).verdict == "fail" for c in range(n + 1)
    ]
    random = np.random.default_rng([n, slices])
    drawn = random.binomial(n, rate, size=(4000, slices))
    failed = np.array(fails)[drawn].any(axis=1)
    assert np.mean(failed) <= 0.025 + 2.6 * np.sqrt(0.025 * 0.975 / 4000)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"at_least": 0.5, "improve": True}, "improve belongs to a gate on a change"),
        ({"at_least": -1.5, "change": "relative"}, "a relative change of -0.05 is a loss of 5 %"),
        ({"at_most": 0.1, "across": "difference"}, "write '*' for a value"),
    ],
)
def test_what_contradicts_itself_is_told_with_what_to_write(fields: dict[str, Any], said: str) -> None:
    (fault,) = gate_faults(GateSpec.model_validate({"measure": "p/rate", **fields}))
    assert said in fault


def test_sound_gates_have_no_faults() -> None:
    every = {"measure": "p/rate", "where": {"group": "*"}}
    for fields in (
        {"at_least": 0.5, "min_n": 30, "confidence": 0.9, "correction": "none", "require": "all"},
        {"at_least": -0.02, "change": "absolute"},
        {"at_most": 0.1, "change": "relative"},
        {"at_least": 0.02, "change": "absolute", "improve": True},
        {"at_least": 0, "change": "absolute", "improve": True},
        {"at_most": 0, "across": "difference"},
        {"at_least": 1, "across": "ratio"},
    ):
        assert gate_faults(GateSpec.model_validate({**every, **fields})) == []


def test_the_nearest_value_is_named(results_of: Any) -> None:
    made = results_of({"female": (9, 10), "male": (9, 10)})
    gate = GateSpec(measure="p/rate", where={"group": "femal"}, at_least=0.1)
    assert "(no group is 'femal'; did you mean 'female'?)" in judge(gate, made).why


def test_only_gates_on_a_value_tell_a_probe_what_it_must_reach() -> None:
    gates = [
        GateSpec(measure="p/rate", at_least=0.3),
        GateSpec(measure="p/rate", at_least=0.9, change="relative", improve=True),
        GateSpec(measure="p/rate", where={"eps": "*"}, at_least=0.8, across="ratio"),
    ]
    assert floors(gates, "p") == {"p/rate": 0.3}
