from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from countenance.core.errors import UsageError
from countenance.core.results import AuditResults, GateOutcome
from countenance.reports.ci.places import PlanPlaces
from countenance.reports.ci.sarif import FINGERPRINT, TOOL, to_sarif
from countenance.reports.ci.sarif_baseline import read_baseline

Audit = Callable[..., AuditResults]
Gate = Callable[..., GateOutcome]
NOWHERE = PlanPlaces("audit.yaml")


def run_of(results: AuditResults, places: PlanPlaces = NOWHERE, **more: Any) -> dict[str, Any]:
    content = json.loads(to_sarif(results, places, **more))
    assert content["version"] == "2.1.0"
    (run,) = content["runs"]
    return dict(run)


def by_rule(run: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {result["ruleId"]: result for result in run["results"]}


def everything(audit: Audit, gate: Gate, **more: Any) -> AuditResults:
    return audit(
        gate("fail", id="floor", group="women", hazard="joy read as neutral"),
        gate("pass"), gate("inconclusive", at_least=0.75),
        gate("fail", at_least=0.7, waived=True), gate("not measured", "gaps/recall[gender=female]"),
        policy="high", **more,
    )  # fmt: skip


@pytest.mark.parametrize("status", ["ok", "failed"])
def test_it_is_valid_against_the_official_schema(
    audit: Audit, gate: Gate, sarif_schema: dict[str, Any], status: str, tmp_path: Path
) -> None:
    results = everything(audit, gate, status=status)
    first = to_sarif(results, NOWHERE)
    jsonschema.Draft7Validator(sarif_schema, format_checker=jsonschema.FormatChecker()).validate(json.loads(first))
    (tmp_path / "old.sarif").write_text(first)
    baseline = read_baseline(tmp_path / "old.sarif", TOOL, FINGERPRINT)
    again = json.loads(to_sarif(audit(gate("fail")), NOWHERE, baseline=baseline))
    jsonschema.Draft7Validator(sarif_schema).validate(again)
    broken = json.loads(first)
    broken["runs"][0]["results"][0]["level"] = "grave"
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft7Validator(sarif_schema).validate(broken)


def test_rules_and_levels(audit: Audit, gate: Gate) -> None:
    run = run_of(everything(audit, gate))
    levels = [(result["ruleId"], result["level"]) for result in run["results"]]
    assert sorted(levels) == [
        ("AIA-5-1-f", "error"),
        ("finding/performance/classes", "note"),
        ("gate/group_metrics/recall", "error"),
        ("gate/performance/accuracy", "error"),
        ("gate/performance/accuracy", "error"),
        ("gate/performance/accuracy", "warning"),
    ]
    assert {rule["id"] for rule in run["tool"]["driver"]["rules"]} == {rule for rule, _ in levels}
    assert run["invocations"][0]["executionSuccessful"] is True


def test_strict_makes_an_inconclusive_gate_an_error(audit: Audit, gate: Gate) -> None:
    assert by_rule(run_of(audit(gate("inconclusive"))))["gate/performance/accuracy"]["level"] == "warning"
    assert by_rule(run_of(audit(gate("inconclusive")), strict=True))["gate/performance/accuracy"]["level"] == "error"


def test_a_gate_has_its_numbers_and_a_waived_one_its_suppression(audit: Audit, gate: Gate) -> None:
    found = by_rule(run_of(audit(gate("fail", waived=True, hazard="joy read as neutral"))))["gate/performance/accuracy"]
    assert found["properties"]["value"] == 0.7
    assert found["properties"]["n"] == 200
    assert "hazard: joy read as neutral" in found["message"]["text"]
    (suppression,) = found["suppressions"]
    assert suppression["justification"] == "A. Owner until 2027-05-01: a new model is on its way"
    assert "suppressions" not in by_rule(run_of(audit(gate("fail"))))["gate/performance/accuracy"]


def test_a_finding_has_its_evidence(audit: Audit) -> None:
    found = by_rule(run_of(audit()))["finding/performance/classes"]
    numbers = found["properties"]["evidence"]["performance/accuracy"]
    assert numbers == {"value": 0.7, "low": 0.6, "high": 0.78, "level": 0.95, "n": 200, "subjects": 100}


def test_a_failed_probe_is_a_notification_and_no_file_is_named(audit: Audit) -> None:
    run = run_of(audit(status="failed"))
    (invocation,) = run["invocations"]
    assert invocation["executionSuccessful"] is False
    assert "Groups could not be completed: ValueError" in invocation["toolExecutionNotifications"][0]["message"]["text"]
    assert "person_041" not in json.dumps(run)


def test_results_point_to_lines_of_the_plan(audit: Audit, gate: Gate, tmp_path: Path) -> None:
    plan = tmp_path / "plans" / "a b.yaml"
    plan.parent.mkdir()
    lines = [
        "name: x",
        "deployment:",
        "  context: [workplace]",
        "probes:",
        "  - performance",
        "  - {probe: group_metrics, id: gaps}",
    ]
    lines += [
        "gates:",
        "  - {measure: performance/accuracy, at_least: 0.8}",
        "  - measure: performance/accuracy",
        "    at_least: 0.9",
    ]
    plan.write_text("\n".join(lines))
    places = PlanPlaces.of([plan], 2, tmp_path)
    run = run_of(audit(gate("fail"), gate("fail", at_least=0.9), policy="high", status="failed"), places)
    found = sorted(
        (result["ruleId"], result["locations"][0]["physicalLocation"]["region"]["startLine"])
        for result in run["results"]
    )
    assert found == [
        ("AIA-5-1-f", 2),
        ("finding/performance/classes", 5),
        ("gate/performance/accuracy", 8),
        ("gate/performance/accuracy", 9),
        ("probe/failed", 6),
    ]
    uris = {result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] for result in run["results"]}
    assert uris == {"plans/a%20b.yaml"}


