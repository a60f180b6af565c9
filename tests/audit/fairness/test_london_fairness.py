"""Real faces, a real net: which groups of smiling people are too few, and which gap the faces do show."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from countenance.core.api import run_plan
from countenance.core.errors import Problems
from countenance.core.places import YamlDocument
from countenance.core.plan_file import check_plan
from countenance.core.results import AuditResults, Estimate


@pytest.fixture(scope="module")
def london(shared: Path, root: Path) -> AuditResults:
    folder = root / "tests" / "plans"
    content = yaml.safe_load((folder / "london_fairness.yaml").read_text(encoding="utf-8"))
    content["probes"] = ["performance", {"probe": "group_metrics", "labels": ["happy"]}]
    content["run"] = {"cache": False}
    return run_plan(check_plan(YamlDocument(content), folder, Problems("london")))


def recall(results: AuditResults, place: str, ending: str = "") -> Estimate:
    return results[f"group_metrics/recall{ending}[{place}]"].estimate


def test_smiles_by_ethnicity_are_not_measured_and_say_how_many_people_are_missing(london: AuditResults) -> None:
    black = recall(london, "ethnicity=black,label=happy")
    assert (black.value, black.n, black.subjects) == (None, 13, 13)
    assert black.reason == "n_eff 13 of 38 needed: about 25 more people"
    assert recall(london, "ethnicity=east_asian,label=happy").reason == "9 people; 10 are needed"
    white = recall(london, "ethnicity=white,label=happy")
    assert white.value == pytest.approx(48 / 69)
    for ending in (".gap", ".worst_vs_rest"):
        assert str(recall(london, "attribute=ethnicity,label=happy", ending).reason).startswith(
            "only one of 5 groups, white, has enough"
        )


def test_smiles_by_gender_show_a_gap(london: AuditResults) -> None:
    gap = recall(london, "attribute=gender,label=happy", ".worst_vs_rest")
    assert gap.value == pytest.approx(44 / 49 - 25 / 53)
    assert gap.about == "male"
    assert (gap.bound_low or 0) > 0.1
    assert (recall(london, "attribute=gender,label=happy", ".worst_vs_rest.p_adjusted").value or 1) < 0.01


def test_gates_fail_or_say_why_they_cannot_be_judged(london: AuditResults) -> None:
    accuracy, gender, ethnicity = london.gates
    assert accuracy.verdict == "pass"
    assert gender.verdict == "fail"
    assert ethnicity.verdict == "not measured"
    assert "only one of 5 groups, white" in ethnicity.why


def test_what_can_never_pass_is_told_with_the_data(london: AuditResults) -> None:
    told = " ".join(london.data.notes)
    assert "can never be passed with these faces" in told
    assert "52" in told  # the least faces in each group for a tolerance of 0.05
