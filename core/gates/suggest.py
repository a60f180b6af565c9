"""Gates from a run: what it showed, rounded outward, as a commented file to be thought over."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

import yaml

from ..errors import ResultsError
from ..plan import GateSpec
from ..results import AuditResults, Measurement, ProbeResult
from .bounds import EXACT
from .judging import judge
from .matching import ANY, matching

GROUP_PROBE = "group_metrics"
PERFORMANCE_PROBE = "performance"
LEFT_OUT = {"explanation"}  # agreement with a mask is no mark of correctness
GAP = "worst_vs_rest"
PREFERRED = ("accuracy", "recall", "f1", "ccc", "fnmr", "fmr", "auroc")
QUESTIONS = (
    ("group", "whom would the hazard reach?"),
    ("hazard", "what harm does this gate guard against?"),
    ("mitigation", "what is done about it?"),
    ("review_by", "when is the limit looked at again? a day such as 2027-05-01"),
)


@dataclass(frozen=True)
class Suggested:
    """A gate that a run passes, or why it does not though its limit is what the run showed."""

    gate: GateSpec
    told: str
    why_not: str = ""


def gates_from(results: AuditResults, baseline: str | None = None) -> str:
    """Return a file of gates that the run passes: its measurements over all faces, and its worst slices.

    Each limit is the bound that the run showed, rounded outward. Whom a gate is for, against which harm, what is done
    and when it is looked at again are left as questions.

    Args:
        results: the run.
        baseline: path of the run as the file should write it, for gates on a change.

    Raises:
        ResultsError: when the run has no measurement with an interval to make a gate of.
    """
    found = list(suggested(results))
    passing = [one for one in found if not one.why_not]
    if not passing:
        raise ResultsError(
            f"the run {results.name!r} has no measurement over all faces or by group with an interval that a gate "
            "could be made of: look whether its probes ended, with countenance report"
        )
    lines = [
        f"# Gates from the run {_one_line(results.name)} of {_one_line(results.started[:10])}, "
        f"{results.data.faces:,} faces.",
        "# Each limit is the bound that this run showed, rounded outward, and not yet what your use needs: set it, and",
        "# answer the questions. Then: countenance gate RUN --plan THIS_FILE",
        "gates:",
    ]
    for one in passing:
        lines += [f"  # {_one_line(one.told)}", *_lines(one.gate)]
        lines += [f"    {f'{name}:':<12}# {question}" for name, question in QUESTIONS]
    for one in found:
        if one.why_not:
            lines += [f"  # No gate this run would pass: {_one_line(one.why_not)}"]
            lines += [
                f"  # {line.strip()}" if line.startswith("  -") else f"  # {line[2:]}" for line in _lines(one.gate)
            ]
    lines += _lines_of_change(passing[0].gate, baseline)
    lines += [
        "waivers: []   # of a gate that fails and that somebody answers for until a day:",
        "# - {gate: NAME_OR_MEASURE, owner: WHO, reason: WHY, expires: 2027-05-01}",
    ]
    return "\n".join(lines) + "\n"


def suggested(results: AuditResults) -> Iterator[Suggested]:
    """Yield the gates that a decision to ship would hang on, each with what the run showed."""
    for probe in results.probes:
        if probe.status != "ok" or probe.pillar in LEFT_OUT:
            continue
        offered = list(_by_group(probe, results) if probe.probe == GROUP_PROBE else _over_all(probe, results))
        for measure, where in dict.fromkeys(offered):
            one = _suggest(measure, dict(where), results)
            if one is not None:
                yield one


Offer = tuple[str, tuple[tuple[str, str], ...]]


def _over_all(probe: ProbeResult, results: AuditResults) -> Iterator[Offer]:
    """Yield what a probe measured over all faces, under the fewest conditions that it reports.

    Of performance that is every metric, and of every class or dimension the one that counts most; of another probe the
    metric that it reports first.
    """
    usable = [
        item for item in probe.measurements if _counts(item) and not set(item.slice) & set(results.data.attributes)
    ]
    whole = [item for item in usable if not item.slice]
    if probe.probe == PERFORMANCE_PROBE:
        parted = _preferred([item.metric for item in usable if item.slice], 1)
        for item in usable:
            if not item.slice or item.metric in parted:
                yield _offer(probe, item)
    elif whole:
        fewest = min(len(item.condition) for item in whole if item.metric == whole[0].metric)
        for item in whole:
            if item.metric == whole[0].metric and len(item.condition) == fewest:
                yield _offer(probe, item)


def _by_group(probe: ProbeResult, results: AuditResults) -> Iterator[Offer]:
    """Yield the worst group of each attribute and intersection, class by class too, and the gap of the worst group."""
    usable = [item for item in probe.measurements if _counts(item) and not item.condition]
    chosen = _preferred([item.metric for item in usable], 2)
    gaps = {f"{metric}.{GAP}" for metric in chosen}
    for item in probe.measurements:
        attributes = [name for name in item.slice if name in results.data.attributes]
        parted = len(item.slice) > len(attributes)
        whole = item.metric in chosen and attributes and not (parted and len(attributes) > 1)
        if not item.condition and (whole or (item.metric in gaps and "attribute" in item.slice)):
            yield _offer(probe, item)


def _offer(probe: ProbeResult, item: Measurement) -> Offer:
    return f"{probe.id}/{item.metric}", tuple((name, ANY) for name in sorted({**item.slice, **item.condition}))


def _counts(item: Measurement) -> bool:
    return item.direction != "none" and "." not in item.metric and _bounded(item)


def _preferred(metrics: Sequence[str], most: int) -> list[str]:
    """Return the metrics that a decision hangs on most, the first there is where none of them is."""
    there = list(dict.fromkeys(metrics))
    return ([name for name in PREFERRED if name in there] or there)[:most]


def _bounded(item: Measurement) -> bool:
    estimate = item.estimate
    return estimate.value is not None and (estimate.low is not None or estimate.method == EXACT)


def _suggest(measure: str, where: dict[str, str], results: AuditResults) -> Suggested | None:
    """Return a gate at what the run showed, ``None`` where that says nothing: a rate of at least 0, or at most 1."""
    asked = GateSpec(measure=measure, where=where, at_least=0)
    items = [item for item in matching(asked, results) if _bounded(item)]
    if not items:
        return None
    lower = items[0].direction == "lower"
    worst = max(items, key=_high) if lower else min(items, key=_low)
    limit = _outward(_high(worst) if lower else _low(worst), up=lower)
    rates = all(_low(item) >= 0 and _high(item) <= 1 for item in items)
    if rates and ((lower and limit >= 1) or (not lower and limit <= 0)):
        return None
    side = {"at_most": limit} if lower else {"at_least": limit}
    gate = GateSpec.model_validate({"measure": measure, "where": where, **side})
    outcome = judge(gate, results)
    told = (
        f"{'of ' + str(len(items)) + ' measured the worst: ' if len(items) > 1 else ''}{worst.key} is {worst.estimate}"
    )
    return Suggested(gate, told, "" if outcome.verdict == "pass" else f"{outcome.verdict}: {outcome.why}")


def _low(item: Measurement) -> float:
    estimate = item.estimate
    assert estimate.value is not None
    return estimate.value if estimate.low is None else estimate.low


def _high(item: Measurement) -> float:
    """Return the bound that a gate ``at_most`` tests: of a difference between groups its one-sided one."""
    estimate = item.estimate
    assert estimate.value is not None
    if estimate.bound_high is not None and estimate.bound_low is not None:
        return estimate.bound_high
    return estimate.value if estimate.high is None else estimate.high


def _outward(bound: float, *, up: bool) -> float:
    """Round away from what was measured: to two decimals, of what is below a tenth to two digits that count."""
    small = 0 if bound == 0 else max(0, -1 - math.floor(math.log10(abs(bound))))
    step = Decimal(1).scaleb(-2 - small)
    return float(Decimal(repr(bound)).quantize(step, ROUND_CEILING if up else ROUND_FLOOR))


def _lines(gate: GateSpec) -> list[str]:
    """Return the lines of a gate in YAML."""
    limit = f"at_least: {gate.at_least:g}" if gate.at_least is not None else f"at_most: {gate.at_most:g}"
    where = [f"    where: {_where(gate)}"] if gate.where else []
    return [f"  - measure: {_text(gate.measure)}", *where, f"    {limit}"]


def _where(gate: GateSpec) -> str:
    return f"{{{', '.join(f'{_text(name)}: {_text(value)}' for name, value in gate.where.items())}}}"


def _lines_of_change(gate: GateSpec, baseline: str | None) -> list[str]:
    where = f", where: {_where(gate)}" if gate.where else ""
    side = "at_least: -0.02" if gate.at_least is not None else "at_most: 0.02"
    return [
        "  # Held against this run as the baseline, 'no worse by more than 0.02':",
        f"  # - {{measure: {_text(gate.measure)}{where}, change: absolute, {side}}}",
        *([f"# baseline: {_text(baseline)}"] if baseline is not None else []),
    ]


def _text(value: str) -> str:
    """Write a text as YAML on one line, quoted where it must be; what could end the line is escaped."""
    style = None if value.isprintable() else '"'
    plain = style is None
    return yaml.safe_dump(
        value, allow_unicode=plain, default_style=style, default_flow_style=True, width=1_000_000
    ).split("\n")[0]


def _one_line(text: str) -> str:
    """Keep text of the run that stands in a comment from ending it."""
    return "".join(mark if mark.isprintable() else "?" for mark in " ".join(text.split()))
