"""The words of an audit, without what they tell of small groups."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

from ..results import Estimate
from .cells import Cell

_COUNT = re.compile(
    r"(?<![\w.,])(?<!at least )(?<!at most )(?<!than )(?<!first )(\d+)(?= (?:person|people|subjects?|donors?)\b)"
)
_NUMBER = re.compile(r"\d")
_GROUPS = re.compile(r"\b\d+ of \d+ groups\b")


def reason_text(threshold: int) -> str:
    """Say why a number is not told, in the same words of small groups and of those that hide them."""
    return f"held back: fewer than {threshold} people, or hiding so small a group"


def is_held_back(estimate: Estimate) -> bool:
    """Whether an estimate has no number because none is published."""
    return estimate.value is None and (estimate.reason or "").startswith("held back: ")


def held_text(threshold: int) -> str:
    """Stand for a text that tells of a held-back group."""
    return (
        f"Held back: this tells of a group of fewer than {threshold} people, or of one of the groups that hide so "
        "small a group. It stands in the run's own results."
    )


class Redaction:
    """Takes out of a text what it tells of held-back groups.

    Args:
        held: the cells held back.
        threshold: people a group needs.
        groups: of each attribute.
    """

    def __init__(self, held: Collection[Cell], threshold: int, groups: Mapping[str, Collection[str]]) -> None:
        self.threshold = threshold
        names: set[str] = set()
        for cell in held:
            values = [value for name, value in sorted(cell) if name in groups]
            if values and len(values) == len(cell):
                names |= {mark.join(order) for mark in (", ", " & ", " × ") for order in (values, values[::-1])}
                names.add(",".join(f"{name}={value}" for name, value in sorted(cell)))
            elif len(cell) == 1:
                names |= {f"labelled {value}" for _, value in cell} | {f"label={value}" for _, value in cell}
        self._named = _any_of(names)
        self._sized = re.compile(rf"(?P<name>{self._named.pattern}) \(\d+ (?:person|people)[^()]*\)")
        self._group = _any_of(names | {value for values in groups.values() for value in values})

    def tells(self, text: str) -> bool:
        """Whether a text names a held-back group beside a number."""
        told = self._sized.sub("", text)
        return bool(self._named.search(told)) and bool(_NUMBER.search(self._group.sub("", _GROUPS.sub("", told))))

    def text(self, text: str) -> str:
        """Return the text without the sizes of held-back groups; another in its place where it tells more of one."""
        if self.tells(text):
            return held_text(self.threshold)
        return self.counts(self._sized.sub(r"\g<name> (held back)", text))

    def counts(self, text: str) -> str:
        """Return the text with numbers of people below the threshold told as such."""

        def told(found: re.Match[str]) -> str:
            return f"fewer than {self.threshold}" if 0 < int(found[1]) < self.threshold else found[1]

        return _COUNT.sub(told, text).replace(
            f"fewer than {self.threshold} person", f"fewer than {self.threshold} people"
        )


def _any_of(names: Collection[str]) -> re.Pattern[str]:
    """Match any of these names as whole words, the longest first; nothing where there are none."""
    told = sorted((name for name in names if name.strip()), key=lambda name: (-len(name), name))
    return re.compile("|".join(rf"(?<!\w){re.escape(name)}(?!\w)" for name in told) or r"(?!)")
