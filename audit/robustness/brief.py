"""An estimate as a sentence has it that says once for all on how many faces."""

from __future__ import annotations

from ...core.results import Estimate


def brief(estimate: Estimate) -> str:
    """Return the value with its interval, without the number of faces: ``0.833 [0.775, 0.882]``."""
    return str(estimate.model_copy(update={"n": None}))
