"""When an attack may stop: as soon as no outcome on the faces that are left could save the gate.

Faces that were not attacked yet are counted as standing, which is the best that can become of them. If the upper limit
of that accuracy is below what a gate asks for by a margin, the gate fails whatever follows: the verdict does not depend
on having looked several times, since it does not rest on the faces that were left out. The margin is there because the
limit of alike faces of a person need not fall quite as the count does.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ...core.keys import format_key
from ...core.probes import ProbeContext, Scores
from ...core.statistics.slicing import slice_scores

MARGIN = 0.01


class Floors:
    """What the gates of the plan ask of the accuracy under an attack, eps by eps."""

    def __init__(
        self, context: ProbeContext, rows: NDArray[np.int64], attack: str, eps: list[str], wanted: bool
    ) -> None:
        self.context = context
        self.rows = rows
        keys = [format_key(context.probe_id, "accuracy", None, {"attack": attack, "eps": each}) for each in eps]
        self.floors = [context.floors.get(key) if wanted else None for key in keys]

    def decided(self, level: int, standing: NDArray[np.bool_]) -> bool:
        """Say whether the gate on this eps fails even if all faces of ``standing`` (n,) stood in the end."""
        floor = self.floors[level]
        if floor is None or standing.mean() >= floor:
            return False
        score = Scores("accuracy", self.rows, standing.astype(np.float64), kind="rate", bounds=(0.0, 1.0))
        measured = slice_scores(score, self.context.faces.subject_codes, (), self.context.rules, self.context.probe_id)
        high = measured[0].estimate.high
        return high is not None and high < floor - MARGIN
