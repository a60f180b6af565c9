"""A prohibited use stops a run and a gate, whatever its gates say, and a permitted one does not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

PASSES = {"measure": "performance/accuracy", "at_least": 0.5}
PROHIBITED = "No threshold and no waiver changes this"


def audit(study: Any, command: Any, **deployment: Any) -> Any:
    study.plan |= {"probes": ["performance"], "gates": [PASSES]}
    if deployment:
        study.plan["deployment"] = deployment
    study.write_plan()
    return command("run", "audit.yaml", "--out", "run", "--no-report")


def policy() -> dict[str, str]:
    written = json.loads(Path("run/results.json").read_text()).get("policy", [])
    return {finding["id"]: finding["severity"] for finding in written}


def test_a_use_at_work_ends_with_1_though_every_gate_passes(study: Any, command: Any) -> None:
    done = audit(study, command, context=["workplace"])
    assert done.code == 1
    assert " ".join(done.out.split()).count(PROHIBITED) >= 1
    assert policy() == {"AIA-5-1-f": "high"}
    again = command("gate", "run")
    assert again.code == 1
    assert PROHIBITED in " ".join(again.out.split())


@pytest.mark.parametrize(
    ("deployment", "found"),
    [
        ({}, {"DEPLOYMENT-UNKNOWN": "note"}),
        ({"context": ["research"]}, {}),
        ({"context": ["workplace"], "ground": "safety"}, {"AIA-5-1-f": "note"}),
        ({"context": ["education"], "regions": ["US"]}, {"AIA-5-1-f": "low"}),
    ],
)
def test_other_uses_end_with_0(study: Any, command: Any, deployment: dict[str, Any], found: dict[str, str]) -> None:
    assert audit(study, command, **deployment).code == 0
    assert policy() == found
    assert command("gate", "run").code == 0


def test_the_card_counts_when_the_run_is_made_and_when_it_is_gated(study: Any, command: Any) -> None:
    Path("card.yaml").write_text("intended_use: {deployment_context: research}\n")
    study.plan["card"] = "card.yaml"
    assert audit(study, command).code == 0
    assert policy() == {}
    Path("run/card.yaml").write_text("intended_use: {deployment_context: education}\n")
    gated = command("gate", "run")
    assert gated.code == 1
    assert PROHIBITED in " ".join(gated.out.split())
    Path("run/card.yaml").write_text("intended_use: {deployment_context: educatoin}\n")
    assert command("gate", "run").code == 2


def test_what_the_results_hold_no_later_card_takes_away(study: Any, command: Any) -> None:
    Path("card.yaml").write_text("intended_use: {deployment_context: workplace}\n")
    study.plan["card"] = "card.yaml"
    assert audit(study, command).code == 1
    Path("run/card.yaml").write_text("intended_use: {deployment_context: research}\n")
    assert command("gate", "run").code == 1


def test_the_use_that_another_plan_states_counts_too(study: Any, command: Any) -> None:
    assert audit(study, command, context=["research"]).code == 0
    gates = {"gates": [PASSES], "deployment": {"context": ["workplace"]}}
    Path("gates.yaml").write_text(json.dumps(gates))
    assert command("gate", "run", "--plan", "gates.yaml").code == 1
    Path("gates.yaml").write_text(json.dumps({**gates, "deployment": {"context": ["consumer"]}}))
    assert command("gate", "run", "--plan", "gates.yaml").code == 0
    Path("gates.yaml").write_text(json.dumps({**gates, "deployment": {"context": []}}))
    assert command("gate", "run", "--plan", "gates.yaml").code == 2
