"""Gaps between groups in AUROC, CCC, PCC, RMSE and calibration error, as users ask for them; the study in small."""

from __future__ import annotations

import sys
from importlib import import_module

import numpy as np
import pytest

from countenance.core.probes import PairedScores
from countenance.core.statistics.gaps import Gap, NoGap
from countenance.core.statistics.groups import build_groups
from countenance.core.statistics.paired import PAIRED
from countenance.core.statistics.rules import StatisticsRules
from countenance.core.statistics.slicing import Slicer

STATISTICS = sorted(PAIRED)
SETS = 40


@pytest.fixture(scope="module")
def study(root):
    """The module of the study, which is not installed."""
    sys.path.insert(0, str(root))
    try:
        yield import_module("benchmarks.studies.paired_gaps")
    finally:
        sys.path.remove(str(root))


def ask(study, design, seed=0, permutations=199):
    person, group, first, second = drawn = study.draw(np.random.default_rng(seed), design)
    groups = build_groups({"group": group.astype(str)}, ["group"])
    better = "lower" if design.statistic in ("rmse", "ece") else "higher"
    scores = PairedScores("score", design.statistic, np.arange(len(person)), first, second, better, gaps=True)
    return Slicer(person, [groups], StatisticsRules(), seed, permutations).gaps(scores, "probe")[0].gap, drawn


@pytest.mark.parametrize("statistic", STATISTICS)
def test_an_even_model_is_seldom_called_uneven(study, statistic, monkeypatch):
    monkeypatch.setattr(study, "PERMUTATIONS", 99)
    told = [study.judge(seed, study.Design(statistic, 100, 2, study.EVEN)) for seed in range(SETS)]
    allowed = 0.05 + 2.6 * np.sqrt(0.05 * 0.95 / SETS)
    for name in (study.TEST, study.ABOVE):
        assert np.mean([each[name] for each in told]) <= allowed
    for name in (study.HOLDS, study.WORST):
        assert np.mean([each[name] for each in told]) >= 0.95 - 2.6 * np.sqrt(0.05 * 0.95 / SETS)


@pytest.mark.parametrize("statistic", STATISTICS)
def test_a_planted_gap_is_found_in_the_group_it_was_planted_in(study, statistic):
    for seed in range(4):
        found, _ = ask(study, study.Design(statistic, 1000, 6, study.PLANTED), seed)
        assert isinstance(found, Gap)
        assert found.worst == str(study.WORSE)
        assert found.worst_vs_rest.p_adjusted <= 0.05
        assert found.largest.bound_low > 0
        design = study.Design(statistic, 1000, 6, study.PLANTED)
        true = abs(study.truth(statistic, design.level_of(study.WORSE)) - study.truth(statistic, design.level_of(0)))
        assert found.largest.bound_low < true < found.largest.high


@pytest.mark.parametrize("statistic", STATISTICS)
def test_the_values_are_those_of_the_groups(study, statistic):
    found, (person, group, first, second) = ask(study, study.Design(statistic, 300, 2, study.UNLIKE))
    shown = {}
    for code in range(2):
        rows = group == code
        shown[str(code)] = PAIRED[statistic].estimate(first[rows], second[rows], person[rows], StatisticsRules()).value
    if statistic == "ece":  # without what chance adds
        assert found.lowest_value < shown[found.lowest]
        assert found.highest_value < shown[found.highest]
        return
    assert found.lowest_value == pytest.approx(shown[found.lowest])
    assert found.largest.value == pytest.approx(abs(shown["1"] - shown["0"]))


def test_a_group_that_lacks_people_of_a_kind_is_left_out():
    rng = np.random.default_rng(0)
    person, group = np.repeat(np.arange(90), 4), np.repeat(np.arange(3), 120)
    positive = (rng.random(360) < 0.5) & ((group < 2) | (person < 63))
    groups = build_groups({"group": group.astype(str)}, ["group"])
    second = positive + rng.normal(0, 1, 360)
    scores = PairedScores("auroc", "auroc", np.arange(360), positive.astype(float), second, "higher", gaps=True)
    found = Slicer(person, [groups], StatisticsRules(), 0, 99).gaps(scores, "probe")[0].gap
    assert isinstance(found, Gap)
    assert found.groups == ("0", "1")
    assert "people with a positive face; 10 are needed" in found.left_out["2"]


