"""Settings of the probe ``reweighted_gaps``."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from ....core.probes import ProbeParams

Metric = Literal["accuracy", "recall", "fpr", "precision"]


class ReweightedGapsParams(ProbeParams):
    """What is reweighted, and by what."""

    metrics: tuple[Metric, ...] = Field(
        default=("accuracy", "recall", "fpr", "precision"),
        min_length=1,
        description="rates to reweight; recall only where there are controls, since labels do not change it",
    )
    labels: tuple[str, ...] | None = Field(
        default=None, min_length=1, description="classes to measure one against the rest; all unless given"
    )
    controls: tuple[str, ...] | None = Field(
        default=None, description="attributes to hold equal beside the label; those of role control unless given"
    )
    cell_people: int = Field(default=3, ge=2, description="people a group needs in a cell for it to be used")
    least_kept: float = Field(
        default=0.8, gt=0, le=1, description="share of the common mix that a group needs, and of the faces kept"
    )
