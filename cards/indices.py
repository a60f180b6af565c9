"""Numbers that speak of all groups of an attribute at once, each beside what chance gives: tables by attribute."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ..core.results import Measurement, ProbeResult
from .absent import short_reason
from .tables import NOTHING, ref
from .tree import Block, BulletList, Paragraph, Part, TableBlock
from .wording import metric_meaning, place_title, shown_attribute

MOST_ROWS = 12
FEW = 3
"""Numbers of each attribute that still go into one table for all attributes."""
BESIDE = {
    "null_permuted": "by chance",
    "null_drawn": "by chance",
    "null_even": "if all were as many",
    "null_chance": "by guessing",
    "null_shuffled": "shuffled",
    "null_random_net": "random net",
    "null_pixels": "small pixels",
    "corrected": "without chance",
    "p": "p",
    "p_adjusted": "adjusted p",
    "over_controls.p_adjusted": "adjusted p over the controls",
}
"""Column of what stands beside a number, by the end of its name. Of two p-values the adjusted one is shown."""


@dataclass(frozen=True)
class Index:
    """A number over all groups of an attribute, with what stands beside it by the end of its name."""

    item: Measurement
    beside: dict[str, Measurement]
    title: str

    @property
    def attribute(self) -> str:
        """Over the groups of what, as in the slice."""
        return self.item.slice["attribute"]

    @property
    def name(self) -> str:
        """What it is, over the groups of what."""
        return f"{self.title}, by {shown_attribute(self.attribute)}"

    @property
    def p_value(self) -> float:
        """By which rows are ordered; 1 where there is none."""
        found = self.beside.get("over_controls.p_adjusted") or self.beside.get("p_adjusted") or self.beside.get("p")
        return 1.0 if found is None or found.estimate.value is None else found.estimate.value


def indices_of(probe: ProbeResult) -> list[Index]:
    """Return the numbers that a probe gave, or could not, for all groups of an attribute at once.

    Differences between groups (``recall.gap``) are none of them: they have tables of their own.
    """
    by_place: dict[tuple[object, ...], dict[str, Measurement]] = {}
    for item in probe.measurements:
        if "attribute" in item.slice:
            by_place.setdefault(_place(item), {})[item.metric] = item
    found = []
    for place in by_place.values():
        for metric, item in place.items():
            if "." in metric:
                continue
            start = f"{metric}."
            beside = {name.removeprefix(start): other for name, other in place.items() if name.startswith(start)}
            rest = {name: value for name, value in item.slice.items() if name != "attribute"}
            found.append(Index(item, beside, place_title(metric, rest, item.condition, probe.probe)))
    return found


def index_blocks(probe: ProbeResult, intersectional: bool | None = None) -> Iterator[Block]:
    """Yield a table for each attribute, the least likely by chance first, and what was not measured and why.

    Args:
        probe: whose numbers they are.
        intersectional: whether only attributes (False), only intersections (True), or all are told.
    """
    found = [one for one in indices_of(probe) if intersectional in (None, "&" in one.attribute)]
    by_attribute: dict[str, list[Index]] = {}
    for one in found:
        if one.item.estimate.value is not None:
            by_attribute.setdefault(one.attribute, []).append(one)
    if by_attribute and max(map(len, by_attribute.values())) <= FEW:
        yield _table([one for here in by_attribute.values() for one in here], "an attribute", named=True)
    else:
        tables = sorted(by_attribute.items(), key=lambda pair: min(one.p_value for one in pair[1]))
        for attribute, here in tables:
            yield _table(here, shown_attribute(attribute))
    yield from _silent([one for one in found if one.item.estimate.value is None])


def index_meanings(probe: ProbeResult) -> BulletList:
    """Say what each number is that :func:`index_blocks` tells."""
    known = dict.fromkeys(one.item.metric for one in indices_of(probe) if one.item.estimate.value is not None)
    texts = ((place_title(metric, {}, {}, probe.probe), metric_meaning(metric, probe.probe)) for metric in known)
    return BulletList(tuple(Paragraph.of(f"{title}: {meaning}.") for title, meaning in texts if meaning))


def _table(found: Sequence[Index], attribute: str, named: bool = False) -> TableBlock:
    """Rows: the numbers, with their attribute where one table tells several."""
    ordered = list(found) if named else sorted(found, key=lambda one: one.p_value)
    shown = ordered if named else ordered[:MOST_ROWS]
    ends = [end for end in BESIDE if any(end in one.beside for one in shown)]
    if any(end.endswith("p_adjusted") for end in ends):
        ends = [end for end in ends if end != "p"]
    rows: list[tuple[Part, ...]] = [
        (
            one.name if named else one.title,
            ref(one.item),
            *(ref(one.beside[end]) if end in one.beside else NOTHING for end in ends),
        )
        for one in shown
    ]
    caption = f"Over all groups of {attribute}"
    if len(ordered) > len(shown):
        caption += f" (the {len(shown)} of {len(ordered)} that chance explains least; all stand in results.json)"
    return TableBlock(("measure", "value", *(BESIDE[end] for end in ends)), tuple(rows), caption)


def _silent(found: Sequence[Index]) -> Iterator[Block]:
    silent: dict[tuple[str, str], list[str]] = {}
    for one in found:
        reason = short_reason(one.item.estimate.reason or "").rstrip(".")
        silent.setdefault((shown_attribute(one.attribute), reason), []).append(one.title)
    if silent:
        lines = (
            f"Not measured over the groups of {name}: {few(titles)}. Why: {reason}."
            for (name, reason), titles in silent.items()
        )
        yield BulletList(tuple(Paragraph.of(line) for line in lines))


def few(names: Sequence[str], most: int = 4) -> str:
    """Name the first few, and how many more there are."""
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more} more" if more > 0 else "")


def _place(item: Measurement) -> tuple[object, ...]:
    return tuple(sorted(item.slice.items())), tuple(sorted(item.condition.items()))
