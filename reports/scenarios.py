"""Gates as bias scenarios: whom a harm would reach, which, by what measure it is seen, the limit, and what follows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pydantic import ValidationError

from ..cards.gate_words import key_in_words
from ..cards.unfinished import gate_reason
from ..core.errors import ResultsError
from ..core.gates.judged import told_limit
from ..core.gates.waivers import told_verdict
from ..core.plan import GateSpec
from ..core.results import AuditResults, GateOutcome


@dataclass(frozen=True)
class Scenario:
    """One gate.

    Attributes:
        anchor: of its row.
        name: the name that the plan gives it; empty where it gives none.
        measure: what is measured, in words.
        threshold: the limit, in words, with what narrows it.
        verdict: ``pass``, ``fail``, ``inconclusive`` or ``not measured``.
        told: the verdict with the waiver that covers it.
        waived: why somebody answers for it; empty without a waiver.
        why: how the verdict came about, in words.
        evidence: keys it rests on.
        group: whom the hazard would reach; empty where the gate does not say, as the following.
        hazard: the harm it guards against.
        mitigation: what is done about it.
        review: by when it is to be looked at again.
        overdue: whether that day was past when the audit ran.
    """

    anchor: str
    name: str
    measure: str
    threshold: str
    verdict: str
    told: str
    waived: str
    why: str
    evidence: tuple[str, ...]
    group: str
    hazard: str
    mitigation: str
    review: str
    overdue: bool


def scenarios(results: AuditResults) -> tuple[Scenario, ...]:
    """Return the gates of an audit in the order of the plan.

    Raises:
        ResultsError: when a gate of the results is none.
    """
    try:
        specs = [GateSpec.model_validate(outcome.gate) for outcome in results.gates]
    except ValidationError as error:
        raise ResultsError(f"results.json holds a gate that cannot be read as one: {error}") from error
    rows = zip(results.gates, specs, strict=True)
    return tuple(_scenario(position, *row, results) for position, row in enumerate(rows, start=1))


def _scenario(position: int, outcome: GateOutcome, spec: GateSpec, results: AuditResults) -> Scenario:
    review = spec.review_by.isoformat() if spec.review_by else ""
    return Scenario(
        anchor=f"gate-{position}",
        name=spec.id or "",
        measure=key_in_words(spec.measure, results, dict(spec.where)),
        threshold="; ".join([told_limit(spec), *_rules(spec)]),
        verdict=outcome.verdict,
        told=told_verdict(outcome),
        waived=str(outcome.waiver.get("reason", "")) if outcome.waiver is not None else "",
        why=gate_reason(outcome, results),
        evidence=tuple(outcome.evidence),
        group=spec.group or "",
        hazard=spec.hazard or "",
        mitigation=spec.mitigation or "",
        review=review,
        overdue=bool(review) and review < results.started[:10],
    )


def _rules(spec: GateSpec) -> Iterator[str]:
    """Tell the further rules that a gate does not share with the usual one."""
    if spec.improve:
        yield "must improve"
    if spec.min_n is not None:
        yield f"at n of {spec.min_n:,} or more"
    if spec.confidence is not None:
        yield f"at {100 * spec.confidence:g} % confidence"
    if spec.correction == "none":
        yield "not corrected for the number of slices"
    if spec.require == "all":
        yield "every slice measured"


def verdict_counts(rows: tuple[Scenario, ...]) -> list[tuple[str, str, int]]:
    """Return how many gates came to each verdict, the gravest first: class of its mark, words, count.

    A waived gate is counted apart: it failed, and somebody answers for it.
    """
    found: dict[tuple[str, str], int] = {}
    for verdict in ("fail", "not measured", "inconclusive", "pass"):
        for waived in (False, True):
            count = sum(row.verdict == verdict and (row.told != row.verdict) == waived for row in rows)
            if count:
                found[f"{verdict}{' waived' if waived else ''}", f"{verdict}{', waived' if waived else ''}"] = count
    return [(kind, words, count) for (kind, words), count in found.items()]


def told_columns(rows: tuple[Scenario, ...]) -> Mapping[str, bool]:
    """Say which of the optional columns at least one gate fills."""
    return {name: any(getattr(row, name) for row in rows) for name in ("group", "hazard", "mitigation", "review")}