def test_a_perfect_model_has_no_bounds_and_no_gap():
    truth_of = np.random.default_rng(0).normal(0, 1, 200)
    groups = build_groups({"group": (np.arange(200) % 2).astype(str)}, ["group"])
    scores = PairedScores("ccc", "ccc", np.arange(200), truth_of, truth_of, "higher", gaps=True)
    found = Slicer(np.arange(200), [groups], StatisticsRules(), 0, 99).gaps(scores, "probe")[0].gap
    assert isinstance(found, Gap)
    assert found.largest.value == pytest.approx(0)
    assert found.largest.low is None
    assert found.largest.p == 1


def test_people_in_several_groups_are_not_tested(study):
    design = study.Design("ccc", 100, 2, study.EVEN)
    person, _, first, second = study.draw(np.random.default_rng(0), design)
    groups = build_groups({"light": (np.arange(len(person)) % 2).astype(str)}, ["light"])
    scores = PairedScores("ccc", "ccc", np.arange(len(person)), first, second, "higher", gaps=True)
    found = Slicer(person, [groups], StatisticsRules(), 0, 99).gaps(scores, "probe")[0].gap
    assert isinstance(found, NoGap)
    assert "in several groups" in found.reason


def test_the_truth_of_every_design_is_what_endless_data_show(study):
    for statistic in STATISTICS:
        for level in study.LEVELS[statistic]:
            design = study.Design(statistic, 20_000, 2, study.EVEN)
            levels = dict(study.LEVELS)
            levels[statistic] = (level, level, level)
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(study, "LEVELS", levels)
                person, _, first, second = study.draw(np.random.default_rng(0), design)
            labels = np.zeros((1, int(person.max()) + 1), dtype=np.int64)
            value = PAIRED[statistic].under_labellings(first, second, person, labels, 1).value[0, 0]
            assert value == pytest.approx(study.truth(statistic, level), abs=0.012)


def test_the_studies_of_intervals_and_of_the_calibration_error_give_what_they_say(root, monkeypatch):
    monkeypatch.syspath_prepend(str(root))
    intervals = import_module("benchmarks.studies.paired_intervals")
    monkeypatch.setattr(intervals, "PEOPLE", (50,))
    monkeypatch.setattr(intervals, "REPLICATES", 49)
    row = intervals.simulate(0)
    assert {str(outcome) for outcome in intervals.simulate(1)} == {str(outcome) for outcome in row}
    assert all(value > 0 for outcome, value in row.items() if outcome.quantity == "mean")
    calibration = import_module("benchmarks.studies.calibration_null")
    monkeypatch.setattr(calibration, "PEOPLE", (150,))
    monkeypatch.setattr(calibration, "TRUTHS", (0.0, 0.16))
    means = {}
    for seed in range(20):
        for outcome, value in calibration.simulate(seed).items():
            means[outcome.cell, outcome.method] = means.get((outcome.cell, outcome.method), 0) + value / 20
    assert means["ECE 0.00, 150 people", "this package"] < 0.6 * means["ECE 0.00, 150 people", "the ECE"]
    assert means["ECE 0.16, 150 people", "this package"] == pytest.approx(0.16, abs=0.015)
    assert means["ECE 0.16, 150 people", "the ECE less its null"] < 0.145


def test_a_size_that_no_group_could_have_is_not_called_detectable():
    rng = np.random.default_rng(1)
    group, first = np.arange(160) % 4, rng.integers(0, 2, 160).astype(float)
    groups = build_groups({"group": group.astype(str)}, ["group"])
    for tolerance, possible in ((0.05, True), (0.9, False)):
        scores = PairedScores(
            "auroc", "auroc", np.arange(160), first, first + rng.normal(0, 0.7, 160), "higher", gaps=True,
            tolerance=tolerance,
        )  # fmt: skip
        gap = Slicer(np.arange(160), [groups], StatisticsRules(), 0, 199).gaps(scores, "probe")[0].gap
        for found in (gap.largest, gap.worst_vs_rest):
            assert (found.detectable is not None) == possible
            assert found.detectable is None or tolerance < found.detectable <= 1
