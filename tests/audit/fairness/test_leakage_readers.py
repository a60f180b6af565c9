from __future__ import annotations

import numpy as np
import pytest
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import Ridge as SklearnRidge
from sklearn.metrics import balanced_accuracy_score, roc_auc_score
from sklearn.preprocessing import StandardScaler

from countenance.audit.fairness.leakage.attribute_probe import (
    balanced,
    deal_folds,
    deal_labels,
    read_attribute,
)
from countenance.audit.fairness.leakage.excess import group_mean, mean_auroc
from countenance.audit.fairness.leakage.features import draw_people
from countenance.audit.fairness.leakage.identity_probe import read_identity, split_identity
from countenance.audit.fairness.leakage.ridge import Ridge
from countenance.audit.fairness.leakage.sessions import near_duplicates


@pytest.mark.parametrize("faces, width", [(40, 7), (20, 60)])
def test_ridge_predicts_what_scikit_learn_predicts(faces, width):
    rng = np.random.default_rng(faces)
    features, others = rng.normal(2, 3, (faces, width)), rng.normal(2, 3, (9, width))
    targets = rng.normal(size=(faces, 3))
    ridge = Ridge(features)
    scaler = StandardScaler().fit(features)
    unit = float(ridge._values.mean())
    for penalty in (0.01, 1.0, 50.0):
        theirs = SklearnRidge(alpha=penalty * unit).fit(scaler.transform(features), targets)
        assert np.allclose(ridge.predict(others, targets, penalty), theirs.predict(scaler.transform(others)))


def test_weights_of_ridge_are_those_of_scikit_learn():
    rng = np.random.default_rng(5)
    features, targets, weights = rng.normal(size=(30, 6)), rng.normal(size=(30, 2)), rng.uniform(0.5, 3, 30)
    ridge = Ridge(features, weights)
    scaler = StandardScaler().fit(features, sample_weight=weights)
    scaled = weights * 30 / weights.sum()
    theirs = SklearnRidge(alpha=0.3 * float(ridge._values.mean())).fit(
        scaler.transform(features), targets, sample_weight=scaled
    )
    assert np.allclose(ridge.predict(features, targets, 0.3), theirs.predict(scaler.transform(features)))


@pytest.mark.parametrize("weighted", [False, True])
def test_predictions_left_out_are_those_of_fits_without_the_person(weighted):
    rng = np.random.default_rng(3)
    people = np.repeat(np.arange(9), rng.integers(1, 5, 9))
    faces = len(people)
    features, targets = rng.normal(size=(faces, 5)), rng.normal(size=(faces, 2))
    weights = rng.uniform(0.5, 2, faces) if weighted else np.ones(faces)
    ridge = Ridge(features, weights)
    scaled, unit = StandardScaler().fit(features, sample_weight=weights).transform(features), ridge._values.mean()
    found = ridge.left_out(targets, 0.2, people)
    share = weights * faces / weights.sum()
    for person in range(9):
        rest = people != person
        theirs = SklearnRidge(alpha=0.2 * unit).fit(scaled[rest], targets[rest], sample_weight=share[rest])
        assert np.allclose(found[~rest], theirs.predict(scaled[~rest]))


def test_constant_and_no_features_tell_nothing():
    targets = np.array([[0.0], [1.0], [1.0], [0.0]])
    for features in (np.ones((4, 3)), np.zeros((4, 0))):
        assert np.allclose(Ridge(features).predict(features, targets, 0.1), 0.5)


def test_an_attribute_is_read_as_well_as_by_a_discriminant_of_scikit_learn():
    rng = np.random.default_rng(0)
    people = np.repeat(np.arange(120), 2)
    labels = np.repeat(rng.choice(3, 120, p=[0.6, 0.25, 0.15]), 2)
    features = rng.normal(size=(240, 10)) + 1.2 * np.eye(10)[labels] * 1.5
    folds = deal_folds(labels, people, 5, rng)
    ours = read_attribute(features, labels, people, folds)
    theirs = np.empty(240, dtype=int)
    for fold in range(5):
        train = folds != fold
        lda = LinearDiscriminantAnalysis(priors=[1 / 3] * 3).fit(features[train], labels[train])
        theirs[~train] = lda.predict(features[~train])
    ours_rate = balanced_accuracy_score(labels, ours.predicted)
    assert ours_rate == pytest.approx(balanced_accuracy_score(labels, theirs), abs=0.05)
    assert balanced(ours.predicted[None], labels[None], 3)[0] == pytest.approx(ours_rate)
    assert (ours.predicted == theirs).mean() > 0.9


def test_a_permuted_labelling_is_read_as_if_it_had_been_given():
    rng = np.random.default_rng(2)
    people = np.repeat(np.arange(30), 2)
    labels = np.repeat(np.arange(30) % 3, 2)
    features = rng.normal(size=(60, 8))
    folds = deal_folds(labels, people, 4, rng)
    dealt = deal_labels(labels, people, folds, 3, rng)
    at_once = read_attribute(features, labels, people, folds, dealt)
    for number in range(3):
        alone = read_attribute(features, dealt[number], people, folds)
        assert at_once.permuted[number] == pytest.approx(balanced(alone.predicted[None], dealt[number][None], 3)[0])


