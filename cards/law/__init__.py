"""Law and standards as data: which provisions an audit holds evidence for. A pointer for a person, not legal advice."""

from __future__ import annotations

from .crosswalk import CrosswalkRow, Held, crosswalk
from .disclosure import disclosure
from .provisions import LawError, Provision, find_provision, instruments, load_instrument, provisions

__all__ = [
    "CrosswalkRow",
    "Held",
    "LawError",
    "Provision",
    "crosswalk",
    "disclosure",
    "find_provision",
    "instruments",
    "load_instrument",
    "provisions",
]
