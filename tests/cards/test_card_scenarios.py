"""Gates read as bias scenarios, and policy stands first among ethical considerations."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from countenance.cards import Statements, build_card
from countenance.cards.tree import BulletList, Card, Heading, Item, Paragraph, TableBlock
from countenance.core.errors import ResultsError
from countenance.core.results import AuditResults, Finding, GateOutcome
from countenance.core.results_file import load_results

GATE: dict[str, Any] = {
    "measure": "group_metrics/recall",
    "where": {"gender": "*", "label": "happy"},
    "at_least": 0.9,
    "min_n": 30,
    "group": "women",
    "hazard": "smiles of women read as neutral",
    "mitigation": "more smiles of women in training",
    "review_by": "2026-01-01",
}
WAIVER = {"owner": "A. Person", "reason": "no product yet", "expires": "2027-05-01"}


@pytest.fixture(scope="module")
def results(run_folder: Path) -> AuditResults:
    return load_results(run_folder)


def card_with(results: AuditResults, folder: Path, **update: Any) -> Card:
    return build_card(results.model_copy(update=update), Statements(), folder)


def told(item: Item | None) -> list[str]:
    assert item is not None
    words: list[str] = []
    for block in item.blocks:
        if isinstance(block, Heading):
            words.append(block.text)
        elif isinstance(block, Paragraph):
            words.append("".join(map(str, block.parts)))
        elif isinstance(block, BulletList):
            words += ["".join(map(str, entry.parts)) for entry in block.items]
        elif isinstance(block, TableBlock):
            words += [" | ".join(map(str, row)) for row in (block.columns, *block.rows)]
    return words


def test_a_gate_reads_as_a_bias_scenario(results: AuditResults, run_folder: Path) -> None:
    outcome = GateOutcome(gate=GATE, verdict="fail", why="recall is 0.62", waiver=WAIVER)
    words = told(card_with(results, run_folder, gates=[outcome]).item("ethical_considerations.gates"))
    measure = "recall of happy (gender = every value)"
    assert words[1] == f"{measure} | at least 0.9 | fail, waived until 2027-05-01 by A. Person | recall is 0.62"
    assert words[words.index("Scenario: smiles of women read as neutral") + 1 :] == [
        "Group: women",
        "Hazard: smiles of women read as neutral",
        f"Measure: {measure}",
        "Threshold: at least 0.9; slices of 30 rows or more",
        "Verdict: fail, waived until 2027-05-01 by A. Person",
        "Mitigation: more smiles of women in training",
        "Review by: 2026-01-01, which was past when the audit ran",
        "Waiver: A. Person answers for it until 2027-05-01; reason: no product yet",
    ]


def test_gates_that_state_nothing_are_counted(results: AuditResults, run_folder: Path) -> None:
    plain = {"measure": "performance/accuracy", "at_least": 0.8}
    outcome = GateOutcome(gate=plain, verdict="pass", why="it holds")
    words = told(card_with(results, run_folder, gates=[outcome]).item("ethical_considerations.gates"))
    assert words[-1] == "Of 1 gate the plan states no group, hazard, mitigation or day of review."
    assert not [text for text in words if text.startswith("Scenario")]
    assert any("does not say that there is no difference" in text for text in words)


def test_without_gates_the_card_says_so(results: AuditResults, run_folder: Path) -> None:
    plan = {key: value for key, value in results.plan.items() if key != "gates"}
    item = card_with(results, run_folder, gates=[], plan=plan).item("ethical_considerations.gates")
    assert item is not None
    assert item.status == "not measured"
    assert item.reason == "The plan names no gate, so nothing was held against a limit."


def test_a_gate_that_is_none_is_an_error_with_its_file(results: AuditResults, run_folder: Path) -> None:
    with pytest.raises(ResultsError, match=r"results\.json holds a gate that cannot be read"):
        card_with(results, run_folder, gates=[GateOutcome(gate={"measure": "x"}, verdict="pass", why="")])


def test_policy_stands_first(results: AuditResults, run_folder: Path) -> None:
    finding = Finding(id="AIA-5-1-f", severity="high", claim="The use is prohibited", caveats=["Not legal advice"])
    card = card_with(results, run_folder, policy=[finding])
    (ethics,) = [section for section in card.sections if section.number == 8]
    assert [item.name.rpartition(".")[2] for item in ethics.items[:3]] == ["policy", "gates", "reading"]
    assert "High: The use is prohibited." in told(ethics.items[0])
    findings = told(card.item("caveats_and_recommendations.findings"))
    assert findings[0] == "Findings of policy stand first under Ethical Considerations."
    assert not any("prohibited" in text for text in findings)


def test_the_contexts_that_the_author_states_are_judged(results: AuditResults, run_folder: Path) -> None:
    author = Statements.model_validate({"intended_use": {"deployment_context": "workplace"}})
    words = told(build_card(results, author, run_folder).item("ethical_considerations.policy"))
    assert words[0].startswith("High: The model infers emotions")
