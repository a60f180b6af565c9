"""PGD and APGD beside foolbox, ART and the bare loop of forward and backward passes, in one interleaved run.

    python -m benchmarks.adversarial [--faces 32] [--steps 10] [--batch 16] [--rounds 5] [--norm linf]

The net is face_expression on London faces where ../shared stands beside the repository, else a small net on random
pixels. Two settings: eps so small that every face stands, where all do at least the same number of passes, and one at
which faces fall, where ours stops searching for a face once its answer has changed. foolbox has no APGD.
"""

from __future__ import annotations

import argparse
import importlib.util
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import foolbox
import numpy as np
import torch
from art import __version__ as art_version
from art.attacks.evasion import AutoProjectedGradientDescent, ProjectedGradientDescentPyTorch
from art.estimators.classification import PyTorchClassifier
from safetensors.torch import load_file
from torch import Tensor, nn

from countenance.audit.robustness.attacks import APGD, PGD, Attack, Norm
from countenance.core.faces import Faces
from countenance.core.manifest import read_manifest
from countenance.core.plan import DataSpec, InputSpec, TargetSpec
from countenance.core.target import Target

from .timing import side_by_side, tell

SHARED = Path(__file__).resolve().parents[2] / "shared"
EPS: dict[Norm, tuple[float, float]] = {"linf": (1e-7, 2 / 255), "l2": (1e-5, 0.5)}
"""So small that every face stands, and so large that faces fall."""
Contestant = Callable[[], float]


class Scores(nn.Module):
    """The target as a module from pixels to logits, which is how others take a model."""

    def __init__(self, target: Target) -> None:
        super().__init__()
        self.target = target

    def forward(self, pixels: Tensor) -> Tensor:
        return self.target.scores(pixels)


def london(count: int) -> tuple[Target, Tensor]:
    """face_expression and the first faces of the London set."""
    spec = importlib.util.spec_from_file_location("nets", SHARED / "models" / "nets.py")
    assert spec is not None
    assert spec.loader is not None
    nets = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(nets)
    net = nets.FaceExpressionNet()
    net.load_state_dict(load_file(SHARED / "models" / "face_expression.safetensors"))
    classes = ["neutral", "happy", "sad", "angry", "fearful", "disgusted", "surprised"]
    target = make_target(net, classes, InputSpec(size=112, mean=[0.48150, 0.45883, 0.40901]))
    data = DataSpec(manifest="manifest.csv", box=("face_x0", "face_y0", "face_x1", "face_y1"))
    folder = SHARED / "data" / "london"
    faces = Faces.from_manifest(read_manifest(folder / "manifest.csv", data, classes), data, folder, target.size)
    return target, next(faces.batches(count)).pixels


def random_pixels(count: int) -> tuple[Target, Tensor]:
    """A small net with random weights, and random pixels."""
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(3, 16, 3, 2), nn.ReLU(), nn.Conv2d(16, 32, 3, 2), nn.ReLU(),
        nn.Conv2d(32, 64, 3, 2), nn.ReLU(), nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Linear(1024, 7),
    )  # fmt: skip
    target = make_target(net, [str(number) for number in range(7)], InputSpec(size=112))
    return target, torch.rand((count, 3, 112, 112))


def make_target(net: nn.Module, classes: list[str], given: InputSpec) -> Target:
    spec = TargetSpec(checkpoint="x.pt", task="expression", classes=classes, input=given, output="logits")
    return Target(net.eval(), spec, format="module")


def foolbox_model(target: Target) -> foolbox.PyTorchModel:
    return foolbox.PyTorchModel(Scores(target).eval(), bounds=(0, 1))


def art_model(target: Target, pixels: Tensor) -> PyTorchClassifier:
    return PyTorchClassifier(
        model=Scores(target).eval(),
        loss=nn.CrossEntropyLoss(),
        input_shape=tuple(pixels.shape[1:]),
        nb_classes=len(target.classes),
        clip_values=(0.0, 1.0),
        device_type="cpu",
    )


