"""How many faces a model without a gap needs to pass: ``python -m benchmarks.faces_needed``.

Sizes by formula, independent faces in groups of one size; the share that passes by simulating the bound itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import ceil

import numpy as np

from countenance.core.statistics.faces_needed import (
    Question,
    faces_to_ever_pass,
    faces_to_pass,
    pass_probability,
)

GROUPS = (2, 6, 14, 42, 126)
LIMITS = (0.02, 0.05, 0.1)
RATES = (0.7, 0.9)
DRAWS = 2000


def lines(question: Question) -> Iterator[str]:
    """Yield the table of one question."""
    cells = [(limit, rate) for limit in LIMITS for rate in RATES]
    yield "| groups | " + " | ".join(f"limit {limit:g}, rate {rate:g}" for limit, rate in cells) + " |"
    yield "|---" * (len(cells) + 1) + "|"
    for groups in GROUPS:
        line = [str(groups)]
        for limit, rate in cells:
            n = ceil(faces_to_pass(question, groups, rate, limit))
            draws = DRAWS if groups < 100 or question != "gap" else DRAWS // 4
            random = np.random.default_rng([groups, round(limit * 1000), round(rate * 10)])
            share = pass_probability(np.full(groups, n), rate, limit, question, random, draws=draws)
            line.append(f"{n:,} ({share:.0%})")
        yield "| " + " | ".join(line) + " |"


def main() -> None:
    """Print both tables and the least sizes with which any answers could pass."""
    for question, title in (("gap", "Largest difference"), ("worst_vs_rest", "Worst group against the rest")):
        print(f"\n{title}: faces per group (share of {DRAWS:,} simulated models that pass)\n")
        for line in lines(question):
            print(line)
    least = ", ".join(f"{ceil(faces_to_ever_pass(limit))} for {limit:g}" for limit in LIMITS)
    print(f"\nLeast faces of the smallest group with which any answers pass: {least}")


if __name__ == "__main__":
    main()
