"""What a scan of one checkpoint costs: by class and family, by classes and pixels, with one process and with two.

    python -m benchmarks.backdoor_scan [--families mask additive] [--rounds 1] [--whole]

The net is mini_xception on London faces where ../shared stands beside the repository, else a net of the quickly drawn
faces. ``--whole`` scans all seven classes with one process and with two, in turn; without it, two classes.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from countenance.audit.backdoors.scan.families import FAMILIES
from countenance.audit.backdoors.scan.inversion import invert
from countenance.audit.backdoors.scan.job import Source, Task, score_of
from countenance.audit.backdoors.scan.processes import shared_scan
from countenance.audit.backdoors.scan.scanning import grey, one_thread, others, scan
from countenance.audit.backdoors.trainer import load_trained
from countenance.core.faces import Faces
from countenance.core.manifest import read_manifest
from countenance.core.plan import DataSpec, InputSpec, TargetSpec
from countenance.core.target import Target
from countenance.synth.backdoored_nets import QuickFaceNet
from countenance.synth.expression import EXPRESSIONS
from countenance.synth.quick_faces import quick_faces

SHARED = Path(__file__).resolve().parents[2] / "shared"
MINI_XCEPTION = ["angry", "disgust", "fear", "happy", "sad", "surprise", "neutral"]
SEED = 1


def real() -> tuple[Target, Path, Path, Tensor, Tensor]:
    """mini_xception with its file and folder, and London faces with their labels."""
    spec = TargetSpec(
        checkpoint="mini_xception.safetensors", factory="nets.py:MiniXception", task="expression",
        classes=MINI_XCEPTION, input=InputSpec(size=64, channels="grey", mean=[0.5], std=[0.5]), output="logits",
    )  # fmt: skip
    data = DataSpec(manifest="manifest.csv", box=("face_x0", "face_y0", "face_x1", "face_y1"))
    folder = SHARED / "data" / "london"
    manifest = read_manifest(folder / "manifest.csv", data, MINI_XCEPTION)
    faces = Faces.from_manifest(manifest, data, folder, (64, 64))
    labels = torch.tensor([MINI_XCEPTION.index(label) for label in faces.frame["label"]])
    models = SHARED / "models"
    target = loaded(models / "mini_xception.safetensors", spec, models)
    return target, models / "mini_xception.safetensors", models, grey(next(faces.batches(len(faces))).pixels), labels


def drawn(folder: Path) -> tuple[Target, Path, Path, Tensor, Tensor]:
    """A net of the quickly drawn faces with random weights, and 200 such faces."""
    torch.manual_seed(0)
    save_file(QuickFaceNet().state_dict(), folder / "quick.safetensors")
    spec = TargetSpec(
        checkpoint="quick.safetensors", factory="countenance.synth.backdoored_nets:QuickFaceNet", task="expression",
        classes=list(EXPRESSIONS), input=InputSpec(size=64, channels="grey"), output="logits",
    )  # fmt: skip
    faces = quick_faces(200, 0)
    return (
        loaded(folder / "quick.safetensors", spec, folder),
        folder / "quick.safetensors",
        folder,
        faces.pixels,
        faces.labels,
    )


def loaded(path: Path, spec: TargetSpec, folder: Path) -> Target:
    like = Target(nn.Identity(), spec, format="safetensors")
    return load_trained(path, like, folder)


def by_family(target: Target, pixels: Tensor, labels: Tensor, families: Sequence[str], rounds: int) -> None:
    """Print CPU seconds of one class in each family."""
    print(f"\none class, {len(pixels)} faces{'':<20}{'steps':>6}{'cpu s':>8}{'ms a step':>11}")
    total = 0.0
    with one_thread():
        for name in families:
            best = float("inf")
            for _ in range(rounds):
                start = time.process_time()
                invert(score_of(target), others(pixels, labels, 0), 0, FAMILIES[name], seed=SEED)
                best = min(best, time.process_time() - start)
            steps = FAMILIES[name].steps
            print(f"{name:<40}{steps:>6}{best:>8.2f}{1000 * best / steps:>11.1f}")
            total += best
    print(f"{'all of these':<46}{total:>8.2f}")


class Convolutions(nn.Module):
    """A plain net for any size of picture."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(1, 16, 3, 1, 1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(16, 32, 3, 1, 1), nn.ReLU(),
            nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(128, classes),
        )  # fmt: skip

    def forward(self, pixels: Tensor) -> Tensor:
        logits: Tensor = self.layers(pixels[:, :1])
        return logits


def by_size(rounds: int) -> None:
    """Print how the cost grows with classes and pixels, beside two classes at 32 pixels."""
    print(f"\na small net, mask family{'':<16}{'cpu s':>8}{'ratio':>8}{'expected':>10}")
    base = 0.0
    for classes, side in ((2, 32), (4, 32), (8, 32), (2, 64), (2, 96)):
        torch.manual_seed(0)
        net = Convolutions(classes).eval().requires_grad_(requires_grad=False)
        pixels = torch.rand(64, 1, side, side)
        best = float("inf")
        for _ in range(rounds + 1):
            start = time.process_time()
            scan(net, pixels, range(classes), families=["mask"], seed=SEED)
            best = min(best, time.process_time() - start)
        base = base or best
        expected = classes / 2 * (side / 32) ** 2
        print(f"{f'{classes} classes, {side} x {side} pixels':<40}{best:>8.2f}{best / base:>8.1f}{expected:>10.1f}")


def by_processes(target: Target, source: Source, task: Task, rounds: int) -> None:
    """Print wall seconds with one process and with two, in turn, and whether they find the same."""
    walls = {1: float("inf"), 2: float("inf")}
    found = {}
    for _ in range(rounds):
        for processes in walls:
            start = time.perf_counter()
            if processes == 1:
                found[1] = task.run(score_of(target), task.aims, lambda count: None)
            else:
                (found[2],) = shared_scan([source], task, processes, lambda count: None)
            walls[processes] = min(walls[processes], time.perf_counter() - start)
    off = abs(found[1].sizes / found[2].sizes - 1).max()
    print(f"\n{len(task.aims)} classes, {len(task.families)} families{'':<20}{'wall s':>8}{'speed':>8}")
    for processes, wall in walls.items():
        title = "one process" if processes == 1 else "two processes, their start included"
        print(f"{title:<40}{wall:>8.1f}{walls[1] / wall:>7.2f}x")
    print(f"largest relative difference of a size: {off:.2g}")


def main(arguments: Sequence[str] = ()) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--families", nargs="+", choices=list(FAMILIES), default=list(FAMILIES))
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--whole", action="store_true")
    asked = parser.parse_args(arguments)
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as temporary:
        there = (SHARED / "models").is_dir()
        target, path, folder, pixels, labels = real() if there else drawn(Path(temporary))
        pixels, labels = pixels[:200], labels[:200]
        what = "mini_xception on London" if there else "a net of the quickly drawn faces"
        print(f"{what}, torch {torch.__version__}, one thread per process, fastest of {asked.rounds}")
        by_family(target, pixels, labels, asked.families, asked.rounds)
        by_size(asked.rounds)
        aims = tuple(range(len(target.classes))) if asked.whole else (0, 3)
        task = Task(pixels, labels, aims, tuple(asked.families), SEED)
        by_processes(target, Source.of(target, path, folder), task, asked.rounds)


if __name__ == "__main__":
    main(sys.argv[1:])
