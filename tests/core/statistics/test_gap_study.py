"""The study of gaps between groups: a few of its designs, and in the slow run what its table in the docs says."""

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
        yield import_module("benchmarks.studies.score_gaps")
    finally:
        sys.path.remove(str(root))


def test_designs_differ_and_draw_what_they_say(study):
    designs = study.designs()
    assert len(set(map(str, designs))) == len(designs) == 82
    rng = np.random.default_rng(0)
    for design in (study.Design("overlap 0.25", 3000, 4, 0.06), study.Design("rate 0.9", 3000, 4, 0.1)):
        person, group, values = study.draw(rng, design)
        assert 6 < len(person) / 3000 < 10
        for code in range(4):
            assert values[group == code].mean() == pytest.approx(design.level_of(code), abs=0.03)
        shares = [np.mean(group == code) for code in range(4)]
        assert shares == pytest.approx(study.SHARES[4], abs=0.04)
    spread = study.draw(rng, study.Design("overlap 0.25", 3000, 2, 0.0, more="smallest group twice as spread"))
    assert spread[2][spread[1] == 1].std() == pytest.approx(2 * spread[2][spread[1] == 0].std(), rel=0.1)
    several = study.draw(rng, study.Design("overlap 0.25", 300, 4, 0.0, more="half the people in several groups"))
    assert 0.35 < np.mean([len(np.unique(several[1][several[0] == person])) > 1 for person in range(300)]) < 0.6


def test_the_same_seed_gives_the_same_row_and_every_seed_the_same_columns(study):
    for design in (study.Design("overlap 0.25", 100, 2, 0.0), study.Design("rate 0.7", 100, 2, 0.0, "1 face")):
        rows = [study.judge(seed, design) for seed in (0, 1, 0)]
        assert set(rows[0]) == set(rows[1])
        assert rows[0] == pytest.approx(rows[2], nan_ok=True)


@pytest.mark.slow
def test_size_and_coverage_in_many_data_sets(study):
    chosen = [design for design in study.designs() if design.people == 300]
    size, held = [], []
    for design in chosen:
        told = [study.judge(seed, design) for seed in range(200)]
        holds = np.nanmean([row[study.HOLDS] for row in told])
        assert holds >= 0.93 - 2.6 * np.sqrt(0.05 * 0.95 / 200), design
        held.append(holds)
        if not design.gap:
            reached = np.nanmean([row[study.TEST] for row in told])
            assert reached <= 0.05 + 2.6 * np.sqrt(0.05 * 0.95 / 200) + (0.02 if "twice" in design.more else 0), design
            size.append(reached)
    assert np.mean(held) >= 0.95
    assert np.mean(size) <= 0.06
