from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import mutual_info_score

from countenance.core.statistics.groups import build_groups
from countenance.core.statistics.label_excess import labels_of_groups
from countenance.core.statistics.representation import (
    group_evenness,
    information_measure,
    label_table,
    normalised_deviation,
    normalised_information,
    pointwise_information,
)
from countenance.core.statistics.rules import StatisticsRules


def draw(seed, people=200, bias=0.0):
    """People with faces alike in their labels; one group's label 1 is called 0 at a rate of ``bias``."""
    rng = np.random.default_rng(seed)
    person = np.repeat(np.arange(people), rng.integers(2, 13, people))
    group = rng.choice(2, people, p=[0.6, 0.4])[person]
    shares = rng.dirichlet(np.array([0.4, 0.3, 0.2, 0.1]) * 4, people)
    label = (rng.random(len(person))[:, None] > shares[person].cumsum(axis=1)).sum(axis=1).clip(0, 3)
    light = rng.choice(3, len(person))
    label = np.where((group == 1) & (label == 1) & (rng.random(len(person)) < bias), 0, label)
    return person, group, label, light


def compare(seed, bias=0.0, people=200, permutations=299):
    person, group, label, light = draw(seed, people, bias)
    columns = {"group": group.astype(str), "light": light.astype(str)}
    groupings = [build_groups(columns, names) for names in (["group"], ["light"], ["group", "light"])]
    codes = [groups.codes for groups in groupings]
    return labels_of_groups(person, label, 4, groupings, codes, StatisticsRules(), seed, permutations)


def test_nsd_of_known_shares():
    assert normalised_deviation(np.array([5.0, 5.0, 5.0])) == pytest.approx(0)
    assert normalised_deviation(np.array([0.0, 7.0, 0.0, 0.0])) == pytest.approx(1)
    assert normalised_deviation(np.array([3.0, 1.0])) == pytest.approx(0.5)
    shares = np.array([0.5, 0.3, 0.2])
    assert normalised_deviation(shares) == pytest.approx(shares.std() * 3 / np.sqrt(2))


def test_nmi_equals_mutual_information_over_joint_entropy():
    _, group, label, light = draw(1)
    for one in (group, light):
        table = label_table(one, label, (3, 4))
        joint = table[table > 0] / table.sum()
        expected = mutual_info_score(one, label) / -(joint * np.log(joint)).sum()
        assert normalised_information(table) == pytest.approx(expected, abs=1e-12)
    assert normalised_information(np.diag([3.0, 4.0, 5.0])) == pytest.approx(1)
    assert normalised_information(np.outer([3.0, 1.0], [2.0, 5.0])) == pytest.approx(0, abs=1e-12)
    assert normalised_information(np.array([[4.0, 0.0], [0.0, 0.0]])) == 0


def test_pointwise_information_by_hand():
    found = pointwise_information(np.array([[2.0, 0.0], [1.0, 1.0]]))
    assert found[0, 1] == -1
    assert found[0, 0] == pytest.approx(np.log(0.5 / (0.5 * 0.75)) / -np.log(0.5))
    assert pointwise_information(np.array([[1.0, 0.0], [0.0, 1.0]])).tolist() == [[1.0, -1.0], [-1.0, 1.0]]
    assert pointwise_information(np.array([[3.0, 0.0], [0.0, 0.0]])).tolist() == [[0.0, 0.0], [0.0, 0.0]]


def test_evenness_has_the_limits_and_the_null_of_people():
    rng = np.random.default_rng(0)
    person = np.repeat(np.arange(120), 8)
    group = rng.choice(3, 120, p=[0.6, 0.3, 0.1])[person]
    found = group_evenness(person, group, 3, 0.95, np.random.default_rng(1))
    assert found.low < found.value < found.high
    assert found.p < 0.01
    assert found.null_mean == pytest.approx(1 / np.sqrt(120) * np.sqrt(np.pi) / 2, rel=0.1)  # mean length of the noise
    even = group_evenness(person, np.arange(120)[person] % 3, 3, 0.95, np.random.default_rng(1))
    assert even.value == pytest.approx(0)
    assert even.p == 1
    once = group_evenness(person, group, 3, 0.95, np.random.default_rng(1), np.full(len(person), 1 / 8))
    assert once.value == pytest.approx(found.value)
    absent = group_evenness(person, group, 4, 0.95, np.random.default_rng(1))
    assert absent.value != pytest.approx(found.value)


def test_information_has_limits_around_it():
    person, group, label, _ = draw(3, bias=0.6)
    null = np.full(99, 0.0005)
    found = information_measure(person, group, label, (2, 4), null, 0.95)
    assert 0 < found.low < found.value < found.high < 1
    assert found.p == 0.01
    least = information_measure(person, group, label, (2, 4), np.full(99, 1.0), 0.95)
    assert (least.low, least.p) == (0.0, 1.0)


def test_a_planted_label_bias_is_found_in_its_cells_alone():
    group, light, both = compare(0, bias=0.7)
    assert np.argwhere(group.p_adjusted <= 0.05)[:, 1].tolist() == [0, 1, 0, 1]
    assert group.excess[1, 0] > 0 > group.excess[1, 1]
    assert group.excess[1] == pytest.approx(-group.excess[0])
    assert (group.low <= group.excess).all()
    assert (group.excess <= group.high).all()
    assert group.information_p_adjusted <= 0.01
    assert (light.p_adjusted > 0.05).all()
    assert light.people_in_several > 150
    assert both.people_in_several > 150


def test_cells_of_the_data_as_counted():
    person, group, label, _ = draw(5)
    found = compare(5)[0]
    assert found.faces.tolist() == pd.crosstab(group, label).to_numpy().tolist()
    assert found.people.tolist() == [len(np.unique(person[group == code])) for code in (0, 1)]
    share = [np.mean(label[group == code] == 2) for code in (0, 1)]
    assert found.excess[0, 2] == pytest.approx(share[0] - share[1])


def test_small_groups_have_no_test():
    person = np.arange(60)
    columns = {"group": ["rare" if face < 5 else "more" if face < 30 else "other" for face in person]}
    groups = build_groups(columns, ["group"])
    label = np.where(person < 5, 0, person % 2)
    (found,) = labels_of_groups(person, label, 2, [groups], [groups.codes], StatisticsRules(), 0, 199)
    rare = [value["group"] for value in groups.values].index("rare")
    assert np.isnan(found.p_adjusted[rare]).all()
    assert np.isnan(found.excess[rare]).all()
    assert not np.isnan(np.delete(found.p_adjusted, rare, axis=0)).any()


@pytest.mark.slow
def test_honest_data_are_seldom_called_biased():
    found = [compare(seed) for seed in range(300)]
    cells = np.mean([min(np.nanmin(one.p_adjusted) for one in three) <= 0.05 for three in found])
    whole = np.mean([min(one.information_p_adjusted for one in three) <= 0.05 for three in found])
    assert cells <= 0.05 + 2.6 * np.sqrt(0.05 * 0.95 / 300)
    assert whole <= 0.05 + 2.6 * np.sqrt(0.05 * 0.95 / 300)
