from __future__ import annotations

import numpy as np
import pytest

from countenance.core.statistics.gap_data import SummedData
from countenance.core.statistics.index_bounds import difference_index, max_to_min_index, spread_index
from countenance.core.statistics.index_guard import guarded
from countenance.core.statistics.index_rates import Rate
from countenance.core.statistics.permutations import ScoredFaces

INDICES = {
    "difference": lambda rate, random: difference_index([rate], 0.025, random),
    "std": lambda rate, random: spread_index(rate, "standard_deviation", 0.025),
    "ratio": lambda rate, random: max_to_min_index(rate, 0.025),
}


def rate_of(seed, *, differ=0.35, gap=0.0, people=60, faces=20, times=299):
    """A rate by two lights in which people differ in how much the light matters; on average it does by ``gap``."""
    random = np.random.default_rng(seed)
    person = np.repeat(np.arange(people), faces)
    light = random.integers(0, 2, len(person))
    effect = gap + random.normal(0, differ, people)[person]
    values = (random.random(len(person)) < np.clip(0.7 + effect * (light - 0.5), 0, 1)).astype(float)
    return Rate.of(SummedData(ScoredFaces.of(person, light, 2, values), "rate", (0.0, 1.0)), times, random, None)


def test_an_effect_that_differs_between_people_is_no_inequality():
    found = dict.fromkeys(INDICES, 0)
    plain = 0
    for seed in range(100):
        rate, random = rate_of(seed), np.random.default_rng(seed)
        again = guarded(rate, random)
        plain += INDICES["std"](rate, random).p <= 0.05
        for name, make in INDICES.items():
            found[name] += max(make(rate, random).p, make(again, random).p) <= 0.05
    assert plain > 15  # what the guard is for
    assert max(found.values()) <= 11  # 5 and 2.6 standard errors


def test_an_inequality_is_still_found():
    rate, random = rate_of(0, gap=-0.4), np.random.default_rng(0)
    for make in INDICES.values():
        assert make(guarded(rate, random), random).p == pytest.approx(1 / 300)


def test_values_stay_and_what_chance_gives_is_wider():
    rate = rate_of(3)
    again = guarded(rate, np.random.default_rng(3))
    assert again.observed.value == pytest.approx(rate.observed.value)
    plain, wider = (np.ptp(each.dealt.value, axis=1).std() for each in (rate, again))
    assert wider > 1.2 * plain
    assert again.dealt.value.shape == rate.dealt.value.shape
