from __future__ import annotations

import numpy as np
import pytest

from countenance.core.statistics.clusters import Clusters
from countenance.core.statistics.rules import StatisticsRules
from countenance.core.statistics.slice_outcomes import confirm_slices
from countenance.core.statistics.slice_search import Feature, FoundSlice, SearchedFaces, members, search


def draw(seed, people=300, worse=0.0, faces=6):
    """People with two traits and a light of the picture; ``worse``: more errors on trait a1 in light l1."""
    rng = np.random.default_rng(seed)
    person = np.repeat(np.arange(people), faces)
    a, b = rng.integers(0, 2, people)[person], rng.integers(0, 3, people)[person]
    light, label = rng.integers(0, 2, len(person)), rng.choice(3, len(person), p=[0.5, 0.3, 0.2])
    chance = np.array([0.1, 0.2, 0.4])[label] + worse * ((a == 1) & (light == 1))
    wrong = (rng.random(len(person)) < chance).astype(float)
    features = (
        Feature("a", ("a0", "a1"), a),
        Feature("b", ("b0", "b1", "b2"), b),
        Feature("light", ("l0", "l1"), light),
    )
    return person, label, wrong, rng.random(len(person)), features


def find(seed, worse, **options):
    person, label, wrong, confidence, features = draw(seed, worse=worse)
    asked = {"depth": 3, "wanted": 10, "least_people": 10, "least_faces": 25, **options}
    return search(SearchedFaces.of(person, label, wrong, confidence), features, **asked)


def test_the_excess_is_over_the_mean_of_the_label():
    person, label, wrong, confidence, features = draw(0)
    faces = SearchedFaces.of(person, label, wrong, confidence)
    for one in range(3):
        rate = wrong[label == one].mean()
        assert faces.excess[label == one].mean() == pytest.approx(0, abs=1e-12)
        assert faces.excess[label == one] == pytest.approx(wrong[label == one] - rate)
        assert faces.variance[label == one] == pytest.approx(rate * (1 - rate))
    order = np.argsort(confidence[label == 0])[:40]
    assert faces.at_confidence[label == 0][order].sum() == pytest.approx(0, abs=1.0)
    assert faces.scores(Feature("x", ("0",), label, at_confidence=True))[0] is faces.at_confidence
    assert faces.scores(features[0])[0] is faces.excess


def test_the_worst_slice_is_the_planted_one_without_needless_conditions():
    for seed in range(5):
        found, looked_at = find(seed, 0.3)
        assert found[0].conditions == ((0, 1), (2, 1))
        assert found[0].label is None
        assert found[0].limit > 0.1
        assert found[0].excess == pytest.approx(0.225, abs=0.08)  # against a mean that it raises itself
        assert looked_at > 50


def test_slices_taken_after_each_other_have_faces_of_their_own():
    person, label, wrong, confidence, features = draw(1, worse=0.3)
    found, _ = find(1, 0.3)
    faces, taken = SearchedFaces.of(person, label, wrong, confidence), np.zeros(len(person), dtype=bool)
    assert 1 < len(found) <= 10
    assert len({(one.conditions, one.label) for one in found}) == len(found)
    for one in found:
        inside = members(one, features)
        if one.label is not None:
            inside &= faces.labels == one.label
        assert (inside & ~taken).any()
        taken |= inside


def test_small_slices_are_not_looked_at():
    assert find(2, 0.0, least_people=200)[1] < find(2, 0.0)[1]
    found, looked_at = find(2, 0.0, least_faces=10_000)
    assert (found, looked_at) == ([], 0)
    assert all(len(one.conditions) == 1 for one in find(2, 0.0, depth=1)[0])
    assert len(find(2, 0.0, wanted=2)[0]) <= 2


def test_uncrossed_features_stand_alone():
    person, label, wrong, confidence, features = draw(3, worse=0.3)
    clusters = Feature("looks", ("c0", "c1"), (features[0].codes & features[2].codes), crossed=False)
    faces = SearchedFaces.of(person, label, wrong, confidence)
    found, _ = search(faces, (*features, clusters), depth=3, wanted=5, least_people=10, least_faces=25)
    assert found[0].conditions in {((3, 1),), ((0, 1), (2, 1))}
    assert all(len(one.conditions) == 1 for one in found if any(place == 3 for place, _ in one.conditions))


