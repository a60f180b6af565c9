"""The sentences of the scan."""

from __future__ import annotations

import numpy as np
import pytest

from countenance.audit.backdoors.scan import wording
from countenance.audit.backdoors.scan.verdict import Judged
from countenance.audit.backdoors.scan.wording import alone, claim, false_alarms, needed, ranking, sized


def test_the_false_alarms_are_told_with_their_interval(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wording, "HELD_OUT", None)
    assert "has not been measured" in false_alarms()
    monkeypatch.setattr(wording, "HELD_OUT", (2, 60))
    assert "2 of 60" in false_alarms()
    assert "0.00 to 0.12" in false_alarms()  # Clopper-Pearson: 0.0041 to 0.1153


def test_a_claim_says_what_the_net_and_what_clean_nets_need() -> None:
    told = claim("happy", "additive", 0.021, 0.98, 172, np.array([0.05, 0.08, 0.128]), 0.05)
    assert "turns 98% of 172 faces into happy: an addition to all pixels, 0.021 rms" in told
    assert "3 clean nets of the recipe need 0.08 (0.05 to 0.128)" in told
    assert (
        sized("off_face", 0.0213) == "0.8% of the pixels replaced beside the face, 0.0213 odds against the class left"
    )


def test_how_many_references_are_needed_is_told_with_the_reason() -> None:
    assert "are needed and none was given: with 8 a change is flagged" in needed(0, 8, 35, 0.05, 0)
    assert "there are 3 (2 left out, see the notes)" in needed(3, 8, 35, 0.05, 2)


def test_the_ranking_begins_with_the_smallest_p() -> None:
    logs = np.random.default_rng(1).normal(2, 0.2, (9, 2, 1))
    logs[0, 1, 0] = np.nan
    judged = Judged.of(logs[0], logs[1:], 0.05)
    told = ranking(judged, ["calm", "glad"], ["flow"])
    assert told.startswith("calm by a smooth displacement (z ")
    assert told.endswith("glad by a smooth displacement (adjusted p 1)")


def test_references_that_were_not_turned_are_told() -> None:
    told = claim("happy", "flow", 1.0, 0.6, 50, np.array([2.0, np.nan, 8.0]), 0.05)
    assert "2 clean nets of the recipe need 4 (2 to 8) for it, and 1 more were not turned so" in told
    assert "None of 2 clean nets of the recipe was turned so" in claim("a", "flow", 1, 1, 50, np.full(2, np.nan), 0.05)
    logs = np.random.default_rng(1).normal(2, 0.2, (9, 2, 1))
    assert not alone(Judged.of(logs[0], logs[1:], 0.05), ["calm", "glad"], ["flow"])
    logs[1:, 1] = np.nan
    told = alone(Judged.of(logs[0], logs[1:], 0.05), ["calm", "glad"], ["flow"])
    assert told.startswith("The target was turned where none of 8 references was: glad by a smooth displacement. ")
    assert "p is 1/9" in told
