"""The name of a gate: what a waiver, a test report and a scanner's rule call it by."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ..errors import UsageError
from ..keys import escape, parse_key
from ..plan import GateSpec
from ..results import GateOutcome
from .matching import ANY


def gate_id(gate: GateSpec) -> str:
    """Return the stable name of a gate: its ``id``, or one made of all that decides the verdict.

    The made name holds the measure with its place, the limit and, after semicolons, each further rule that is not the
    usual one: ``group_metrics/recall[gender=*,label=happy]>=0.6;min_n=30``. Two gates have the same made name only
    where they are judged alike; see :func:`gate_ids`.
    """
    if gate.id:
        return gate.id
    side, limit = (">=", gate.at_least) if gate.at_least is not None else ("<=", gate.at_most)
    assert limit is not None
    parts = [f"{_place(gate)}{side}{_number(limit)}"]
    parts += [f"{name}={value}" for name, value in _further(gate).items()]
    return ";".join(parts)


def gate_ids(gates: Iterable[GateSpec]) -> list[str]:
    """Return the names of several gates, all different: the second of one name gets ``#2``, the third ``#3``."""
    return _all_different([gate_id(gate) for gate in gates])


def outcome_ids(outcomes: Iterable[GateOutcome]) -> list[str]:
    """Return the names of judged gates, all different, as :func:`gate_ids` gave them when they were judged."""
    return gate_ids(GateSpec.model_validate(outcome.gate) for outcome in outcomes)


def _all_different(names: Sequence[str]) -> list[str]:
    taken: set[str] = set()
    different = []
    for name in names:
        candidate, number = name, 1
        while candidate in taken or (number > 1 and candidate in names):
            number += 1
            candidate = f"{name}#{number}"
        taken.add(candidate)
        different.append(candidate)
    return different


def _place(gate: GateSpec) -> str:
    """Return the measure with the place it asks for; a measure that is no key stays as written."""
    try:
        key = parse_key(gate.measure)
    except UsageError:
        return gate.measure
    condition = {name: value for name, value in key.condition.items() if name not in gate.where}
    inside = ",".join(f"{escape(n)}={_value(v)}" for n, v in sorted({**key.slice, **gate.where}.items()))
    behind = ",".join(f"{escape(n)}={_value(v)}" for n, v in sorted(condition.items()))
    return f"{key.probe}/{escape(key.metric)}{f'[{inside}]' if inside else ''}{f'@{behind}' if behind else ''}"


def _value(value: str) -> str:
    return value if value == ANY else escape(value)


def _number(value: float) -> str:
    short = f"{value:g}"
    return short if float(short) == value else repr(float(value))


def _further(gate: GateSpec) -> dict[str, str]:
    rules: dict[str, str] = {}
    if gate.change is not None:
        rules["change"] = gate.change
    if gate.across is not None:
        rules["across"] = gate.across
    if gate.min_n is not None:
        rules["min_n"] = str(gate.min_n)
    if gate.confidence is not None:
        rules["confidence"] = _number(gate.confidence)
    if gate.correction != "bonferroni":
        rules["correction"] = gate.correction
    if gate.require != "measured":
        rules["require"] = gate.require
    return rules
