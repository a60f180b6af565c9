"""The groups whose numbers an audit tells, how many people each has, and which of them add up to which.

A cell is a group of faces, written as the pairs of its slice: ``{gender=female, label=happy}``; the empty cell is all
faces. Attributes split the faces, and so do labels where a face has one of them; whoever reads all cells but one of a
split can work out the last. What else a slice may name (a forgery method, an action unit, a region) splits nothing:
cells that name the same of it are compared among themselves.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

from ..results import AuditResults, Estimate, Measurement, ProbeResult

Cell = frozenset[tuple[str, str]]
WHOLE: Cell = frozenset()
ACROSS = "attribute"  # a slice that names it tells of differences between the groups of an attribute
FOUND = "slice"  # a slice that a search found, told in words
LABEL = "label"
ONE_LABEL_TASKS = frozenset({"expression", "forgery"})
PREDICTED = frozenset({"precision", "fdr", "for", "npv"})  # of the faces given an answer, not of all


@dataclass(frozen=True)
class Relation:
    """The people and faces of ``whole`` are those of ``parts`` together.

    Attributes:
        whole: a cell.
        parts: cells that split it.
        apart: names in which no person has two values, so that people of such parts add up.
    """

    whole: Cell
    parts: tuple[Cell, ...]
    apart: frozenset[str]

    def people(self, parts: Iterable[Cell], sizes: Mapping[Cell, int]) -> int:
        """Return how many people some of the parts hold together, at least."""
        most: dict[Cell, int] = {}
        for part in parts:
            person = frozenset(pair for pair in part if pair[0] in self.apart)
            most[person] = max(sizes[part], most.get(person, 0))
        return sum(most.values())


def people_of(estimate: Estimate) -> int | None:
    """Return how many people an estimate rests on; where people are not known each face counts as one."""
    return estimate.subjects if estimate.subjects is not None else estimate.n


def cell_of(item: Measurement) -> Cell | None:
    """Return the cell a measurement tells of; ``None`` for a difference between groups and for found slices."""
    if not item.slice or ACROSS in item.slice or FOUND in item.slice:
        return None
    return frozenset(item.slice.items())


def known_sizes(results: AuditResults) -> dict[Cell, int]:
    """Return the people of each cell of the whole data; where only faces are known, faces.

    Of several probes the one that looked at most people counts: the others looked at a sample.
    """
    data = results.data
    sizes: dict[Cell, int] = {WHOLE: data.subjects if data.subjects is not None else data.faces}
    for probe in results.probes:
        for cell, people in probe_sizes(probe).items():
            sizes[cell] = max(people, sizes.get(cell, 0))
    for name, attribute in data.attributes.items():
        for group, count in attribute.groups.items():
            sizes[frozenset({(name, group)})] = count.subjects
    for label, faces in data.labels.items():
        cell = frozenset({(LABEL, label)})
        sizes[cell] = min(faces, sizes.get(cell, faces))
    return sizes


def probe_sizes(probe: ProbeResult) -> dict[Cell, int]:
    """Return the people of each cell among the faces that one probe looked at.

    Of several metrics the one that rests on fewest people counts, for ``fpr`` and ``recall`` rest on the faces with and
    without a label, and either may be few. Rates of the faces that got an answer say nothing about a cell's size.
    """
    sizes: dict[Cell, int] = {}
    for item in probe.measurements:
        cell, people = cell_of(item), people_of(item.estimate)
        if cell is not None and people is not None and item.metric.partition(".")[0] not in PREDICTED:
            sizes[cell] = min(people, sizes.get(cell, people))
    return sizes


def splitting(results: AuditResults) -> dict[str, bool]:
    """Return the names that split the faces, and whether they split the people too."""
    names = {name: attribute.of == "subject" for name, attribute in results.data.attributes.items()}
    if results.target.task in ONE_LABEL_TASKS:
        names[LABEL] = False  # a person may show several expressions
    return names


def relations(cells: Iterable[Cell], splits: Mapping[str, bool]) -> list[Relation]:
    """Return which cells add up to which, for every pair of a cell and a further split of it that is told.

    What was left out of a split, such as a group without faces, is taken for empty: whoever tries to work out a number
    may know that.
    """
    by_names: dict[frozenset[str], list[Cell]] = defaultdict(list)
    known = set(cells)
    for cell in sorted(known, key=sorted):
        by_names[frozenset(name for name, _ in cell)].append(cell)
    apart = frozenset(name for name, alone in splits.items() if alone)
    return [
        relation
        for fewer in by_names
        for more, parts in by_names.items()
        if fewer < more and (more - fewer) <= splits.keys()
        for relation in _split(parts, fewer, known, apart)
    ]


def _split(parts: Iterable[Cell], names: frozenset[str], known: set[Cell], apart: frozenset[str]) -> Iterator[Relation]:
    by_whole: dict[Cell, list[Cell]] = defaultdict(list)
    for part in parts:
        by_whole[frozenset(pair for pair in part if pair[0] in names)].append(part)
    for whole, found in by_whole.items():
        if whole in known:
            yield Relation(whole, tuple(found), apart)


def within_one_of(cell: Cell, held: Collection[Cell], splits: Mapping[str, bool]) -> bool:
    """Whether a cell is a held-back group in what it names of the faces, seen under something that splits none."""
    plain = frozenset(pair for pair in cell if pair[0] in splits)
    return plain != cell and plain != WHOLE and plain in held
