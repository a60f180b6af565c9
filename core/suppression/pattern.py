"""What an audit's published results leave out: held-back groups, and the measurements that tell of them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

from ..results import AuditResults
from .cells import LABEL, Cell, known_sizes, relations, splitting, within_one_of
from .closing import close
from .telling import ProbeRule


@dataclass(frozen=True)
class Pattern:
    """What is held back.

    Attributes:
        threshold: people a group needs for its numbers to be published.
        cells: held back in all probes.
        of_probe: held back of a probe, ``cells`` included.
        measurements: keys of the measurements held back.
        numbers: those of them that had a number to tell.
    """

    threshold: int
    cells: frozenset[Cell] = frozenset()
    of_probe: dict[str, frozenset[Cell]] = field(default_factory=dict)
    measurements: frozenset[str] = frozenset()
    numbers: frozenset[str] = frozenset()

    @property
    def everywhere(self) -> frozenset[Cell]:
        """The cells held back in any probe."""
        return self.cells.union(*self.of_probe.values())


def held_back(results: AuditResults, threshold: int, also: Collection[Cell] = ()) -> Pattern:
    """Return what is to be held back of these results.

    Args:
        results: as measured.
        threshold: people a group needs.
        also: cells that are held back of other results published beside these.
    """
    sizes = known_sizes(results)
    splits = splitting(results)
    held = _closed(sizes, also, splits, threshold)
    least = int(dict(results.plan.get("data") or {}).get("min_subjects") or threshold)
    large = frozenset(cell for cell, people in sizes.items() if people >= least)
    of_probe: dict[str, frozenset[Cell]] = {}
    keys: set[str] = set()
    for probe in results.probes:
        of_probe[probe.id] = frozenset(held)  # few of a large group, in a sample, are not a small group
        keys |= ProbeRule(probe, of_probe[probe.id], splits, threshold, large).keys()
    numbers = {item.key for item in results.measurements() if item.key in keys and item.estimate.value is not None}
    return Pattern(threshold, frozenset(held), of_probe, frozenset(keys), frozenset(numbers))


def _closed(sizes: dict[Cell, int], also: Collection[Cell], splits: dict[str, bool], threshold: int) -> set[Cell]:
    small = {cell for cell, people in sizes.items() if 0 < people < threshold and _of_people(cell, splits)}
    small |= set(also) & sizes.keys()
    if not small:
        return set()
    small |= {cell for cell in sizes if within_one_of(cell, small, splits)}
    while True:  # what hides a group hides it among its forgery methods and action units too
        held = close(sizes, small, relations(sizes, splits), threshold)
        small = held | {cell for cell in sizes if cell not in held and within_one_of(cell, held, splits)}
        if small == held:
            return held


def _of_people(cell: Cell, splits: Collection[str]) -> bool:
    """Whether a cell is a group of people by what they are: it names an attribute, and nothing but what splits faces.

    Neither a label alone is one, nor what a probe looked at in a face.
    """
    names = {name for name, _ in cell}
    return names <= set(splits) and bool(names - {LABEL})
