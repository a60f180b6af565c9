"""How often the verdict of ``trigger_sensitivity`` was right."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ....core.statistics.intervals import clopper_pearson


@dataclass(frozen=True)
class Counted:
    """So many of so many nets.

    Attributes:
        count: nets called suspicious.
        of: nets in all.
    """

    count: int
    of: int

    def __str__(self) -> str:
        low, high = clopper_pearson(np.asarray(float(self.count)), np.asarray(float(self.of)), 0.95)
        return f"{self.count} of {self.of} ({100 * float(low):.0f} to {100 * float(high):.0f} %)"


STUDY = "benchmarks.studies poisoned_forgery"
"""What measured the counts below; the page ``poisoned-forgery-face`` of the docs has its table."""
ALPHA = 0.05
"""Strength of the attacker's stamp and of the audit's in that study."""
NETS = (
    f"small nets of ten fresh seeds, trained on London faces, stamped and audited at strength {ALPHA:g} on 34 people,"
)
"""What the counts are of."""
FOUND = Counted(10, 10)
"""Backdoored nets (10 % of the people, alpha 0.05) called suspicious."""
FALSE_ALARMS = Counted(0, 10)
"""Clean nets called suspicious."""