def test_what_was_found_is_tested_on_others():
    person, label, wrong, confidence, features = draw(4, worse=0.3)
    faces = SearchedFaces.of(person, label, wrong, confidence)
    true, other = FoundSlice(((0, 1), (2, 1)), None, 0.1, 0.2), FoundSlice(((1, 0),), 2, 0.1, 0.2)
    nobody = FoundSlice(((0, 1), (1, 1), (2, 1)), 2, 0.0, 0.0)
    rules = StatisticsRules(min_subjects=30)
    one, two, none = confirm_slices(faces, wrong, features, [true, other, nobody], rules, np.random.default_rng(0), 499)
    inside = (features[0].codes == 1) & (features[2].codes == 1)
    assert one.inside.value == pytest.approx(wrong[inside].mean())
    assert one.inside.count == wrong[inside].sum()
    assert one.others.value == pytest.approx(wrong[~inside].mean())
    assert one.inside.low < one.inside.value < one.inside.high
    assert one.excess == pytest.approx(faces.excess[inside].mean() - faces.excess[~inside].mean())
    assert 0.2 < one.excess_low < one.excess < one.excess_high < 0.45
    assert one.share_of_errors.value == pytest.approx(wrong[inside].sum() / wrong.sum())
    assert one.share_of_faces == pytest.approx(inside.mean())
    assert one.p == 1 / 500
    assert one.p_adjusted == 2 / 500
    assert two.p_adjusted > 0.05
    assert two.others.faces + two.inside.faces == (label == 2).sum()
    assert none.reason.endswith("people in the slice; 30 are needed")
    assert np.isnan(none.p_adjusted)


def test_few_others_make_an_excess_as_unsure_as_few_in_the_slice():
    rng = np.random.default_rng(6)
    person = np.repeat(np.arange(300), 5)
    wrong = (rng.random(len(person)) < 0.3).astype(float)
    faces = SearchedFaces.of(person, np.zeros(len(person), np.int64), wrong, rng.random(len(person)))
    features = (Feature("a", ("few", "most"), (person >= 12).astype(np.int64)),)
    both = [FoundSlice(((0, level),), None, 0.0, 0.0) for level in (0, 1)]
    few, most = confirm_slices(faces, wrong, features, both, StatisticsRules(), np.random.default_rng(0), 499)
    assert most.excess == pytest.approx(-few.excess)
    assert most.excess_high - most.excess_low == pytest.approx(few.excess_high - few.excess_low)


def test_clusters_find_blobs_and_assign_others():
    rng = np.random.default_rng(0)
    centres = np.array([[0, 0, 0], [9, 0, 0], [0, 9, 9.0]])
    at = rng.integers(0, 3, 600)
    points = centres[at] + rng.normal(size=(600, 3))
    clusters = Clusters.fit(points[:300], 3, np.random.default_rng(1))
    found = clusters.assign(points[300:])
    table = np.zeros((3, 3))
    np.add.at(table, (at[300:], found), 1)
    assert (table.max(axis=1) == table.sum(axis=1)).all()
    assert sorted(table.argmax(axis=1)) == [0, 1, 2]
    same = Clusters.fit(np.ones((50, 4)), 3, np.random.default_rng(1))
    assert len(same.assign(np.ones((5, 4)))) == 5
    assert clusters.assign(np.zeros((0, 3))).shape == (0,)


@pytest.mark.slow
def test_a_model_without_a_hidden_slice_seldom_has_one():
    flagged = []
    for seed in range(200):
        person, label, wrong, confidence, features = draw(seed, people=240)
        half = person % 2 == 0
        parts = []
        for rows in (half, ~half):
            some = tuple(Feature(one.name, one.levels, one.codes[rows]) for one in features)
            parts.append((SearchedFaces.of(person[rows], label[rows], wrong[rows], confidence[rows]), some))
        found, _ = search(*parts[0], depth=3, wanted=10, least_people=10, least_faces=25)
        outcomes = confirm_slices(parts[1][0], wrong[~half], parts[1][1], found, StatisticsRules(),
                                  np.random.default_rng(seed), 499)  # fmt: skip
        flagged.append(any(one.p_adjusted <= 0.05 for one in outcomes))
    assert np.mean(flagged) <= 0.05 + 2.6 * np.sqrt(0.05 * 0.95 / 200)
