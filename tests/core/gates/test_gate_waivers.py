from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest

from countenance.core.errors import PlanError
from countenance.core.gates import judge_all, told_verdict, unneeded
from countenance.core.plan import GateSpec, WaiverSpec
from countenance.core.results import AuditResults

DAY = date(2027, 5, 1)


def waiver(gate: str = "p/rate", expires: date = DAY, owner: str = "A. Owner") -> WaiverSpec:
    return WaiverSpec(gate=gate, owner=owner, reason="the new camera comes in June", expires=expires)


@pytest.fixture
def low(results_of: Any) -> AuditResults:
    made: AuditResults = results_of({"": (10, 100)})
    return made


def one(results: AuditResults, gate: GateSpec, *waivers: WaiverSpec, today: date = DAY) -> Any:
    (outcome,) = judge_all([gate], results, waivers=waivers, today=today)
    return outcome


def test_a_waiver_covers_a_failed_gate_until_its_day(low: AuditResults, gate_of: Any) -> None:
    gate = gate_of(at_least=0.8)
    covered = one(low, gate, waiver())
    assert (covered.verdict, covered.counts_against) == ("fail", False)
    assert covered.waiver == {
        "owner": "A. Owner", "reason": "the new camera comes in June", "expires": "2027-05-01",
    }  # fmt: skip
    assert told_verdict(covered) == "fail, waived until 2027-05-01 by A. Owner"
    late = one(low, gate, waiver(), today=DAY + timedelta(days=1))
    assert (late.verdict, late.counts_against, late.waiver) == ("fail", True, None)
    assert late.why.endswith("; the waiver of A. Owner expired on 2027-05-01")
    assert told_verdict(late) == "fail"


def test_a_gate_that_was_not_measured_may_be_waived(low: AuditResults) -> None:
    gate = GateSpec(measure="p/other", at_least=0.8)
    covered = one(low, gate, waiver("p/other"))
    assert (covered.verdict, covered.counts_against) == ("not measured", False)


@pytest.mark.parametrize(("limit", "verdict"), [(0.01, "pass"), (0.1, "inconclusive")])
def test_what_need_not_be_waived_is_not(low: AuditResults, gate_of: Any, limit: float, verdict: str) -> None:
    gates = [gate_of(at_least=limit)]
    outcomes = judge_all(gates, low, waivers=[waiver()], today=DAY)
    assert (outcomes[0].verdict, outcomes[0].waiver) == (verdict, None)
    (told,) = unneeded(outcomes, gates, [waiver()])
    assert told == f"the waiver of A. Owner for p/rate>={limit:g} is not needed: the verdict is {verdict}"


def test_of_several_waivers_the_one_that_holds_longest_is_taken(low: AuditResults, gate_of: Any) -> None:
    renewed = waiver(expires=DAY + timedelta(days=90), owner="B. Next")
    covered = one(low, gate_of(at_least=0.8), renewed, waiver(), today=DAY + timedelta(days=30))
    assert covered.waiver["owner"] == "B. Next"


@pytest.mark.parametrize("name", ["main", "p/rate", "p/rate>=0.8", "p/rate<=0.05"])
def test_a_waiver_names_a_gate_by_id_measure_or_name(low: AuditResults, gate_of: Any, name: str) -> None:
    gates = {
        "main": gate_of(at_least=0.8, id="main"),
        "p/rate": gate_of(at_least=0.8, id="main"),
        "p/rate>=0.8": gate_of(at_least=0.8),
        "p/rate<=0.05": gate_of(at_most=0.05),
    }
    assert one(low, gates[name], waiver(name)).waiver is not None


def test_a_waiver_of_no_gate_is_an_error_that_names_the_nearest(low: AuditResults, gate_of: Any) -> None:
    with pytest.raises(PlanError, match=r"the waiver of A. Owner is for 'p/rat'.*did you mean 'p/rate'\?"):
        one(low, gate_of(at_least=0.8), waiver("p/rat"))
    with pytest.raises(PlanError, match=r"there is no such gate; there are 'p/rate>=0.8'"):
        one(low, gate_of(at_least=0.8), waiver("something else"))
    with pytest.raises(PlanError, match="there is no such gate"):
        judge_all([], low, waivers=[waiver()], today=DAY)


def test_a_measure_that_two_gates_have_does_not_say_which(low: AuditResults, gate_of: Any) -> None:
    gates = [gate_of(at_least=0.8), gate_of(at_most=0.05)]
    with pytest.raises(PlanError, match=r"2 gates measure: name one of 'p/rate>=0.8', 'p/rate<=0.05'"):
        judge_all(gates, low, waivers=[waiver()], today=DAY)
    outcomes = judge_all(gates, low, waivers=[waiver("p/rate<=0.05")], today=DAY)
    assert [outcome.waiver is None for outcome in outcomes] == [True, False]


def test_without_a_day_it_is_today(low: AuditResults, gate_of: Any) -> None:
    gates = [gate_of(at_least=0.8)]
    today = date.today()
    (now,) = judge_all(gates, low, waivers=[waiver(expires=today + timedelta(days=2))])
    (past,) = judge_all(gates, low, waivers=[waiver(expires=today - timedelta(days=2))])
    assert (now.counts_against, past.counts_against) == (False, True)
