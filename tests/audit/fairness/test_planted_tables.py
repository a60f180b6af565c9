"""A planted gap, biased labels and a hidden slice are found through the product, and absent in the twin."""

from __future__ import annotations

import sys
from importlib import import_module

import pandas as pd
import pytest

import countenance
from countenance.synth.planted_gaps import Effort, planted_table, write_planted

PROBES = [
    {"probe": "representation", "permutations": 499},
    {"probe": "hidden_slices", "permutations": 999},
    {"probe": "reweighted_gaps", "metrics": ["accuracy", "fpr"], "labels": ["happy"]},
]
SMALL = Effort(people=400, slice_lower=0.3, accuracy=0.75)
SEED = 12


@pytest.fixture(scope="module")
def audits(tmp_path_factory):
    """The audit of each table, with its run folder."""
    done = {}
    for plant in ("nothing", "gap", "labels", "slice"):
        folder = tmp_path_factory.mktemp(plant)
        plan = write_planted(planted_table(plant, SEED, SMALL), folder, PROBES)
        done[plant] = (countenance.run(plan, out=folder / "run"), folder / "run")
    return done


def findings(audits, plant, probe):
    return [one for one in audits[plant][0].probe(probe).findings if one.severity != "note"]


def test_everything_ran(audits):
    for results, _ in audits.values():
        assert [(probe.id, probe.status) for probe in results.probes] == [
            ("representation", "ok"),
            ("hidden_slices", "ok"),
            ("reweighted_gaps", "ok"),
        ]


def test_the_twin_is_silent(audits):
    for probe in ("representation", "hidden_slices", "reweighted_gaps"):
        assert findings(audits, "nothing", probe) == []


def test_the_gap_is_left_at_the_same_mix(audits):
    found = findings(audits, "gap", "reweighted_gaps")
    assert any("attribute=skin_tone" in one.id and "lower for dark" in one.claim for one in found)
    assert findings(audits, "gap", "representation") == []
    left = audits["gap"][0]["reweighted_gaps/accuracy.reweighted.gap[attribute=skin_tone]"].estimate
    assert 0 < left.low < 0.15 < left.high
    assert left.method == "max_pair_normal"


def test_biased_labels_are_told_of_the_data(audits):
    (found,) = findings(audits, "labels", "representation")
    assert found.id == "representation.labels.gender"
    assert "Labels go with groups by gender" in found.claim
    assert "male" in found.claim
    assert found.p_adjusted <= 0.05
    results, folder = audits["labels"]
    assert results["representation/label_excess[gender=female,label=happy]"].estimate.high < 0
    assert results["representation/nmi[attribute=gender]"].estimate.low > 0
    assert results["representation/nmi[attribute=age]"].estimate.low == 0
    matrix = pd.read_csv(folder / "tables" / "representation.matrix.csv")
    assert set(matrix["attributes"]) == {"gender", "skin_tone", "age", "glasses", "light"}
    for _, part in matrix.groupby("attributes"):
        assert part["faces"].sum() == results.data.faces
        assert (part["people"] <= part["faces"]).all()
    assert matrix["excess"].between(matrix["excess_low"], matrix["excess_high"]).all()


def test_the_hidden_slice_is_named(audits):
    results, folder = audits["slice"]
    found = findings(audits, "slice", "hidden_slices")
    assert "with glasses: yes, light: dim, and on" in found[0].claim
    assert found[0].severity == "medium"
    assert not any("The plan names this group" in caveat for caveat in found[0].caveats)
    key = "hidden_slices/error_rate[slice=glasses: yes%2C light: dim]"
    assert found[0].evidence[0] == key
    rate, others = results[key].estimate, results[key.replace("rate[", "rate.others[")].estimate
    assert others.high < rate.low < rate.value < rate.high
    assert rate.n + others.n < results.data.faces
    table = pd.read_csv(folder / "tables" / "hidden_slices.slices.csv")
    assert table.loc[0, "slice"] == "glasses: yes, light: dim"
    assert not table.loc[0, "planned"]
    assert table["p_adjusted"].is_monotonic_increasing
    notes = " ".join(results.probe("hidden_slices").notes)
    assert "slices are made of the attributes alone" in notes
    assert "slices were looked at on 200 people" in notes


def test_the_same_plan_gives_the_same_results(audits, tmp_path):
    plan = write_planted(planted_table("slice", SEED, SMALL), tmp_path, PROBES)
    again = countenance.run(plan)
    assert [item.estimate for item in again.measurements()] == [
        item.estimate for item in audits["slice"][0].measurements()
    ]


@pytest.mark.slow
def test_found_and_absent_over_seeds(root):
    sys.path.insert(0, str(root))
    try:
        study = import_module("benchmarks.studies.planted_gaps")
    finally:
        sys.path.remove(str(root))
    rows = [study.simulate(seed) for seed in range(5)]
    told = {(outcome.cell, outcome.method): [row[outcome] for row in rows] for outcome in rows[0]}
    for cell, plant in (
        ("gap: accuracy by skin tone (group_metrics)", "gap"),
        ("labels: happy or neutral goes with gender (representation)", "labels"),
        ("slice: glasses in dim light exactly (hidden_slices)", "slice"),
    ):
        assert sum(told[cell, plant]) >= 4
        assert sum(told[cell, "nothing"]) <= 1
