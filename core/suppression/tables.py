"""Tables of a run folder, without the rows that tell of held-back groups."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from .cells import LABEL, Cell
from .pattern import Pattern

ATTRIBUTES = ("attribute", "attributes")
OF_PEOPLE = frozenset({*ATTRIBUTES, "group", LABEL})
"""Columns of a table whose rows are kinds of people."""


def without_small_groups(rows: Sequence[Sequence[str]], pattern: Pattern) -> list[list[str]]:
    """Return a table, header first, without rows of held-back cells and of fewer people than are published.

    Rows that count people add up to their group, or to all: of each group at least two such rows are left out, or none.
    Only groups and labels say something of people; how many had their face forged by a method, say, does not.
    """
    if not rows:
        return []
    header, body = list(rows[0]), [list(row) for row in rows[1:]]
    named = [dict(zip(header, row, strict=False)) for row in body]
    held = pattern.everywhere
    out = {number for number, row in enumerate(named) if any(cell in held for cell in _cells(row))}
    blocks: dict[tuple[str, str], list[int]] = defaultdict(list)
    for number, row in enumerate(named):
        if OF_PEOPLE.intersection(row) and number not in out and _people(row) is not None:
            blocks[(_attributes(row), row.get("group", ""))].append(number)
    for numbers in blocks.values():
        out |= _few(numbers, [_people(named[number]) or 0 for number in numbers], pattern.threshold)
    return [header, *(row for number, row in enumerate(body) if number not in out)]


def _few(numbers: Sequence[int], people: Sequence[int], threshold: int) -> set[int]:
    """Return the rows of few people, and the next smallest where one alone would follow from the others."""
    by_size = sorted((size, number) for size, number in zip(people, numbers, strict=True) if size > 0)
    few = [number for size, number in by_size if size < threshold]
    largest = max((size for size, number in by_size if size < threshold), default=0)
    for size, number in by_size[len(few) :]:
        if not few or (len(few) > 1 and largest >= threshold):
            break
        few.append(number)
        largest = size
    return set(few)


def _attributes(row: Mapping[str, str]) -> str:
    return next((row[name] for name in ATTRIBUTES if name in row), "")


def _cells(row: Mapping[str, str]) -> list[Cell]:
    """Return the cells a row tells of: its group, its label, and its group with its label."""
    names, label = _attributes(row).split("&"), row.get(LABEL, "")
    values = row.get("group", "").split(", ") if len(names) > 1 else [row.get("group", "")]
    group = frozenset(zip(names, values, strict=False)) if names != [""] and len(names) == len(values) else frozenset()
    of_label: Cell = frozenset({(LABEL, label)}) if label else frozenset()
    return [cell for cell in (group, of_label, group | of_label) if cell]


def _people(row: Mapping[str, str]) -> int | None:
    try:
        return round(float(row["people"]))
    except (KeyError, ValueError):
        return None
