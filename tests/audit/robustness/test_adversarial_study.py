"""How often the checks of the attack are right and wrong, over many small nets trained from different seeds.

    python -m pytest -m slow -s tests/audit/robustness/test_adversarial_study.py

prints the table of docs/adversarial.md. Another number of seeds: the environment variable COUNTENANCE_STUDY_SEEDS.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import binomtest
from torch import Tensor

from countenance.audit.robustness import adversarial as probe_module
from countenance.audit.robustness.attacks import PGD, Attacked, LinfBall
from countenance.audit.robustness.noise import sign_noise, uniform_noise

SEEDS = int(os.environ.get("COUNTENANCE_STUDY_SEEDS", "200"))
EPS = ["1/255", "4/255", "16/255", "64/255"]
Scorer = Callable[[Tensor], Tensor]


def _quantised(net: Scorer) -> Scorer:
    return lambda x: net((x * 16).round() / 16)


def _saturated(net: Scorer) -> Scorer:
    return lambda x: (50 * net(x)).softmax(1).clamp_min(1e-12).log()


def _turned(net: Scorer) -> Scorer:
    def scores(x: Tensor) -> Tensor:
        logits = net(x)
        return 2 * logits.detach() - logits

    return scores


def _random(net: Scorer) -> Scorer:
    return lambda x: net(x + 0.05 * torch.randn_like(x))


def _fragile(net: Scorer) -> Scorer:
    def scores(x: Tensor) -> Tensor:
        off_grid = ((x * 255).frac() - 0.5).abs().flatten(1).amin(1) < 0.45
        return torch.where(off_grid[:, None], torch.nan, net(x))

    return scores


def _constant(x: Tensor) -> Tensor:
    return 0 * x.flatten(1)[:, :3] + torch.tensor([0.0, 1.0, 0.5])


class _Stub:
    """An attack that moves faces as told, whatever the model."""

    name = "pgd"
    norm = "linf"

    def __init__(self, move: Callable[..., Tensor], seed: int) -> None:
        self.move, self.seed = move, seed

    def __call__(self, scores: Scorer, pixels: Tensor, labels: Tensor, rows: Any, eps: float) -> Attacked:
        moved = self.move(scores, pixels, labels, rows, eps, self.seed)
        with torch.no_grad():
            flipped = scores(moved).argmax(1) != labels
        start = torch.zeros(len(pixels))
        return Attacked(moved, flipped, start, start + 1, torch.zeros(len(pixels), dtype=torch.bool))


def _other_noise(scores: Scorer, pixels: Tensor, labels: Tensor, rows: Any, eps: float, seed: int) -> Tensor:
    return LinfBall(pixels, eps).at(sign_noise(seed, rows, pixels, stream=round(eps * 1000) + 1))


def _same_size_noise(scores: Scorer, pixels: Tensor, labels: Tensor, rows: Any, eps: float, seed: int) -> Tensor:
    unit = sign_noise(seed, rows, pixels, stream=round(eps * 1000) + 1)
    return LinfBall(pixels, eps).at(unit * (100 / 255) / eps)


def _weak_noise(scores: Scorer, pixels: Tensor, labels: Tensor, rows: Any, eps: float, seed: int) -> Tensor:
    return LinfBall(pixels, eps).at(0.2 * uniform_noise(seed, rows, pixels, stream=1))


def _too_far(scores: Scorer, pixels: Tensor, labels: Tensor, rows: Any, eps: float, seed: int) -> Tensor:
    return LinfBall(pixels, 1.01 * eps).at(uniform_noise(seed, rows, pixels, stream=1))


def _only_at_small_eps(scores: Scorer, pixels: Tensor, labels: Tensor, rows: Any, eps: float, seed: int) -> Tensor:
    if eps > 0.1:
        return LinfBall(pixels, eps).at(0.01 * uniform_noise(seed, rows, pixels, stream=1))
    return PGD(steps=10, seed=seed)(scores, pixels, labels, rows, eps).pixels


RESISTING = "pgd on an adversarially trained net"
RESISTING_STANDARD = "standard on an adversarially trained net"
CONSTANT = "net that gives every face one answer"
NOISY = ["100/255", "150/255", "200/255"]
# name: how the net is changed, the attack (parameters or a stub), eps, the finding that must be there
FAULTS: dict[str, tuple[Callable[[Scorer], Scorer] | None, Any, list[str], str]] = {
    "input quantised to 17 values": (_quantised, {}, EPS, "no_gradient"),
    "saturated probabilities": (_saturated, {}, EPS, "no_gradient"),
    "gradient turned round": (_turned, {}, EPS, "withstands_without_limit"),
    "gradient turned round, asked without it": (_turned, {}, EPS, "black_box_stronger"),
    "gradient turned round, under quick": (_turned, {"attack": "quick"}, EPS, "black_box_stronger"),
    "input quantised to 17 values, under standard": (_quantised, {"attack": "standard"}, EPS, "no_gradient"),
    "noise added to the input": (_random, {}, EPS, "unstable"),
    "NaN off the grid of 8-bit pixels": (_fragile, {}, EPS, "no_answer"),
    "attack that is a fifth of noise": (None, _weak_noise, NOISY, "weaker_than_noise"),
    "attack 1 % beyond eps": (None, _too_far, EPS, "out_of_bounds"),
    "attack that gives up above eps 0.1": (None, _only_at_small_eps, EPS, "not_monotone"),
}
SOUND: dict[str, tuple[Any, list[str], set[str]]] = {
    "pgd on an ordinary net": ({}, EPS, set()),
    "pgd with 3 steps on an ordinary net": ({"steps": 3}, EPS, set()),
    "pgd with eps too small for most faces": ({}, ["1/2550", "1/510"], set()),
    RESISTING: ({}, ["2/255", "4/255", "8/255"], set()),
    CONSTANT: ({}, EPS, set()),
    RESISTING_STANDARD: ({"attack": "standard"}, ["2/255", "4/255", "8/255"], set()),
    "quick on an ordinary net": ({"attack": "quick"}, EPS, set()),
    "standard on an ordinary net": ({"attack": "standard"}, EPS, set()),
    "standard in L2 on an ordinary net": ({"attack": "standard", "norm": "l2"}, ["1/4", "1", "4"], set()),
    "square on an ordinary net": ({"attack": "square"}, EPS, set()),
    "fgsm on an ordinary net": ({"attack": "fgsm"}, EPS, set()),
    "attack exactly as strong as noise": (_other_noise, NOISY, {"weaker_than_noise"}),
    "equally strong at every eps": (_same_size_noise, NOISY, {"not_monotone"}),
}


def _told(count: int) -> str:
    interval = binomtest(count, SEEDS).proportion_ci(method="exact")
    return f"{100 * count / SEEDS:.1f} ({100 * interval.low:.1f}-{100 * interval.high:.1f})"


@pytest.mark.slow
def test_rates_of_the_checks(run_probe: Any, make_case: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    hits: Counter[str] = Counter()
    alarms: dict[str, Counter[str]] = {name: Counter() for name in SOUND}
    flagged: Counter[str] = Counter()
    stood: list[float] = []
    original = probe_module._attack

    def run(case: Any, scores: Scorer, how: Any, eps: list[str], seed: int) -> Any:
        params = how if isinstance(how, dict) else {}
        stub = original if params is how else lambda params, start, classes: (_Stub(how, start % 2**31), [])
        monkeypatch.setattr(probe_module, "_attack", stub)
        return run_probe(scores, case.pixels, case.labels, subjects=case.subjects, seed=seed, eps=eps, **params)

    for seed in range(SEEDS):
        torch.manual_seed(seed)
        case = make_case(1000 + seed)
        case = replace(case, pixels=(case.pixels * 255).round() / 255)
        resisting = make_case(1000 + seed, steps=120, resist=8 / 255)
        for name, (change, how, eps, finding) in FAULTS.items():
            scores = change(case.net) if change else case.net
            hits[name] += finding in run(case, scores, how, eps, seed).failures
        for name, (how, eps, only) in SOUND.items():
            audited = resisting if name in (RESISTING, RESISTING_STANDARD) else case
            scores = _constant if name == CONSTANT else audited.net
            outcome = run(audited, scores, how, eps, seed)
            found = outcome.failures & only if only else outcome.failures
            if name == RESISTING and outcome.findings:  # else its training collapsed to one answer
                stood.append(outcome.accuracy("pgd", eps[-1]))
            alarms[name].update(found)
            flagged[name] += bool(found)

    print(f"\n\n{SEEDS} seeds, % with 95 % interval\n\n| planted | finding | told |\n|---|---|---|")
    for name, (_, _, _, finding) in FAULTS.items():
        print(f"| {name} | `{finding}` | {_told(hits[name])} |")
    print("\n| sound | told | which |\n|---|---|---|")
    for name in SOUND:
        which = ", ".join(f"`{finding}` {count}" for finding, count in sorted(alarms[name].items())) or "none"
        print(f"| {name} | {_told(flagged[name])} | {which} |")

    print(f"\nadversarially trained: {len(stood)} measured, median accuracy {np.median(stood):.2f} at eps 8/255")
    assert len(stood) > 0.9 * SEEDS
    assert np.median(stood) > 0.5  # a control in which many faces stand
    for name in FAULTS:
        assert hits[name] >= 0.95 * SEEDS, name
    for name in SOUND:
        # No more than the level can be excluded from below: the count would be likely at a rate of 2 %.
        assert binomtest(flagged[name], SEEDS, 0.02, alternative="greater").pvalue > 0.01, name


def test_the_table_of_the_docs_names_every_design(root: Any) -> None:
    page = (root / "docs" / "adversarial.md").read_text(encoding="utf-8")
    for name in [*FAULTS, *SOUND]:
        assert f"| {name} |" in page
    assert np.all([f"`{finding}`" in page for _, _, _, finding in FAULTS.values()])