def test_a_file_of_gates_by_itself_and_one_that_does_not_fit(audit: Audit, gate: Gate, tmp_path: Path) -> None:
    (tmp_path / "gates.yaml").write_text("# ours\n- {measure: performance/accuracy, at_least: 0.8}\n")
    (tmp_path / "plan.yaml").write_text("gates: []\n")
    (tmp_path / "odd.yaml").write_text("gates: [")
    files = [tmp_path / name for name in ("none.yaml", "odd.yaml", "plan.yaml", "gates.yaml")]
    places = PlanPlaces.of(files, 1, tmp_path)
    location = by_rule(run_of(audit(gate("fail")), places))["gate/performance/accuracy"]["locations"][0]
    assert location["physicalLocation"] == {"artifactLocation": {"uri": "gates.yaml"}, "region": {"startLine": 2}}
    elsewhere = PlanPlaces.of([tmp_path / "plan.yaml"], 7, tmp_path / "other")
    assert elsewhere.file == "plan.yaml"
    assert "region" not in run_of(audit(gate("fail")), elsewhere)["results"][0]["locations"][0]["physicalLocation"]


def fingerprints(run: dict[str, Any]) -> list[str]:
    return [result["partialFingerprints"][FINGERPRINT] for result in run["results"]]


def test_fingerprints_are_stable_over_runs_and_differ_within_one(audit: Audit, gate: Gate) -> None:
    one = run_of(everything(audit, gate))
    worse = gate("fail", id="floor", group="women").model_copy(update={"why": "performance/accuracy is 0.1"})
    other = run_of(audit(worse))
    assert len(set(fingerprints(one))) == len(one["results"])
    floor = [result for result in one["results"] if result["properties"].get("gate") == "floor"]
    assert fingerprints(other)[0] == floor[0]["partialFingerprints"][FINGERPRINT]


def test_the_same_finding_twice_has_two_fingerprints(audit: Audit) -> None:
    results = audit()
    probe = results.probes[0].model_copy(update={"findings": results.probes[0].findings * 3})
    run = run_of(results.model_copy(update={"probes": [probe, results.probes[1]]}))
    assert len(set(fingerprints(run))) == 3


def test_baseline_states(audit: Audit, gate: Gate, tmp_path: Path) -> None:
    before = audit(gate("fail", id="a"), gate("fail", id="b"), gate("inconclusive", id="c"))
    file = tmp_path / "before.sarif"
    file.write_text(to_sarif(before, NOWHERE))
    changed = gate("fail", id="c")
    after = audit(gate("fail", id="a"), gate("pass", id="b"), changed, gate("fail", id="d"))
    run = run_of(after, baseline=read_baseline(file, TOOL, FINGERPRINT))
    states = {result["properties"].get("gate", "finding"): result["baselineState"] for result in run["results"]}
    assert states == {"a": "unchanged", "b": "absent", "c": "updated", "d": "new", "finding": "unchanged"}
    file.write_text(json.dumps({"version": "2.1.0", "runs": [run]}))
    later = run_of(after, baseline=read_baseline(file, TOOL, FINGERPRINT))
    assert all(result["baselineState"] == "unchanged" for result in later["results"])  # what was gone is not told twice


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "cannot be read as SARIF"),
        ("[]", "is no SARIF 2.1.0"),
        ('{"version": "1.0.0"}', "is no SARIF 2.1.0"),
        ('{"version": "2.1.0", "runs": [{"tool": {"driver": {"name": "other"}}}]}', "holds no run of countenance"),
        (
            '{"version": "2.1.0", "runs": [{"tool": {"driver": {"name": "countenance"}}, "results": [{}]}]}',
            "without a rule",
        ),
        ('{"version": "2.1.0", "runs": 3}', "holds no run of countenance"),
    ],
)
def test_a_baseline_that_cannot_be_used(tmp_path: Path, content: str, said: str) -> None:
    (tmp_path / "x.sarif").write_text(content)
    with pytest.raises(UsageError, match=said):
        read_baseline(tmp_path / "x.sarif", TOOL, FINGERPRINT)
    with pytest.raises(UsageError, match="no such file"):
        read_baseline(tmp_path / "none.sarif", TOOL, FINGERPRINT)