def test_noise_is_read_at_chance_and_p_values_are_even():
    p_values, rates = [], []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        people = np.repeat(np.arange(40), 2)
        labels = np.repeat(rng.permutation(np.arange(40) % 2), 2)
        features = rng.normal(size=(40, 12))[people] + 0.3 * rng.normal(size=(80, 12))
        folds = deal_folds(labels, people, 5, rng)
        found = read_attribute(features, labels, people, folds, deal_labels(labels, people, folds, 39, rng))
        rate = balanced(found.predicted[None], labels[None], 2)[0]
        rates.append(rate)
        p_values.append((1 + (found.permuted >= rate).sum()) / 40)
    assert np.mean(rates) == pytest.approx(0.5, abs=0.04)
    assert np.mean(np.asarray(p_values) <= 0.1) <= 0.1 + 2.6 * np.sqrt(0.09 / 60)


def test_variance_is_raised_as_far_as_permutations_vary_more():
    rng = np.random.default_rng(8)
    people = np.repeat(np.arange(40), 4)
    labels = np.repeat(rng.permutation(np.arange(40) % 2), 4)
    features = rng.normal(size=(160, 20))
    folds = deal_folds(labels, people, 5, rng)
    dealt = deal_labels(labels, people, folds, 60, rng)
    found = read_attribute(features, labels, people, folds, dealt)
    variances = []
    for labelling in dealt:
        right = (read_attribute(features, labelling, people, folds).predicted == labelling).astype(float)
        estimate = group_mean(right, labelling, people, 0.95).estimate
        errors = []
        for group in (0, 1):
            there = labelling == group
            own = np.bincount(people[there], right[there] - right[there].mean(), minlength=40) / there.sum() / 2
            errors.append(own)
        variances.append(np.square(np.sum(errors, axis=0)).sum() * 40 / 39)
        assert estimate.value is not None
    assert found.inflation == pytest.approx(max(1.0, found.permuted.var(ddof=1) / np.mean(variances)))
    assert read_attribute(features, labels, people, folds).inflation == 1.0
    args = (rng.normal(size=160), labels, people, 0.95)
    plain, raised = (group_mean(*args, inflation=factor).estimate for factor in (1.0, 4.0))
    assert raised.high - raised.value == pytest.approx(2 * (plain.high - plain.value), rel=0.01)


def test_folds_keep_people_whole_and_groups_even():
    rng = np.random.default_rng(1)
    people = np.repeat(np.arange(50), rng.integers(1, 6, 50))
    labels = (people % 5 == 0).astype(int)
    folds = deal_folds(labels, people, 5, rng)
    assert all(len(set(folds[people == person])) == 1 for person in range(50))
    of_rare = [len(set(people[(folds == fold) & (labels == 1)])) for fold in range(5)]
    assert of_rare == [2] * 5


def test_dealt_labels_follow_people():
    people = np.array([0, 1, 1, 2, 2, 2, 0, 1])
    labels = np.array([0, 1, 1, 2, 2, 2, 0, 1])
    for dealt in deal_labels(labels, people, np.zeros(8, dtype=int), 20, np.random.default_rng(0)):
        assert all(len(set(dealt[people == person].tolist())) == 1 for person in range(3))
        assert sorted(dealt[[0, 1, 3]].tolist()) == [0, 1, 2]
    people, folds = np.arange(40), np.arange(40) % 4
    labels = np.random.default_rng(1).integers(0, 3, 40)
    for dealt in deal_labels(labels, people, folds, 20, np.random.default_rng(0)):
        assert all(sorted(dealt[folds == fold]) == sorted(labels[folds == fold]) for fold in range(4))


def test_people_are_told_apart_in_another_session_only():
    rng = np.random.default_rng(4)
    people = np.repeat(np.arange(30), 4)
    sessions = np.tile([0, 0, 1, 1], 30)
    own = rng.normal(size=(30, 20))[people]
    of_session = rng.normal(size=(60, 20))[people * 2 + sessions]  # alike within a session, not between
    split = split_identity(people, sessions, 5)
    assert split.count == 30
    leaky = read_identity(of_session + 0.1 * rng.normal(size=(120, 20)), split, rng, 199)
    assert (leaky.predicted == people).mean() < 0.2
    found = read_identity(own + 0.3 * rng.normal(size=(120, 20)), split, rng, 199)
    assert (found.predicted == people).mean() > 0.95
    assert found.permuted.mean() == pytest.approx(1 / 30, abs=0.02)


def test_exchanged_names_need_no_new_fit():
    """With names exchanged in training and everywhere a part is trained on, the probe gives the exchanged names."""
    rng = np.random.default_rng(6)
    people = np.repeat(np.arange(12), 2)
    split = split_identity(people, np.tile([0, 1], 12), 2)
    features = rng.normal(size=(12, 6))[people] + 0.7 * rng.normal(size=(24, 6))
    names = rng.permutation(12)
    first = split.parts == 0
    ridge = Ridge(features[first])
    marks = np.eye(12)
    scores = ridge.predict(features[~first], marks[people[first]], 0.1)
    renamed = ridge.predict(features[~first], marks[names[people[first]]], 0.1)
    assert (names[scores.argmax(1)] == renamed.argmax(1)).all()


