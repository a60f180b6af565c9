"""Permutations that questions share: what they induce on some of the people is uniform, and the same each time."""

from __future__ import annotations

import itertools
from collections import Counter

import numpy as np
from scipy import stats

from countenance.core.statistics.deals import Deals
from countenance.core.statistics.permutations import Dealer, ScoredFaces


def donors(people, times, seed, some):
    return np.concatenate(list(Deals(people, times, seed).donors(np.asarray(some))))


def test_every_row_is_a_permutation_and_the_seed_decides():
    found = donors(50, 300, 1, [3, 4, 9, 40])
    assert found.shape == (300, 4)
    assert (np.sort(found, axis=1) == np.arange(4)).all()
    assert (found == donors(50, 300, 1, [3, 4, 9, 40])).all()
    assert (found != donors(50, 300, 2, [3, 4, 9, 40])).any()


def test_it_follows_the_shared_permutation_until_it_comes_to_one_who_takes_part():
    some = [1, 2, 5, 7, 8]
    whole, part = donors(9, 40, 3, range(9)), donors(9, 40, 3, some)
    for shared, found in zip(whole, part, strict=True):
        for place, person in enumerate(some):
            to = shared[person]
            while to not in some:
                to = shared[to]
            assert some[found[place]] == to


def test_what_is_induced_is_uniform():
    counted = Counter(map(tuple, donors(8, 12_000, 5, [0, 3, 6])))
    assert set(counted) == set(itertools.permutations(range(3)))
    assert stats.chisquare(list(counted.values())).pvalue > 0.001


def test_questions_about_the_same_people_are_dealt_alike_whatever_is_kept():
    deals = Deals(200, 30, 1)
    first = np.concatenate(list(deals.donors(np.arange(200))))
    deals._kept.clear()
    assert (first == np.concatenate(list(deals.donors(np.arange(200))))).all()


def test_a_dealer_gives_each_person_the_group_of_her_donor():
    rng = np.random.default_rng(0)
    person = np.repeat(np.arange(30), 2)
    group = rng.integers(0, 3, 30)[person]
    faces = ScoredFaces.of(person, group, 3, rng.random(60))
    dealer, deals = Dealer(faces), Deals(30, 20, 7)
    sums = np.concatenate(list(dealer.deal(20, rng, deals)))
    for row, donor in enumerate(np.concatenate(list(deals.donors(dealer.people)))):
        labels = dealer.labels[donor]
        for code in range(3):
            assert np.allclose(sums[row, code], dealer.lines[labels == code].sum(axis=0))
