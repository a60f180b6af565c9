"""What is held back cannot be worked out from what is published."""

from __future__ import annotations

import pytest
from suppression_attack import Attack, People

from countenance.core.results import AuditResults
from countenance.core.suppression import Pattern, held_back, published

THRESHOLD = 5
SEEDS = range(6)


def recovered(results: AuditResults) -> tuple[int, int, int]:
    """Return how many cells are hidden, and of how many of them people or right answers follow from the sums."""
    attack = Attack(results)
    hidden = list(dict.fromkeys(attack.hidden))
    people = [attack.people_range(cell) for cell in hidden]
    right = [attack.right_range(cell) for cell in hidden]
    return len(hidden), sum(high - low < 0.5 for low, high in people), sum(high - low < 0.5 for low, high in right)


def only_small(results: AuditResults) -> Pattern:
    """Hold back small groups, and nothing that hides them."""
    few = {item.key for item in results.measurements() if (item.estimate.n or 0) < THRESHOLD}
    cells = frozenset(frozenset(item.slice.items()) for item in results.measurements() if item.key in few)
    return Pattern(THRESHOLD, cells, {}, frozenset(few), frozenset(few))


def check(seed: int) -> None:
    """Ask for the range of every hidden number that linear programming over everything that is told leaves open."""
    people = People(seed)
    attack = Attack(published(people.audit()))
    hidden = list(dict.fromkeys(attack.hidden))
    assert hidden
    for cell in hidden:
        low, high = attack.people_range(cell)
        assert high - low >= 1, sorted(cell)
        assert low - 0.5 < people.of(cell).sum() < high + 0.5  # the attack is a sound one
        low, high = attack.right_range(cell)
        # of cells of which nobody together was right, nobody of each was: so tells any published group of such a rate
        assert high - low >= 1 or (people.right[people.of(cell)].sum() == 0 and high < 1e-6), sorted(cell)


@pytest.mark.parametrize("seed", range(4))
def test_no_held_back_number_follows_from_the_published_ones(seed: int) -> None:
    check(seed)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4, 60))
def test_no_held_back_number_follows_in_many_audits(seed: int) -> None:
    check(seed)


def test_the_attack_succeeds_where_only_small_groups_are_held_back() -> None:
    """The same attack on primary suppression alone recovers most of what was held back: it can tell the difference."""
    found = []
    for seed in (0, 1):
        results = People(seed).audit()
        found.append(recovered(published(results, only_small(results))))
    hidden, people, right = map(sum, zip(*found, strict=True))
    assert people > hidden / 2
    assert right > hidden / 2


def test_nothing_is_held_back_where_all_groups_are_large() -> None:
    results = People(3).audit()
    assert not held_back(results, 1).measurements
    assert published(results, held_back(results, 1)) == results


def test_published_results_are_published_unchanged() -> None:
    shown = published(People(1).audit())
    assert published(shown) == shown


def test_most_large_groups_stay() -> None:
    """Hiding costs something, and not everything: numbers of most groups of twenty people or more are told."""
    large = told = 0
    for seed in SEEDS:
        results = People(seed).audit()
        shown = published(results)
        for item in results.measurements():
            if (item.estimate.n or 0) >= 20:
                large += 1
                told += shown[item.key].estimate.value is not None
    assert told / large > 0.6