def test_a_person_of_one_session_is_not_judged():
    split = split_identity(np.array([0, 0, 1, 1, 2]), np.array([0, 1, 0, 0, 3]), 5)
    assert split.rows.tolist() == [0, 1]
    assert split.count == 1


def test_near_duplicates_are_one_session_within_a_person():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 64))
    grey = np.stack([a, a + 0.02 * rng.normal(size=64), 3 * a + 5, b, a])
    codes = near_duplicates(grey, np.array([0, 0, 0, 0, 1]))
    assert codes[0] == codes[1] == codes[2]
    assert codes[3] != codes[0]
    assert codes[4] not in codes[:4]


def test_drawn_people_are_whole():
    people = np.repeat(np.arange(50), 4)
    rows = draw_people(people, 40, 3, np.random.default_rng(0))
    counts = np.bincount(people[rows], minlength=50)
    assert set(counts.tolist()) == {0, 3}
    assert 30 <= len(rows) <= 40
    assert len(draw_people(people, 10_000, 20, np.random.default_rng(0))) == 200


def test_a_difference_has_the_error_of_a_mean_over_people():
    rng = np.random.default_rng(1)
    values = rng.normal(0.2, 1, 400).clip(-1, 1)
    people, labels = np.arange(400), np.zeros(400, dtype=int)
    found = group_mean(values, labels, people, 0.95)
    error = values.std(ddof=1) / 20
    assert found.estimate.value == pytest.approx(values.mean())
    assert found.estimate.high - found.estimate.low == pytest.approx(2 * 1.9659 * error, rel=1e-3)
    two = group_mean(values, np.arange(400) % 2, people, 0.95)
    means = [values[::2].mean(), values[1::2].mean()]
    assert two.estimate.value == pytest.approx(np.mean(means))
    doubled = group_mean(np.repeat(values, 3), np.repeat(labels, 3), np.repeat(people, 3), 0.95)
    assert doubled.estimate.low == pytest.approx(found.estimate.low, abs=1e-9)
    wider = group_mean(values, labels, people, 0.95, between=0.01, nets=3)
    assert wider.estimate.high - wider.estimate.low > 2 * 0.19


def test_a_difference_without_variation_is_judged_by_its_people():
    found = group_mean(np.ones(12), np.zeros(12, dtype=int), np.repeat(np.arange(6), 2), 0.95)
    assert (found.estimate.value, found.estimate.low, found.p) == (1.0, None, 0.5**6)
    assert group_mean(np.zeros(12), np.zeros(12, dtype=int), np.arange(12), 0.95).p == 1.0


def test_auroc_is_the_mean_of_one_against_the_others():
    rng = np.random.default_rng(2)
    labels = rng.integers(0, 3, 90)
    scores = rng.normal(size=(90, 3)) + np.eye(3)[labels]
    expected = np.mean([roc_auc_score(labels == group, scores[:, group]) for group in range(3)])
    found = mean_auroc(scores, labels, np.arange(90), 0.95)
    assert found.value == pytest.approx(expected)
    assert found.low < expected < found.high
    two = mean_auroc(scores[:, :2], labels % 2, np.arange(90), 0.95)
    assert two.value == pytest.approx(roc_auc_score(labels % 2, scores[:, 1]))


def test_an_attribute_of_sessions_is_not_read_where_only_sessions_differ():
    found = 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        person, session = np.repeat(np.arange(30), 8), np.tile(np.repeat([0, 1], 4), 30)
        light = (rng.random(30) < 0.5)[person] ^ (session == 1)
        shown = rng.normal(size=(30, 2, 8))[person, session] + 0.3 * rng.normal(size=(240, 8))
        rows = rng.permutation(240)  # the rows of a table stand in any order
        person, light, shown = person[rows], light[rows].astype(np.int64), shown[rows]
        folds = deal_folds(light, person, 5, rng)
        own = read_attribute(shown, light, person, folds, deal_labels(light, person, folds, 99, rng))
        read = balanced(own.predicted[None], light[None], 2)[0]
        found += (1 + (own.permuted >= read - 1e-12).sum()) / 100 <= 0.05
    assert found <= 5  # 5 in 100 and 2.6 standard errors; 8 where labellings break sessions up


def test_people_keep_how_many_faces_they_have_of_each_group_when_dealt_among_equals():
    rng = np.random.default_rng(0)
    person, light = np.repeat(np.arange(12), 4), np.tile([0, 0, 0, 1], 12)
    dealt = deal_labels(light, person, np.zeros(48, np.int64), 50, rng)
    assert (dealt.reshape(50, 12, 4).sum(axis=2) == 1).all()
    assert len(np.unique(dealt, axis=0)) > 40
