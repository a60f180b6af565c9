"""Waivers: somebody answers for a gate that failed, until a date; after it the gate fails again."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

from ..errors import PlanError, nearest
from ..plan import GateSpec, WaiverSpec
from ..results import GateOutcome
from .names import gate_id, gate_ids

WAIVED = {"fail", "not measured"}


def waived_gate(waiver: WaiverSpec, gates: Sequence[GateSpec]) -> int:
    """Return the position of the gate that a waiver is for: by its name, or by its measure as written.

    Raises:
        PlanError: where no gate is called so, or several are.
    """
    names = gate_ids(gates)
    if waiver.gate in names:
        return names.index(waiver.gate)
    found = [place for place, gate in enumerate(gates) if waiver.gate in {gate.measure, gate_id(gate)}]
    if len(found) == 1:
        return found[0]
    if found:
        raise PlanError(
            f"the waiver of {waiver.owner} names {waiver.gate!r}, which {len(found)} gates measure: name one of "
            f"{', '.join(repr(names[place]) for place in found)}"
        )
    known = [*names, *(gate.measure for gate in gates)]
    told = nearest(waiver.gate, known) or (f"; there are {', '.join(map(repr, names[:8]))}" if names else "")
    raise PlanError(f"the waiver of {waiver.owner} is for {waiver.gate!r}, and there is no such gate{told}")


def with_waivers(
    outcomes: Sequence[GateOutcome], gates: Sequence[GateSpec], waivers: Sequence[WaiverSpec], today: date
) -> list[GateOutcome]:
    """Return the outcomes with the waivers that cover them; the verdict of a covered gate stays what it is.

    A waiver holds on the day that it expires. A failed gate whose waivers have all expired says so.

    Args:
        outcomes: one per gate.
        gates: the gates, in the same order.
        waivers: of these gates; of several in force for one gate the one that holds longest is taken.
        today: the day of judging.

    Raises:
        PlanError: for a waiver that names no gate.
    """
    by_gate: dict[int, list[WaiverSpec]] = {}
    for waiver in waivers:
        by_gate.setdefault(waived_gate(waiver, gates), []).append(waiver)
    return [_with_waiver(outcome, by_gate.get(place, []), today) for place, outcome in enumerate(outcomes)]


def _with_waiver(outcome: GateOutcome, waivers: Sequence[WaiverSpec], today: date) -> GateOutcome:
    if not waivers or outcome.verdict not in WAIVED:
        return outcome
    last = max(waivers, key=lambda waiver: waiver.expires)
    if last.expires < today:
        told = f"{outcome.why}; the waiver of {last.owner} expired on {last.expires.isoformat()}"
        return outcome.model_copy(update={"why": told})
    return outcome.model_copy(update={"waiver": last.model_dump(mode="json", include={"owner", "reason", "expires"})})


def unneeded(outcomes: Sequence[GateOutcome], gates: Sequence[GateSpec], waivers: Sequence[WaiverSpec]) -> list[str]:
    """Say which waivers cover nothing, because their gate neither failed nor went unmeasured."""
    names = gate_ids(gates)
    told = []
    for waiver in waivers:
        place = waived_gate(waiver, gates)
        verdict = outcomes[place].verdict
        if verdict not in WAIVED:
            told.append(f"the waiver of {waiver.owner} for {names[place]} is not needed: the verdict is {verdict}")
    return told


def told_verdict(outcome: GateOutcome) -> str:
    """Return the verdict of a gate with the waiver that covers it: ``fail, waived until 2027-05-01 by A. Owner``."""
    waiver: dict[str, Any] | None = outcome.waiver
    if waiver is None:
        return outcome.verdict
    return f"{outcome.verdict}, waived until {waiver.get('expires')} by {waiver.get('owner')}"
