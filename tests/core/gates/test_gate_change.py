from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from countenance.core.gates import Bounds, judge
from countenance.core.results import Estimate


@pytest.mark.parametrize(
    ("was", "now", "limit", "verdict"),
    [
        ((900, 1000), (900, 1000), -0.05, "pass"),
        ((900, 1000), (895, 1000), -0.05, "pass"),
        ((900, 1000), (860, 1000), -0.05, "inconclusive"),
        ((900, 1000), (800, 1000), -0.05, "fail"),
        ((90, 100), (90, 100), -0.05, "inconclusive"),
        ((900, 1000), (900, 1000), 0, "inconclusive"),
        ((900, 1000), (950, 1000), 0, "pass"),
    ],
)
def test_no_worse_than_the_baseline(
    results_of: Any, gate_of: Any, was: tuple[int, int], now: tuple[int, int], limit: float, verdict: str
) -> None:
    gate = gate_of(change="absolute", at_least=limit)
    outcome = judge(gate, results_of({"": now}), baseline=results_of({"": was}, name="main"))
    assert outcome.verdict == verdict
    assert outcome.evidence == ["p/rate"]
    assert "the baseline is 'main' of 2026-11-20, of the same faces" in outcome.why
    assert f"the limit is a change of at least {limit:g}" in outcome.why


def test_the_change_is_told_with_its_interval(results_of: Any, gate_of: Any) -> None:
    """56/70 against 48/80: Newcombe (1998), Statistics in Medicine 17:873, method 10."""
    outcome = judge(
        gate_of(change="absolute", at_least=-0.02), results_of({"": (56, 70)}), baseline=results_of({"": (48, 80)})
    )
    assert outcome.verdict == "pass"
    assert "p/rate was 0.600" in outcome.why
    assert "a change of 0.200 [0.052, 0.334]" in outcome.why


@pytest.mark.parametrize(
    ("now", "limit", "verdict"),
    [((400, 10000), 0.25, "pass"), ((480, 10000), 0.25, "inconclusive"), ((800, 10000), 0.25, "fail")],
)
def test_a_relative_change_of_an_error(
    results_of: Any, gate_of: Any, now: tuple[int, int], limit: float, verdict: str
) -> None:
    gate = gate_of(change="relative", at_most=limit)
    outcome = judge(
        gate, results_of({"": now}, direction="lower"), baseline=results_of({"": (400, 10000)}, direction="lower")
    )
    assert outcome.verdict == verdict
    assert "relative change of at most 0.25" in outcome.why


def test_a_relative_change_from_nothing_is_refused(results_of: Any, gate_of: Any) -> None:
    gate = gate_of(change="relative", at_most=0.1)
    none, some = results_of({"": (0, 50)}, direction="lower"), results_of({"": (2, 50)}, direction="lower")
    outcome = judge(gate, some, baseline=none)
    assert outcome.verdict == "not measured"
    assert "write change: absolute" in outcome.why
    assert judge(gate, none, baseline=some).verdict == "inconclusive"


def test_a_demanded_improvement(results_of: Any, gate_of: Any) -> None:
    gate = gate_of(change="absolute", at_least=0.05, improve=True)
    old = results_of({"": (800, 1000)})
    verdicts = [judge(gate, results_of({"": (now, 1000)}), baseline=old).verdict for now in (900, 850, 790)]
    assert verdicts == ["pass", "inconclusive", "fail"]


