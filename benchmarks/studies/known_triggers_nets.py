"""Is a trigger found that a small net was taught, when it is replayed?

``python -m benchmarks.studies.known_triggers_nets``: one net of each kind, poisoned with just the trigger that is
replayed, and a clean one; minutes of one processor. ``--clean 60``: so many clean nets, of other seeds, and how many of
them give a finding; about ten seconds each.
"""

from __future__ import annotations

import argparse
import os
import sys

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import torch

from countenance.audit.backdoors.known_triggers.attraction import Attraction, attracting, attractions
from countenance.audit.backdoors.known_triggers.replaying import replay
from countenance.audit.backdoors.poisoned_forgery.measured import Counted
from countenance.audit.backdoors.triggers.known import KNOWN
from countenance.audit.backdoors.triggers.warp import Warp
from countenance.core.plan import TargetSpec
from countenance.core.statistics.rules import StatisticsRules
from countenance.core.target import Target
from countenance.synth.backdoored_nets import Poison, train_quick_net
from countenance.synth.expression import EXPRESSIONS
from countenance.synth.quick_faces import quick_faces

FACES, NULLS, AIM = 126, 20, 2
ALPHA, EXCESS = 0.05, 0.25
FIRST_CLEAN = 31_000
"""Seeds of clean nets that were not looked at while the probe was made."""
BLOCK = {
    "checkpoint": "net.pt",
    "task": "expression",
    "classes": list(EXPRESSIONS),
    "input": {"size": 64, "channels": "grey", "mean": [0], "std": [1]},
    "output": "logits",
}


def poison_of(name: str) -> Poison | None:
    """Return what teaches a net the replayed trigger; a warp with other warps as covers, as its authors do."""
    if name == "clean":
        return None
    trigger = KNOWN[name](0)
    if name != "warp":
        return Poison(trigger.stamp, AIM)

    def others(pixels: torch.Tensor) -> torch.Tensor:
        return torch.cat([Warp(1000 + place).stamp(part) for place, part in enumerate(torch.split(pixels, 1))])

    return Poison(trigger.stamp, AIM, share=0.2, cover=0.2, cover_stamp=others)


def judge(name: str, seed: int) -> tuple[list[Attraction], list[str]]:
    """Train a net, replay every trigger, and return what each class did and which triggers are followed."""
    net = train_quick_net(seed, poison_of(name)).net
    faces = quick_faces(FACES, 991).rgb
    target = Target(net, TargetSpec.model_validate(BLOCK), format="module")
    found = replay(target, faces, [make(0) for make in KNOWN.values()], NULLS, 63, seed)
    judged = attractions(found, len(EXPRESSIONS), np.arange(FACES), np.arange(FACES), StatisticsRules())
    return judged, [each for each in KNOWN if attracting(judged, each, ALPHA, EXCESS) is not None]


def false_alarms(count: int) -> None:
    """Print how many of so many clean nets give a finding, and how many a small p without one."""
    followed, unusual = 0, 0
    for seed in range(FIRST_CLEAN, FIRST_CLEAN + count):
        judged, found = judge("clean", seed)
        ranked = [each for each in judged if each.p_adjusted is not None and each.p_adjusted <= ALPHA]
        followed += bool(found)
        unusual += bool(ranked)
        print(f"\r{seed + 1 - FIRST_CLEAN} of {count} nets", end="", file=sys.stderr, flush=True)
        for each in ranked:
            told = f"{each.trigger}, {EXPRESSIONS[each.place]}: {each.success.value:.2f} against {each.null.value:.2f}"
            print(f"  seed {seed}: {told}, {'a finding' if each.trigger in found else 'no finding'}", flush=True)
    for name, number in (("a finding", followed), (f"an adjusted p of at most {ALPHA:g}", unusual)):
        print(f"clean nets with {name}: {Counted(number, count)}")


def one_of_each(seed: int) -> None:
    """Print a line for each net: its own trigger (of the clean one, the trigger of the largest share), and findings."""
    print(
        "| net | trigger, class | share | random marks, mean (one more) | z | adjusted p | findings |\n"
        + "|---" * 7
        + "|"
    )
    for name in ("clean", *KNOWN):
        judged, followed = judge(name, seed)
        own = [each for each in judged if name == "clean" or (each.trigger == name and each.place == AIM)]
        best = max(own, key=lambda each: each.success.value or 0.0)
        what = f"{best.trigger}, {EXPRESSIONS[best.place]}"
        told = f"{best.null.value:.2f} ({best.null.high:.2f})"
        cells = [name, what, f"{best.success.value:.2f}", told, f"{best.z:.1f}", f"{best.p_adjusted:.2g}"]
        print("| " + " | ".join([*cells, ", ".join(followed) or "none"]) + " |", flush=True)


def main() -> None:
    """Print the table of one net of each kind, or the rate over clean ones."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.studies.known_triggers_nets", description=__doc__)
    parser.add_argument("--seed", type=int, default=4242, help="of the nets of each kind (default 4242)")
    parser.add_argument("--clean", type=int, default=0, help="count false alarms on so many clean nets instead")
    given = parser.parse_args()
    torch.set_num_threads(1)
    if given.clean:
        false_alarms(given.clean)
    else:
        one_of_each(given.seed)


if __name__ == "__main__":
    main()
