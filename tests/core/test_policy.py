"""Uses that are prohibited whatever is measured: what counts as inferring emotions, where, and on which ground."""

from __future__ import annotations

import subprocess
import sys
from datetime import date
from typing import Any

import pytest
from pydantic import ValidationError

from countenance.core.errors import PlanError, ResultsError
from countenance.core.plan import DeploymentSpec
from countenance.core.policy import (
    infers_emotions,
    outside_union,
    policy_findings,
    policy_of,
    stated_contexts,
)
from countenance.core.policy_rules import Prohibition, rules
from countenance.core.results import AuditResults, DataSummary, Finding, TargetSummary

SEVEN = ["neutral", "happy", "sad", "angry", "fearful", "disgusted", "surprised"]


def use(*context: str, **more: Any) -> DeploymentSpec:
    return DeploymentSpec.model_validate({"context": list(context), **more})


def severities(found: list[Finding]) -> dict[str, str]:
    return {finding.id: finding.severity for finding in found}


def results(deployment: dict[str, Any] | None, policy: list[Finding] | None = None) -> AuditResults:
    return AuditResults(
        name="x",
        tool={},
        started="",
        seconds=0,
        target=TargetSummary(name="t", task="expression", classes=SEVEN),
        data=DataSummary(faces=1),
        plan={} if deployment is None else {"deployment": deployment},
        policy=policy or [],
    )


@pytest.mark.parametrize("context", ["workplace", "education"])
@pytest.mark.parametrize("regions", [[], ["EU"], ["DE"], ["US", "France", "FR"], ["worldwide"], ["Bavaria"]])
def test_emotions_at_work_or_in_education_without_a_ground_are_of_high_severity(
    context: str, regions: list[str]
) -> None:
    (found,) = policy_findings("expression", SEVEN, use("consumer", context, regions=regions))
    assert (found.id, found.severity) == ("AIA-5-1-f", "high")
    assert "happy, sad, angry, fearful and others" in found.claim
    assert "No threshold and no waiver" in found.claim
    assert "not legal advice" in found.caveats[0]
    assert "as of 2026-11-20, not verified by a person" in found.caveats[0]
    assert found.evidence == []


@pytest.mark.parametrize("context", ["research", "medical", "safety", "consumer", "public_sector", "other"])
def test_the_same_model_elsewhere_has_no_finding(context: str) -> None:
    assert policy_findings("expression", SEVEN, use(context)) == []


@pytest.mark.parametrize("task", ["forgery", "verification"])
def test_tasks_that_infer_no_emotion_have_no_finding_at_work(task: str) -> None:
    classes = ["genuine", "forged"] if task == "forgery" else []
    assert infers_emotions(task, classes) == "no"
    assert policy_findings(task, classes, use("workplace", "education")) == []


@pytest.mark.parametrize(
    ("task", "classes", "kind", "severity"),
    [
        ("valence_arousal", ["valence", "arousal"], "infers", "high"),
        ("expression", ["Happy", "SAD"], "infers", "high"),
        ("expression", ["c0", "c1"], "infers", "high"),
        ("expression", ["smiling", "happy"], "infers", "high"),
        ("expression", ["smiling", "Not_Smiling"], "could", "medium"),
        ("expression", ["drowsy", "awake"], "could", "medium"),
        ("action_units", ["AU1", "AU12"], "could", "medium"),
    ],
)
def test_how_a_target_stands_to_emotions(task: str, classes: list[str], kind: str, severity: str) -> None:
    assert infers_emotions(task, classes) == kind
    assert severities(policy_findings(task, classes, use("workplace"))) == {"AIA-5-1-f": severity}
    outside = policy_findings(task, classes, use("workplace", regions=["US"]))
    assert severities(outside) == {"AIA-5-1-f": "low" if severity == "high" else "note"}


def test_a_stated_ground_leaves_a_note_that_it_must_be_shown() -> None:
    (found,) = policy_findings("expression", SEVEN, use("workplace", ground="medical"))
    assert found.severity == "note"
    assert "must be shown by documents" in found.claim


def test_a_medical_context_beside_work_is_no_ground() -> None:
    assert severities(policy_findings("expression", SEVEN, use("workplace", "medical"))) == {"AIA-5-1-f": "high"}


@pytest.mark.parametrize(
    ("regions", "outside"),
    [
        ([], False), (["US"], True), (["us", "uk", "CH"], True), (["US-CA", "GB-SCT"], True),
        (["United  States"], True), (["EU"], False), (["US", "EU"], False), (["NO"], False),
        (["de"], False), (["RE"], False), (["FR-75"], False),
        (["worldwide"], False), (["Uniteed States"], False), (["US", "somewhere"], False),
    ],
)  # fmt: skip
def test_only_regions_known_to_lie_outside_the_union_count_as_outside(regions: list[str], outside: bool) -> None:
    assert outside_union(regions) is outside


def test_regions_outside_the_union_are_told_with_the_reach_of_the_regulation() -> None:
    (found,) = policy_findings("expression", SEVEN, use("education", regions=["US", "JP"]))
    assert found.severity == "low"
    assert "names US, JP only" in found.claim
    assert "Article 2(1)(c)" in found.claim


def test_a_plan_that_states_no_use_has_a_note() -> None:
    (found,) = policy_findings("expression", SEVEN, None)
    assert (found.id, found.severity) == ("DEPLOYMENT-UNKNOWN", "note")
    assert "does not state where the model is to run" in found.claim


def test_the_card_alone_can_state_a_prohibited_use() -> None:
    assert severities(policy_findings("expression", SEVEN, None, ["workplace"])) == {"AIA-5-1-f": "high"}


