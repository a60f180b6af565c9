"""The study of indices over groups: a few of its designs, and in the slow run what its table in the docs says."""

from __future__ import annotations

import sys
from importlib import import_module

import numpy as np
import pytest


@pytest.fixture(scope="module")
def study(root):
    """The module of the study, which is not installed."""
    sys.path.insert(0, str(root))
    try:
        yield import_module("benchmarks.studies.group_indices")
    finally:
        sys.path.remove(str(root))


def test_designs_are_what_they_say(study):
    designs = study.designs()
    assert len(set(map(str, designs))) == len(designs) == 16
    for design in designs:
        assert design.shares.sum() == pytest.approx(1)
        assert design.shares[0] / design.shares[-1] == pytest.approx(5)
        rates = design.rates(0.3)
        assert ((rates == 0.3).all()) == (design.truth == "even")
        assert rates.min() > 0.1
    assert study.Design(2000, 6, False, "one group off").rates(0.1) == pytest.approx([0.1, 0.16, 0.1, 0.1, 0.1, 0.1])


def test_one_data_set_per_index(study):
    design = study.Design(400, 6, True, "one group off")
    told = study.judge(3, design)
    assert told == pytest.approx(study.judge(3, design), nan_ok=True)
    assert {name for name, _ in told} == set(study.INDICES)
    for name in study.INDICES:
        assert told[name, study.HOLDS] in (0, 1)
        assert told[name, study.WIDTH] > 0
    tiny = study.judge(0, study.Design(30, 6, False, "even"))
    assert np.isnan(list(tiny.values())).all()


@pytest.mark.slow
def test_bounds_hold_and_even_models_show_no_more_than_chance(study):
    rows = [study.simulate(seed) for seed in range(40)]
    error, flagged = np.sqrt(0.05 * 0.95 / 160), []
    for outcome in (each for each in rows[0] if each.quantity == "rate"):
        mean = np.nanmean([row[outcome] for row in rows])
        if outcome.method == study.HOLDS:
            assert mean >= 0.93 - 2.6 * error, outcome
        elif outcome.cell.endswith("even"):
            assert mean <= 0.05 + 3.5 * error, outcome  # the largest of twelve
            flagged.append(mean)
    assert np.mean(flagged) <= 0.05 + 2.6 * error
