"""Gates on the change against a baseline run: new minus old, or new over old minus 1, as a two-sample statement."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ..errors import nearest
from ..plan import GateSpec
from ..results import AuditResults, Measurement
from .bounds import Bounds, at_tail, difference, ratio, tail_of
from .gaps import too_small
from .judged import NO_INTERVAL, NOT_SETTLED, Judged, NotJudged, margin_of, too_few, verdict_of
from .rules import wrong_side

PairedChange = Callable[[str, float, bool], Bounds | None]
"""Given a key, the error per side, and whether the change is relative, returns the change of a measurement with its
bounds from the faces that both runs audited; ``None`` where it cannot, and the two intervals are taken."""


def why_unfit(results: AuditResults, baseline: AuditResults) -> str | None:
    """Say why a run cannot be held against a baseline at all: another task, or other classes."""
    was, now = baseline.target, results.target
    if was.task != now.task:
        return f"the baseline {baseline.name!r} has the task {was.task} and this run {now.task}"
    if set(was.classes) != set(now.classes):
        apart = sorted(set(was.classes) ^ set(now.classes))
        return f"the classes of the baseline {baseline.name!r} are others: {', '.join(apart)} stand in one run only"
    return None


def about_baseline(results: AuditResults, baseline: AuditResults) -> str:
    """Name the baseline, and say whether it audited the same faces and what follows."""
    name = f"the baseline is {baseline.name!r} of {baseline.started[:10] or 'no known day'}"
    one, other = results.data.sha256, baseline.data.sha256
    if not one or not other:
        return f"{name}; whether it audited the same faces is not known, so the runs are taken as two samples"
    if one == other:
        return f"{name}, of the same faces"
    return f"{name}; it audited other data (the hash differs), so the runs are taken as two samples"


def judge_changes(
    gate: GateSpec,
    matched: Sequence[Measurement],
    before: Sequence[Measurement],
    results: AuditResults,
    baseline: AuditResults,
    paired: PairedChange | None = None,
) -> tuple[list[Judged], list[NotJudged]]:
    """Judge the change of each measurement; what only one of the runs has measured is not judged and told.

    Args:
        gate: with ``change``.
        matched: the measurements of this run.
        before: those of the baseline that the gate is about.
        results: this run.
        baseline: the run it is held against.
        paired: tests the same faces in pairs, where both runs audited the same.
    """
    known = {item.key: item for item in before}
    pairs, not_judged = [], []
    for item in matched:
        old = known.pop(item.key, None)
        reason = _refused(gate, item, old, results, baseline)
        if reason is None and old is not None:
            pairs.append((item, old))
        else:
            not_judged.append(NotJudged(item.key, reason or "", blocks=bool(item.estimate.groups_left_out)))
    for key in known:
        hint = nearest(key, (item.key for item in results.measurements()))
        not_judged.append(NotJudged(key, f"the baseline measured it and this run has no such measurement{hint}"))
    same = bool(results.data.sha256) and results.data.sha256 == baseline.data.sha256
    chosen = paired if same else None
    return [_judge(gate, new, old, len(pairs), chosen) for new, old in pairs], not_judged


def _refused(
    gate: GateSpec, new: Measurement, old: Measurement | None, results: AuditResults, baseline: AuditResults
) -> str | None:
    if old is None:
        known = {item.key for item in baseline.measurements()}
        return f"the baseline has no such measurement{nearest(new.key, known)}"
    probe_id = new.key.partition("/")[0]
    one, other = results.probe(probe_id), baseline.probe(probe_id)
    if one is not None and other is not None and one.probe != other.probe:
        return f"{probe_id} is the probe {other.probe} in the baseline and {one.probe} in this run"
    if new.estimate.value is None:
        return new.estimate.reason
    if old.estimate.value is None:
        return f"in the baseline: {old.estimate.reason}"
    few = too_few(gate, new) or too_few(gate, old)
    if few is not None:
        return few
    if gate.change == "relative" and (new.estimate.value < 0 or old.estimate.value <= 0):
        return (
            f"a relative change needs measures above 0, and this one went from {old.estimate.value:.3f} to "
            f"{new.estimate.value:.3f}: write change: absolute"
        )
    return wrong_side(gate, new.direction)


def _judge(gate: GateSpec, new: Measurement, old: Measurement, count: int, paired: PairedChange | None) -> Judged:
    tail = tail_of(gate.confidence or new.estimate.level)
    widened = tail / count if gate.correction == "bonferroni" else tail
    relative = gate.change == "relative"
    found = [None, None] if paired is None else [paired(new.key, each, relative) for each in (tail, widened)]
    in_pairs = None not in found
    passing, failing = found if in_pairs else [_apart(new, old, each, relative) for each in (tail, widened)]
    told = f"{new.key} was {old.estimate} and is {new.estimate}"
    if passing is None or failing is None:
        assert new.estimate.value is not None
        assert old.estimate.value is not None
        change = new.estimate.value / old.estimate.value - 1 if relative else new.estimate.value - old.estimate.value
        told += f": a {'relative ' if relative else ''}change of {change:+.3f}"
        return Judged(new.key, "inconclusive", margin_of(gate, change), told, NO_INTERVAL)
    told += f": a {'relative ' if relative else ''}change of {passing}{', face by face' if in_pairs else ''}"
    verdict = verdict_of(gate, passing, failing)
    why = NOT_SETTLED if verdict == "inconclusive" else ""
    if verdict == "pass" and new.estimate.groups_left_out:
        verdict, why = "inconclusive", f"{too_small(new.estimate.groups_left_out)}, which blocks a pass"
    return Judged(new.key, verdict, margin_of(gate, passing.value), told, why)


def _apart(new: Measurement, old: Measurement, tail: float, relative: bool) -> Bounds | None:
    """Return the change between two samples, from the interval of each at the error ``tail`` per side."""
    one, other = at_tail(new.estimate, tail), at_tail(old.estimate, tail)
    if one is None or other is None:
        return None
    if not relative:
        return difference(one, other)
    times = ratio(one, other)
    return None if times is None else times.shifted(-1)