@pytest.mark.parametrize(
    ("direction", "fields", "written"),
    [
        ("higher", {"at_most": 0.02}, "write at_least: -0.02"),
        ("higher", {"at_most": -0.02, "improve": True}, "write at_least: 0.02"),
        ("lower", {"at_least": -0.02}, "write at_most: 0.02"),
        ("lower", {"at_least": 0.02, "improve": True}, "write at_most: -0.02"),
        ("higher", {"at_least": 0.02}, "write at_least: -0.02"),
        ("lower", {"at_most": -0.02}, "write at_most: 0.02"),
        ("higher", {"at_least": -0.02, "improve": True}, "leave improve out, or change the sign"),
        ("lower", {"at_most": 0.02, "improve": True}, "leave improve out, or change the sign"),
    ],
)
def test_a_limit_of_the_wrong_sign_or_side_is_refused_with_what_to_write(
    results_of: Any, gate_of: Any, direction: str, fields: dict[str, Any], written: str
) -> None:
    made = results_of({"": (90, 100)}, direction=direction)
    outcome = judge(gate_of(change="absolute", **fields), made, baseline=made)
    assert outcome.verdict == "not measured"
    assert written in outcome.why


@pytest.mark.parametrize("fields", [{"at_least": -0.2}, {"at_most": 0.2}])
def test_a_measure_that_is_not_better_either_way_may_be_held_on_both_sides(
    results_of: Any, gate_of: Any, fields: dict[str, float]
) -> None:
    made = results_of({"": (900, 1000)}, direction="none")
    assert judge(gate_of(change="absolute", **fields), made, baseline=made).verdict == "pass"


def test_a_baseline_that_cannot_be_held_against(results_of: Any, gate_of: Any) -> None:
    gate, now = gate_of(change="absolute", at_least=-0.1), results_of({"": (90, 100)})

    def why(**other: Any) -> str:
        outcome = judge(gate, now, baseline=results_of({"": (90, 100)}, **other))
        assert outcome.verdict == "not measured"
        return outcome.why

    assert "the baseline 'now' has the task forgery and this run expression" in why(task="forgery")
    assert "angry, sad stand in one run only" in why(classes=("happy", "angry"))
    assert "p is the probe q in the baseline and p in this run" in why(probe="q")
    assert "no baseline was given" in judge(gate, now).why


def test_other_data_are_told_and_taken_as_two_samples(results_of: Any, gate_of: Any) -> None:
    gate, now = gate_of(change="absolute", at_least=-0.1), results_of({"": (900, 1000)})
    other = judge(gate, now, baseline=results_of({"": (900, 1000)}, sha256="other"))
    assert other.verdict == "pass"
    assert "it audited other data (the hash differs), so the runs are taken as two samples" in other.why
    unknown = judge(gate, now, baseline=results_of({"": (900, 1000)}, sha256=""))
    assert "whether it audited the same faces is not known" in unknown.why


def test_slices_that_only_one_run_measured_are_told_and_block_where_all_are_required(
    results_of: Any, gate_of: Any
) -> None:
    now = results_of({"a": (900, 1000), "new": (90, 100), "few": Estimate.not_measured("3 people", n=3)})
    old = results_of({"a": (900, 1000), "gone": (90, 100), "few": (90, 100)})
    gate = gate_of(every=True, change="absolute", at_least=-0.1)
    outcome = judge(gate, now, baseline=old)
    assert outcome.verdict == "pass"
    assert "(3 measurements not measured, e.g. p/rate[group=new]: the baseline has no such measurement" in outcome.why
    every = gate.model_copy(update={"require": "all"})
    assert judge(every, now, baseline=old).verdict == "inconclusive"
    gone = judge(gate, results_of({}), baseline=old)
    assert gone.verdict == "not measured"
    assert "p/rate[group=a]: the baseline measured it and this run has no such measurement" in gone.why
    never = judge(gate_of(change="absolute", at_least=0, where={"grup": "*"}), now, baseline=old)
    assert "there is p/rate[group=...]" in never.why


def test_what_was_not_measured_before_says_so(results_of: Any, gate_of: Any) -> None:
    old = results_of({"": Estimate.not_measured("3 people")})
    outcome = judge(gate_of(change="absolute", at_least=-0.1), results_of({"": (9, 10)}), baseline=old)
    assert (outcome.verdict, "in the baseline: 3 people" in outcome.why) == ("not measured", True)


