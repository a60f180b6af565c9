"""The tier `standard` beside the same attacks run to the end on every face.

    python -m benchmarks tiers
    python -m benchmarks.tiers --faces 42 --rounds 3 --tier standard

The tier gives each attack what still stands, and a face leaves an attack at its first success. "To the end": each
attack gets every face that the model answers right, at every eps anew, and searches on after its success; a face counts
as standing if no attack flipped it. Robust accuracy is that of the faces answered right. Nets: the demonstration's
`twin`, and a small net trained to resist (`benchmarks.attack_strength` has them too), so that many faces stand in one
and few in the other.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch

from countenance.audit.robustness.attacks import APGD, Attack
from countenance.audit.robustness.tiers import TIERS, Ensemble, Tier, tier

from .attack_strength import Case, case

EPS = {"twin": (1 / 255, 2 / 255, 4 / 255), "resistant": (2 / 255, 8 / 255, 16 / 255), "london": (1 / 510, 1 / 255)}


def staged(found: Case, ensemble: Ensemble, sizes: Sequence[float]) -> list[float]:
    """Return the share that stands at each eps, as the probe goes about it."""
    standing = np.ones(len(found.pixels), dtype=np.bool_)
    shares = []
    for eps in sizes:
        left = torch.from_numpy(np.flatnonzero(standing))
        if len(left):
            outcome = ensemble(found.target.scores, found.pixels[left], found.labels[left], left.numpy(), eps)
            standing[left.numpy()] = ~outcome.flipped.numpy()
        shares.append(float(standing.mean()))
    return shares


def to_the_end(found: Case, ensemble: Ensemble, sizes: Sequence[float]) -> list[float]:
    """Return the share that stands at each eps, every attack on every face."""
    rows = np.arange(len(found.pixels))
    shares = []
    for eps in sizes:
        flipped = np.zeros(len(rows), dtype=np.bool_)
        for attack in map(_longest, ensemble.stages):
            flipped |= attack(found.target.scores, found.pixels, found.labels, rows, eps).flipped.numpy()
        shares.append(float(1 - flipped.mean()))
    return shares


def _longest(attack: Attack) -> Attack:
    """Only APGD has the choice; what FAB and Square save by leaving at the first success stays saved."""
    return replace(attack, stop_at_success=False) if isinstance(attack, APGD) else attack


def main(arguments: list[str] | None = None) -> None:
    """Print times and robust accuracies side by side."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--faces", type=int, default=42)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--tier", choices=TIERS, default="standard")
    parser.add_argument("--nets", nargs="+", default=["twin", "resistant"], choices=sorted(EPS))
    given = parser.parse_args([] if arguments is None else arguments)
    torch.set_num_threads(1)
    print("| net | eps | stands, tier | stands, to the end | seconds, tier | to the end | ratio |")
    print("|---|---|---|---|---|---|---|")
    for name in given.nets:
        found = case(name, given.faces)
        if found is None:
            print(f"| {name} | its faces are not here |")
            continue
        _compare(name, found, given.tier, given.rounds)


def _compare(name: str, found: Case, wanted: Tier, rounds: int) -> None:
    ensemble, _ = tier(wanted, "linf", 0, len(found.target.classes))
    seconds: dict[str, list[float]] = {"tier": [], "end": []}
    shares: dict[str, list[float]] = {}
    for _ in range(rounds):
        for kind, run in (("tier", staged), ("end", to_the_end)):
            start = time.process_time()
            shares[kind] = run(found, ensemble, EPS[name])
            seconds[kind].append(time.process_time() - start)
    ours, theirs = min(seconds["tier"]), min(seconds["end"])
    for place, eps in enumerate(EPS[name]):
        took = f"{ours:.1f} | {theirs:.1f} | {ours / theirs:.2f}" if place == 0 else " | | "
        print(
            f"| {name} ({len(found.pixels)} faces) | {eps * 255:g}/255 | {shares['tier'][place]:.3f} | "
            f"{shares['end'][place]:.3f} | {took} |"
        )


if __name__ == "__main__":
    import sys

    main(sys.argv[1:])
