"""Robustness in the card: what was done to the faces, what costs most and who loses most, and no more than that.

A probe may do a hundred things to the faces and measure each by every group; a card with all of it is read by nobody.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ..core.results import AuditResults, Measurement, ProbeResult
from .absent import reasons_in_short
from .conditions import Under, under
from .losses import LOST, losses_tables, who_loses_most
from .slices import Column, Grouped, by_grouping
from .tables import part_of, ref
from .tree import Block, BulletList, Paragraph, Part, TableBlock
from .wording import metric_title, plural

VALUES = ("accuracy", "absolute_error", "changed", "moved")
"""What is told of a probe, the first of these that it measures."""
MOST_NAMED = 3
MOST_ROWS = 12
MOST_BY_GROUP = 4
MOST_LOSSES = 8

_Told = tuple[Under, Column, Measurement]


def robustness_blocks(probe: ProbeResult, results: AuditResults) -> Iterator[Block]:
    """Yield what a probe that does things to faces found over all of them, and who loses most.

    Args:
        probe: for which :func:`cards.conditions.perturbs` holds.
        results: of the audit.
    """
    silent = nothing_measured(probe)
    if silent is not None:
        yield silent
        return
    whole = _over_all(probe, results)
    if whole is not None:
        told = _told(whole)
        sentences = [_sentence(told, probe), who_loses_most(probe, results)]
        found = tuple(sentence for sentence in sentences if sentence is not None)
        if found:
            yield BulletList(found)
        yield from _table(whole, told, probe)
    for table, more in losses_tables(probe, results, MOST_LOSSES):
        kept = f" (the gravest {MOST_LOSSES}; all stand in results.json)" if more is not None else ""
        yield TableBlock(table.columns, table.rows, table.caption + kept)


def nothing_measured(probe: ProbeResult) -> Paragraph | None:
    """Say once why nothing was measured under any condition; ``None`` where something was."""
    done = [item for item in probe.measurements if (found := under(item.condition)) is not None and not found.clean]
    if not done or any(item.estimate.value is not None for item in done):
        return None
    what = plural(len({tuple(sorted(item.condition.items())) for item in done}), "condition")
    return Paragraph.of(f"Not measured under any of {what}: {' · '.join(reasons_in_short(done))}.")


def for_card(grouped: Grouped, probe: ProbeResult, results: AuditResults) -> Grouped:
    """Return what a card shows by group: faces as they are and the few conditions that tell most."""
    whole = _over_all(probe, results)
    if whole is None:
        return grouped
    told = _told(whole)
    clean = [done for done, _, _ in told if done.clean]
    hardest = [done for done, _, _ in told if done.whole and not done.size] or [done for done, _, _ in _worst(told)]
    kept = {(done.kind, done.name, done.size, done.rest) for done in [*clean, *hardest[:MOST_BY_GROUP]]}
    columns = []
    for column in grouped.columns:
        done = under(dict(column.condition))
        if done is None or ((done.kind, done.name, done.size, done.rest) in kept and column.metric in (*VALUES, *LOST)):
            columns.append(column)
    return part_of(grouped, columns)


def _over_all(probe: ProbeResult, results: AuditResults) -> Grouped | None:
    return next((table for table in by_grouping(probe, results.data.attributes) if not table.attributes), None)


def _told(whole: Grouped) -> list[_Told]:
    """Return what was measured of the first of :data:`VALUES` that there is, condition by condition."""
    found: dict[str, list[_Told]] = {}
    for column in whole.columns:
        done = under(dict(column.condition))
        if done is not None and not column.rest:
            found.setdefault(column.metric, []).append((done, column, whole.cells[(), column]))
    return next((found[name] for name in VALUES if name in found), [])


def _worst(told: Sequence[_Told]) -> list[_Told]:
    """Return each thing that was done, what costs most first: over its strengths, else at the largest of them."""
    best: dict[tuple[str, str, object], _Told] = {}
    for entry in told:
        done, _, cell = entry
        if done.clean or done.whole or done.control or cell.estimate.value is None:
            continue
        place = (done.kind, done.name, done.rest)
        known = best.get(place)
        if known is None or (known[0].size and (not done.size or (done.amount or 0) > (known[0].amount or 0))):
            best[place] = entry

    def value(entry: _Told) -> float:
        cell = entry[2]
        return (cell.estimate.value or 0.0) * (1 if cell.direction == "higher" else -1)

    return sorted(best.values(), key=value)


def _sentence(told: Sequence[_Told], probe: ProbeResult) -> Paragraph | None:
    """Tell the faces as they are, the mean over all that was done, and what costs most."""
    parts: list[Part] = []
    clean = next((cell for done, _, cell in told if done.clean), None)
    whole = next((entry for entry in told if entry[0].whole and not entry[0].size), None)
    if clean is not None:
        parts += [ref(clean), " of faces as they are"]
    if whole is not None and whole[2].estimate.value is not None:
        parts += ["; " if parts else "", ref(whole[2]), f" under {whole[0].title}"]
    worst = _worst(told)
    if not worst:
        return None
    if len(worst) == 1:
        parts += ["; " if parts else "", ref(worst[0][2]), f" under {worst[0][0].title}"]
    else:
        parts += ["; " if parts else "", f"of {len(worst)} things that were done cost most: "]
        for place, (done, _, cell) in enumerate(worst[:MOST_NAMED]):
            parts += ["; " if place else "", f"{done.title}, ", ref(cell)]
    name = metric_title(told[0][1].metric, probe.probe)
    return Paragraph((f"{name[:1].upper()}{name[1:]}: ", *parts, "."))


def _table(whole: Grouped, told: Sequence[_Told], probe: ProbeResult) -> Iterator[Block]:
    """Tabulate faces as they are, all that was done strength by strength, and what costs most."""
    chosen = [entry for entry in told if entry[0].clean or entry[0].whole]
    chosen.sort(key=lambda entry: (not entry[0].clean, bool(entry[0].size)))
    chosen += _worst(told)[: max(0, MOST_ROWS - len(chosen))]
    chosen += _at_each_strength([done for done, _, _ in chosen], told)[: max(0, MOST_ROWS - len(chosen))]
    if not chosen:
        return
    metric = chosen[0][1].metric
    lost = next((name for name in LOST if name != metric and _has(whole, name)), None)
    rows: list[tuple[Part, ...]] = []
    for done, column, cell in chosen:
        other = whole.cells.get(((), Column(lost, column.rest, column.condition))) if lost else None
        name = "faces as they are" if done.clean else done.title
        rows.append((name, ref(cell), *((ref(other) if other is not None else "–",) if lost else ())))
    heads = [metric_title(metric, probe.probe), *([metric_title(lost, probe.probe)] if lost else [])]
    left = len(told) - len(chosen)
    more = f" ({left} more conditions stand in results.json)" if left > 0 else ""
    yield TableBlock(("under", *heads), tuple(rows), f"Over all faces{more}")


def _at_each_strength(shown: Sequence[Under], told: Sequence[_Told]) -> list[_Told]:
    """Return the conditions that are not shown yet, controls last."""
    left = [entry for entry in told if entry[0] not in shown]
    return sorted(left, key=lambda entry: entry[0].control)


def _has(whole: Grouped, metric: str) -> bool:
    return any(column.metric == metric for column in whole.columns)
