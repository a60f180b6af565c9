"""Where the AUROC of a kind of forgery lies beside one half, by limits that hold for all kinds that are looked at."""

from __future__ import annotations

from dataclasses import replace
from enum import Enum

from ...core.results import Estimate
from ...core.statistics.rules import StatisticsRules

CHANCE = 0.5
NEAR_CHANCE = 0.65
"""Upper end of what is called near one half; the lower end lies as far below it."""


class Place(Enum):
    """Where an interval of an AUROC lies."""

    TOLD = "above one half, and reaching beyond what is near it"
    BARELY_ABOVE = "near one half, and above it"
    NEAR = "near one half, which it holds"
    BARELY_BELOW = "near one half, and below it"
    BELOW = "below one half, and reaching beyond what is near it"
    FAR_BELOW = "farther below one half than what is near it"
    OPEN = "holds one half, and reaches beyond what is near it"
    UNKNOWN = "not measured, or without an interval"


def place_of(auroc: Estimate) -> Place:
    """Return where the whole interval of an AUROC of forged against genuine faces lies."""
    low, high = auroc.low, auroc.high
    if low is None or high is None:
        return Place.UNKNOWN
    least = 2 * CHANCE - NEAR_CHANCE
    if high < least:
        return Place.FAR_BELOW
    if low >= least and high <= NEAR_CHANCE:
        return Place.BARELY_ABOVE if low > CHANCE else Place.BARELY_BELOW if high < CHANCE else Place.NEAR
    if low > CHANCE:
        return Place.TOLD
    return Place.BELOW if high < CHANCE else Place.OPEN


def jointly(rules: StatisticsRules, questions: int) -> StatisticsRules:
    """Return rules under which the intervals of so many questions hold together at the level (Bonferroni).

    Args:
        rules: of one question.
        questions: how many are looked at; none is as one.
    """
    return replace(rules, level=1 - (1 - rules.level) / max(questions, 1))
