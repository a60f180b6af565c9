"""How often the probe finds what was planted, and tells what is not there, over small nets of different seeds.

    python -m pytest -m slow -s tests/audit/robustness/verification/test_verification_study.py

prints the table of docs/verification-attacks.md. Another number of seeds: the environment variable
COUNTENANCE_STUDY_SEEDS.
"""

from __future__ import annotations

import os
from collections import Counter
from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import binomtest
from torch import Tensor, nn

SEEDS = int(os.environ.get("COUNTENANCE_STUDY_SEEDS", "20"))
FAILURES = {"out_of_bounds", "no_gradient", "unstable", "weaker_than_noise"}
FINDING, SMALL = "8/255", "1/5100"


def failures(outcome: Any) -> set[str]:
    return {name.rpartition(".")[2] for name in outcome.findings} & FAILURES


def gaps(outcome: Any) -> int:
    return sum("gap" in name or "worst" in name for name in outcome.findings)


def lost(outcome: Any, goal: str) -> float:
    value: float = outcome.measurements[f"lost@attack=pgd,eps={FINDING},goal={goal}"].estimate.value
    return value


def coarse(net: Any, parts: int) -> Any:
    """A net that is shown pixels in steps: its gradients are zero."""
    return lambda shown: net((shown * parts).round() / parts)


def noisy(net: Any) -> Any:
    return lambda shown: net(shown + 0.1 * torch.randn_like(shown))


def sheltering(net: Any) -> Any:
    """A net that sees the marked people in tiles of rounded brightness, which small changes seldom move."""

    def model(shown: Tensor) -> Tensor:
        tiles = (nn.functional.avg_pool2d(shown, 4) * 8).round() / 8
        seen = net(nn.functional.interpolate(tiles, scale_factor=4))
        return torch.where((shown[:, 0, 0, 0] > 0.5)[:, None], seen, net(shown))

    return model


def one_seed(seed: int, run_probe: Any, make_net: Any, photos: Any) -> dict[str, bool]:
    """Audit the nets of one seed; return what was told."""
    net, resisting = make_net(seed), make_net(seed, resist=8 / 255)
    pixels, people = photos(80, 3, seed=5000 + seed)
    marked = people % 2 == 0
    pixels[marked, :, :2, :2], pixels[~marked, :, :2, :2] = 1.0, 0.0
    groups = np.where(marked, "sheltered", "exposed")

    def run(model: Any, *eps: str) -> Any:
        settings = {"seed": seed, "attempts": 240, "groups": groups, "eps": eps or (FINDING,)}
        return run_probe(model, pixels, people, **settings)

    plain, other = run(net, SMALL, FINDING), run(resisting)
    told = {}
    for goal in ("impersonation", "dodging"):
        told[f"{goal}: more answers of the plain net are lost"] = lost(plain, goal) > lost(other, goal)
        clean, small = (plain.share(goal, name, eps) for name, eps in (("none", "0"), ("pgd", SMALL)))
        told[f"{goal}: eps 1/5100 changes fewer than 2 % of answers"] = abs(small - clean) < 0.02
        keys = [f"{goal}@attack={name},eps={FINDING},photo=other" for name in ("pgd", "noise")]
        attacked, noise = (plain.measurements[key].estimate for key in keys)
        told[f"{goal}: surely above noise"] = attacked.low > noise.high
    told["pixels in steps of 1/8: `no_gradient`"] = "no_gradient" in failures(run(coarse(net, 8)))
    told["noise added to the input: `unstable`"] = "unstable" in failures(run(noisy(net)))
    told["half of the people sheltered: a gap is told"] = gaps(run(sheltering(net))) > 0
    told["nothing planted: a sign that the attack failed"] = bool(failures(plain) | failures(other))
    told["nothing planted: a gap is told, plain net"] = gaps(plain) > 0
    told["nothing planted: a gap is told, resisting net"] = gaps(other) > 0
    return told


@pytest.mark.slow
def test_rates(run_probe: Any, make_net: Any, photos: Any) -> None:
    torch.set_num_threads(1)
    told: Counter[str] = Counter()
    for seed in range(SEEDS):
        told.update(one_seed(seed, run_probe, make_net, photos))
    print(f"\n{SEEDS} seeds, with 95 % intervals (Clopper-Pearson):\n\n| | in % of the seeds |\n|---|---|")
    for name, count in told.items():
        limits = binomtest(int(count), SEEDS).proportion_ci(0.95)
        print(f"| {name} | {100 * count / SEEDS:.1f} ({100 * limits.low:.1f}-{100 * limits.high:.1f}) |")
    for name, count in told.items():
        share = count / SEEDS
        assert share <= 0.15 if name.startswith("nothing planted") else share >= 0.9, f"{name}: {count} of {SEEDS}"
