"""What was done to the faces before the model was asked, as a measurement's condition tells it, in words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

from ..core.results import ProbeResult
from .backdoor_texts import BACKDOOR_CONDITION_NAMES
from .forgery_texts import FORGERY_CONDITION_NAMES
from .robustness_texts import CONDITION_NAMES

CLEAN, WHOLE, EVERY = "none", "all", "*"
KINDS: Mapping[str, str] = {
    "attack": "attacks",
    "corruption": "corruptions",
    "occlusion": "occlusions",
    "change": "changes",
    "forgery": "forgeries",
    "trigger": "triggers",
}
"""Names that a kind of condition has in keys, with what many of them are called."""
STRENGTHS = ("eps", "severity", "share", "amount")
_NAMES: Mapping[str, Mapping[str, str]] = {**CONDITION_NAMES, **FORGERY_CONDITION_NAMES, **BACKDOOR_CONDITION_NAMES}
AT_RANDOM, ELSEWHERE = "random_", "_elsewhere"
MADE, OWN = "made_", "own_"
"""Of forgeries: made here of the audited faces, and the same done with the photo itself, its control."""
_CONTROLS: Mapping[str, frozenset[str]] = {
    "attack": frozenset({"noise"}),
    "occlusion": frozenset({"guided_last"}),
    "change": frozenset({"identity"}),
    "forgery": frozenset({"untouched", "resaved"}),
}


@dataclass(frozen=True)
class Under:
    """One condition.

    Attributes:
        kind: one of :data:`KINDS`.
        name: what was done; ``none`` for faces as they are, ``all`` for the mean over all that was done, and in a gate
            ``*`` for whatever was done.
        strength: name of the strength, one of :data:`STRENGTHS`; empty where there is none.
        size: as written; empty where there is none.
        rest: what else the condition names, e.g. ``norm = l2``.
    """

    kind: str
    name: str
    strength: str = ""
    size: str = ""
    rest: tuple[tuple[str, str], ...] = ()

    @property
    def clean(self) -> bool:
        """Whether nothing was done."""
        return self.name == CLEAN

    @property
    def whole(self) -> bool:
        """Whether it is the mean over all that was done."""
        return self.name == WHOLE

    @property
    def control(self) -> bool:
        """Whether it is what another of the same size is to be read beside."""
        if self.kind == "attack" and self.name.startswith(AT_RANDOM):
            return True
        return bool(self.control_of) or self.name in _CONTROLS.get(self.kind, ())

    @property
    def control_of(self) -> str:
        """The name of the one thing that it is to be read beside; empty where it is no control, or one of many."""
        if self.kind == "occlusion" and self.name.endswith(ELSEWHERE):
            return self.name.removesuffix(ELSEWHERE)
        if self.kind == "forgery" and self.name.startswith(OWN):
            return MADE + self.name.removeprefix(OWN)
        return ""

    @property
    def amount(self) -> float | None:
        """The strength as a number, where it is one."""
        return size_of(self.size)

    @property
    def named(self) -> str:
        """What was done in words, without its strength: ``fog``, ``all corruptions``."""
        if self.whole:
            return f"all {KINDS[self.kind]}"
        name = f"every {self.kind}" if self.name == EVERY else self._name
        rest = ", ".join(f"{key} {value}" for key, value in self.rest)
        return f"{name} ({rest})" if rest else name

    @property
    def _name(self) -> str:
        known = _NAMES.get(self.kind, {})
        if self.name in known:
            return known[self.name]
        if self.kind == "attack" and self.name.startswith(AT_RANDOM):
            other = self.name.removeprefix(AT_RANDOM)
            return f"{known.get(other) or other.replace('_', ' ')} at random"
        if self.name.endswith(ELSEWHERE):
            other = self.name.removesuffix(ELSEWHERE)
            return f"{known.get(other) or other.replace('_', ' ')}, moved elsewhere"
        return self.name.replace("_", " ")

    @property
    def title(self) -> str:
        """In words after "under": ``corruption fog, severity 3``, ``all corruptions``, ``PGD, eps 8/255``."""
        kind = "" if self.whole or self.kind == "attack" or self.name == EVERY else f"{self.kind} "
        size = f"every {self.strength}" if self.size == EVERY else f"{self.strength} {self.size}"
        return kind + self.named + (f", {size}" if self.size else "")


def size_of(text: str) -> float | None:
    """Return a strength as a number: of ``8/255``, ``3`` or ``0.25``; ``None`` for what is none."""
    try:
        return float(Fraction(text))
    except (ValueError, ZeroDivisionError):
        return None


def under(condition: Mapping[str, str]) -> Under | None:
    """Return what was done to the faces, or ``None`` where a condition does not say so."""
    kind = next((name for name in KINDS if name in condition), None)
    if kind is None:
        return None
    strength = next((name for name in STRENGTHS if name in condition), "")
    rest = tuple(sorted(pair for pair in condition.items() if pair[0] not in (kind, strength)))
    return Under(kind, condition[kind], strength, condition.get(strength, ""), rest)


def perturbs(probe: ProbeResult) -> bool:
    """Whether a probe did something to the faces."""
    return any(under(item.condition) is not None for item in probe.measurements)


def under_text(condition: Mapping[str, str]) -> str:
    """Write a condition after a metric: `` under corruption fog, severity 3``, `` of faces as they are``.

    An empty string where the condition does not say what was done.
    """
    found = under(condition)
    if found is None:
        return ""
    return " of faces as they are" if found.clean else f" under {found.title}"
