"""How far groups differ: each gap beside what chance gives and its p-value."""

from __future__ import annotations

from collections.abc import Iterator

from ..core.results import Measurement, ProbeResult
from .absent import short_reason
from .tables import NOTHING, ref
from .tree import Block, BulletList, Paragraph, Part, TableBlock
from .wording import place_title

GAP = ".gap"
MEANING = (
    "The largest difference between any two groups of an attribute is above zero by chance alone; beside it stands "
    "what groups of the same sizes, dealt out at random over people, differ by. The p-values are not adjusted for "
    "their number; a finding is raised only where they hold after adjustment."
)


def gap_blocks(probe: ProbeResult, intersectional: bool | None = None) -> Iterator[Block]:
    """Yield a table of the gaps between the groups of each attribute, and what was not measured and why.

    Args:
        probe: whose scores they are gaps of.
        intersectional: whether only attributes (False), only intersections (True), or all are told.
    """
    by_key = {(item.metric, *_place(item)): item for item in probe.measurements}
    gaps = [item for item in probe.measurements if item.metric.endswith(GAP) and "attribute" in item.slice]
    if intersectional is not None:
        gaps = [item for item in gaps if ("&" in item.slice["attribute"]) == intersectional]
    measured = [item for item in gaps if item.estimate.value is not None]
    if measured:
        yield Paragraph.of(MEANING)
        rows = tuple(_row(item, probe, by_key) for item in measured)
        columns = ("score", "groups of", "largest gap", "by chance", "p")
        yield TableBlock(columns, rows, "Gaps between groups")
    silent: dict[tuple[str, str], list[str]] = {}
    for item in gaps:
        if item.estimate.value is None:
            reason = short_reason(item.estimate.reason or "")
            silent.setdefault((item.slice["attribute"], reason), []).append(_score(item, probe))
    if silent:
        told = (
            f"No gap by {attribute.replace('&', ' × ')} of {', '.join(scores)}: {reason}."
            for (attribute, reason), scores in silent.items()
        )
        yield BulletList(tuple(Paragraph.of(line) for line in told))


def _row(item: Measurement, probe: ProbeResult, by_key: dict[tuple[object, ...], Measurement]) -> tuple[Part, ...]:
    beside: list[Part] = []
    for name in ("null_permuted", "p"):
        found = by_key.get((f"{item.metric}.{name}", *_place(item)))
        beside.append(NOTHING if found is None else ref(found))
    return (_score(item, probe), item.slice["attribute"].replace("&", " × "), ref(item), *beside)


def _score(item: Measurement, probe: ProbeResult) -> str:
    rest = {name: value for name, value in item.slice.items() if name != "attribute"}
    return place_title(item.metric.removesuffix(GAP), rest, item.condition, probe.probe)


def _place(item: Measurement) -> tuple[object, ...]:
    return tuple(sorted(item.slice.items())), tuple(sorted(item.condition.items()))
