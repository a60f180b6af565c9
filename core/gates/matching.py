"""Which measurements a gate is about, and what to say where there are none."""

from __future__ import annotations

from collections.abc import Iterable

from ..errors import nearest
from ..keys import MeasurementKey, format_key, parse_key
from ..plan import GateSpec
from ..results import AuditResults, Measurement

ANY = "*"


def matching(gate: GateSpec, results: AuditResults) -> list[Measurement]:
    """Return the measurements a gate is about.

    The names in ``where`` must be exactly those of the measurement's slice and condition; a value of ``*`` stands for
    every value. A key with slice and condition may be written in ``measure`` itself.
    """
    key = parse_key(gate.measure)
    wanted = place_of(gate, key)
    found = []
    for probe in results.probes:
        if probe.id != key.probe:
            continue
        for item in probe.measurements:
            place = {**item.slice, **item.condition}
            same_names = item.metric == key.metric and place.keys() == wanted.keys()
            if same_names and all(value in {ANY, place[name]} for name, value in wanted.items()):
                found.append(item)
    return found


def place_of(gate: GateSpec, key: MeasurementKey | None = None) -> dict[str, str]:
    """Return every part of slice and condition that a gate asks for, ``*`` for any value."""
    key = key or parse_key(gate.measure)
    return {**key.slice, **key.condition, **gate.where}


def floors(gates: Iterable[GateSpec], probe: str) -> dict[str, float]:
    """Return by key the least value that gates ask of single measurements of a probe, the largest where several do."""
    found: dict[str, float] = {}
    for gate in gates:
        key = parse_key(gate.measure)
        condition = {**key.condition, **gate.where}
        of_a_value = gate.change is None and gate.across is None
        if gate.at_least is None or key.probe != probe or key.slice or ANY in condition.values() or not of_a_value:
            continue
        name = format_key(probe, key.metric, None, condition)
        found[name] = max(gate.at_least, found.get(name, gate.at_least))
    return found


def why_nothing_matches(gate: GateSpec, results: AuditResults) -> str:
    """Say what a gate that is about no measurement asks for, and what there is instead, the nearest name first."""
    key = parse_key(gate.measure)
    probe = results.probe(key.probe)
    if probe is None:
        ids = [item.id for item in results.probes]
        return f"no probe has the id {key.probe!r}{nearest(key.probe, ids)}"
    if probe.status != "ok":
        return f"the probe {key.probe} was {probe.status}: {probe.reason}"
    metrics = sorted({item.metric for item in probe.measurements})
    if key.metric not in metrics:
        return (
            f"{key.probe} has no metric {key.metric!r}{nearest(key.metric, metrics)}; it has {', '.join(metrics[:12])}"
        )
    wanted = place_of(gate, key)
    of_metric = [item for item in probe.measurements if item.metric == key.metric]
    offered = {
        format_key(key.probe, key.metric, dict.fromkeys(item.slice, "..."), dict.fromkeys(item.condition, "..."))
        for item in of_metric
    }
    return (
        f"no measurement matches where = {wanted or 'nothing'}{_nearest_value(wanted, of_metric)}: name every part of "
        f"the slice and condition, '*' for any value; there is {', '.join(sorted(offered)[:6])}"
    )


def _nearest_value(wanted: dict[str, str], of_metric: list[Measurement]) -> str:
    """Say which value was probably meant where the names are right and one value is not there."""
    places = [{**item.slice, **item.condition} for item in of_metric]
    alike = [place for place in places if place.keys() == wanted.keys()]
    for name, value in wanted.items():
        known = sorted({place[name] for place in alike})
        if alike and value != ANY and value not in known:
            return f" (no {name} is {value!r}{nearest(value, known)})"
    return ""