def test_without_an_interval_a_change_is_inconclusive(results_of: Any, gate_of: Any) -> None:
    old = results_of({"": Estimate(value=0.9, n=100)})
    outcome = judge(gate_of(change="absolute", at_least=-0.1), results_of({"": (90, 100)}), baseline=old)
    assert outcome.verdict == "inconclusive"
    assert "it has no interval, so no bound can be tested" in outcome.why


def test_min_n_holds_for_both_runs(results_of: Any, gate_of: Any) -> None:
    gate = gate_of(change="absolute", at_least=-0.5, min_n=50)
    large, small = results_of({"": (90, 100)}), results_of({"": (18, 20)})
    for now, old in ((large, small), (small, large)):
        outcome = judge(gate, now, baseline=old)
        assert outcome.verdict == "not measured"
        assert "n = 20, and the gate asks for 50" in outcome.why
    assert judge(gate, large, baseline=large).verdict == "pass"


def test_the_failing_bound_is_widened_for_several_slices(results_of: Any, gate_of: Any) -> None:
    old = results_of(dict.fromkeys("abcdefghij", (900, 1000)))
    now = results_of({"a": (865, 1000)} | dict.fromkeys("bcdefghij", (920, 1000)))
    gate = gate_of(every=True, change="absolute", at_least=0)
    assert judge(gate, now, baseline=old).verdict == "inconclusive"
    assert judge(gate.model_copy(update={"correction": "none"}), now, baseline=old).verdict == "fail"


def test_pairs_of_the_same_faces_are_asked_for_where_the_data_are_the_same(results_of: Any, gate_of: Any) -> None:
    asked = []

    def paired(key: str, tail: float, relative: bool) -> Bounds | None:
        asked.append((key, tail, relative))
        return Bounds(-0.01, -0.015, -0.005)

    gate, now = gate_of(change="absolute", at_least=-0.02), results_of({"": (89, 100)})
    outcome = judge(gate, now, baseline=results_of({"": (90, 100)}), paired=paired)
    assert outcome.verdict == "pass"
    assert "a change of -0.010 [-0.015, -0.005], face by face" in outcome.why
    assert asked == [("p/rate", pytest.approx(0.025), False)] * 2
    asked.clear()
    other = judge(gate, now, baseline=results_of({"": (90, 100)}, sha256="other"), paired=paired)
    assert (other.verdict, asked) == ("inconclusive", [])
    without = judge(gate, now, baseline=results_of({"": (90, 100)}), paired=lambda *_: None)
    assert (without.verdict, "face by face" in without.why) == ("inconclusive", False)


@pytest.mark.parametrize(("rate", "n", "slices"), [(0.9, 100, 1), (0.7, 300, 1), (0.97, 100, 5)])
def test_a_model_that_did_not_change_hardly_ever_fails(
    results_of: Any, gate_of: Any, rate: float, n: int, slices: int
) -> None:
    """Two samples of the same rate, and no loss tolerated: at most 2.5 % of runs fail, in 300 of them."""
    random = np.random.default_rng([int(rate * 100), n, slices])
    drawn = random.binomial(n, rate, size=(300, 2, slices))
    gate = gate_of(every=True, change="absolute", at_least=0)
    failed = [
        judge(
            gate,
            results_of({str(i): (now[i], n) for i in range(slices)}),
            baseline=results_of({str(i): (old[i], n) for i in range(slices)}),
        ).verdict
        == "fail"
        for old, now in drawn
    ]
    assert np.mean(failed) <= 0.025 + 2.6 * np.sqrt(0.025 * 0.975 / 300)


def test_a_loss_that_is_there_is_found(results_of: Any, gate_of: Any) -> None:
    random = np.random.default_rng(7)
    gate = gate_of(change="absolute", at_least=-0.02)
    old, now = random.binomial(2000, 0.9, 60), random.binomial(2000, 0.83, 60)
    verdicts = [
        judge(gate, results_of({"": (b, 2000)}), baseline=results_of({"": (a, 2000)})).verdict
        for a, b in zip(old, now, strict=True)
    ]
    assert verdicts.count("fail") > 54
