"""Which measurements of a probe tell of a held-back group."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from ..results import Measurement, ProbeResult
from .cells import ACROSS, FOUND, LABEL, WHOLE, Cell, cell_of, people_of, within_one_of

BELOW = " below "  # of the two groups that a largest difference lies between
Place = tuple[frozenset[tuple[str, str]], frozenset[tuple[str, str]], str]


@dataclass(frozen=True)
class ProbeRule:
    """Judges the measurements of one probe.

    Attributes:
        probe: the probe.
        held: cells held back of it.
        splits: names that split the faces, and whether they split the people too.
        threshold: people that a published number rests on.
        large: cells of enough people to take part in comparisons.
    """

    probe: ProbeResult
    held: frozenset[Cell]
    splits: Mapping[str, bool]
    threshold: int
    large: frozenset[Cell]

    def keys(self) -> set[str]:
        """Return the keys of the measurements that may not be told."""
        return {item.key for item in self.probe.measurements if self._tells(item)}

    def _tells(self, item: Measurement) -> bool:
        if WHOLE in self.held:
            return True
        if FOUND in item.slice:  # its other numbers are of the faces that are not in it
            return frozenset(item.slice.items()) in self._few_found or self._lies_in_one(item.slice[FOUND])
        if ACROSS in item.slice:
            return self._compares_one(item)
        cell = cell_of(item)
        held = cell is not None and (cell in self.held or within_one_of(cell, self.held, self.splits))
        by_attribute = any(name in self.splits and name != LABEL for name in item.slice)
        return held or (by_attribute and self._few(item))

    def _few(self, item: Measurement) -> bool:
        people = people_of(item.estimate)
        return people is not None and 0 < people < self.threshold

    @cached_property
    def _few_found(self) -> set[Cell]:
        return {frozenset(item.slice.items()) for item in self.probe.measurements if self._few(item)}

    def _lies_in_one(self, told: str) -> bool:
        """Whether a slice that a search found, such as ``gender: female, age: old``, lies in a held-back group."""
        return any(all(f"{name}: {value}" in told for name, value in cell) for cell in self.held)

    def _compares_one(self, item: Measurement) -> bool:
        """Whether a difference between groups says something of a held-back one.

        The largest difference tells of the two groups it lies between. Any other summary mixes in every group that was
        measured: with the published ones known, what is left of it would be the held-back one.
        """
        attributes = item.slice[ACROSS]
        out = groups_of(self.held, attributes, item.slice)
        if not out:
            return False
        base = self._base(item).estimate
        if base.about is not None and BELOW in base.about:
            names = [", ".join(dict(cell)[name] for name in attributes.split("&")) for cell in out]
            return any(base.about.startswith(name + BELOW) or base.about.endswith(BELOW + name) for name in names)
        if base.groups is None:
            return True
        return any(cell in self._measured or cell in self.large for cell in out)

    @cached_property
    def _measured(self) -> set[Cell | None]:
        return {cell_of(item) for item in self.probe.measurements if item.estimate.value is not None}

    @cached_property
    def _differences(self) -> dict[Place, Measurement]:
        items = self.probe.measurements
        return {_place(item, item.metric): item for item in items if item.estimate.groups is not None}

    def _base(self, item: Measurement) -> Measurement:
        """Return the difference to which a null, a p value or a placebo belongs; the measurement itself else."""
        places = (_place(item, metric) for metric in _prefixes(item.metric))
        return next((self._differences[place] for place in places if place in self._differences), item)


def groups_of(held: Collection[Cell], attributes: str, rest: Mapping[str, str]) -> list[Cell]:
    """Return the held-back groups by ``a&b`` among the faces of a slice, or among all."""
    names = frozenset(attributes.split("&"))
    pairs = set(rest.items())
    named = [cell for cell in held if {name for name, _ in cell} >= names]
    return [cell for cell in named if {pair for pair in cell if pair[0] not in names} <= pairs]


def _place(item: Measurement, metric: str) -> Place:
    return frozenset(item.slice.items()), frozenset(item.condition.items()), metric


def _prefixes(metric: str) -> Iterator[str]:
    parts = metric.split(".")
    for length in range(len(parts), 0, -1):
        yield ".".join(parts[:length])
