"""The study of verdicts on gaps: what its designs draw, and in few seeds that verdicts are not grossly wrong."""

from __future__ import annotations

import sys
from importlib import import_module
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from countenance.core.probes import Scores
from countenance.core.statistics.groups import build_groups
from countenance.core.statistics.slicing import Slicer


@pytest.fixture(scope="module")
def studies(root):
    """The modules of the study, which are not installed."""
    sys.path.insert(0, str(root))
    try:
        names = ("gap_verdicts", "gap_bars", "uneven_groups", "runner")
        yield SimpleNamespace(**{name: import_module(f"benchmarks.studies.{name}") for name in names})
    finally:
        sys.path.remove(str(root))


def test_groups_are_as_uneven_as_said(studies):
    of = studies.uneven_groups
    assert of.shares(14)[[0, -1]] == pytest.approx([0.55 * 0.3, 0.45 * 0.05])
    for groups in (6, 14, 42, 126):
        assert of.shares(groups).sum() == pytest.approx(1)
        assert len(of.shares(groups)) == groups
        assert (np.diff(of.shares(groups)) <= 0).all()
    np.testing.assert_array_equal(of.apportioned(10, np.asarray([0.5, 0.33, 0.17])), [5, 3, 2])
    for design in studies.gap_verdicts.DESIGNS:
        assert design.sizes.sum() == design.rows // (1 if design.unit == "faces" else 8)


def test_data_sets_have_the_planted_rates_and_faces_of_a_person_are_alike(studies):
    of, study, random = studies.uneven_groups, studies.gap_verdicts, np.random.default_rng(0)
    for unit in ("faces", "people"):
        design = of.Design(unit, 200_000, 6, 0.7)
        for kind, gap in ((kind, 0.2) for kind in study.KINDS):
            rates = study.planted(design, gap, kind)
            assert rates.max() - rates.min() == pytest.approx(gap)
            drawn = of.draw(random, design, rates)
            sums = drawn.sums()
            np.testing.assert_allclose(sums.value, rates, atol=0.02)
        if unit == "people":
            assert drawn.n.min() >= 2
            assert drawn.n.max() <= 20
            assert drawn.n.mean() == pytest.approx(8, abs=0.5)
            share = drawn.x / drawn.n
            icc = (np.var(share - rates[drawn.group]) / (0.6 * 0.4) - (1 / drawn.n).mean()) / (1 - (1 / drawn.n).mean())
            assert icc == pytest.approx(0.3, abs=0.05)


@pytest.mark.parametrize("unit", ["faces", "people"])
def test_the_study_judges_what_the_package_measures(studies, unit):
    """Persons as one line each give what their faces give one by one."""
    of, study = studies.uneven_groups, studies.gap_verdicts
    design = of.Design(unit, 2_000, 14, 0.7)
    rates = study.planted(design, 0.3, "half the groups low")
    drawn = of.draw(np.random.default_rng(1), design, rates)
    judged = study.judge(np.random.default_rng(2), drawn, rates)
    person = np.repeat(np.arange(len(drawn.x)), drawn.n.astype(int))
    right = np.concatenate([np.arange(int(n)) < x for x, n in zip(drawn.x, drawn.n, strict=True)]).astype(float)
    groups = build_groups({"group": [f"{code:03d}" for code in drawn.group[person]]}, ["group"])
    scores = Scores("rate", np.arange(len(right)), right, kind="rate", bounds=(0, 1), direction="higher", gaps=True)
    slicer = Slicer(person, [groups], study.RULES, 0, study.PERMUTATIONS, shared=False)
    found = slicer.gaps(scores, "study")[0].gap
    assert [int(name) for name in found.groups] == judged.measured.tolist()
    assert found.blocking == judged.gap.blocking
    for ours, theirs in ((judged.gap.largest, found.largest), (judged.gap.worst_vs_rest, found.worst_vs_rest)):
        assert ours.value == pytest.approx(theirs.value)
        assert ours.high == pytest.approx(theirs.high)
        assert ours.bound_high == pytest.approx(theirs.bound_high)
        assert ours.low == pytest.approx(theirs.low, abs=0.05)  # other permutations
        assert ours.null_mean == pytest.approx(theirs.null_mean, abs=0.02)


