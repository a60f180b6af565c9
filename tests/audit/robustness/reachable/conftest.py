"""Drawn faces, nets that look at one region only, and what a runner would give the probe."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from countenance.audit.robustness.reachable.params import ReachableParams
from countenance.audit.robustness.reachable.probe import reachable_attacks
from countenance.audit.robustness.strip import stand_ins
from countenance.core.faces import FaceBatch
from countenance.core.plan import InputSpec, TargetSpec
from countenance.core.predictions import Predictions
from countenance.core.probes import ArrayOutput, JsonOutput, Note, ProbeContext, Scores, TableOutput
from countenance.core.results import Finding, Measurement
from countenance.core.statistics.rules import StatisticsRules
from countenance.core.target import Target

SIDE = 64
CLASSES = ("neutral", "happy")
REGIONS = {
    "eyes": (slice(22, 36), slice(16, 48)),
    "mouth": (slice(42, 50), slice(24, 40)),
    "all": (slice(0, 64), slice(0, 64)),
}


class Looks(nn.Module):
    """Calls a face happy when a region of it is redder than half; nothing else changes its answer."""

    def __init__(self, region: str, steep: float = 200.0) -> None:
        super().__init__()
        self.rows, self.columns = REGIONS[region]
        self.steep = steep

    def forward(self, pixels: Tensor) -> Tensor:
        level = pixels[:, 0, self.rows, self.columns].mean((1, 2)) - 0.5
        return torch.stack([-level, level], 1) * self.steep


@dataclass
class MemoryFaces:
    """Faces held in memory, read in batches as the real ones are."""

    pixels: Tensor
    landmarks: np.ndarray | None

    def __len__(self) -> int:
        return len(self.pixels)

    @property
    def subject_codes(self) -> np.ndarray:
        return np.arange(len(self))

    @property
    def landmarks_kind(self) -> str:
        return "none" if self.landmarks is None else str(self.landmarks.shape[1])

    def batches(self, size: int, rows: np.ndarray | None = None, *, landmarks: bool = False) -> Iterator[FaceBatch]:
        wanted = np.arange(len(self)) if rows is None else rows
        for start in range(0, len(wanted), size):
            chunk = np.asarray(wanted[start : start + size], dtype=np.int64)
            points = self.landmarks[chunk] if landmarks and self.landmarks is not None else None
            yield FaceBatch(chunk, self.pixels[chunk].clone(), points)


@dataclass
class Outcome:
    """What a run of the probe yielded, by kind."""

    outputs: list[Any] = field(repr=False)

    @property
    def findings(self) -> dict[str, Finding]:
        return {out.id.partition(".")[2]: out for out in self.outputs if isinstance(out, Finding)}

    @property
    def notes(self) -> list[str]:
        return [out.text for out in self.outputs if isinstance(out, Note)]

    @property
    def unmeasured(self) -> dict[tuple[str, ...], str]:
        made = [out for out in self.outputs if isinstance(out, Measurement)]
        return {(out.metric, *out.condition.values()): str(out.estimate.reason) for out in made}

    @property
    def table(self) -> Any:
        tables = {out.name: out.frame for out in self.outputs if isinstance(out, TableOutput)}
        return tables["attacks"].set_index(["attack", "size"])

    @property
    def pictures(self) -> np.ndarray:
        return next(out.arrays["pictures"] for out in self.outputs if isinstance(out, ArrayOutput))

    @property
    def strip(self) -> Any:
        return next(out.content for out in self.outputs if isinstance(out, JsonOutput))

    def scores(self, metric: str, **condition: str) -> Scores:
        found = [
            out
            for out in self.outputs
            if isinstance(out, Scores) and out.metric == metric and dict(out.condition) == condition
        ]
        assert len(found) == 1, f"{len(found)} scores {metric} {condition}"
        return found[0]

    def lost(self, attack: str, **size: str) -> float:
        scores = self.scores("lost", attack=attack, **size)
        weights = np.ones(len(scores.rows)) if scores.weights is None else scores.weights
        return float(scores.values.sum() / weights.sum())


@contextmanager
def _silent(unit: str, total: int) -> Iterator[Callable[..., None]]:
    yield lambda count=1: None


@dataclass
class Case:
    """A net that looks at one region, with faces whose label that region shows by a little."""

    context: ProbeContext
    faces: MemoryFaces
    labels: np.ndarray
    target: Target

    def run(self, **params: Any) -> Outcome:
        return Outcome(list(reachable_attacks(self.context, ReachableParams(**params))))


def draw(count: int = 24, side: int = SIDE) -> tuple[Tensor, np.ndarray]:
    """Return drawn faces with a little noise of their own, and their 68 landmarks."""
    drawn, _ = stand_ins((side, side), "68")
    which = np.arange(count) % len(drawn)
    generator = torch.Generator().manual_seed(0)
    noise = 0.02 * torch.randn((count, 3, side, side), generator=generator)
    assert drawn.landmarks is not None
    return (drawn.pixels[which] + noise).clamp(0, 1), drawn.landmarks[which]


MakeCase = Callable[..., Case]


@pytest.fixture(scope="session")
def make_case() -> MakeCase:
    def make(
        region: str = "eyes",
        by: float | np.ndarray = 0.05,
        *,
        net: nn.Module | None = None,
        landmarks: np.ndarray | str | None = "drawn",
        batch_size: int = 8,
        format: str = "module",
        seed: int = 7,
    ) -> Case:
        pixels, points = draw()
        labels = np.arange(len(pixels)) // 3 % 2
        rows, columns = REGIONS[region]
        red = pixels[:, 0, rows, columns]
        shown = torch.from_numpy(np.where(labels == 1, by, -by)).float()[:, None, None]
        pixels[:, 0, rows, columns] = 0.5 + shown + 0.1 * (red - red.mean((1, 2), keepdim=True))
        used = net or Looks(region)
        spec = TargetSpec(
            checkpoint="net.safetensors",
            task="expression",
            classes=list(CLASSES),
            input=InputSpec(size=SIDE, mean=[0.0, 0.0, 0.0]),
            output="logits",
        )
        target = Target(used.eval(), spec, format=format)
        with torch.no_grad():
            values = target.probabilities(target(pixels).double()).numpy()
        faces = MemoryFaces(pixels, points if isinstance(landmarks, str) else landmarks)
        context = ProbeContext(
            probe_id="reach",
            faces=faces,  # type: ignore[arg-type]
            predictions=Predictions("expression", CLASSES, values, labels.astype(np.float64)),
            target=target,
            rules=StatisticsRules(),
            seed=seed,
            batch_size=batch_size,
            progress=_silent,
        )
        return Case(context, faces, labels, target)

    return make


@pytest.fixture(scope="session")
def drawn() -> SimpleNamespace:
    """Drawn faces with landmarks."""
    pixels, landmarks = draw(6)
    return SimpleNamespace(pixels=pixels, landmarks=landmarks)


@pytest.fixture(scope="session")
def outcome() -> type[Outcome]:
    """Sorts what the probe yields."""
    return Outcome
