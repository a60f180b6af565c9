"""Tables of measurements: over all faces, by class, by condition, by group; small groups are told in words."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import TypeVar

from ..core.results import DataSummary, Measurement
from .absent import reasons_in_short, short_reason
from .slices import Column, Grouped, Pairs, group_name
from .tree import Block, BulletList, MeasurementRef, Paragraph, Part, TableBlock
from .wording import metric_meaning, metric_title, pairs_text, place_title

_T = TypeVar("_T")
_Kind = tuple[str, Pairs, Pairs]
_NUMERIC = re.compile(r"-?[\d.,]+(/\d+)?(e-?\d+)?")
WIDEST = 8
CHANGED = "changed"
"""Part of a slice that names what differs in pairs of pictures."""
METHOD = "method"
"""Part of a slice that names how faces were forged."""
NOTHING = "–"


def ref(measurement: Measurement) -> MeasurementRef:
    """Quote a measurement."""
    return MeasurementRef(measurement.key, measurement.estimate)


def overall_blocks(grouped: Grouped) -> Iterator[Block]:
    """Yield what was measured over all faces: tables by metric, by strength of a condition, by class.

    Classes of which nothing in a table was measured are named below it with the reason.
    """
    plain = [column for column in grouped.columns if not column.rest and not column.condition]
    if plain:
        rows = tuple(
            (column.title(grouped.probe), ref(grouped.cells[(), column]), metric_meaning(column.metric, grouped.probe))
            for column in plain
        )
        yield TableBlock(("measure", "estimate", "what it is"), rows, "Over all faces")
    conditioned = [column for column in grouped.columns if column.condition and not column.rest]
    by_method = [column for column in conditioned if _names(column.condition) == ("method",)]
    conditioned = [column for column in conditioned if column not in by_method]
    if by_method:
        yield from _by_method(grouped, by_method)
    for family in _families(conditioned):
        yield from _by_condition(grouped, family)
    placed = [column for column in grouped.columns if column.rest]
    for names in dict.fromkeys(_names(column.rest) for column in placed):
        here = [column for column in placed if _names(column.rest) == names]
        if CHANGED in names and len(names) > 1:
            for value in dict.fromkeys(dict(column.rest)[CHANGED] for column in here):
                yield from _by_class(grouped, [one for one in here if dict(one.rest)[CHANGED] == value], value)
        else:
            yield from _by_class(grouped, here)


def _families(columns: Sequence[Column]) -> Iterator[list[Column]]:
    """Keep metrics with a common first part (``check.unchanged``, ``check.no_gradient``) in a table of their own."""
    parts: dict[str, list[Column]] = {}
    for column in columns:
        parts.setdefault(column.metric.rpartition(".")[0], []).append(column)
    yield from parts.values()


def _by_condition(grouped: Grouped, columns: Sequence[Column]) -> Iterator[TableBlock]:
    """Rows: the numbers of the condition (``eps = 8/255``); columns: metric and the rest (``attack = pgd``)."""
    rows = dict.fromkeys(_numbers(column.condition) for column in columns)
    kinds = dict.fromkeys((column.metric, _words(column.condition)) for column in columns)
    for part in _chunks(kinds):
        body: list[tuple[Part, ...]] = []
        for numbers in rows:
            cells = [_cell(grouped, (), metric, (), (*words, *numbers)) for metric, words in part]
            if any(cell != NOTHING for cell in cells):
                body.append((pairs_text(dict(numbers)) or "condition", *cells))
        titles = tuple(place_title(metric, {}, dict(words), grouped.probe) for metric, words in part)
        yield TableBlock(("condition", *titles), tuple(body), "Over all faces, by condition")


def _by_method(grouped: Grouped, columns: Sequence[Column]) -> Iterator[TableBlock]:
    """Rows: the methods compared; columns: the metrics, each with its nulls in one table."""
    methods = dict.fromkeys(column.condition for column in columns)
    for part in _packed([(metric, (), ()) for metric in dict.fromkeys(column.metric for column in columns)]):
        body = tuple(
            (dict(method)["method"], *(_cell(grouped, (), metric, (), method) for metric, _, _ in part))
            for method in methods
        )
        titles = tuple(metric_title(metric, grouped.probe) for metric, _, _ in part)
        yield TableBlock(("method", *titles), body, "Over all faces, by method")


def _by_class(grouped: Grouped, columns: Sequence[Column], changed: str = "") -> Iterator[Block]:
    """Rows: the label; columns: metric, condition and what else places it (``mask = anger``).

    Where pictures were ``changed``, that stands in the caption of a table of its own.
    """
    rows = dict.fromkeys(_row_of(column.rest) for column in columns)
    kinds = dict.fromkeys((column.metric, _beside(column.rest), column.condition) for column in columns)
    for part in _packed(list(kinds)):
        body: list[tuple[Part, ...]] = []
        silent: dict[str, list[str]] = {}
        for row in rows:
            name = row[0][1] if _names(row) in (("label",), (CHANGED,), (METHOD,)) else pairs_text(dict(row))
            cells = [_cell(grouped, (), metric, (*row, *beside), condition) for metric, beside, condition in part]
            quoted = [cell.estimate for cell in cells if isinstance(cell, MeasurementRef)]
            if any(estimate.value is not None for estimate in quoted):
                body.append((name, *cells))
            elif quoted:
                reasons = dict.fromkeys(short_reason(estimate.reason or "") for estimate in quoted)
                silent.setdefault(" · ".join(reasons), []).append(name)
        titles = tuple(
            place_title(metric, {} if changed else dict(beside), dict(at), grouped.probe) for metric, beside, at in part
        )
        if body:
            what = next((name for name in (CHANGED, METHOD) if all(_names(row) == (name,) for row in rows)), "class")
            caption = "Over all pairs, by what was changed" if what == CHANGED else f"Over all faces, by {what}"
            yield TableBlock(
                (what, *titles), tuple(body), f"Over all pairs, changed: {changed}" if changed else caption
            )
        if silent:
            yield _silent_list(silent, ", ".join(titles[:1]) if not body else "")


def _packed(kinds: list[_Kind]) -> Iterator[list[_Kind]]:
    """Split a table that would be too wide, keeping a metric and its nulls in one piece."""
    families: dict[str, list[_Kind]] = {}
    for kind in kinds:
        families.setdefault(kind[0].partition(".null")[0], []).append(kind)
    waiting: list[_Kind] = []
    for family in families.values():
        if waiting and len(waiting) + len(family) > WIDEST:
            yield waiting
            waiting = []
        waiting = [*waiting, *family]
    if waiting:
        yield waiting


def _silent_list(told: dict[str, list[str]], what: str = "") -> BulletList:
    """Name what was not measured, those with the same reason together."""
    head = f"Not measured ({what})" if what else "Not measured"
    lines = (f"{head}: {' · '.join(names)} ({reason})." for reason, names in told.items())
    return BulletList(tuple(Paragraph.of(line) for line in lines))


def _names(pairs: Pairs) -> tuple[str, ...]:
    return tuple(name for name, _ in pairs)


def _row_of(rest: Pairs) -> Pairs:
    """What names the row: the label where there is one, else all of it."""
    return tuple(pair for pair in rest if pair[0] == "label") or rest


def _beside(rest: Pairs) -> Pairs:
    return tuple(pair for pair in rest if pair not in _row_of(rest))


def group_blocks(grouped: Grouped, data: DataSummary) -> Iterator[Block]:
    """Yield tables of what was measured by one attribute or intersection, one for each class.

    Groups of which nothing in a table was measured are named below it with the reason. Classes without a labelled
    face, and tables without any number, are told in one sentence.
    """
    unlabelled: list[str] = []
    silent: list[Grouped] = []
    for rest in grouped.rests():
        label = dict(rest).get("label")
        if label is not None and data.labels and not data.labels.get(label):
            unlabelled.append(label)
            continue
        for columns in _by_words([column for column in grouped.columns if column.rest == rest]):
            part = part_of(grouped, columns)
            where = pairs_text({**dict(rest), **dict(_words(columns[-1].condition))})
            if any(cell.estimate.value is not None for cell in part.cells.values()):
                yield from _group_table(part, f"By {grouped.title}" + (f", {where}" if where else ""))
            else:
                silent.append(part)
    if silent:
        places = [
            pairs_text({**dict(part.columns[0].rest), **dict(_words(part.columns[0].condition))}) for part in silent
        ]
        why = " · ".join(reasons_in_short(cell for part in silent for cell in part.cells.values()))
        yield Paragraph.of(f"No group measured for {', '.join(filter(None, places)) or 'any metric'}: {why}.")
    if unlabelled:
        yield Paragraph.of(
            f"No face has the label {', '.join(unlabelled)}. How often groups are given such an answer wrongly "
            "stands in results.json."
        )


def _group_table(grouped: Grouped, caption: str) -> Iterator[Block]:
    by_group: dict[tuple[str, ...], list[Measurement]] = {group: [] for group in grouped.groups}
    for (group, _), cell in grouped.cells.items():
        by_group[group].append(cell)
    measured = {group for group, cells in by_group.items() if any(cell.estimate.value is not None for cell in cells)}
    words = _words(grouped.columns[-1].condition)
    for columns in _chunks(grouped.columns):
        yield TableBlock(
            columns=(grouped.title, *(_title(column, words, grouped.probe) for column in columns)),
            rows=tuple(
                (group_name(group), *(_cell(grouped, group, c.metric, c.rest, c.condition) for c in columns))
                for group in grouped.groups
                if group in measured
            ),
            caption=caption,
        )
    told: dict[str, list[str]] = {}
    for group in grouped.groups:
        if group not in measured:
            told.setdefault(" · ".join(reasons_in_short(by_group[group])), []).append(group_name(group))
    if told:
        yield _silent_list(told)


def _by_words(columns: Sequence[Column]) -> Iterator[list[Column]]:
    """Split columns by what they are under (``attack = pgd``); one that stands alone joins the table after it."""
    parts: dict[Pairs, list[Column]] = {}
    for column in columns:
        parts.setdefault(_words(column.condition), []).append(column)
    waiting: list[Column] = []
    for position, part in enumerate(parts.values(), start=1):
        waiting += part
        if len(part) > 1 or position == len(parts):
            yield waiting
            waiting = []


def _title(column: Column, words: Pairs, probe: str) -> str:
    """Name a column in a table whose caption already says ``words``."""
    same = _words(column.condition) == words
    return place_title(column.metric, {}, dict(_numbers(column.condition) if same else column.condition), probe)


def definitions(metrics: Iterable[tuple[str, str]]) -> BulletList:
    """Say what each metric is; ``metrics`` holds pairs of metric and probe name."""
    known = dict.fromkeys((metric_title(*metric), metric_meaning(*metric)) for metric in metrics)
    return BulletList(tuple(Paragraph.of(f"{title}: {meaning}.") for title, meaning in known if meaning))


def without_rest(grouped: Grouped) -> Grouped:
    """Return only what was measured of whole groups, without the measures of single classes."""
    return part_of(grouped, [column for column in grouped.columns if not column.rest])


def part_of(grouped: Grouped, columns: Sequence[Column]) -> Grouped:
    """Return only some columns, and the groups that have any of them."""
    wanted = set(columns)
    cells = {place: cell for place, cell in grouped.cells.items() if place[1] in wanted}
    groups = tuple(dict.fromkeys(group for group, _ in cells))
    return Grouped(grouped.probe, grouped.attributes, groups, tuple(columns), cells)


def _cell(grouped: Grouped, group: tuple[str, ...], metric: str, rest: Pairs, condition: Pairs) -> Part:
    found = grouped.cells.get((group, Column(metric, tuple(sorted(rest)), tuple(sorted(condition)))))
    return NOTHING if found is None else ref(found)


def _numbers(condition: Pairs) -> Pairs:
    """The strengths in a condition, such as ``eps = 8/255``."""
    return tuple(pair for pair in condition if _NUMERIC.fullmatch(pair[1]))


def _words(condition: Pairs) -> Pairs:
    """The rest of a condition, such as ``attack = pgd``."""
    return tuple(pair for pair in condition if not _NUMERIC.fullmatch(pair[1]))


def _chunks(items: Iterable[_T]) -> Iterator[Sequence[_T]]:
    """Split a table that would be too wide."""
    listed = list(items)
    for start in range(0, len(listed), WIDEST):
        yield listed[start : start + WIDEST]
