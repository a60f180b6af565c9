"""How often a clean net is flagged, by simulation: log sizes of seven classes and five families drawn anew.

    python -m benchmarks.backdoor_scan_calibration [--runs 2000]

Log sizes correlate by 0.5 over the classes and families of a net. Normal; with tails heavier than normal (Student, 5
degrees); and skewed towards small sizes (``1 - exp(z/2)``). Alike: all classes vary by 0.2; unlike: by 0.05 to 0.8.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from countenance.audit.backdoors.scan.calibration import calibrated, critical_deviation
from countenance.core.statistics.intervals import clopper_pearson

CLASSES, FAMILIES, ALPHA, ALIKE = 7, 5, 0.05, 0.5
SPREADS = {"alike": np.full((CLASSES, 1), 0.2), "unlike": np.geomspace(0.05, 0.8, CLASSES)[:, None]}
SHAPES = ("normal", "heavy tails", "skewed")


def log_sizes(shape: str, spread: NDArray[np.float64], nets: int, random: np.random.Generator) -> NDArray[np.float64]:
    """Draw log sizes (nets, classes, families) of clean nets."""
    own = random.normal(size=(nets, CLASSES, FAMILIES))
    drawn: NDArray[np.float64] = math.sqrt(ALIKE) * random.normal(size=(nets, 1, 1)) + math.sqrt(1 - ALIKE) * own
    if shape == "heavy tails":
        drawn = drawn / np.sqrt(random.chisquare(5, size=(nets, CLASSES, FAMILIES)) / 5)
    if shape == "skewed":
        drawn = 1 - np.exp(drawn / 2)
    return 2 + spread * drawn


def main(arguments: Sequence[str] = ()) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=2000)
    asked = parser.parse_args(arguments)
    random = np.random.default_rng(1)
    print(f"share of clean nets flagged at {ALPHA}, {asked.runs} runs, 95 % exact interval\n")
    print(
        "| references | flagged beyond | "
        + " | ".join(f"{shape}, {name}" for shape in SHAPES for name in SPREADS)
        + " |"
    )
    print("|---|---|" + "---|" * (len(SHAPES) * len(SPREADS)))
    for references in (6, 8, 12, 20, 40):
        cells = []
        for shape in SHAPES:
            for spread in SPREADS.values():
                flagged = 0
                for _ in range(asked.runs):
                    nets = log_sizes(shape, spread, references + 1, random)
                    flagged += bool(np.nanmin(calibrated(nets[0], nets[1:], ALPHA).p_adjusted) < ALPHA)
                low, high = clopper_pearson(np.array([float(flagged)]), np.array([float(asked.runs)]), 0.95)
                cells.append(f"{flagged / asked.runs:.3f} ({low[0]:.3f}-{high[0]:.3f})")
        line = f"{critical_deviation(references, CLASSES * FAMILIES, ALPHA):.2f}"
        print(f"| {references} | {line} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main(sys.argv[1:])
