"""``data_scan`` finds stamped images and leaves clean ones alone, and says what its flags are worth."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from scipy.stats import betabinom

from countenance.audit.backdoors.data_scan.calibration import (
    Reference,
    RobustRule,
    excess_p,
    one_of_each,
    references_needed,
    right_at_most,
)
from countenance.audit.backdoors.data_scan.energy import fine_detail
from countenance.audit.backdoors.data_scan.judging import TwoMeans
from countenance.audit.backdoors.data_scan.material import ALL, Images, Material
from countenance.audit.backdoors.data_scan.measuring import outcome_of
from countenance.audit.backdoors.data_scan.params import DataScanParams
from countenance.core.results import AuditResults, ProbeResult
from countenance.core.statistics.rules import StatisticsRules

Run = Callable[..., AuditResults]


def the(results: AuditResults) -> ProbeResult:
    (probe,) = results.probes
    assert probe.status == "ok", probe.reason
    return probe


def value(results: AuditResults, key: str) -> float:
    found = results[f"data_scan/{key}"].estimate
    assert found.value is not None, found.reason
    return found.value


@pytest.fixture(scope="module")
def poisoned(scan: Run) -> AuditResults:
    return scan(9, clean="clean", alpha=0.1, trigger_steps=40)


def test_stamped_images_are_flagged(poisoned: AuditResults) -> None:
    assert value(poisoned, "flagged@method=laplacian") >= 9 / 40 - 1e-9
    assert value(poisoned, "flags_beyond_chance.p@method=laplacian") < 0.05
    (finding,) = [each for each in the(poisoned).findings if each.id == "data_scan.flagged_laplacian"]
    assert finding.severity == "medium"
    assert "at most 69%" in finding.claim


def test_clean_images_are_not(scan: Run) -> None:
    results = scan(0, clean="clean")
    assert value(results, "flagged@method=laplacian") <= 0.15
    assert [each for each in the(results).findings if each.severity == "medium"] == []


def test_what_a_flag_is_worth_is_said(poisoned: AuditResults) -> None:
    assert value(poisoned, "flags_right_at_most@method=laplacian,poisoned=0.1") == pytest.approx(
        0.1 / (0.1 + 0.9 * 0.05)
    )
    assert value(poisoned, "stamped_found@alpha=0.1,method=laplacian") > 0.5
    assert value(poisoned, "stamped_auroc@alpha=0.1,method=laplacian") > 0.8
    rate = poisoned["data_scan/false_alarms@method=laplacian"].estimate
    assert rate.value is not None
    assert rate.subjects == 40
    assert rate.high is not None


def test_flags_are_sliced_by_group(poisoned: AuditResults) -> None:
    keys = {each.key for each in the(poisoned).measurements}
    assert "data_scan/flagged[side=left]@method=laplacian" in keys
    assert any(key.startswith("data_scan/flagged.gap[attribute=side]") for key in keys), sorted(keys)


def test_false_alarms_are_measured_on_people_who_set_no_threshold() -> None:
    """Of 20 people each half judges the other: thresholds of 10 are below 19, so that nothing was measured."""
    random = np.random.default_rng(0)
    rates = []
    for count in (20, 40):
        people = np.repeat(np.arange(count), 2)
        detail = np.exp(random.normal(size=2 * count))
        clean = Images(people, people, np.full(2 * count, ALL), detail, detail, None, None)
        material = Material(clean, clean, "", "")
        context = SimpleNamespace(random=lambda *_: np.random.default_rng(1), rules=StatisticsRules(), probe_id="scan")
        rates.append(outcome_of(context, DataScanParams(), material, "laplacian").false_alarms)  # type: ignore[arg-type]
    assert "half of the clean people against the other half" in (rates[0].reason or "")
    assert "clean photos of 10 people; 19 people are needed" in (rates[0].reason or "")
    assert rates[1].value is not None
    assert rates[1].subjects == 40


@pytest.mark.parametrize("photos", [1, 6])
def test_clean_data_are_rarely_said_to_hold_more_flags_than_chance_explains(photos: int) -> None:
    """People whose photos are much alike, six clean photos each: an excess of flags in at most one scan of twenty."""
    alarms = 0
    for seed in range(120):
        random = np.random.default_rng(seed)

        def some(count: int, each: int, first: int, random: np.random.Generator = random) -> Images:
            who = np.repeat(np.arange(count), each)
            detail = np.exp(random.normal(size=count)[who] + 0.2 * random.normal(size=len(who)))
            return Images(first + who, first + who, np.full(len(who), ALL), detail, detail, None, None)

        material = Material(some(80, photos, 0), some(30, 6, 500), "", "")
        context = SimpleNamespace(
            random=lambda *key, seed=seed: np.random.default_rng([seed, len(str(key))]),
            rules=StatisticsRules(),
            probe_id="scan",
        )
        found = outcome_of(context, DataScanParams(), material, "laplacian")  # type: ignore[arg-type]
        assert found.p is not None
        alarms += found.p <= 0.05
    assert alarms <= 14  # 6 of 120 are the most that is stated; more than 14 come less than once in a thousand times


def test_embeddings_have_their_own_power(poisoned: AuditResults) -> None:
    assert 0 <= value(poisoned, "stamped_auroc@alpha=0.1,method=spectral") <= 1
    clusters = poisoned["data_scan/flagged@method=clustering"].estimate
    assert "40 people and 40 clean ones; 60 of each are needed" in (clusters.reason or "")


def test_without_clean_photos_the_rate_is_nominal(scan: Run) -> None:
    results = scan(6, methods="laplacian")
    assert results["data_scan/false_alarms@method=laplacian"].estimate.reason
    assert any("nominal" in note for note in the(results).notes)
    assert value(results, "flagged@method=laplacian") >= 6 / 80 - 1e-9
    assert "no photos known to be clean" in (
        results["data_scan/flags_beyond_chance.p@method=laplacian"].estimate.reason or ""
    )
    assert not [each for each in the(results).findings if each.id.startswith("data_scan.flagged_")]


def test_clean_photos_of_another_manifest(scan: Run) -> None:
    results = scan(6, methods="laplacian", clean={"manifest": "clean.csv", "subject": "subject"}, elsewhere=True)
    assert value(results, "flagged@method=laplacian") >= 6 / 80 - 1e-9
    assert value(results, "flags_beyond_chance.p@method=laplacian") < 0.05


def test_too_few_clean_photos_are_not_measured(scan: Run) -> None:
    results = scan(0, clean="clean", methods="laplacian", false_alarm_rate=0.005)
    reason = results["data_scan/flagged@method=laplacian"].estimate.reason
    assert reason is not None
    assert "clean photos of 40 people; 199 people are needed" in reason


def test_a_split_that_is_not_there_is_told(scan: Run) -> None:
    (probe,) = scan(0, clean="cleen").probes
    assert probe.status == "failed"
    assert probe.reason is not None
    assert "did you mean 'clean'?" in probe.reason


def test_parameters_are_checked() -> None:
    with pytest.raises(ValueError, match="each once"):
        DataScanParams.model_validate({"methods": ["laplacian", "laplacian"]})
    with pytest.raises(ValueError, match="expected clean to name a manifest"):
        DataScanParams.model_validate({"clean": {"subject": "subject"}})
    with pytest.raises(ValueError, match="there is no"):
        DataScanParams.model_validate({"clean": {"manifest": "none.csv"}}, context={"folder": "/"})


def test_fine_detail_is_the_stated_median() -> None:
    pixels = torch.rand((2, 3, 12, 11), generator=torch.Generator().manual_seed(0))
    mask = torch.zeros(2, 1, 12, 11)
    mask[:, :, 3:9, 2:8] = 1
    found = fine_detail(pixels, mask, 5)
    levels = 255 * pixels.double().numpy()
    slow = []
    for each in levels:
        quotients = []
        for y in range(3, 9):
            for x in range(2, 8):
                sums = [25 * each[c, y, x] - each[c, y - 2 : y + 3, x - 2 : x + 3].sum() for c in range(3)]
                quotients.append(np.mean(np.abs(sums)) / (each[:, y, x].mean() + 8))
        slow.append(np.median(quotients))
    assert found == pytest.approx(slow, rel=1e-5)
    assert np.isnan(fine_detail(pixels, torch.zeros(2, 1, 12, 11))).all()


def test_ranks_among_clean_photos_keep_the_rate() -> None:
    random = np.random.default_rng(0)
    rates = []
    for _ in range(200):
        clean = Reference(random.normal(size=99), np.arange(99))
        rates.append(clean.flags(random.normal(size=50), 1000 + np.arange(50), 0.05).mean())
    assert np.mean(rates) == pytest.approx(0.05, abs=0.01)


def test_nobody_is_judged_by_own_photos() -> None:
    reference = Reference(np.array([9.0, 9.0, 1.0, 2.0, 3.0]), np.array([0, 0, 1, 2, 3]))
    assert reference.p_values(np.array([9.0]), np.array([0])) == pytest.approx([1 / 4])
    assert reference.p_values(np.array([9.0]), np.array([7])) == pytest.approx([2 / 5])


def test_so_many_flags_by_chance() -> None:
    one = excess_p(np.array([5]), np.array([40]), np.array([99]), 0.05)
    assert one == pytest.approx(betabinom.sf(4, 40, 5, 95))
    two = excess_p(np.array([0, 5]), np.array([20, 20]), np.array([0, 0]), 0.05)
    assert two == pytest.approx(0.048, abs=0.001)  # binomial: at least 5 of 40
    assert excess_p(np.array([0]), np.array([40]), np.array([99]), 0.05) == 1


def test_small_helpers() -> None:
    assert references_needed(0.05) == 19
    assert right_at_most(0.1, 0.05) == pytest.approx(0.6897, abs=1e-4)
    assert right_at_most(0.1, 0.05, 0.5) == pytest.approx(0.5263, abs=1e-4)
    people = np.array([0, 0, 1, 2, 2, 2])
    chosen = one_of_each(people, np.random.default_rng(0))
    assert sorted(people[chosen].tolist()) == [0, 1, 2]
    normal = np.random.default_rng(1).normal(size=20_000)
    assert RobustRule.of(normal).flags(normal, 0.05).mean() == pytest.approx(0.05, abs=0.006)
    assert RobustRule.of(normal, two_sided=True).flags(normal, 0.05).mean() == pytest.approx(0.05, abs=0.006)


def test_two_clouds_are_told_from_one() -> None:
    random = np.random.default_rng(2)
    one = random.normal(size=(100, 6))
    apart = one + np.where(np.arange(100) < 20, 8.0, 0.0)[:, None]
    two = TwoMeans.of(apart, random)
    assert two.in_smaller(apart).tolist() == (np.arange(100) < 20).tolist()
    assert two.silhouette > TwoMeans.of(one, random).silhouette + 0.2
