"""What each attribution method costs, in forward passes of the net on the same faces; and integrated gradients' error.

    python -m benchmarks methods

face_expression on London faces where ../shared stands beside the repository, else the net of the drawn faces with
random weights; default settings. A method that cannot explain the net says why.
"""

from __future__ import annotations

from functools import partial

import torch
from benchmarks.lime import ROOT, drawn, london
from benchmarks.timing import side_by_side
from torch import Tensor

from countenance.core.batch_size import fastest_batch_size
from countenance.core.target import Target
from countenance.explain.attribution.method import AttributionSettings, Request
from countenance.explain.attribution.registry import METHODS, build_explainers

FORWARD = "forward pass"
ROUNDS = 3
STEPS = (32, 64, 128, 256)
ERROR_FACES = 6


def main() -> None:
    """Print the cost of every method."""
    torch.set_num_threads(1)
    real = (ROOT.parent / "shared" / "models").is_dir()
    target, pixels = london() if real else drawn()
    batch_size = fastest_batch_size(target)
    classes = torch.full((len(pixels),), 1, dtype=torch.int64)
    request = Request(pixels, classes, tuple(range(len(pixels))))

    def forward() -> None:
        with torch.no_grad():
            target(pixels)

    print(f"\n{target.name}, {len(pixels)} faces, batches of {batch_size}; CPU time of one thread")
    for name, info in METHODS.items():
        built = build_explainers(target, [name], batch_size=batch_size)
        if built.unavailable:
            print(f"{info.title:<28} -  {built.unavailable[name]}")
            continue
        ways = {FORWARD: forward, name: partial(built.explainers[0].explain, request)}
        best = side_by_side(ways, ROUNDS)
        print(f"{info.title:<28}{best[name].cpu / best[FORWARD].cpu:>8.1f} forward passes")
    compare_steps(*(london(ERROR_FACES) if real else (target, pixels)))


def compare_steps(target: Target, pixels: Tensor) -> None:
    """Print by how much integrated gradients miss the difference of scores, face by face, for several step counts."""
    request = Request(pixels, torch.ones(len(pixels), dtype=torch.int64), tuple(range(len(pixels))))
    name = "integrated_gradients"
    print(f"\nCompleteness error of integrated gradients, {len(pixels)} faces of {target.name}")
    for steps in STEPS:
        settings = AttributionSettings(integration_steps=steps)
        built = build_explainers(target, [name], batch_size=8, settings=settings)
        errors = built.explainers[0].explain(request)[name].facts["completeness_error"]
        print(f"{steps:>4} steps: {float(errors.min()):.3f} to {float(errors.max()):.3f}")


if __name__ == "__main__":
    main()
