"""Do intervals of false match rates hold when pairs share people, and are gaps between even groups left alone?"""

from __future__ import annotations

import numpy as np
from scipy.special import ndtr

from countenance.audit.verification import IMPOSTOR, GroupRates, covariance_of, rates
from countenance.core.results import Estimate
from countenance.core.statistics.correlated_gaps import correlated_gap
from countenance.core.statistics.dyads import Pairs
from countenance.core.statistics.gaps import Difference
from countenance.core.statistics.intervals import clopper_pearson
from countenance.core.statistics.rules import StatisticsRules

from .people import Floats, Integers
from .runner import OURS, Outcome, Row, Study

GROUPS = 4
DESIGNS = [
    (people, pairs, rate) for people in (20, 50, 150) for pairs in ("all", "ten each") for rate in (0.1, 0.01, 0.001)
]
ALIKE = 0.1
AS_INDEPENDENT = "Clopper-Pearson, pairs as independent"
EVEN = "gap of even groups called more than chance"
TWICE = "bounds of the gap hold it, one group's rate twice as high"


def pairs_of(rng: np.random.Generator, people: int, kind: str) -> tuple[Integers, Integers]:
    """Return all pairs of some people, or ten pairs of each with others drawn at random."""
    if kind == "all":
        first, second = np.triu_indices(people, 1)
        return first.astype(np.int64), second.astype(np.int64)
    first = np.repeat(np.arange(people), 10)
    return first, (first + rng.integers(1, people, len(first))) % people


def similarities(rng: np.random.Generator, first: Integers, second: Integers, people: int) -> Floats:
    """Return similarities from 0 to 1, alike where pairs share a person: a tenth of the variance is each person's."""
    own = rng.standard_normal(people) * np.sqrt(ALIKE)
    noise = rng.standard_normal(len(first)) * np.sqrt(1 - 2 * ALIKE)
    found: Floats = ndtr(own[first] + own[second] + noise)
    return found


def simulate(seed: int) -> Row:
    """Draw each design once, with even groups and with one whose rate is twice as high."""
    row: dict[Outcome, float] = {}
    rules = StatisticsRules()
    for people, kind, rate in DESIGNS:
        rng = np.random.default_rng([seed, people, kind == "all", int(rate * 1000)])
        of = "all pairs" if kind == "all" else "ten pairs each"
        cell = f"{GROUPS} groups of {people} people, {of}, FMR {rate:g}"
        pairs, values, near = _drawn(rng, people, kind, [rate] * GROUPS)
        found = rates(pairs, values, rules, IMPOSTOR, nearest=near)
        held = [_holds(found.estimates[code], rate) for code in found.measured]
        widths = [_width(found.estimates[code]) for code in found.measured]
        row[Outcome(cell, OURS)] = float(np.mean(held)) if held else float("nan")
        row[Outcome(cell, OURS, "mean")] = float(np.mean(widths)) if widths else float("nan")
        n = np.bincount(pairs.group).astype(np.float64)
        low, high = clopper_pearson(np.bincount(pairs.group, values), n, rules.level)
        row[Outcome(cell, AS_INDEPENDENT)] = float(((low <= rate) & (rate <= high)).mean())
        row[Outcome(cell, AS_INDEPENDENT, "mean")] = float((high - low).mean())
        even = _gap(found, rules, rng)
        row[Outcome(cell, EVEN)] = float("nan") if even is None else float(even.p <= 0.05)
        pairs, values, near = _drawn(rng, people, kind, [2 * rate, *[rate] * (GROUPS - 1)])
        planted = _gap(rates(pairs, values, rules, IMPOSTOR, nearest=near), rules, rng)
        known = planted is not None and planted.low is not None and planted.high is not None
        row[Outcome(cell, TWICE)] = float(planted.low <= rate <= planted.high) if known else float("nan")
        row[Outcome(cell, TWICE, "mean")] = planted.high - planted.low if known else float("nan")
    return row


def _drawn(rng: np.random.Generator, people: int, kind: str, rate_of: list[float]) -> tuple[Pairs, Floats, Floats]:
    """Return the pairs, whether each matches falsely, and how near it is to it."""
    parts = []
    for group, rate in enumerate(rate_of):
        first, second = pairs_of(rng, people, kind)
        near = similarities(rng, first, second, people)
        codes = np.full(len(first), group)
        parts.append((first + group * people, second + group * people, codes, (near > 1 - rate).astype(float), near))
    first, second, codes, values, near = (np.concatenate(part) for part in zip(*parts, strict=True))
    return Pairs(first, second, codes.astype(np.int64), len(rate_of)), values, near


def _holds(estimate: Estimate, rate: float) -> bool:
    return estimate.low is not None and estimate.high is not None and estimate.low <= rate <= estimate.high


def _width(estimate: Estimate) -> float:
    return (estimate.high or 0.0) - (estimate.low or 0.0)


def _gap(found: GroupRates, rules: StatisticsRules, rng: np.random.Generator) -> Difference | None:
    chosen = found.measured
    if len(chosen) < GROUPS or not found.values.any():
        return None
    return correlated_gap(
        np.asarray([found.estimates[code].value for code in chosen], dtype=np.float64),
        covariance_of(found, chosen),
        np.asarray([found.estimates[code].n for code in chosen], dtype=np.float64),
        [str(code) for code in chosen],
        rules,
        rng,
        people=sum(found.estimates[code].subjects or 0 for code in chosen),
        faces=len(found.values),
        group_people=np.asarray([found.estimates[code].subjects for code in chosen], dtype=np.int64),
        draws=1000,
    ).largest


STUDY = Study(
    name="pair_intervals",
    version=1,
    title="Coverage of 95 % intervals of false match rates, and gaps between groups of pairs",
    about=(
        f"Impostor pairs of {GROUPS} groups: all pairs of a group's people, or ten of each person with others drawn at "
        "random. A tenth of the variance of a similarity is each of the two people's own."
    ),
    simulate=simulate,
)
