"""The triggers of the plan, made for the audited faces."""

from __future__ import annotations

from collections.abc import Sequence

from ....core.probes import ProbeContext
from ..triggers.base import Replayed
from ..triggers.known import KNOWN

SEED = 0
"""Of noise, displacements and patterns: the same in every audit, so that audits compare."""


def made(names: Sequence[str], context: ProbeContext) -> list[Replayed]:
    """Return the triggers by name; those of the literature have the same seed in every audit."""
    return [KNOWN[name](SEED) for name in names]
