"""A detector that learned self-blends, audited on people it has not met: what it sees, and for whom."""

from __future__ import annotations

import pytest
from benchmarks.studies.self_blend_groups import COARSE, FINE, PROBE, audit, gaps_told, learn, write_faces

from countenance.core.results import AuditResults
from countenance.synth.forgery_nets import SmallDetector


@pytest.fixture(scope="module")
def detector() -> SmallDetector:
    return learn(0)


@pytest.fixture(scope="module")
def planted(detector: SmallDetector, tmp_path_factory: pytest.TempPathFactory) -> AuditResults:
    folder = tmp_path_factory.mktemp("planted")
    return audit(detector, write_faces(folder, 0, planted=True), folder)


@pytest.fixture(scope="module")
def twin(detector: SmallDetector, tmp_path_factory: pytest.TempPathFactory) -> AuditResults:
    folder = tmp_path_factory.mktemp("twin")
    return audit(detector, write_faces(folder, 0, planted=False), folder)


def low(results: AuditResults, key: str) -> float:
    found = results[f"{PROBE}/{key}"].estimate.low
    assert found is not None
    return found


def test_self_blends_of_people_it_has_not_met_are_told(twin: AuditResults) -> None:
    assert low(twin, "auroc") > 0.8
    assert low(twin, "auroc[method=self_blend]") > 0.8
    assert low(twin, f"auroc[forged={FINE}]") > 0.75
    assert low(twin, f"auroc[forged={COARSE}]") > 0.75
    assert not {"near_chance", "barely_above_chance", "not_shown", "sign_turned"} & {
        finding.id.removeprefix(f"{PROBE}.") for finding in twin.findings()
    }


def test_a_group_that_was_forged_more_finely_is_told_to_be_worse_off(planted: AuditResults) -> None:
    assert set(gaps_told(planted, "forged")) >= {"auroc"}
    told = [finding for finding in planted.findings() if "AUROC of forged against genuine faces" in finding.claim]
    assert len(told) == 1
    assert f"Grouped by forged, the AUROC of forged against genuine faces is lower for {FINE} (0." in told[0].claim
    assert told[0].severity in {"high", "medium"}
    assert low(planted, "auroc.gap[attribute=forged]") > 0.05
    assert gaps_told(planted, "dealt") == []


def test_its_twin_whose_groups_were_forged_alike_is_not_flagged(twin: AuditResults) -> None:
    assert gaps_told(twin, "forged") == []
    assert gaps_told(twin, "dealt") == []
