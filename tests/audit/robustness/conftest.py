"""Small nets and faces in memory, and what a runner would give the probe."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from countenance.audit.robustness.adversarial import AdversarialParams, adversarial
from countenance.audit.robustness.attacks import PGD
from countenance.core.faces import FaceBatch, Faces
from countenance.core.manifest import read_manifest
from countenance.core.plan import DataSpec, InputSpec, TargetSpec
from countenance.core.predictions import Predictions
from countenance.core.probes import ProbeContext, Scores, TableOutput
from countenance.core.results import Finding, Measurement
from countenance.core.statistics.rules import StatisticsRules
from countenance.core.statistics.slicing import slice_scores
from countenance.core.target import Target

CLASSES = 3
SIDE = 16


class MemoryFaces:
    """Faces that are held in memory, read in batches as the real ones are."""

    def __init__(self, pixels: Tensor, subjects: np.ndarray | None = None, landmarks: np.ndarray | None = None) -> None:
        self.pixels = pixels
        self.landmarks = landmarks
        count = len(pixels)
        self.subject_codes = np.arange(count) if subjects is None else np.asarray(subjects, dtype=np.int64)

    def __len__(self) -> int:
        return len(self.pixels)

    def batches(self, size: int, rows: np.ndarray | None = None, *, landmarks: bool = False) -> Iterator[FaceBatch]:
        wanted = np.arange(len(self)) if rows is None else rows
        for start in range(0, len(wanted), size):
            chunk = np.asarray(wanted[start : start + size], dtype=np.int64)
            points = self.landmarks[chunk] if landmarks and self.landmarks is not None else None
            yield FaceBatch(chunk, self.pixels[chunk].clone(), points)


@dataclass
class Outcome:
    """What a run of the probe yielded, by kind."""

    outputs: list[Any]
    faces: MemoryFaces
    rules: StatisticsRules = field(default_factory=StatisticsRules)

    @property
    def findings(self) -> dict[str, Finding]:
        return {out.id.rpartition(".")[2]: out for out in self.outputs if isinstance(out, Finding)}

    @property
    def failures(self) -> set[str]:
        """The findings that say that the attack itself failed."""
        return set(self.findings) - {"accuracy"}

    @property
    def table(self) -> Any:
        return next(out.frame for out in self.outputs if isinstance(out, TableOutput))

    def scores(self, metric: str, **condition: str) -> Scores:
        found = [
            out
            for out in self.outputs
            if isinstance(out, Scores) and out.metric == metric and dict(out.condition) == condition
        ]
        assert len(found) == 1, f"{len(found)} scores {metric} {condition}"
        return found[0]

    def accuracy(self, attack: str, eps: str) -> float:
        return float(self.scores("accuracy", attack=attack, eps=eps).values.mean())

    def measurements(self) -> list[Measurement]:
        made = [out for out in self.outputs if isinstance(out, Measurement)]
        for out in self.outputs:
            if isinstance(out, Scores):
                made += slice_scores(out, self.faces.subject_codes, (), self.rules, "adversarial")
        return made


class _Scored:
    """A target made of class scores alone."""

    task = "expression"
    device = torch.device("cpu")
    input = SimpleNamespace(channels="rgb")

    def __init__(self, scores: Callable[[Tensor], Tensor], size: tuple[int, ...], classes: tuple[str, ...]) -> None:
        self.scores, self.size, self.classes = scores, size, classes

    def __call__(self, pixels: Tensor) -> Tensor:
        return self.scores(pixels)

    def probabilities(self, outputs: Tensor) -> Tensor:
        return outputs.softmax(1)


@contextmanager
def _silent(unit: str, total: int) -> Iterator[Callable[..., None]]:
    yield lambda count=1: None


RunProbe = Callable[..., Outcome]


@pytest.fixture(scope="session")
def run_probe() -> RunProbe:
    """Run the probe on scores (pixels to logits), pixels (n, 3, h, w) and labels (n,)."""

    def run(
        scores: Callable[[Tensor], Tensor],
        pixels: Tensor,
        labels: np.ndarray,
        *,
        subjects: np.ndarray | None = None,
        batch_size: int = 16,
        seed: int = 0,
        probe_id: str = "adversarial",
        floors: dict[str, float] | None = None,
        **params: Any,
    ) -> Outcome:
        faces = MemoryFaces(pixels, subjects)
        with torch.no_grad():
            values = torch.cat([scores(part).double().softmax(1) for part in pixels.split(64)]).numpy()
        classes = tuple(f"class {place}" for place in range(values.shape[1]))
        context = ProbeContext(
            probe_id=probe_id,
            faces=faces,  # type: ignore[arg-type]
            predictions=Predictions("expression", classes, values, np.asarray(labels, dtype=np.float64)),
            target=_Scored(lambda seen: scores(seen.to(pixels.dtype)), tuple(pixels.shape[2:]), classes),  # type: ignore[arg-type]
            rules=StatisticsRules(),
            seed=seed,
            batch_size=batch_size,
            progress=_silent,
            floors=floors or {},
        )
        given = {"attack": "pgd", **params}
        return Outcome(list(adversarial(context, AdversarialParams(**given))), faces)

    return run


def _net(seed: int) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, 2, 1), nn.ReLU(), nn.Conv2d(8, 16, 3, 2, 1), nn.ReLU(),
        nn.Flatten(), nn.Linear(16 * (SIDE // 4) ** 2, CLASSES),
    )  # fmt: skip


@dataclass(frozen=True)
class Case:
    """A trained net with faces it was not trained on: two of each person."""

    net: nn.Module
    pixels: Tensor
    labels: np.ndarray
    subjects: np.ndarray


@pytest.fixture(scope="session")
def make_case() -> Callable[..., Case]:
    """Train a small net on blurred prototypes in noise, if asked to resist; people differ by an offset of their own."""

    def make(seed: int, people: int = 40, steps: int = 60, resist: float = 0.0) -> Case:
        generator = torch.Generator().manual_seed(seed)
        coarse = torch.rand((CLASSES, 3, 4, 4), generator=generator)
        prototypes = nn.functional.interpolate(coarse, SIDE, mode="bilinear", align_corners=False)

        def draw(count: int, each: int) -> tuple[Tensor, Tensor, np.ndarray]:
            subjects = torch.arange(count).repeat_interleave(each)
            labels = torch.randint(CLASSES, (count * each,), generator=generator)
            person = 0.1 * torch.randn((count, 3, SIDE, SIDE), generator=generator)
            noise = 0.1 * torch.randn((count * each, 3, SIDE, SIDE), generator=generator)
            pixels = 0.5 + 0.3 * (prototypes[labels] - 0.5) + person[subjects] + noise
            return pixels.clamp(0, 1), labels, subjects.numpy()

        net = _net(seed)
        optimizer = torch.optim.Adam(net.parameters(), 5e-3)
        for _ in range(steps):
            pixels, labels, _ = draw(32, 1)
            if resist:  # adversarial training (Madry et al. 2018)
                pixels = PGD(steps=3)(net, pixels, labels, np.arange(32), resist).pixels
            loss = nn.functional.cross_entropy(net(pixels), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        pixels, labels, subjects = draw(people, 2)
        return Case(net.eval().requires_grad_(False), pixels, labels.numpy(), subjects)

    return make


@pytest.fixture(scope="session")
def case(make_case: Callable[..., Case]) -> Case:
    return make_case(0)


@dataclass(frozen=True)
class London:
    """Real faces under a real net."""

    target: Target
    faces: Faces
    labels: np.ndarray

    def pixels(self, rows: np.ndarray) -> Tensor:
        return torch.cat([batch.pixels for batch in self.faces.batches(32, rows)])


@pytest.fixture(scope="session")
def london(shared: Path) -> London:
    """The London faces and face_expression, read as a plan would have them read."""
    nets = shared / "models" / "nets.py"
    spec = importlib.util.spec_from_file_location("shared_nets", nets)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    net = module.FaceExpressionNet()
    net.load_state_dict(load_file(shared / "models" / "face_expression.safetensors"))
    description = TargetSpec(
        checkpoint="face_expression.safetensors",
        task="expression",
        classes=["neutral", "happy", "sad", "angry", "fearful", "disgusted", "surprised"],
        input=InputSpec(size=112, mean=[0.48150, 0.45883, 0.40901]),
        output="logits",
    )
    target = Target(net.eval(), description, format="safetensors")
    data = DataSpec(manifest="manifest.csv", subject="subject", box=("face_x0", "face_y0", "face_x1", "face_y1"))
    folder = shared / "data" / "london"
    manifest = read_manifest(folder / "manifest.csv", data, target.classes)
    faces = Faces.from_manifest(manifest, data, folder, target.size)
    labels = np.array([target.classes.index(label) for label in faces.frame["label"]])
    return London(target, faces, labels)