def test_stated_sizes_are_those_the_package_states(studies):
    study, of = studies.gap_verdicts, studies.uneven_groups
    design = of.Design("faces", 5_000, 6, 0.7)
    rates = np.full(6, 0.7)
    judged = study.judge(np.random.default_rng(4), of.draw(np.random.default_rng(3), design, rates), rates)
    sizes = study.stated_sizes(judged, study.TOLERANCE)
    from dataclasses import replace

    from countenance.core.statistics.gap_answers import answer

    gap = answer([replace(judged.asked, tolerance=study.TOLERANCE)])[0]
    assert gap.largest.detectable == pytest.approx(sizes["gap"].max())
    assert gap.worst_vs_rest.detectable == pytest.approx(sizes["worst"].max())
    assert study.bonferroni_size(of.Design("faces", 6 * 10_000, 6, 0.5, equal=True)) == pytest.approx(
        3.81 * 0.5 / 100, rel=0.01
    )


def test_a_seed_gives_the_same_row_and_every_seed_the_same_columns(studies):
    study, of = studies.gap_verdicts, studies.uneven_groups
    design = of.Design("people", 2_000, 6, 0.7)
    rows = [study.of_design(seed, design) for seed in (0, 1, 0)]
    assert set(rows[0]) == set(rows[1])
    assert rows[0] == pytest.approx(rows[2], nan_ok=True)


def check(studies, designs, seeds):
    """Draw a few data sets per design and hold the rates to bars that a broken verdict would miss by far."""
    study = studies.gap_verdicts
    rows = [study.of_design(seed, design) for design in designs for seed in range(seeds)]
    told = pd.DataFrame(rows)

    def rate(text):
        values = told[[name for name in told.columns if text in name and not name.endswith("| mean")]].stack().dropna()
        return float(values.mean()), 2.6 * np.sqrt(0.05 * 0.95 / (len(values) / 2))  # both gates see the same data

    for text in (": fails, fair", ": fails, one group low", ": fails, half", ": bound above 0"):
        value, slack = rate(text)
        assert value <= 0.05 + slack, text
    for text in (": covered", "rates covered"):
        value, slack = rate(text)
        assert value >= 0.93 - slack, text
    power, slack = rate(": shown")
    assert power >= 0.8 - 2 * slack
    for gate in study.GATES:
        bias = {
            how: np.abs(told.filter(like=f"{gate}: {how} less true").mean()).mean() for how in ("naive", "corrected")
        }
        assert bias["corrected"] < 0.6 * bias["naive"]


def test_verdicts_are_not_grossly_wrong(studies):
    of = studies.uneven_groups
    check(studies, [of.Design("faces", 2_000, 14, 0.7), of.Design("people", 5_000, 6, 0.7)], 25)


@pytest.mark.slow
def test_verdicts_hold_in_many_data_sets(studies):
    check(studies, studies.gap_verdicts.DESIGNS, 100)


def test_passes(studies):
    """At the sizes that take it fair models pass more often than not, and gaps of the tolerance hardly ever."""
    study, of = studies.gap_verdicts, studies.uneven_groups
    for gate, groups, rate, tolerance, faces in (study.PASSING[0], study.PASSING[2], study.PASSING[7]):
        design = of.Design("faces", faces * groups, groups, rate, equal=True)
        passed = {}
        for gap in (0.0, tolerance):
            rates = study.planted(design, gap, "one group low")
            passed[gap] = 0.0
            for seed in range(60):
                random = np.random.default_rng(seed)
                drawn = of.draw(random, design, rates)
                passed[gap] += study.judge(random, drawn, rates, permutations=39).passes(gate, tolerance)
        assert passed[0.0] >= 60 * (0.8 - 2.6 * np.sqrt(0.16 / 60))
        assert passed[tolerance] <= 60 * (0.05 + 2.6 * np.sqrt(0.05 * 0.95 / 60))


def test_bars_tell_rows_that_hold_from_rows_that_do_not(studies):
    bars, outcome = studies.gap_bars, studies.runner.Outcome
    seeds = 400

    def rows(wrong, naive, corrected):
        random = np.random.default_rng(0)
        columns = {outcome("d", "gap: fails, fair"): (np.arange(seeds) < wrong * seeds).astype(float)}
        for gate in studies.gap_verdicts.GATES:
            columns[outcome("d", f"{gate}: naive less true, fair", "mean")] = naive + 0.01 * random.normal(size=seeds)
            columns[outcome("d", f"{gate}: corrected less true, fair", "mean")] = np.full(seeds, corrected)
        return pd.DataFrame({"seed": range(seeds), **{str(name): values for name, values in columns.items()}})

    def held(*of):
        return {told: holds for told, _, _, _, holds in bars.bars(rows(*of))}

    good, bad = held(0.04, 0.2, 0.05), held(0.09, 0.2, -0.1)
    assert all(good.values())
    assert not any(bad.values())
    assert set(good) == set(bad)
    assert len(good) == 3
    assert "| **no** |" in bars.table_of_bars(rows(0.09, 0.2, 0.1))
