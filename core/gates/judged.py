"""What the tests of single slices give, from which the verdict on a gate is made."""

from __future__ import annotations

from dataclasses import dataclass

from ..plan import GateSpec
from ..results import Measurement, Verdict
from .bounds import Bounds

NO_INTERVAL = "it has no interval, so no bound can be tested"
NOT_SETTLED = "the limit lies inside the interval, so these faces cannot settle it"


@dataclass(frozen=True)
class Judged:
    """One slice judged.

    Attributes:
        key: of the measurement.
        verdict: on this slice by itself, the failing bound widened for all that are judged.
        margin: how far its estimate is on the right side of the limit.
        told: what was measured, in words.
        why: what decides, in words; empty where the numbers say it.
    """

    key: str
    verdict: Verdict
    margin: float
    told: str
    why: str = ""


@dataclass(frozen=True)
class NotJudged:
    """One slice that could not be judged, why, and whether groups too small for it block a pass of the others."""

    key: str
    reason: str
    blocks: bool = False


def limit_of(gate: GateSpec) -> float:
    """Return the limit of a gate."""
    limit = gate.at_least if gate.at_least is not None else gate.at_most
    assert limit is not None
    return limit


def told_limit(gate: GateSpec) -> str:
    """Say what a gate asks for: ``at least 0.8``, ``a change of at least -0.02``, ``a difference of at most 0.05``."""
    limit = f"{'at least' if gate.at_least is not None else 'at most'} {limit_of(gate):g}"
    if gate.change is not None:
        return f"a {'relative ' if gate.change == 'relative' else ''}change of {limit}"
    if gate.across is not None:
        what = "largest minus smallest" if gate.across == "difference" else "smallest over largest"
        return f"{what} {limit}"
    return limit


def margin_of(gate: GateSpec, value: float) -> float:
    """Return how far a value is on the right side of the limit."""
    return value - limit_of(gate) if gate.at_least is not None else limit_of(gate) - value


def verdict_of(gate: GateSpec, passing: Bounds, failing: Bounds) -> Verdict:
    """Return the verdict of two pairs of bounds: those that every slice has to pass, and those that any may fail."""
    limit = limit_of(gate)
    if gate.at_least is not None:
        return "fail" if failing.high < limit else "pass" if passing.low >= limit else "inconclusive"
    return "fail" if failing.low > limit else "pass" if passing.high <= limit else "inconclusive"


def too_few(gate: GateSpec, item: Measurement) -> str | None:
    """Say why a measurement has too few rows for a gate with ``min_n``, ``None`` where it has enough."""
    if gate.min_n is None or (item.estimate.n is not None and item.estimate.n >= gate.min_n):
        return None
    if item.estimate.n is None:
        return f"it does not say how many rows it is of, and the gate asks for {gate.min_n:,}"
    return f"n = {item.estimate.n:,}, and the gate asks for {gate.min_n:,}"
