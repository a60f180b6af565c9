"""What the checks are run on: drawn faces in memory, and methods that do not look at the model."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from countenance.core.faces import FaceBatch
from countenance.core.plan import InputSpec, TargetSpec
from countenance.core.predictions import Predictions
from countenance.core.probes import ProbeContext, Scores
from countenance.core.results import Finding, Measurement
from countenance.core.statistics.rules import StatisticsRules
from countenance.core.target import Target
from countenance.explain.attribution.method import MapBatch, Request
from countenance.explain.checks.explanation_checks import ExplanationChecksParams, explanation_checks
from countenance.synth.dataset import draw_crops
from countenance.synth.expression import EXPRESSIONS
from countenance.synth.nets import INPUT_SIZE, MEAN, STD


@dataclass
class DrawnFaces:
    """Drawn faces, as much of ``Faces`` as a probe needs; every ``per_person`` in a row are of one person."""

    pixels: Tensor
    per_person: int = 7

    @classmethod
    def draw(cls, people: int, seed: int = 0) -> DrawnFaces:
        crops = draw_crops(people, 7, seed, INPUT_SIZE).pixels
        return cls(torch.from_numpy(crops).permute(0, 3, 1, 2).float().div(255).contiguous())

    def __len__(self) -> int:
        return len(self.pixels)

    @property
    def frame(self) -> pd.DataFrame:
        return pd.DataFrame({"face_id": [f"f{row}" for row in range(len(self))]})

    @property
    def subject_codes(self) -> np.ndarray:
        return np.arange(len(self)) // self.per_person

    def batches(self, size: int, rows: np.ndarray | None = None, *, landmarks: bool = False) -> Iterator[FaceBatch]:
        wanted = np.arange(len(self)) if rows is None else np.asarray(rows)
        for start in range(0, len(wanted), size):
            chunk = wanted[start : start + size].astype(np.int64)
            yield FaceBatch(chunk, self.pixels[chunk], None)


def drawn_target(net: nn.Module, size: int = INPUT_SIZE, classes: int = 7) -> Target:
    spec = TargetSpec(
        checkpoint="x.pt2",
        task="expression",
        classes=list(EXPRESSIONS)[:classes],
        input=InputSpec(size=size, channels="rgb", mean=MEAN, std=STD),
        output="logits",
    )
    return Target(net, spec, format="module")


@dataclass
class Edges:
    """A 'method' that draws the edges of the picture and never asks the model."""

    methods: tuple[str, ...] = ("edges",)
    layer_name: str | None = None

    def explain(self, request: Request) -> dict[str, MapBatch]:
        grey = request.pixels.mean(1, keepdim=True)
        kernel = torch.tensor([[-1.0, 0, 1], [-2, 0, 2], [-1, 0, 1]]).reshape(1, 1, 3, 3)
        padded = F.pad(grey, (1, 1, 1, 1), mode="replicate")
        found = (F.conv2d(padded, kernel).abs() + F.conv2d(padded, kernel.transpose(2, 3)).abs())[:, 0]
        maps = found / found.amax(dim=(1, 2), keepdim=True)
        return {self.methods[0]: MapBatch(maps, (None,) * len(maps))}


@dataclass
class Blob:
    """A 'method' that shows the same spot whatever the model and whatever the picture."""

    methods: tuple[str, ...] = ("blob",)
    layer_name: str | None = None

    def explain(self, request: Request) -> dict[str, MapBatch]:
        count, _, height, width = request.pixels.shape
        y, x = torch.meshgrid(torch.linspace(-1, 1, height), torch.linspace(-1, 1, width), indexing="ij")
        return {"blob": MapBatch(torch.exp(-2 * (x**2 + y**2)).expand(count, -1, -1), (None,) * count)}


@dataclass
class Outcome:
    """What a run of the probe yielded."""

    outputs: list[Any]

    @property
    def measurements(self) -> dict[str, Measurement]:
        return {item.key.partition("/")[2]: item for item in self.outputs if isinstance(item, Measurement)}

    @property
    def findings(self) -> dict[str, Finding]:
        return {item.id.partition(".")[2]: item for item in self.outputs if isinstance(item, Finding)}

    @property
    def scores(self) -> dict[tuple[str, str], Scores]:
        return {(item.metric, item.condition["method"]): item for item in self.outputs if isinstance(item, Scores)}

    def named(self, kind: type[Any], name: str) -> Any:
        (found,) = [item for item in self.outputs if isinstance(item, kind) and item.name == name]
        return found


def run_checks(target: Target, drawn: DrawnFaces, seed: int = 1, **params: Any) -> Outcome:
    """Run the probe as the runner would."""
    with torch.no_grad():
        probabilities = torch.cat([target.probabilities(target(batch.pixels)) for batch in drawn.batches(16)])
    context = ProbeContext(
        probe_id="explanation_checks",
        faces=drawn,  # type: ignore[arg-type]
        predictions=Predictions(
            "expression", target.classes, probabilities.double().numpy(), np.zeros(len(drawn), dtype=np.float64)
        ),
        target=target,
        rules=StatisticsRules(min_subjects=2),
        seed=seed,
        batch_size=8,
        progress=lambda unit, total: nullcontext(lambda count=1: None),  # type: ignore[arg-type, return-value]
    )
    return Outcome(list(explanation_checks(context, ExplanationChecksParams(**params))))
