from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from countenance.core.errors import UsageError
from countenance.core.results import AuditResults, GateOutcome
from countenance.core.results_file import write_results
from countenance.reports.ci.cases import cases_of
from countenance.reports.ci.github import (
    MOST_ANNOTATIONS,
    SUMMARY_LIMIT,
    Links,
    annotation_lines,
    fitting,
    standing,
    step_summary,
)
from countenance.reports.ci.gitlab import to_code_quality
from countenance.reports.ci.places import PlanPlaces
from countenance.reports.ci.writing import tell_runner

Audit = Callable[..., AuditResults]
Gate = Callable[..., GateOutcome]
PLACES = PlanPlaces("plans/a,b:c.yaml", {("gates", 0): 8})
RUNNER = {
    "GITHUB_ACTIONS": "true", "GITHUB_SERVER_URL": "https://forge.example", "GITHUB_REPOSITORY": "us/smiles",
    "GITHUB_SHA": "abc", "GITHUB_RUN_ID": "7",
}  # fmt: skip


def test_annotations_are_escaped_and_point_to_the_plan(audit: Audit, gate: Gate) -> None:
    failed = gate("fail", hazard="100 % of smiles\n::error::not a command")
    (first, *rest) = annotation_lines(audit(failed), PLACES)
    assert rest == []
    assert first.startswith("::error file=plans/a%2Cb%3Ac.yaml,line=8,title=Gate fail%3A ")
    assert "100 %25 of smiles%0A::error::not a command" in first
    assert "\n" not in first


def test_levels_of_annotations(audit: Audit, gate: Gate) -> None:
    gates = [
        gate("fail"),
        gate("inconclusive", at_least=0.75),
        gate("fail", at_least=0.7, waived=True),
        gate("pass", at_least=0.1),
    ]
    lines = annotation_lines(audit(*gates, policy="high"), PLACES)
    assert [line.split()[0] for line in lines] == ["::error", "::error", "::warning"]
    strict = annotation_lines(audit(*gates, policy="high"), PLACES, strict=True)
    assert [line.split()[0] for line in strict] == ["::error"] * 3


@pytest.mark.parametrize("count", [MOST_ANNOTATIONS, MOST_ANNOTATIONS + 1, 40])
def test_no_more_annotations_than_a_step_may_show(audit: Audit, gate: Gate, count: int) -> None:
    lines = annotation_lines(audit(*(gate("fail", id=f"g{n}") for n in range(count))), PLACES)
    assert len(lines) == MOST_ANNOTATIONS
    assert ("and" in lines[-1] and "more" in lines[-1]) is (count > MOST_ANNOTATIONS)


def test_the_summary(audit: Audit, gate: Gate) -> None:
    gates = [gate("fail", group="women", hazard="joy | neutral", review_by="2027-05-01"), gate("pass", at_least=0.1)]
    results = audit(*gates, gate("fail", at_least=0.7, waived=True), policy="high")
    text = step_summary(results, ["<b>one</b>", "two"], PLACES, links=Links.of(RUNNER, PLACES))
    assert "**1 gate failed, the stated use is prohibited, 1 waived, 1 passed.**" in text
    assert "1. &lt;b&gt;one&lt;/b&gt;" in text
    assert "](https://forge.example/us/smiles/blob/abc/plans/a%2Cb%3Ac.yaml#L8)|fail|" in text
    assert r"|women: joy \| neutral|2027-05-01|" in text
    assert "|A. Owner|2027-05-01|a new model is on its way|" in text
    assert "AIA-5-1-f: Prohibited at work." in text
    assert "https://forge.example/us/smiles/actions/runs/7#artifacts" in text
    rows = [line for line in text.splitlines() if line.startswith("|")]
    columns = {len(line.replace(r"\|", "").split("|")) for line in rows}
    assert columns == {8, 6}  # of the two tables; no text broke a row


def test_standing_says_what_the_exit_code_says(audit: Audit, gate: Gate) -> None:
    assert standing(cases_of(audit())) == "There were no gates to judge."
    assert standing(cases_of(audit(gate("pass")))) == "1 gate passed."
    assert standing(cases_of(audit(gate("inconclusive"), gate("pass")))) == "1 inconclusive, 1 passed."
    assert (
        standing(
            cases_of(
                audit(gate("inconclusive")),
            )
        )
        == "1 inconclusive."
    )
    assert standing(cases_of(audit(gate("inconclusive")), strict=True)) == "1 gate failed."
    assert standing(cases_of(audit(gate("fail"), status="failed"))) == "The audit could not complete: 1 error."


def test_a_summary_that_does_not_fit_is_cut_between_lines(audit: Audit, gate: Gate) -> None:
    text = step_summary(audit(*(gate("fail", id=f"gate {n}", hazard="ä" * 400) for n in range(200))), [], PLACES)
    assert 100_000 < len(text.encode()) < SUMMARY_LIMIT
    cut = fitting(text, 100_000)
    assert 98_000 < len(cut) <= 100_000
    assert cut.decode().endswith("|\n\n\nThe rest does not fit into a step summary: see the report.\n")
    assert fitting(text, SUMMARY_LIMIT) == text.encode()
    assert fitting(text, 10) == b""


def test_a_runner_is_told_and_nothing_else(audit: Audit, gate: Gate, tmp_path: Path) -> None:
    results = audit(gate("fail"))
    write_results(results, tmp_path)
    summary = tmp_path / "summary.md"
    summary.write_text("of a step before\n")
    assert tell_runner(results, tmp_path, PLACES, {"GITHUB_STEP_SUMMARY": str(summary)}) == []
    assert summary.read_text() == "of a step before\n"
    lines = tell_runner(results, tmp_path, PLACES, {**RUNNER, "GITHUB_STEP_SUMMARY": str(summary)})
    assert len(lines) == 1
    text = summary.read_text()
    assert text.startswith("of a step before\n## countenance: smiles\n")
    assert "### What to worry about" in text
    assert tell_runner(results, tmp_path, PLACES, RUNNER) == lines  # without a place for the summary
    with pytest.raises(UsageError, match=r"the step summary .* cannot be written"):
        tell_runner(results, tmp_path, PLACES, {**RUNNER, "GITHUB_STEP_SUMMARY": str(tmp_path)})


@pytest.mark.parametrize("environment", [{}, {"GITHUB_SERVER_URL": "javascript:x", "GITHUB_REPOSITORY": "a/b"}])
def test_no_links_where_the_forge_is_not_known(environment: dict[str, str]) -> None:
    assert Links.of(environment, PLACES) == Links()


def test_code_quality(audit: Audit, gate: Gate) -> None:
    results = audit(
        gate("fail"), gate("fail", at_least=0.7, waived=True), gate("inconclusive", at_least=0.75), policy="medium"
    )
    entries: list[dict[str, Any]] = json.loads(to_code_quality(results, PLACES))
    assert {(entry["check_name"], entry["severity"]) for entry in entries} == {
        ("gate/performance/accuracy", "critical"),
        ("gate/performance/accuracy", "info"),
        ("gate/performance/accuracy", "major"),
        ("AIA-5-1-f", "major"),
        ("finding/performance/classes", "minor"),
    }
    assert len({entry["fingerprint"] for entry in entries}) == len(entries)
    for entry in entries:
        assert entry.keys() == {"description", "check_name", "fingerprint", "severity", "location"}
        assert entry["location"]["path"] == PLACES.file
        assert entry["location"]["lines"]["begin"] >= 1
