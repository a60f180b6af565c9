"""Interleaved timing: the ratio of two ways to do the same, measured side by side in one run."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Timed:
    """The fastest of several runs, in seconds."""

    wall: float
    cpu: float


def side_by_side(ways: dict[str, Callable[[], object]], repeats: int = 5) -> dict[str, Timed]:
    """Run each way in turn, ``repeats`` times, after one warm-up each; return the fastest of each.

    Interleaving and the minimum take out most of what other work on the machine does to the clock.
    """
    for work in ways.values():
        work()
    best = {name: Timed(float("inf"), float("inf")) for name in ways}
    for _ in range(repeats):
        for name, work in ways.items():
            wall, cpu = time.perf_counter(), time.process_time()
            work()
            taken = Timed(time.perf_counter() - wall, time.process_time() - cpu)
            best[name] = Timed(min(best[name].wall, taken.wall), min(best[name].cpu, taken.cpu))
    return best


def tell(title: str, best: dict[str, Timed], baseline: str) -> None:
    """Print each way's time and its speed relative to the baseline's."""
    print(f"\n{title}")
    print(f"{'':<44}{'wall s':>9}{'cpu s':>9}{'speed (wall)':>14}{'speed (cpu)':>13}")
    for name, timed in best.items():
        wall, cpu = best[baseline].wall / timed.wall, best[baseline].cpu / timed.cpu
        print(f"{name:<44}{timed.wall:>9.3f}{timed.cpu:>9.3f}{wall:>13.2f}x{cpu:>12.2f}x")