def test_plan_and_card_that_contradict_each_other_are_told_and_both_count() -> None:
    found = policy_findings("expression", SEVEN, use("research"), ["education", "research"])
    assert severities(found) == {"AIA-5-1-f": "high", "DEPLOYMENT-CONTRADICTION": "medium"}
    assert "research in the plan, education, research in the card" in found[1].claim
    assert policy_findings("expression", SEVEN, use("research", "other"), ["other", "research"]) == []


@pytest.mark.parametrize(
    ("classes", "kind"),
    [
        (["White", "Black", "Latino_Hispanic", "East Asian"], "race"),
        (["asian", "other"], "race"),
        (["muslim", "not muslim"], "religious or philosophical beliefs"),
        (["straight", "gay"], "sex life or sexual orientation"),
        (["conservative", "liberal"], "political opinions"),
    ],
)
def test_classes_that_sort_people_by_sensitive_attributes_are_told(classes: list[str], kind: str) -> None:
    found = policy_findings("expression", classes, use("consumer"))
    assert severities(found) == {"AIA-5-1-g": "medium"}
    assert f"sorts people by {kind}" in found[0].claim
    assert "Checked were the names of the target's classes" in found[0].caveats[0]
    assert severities(policy_findings("expression", classes, use("research"))) == {"AIA-5-1-g": "note"}


@pytest.mark.parametrize(
    "classes", [SEVEN, ["black", "happy"], ["old", "young"], ["genuine", "forged"], ["AU1", "AU2"], []]
)
def test_other_classes_are_not(classes: list[str]) -> None:
    assert "AIA-5-1-g" not in severities(policy_findings("expression", classes, use("consumer")))


# On results -----------------------------------------------------------------------------------------------------------


def test_a_run_is_judged_again_from_its_plan() -> None:
    assert severities(policy_of(results({"context": ["workplace"]}))) == {"AIA-5-1-f": "high"}
    assert policy_of(results({"context": ["research"]})) == []


def test_a_later_card_or_plan_adds_findings_and_takes_none_away() -> None:
    run = results({"context": ["research"]})
    assert "AIA-5-1-f" in severities(policy_of(run, stated=["workplace"]))
    assert severities(policy_of(run, also=use("workplace"))) == {"AIA-5-1-f": "high"}
    stopped = results({"context": ["workplace"]}, policy_findings("expression", SEVEN, use("workplace")))
    for later in (use("research"), use("workplace", ground="safety"), use("workplace", regions=["US"])):
        assert severities(policy_of(stopped, also=later))["AIA-5-1-f"] == "high"


def test_an_unknown_use_is_known_once_somebody_states_it() -> None:
    run = results(None, policy_findings("expression", SEVEN, None))
    assert severities(policy_of(run)) == {"DEPLOYMENT-UNKNOWN": "note"}
    assert policy_of(run, also=use("research")) == []
    assert policy_of(run, stated=["research"]) == []


def test_a_deployment_that_was_edited_into_nonsense_is_an_error() -> None:
    with pytest.raises(ResultsError, match="the deployment of the run cannot be read: context"):
        policy_of(results({"context": ["work"]}))


# What the author stated -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "contexts"),
    [
        ("", ()),
        ("model_details:\n  version: 1.10\n", ()),
        ("intended_use:\n  deployment_context:\n", ()),
        ("intended_use:\n  deployment_context: ~\n", ()),
        ("intended_use:\n  deployment_context: workplace\n", ("workplace",)),
        ("intended_use:\n  deployment_context: [workplace, research]\n", ("workplace", "research")),
    ],
)
def test_the_context_is_read_out_of_a_card(text: str, contexts: tuple[str, ...]) -> None:
    assert stated_contexts(text) == contexts
    assert stated_contexts(text.encode()) == contexts


def test_a_card_that_cannot_be_read_is_an_error_and_no_silence() -> None:
    with pytest.raises(PlanError, match="not valid YAML"):
        stated_contexts("intended_use: [")
    with pytest.raises(PlanError, match=r"'workplaces', expected one or more of .*did you mean 'workplace'"):
        stated_contexts("intended_use: {deployment_context: workplaces}")


# The data -------------------------------------------------------------------------------------------------------------


def test_no_row_is_called_verified_that_nobody_checked() -> None:
    assert [row.verified for row in rules().provisions.values()] == [False, False]


@pytest.mark.parametrize(
    "changed",
    [
        {"verified": True},
        {"verified": True, "verified_by": "A. Person"},
        {"verified_by": "A. Person", "verified_on": date(2026, 12, 1)},
        {"verified": True, "verified_by": "A. Person", "verified_on": date(2026, 11, 1)},
        {"checked": True},
    ],
)
def test_a_check_needs_who_and_when_and_ends_when_the_row_changes(changed: dict[str, Any]) -> None:
    row = {"provision": "p", "since": date(2025, 2, 2), "source": "s", "as_of": date(2026, 11, 20), "verified": False}
    with pytest.raises(ValidationError):
        Prohibition.model_validate({**row, **changed})
    checked = {"verified": True, "verified_by": "A. Person", "verified_on": date(2026, 12, 1)}
    assert Prohibition.model_validate({**row, **checked}).standing == (
        "as of 2026-11-20, verified by A. Person on 2026-12-01"
    )


def test_every_country_stands_once() -> None:
    codes = [word for word in (*rules().union, *rules().outside) if len(word) == 2]
    assert len(codes) == len(set(codes))
    assert len([word for word in codes if word not in {"EU", "EL", "UK"}]) == 249  # ISO 3166-1


def test_policy_needs_no_torch() -> None:
    code = "import sys, countenance.core.policy as p; p.rules(); print('torch' in sys.modules)"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "False"
