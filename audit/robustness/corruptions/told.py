"""Which conditions are told as one: every corruption, family by family, all of them, and all at each severity."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ..conditions import Condition, Outcomes
from ..losses import Summary
from .catalogue import ALL, CORRUPTIONS, FAMILIES, GROUPS, IMAGENET_C

KIND, STRENGTH = "corruption", "severity"


def conditions_of(names: Sequence[str], severities: Sequence[int]) -> list[Condition]:
    """Return every corruption at every severity, in the order of the tables."""
    return [
        Condition(KIND, name, STRENGTH, str(severity), f"{CORRUPTIONS[name].title}, severity {severity}")
        for name in names
        for severity in severities
    ]


def means_over(names: Sequence[str]) -> list[str]:
    """Return what a mean over corruptions is told of: all that were tried, and the fifteen of ImageNet-C if tried."""
    tried = set(names)
    return [ALL, *([IMAGENET_C] if tried > set(GROUPS[IMAGENET_C]) else [])]


def members_of(outcomes: Outcomes, name: str) -> tuple[int, ...]:
    """Return the positions of the conditions that a corruption or several together stand for."""
    if name == ALL:
        return tuple(range(len(outcomes.conditions)))
    wanted = GROUPS.get(name, (name,))
    return tuple(place for place, each in enumerate(outcomes.conditions) if each.name in wanted)


def summaries_of(outcomes: Outcomes, names: Sequence[str], severities: Sequence[int]) -> Iterator[Summary]:
    """Yield each corruption, each family tried whole, all at each severity, and all; groups are compared under them."""
    for name in names:
        yield Summary({KIND: name}, members_of(outcomes, name), CORRUPTIONS[name].title, gaps=True)
    for family in FAMILIES:
        if set(GROUPS[family]) <= set(names):
            title = f"the corruptions of the family {family}"
            yield Summary({KIND: family}, members_of(outcomes, family), title, gaps=True)
    for severity in severities:
        level = {STRENGTH: str(severity)}
        yield Summary({KIND: ALL, **level}, outcomes.of(**level), f"all corruptions at severity {severity}")
    for name in means_over(names):
        title = "all corruptions" if name == ALL else "the fifteen corruptions of ImageNet-C"
        yield Summary({KIND: name}, members_of(outcomes, name), title, gaps=name == ALL)
