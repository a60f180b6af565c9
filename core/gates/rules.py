"""Gates that contradict themselves: a tolerance of the wrong sign, a rule without what it belongs to."""

from __future__ import annotations

from collections.abc import Iterator

from ..errors import UsageError
from ..keys import parse_key
from ..plan import GateSpec
from ..results import Direction
from .matching import ANY, place_of


def gate_faults(gate: GateSpec) -> list[str]:
    """Return what contradicts itself in a gate as written, each with what to write in its place."""
    return [*_faults_of_change(gate), *_faults_of_across(gate)]


def _faults_of_change(gate: GateSpec) -> Iterator[str]:
    if gate.change is None:
        if gate.improve:
            yield "improve belongs to a gate on a change: add change: absolute (or relative), or leave improve out"
        return
    least, most = gate.at_least, gate.at_most
    if not gate.improve:
        if least is not None and least > 0:
            yield (
                f"at_least: {least:g} asks for a rise by {least:g} and tolerates no loss; for 'no worse by more than "
                f"{least:g}' write at_least: {-least:g}, and where an improvement is what you demand add improve: true"
            )
        if most is not None and most < 0:
            yield (
                f"at_most: {most:g} asks for a fall by {-most:g} and tolerates no loss; for 'no worse by more than "
                f"{-most:g}' write at_most: {-most:g}, and where an improvement is what you demand add improve: true"
            )
    elif (least is not None and least < 0) or (most is not None and most > 0):
        limit = f"at_least: {least:g}" if least is not None else f"at_most: {most:g}"
        yield (
            f"improve: true demands an improvement and {limit} tolerates a loss: leave improve out, or change the sign"
        )
    if gate.change == "relative" and least is not None and least <= -1:
        yield f"at_least: {least:g} lets a measure lose everything: a relative change of -0.05 is a loss of 5 %"


def _faults_of_across(gate: GateSpec) -> Iterator[str]:
    if gate.across is None:
        return
    if gate.change is not None:
        yield "across and change do not go together: write one gate for each"
    if gate.across == "difference" and (gate.at_most is None or gate.at_most < 0):
        yield "across: difference takes at_most, 0 or more: the largest slice minus the smallest is never below 0"
    if gate.across == "ratio" and (gate.at_least is None or not 0 < gate.at_least <= 1):
        yield "across: ratio takes at_least, above 0 and at most 1: the smallest over the largest is never above 1"
    try:
        place = place_of(gate, parse_key(gate.measure))
    except UsageError:
        return  # told where the key is checked
    if ANY not in place.values():
        yield "across needs the slices that it goes across: write '*' for a value in where, e.g. {gender: '*'}"


def wrong_side(gate: GateSpec, direction: Direction) -> str | None:
    """Say what to write where the limit on a change is on the side where the measure is better, ``None`` if it is not.

    Only the results know which way a measure is better, so this is told when the gate is judged.
    """
    limit = gate.at_least if gate.at_least is not None else gate.at_most
    assert limit is not None
    if direction == "higher" and gate.at_most is not None:
        side, written = "higher", f"at_least: {abs(limit):g}" if gate.improve else f"at_least: {-abs(limit) + 0.0:g}"
    elif direction == "lower" and gate.at_least is not None:
        side, written = "lower", f"at_most: {-abs(limit) + 0.0:g}" if gate.improve else f"at_most: {abs(limit):g}"
    else:
        return None
    asked = f"a change for the better by {abs(limit):g}" if gate.improve else f"'no worse by more than {abs(limit):g}'"
    return f"the measure is better when it is {side}: for {asked} write {written}"
