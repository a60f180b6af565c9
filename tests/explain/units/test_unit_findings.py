"""The rules behind the findings, on plain estimates."""

from __future__ import annotations

import numpy as np
import pytest

from countenance.core.results import Estimate
from countenance.explain.units.codebook import published_codebook
from countenance.explain.units.exchange import exchange_labels, holm
from countenance.explain.units.findings import has_upper_units, is_closer, is_one_sided, mouth_only, on_the_face

EVEN_UPPER, EVEN_MOUTH = 0.23, 0.22


def about(value: float, reach: float = 0.02) -> Estimate:
    return Estimate(value=value, low=value - reach, high=value + reach, level=0.95)


UNKNOWN = Estimate.not_measured("too few")


def asked(upper: dict[str, Estimate], mouth: dict[str, Estimate], *outside: str) -> bool:
    return mouth_only(("sad", "fear"), upper, mouth, EVEN_UPPER, EVEN_MOUTH, outside)


def test_the_mouth_only_where_every_class_shows_it() -> None:
    upper = {"sad": about(0.1), "fear": about(0.05), "happy": about(0.02)}
    mouth = {"sad": about(0.4), "fear": about(0.6), "happy": about(0.2)}
    assert asked(upper, mouth)
    assert not asked({**upper, "sad": about(0.3)}, mouth)
    assert not asked({**upper, "sad": about(0.22)}, mouth), "its interval reaches an even spread"
    assert not asked({**upper, "happy": about(0.3)}, mouth), "a class without upper units uses the upper face"
    assert not asked(upper, {**mouth, "fear": about(0.23)})
    assert not asked(upper, mouth, "fear"), "its evidence lies outside the face"
    assert asked(upper, mouth, "happy")
    assert not asked({"sad": about(0.1)}, mouth), "fear was not explained"
    assert not asked({**upper, "fear": UNKNOWN}, mouth)
    assert not mouth_only(("sad",), upper, mouth, EVEN_UPPER, EVEN_MOUTH), "one class is not enough"


def test_on_the_face_only_where_less_lies_outside_than_of_a_constant_map() -> None:
    assert on_the_face(about(0.40), about(0.60))
    assert not on_the_face(about(0.60), about(0.61)), "a mark in a corner, blurred over much of the picture"
    assert not on_the_face(about(0.57), about(0.60)), "the intervals meet"
    assert not on_the_face(about(0.70), about(0.60))
    assert on_the_face(about(0.57), Estimate(value=0.60, method="exact"))
    assert not on_the_face(UNKNOWN, about(0.60))
    assert not on_the_face(about(0.40), UNKNOWN)
    assert not on_the_face(None, None)


def test_closer_only_where_every_margin_holds() -> None:
    assert is_closer({"fear": about(0.05), "anger": about(0.1)}, 0.01)
    assert not is_closer({"fear": about(0.01), "anger": about(0.1)}, 0.01)
    assert not is_closer({"fear": about(0.05)}, 0.2)
    assert not is_closer({"fear": about(0.05)}, None)
    assert not is_closer({"fear": UNKNOWN}, 0.01)
    assert not is_closer({}, 0.01)


def test_one_sided_only_where_mirroring_changes_nothing() -> None:
    assert is_one_sided(about(-0.5), about(-0.4))
    assert is_one_sided(about(0.5), about(0.4))
    assert not is_one_sided(about(-0.5), about(0.5)), "the face is one-sided"
    assert not is_one_sided(about(-0.5), about(-0.21)), "its interval reaches the limit"
    assert not is_one_sided(about(-0.5), None)
    assert not is_one_sided(None, UNKNOWN)


def test_which_classes_have_units_of_the_upper_face() -> None:
    book = published_codebook("belharbi2024")
    names = ("happy", "sad", "angry", "fearful", "disgusted", "surprised", "neutral")
    assert [name for name in names if has_upper_units(book, name)] == ["sad", "angry", "fearful", "surprised"]


def test_holm_after_hand() -> None:
    assert holm(np.array([0.04, 0.01, 0.03])) == pytest.approx([0.06, 0.03, 0.06])
    assert holm(np.array([0.6, 0.9])) == pytest.approx([1.0, 1.0])


def people(count: int, effect: float, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Three classes, everyone with a map of each; some maps win every comparison."""
    random = np.random.default_rng(seed)
    who, classes = np.repeat(np.arange(count), 3), np.tile(np.arange(3), count)
    values = random.normal(0, 0.1, (3 * count, 3)) + random.normal(0, 0.3, (count, 3))[who] + np.array([0.0, 0.5, -0.5])
    values[np.arange(3 * count), classes] += effect
    return values, classes, who


def test_exchange_finds_a_planted_difference_and_is_not_taken_in_by_a_map_that_always_wins() -> None:
    values, classes, who = people(12, 0.3, 0)
    found = exchange_labels(values, classes, who, np.random.default_rng(1))
    assert all(one.p <= 0.01 for one in found.values())
    assert found[0].difference == pytest.approx(0.3, abs=0.1)
    false = 0
    for seed in range(20):
        values, classes, who = people(12, 0.0, seed)
        found = exchange_labels(values, classes, who, np.random.default_rng(seed))
        false += any(one.p <= 0.05 for one in found.values())
    assert false <= 4


def test_exchange_within_people_sees_what_differs_less_than_people_do() -> None:
    """Exchanged between people the same difference would drown in what people differ by."""
    values, classes, who = people(10, 0.15, 3)
    within = exchange_labels(values, classes, who, np.random.default_rng(0))
    between = exchange_labels(values, classes, np.arange(30), np.random.default_rng(0))
    assert max(one.p for one in within.values()) < 0.05 < max(one.p for one in between.values())


def test_a_class_without_units_serves_for_comparison_only() -> None:
    values, classes, who = people(12, 0.3, 0)
    values[:, 2] = np.nan
    found = exchange_labels(values, classes, who, np.random.default_rng(1))
    assert set(found) == {0, 1}
    assert (
        exchange_labels(values[classes == 0], classes[classes == 0], who[classes == 0], np.random.default_rng(1)) == {}
    )
