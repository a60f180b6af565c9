"""Gates in words a reader of the report knows: what is measured between whom, in place of keys."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..core.keys import parse_key
from ..core.results import AuditResults, GateOutcome
from .conditions import KINDS, STRENGTHS, under
from .wording import place_title, probe_title, shown_attribute

_KINDS = {"worst_vs_rest": "worst group{} against all others", "gap": "largest gap{}"}
_OF = {
    "absolute": "a change of",
    "relative": "a relative change of",
    "difference": "largest minus smallest",
    "ratio": "smallest over largest",
}
_ANY = "*"


def gate_title(gate: GateOutcome, results: AuditResults) -> str:
    """Name a gate by what it measures and its limit: ``recall of happy (gender = every): at least 0.75``."""
    spec = gate.gate
    where = {str(name): str(value) for name, value in dict(spec.get("where") or {}).items()}
    limits = (("at_least", "at least"), ("at_most", "at most"))
    limit = " ".join(f"{words} {spec[name]:g}" for name, words in limits if isinstance(spec.get(name), (int, float)))
    limit = " ".join(part for part in (_OF.get(str(spec.get("change") or spec.get("across"))), limit) if part)
    named = key_in_words(str(spec.get("measure", "")), results, where)
    return ": ".join(part for part in (named, limit) if part)


def in_words(text: str, gate: GateOutcome, results: AuditResults) -> str:
    """Write the keys of a gate's evidence in words, the longest first, since one may begin another."""
    groups = {item.key: item.estimate.about or "" for item in results.measurements()} if gate.evidence else {}
    for key in sorted(gate.evidence, key=len, reverse=True):
        text = text.replace(key, key_in_words(key, results, about=groups.get(key, "")))
    return text


def key_in_words(key: str, results: AuditResults, where: Mapping[str, str] | None = None, about: str = "") -> str:
    """Write a key, and what a gate adds to it, in words; a key of a probe that is not there stays as it is.

    Args:
        key: of a measurement, or the start of one.
        results: which probes measured.
        where: further parts of slice and condition; ``*`` stands for every value.
        about: between which groups a difference is.
    """
    parsed = parse_key(key) if "/" in key else None
    probe = results.probe(parsed.probe) if parsed is not None else None
    if parsed is None or probe is None:
        return " ".join([key, *([f"({_pairs(where)})"] if where else [])])
    place = {**parsed.slice, **parsed.condition, **(where or {})}
    attribute = place.pop("attribute", None)
    score, dot, kind = parsed.metric.rpartition(".")
    between = _KINDS.get(kind) if dot else None
    done = {name: place.pop(name) for name in (*KINDS, *STRENGTHS) if name in place}
    rest: dict[str, Any] = {name: "every value" if value == _ANY else value for name, value in place.items()}
    if rest.get("label") == "every value":
        rest["label"] = "every class"
    if under(done) is None:
        rest, done = {**rest, **done}, {}
    told = place_title(score if between else parsed.metric, rest, done, probe.probe)
    if between:
        told += f", {between.format(f' ({about})' if about else '')}"
    if attribute is not None:
        told += " by every attribute" if attribute == _ANY else f" by {shown_attribute(attribute)}"
    twice = sum(other.probe == probe.probe for other in results.probes) > 1
    return f"{told} ({probe_title(probe, results)})" if twice else told


def _pairs(where: Mapping[str, str] | None) -> str:
    return ", ".join(f"{name} = {value}" for name, value in sorted((where or {}).items()))
