from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import bootstrap, kstest

from countenance.core.errors import UsageError
from countenance.core.statistics.bootstrap import cluster_bootstrap, ratio


def faces(seed=0, people=60, groups=3):
    rng = np.random.default_rng(seed)
    person = np.repeat(np.arange(people), rng.integers(1, 8, people))
    values = (rng.random(len(person)) < rng.beta(2, 1, people)[person]).astype(float)
    return np.stack([values, np.ones(len(person))], axis=1), person, (person % groups).astype(np.int64)


def test_the_interval_is_that_of_scipy():
    columns, person, group = faces()
    found = cluster_bootstrap(columns, person, group, 3, np.random.default_rng(0), replicates=20_000)
    for code in range(3):
        names, at = np.unique(person[group == code], return_inverse=True)
        x = np.bincount(at, columns[group == code, 0])
        n = np.bincount(at).astype(float)
        theirs = bootstrap(
            (x, n), lambda x, n, axis: x.sum(axis) / n.sum(axis), paired=True, vectorized=True, method="percentile",
            n_resamples=20_000, rng=np.random.default_rng(1),
        )  # fmt: skip
        assert found.value[code] == pytest.approx(x.sum() / n.sum())
        assert found.low[code] == pytest.approx(theirs.confidence_interval.low, abs=0.006)
        assert found.high[code] == pytest.approx(theirs.confidence_interval.high, abs=0.006)
        assert found.people[code] == len(names)


def test_replicates_are_those_of_a_slow_loop():
    columns, person, group = faces(people=30)
    found = cluster_bootstrap(columns, person, group, 3, np.random.default_rng(0), replicates=4000)
    rng, slow = np.random.default_rng(1), []
    names = np.unique(person[group == 1])
    for _ in range(4000):
        rows = np.concatenate([np.flatnonzero(person == name) for name in rng.choice(names, len(names))])
        slow.append(columns[rows, 0].mean())
    assert kstest(found.replicates[:, 1], slow).pvalue > 0.001


def test_any_function_of_sums():
    rng = np.random.default_rng(0)
    truth = rng.normal(0, 1, 400)
    error = rng.normal(0, 0.5, 400)
    columns = np.stack([np.square(error), np.ones(400)], axis=1)
    person, group = np.arange(400) // 4, np.zeros(400, dtype=np.int64)
    found = cluster_bootstrap(columns, person, group, 1, rng, statistic=lambda sums: np.sqrt(ratio(sums)))
    assert found.value[0] == pytest.approx(np.sqrt(np.square(truth + error - truth).mean()))
    assert found.low[0] < found.value[0] < found.high[0]
    assert np.std(found.replicates[:, 0]) == pytest.approx(0.5 / np.sqrt(2 * 400), rel=0.25)


def test_groups_without_people_or_weight_have_no_value():
    columns, person, group = faces()
    columns[person == 4] = 0.0  # counts towards nothing
    lonely = np.where(person == 4, 4, group)
    found = cluster_bootstrap(columns, person, lonely, 6, np.random.default_rng(0), replicates=50)
    for code in (3, 4, 5):
        assert np.isnan([found.value[code], found.low[code], found.high[code]]).all()
    assert list(found.people[3:]) == [0, 1, 0]
    assert np.isfinite(found.low[:3]).all()


def test_replicates_without_a_value_are_left_out_of_the_quantiles():
    columns = np.array([[1.0, 1.0], [0.0, 0.0], [0.0, 0.0]])
    person, group = np.arange(3), np.zeros(3, dtype=np.int64)
    found = cluster_bootstrap(columns, person, group, 1, np.random.default_rng(0), replicates=200)
    assert 0.15 < np.isnan(found.replicates).mean() < 0.45  # (2/3)^3
    assert (found.low[0], found.high[0]) == (1, 1)


def test_a_seed_gives_the_same_and_one_person_never_varies():
    columns, person, group = faces()
    one, other = (cluster_bootstrap(columns, person, group, 3, np.random.default_rng(5)) for _ in range(2))
    np.testing.assert_array_equal(one.replicates, other.replicates)
    alone = cluster_bootstrap(columns, np.zeros_like(person), group, 3, np.random.default_rng(5))
    np.testing.assert_allclose(alone.low, alone.value)


@pytest.mark.parametrize(
    ("changes", "told"),
    [({"replicates": 0}, "but got 0 and 0.95"), ({"level": 1.0}, "1.0"), ({"person": np.zeros(3, int)}, "expected")],
)
def test_wrong_arguments(changes, told):
    columns, person, group = faces()
    arguments = {"columns": columns, "person": person, "group": group, "groups": 3, "random": np.random.default_rng(0)}
    with pytest.raises(UsageError, match=told):
        cluster_bootstrap(**(arguments | changes))
