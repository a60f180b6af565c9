from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from countenance.core.statistics import label_guard
from countenance.core.statistics.groups import plan_groups
from countenance.core.statistics.label_excess import labels_of_groups
from countenance.core.statistics.label_guard import cells_over_people
from countenance.core.statistics.rules import StatisticsRules


def sessions(seed, more=0.0, people=60, faces=8):
    """People with a session in either light, of one label each; ``more``: that much more often 1 in bright light."""
    random = np.random.default_rng(seed)
    person = np.repeat(np.arange(people), 2 * faces)
    light = np.tile(np.repeat([0, 1], faces), people)
    chance = 0.5 + more * (np.array([0, 1]) - 0.5)
    label = (random.random((people, 2)) < chance).astype(np.int64)[person, light]
    return person, light, label


def asked(person, light, label, seed=0):
    groups = plan_groups(pd.DataFrame({"light": light.astype(str)}), ["light"])
    return labels_of_groups(person, label, 2, groups, [groups[0].codes], StatisticsRules(), seed, 299)[0]


def test_labels_of_sessions_do_not_go_with_their_light():
    cells = information = 0
    for seed in range(80):
        found = asked(*sessions(seed), seed)
        cells += found.p_adjusted.min() <= 0.05
        information += found.information.p <= 0.05
    assert cells <= 9  # 5 in 100 and 2.6 standard errors; half of all without the error over people
    assert information <= 9


def test_a_label_that_goes_with_the_light_is_found():
    found = asked(*sessions(1, more=0.6))
    assert found.p_adjusted.min() <= 0.01
    assert found.information.p <= 0.01
    assert 0 < found.low[1, 1] < found.excess[1, 1] < found.high[1, 1]


@pytest.mark.parametrize("at_once", [200, 4_000_000])
def test_the_error_is_that_of_leaving_people_out(at_once, monkeypatch):
    monkeypatch.setattr(label_guard, "NUMBERS_AT_ONCE", at_once)
    random = np.random.default_rng(4)
    person = np.sort(random.integers(0, 40, 500))
    person = np.unique(person, return_inverse=True)[1]
    code, label = random.integers(0, 3, 500), random.integers(0, 4, 500)
    (cells,) = cells_over_people(person, label, 4, [code], [np.ones(3, bool)], np.random.default_rng(0), 50)

    def difference(use):
        inside = np.array([[np.mean(label[use & (code == g)] == k) for k in range(4)] for g in range(3)])
        others = np.array([[np.mean(label[use & (code != g)] == k) for k in range(4)] for g in range(3)])
        return inside - others

    people = int(person.max()) + 1
    without = np.stack([difference(person != one) for one in range(people)])
    jackknife = np.sqrt((people - 1) / people * np.square(without - without.mean(0)).sum(0))
    assert cells.error == pytest.approx(jackknife, rel=0.1)
    assert cells.p.min() >= 1 / 51


def test_groups_too_small_are_not_asked():
    person, light, label = sessions(2)
    (cells,) = cells_over_people(person, label, 2, [light], [np.zeros(2, bool)], np.random.default_rng(0), 50)
    assert cells.p_of_any == 1
