"""Provisions as data: read strictly, never called verified by themselves, set beside what an audit holds."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from countenance.cards.law import (
    CrosswalkRow,
    LawError,
    crosswalk,
    disclosure,
    find_provision,
    instruments,
    load_instrument,
    provisions,
)
from countenance.cards.law.provisions import tasks_of_probes
from countenance.cards.law_section import law_section
from countenance.cards.statements import Statements
from countenance.cards.tree import BulletList, Section, TableBlock
from countenance.core.errors import UsageError
from countenance.core.policy_rules import rules
from countenance.core.probes import registered_probes
from countenance.core.results import AuditResults, DataSummary, Estimate, Measurement, ProbeResult, TargetSummary
from countenance.core.results_file import load_results

ROW: dict[str, Any] = {
    "id": "X-1",
    "provision": "Article 1",
    "asks": "Something.",
    "evidence": {"probes": {"performance": []}},
    "beyond": "",
    "source": "X",
    "as_of": "2026-11-20",
    "verified": False,
}


def text(*rows: dict[str, Any], **more: Any) -> str:
    return yaml.safe_dump({"instrument": "X", "publication": "X, 2026", "rows": list(rows), **more})


def audit(*probes: ProbeResult, task: str = "expression", **more: Any) -> AuditResults:
    return AuditResults(
        name="x",
        tool={},
        started="2026-11-20T10:00:00Z",
        seconds=0,
        target=TargetSummary(name="t", task=task, classes=["happy", "sad"] if task == "expression" else []),
        data=DataSummary(faces=10),
        plan=more.pop("plan", {}),
        probes=list(probes),
        **more,
    )


def probe(name: str, **metrics: float | None) -> ProbeResult:
    measured = [
        Measurement.of(
            name,
            metric,
            Estimate(value=value) if value is not None else Estimate.not_measured("2 people; 10 are needed"),
        )
        for metric, value in metrics.items()
    ]
    return ProbeResult(id=name, probe=name, version=1, status="ok", measurements=measured)


def row(wanted: str, results: AuditResults, statements: Statements | None = None) -> CrosswalkRow:
    return next(row for row in crosswalk(results, statements or Statements()) if row.provision.id == wanted)


def held(row: CrosswalkRow) -> str:
    return " | ".join(found.text for found in row.held)


# The data -------------------------------------------------------------------------------------------------------------


def test_the_provisions_that_the_audit_is_meant_to_be_evidence_for_are_there() -> None:
    ids = {row.id for row in provisions()}
    assert {"AIA-5-1-f", "AIA-5-1-g", "AIA-10-2-f", "AIA-10-3", "AIA-13-3-b-ii", "AIA-13-3-b-v"} <= ids
    assert {"AIA-15-1", "AIA-15-3", "AIA-15-4", "AIA-15-5", "AIA-50-3", "AIA-III-1-c", "AIA-IV-2-g"} <= ids
    assert {"RMF-MEASURE-2.7", "RMF-MEASURE-2.11", "ISO-42001-A.6.2.4", "ISO-19795-10-GROUPS"} <= ids
    assert instruments() == ("EU AI Act", "NIST AI RMF 1.0", "ISO/IEC standards")


def test_ids_are_unique_and_no_row_is_verified_that_nobody_verified() -> None:
    ids = [row.id for row in provisions()]
    assert len(ids) == len(set(ids))
    assert not any(row.verified for row in provisions())
    assert all(row.standing == f"as of {row.as_of}, not verified by a person" for row in provisions())


def test_every_probe_named_as_evidence_exists_and_the_tasks_are_its_own() -> None:
    known = registered_probes()
    named = {name for row in provisions() for name in row.evidence.probes}
    assert named <= set(known)
    every = {"expression", "action_units", "valence_arousal", "forgery", "verification"}
    partial = {name: set(found.tasks) for name, found in known.items() if set(found.tasks) != every}
    assert {name: set(tasks) for name, tasks in tasks_of_probes().items() if name in partial} == partial
    assert set(tasks_of_probes()) <= set(known)


def test_the_rules_and_the_rows_tell_the_same_dates_and_standing() -> None:
    for wanted, rule in rules().provisions.items():
        found = find_provision(wanted)
        assert (found.applies_from, found.as_of, found.verified) == (rule.since, rule.as_of, rule.verified)
        assert found.provision in rule.provision


def test_rows_by_analogy_say_so() -> None:
    assert all(row.by_analogy for row in provisions() if row.id.startswith("ISO-19795-10"))
    assert not any(row.by_analogy for row in provisions() if row.instrument == "EU AI Act")


# Reading --------------------------------------------------------------------------------------------------------------


def test_a_row_is_read_with_what_its_file_says() -> None:
    (found,) = load_instrument(text(ROW), "x.yaml")
    assert (found.instrument, found.publication, found.id) == ("X", "X, 2026", "X-1")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"verfied": False}, "verfied: Extra inputs"),
        ({"as_of": None}, "as_of"),
        ({"id": "x 1"}, "id: String should match"),
        ({"verified": True}, "verified_by and verified_on"),
        ({"verified": True, "verified_by": "A. Person", "verified_on": "2026-11-01"}, "must be checked again"),
        ({"evidence": {}}, "without any evidence"),
        ({"evidence": {"card": ["model_details.licence"]}}, "no item 'model_details.licence'"),
        ({"evidence": {"facts": ["weather"]}}, "evidence.facts"),
        ({"tasks": ["emotion"]}, "tasks"),
    ],
)
def test_a_row_that_does_not_fit_is_refused(change: dict[str, Any], told: str) -> None:
    with pytest.raises(LawError) as caught:
        load_instrument(text({**ROW, **change}), "x.yaml")
    assert told in str(caught.value)
    assert str(caught.value).startswith("x.yaml")


def test_an_id_that_stands_twice_and_a_text_that_is_no_yaml_are_refused() -> None:
    with pytest.raises(LawError, match="the id X-1 stands twice"):
        load_instrument(text(ROW, ROW), "x.yaml")
    with pytest.raises(LawError, match="not valid YAML"):
        load_instrument("rows: [", "x.yaml")
    with pytest.raises(LawError, match="no file of provisions"):
        load_instrument(text(ROW, colour="red"), "x.yaml")


def test_a_persons_check_is_shown() -> None:
    checked = {**ROW, "verified": True, "verified_by": "A. Person", "verified_on": "2026-12-01"}
    (found,) = load_instrument(text(checked), "x.yaml")
    assert found.standing == "as of 2026-11-20, verified by A. Person on 2026-12-01"


def test_an_unknown_provision_names_the_nearest() -> None:
    assert find_provision("aia-5-1-f").id == "AIA-5-1-f"
    with pytest.raises(UsageError, match="did you mean 'AIA-5-1-g'"):
        find_provision("AIA-5-1-gg")


# The crosswalk --------------------------------------------------------------------------------------------------------


def test_measurements_that_were_made_are_evidence_with_their_keys() -> None:
    found = row("AIA-15-5", audit(probe("adversarial", accuracy=0.4, worst=None)))
    assert held(found) == "adversarial: 1 of 2 measured"
    assert found.held[0].keys == ("adversarial/accuracy",)
    assert any("not in the plan" in text and "backdoor_scan" in text for text in found.missing)
    assert not any("adversarial" in text for text in found.missing)


def test_a_probe_that_measured_nothing_was_skipped_or_is_not_planned_is_missing() -> None:
    nothing = row("AIA-15-5", audit(probe("adversarial", accuracy=None)))
    assert nothing.held == ()
    assert "adversarial ran and measured nothing of it" in nothing.missing
    skipped = ProbeResult(
        id="pgd", probe="adversarial", version=1, status="skipped", reason="the target gives no gradients"
    )
    told = row("AIA-15-5", audit(skipped))
    assert told.held == ()
    assert "pgd skipped: the target gives no gradients" in told.missing
    assert any("adversarial" in text for text in row("AIA-15-5", audit()).missing)


def test_only_the_metrics_that_are_meant_count() -> None:
    assert held(row("AIA-10-2-g", audit(probe("group_metrics", recall=0.5)))) == ""
    gap = Measurement.of("group_metrics", "recall.worst_vs_rest", Estimate(value=0.1))
    found = row(
        "AIA-10-2-g", audit(ProbeResult(id="g", probe="group_metrics", version=1, status="ok", measurements=[gap]))
    )
    assert found.held[0].keys == ("group_metrics/recall.worst_vs_rest",)


def test_probes_of_other_tasks_are_not_asked_for() -> None:
    told = " ".join(row("AIA-15-5", audit()).missing)
    assert "poison_drill" not in told
    assert "verification_attacks" not in told
    assert "poison_drill" in " ".join(row("AIA-15-5", audit(task="forgery")).missing)


def test_provisions_on_emotions_do_not_concern_other_tasks() -> None:
    emotion = {"AIA-5-1-f", "AIA-50-3", "AIA-III-1-c"}
    ids = {row.provision.id for row in crosswalk(audit(task="forgery"), Statements())}
    assert not ids & emotion
    assert "AIA-15-5" in ids
    assert emotion <= {row.provision.id for row in crosswalk(audit(), Statements())}


def test_statements_are_evidence_or_missing() -> None:
    stated = Statements.model_validate({"training_data": {"datasets": "a set"}})
    found = row("AIA-IV-2-d", audit(), stated)
    assert held(found) == "stated by the author: training_data.datasets"
    assert any("training_data.preprocessing" in text for text in found.missing)


@pytest.mark.parametrize(
    ("plan", "told"),
    [
        ({"deployment": {"context": ["workplace"]}}, "finding of policy AIA-5-1-f, severity high"),
        ({"deployment": {"context": ["research"]}}, "no finding of policy for the stated use"),
    ],
)
def test_the_stated_use_is_judged(plan: dict[str, Any], told: str) -> None:
    assert told in held(row("AIA-5-1-f", audit(plan=plan)))


def test_a_use_that_nobody_stated_is_missing() -> None:
    assert "no use is stated to judge by" in row("AIA-5-1-f", audit()).missing


# The section ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def section(run_folder: Path) -> Section:
    return law_section(load_results(run_folder), Statements())


def test_every_row_shows_its_date_and_that_nobody_verified_it(section: Section) -> None:
    tables = [block for item in section.items for block in item.blocks if isinstance(block, TableBlock)]
    assert [table.caption for table in tables] == [f"{name}: held and missing" for name in instruments()]
    cells = [cells for table in tables for cells in table.rows]
    assert len(cells) == len(provisions())
    for one in cells:
        assert "(This row: as of 2026-11-20, not verified by a person" in str(one[1])


def test_what_is_uncertain_stands_in_a_note_of_its_table(section: Section) -> None:
    item = next(item for item in section.items if item.title == "EU AI Act")
    table = next(block for block in item.blocks if isinstance(block, TableBlock))
    notes = next(block for block in item.blocks if isinstance(block, BulletList))
    told = ["".join(map(str, entry.parts)) for entry in notes.items]
    row_of_10 = next(cells for cells in table.rows if str(cells[0]).startswith("AIA-10-3:"))
    assert str(row_of_10[1]).endswith("not verified by a person; see note 1.)")
    assert any(text.startswith("Note 1: ") and "Digital Omnibus" in text for text in told)


def test_the_section_says_what_it_is(section: Section) -> None:
    reading = section.items[0].blocks[0]
    assert isinstance(reading, BulletList)
    told = " ".join("".join(map(str, entry.parts)) for entry in reading.items)
    assert "not legal advice" in told
    assert "does not say that a provision is met" in told


def test_a_disclosure_is_offered_where_emotions_are_read_only(section: Section) -> None:
    assert section.items[-1].name == "law.disclosure"
    forgery = law_section(audit(task="forgery"), Statements())
    assert all(item.name != "law.disclosure" for item in forgery.items)


def test_the_disclosure_takes_what_the_author_stated_and_leaves_blanks() -> None:
    stated = Statements.model_validate({"model_details": {"contact": "audits@example.org"}})
    told = " ".join(disclosure("expression", stated))
    assert "audits@example.org" in told
    assert "[who operates it]" in told
    assert "It is used for: [the purpose]" in told
    assert "not evidence of what you feel" in told
    assert "valence and arousal" in disclosure("valence_arousal", Statements())[0]


def test_law_needs_no_torch() -> None:
    code = "import sys, countenance.cards.law_section as s; s.crosswalk; print('torch' in sys.modules)"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "False"