def art_norm(norm: Norm) -> float:
    return np.inf if norm == "linf" else 2


def contestants(
    target: Target, pixels: Tensor, norm: Norm, eps: float, steps: int, batch: int
) -> dict[str, Contestant]:
    """Return all by name; each call returns the share of faces still answered as without perturbation."""
    with torch.no_grad():
        labels = target.scores(pixels).argmax(1)
    parts = [torch.arange(start, min(start + batch, len(pixels))) for start in range(0, len(pixels), batch)]
    for_foolbox, for_art = foolbox_model(target), art_model(target, pixels)

    def bare() -> float:
        standing = 0
        for part in parts:
            points = pixels[part]
            for _ in range(steps):
                points = points.detach().requires_grad_()
                loss = nn.functional.cross_entropy(target.scores(points), labels[part], reduction="sum")
                torch.autograd.grad(loss, points)
            with torch.no_grad():
                standing += int((target.scores(points).argmax(1) == labels[part]).sum())
        return standing / len(pixels)

    def ours(attack: Attack) -> Contestant:
        def run() -> float:
            found = [attack(target.scores, pixels[part], labels[part], part.numpy(), eps) for part in parts]
            return 1 - float(torch.cat([each.flipped for each in found]).float().mean())

        return run

    def with_foolbox() -> float:
        make = foolbox.attacks.LinfPGD if norm == "linf" else foolbox.attacks.L2PGD
        attack = make(steps=steps, rel_stepsize=2.5 / steps)
        found = [attack(for_foolbox, pixels[part], labels[part], epsilons=eps)[2] for part in parts]
        return 1 - float(torch.cat(found).float().mean())

    def with_art(attack: ProjectedGradientDescentPyTorch | AutoProjectedGradientDescent) -> Contestant:
        def run() -> float:
            standing = 0
            for part in parts:
                found = attack.generate(pixels[part].numpy(), labels[part].numpy())
                standing += int((for_art.predict(found).argmax(1) == labels[part].numpy()).sum())
            return standing / len(pixels)

        return run

    common = {"norm": art_norm(norm), "eps": eps, "max_iter": steps, "batch_size": batch, "verbose": False}
    art_pgd = ProjectedGradientDescentPyTorch(for_art, eps_step=2.5 * eps / steps, num_random_init=1, **common)
    art_apgd = AutoProjectedGradientDescent(
        for_art, eps_step=2 * eps, nb_random_init=1, loss_type="cross_entropy", **common
    )
    return {
        "bare loop": bare,
        "PGD, countenance": ours(PGD(norm, steps=steps)),
        "PGD, foolbox": with_foolbox,
        "PGD, ART": with_art(art_pgd),
        "APGD, countenance": ours(APGD("ce", norm, steps=steps)),
        "APGD, ART": with_art(art_apgd),
    }


def main(arguments: Sequence[str] = ()) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--faces", type=int, default=32)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--norm", choices=sorted(EPS), default="linf")
    asked = parser.parse_args(arguments)
    torch.set_num_threads(1)
    real = (SHARED / "models").is_dir()
    target, pixels = london(asked.faces) if real else random_pixels(asked.faces)
    what = "face_expression on London" if real else "a random net and random pixels"
    print(
        f"{asked.norm}, {what}: {asked.faces} faces, {asked.steps} steps, batches of {asked.batch}, fastest of "
        f"{asked.rounds} interleaved rounds, one thread, torch {torch.__version__}, foolbox {foolbox.__version__}, "
        f"ART {art_version}"
    )
    for title, eps in zip(("every face stands", "faces fall"), EPS[asked.norm], strict=True):
        entrants = contestants(target, pixels, asked.norm, eps, asked.steps, asked.batch)
        standing = {name: run() for name, run in entrants.items()}
        timed = side_by_side(entrants, asked.rounds)
        named = {f"{name} ({standing[name]:.3f} standing)": each for name, each in timed.items()}
        tell(f"{title} (eps {eps:.2g})", named, next(iter(named)))


if __name__ == "__main__":
    main(sys.argv[1:])
