"""Gates as bias scenarios, and findings of policy: the items of the card that say what was to be prevented."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pydantic import ValidationError

from ..core.errors import ResultsError
from ..core.gates.judged import told_limit
from ..core.gates.names import outcome_ids
from ..core.gates.waivers import told_verdict
from ..core.plan import GateSpec
from ..core.results import AuditResults, Finding, GateOutcome
from .gate_words import key_in_words
from .tree import Block, BulletList, Heading, Item, Paragraph, Part, TableBlock
from .unfinished import gate_reason, gates_not_judged, gates_text
from .wording import plural

SEVERITY = {"high": "High", "medium": "Medium", "low": "Low", "note": "Note"}
_NO_GATES = "The plan names no gate, so nothing was held against a limit."


def policy_item(results: AuditResults, name: str) -> Item | None:
    """Return the findings of policy as an item, the gravest first; ``None`` where there is none.

    Args:
        results: of the audit, with the findings of policy.
        name: of the item.
    """
    if not results.policy:
        return None
    entries = tuple(
        Paragraph.of(f"{SEVERITY[finding.severity]}: {_ended(finding.claim)}") for finding in results.policy
    )
    sources = Paragraph.of(
        "Sources and dates stand with the provisions at the end of the card. This is no legal advice."
    )
    return Item(name, "Policy", "measured", (BulletList(entries), sources))


def claim_text(finding: Finding) -> str:
    """Return the claim of a finding with its caveats, each a whole sentence."""
    caveats = f" Caveats: {' '.join(map(_ended, finding.caveats))}" if finding.caveats else ""
    return f"{_ended(finding.claim)}{caveats}"


def _ended(text: str) -> str:
    """Close a sentence that its writer left open."""
    return text if text.endswith((".", "!", "?")) else f"{text}."


def gates_item(results: AuditResults, name: str) -> Item:
    """Return the gates as an item: one table of verdicts, then a bias scenario for each gate that states one.

    Args:
        results: of the audit.
        name: of the item.

    Raises:
        ResultsError: when a gate of the results is none.
    """
    missing = gates_not_judged(results)
    if not results.gates:
        return Item(name, "Gates", "not measured", reason=gates_text(missing) if missing else _NO_GATES)
    blocks = tuple(_blocks(results))
    told = (Paragraph.of(gates_text(missing)),) if missing else ()
    return Item(name, "Gates", "measured", (*blocks, *told))


def _blocks(results: AuditResults) -> Iterator[Block]:
    specs = _specs(results.gates)
    names = outcome_ids(results.gates)
    judged = list(zip(results.gates, specs, names, strict=True))
    rows: list[tuple[Part, ...]] = [
        (_measured(spec, results), told_limit(spec), told_verdict(outcome), gate_reason(outcome, results))
        for outcome, spec, _ in judged
    ]
    yield TableBlock(
        ("what is measured", "limit", "verdict", "why"),
        tuple(rows),
        f"{plural(len(judged), 'gate')}, judged when the audit ran",
    )
    yield Paragraph.of(
        "A pass says that the bound of the interval keeps the limit at this number of faces; it does not say that "
        "there is no difference."
    )
    for outcome, spec, gate_name in judged:
        if _states(outcome, spec):
            yield Heading(f"Scenario: {spec.hazard or spec.id or gate_name}")
            yield BulletList(tuple(Paragraph.of(f"{title}: {text}") for title, text in _record(outcome, spec, results)))
    silent = sum(not _states(outcome, spec) for outcome, spec, _ in judged)
    if silent:
        yield Paragraph.of(
            f"Of {plural(silent, 'gate')} the plan states no group, hazard, mitigation or day of review."
        )


def _states(outcome: GateOutcome, spec: GateSpec) -> bool:
    stated = (spec.group, spec.hazard, spec.mitigation, spec.review_by, outcome.waiver)
    return any(value is not None for value in stated)


def _record(outcome: GateOutcome, spec: GateSpec, results: AuditResults) -> Iterator[tuple[str, str]]:
    """Yield the parts of a bias scenario, each with its title; what the plan leaves out is told as not stated."""
    yield "Group", spec.group or "not stated"
    yield "Hazard", spec.hazard or "not stated"
    yield "Measure", _measured(spec, results)
    yield "Threshold", "; ".join([told_limit(spec), *_rules(spec)])
    yield "Verdict", told_verdict(outcome)
    yield "Mitigation", spec.mitigation or "not stated"
    yield "Review by", _review(spec, results)
    if outcome.waiver is not None:
        told = (str(outcome.waiver.get(part) or "not stated") for part in ("owner", "reason", "expires"))
        owner, reason, expires = told
        yield "Waiver", f"{owner} answers for it until {expires}; reason: {reason}"


def _review(spec: GateSpec, results: AuditResults) -> str:
    if spec.review_by is None:
        return "not stated"
    day = spec.review_by.isoformat()
    return f"{day}, which was past when the audit ran" if day < results.started[:10] else day


def _rules(spec: GateSpec) -> Iterator[str]:
    """Yield what narrows a limit beyond the usual rules."""
    if spec.improve:
        yield "must be an improvement"
    if spec.min_n is not None:
        yield f"slices of {spec.min_n:,} rows or more"
    if spec.confidence is not None:
        yield f"bound at {100 * spec.confidence:g} % confidence"
    if spec.correction == "none":
        yield "not corrected for the number of slices"
    if spec.require == "all":
        yield "every slice measured"


def _measured(spec: GateSpec, results: AuditResults) -> str:
    return key_in_words(spec.measure, results, dict(spec.where))


def _specs(outcomes: Sequence[GateOutcome]) -> list[GateSpec]:
    try:
        return [GateSpec.model_validate(outcome.gate) for outcome in outcomes]
    except ValidationError as error:
        raise ResultsError(f"results.json holds a gate that cannot be read as one: {error}") from error
