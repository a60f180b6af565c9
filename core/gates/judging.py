"""Gates: a limit on measurements, and the verdict pass, fail, inconclusive or not measured.

A gate tests a bound and not a point. ``at_most`` fails when the lower bound is above the limit and passes when the
upper bound is not; ``at_least`` the other way round; between the two it is inconclusive. Where one gate judges
several groups, *every* group has to pass, which needs no correction (an intersection-union test); *any* group may
fail it, so the bound that fails a gate is widened for the number of groups (Bonferroni). Widening scales the distance
from the estimate to its bound by the ratio of the normal quantiles, which is approximate for a skewed interval. The
difference between groups brings one-sided bounds of its own, which already hold over all questions of its probe.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from scipy.special import ndtri

from ..errors import nearest
from ..keys import format_key, parse_key
from ..plan import GateSpec
from ..results import AuditResults, Estimate, GateOutcome, Measurement, Verdict

ANY = "*"
EXACT = "exact"


def judge_all(gates: Iterable[GateSpec], results: AuditResults) -> list[GateOutcome]:
    """Return the outcome of each gate."""
    return [judge(gate, results) for gate in gates]


def judge(gate: GateSpec, results: AuditResults) -> GateOutcome:
    """Return the verdict on one gate and, in words, why."""
    written = gate.model_dump(mode="json", exclude_defaults=True)
    matched = matching(gate, results)
    if not matched:
        return GateOutcome(gate=written, verdict="not measured", why=_why_nothing_matches(gate, results))
    measured = [item for item in matched if item.estimate.value is not None]
    unmeasured = [item for item in matched if item.estimate.value is None]
    if not measured:
        first = unmeasured[0].estimate
        why = f"{_count(len(unmeasured))} matched and none was measured: {first.reason}"
        return GateOutcome(gate=written, verdict="not measured", why=why, evidence=[item.key for item in unmeasured])
    judged = [_judge_one(gate, item, len(measured)) for item in measured]
    blocked = bool(unmeasured) if gate.require == "all" else any(item.estimate.groups_left_out for item in unmeasured)
    verdict = _overall([one.verdict for one in judged], blocked)
    deciding = [one for one in judged if one.verdict == verdict] or judged
    worst = min(deciding, key=lambda one: one.margin)
    return GateOutcome(
        gate=written,
        verdict=verdict,
        why=_tell(gate, verdict, worst, len(measured), unmeasured, _beside(worst.item, results)),
        evidence=[one.item.key for one in sorted(judged, key=lambda one: one.margin)[:20]],
    )


def matching(gate: GateSpec, results: AuditResults) -> list[Measurement]:
    """Return the measurements a gate is about.

    The names in ``where`` must be exactly those of the measurement's slice and condition; a value of ``*`` stands for
    every value. A key with slice and condition may be written in ``measure`` itself.
    """
    key = parse_key(gate.measure)
    wanted = {**key.slice, **key.condition, **gate.where}
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


def floors(gates: Iterable[GateSpec], probe: str) -> dict[str, float]:
    """Return by key the least value that gates ask of single measurements of a probe, the largest where several do."""
    found: dict[str, float] = {}
    for gate in gates:
        key = parse_key(gate.measure)
        condition = {**key.condition, **gate.where}
        if gate.at_least is None or key.probe != probe or key.slice or ANY in condition.values():
            continue
        name = format_key(probe, key.metric, None, condition)
        found[name] = max(gate.at_least, found.get(name, gate.at_least))
    return found


def _beside(item: Measurement, results: AuditResults) -> tuple[Estimate | None, float | None, Estimate | None]:
    """Return the size of a difference that would have been shown, for which tolerance, and the faces that it takes."""
    probe = results.probe(item.key.partition("/")[0])
    if probe is None:
        return None, None, None
    here = {
        other.metric: other.estimate
        for other in probe.measurements
        if other.slice == item.slice and other.condition == item.condition
    }
    tolerance = probe.params.get("tolerance")
    limit = float(tolerance) if isinstance(tolerance, (int, float)) else None
    return here.get(f"{item.metric}.detectable"), limit, here.get(f"{item.metric}.faces_to_pass")


@dataclass(frozen=True)
class _Judged:
    """One measurement judged: its verdict, and how far its estimate is on the right side of the limit."""

    item: Measurement
    verdict: Verdict
    margin: float


def _judge_one(gate: GateSpec, item: Measurement, count: int) -> _Judged:
    estimate = item.estimate
    assert estimate.value is not None
    at_most = gate.at_most is not None
    limit = gate.at_most if gate.at_most is not None else gate.at_least
    assert limit is not None
    margin = limit - estimate.value if at_most else estimate.value - limit
    low, high = estimate.low, estimate.high
    if estimate.method == EXACT and low is None and high is None:
        low = high = estimate.value  # counted, not estimated: a second run would give the same
    if low is None or high is None:
        return _Judged(item, "inconclusive", margin)
    if at_most and estimate.bound_low is not None and estimate.bound_high is not None:
        return _Judged(item, gap_verdict(estimate, limit), margin)
    widening = _widening(estimate.level or 0.95, count)
    if at_most:
        failed = estimate.value - (estimate.value - low) * widening > limit
        passed = high <= limit
    else:
        failed = estimate.value + (high - estimate.value) * widening < limit
        passed = low >= limit
    passed = passed and not estimate.groups_left_out  # an index of groups is about all of them
    return _Judged(item, "fail" if failed else "pass" if passed else "inconclusive", margin)


def gap_verdict(estimate: Estimate, limit: float) -> Verdict:
    """Return the verdict on a difference between groups, whose bounds are one-sided.

    The lower one holds over all questions of the probe at once, so it is not widened. "No difference is larger" is a
    claim about every group, and groups too small to take part block it.
    """
    if estimate.value is None:
        return "not measured"
    if estimate.bound_low is None or estimate.bound_high is None:
        return "inconclusive"
    if estimate.bound_low > limit:
        return "fail"
    return "pass" if estimate.bound_high <= limit and not estimate.groups_left_out else "inconclusive"


def told_gap(
    estimate: Estimate,
    limit: float,
    detectable: Estimate | None,
    tolerance: float | None = None,
    needed: Estimate | None = None,
) -> str:
    """Say what the bounds of a difference between groups allow to claim, and what would have been shown.

    Args:
        estimate: the difference.
        limit: largest difference that is accepted.
        detectable: smallest true difference that would be shown to exceed ``tolerance``; at another limit it is taken
            to be as far above, which is approximate.
        tolerance: what ``detectable`` and ``needed`` were worked out for; the limit unless given.
        needed: independent faces in each group with which a model without a difference would pass.
    """
    verdict = gap_verdict(estimate, limit)
    if verdict == "not measured":
        return f"not measured: {estimate.reason}"
    if estimate.bound_low is None or estimate.bound_high is None:
        return "no bound: the data have no variation to judge by"
    low, high, level = estimate.bound_low, estimate.bound_high, f"{100 * (estimate.level or 0.95):g} %"
    if verdict == "fail":
        return f"above {limit:g}: it is at least {low:.3f} ({level}, all questions of the probe at once)"
    if verdict == "pass":
        return f"no gap above {limit:g}: it is at most {high:.3f} ({level}, n = {estimate.n or 0:,})"
    left = estimate.groups_left_out or 0
    if high <= limit:
        return f"at most {high:.3f} between {estimate.groups} groups, but {_too_small(left)}"
    told = f"no gap above {limit:g} could be shown"
    if detectable is not None and detectable.value is not None:
        size = detectable.value + limit - (limit if tolerance is None else tolerance)
        told += f"; {'' if tolerance in (None, limit) else 'about '}{size:.2f} would have been"
    elif detectable is not None:
        told += ", and none of any size would have been for every group"
    told += f"; it may be as large as {high:.3f}"
    if needed is not None and needed.value is not None and limit > 0:
        faces = needed.value * ((limit if tolerance is None else tolerance) / limit) ** 2
        told += (
            f"; a model without any gap would pass with about {float(f'{faces:.2g}'):,.0f} independent faces a group"
        )
    return told


def _too_small(groups: int) -> str:
    return f"{'1 group is' if groups == 1 else f'{groups} groups are'} too small to be judged"


def _widening(level: float, count: int) -> float:
    """Return by how much a bound moves out so that all of ``count`` hold together at ``level``."""
    tail = (1 - level) / 2
    return float(ndtri(tail / count) / ndtri(tail))


def _overall(verdicts: Sequence[Verdict], blocked: bool) -> Verdict:
    """Return one verdict; a pass is blocked by what had to be measured and could not, or by groups too small for it."""
    if "fail" in verdicts:
        return "fail"
    if "inconclusive" in verdicts or blocked:
        return "inconclusive"
    return "pass"


def _tell(
    gate: GateSpec,
    verdict: Verdict,
    worst: _Judged,
    count: int,
    unmeasured: Sequence[Measurement],
    beside: tuple[Estimate | None, float | None, Estimate | None],
) -> str:
    side = "at most" if gate.at_most is not None else "at least"
    limit = gate.at_most if gate.at_most is not None else gate.at_least
    told = f"{worst.item.key} is {worst.item.estimate}; the limit is {side} {limit:g}"
    if gate.at_most is not None and worst.item.estimate.bound_high is not None:
        told += f"; {told_gap(worst.item.estimate, gate.at_most, *beside)}"
    elif worst.verdict == "inconclusive":
        if worst.item.estimate.low is None:
            told += "; it has no interval, so no bound can be tested"
        elif worst.item.estimate.groups_left_out:
            told += f"; {_too_small(worst.item.estimate.groups_left_out)}, which blocks a pass"
        else:
            told += "; the limit lies inside the interval, so these faces cannot settle it"
    if verdict == "inconclusive" and worst.verdict == "pass":
        if gate.require == "all":
            told += "; the gate requires every group to be measured"
        else:
            told += "; a difference of which groups too small to be judged are part blocks a pass"
    if count > 1:
        told = f"of {count} judged, {'the worst' if verdict != 'pass' else 'the nearest to the limit'}: {told}"
    if unmeasured:
        told += f" ({_count(len(unmeasured))} not measured, e.g. {unmeasured[0].key}: {unmeasured[0].estimate.reason})"
    return told


def _why_nothing_matches(gate: GateSpec, results: AuditResults) -> str:
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
    wanted = {**key.slice, **key.condition, **gate.where}
    offered = {
        format_key(key.probe, key.metric, dict.fromkeys(item.slice, "..."), dict.fromkeys(item.condition, "..."))
        for item in probe.measurements
        if item.metric == key.metric
    }
    return (
        f"no measurement matches where = {wanted or 'nothing'}: name every part of the slice and condition, "
        f"'*' for any value; there is {', '.join(sorted(offered)[:6])}"
    )


def _count(number: int) -> str:
    return "1 measurement" if number == 1 else f"{number} measurements"
