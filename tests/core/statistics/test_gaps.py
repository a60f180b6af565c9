"""Gaps between groups: against slow loops, exact enumeration and scipy; how often a test of even models rejects."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from scipy import stats

from countenance.core.statistics.gap_answers import gap_of
from countenance.core.statistics.gaps import Gap, NoGap, too_few
from countenance.core.statistics.group_tests import (
    combined_p_value,
    critical_values,
    group_values,
    p_value,
    statistics_of,
)
from countenance.core.statistics.intervals import effective_n, wilson
from countenance.core.statistics.permutations import Dealer, ScoredFaces, observed_sums, sums_of_people
from countenance.core.statistics.rules import StatisticsRules
from countenance.core.statistics.sums import Lines, add_up

RULES = StatisticsRules()
KINDS = ("rate", "mean")


def draw(seed, people=40, groups=3, kind="mean", *, alone=False, low=0.0, mixed=0.0, shares=None):
    """Faces of people of one group each (but a share ``mixed`` of them), the first group lower by ``low``."""
    rng = np.random.default_rng(seed)
    person = np.repeat(np.arange(people), 1 if alone else rng.integers(1, 8, people))
    group = rng.choice(groups, people, p=shares)[person]
    several = (rng.random(people) < mixed)[person]
    group = np.where(several, rng.integers(0, groups, len(person)), group)
    ability = rng.beta(3, 3, people)[person] - low * (group == 0)
    values = rng.random(len(person)) < ability if kind == "rate" else 0.6 * ability + 0.4 * rng.random(len(person)) ** 2
    return ScoredFaces.of(person, group, groups, values.astype(float))


def gap(faces, kind="mean", seed=0, permutations=199, names=None, left_out=None, **more):
    names = names or [f"g{group}" for group in range(faces.groups)]
    random = np.random.default_rng(seed)
    more = {"bounds": (0.0, 1.0), "direction": "higher", **more}
    return gap_of(faces, names, left_out or {}, RULES, random, kind=kind, permutations=permutations, **more)


# --- slow re-implementations, one labelling and one group at a time ----------------------------------------------


def slow_group(faces, labels, group):
    """Lines of the people of one group: lists of x and n, and the faces."""
    lines = {}
    inside = [row for row in range(len(labels)) if labels[row] == group]
    for row in inside:
        x, n = lines.get(faces.person[row], (0.0, 0.0))
        lines[faces.person[row]] = (x + faces.values[row], n + faces.weights[row])
    return list(lines.values()), inside


def slow_errors(faces, labels, kind):
    """Value, weight and n_eff of every group and the variance of one face."""
    value, weight, residual, people, squares_of_n, single = [], [], [], [], [], []
    around = 0.0
    for group in range(faces.groups):
        lines, inside = slow_group(faces, labels, group)
        x, n, m = sum(x for x, _ in lines), sum(n for _, n in lines), len(lines)
        value.append(x / n)
        weight.append(n)
        people.append(m)
        squares_of_n.append(sum(n * n for _, n in lines))
        residual.append(sum((x_ - x / n * n_) ** 2 for x_, n_ in lines) * m / (m - 1) if m > 1 else 0.0)
        around += sum((faces.values[row] - x / n * faces.weights[row]) ** 2 for row in inside)
        single.append(m == len(inside) and all(n_ == 1 for _, n_ in lines))
    total = sum(weight)
    if kind == "rate":
        overall = sum(v * n for v, n in zip(value, weight, strict=True)) / total
        unit, own_unit = overall * (1 - overall), [v * (1 - v) for v in value]
    else:
        unit = around / total * len(labels) / (len(labels) - faces.groups)
        own_unit = [unit] * faces.groups
    use = [group for group in range(faces.groups) if people[group] > 1]
    below = sum(own_unit[g] * (squares_of_n[g] - weight[g]) for g in use)
    above = sum(residual[g] - own_unit[g] * weight[g] for g in use)
    icc = (
        min(max(above / below, 0), 1)
        if below > 0
        else float(any(q > n for q, n in zip(squares_of_n, weight, strict=True)))
    )
    effective = []
    for g in range(faces.groups):
        independent = own_unit[g] * weight[g]
        own = residual[g] / independent if independent > 0 else 0.0
        design = max(1.0, 1 + icc * (squares_of_n[g] / weight[g] - 1), own)
        effective.append(weight[g] if kind == "rate" and single[g] else weight[g] / design)
    return value, weight, effective, unit


def slow_rest(value, weight, effective, g):
    others = [h for h in range(len(value)) if h != g]
    total = sum(weight[h] for h in others)
    rest = sum(value[h] * weight[h] for h in others) / total
    return rest, total**2 / sum(weight[h] ** 2 / effective[h] for h in others)


def slow_statistics(faces, labels, kind):
    """``T_pair``, ``T_rest``, largest signed distance below the rest, raw gap, raw largest lag."""
    value, weight, effective, unit = slow_errors(faces, labels, kind)
    pair, rest, below, lag = 0.0, 0.0, -math.inf, -math.inf
    for g, h in itertools.combinations(range(faces.groups), 2):
        pair = max(pair, abs(value[g] - value[h]) / math.sqrt(unit * (1 / effective[g] + 1 / effective[h])))
    for g in range(faces.groups):
        others, others_effective = slow_rest(value, weight, effective, g)
        t = (others - value[g]) / math.sqrt(unit * (1 / effective[g] + 1 / others_effective))
        rest, below, lag = max(rest, abs(t)), max(below, t), max(lag, others - value[g])
    return pair, rest, below, max(value) - min(value), lag


def slow_limits(value, effective, unit, quantile, kind):
    if kind == "rate":
        low, high = wilson(np.asarray([value]), np.asarray([effective]), quantile)
        return value - float(low[0]), float(high[0]) - value
    half = quantile * math.sqrt(unit / effective)
    return value - max(value - half, 0.0), min(value + half, 1.0) - value


def slow_bounds(faces, kind, critical_pair, critical_rest):
    """Lower bound at these critical values and upper bound at 97.5 %."""
    value, weight, effective, unit = slow_errors(faces, faces.group, kind)
    low, high = 0.0, 0.0
    for g, h in itertools.permutations(range(faces.groups), 2):
        down = slow_limits(value[g], effective[g], unit, critical_pair, kind)[0]
        up = slow_limits(value[h], effective[h], unit, critical_pair, kind)[1]
        low = max(low, value[g] - value[h] - math.hypot(down, up))
        quantile = []
        for group in (g, h):
            lines, inside = slow_group(faces, faces.group, group)
            single = kind == "rate" and len(lines) == len(inside)
            quantile.append(stats.norm.ppf(0.975) if single else stats.t.ppf(0.975, len(lines) + 9))
        up = slow_limits(value[g], effective[g], unit, quantile[0], kind)[1]
        down = slow_limits(value[h], effective[h], unit, quantile[1], kind)[0]
        high = max(high, value[g] - value[h] + math.hypot(up, down))
    for g in range(faces.groups):
        rest, rest_effective = slow_rest(value, weight, effective, g)
        own = slow_limits(value[g], effective[g], unit, critical_rest, kind)
        others = slow_limits(rest, rest_effective, unit, critical_rest, kind)
        low = max(low, rest - value[g] - math.hypot(others[0], own[1]), value[g] - rest - math.hypot(own[0], others[1]))
    return low, high


def slow_combined_p(observed, permuted):
    """Section by section: a p-value per family and labelling, the smaller one, its share."""
    all_of = [[seen, *many] for seen, many in zip(observed, permuted, strict=True)]
    count = len(all_of[0])
    smallest = [min(sum(t >= family[b] for t in family) for family in all_of) / count for b in range(count)]
    return sum(m <= smallest[0] for m in smallest) / count


def slow_critical(permuted, alpha):
    """The smallest values that at most ``alpha`` of the labellings exceed in any family, found by going down."""
    count = len(permuted[0])
    found = tuple(max(family) for family in permuted)
    for beyond in range(count):
        trial = tuple(sorted(family)[count - 1 - beyond] for family in permuted)
        over = sum(any(family[b] > c for family, c in zip(permuted, trial, strict=True)) for b in range(count))
        if over >= math.floor(alpha * (count + 1)):
            break
        found = trial
    return found


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("alone", [False, True])
@pytest.mark.parametrize("groups", [2, 4])
def test_statistics_are_those_of_slow_loops(kind, alone, groups):
    faces = draw(3, kind=kind, alone=alone, groups=groups)
    of_person = np.zeros(40, dtype=int)
    of_person[faces.person] = faces.group
    rng = np.random.default_rng(0)
    for labels in (of_person, *(rng.permutation(of_person) for _ in range(5))):
        again = ScoredFaces(faces.person, labels[faces.person], groups, faces.values, faces.weights)
        found = statistics_of([group_values(observed_sums(again), kind)])
        pair, rest, below, raw, lag = slow_statistics(faces, again.group, kind)
        told = [found.pair[0], found.rest[0], found.below[0], found.gap[0], found.lag[0]]
        assert told == pytest.approx([pair, rest, below, raw, lag], abs=1e-8)


@pytest.mark.parametrize("kind", KINDS)
def test_the_whole_answer_is_that_of_slow_loops(kind):
    faces = draw(5, kind=kind, low=0.2)
    permutations = 99
    answer = gap(faces, kind, permutations=permutations)
    dealt = statistics_of(
        group_values(part, kind) for part in Dealer(faces).deal(permutations, np.random.default_rng(0))
    )
    families = [list(dealt.pair), list(dealt.rest)]
    pair, rest, below, raw, lag = slow_statistics(faces, faces.group, kind)
    assert answer.largest.value == pytest.approx(raw)
    assert answer.largest.p == slow_combined_p((round(pair, 9), round(rest, 9)), families)
    low, high = slow_bounds(faces, kind, *slow_critical(families, 0.025))
    assert (answer.largest.low, answer.largest.high) == pytest.approx((low, high))
    assert answer.largest.null_mean == pytest.approx(np.mean(dealt.gap))
    assert answer.worst_vs_rest.value == pytest.approx(lag)
    assert answer.worst_vs_rest.p == (1 + sum(t >= round(below, 9) for t in dealt.below)) / (permutations + 1)
    assert answer.largest.low <= answer.largest.value <= answer.largest.high
    assert answer.worst_vs_rest.low <= lag <= answer.worst_vs_rest.high


def test_the_error_of_a_rate_is_that_of_its_interval():
    faces = draw(1, kind="rate")
    lines = Lines.of(faces.person, faces.group, 3)
    sums = add_up(lines, np.arange(len(faces.person)), faces.values)
    p = sums.value
    found = group_values(observed_sums(faces), "rate")
    assert found.n_effective[0] == pytest.approx(effective_n(sums, p * (1 - p)))


def test_every_dealing_keeps_what_must_stay():
    """People keep their faces together, group sizes in people stay, and no face is lost."""
    faces = draw(2, kind="rate")
    sums = np.concatenate(list(Dealer(faces).deal(50, np.random.default_rng(1))))
    seen = observed_sums(faces)
    assert np.array_equal(sums[..., 0], np.broadcast_to(seen[..., 0], (50, 3)))
    assert sums.sum(axis=1) == pytest.approx(np.broadcast_to(seen.sum(axis=1), (50, 10)))
    assert len(np.unique(sums[:, 0, 2])) > 5


def test_all_dealings_of_few_people_are_dealt_equally_often():
    """Six people, two groups of three: each of the twenty ways in a twentieth of the permutations."""
    values = 2.0 ** np.arange(6)
    faces = ScoredFaces.of(np.arange(6), np.arange(6) % 2, 2, values)
    sums = np.concatenate(list(Dealer(faces).deal(20_000, np.random.default_rng(3))))
    ways, counts = np.unique(sums[:, 0, 2], return_counts=True)
    assert len(ways) == 20
    assert stats.chisquare(counts).pvalue > 0.001


def test_dealing_by_tables_is_dealing_of_people(monkeypatch):
    """300 people of 12 kinds: the sums have the same distribution whichever way they are dealt."""
    rng = np.random.default_rng(9)
    person = np.repeat(np.arange(300), rng.integers(1, 4, 300))
    values = rng.integers(0, 2, len(person)).astype(float)
    faces = ScoredFaces.of(person, (person % 7 == 0) + (person % 3 == 0).astype(int), 3, values)
    sums = {}
    for name, people_per_cell in (("tables", 0), ("people", 10**9)):
        monkeypatch.setattr("countenance.core.statistics.permutations.PEOPLE_PER_CELL", people_per_cell)
        dealer = Dealer(faces)
        assert dealer._by_tables == (name == "tables")
        sums[name] = np.concatenate(list(dealer.deal(4_000, np.random.default_rng(2))))
    assert sums["tables"].sum(axis=1) == pytest.approx(sums["people"].sum(axis=1))
    for group, column in itertools.product(range(3), (1, 2, 5)):
        one, other = (sums[name][:, group, column] for name in sums)
        assert stats.ks_2samp(one, other).pvalue > 0.001
    assert np.corrcoef(sums["tables"][:, 1, 1:6].T) == pytest.approx(np.corrcoef(sums["people"][:, 1, 1:6].T), abs=0.06)


@pytest.mark.parametrize("kind", KINDS)
def test_exact_p_value_by_enumeration(kind):
    """All ways of dealing two groups out to eight people, in place of random ones."""
    rng = np.random.default_rng(4)
    person = np.repeat(np.arange(8), 3)
    values = (rng.random(24) < 0.5).astype(float) if kind == "rate" else rng.random(24)
    of_person = np.asarray([0, 0, 0, 1, 1, 1, 1, 1])
    faces = ScoredFaces.of(person, of_person[person], 2, values + (of_person[person] == 0) * (kind == "mean") * 0.2)
    ways = [np.isin(np.arange(8), chosen, invert=True).astype(int) for chosen in itertools.combinations(range(8), 3)]
    exact = [slow_statistics(faces, way[person], kind)[0] for way in ways]
    seen = slow_statistics(faces, faces.group, kind)[0]
    expected = sum(t >= seen - 1e-9 for t in exact) / len(ways)
    every = statistics_of([group_values(sums_of_people(np.stack(ways), Dealer(faces).lines, 2), kind)])
    assert np.sort(every.pair) == pytest.approx(np.sort(exact), abs=1e-8)
    answer = gap(faces, kind, permutations=9_999)
    assert answer.largest.p == pytest.approx(expected, abs=4 * math.sqrt(expected * (1 - expected) / 9_999) + 1e-3)


def two_groups(seed, difference):
    rng = np.random.default_rng(seed)
    group = np.r_[np.zeros(30, dtype=int), np.ones(45, dtype=int)]
    values = rng.beta(2, 5, 75) + difference * group
    return ScoredFaces.of(np.arange(75), group, 2, values)


def test_scipys_permutation_test_gives_the_same_p_value():
    faces = two_groups(0, 0.08)

    def statistic(one, other):
        """Largest of the pooled and the own variance of each group, in the difference of means."""
        pooled = (np.var(one) * 30 + np.var(other) * 45) / 73
        error = max(pooled / 30, np.var(one, ddof=1) / 30) + max(pooled / 45, np.var(other, ddof=1) / 45)
        return abs(one.mean() - other.mean()) / math.sqrt(error)

    found = stats.permutation_test(
        (faces.values[:30], faces.values[30:]), statistic, n_resamples=9_999, alternative="greater", rng=1
    )
    answer = gap(faces, permutations=9_999, bounds=None)
    assert statistics_of([group_values(observed_sums(faces), "mean")]).pair[0] == pytest.approx(
        found.statistic, abs=1e-8
    )
    assert 0.005 < found.pvalue < 0.2
    assert answer.largest.p == pytest.approx(found.pvalue, abs=0.01)
    assert answer.largest.p == answer.worst_vs_rest.p or answer.worst_vs_rest.p < answer.largest.p


@pytest.mark.parametrize("seed", range(6))
def test_the_t_test_gives_nearly_the_same_p_value_and_interval(seed):
    faces = two_groups(seed, 0.06)
    expected = stats.ttest_ind(faces.values[30:], faces.values[:30], equal_var=False)
    answer = gap(faces, permutations=4_999, bounds=None)
    assert answer.largest.p == pytest.approx(expected.pvalue, abs=0.03)
    low, high = expected.confidence_interval()
    if expected.statistic < 0:  # a gap has no sign
        low, high = -high, -low
    assert answer.largest.high == pytest.approx(high, abs=0.012)
    assert answer.largest.low == pytest.approx(max(low, 0.0), abs=0.012)


def test_p_values_count_the_observed_labelling():
    assert p_value(2.0, np.asarray([1.0, 2.0, 3.0])) == 0.75
    assert p_value(9.0, np.arange(9.0)) == 0.1
    assert combined_p_value((9.0, 9.0), (np.arange(9.0), np.arange(9.0))) == 0.1
    rng = np.random.default_rng(0)
    for _ in range(5):
        one, other = rng.integers(0, 6, 30).astype(float), rng.integers(0, 6, 30).astype(float)
        assert combined_p_value((one[0], other[0]), (one[1:], other[1:])) == slow_combined_p(
            (one[0], other[0]), (list(one[1:]), list(other[1:]))
        )


@pytest.mark.parametrize("alpha", [0.025, 0.05, 0.2])
def test_critical_values_are_exceeded_as_often_as_asked(alpha):
    rng = np.random.default_rng(1)
    one = rng.random(399)
    families = (one, 0.5 * one + 5 * rng.random(399), rng.random(399))
    found = critical_values(families, alpha)
    assert found == slow_critical([list(family) for family in families], alpha)
    over = np.any([family > c for family, c in zip(families, found, strict=True)], axis=0).sum()
    assert over <= alpha * 400
    assert over >= alpha * 400 - 4
    with pytest.raises(ValueError, match="too few"):
        critical_values((one[:10],), 0.05)


# --- invariances ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mixed", [0.0, 0.5])
def test_the_order_of_rows_and_the_numbers_of_people_do_not_matter(mixed):
    faces = draw(6, low=0.15, mixed=mixed)
    rng = np.random.default_rng(2)
    order, names = rng.permutation(len(faces.person)), rng.permutation(40)
    shuffled = ScoredFaces(
        faces.person[order], faces.group[order], 3, faces.values[order], faces.weights[order]
    )  # fmt: skip
    assert_alike(gap(shuffled), gap(faces), 1e-9)
    if not mixed:
        renamed = ScoredFaces(names[faces.person], faces.group, 3, faces.values, faces.weights)
        assert_alike(gap(renamed), gap(faces), 1e-9)


def assert_alike(one, other, tolerance):
    for name in ("largest", "worst_vs_rest"):
        mine, theirs = vars(getattr(one, name)), vars(getattr(other, name))
        assert mine == pytest.approx(theirs, abs=tolerance), name
    assert (one.lowest, one.highest, one.worst) == (other.lowest, other.highest, other.worst)


def test_the_order_of_groups_does_not_matter():
    faces = draw(7, low=0.15)
    turned = ScoredFaces(faces.person, 2 - faces.group, 3, faces.values, faces.weights)
    assert_alike(gap(turned, names=["g2", "g1", "g0"]), gap(faces), 1e-9)


@pytest.mark.parametrize("mixed", [0.0, 0.5])
def test_the_size_of_the_parts_does_not_matter(monkeypatch, mixed):
    faces = draw(8, mixed=mixed)
    whole = gap(faces)
    monkeypatch.setattr("countenance.core.statistics.permutations.LABELS_AT_ONCE", 700)
    monkeypatch.setattr("countenance.core.statistics.group_tests.PAIRS_AT_ONCE", 10)
    assert gap(faces) == whole


def test_scaling_a_score_scales_its_gap():
    faces = draw(9, low=0.1)
    larger = ScoredFaces(faces.person, faces.group, 3, 10 * faces.values - 3, faces.weights)
    one, ten = gap(faces, bounds=None).largest, gap(larger, bounds=None).largest
    assert ten.p == one.p
    assert (ten.value, ten.low, ten.high) == pytest.approx((10 * one.value, 10 * one.low, 10 * one.high))


def test_the_worst_group_follows_the_direction():
    faces = draw(10, low=0.3)
    upside_down = ScoredFaces(faces.person, faces.group, 3, 1 - faces.values, faces.weights)
    higher, lower = gap(faces, permutations=3_999), gap(upside_down, permutations=3_999, direction="lower")
    assert higher.worst == lower.worst == "g0"
    for name, number in vars(higher.worst_vs_rest).items():
        if not name.startswith("placebo"):  # drawn from other permutations
            assert vars(lower.worst_vs_rest)[name] == pytest.approx(number, abs=0.01), name
    assert gap(faces, direction="none").worst is None


# --- what takes part -----------------------------------------------------------------------------------------------


def test_groups_left_out_take_no_part():
    faces = draw(11, groups=4)
    without = gap(faces, left_out={1: "3 people; 10 are needed"}, names=["a", "b", "c", "d"])
    assert without.groups == ("a", "c", "d")
    assert without.left_out == {"b": "3 people; 10 are needed"}
    use = faces.group != 1
    alone = ScoredFaces(
        faces.person[use], np.asarray([0, 9, 1, 2])[faces.group[use]], 3, faces.values[use], faces.weights[use]
    )  # fmt: skip
    assert without.largest == gap(alone, names=["a", "c", "d"]).largest
    assert without.faces == use.sum()


def test_fewer_than_two_groups_are_not_measured():
    faces = draw(12, groups=2)
    assert gap(faces, names=["a", "b"], left_out={0: "few"}) == NoGap(
        "only one of 2 groups, b, has enough of the faces that have this score", {"a": "few"}, blocking=1
    )
    assert too_few(["a", "b"], {0: "few", 1: "few"}, {1}).blocking == 1  # the plan names b as out of scope
    assert too_few(["a"], {0: "few"}).blocking == 0  # a group alone has no other to differ from
    assert gap(faces, left_out={0: "few", 1: "few"}).reason.startswith("none of 2 groups")
    one = ScoredFaces(faces.person, np.zeros_like(faces.group), 1, faces.values, faces.weights)
    assert gap(one, names=["x"]).reason == "there is one group only, x"


def test_faces_of_weight_nought_do_not_count():
    faces = draw(13)
    more = ScoredFaces.of(
        np.r_[faces.person, 40, 41],
        np.r_[faces.group, 0, 1],
        3,
        np.r_[faces.values, 5.0, 7.0],
        np.r_[faces.weights, 0, 0],
    )
    assert gap(more) == gap(faces)


def test_scores_without_variation():
    person, group = np.repeat(np.arange(30), 2), np.repeat(np.arange(30) % 3, 2)
    same = gap(ScoredFaces.of(person, group, 3, np.full(60, 0.3)))
    assert (same.largest.value, same.largest.p) == (pytest.approx(0), 1.0)
    assert (same.largest.low, same.largest.high) == (None, None)
    apart = gap(ScoredFaces.of(person, group, 3, 0.1 * group))
    assert (apart.largest.value, apart.largest.low) == (pytest.approx(0.2), None)
    assert apart.largest.p == 1 / 200
    right = gap(ScoredFaces.of(person, group, 3, np.ones(60)), "rate")
    assert (right.largest.value, right.largest.low, right.largest.p) == (0, 0, 1)
    assert 0.1 < right.largest.high < 0.5


# --- attributes of the picture ---------------------------------------------------------------------------------------


def test_people_of_several_groups_keep_their_number_of_faces_in_each():
    """Lists of groups go to people of as many faces, so group sizes in faces stay as they are."""
    person = np.repeat(np.arange(12), 4)
    group = np.tile([0, 0, 1, 2], 12)
    faces = ScoredFaces.of(person, group, 3, np.random.default_rng(0).random(48))
    dealer = Dealer(faces)
    assert dealer.people_of_several == 12
    sums = np.concatenate(list(dealer.deal(100, np.random.default_rng(1))))
    assert np.array_equal(sums[..., 1], np.broadcast_to([24, 12, 12], (100, 3)))
    assert np.array_equal(sums[..., 0], np.full((100, 3), 12))
    assert sums[..., 2].sum(axis=1) == pytest.approx(np.full(100, faces.values.sum()))
    assert len(np.unique(sums[:, 0, 2])) == 100


def test_a_difference_within_people_is_found_and_one_between_people_is_not_taken_for_it():
    rng = np.random.default_rng(5)
    person = np.repeat(np.arange(40), 4)
    light = np.tile([0, 0, 1, 1], 40)
    ability = rng.random(40)[person]
    noise = 0.02 * rng.random(160)
    assert gap(ScoredFaces.of(person, light, 2, ability + noise - 0.1 * light), bounds=None).largest.p < 0.01
    assert gap(ScoredFaces.of(person, light, 2, ability + noise), bounds=None).largest.p > 0.05


# --- size, in many data sets ------------------------------------------------------------------------------------


def rejections(seeds, permutations=99, **design):
    """Share of data sets in which p <= .05, and in which the lower bound is above 0 or the upper below the truth."""
    found = [gap(draw(seed, **design), design.get("kind", "mean"), seed, permutations) for seed in seeds]
    return np.mean([each.largest.p <= 0.05 for each in found]), np.mean([each.largest.low > 0 for each in found])


@pytest.mark.parametrize("design", [
    {"kind": "mean", "groups": 2, "people": 60},
    {"kind": "mean", "groups": 4, "people": 80, "shares": [0.5, 0.25, 0.15, 0.1]},
    {"kind": "rate", "groups": 4, "people": 80, "shares": [0.5, 0.25, 0.15, 0.1]},
    {"kind": "mean", "groups": 3, "people": 60, "mixed": 0.5},
])  # fmt: skip
def test_an_even_model_is_called_uneven_in_five_of_a_hundred(design):
    share, above_nought = rejections(range(200), **design)
    assert share <= 0.05 + 2.6 * math.sqrt(0.05 * 0.95 / 200)
    assert above_nought <= 0.025 + 2.6 * math.sqrt(0.025 * 0.975 / 200) + 0.005
    assert rejections(range(40), low=0.3, **design)[0] > 0.5


def test_permuting_faces_instead_of_people_would_call_even_models_uneven():
    by_face, by_person = [], []
    for seed in range(80):
        rng = np.random.default_rng(seed)
        person = np.repeat(np.arange(40), 8)
        faces = ScoredFaces.of(person, person % 2, 2, (rng.random(320) < rng.beta(2, 1, 40)[person]).astype(float))
        each_alone = ScoredFaces(np.arange(320), faces.group, 2, faces.values, faces.weights)
        by_face.append(gap(each_alone, "rate", seed, 99).largest.p <= 0.05)
        by_person.append(gap(faces, "rate", seed, 99).largest.p <= 0.05)
    assert np.mean(by_face) > 0.25
    assert np.mean(by_person) < 0.12


def test_the_answer_is_a_gap_with_everything_said():
    answer = gap(draw(20, low=0.3), permutations=499)
    assert isinstance(answer, Gap)
    assert (answer.lowest, answer.people, answer.people_in_several, answer.permutations) == ("g0", 40, 0, 499)
    assert answer.lowest_value + answer.largest.value == pytest.approx(answer.highest_value)
    assert 0 < answer.largest.null_low < answer.largest.null_mean < answer.largest.null_high < answer.largest.value
