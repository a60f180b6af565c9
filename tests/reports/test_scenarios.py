"""Gates as bias scenarios, waivers and findings of policy in the report."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from countenance.core.errors import ResultsError
from countenance.core.results import AuditResults, Finding, GateOutcome
from countenance.core.results_file import load_results, write_results
from countenance.reports import render_report
from countenance.reports.run_files import RunFiles
from countenance.reports.scenarios import scenarios, verdict_counts
from countenance.reports.worries import worries

WAIVER = {"owner": "A. Owner", "reason": "a fix is being trained", "expires": "2027-03-01"}


def gate(measure: str = "performance/accuracy", verdict: Any = "fail", **more: Any) -> GateOutcome:
    waiver = more.pop("waiver", None)
    why = f"{measure} is 0.5; the limit is at least 0.8"
    return GateOutcome(gate={"measure": measure, "at_least": 0.8, **more}, verdict=verdict, why=why, waiver=waiver)


def with_gates(folder: Path, source: Path, *gates: GateOutcome, **more: Any) -> AuditResults:
    shutil.copytree(source, folder)
    results = load_results(source).model_copy(update={"gates": list(gates), **more})
    write_results(results, folder)
    return results


def test_a_gate_reads_as_a_bias_scenario(run_folder: Path, tmp_path: Path) -> None:
    told = {"group": "women", "hazard": "joy not seen", "mitigation": "retrain", "review_by": "2026-01-31"}
    rules = {"change": "relative", "min_n": 50, "confidence": 0.9, "correction": "none", "require": "all"}
    where = {"gender": "*", "label": "happy"}
    results = with_gates(tmp_path / "run", run_folder, gate("group_metrics/recall", where=where, **told, **rules))
    (row,) = scenarios(results)
    assert row.measure == "recall of happy (gender = every value)"
    assert row.threshold == (
        "a relative change of at least 0.8; at n of 50 or more; at 90 % confidence; "
        "not corrected for the number of slices; every slice measured"
    )
    assert (row.group, row.hazard, row.mitigation, row.review) == ("women", "joy not seen", "retrain", "2026-01-31")
    assert row.overdue
    html = render_report(tmp_path / "run")
    table = html[html.index('<table class="stack gates">') : html.index("</table>", html.index('"stack gates"'))]
    for head in ("measure", "threshold", "verdict", "why", "would reach", "hazard", "mitigation", "review by"):
        assert f'<th scope="col">{head}</th>' in table
    assert "2026-01-31, was due" in table


def test_columns_that_no_gate_fills_are_left_out_and_told(run_folder: Path, tmp_path: Path) -> None:
    with_gates(tmp_path / "run", run_folder, gate())
    html = render_report(tmp_path / "run")
    assert '<th scope="col">hazard</th>' not in html
    assert "No gate says whom its hazard would reach" in html


def test_a_waived_gate_is_a_failure_somebody_answers_for(run_folder: Path, tmp_path: Path) -> None:
    gates = (gate(waiver=WAIVER), gate("performance/macro_f1"), gate("x/y", "not measured", waiver=WAIVER))
    results = with_gates(tmp_path / "run", run_folder, *gates)
    rows = scenarios(results)
    assert rows[0].told == "fail, waived until 2027-03-01 by A. Owner"
    assert rows[0].verdict == "fail"
    assert verdict_counts(rows) == [
        ("fail", "fail", 1), ("fail waived", "fail, waived", 1), ("not measured waived", "not measured, waived", 1),
    ]  # fmt: skip
    found = worries(RunFiles.read(tmp_path / "run"))[0]
    kinds = [worry.kind for worry in found]
    assert kinds.index("gate failed") == 0
    assert kinds.count("gate failed") == 1
    waived = [worry for worry in found if worry.kind == "gate waived"]
    assert waived[0].grade == "medium"
    assert waived[0].text.startswith("Fail, waived until 2027-03-01 by A. Owner. ")
    html = render_report(tmp_path / "run")
    assert '<span class="chip fail waived">fail, waived until 2027-03-01 by A. Owner</span>' in html
    assert "a fix is being trained" in html


def test_policy_comes_before_gates(run_folder: Path, tmp_path: Path) -> None:
    policy = [
        Finding(id="policy.high", severity="high", claim="This use is prohibited in the EU."),
        Finding(id="policy.medium", severity="medium", claim="The use is not stated."),
    ]
    with_gates(tmp_path / "run", run_folder, gate(), policy=policy)
    first, second, *rest = worries(RunFiles.read(tmp_path / "run"))[0]
    assert (first.kind, first.text, first.anchor) == ("policy", "This use is prohibited in the EU.", "finding-1")
    assert second.kind == "gate failed"
    assert "policy" in [worry.kind for worry in rest]
    assert "This use is prohibited in the EU." in render_report(tmp_path / "run")


def test_a_gate_no_plan_can_have_held_is_told(run_folder: Path, tmp_path: Path) -> None:
    odd = GateOutcome(gate={"measure": "<b>x</b>", "at_least": "much"}, verdict="fail", why="odd")
    with_gates(tmp_path / "run", run_folder, odd)
    with pytest.raises(ResultsError, match="holds a gate that cannot be read as one"):
        render_report(tmp_path / "run")
    with pytest.raises(ResultsError, match="holds a gate that cannot be read as one"):
        scenarios(load_results(tmp_path / "run"))
