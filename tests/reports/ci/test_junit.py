from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import junitparser
import pytest

from countenance.cli.run import exit_code
from countenance.core.results import AuditResults, GateOutcome
from countenance.reports.ci.junit import to_junit, xml_text

Audit = Callable[..., AuditResults]
Gate = Callable[..., GateOutcome]


@pytest.fixture
def read(tmp_path: Path) -> Callable[..., dict[str, dict[str, Any]]]:
    """Writes a JUnit file and reads it again with junitparser: cases by suite and name."""

    def call(results: AuditResults, strict: bool = False) -> dict[str, dict[str, Any]]:
        file = tmp_path / "junit.xml"
        file.write_text(to_junit(results, strict=strict), encoding="utf-8")
        suites = junitparser.JUnitXml.fromfile(str(file))
        return {suite.name: {case.name: case for case in suite} for suite in suites}

    return call


def properties(case: Any) -> dict[str, str]:
    return {item.name: item.value for item in case.child(junitparser.Properties)}


def ended(case: Any) -> list[tuple[str, str]]:
    return [(type(result).__name__, result.type) for result in case.result]


@pytest.mark.parametrize(
    ("verdict", "waived", "strict", "expected"),
    [
        ("pass", False, False, []),
        ("fail", False, False, [("Failure", "fail")]),
        ("fail", True, False, [("Skipped", "waived")]),
        ("not measured", False, False, [("Failure", "not measured")]),
        ("not measured", True, True, [("Skipped", "waived")]),
        ("inconclusive", False, False, [("Skipped", "inconclusive")]),
        ("inconclusive", False, True, [("Failure", "inconclusive")]),
    ],
)
def test_a_gate(
    audit: Audit, gate: Gate, read: Any, verdict: str, waived: bool, strict: bool, expected: list[tuple[str, str]]
) -> None:
    case = read(audit(gate(verdict, waived=waived)), strict)["gates"]["performance/accuracy>=0.8"]
    assert ended(case) == expected
    assert case.classname == "performance.performance"
    if waived:
        assert "waived until 2027-05-01 by A. Owner: a new model is on its way" in case.result[0].message


def test_exit_code_and_junit_agree(audit: Audit, gate: Gate, read: Any) -> None:
    verdicts = ("pass", "fail", "inconclusive", "not measured")
    measures = ("performance/accuracy", "gaps/recall[gender=female]")
    states = [("ok", False), ("skipped", False), ("failed", False), ("ok", True)]
    seen = set()
    for verdict, waived, measure, policy, (status, missing), strict in itertools.product(
        verdicts, (False, True), measures, ("", "medium", "high"), states, (False, True)
    ):
        results = audit(gate(verdict, measure, waived), gate("pass"), policy=policy, status=status, missing=missing)
        code = exit_code(results, strict)
        suites = junitparser.JUnitXml.fromstring(to_junit(results, strict=strict).encode())
        kinds = {type(result).__name__ for suite in suites for case in suite for result in case.result}
        told = 3 if "Error" in kinds else 1 if "Failure" in kinds else 0
        assert told == (1 if code == 4 else code), (verdict, waived, measure, policy, status, missing, strict)
        seen.add(code)
        assert suites.errors == sum(suite.errors for suite in suites)
        assert suites.tests == sum(len(list(suite)) for suite in suites)
    assert seen == {0, 1, 3, 4}


def test_a_gate_whose_probe_broke_is_an_error_and_says_nothing_of_files(audit: Audit, gate: Gate, read: Any) -> None:
    broken = gate("not measured", "gaps/recall[gender=female]")
    why = "nothing matches: the probe gaps failed: ValueError: secret/person_041.jpg is odd"
    results = audit(broken.model_copy(update={"why": why}), status="failed")
    cases = read(results)
    assert ended(cases["gates"]["gaps/recall[gender=female]>=0.8"]) == [("Error", "not measured")]
    assert ended(cases["probes"]["gaps"]) == [("Error", "probe failed")]
    text = to_junit(results)
    assert "ValueError" in text
    assert "person_041" not in text


def test_a_probe_that_never_ran_is_an_error(audit: Audit, read: Any) -> None:
    case = read(audit(missing=True))["probes"]["gaps"]
    assert ended(case) == [("Error", "did not run")]
    assert "--resume" in case.result[0].message


def test_times_are_those_of_the_probes_and_add_up(audit: Audit, gate: Gate, read: Any) -> None:
    results = audit(gate("pass"), gate("fail", at_least=0.9))
    cases = read(results)
    assert {name: case.time for name, case in cases["probes"].items()} == {"performance": 2.5, "gaps": 1.25}
    assert [case.time for case in cases["gates"].values()] == [0, 0]
    suites = junitparser.JUnitXml.fromstring(to_junit(results).encode())
    assert suites.time == pytest.approx(3.75)


def test_properties_carry_the_numbers_and_the_scenario(audit: Audit, gate: Gate, read: Any) -> None:
    scenario = {"group": "women", "hazard": "joy read as neutral", "mitigation": "none yet", "review_by": "2027-05-01"}
    (case,) = read(audit(gate("fail", **scenario)))["gates"].values()
    found = properties(case)
    assert found.items() >= scenario.items()
    numbers = {name: float(found[name]) for name in ("value", "low", "high", "n", "subjects", "probe_seconds")}
    assert numbers == {"value": 0.7, "low": 0.6, "high": 0.78, "n": 200, "subjects": 100, "probe_seconds": 2.5}
    assert found["threshold"] == "at least 0.8"
    assert "hazard: joy read as neutral" in case.result[0].text


def test_a_gate_on_a_change_has_no_value_of_one_measurement(audit: Audit, gate: Gate, read: Any) -> None:
    change = {"at_least": -0.05, "change": "absolute"}
    (case,) = read(audit(gate("fail", **change)))["gates"].values()
    found = properties(case)
    assert "value" not in found
    assert "threshold" in found


@pytest.mark.parametrize("severity", ["high", "medium", "low", "note"])
def test_policy(audit: Audit, read: Any, severity: str) -> None:
    case = read(audit(policy=severity))["policy"]["AIA-5-1-f"]
    expected = ("Failure", "prohibited use") if severity == "high" else ("Skipped", f"policy, {severity}")
    assert ended(case) == [expected]
    assert case.result[0].message == "Prohibited at work."


def test_without_gates_there_is_an_empty_suite(audit: Audit, read: Any) -> None:
    assert read(audit())["gates"] == {}


@pytest.mark.parametrize("hostile", ["\x00\x1b[31m", "]]>", '"><script>', "\ud800", "\ufffe", "&amp;\r\n", "'"])
def test_hostile_text_stays_text(audit: Audit, gate: Gate, read: Any, hostile: str) -> None:
    case = gate("fail", hazard=f"a{hostile}b", id=f"n{hostile}m")
    (found,) = read(audit(case))["gates"].values()
    assert properties(found)["hazard"] == xml_text(f"a{hostile}b")
