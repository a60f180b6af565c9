"""Faces with painted regions, and a net that looks at nothing but the paint."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from countenance.core.faces import FaceBatch
from countenance.core.plan import InputSpec, TargetSpec
from countenance.core.predictions import Predictions
from countenance.core.probes import Note, ProbeContext, Scores
from countenance.core.results import Finding, Measurement
from countenance.core.statistics.rules import StatisticsRules
from countenance.core.target import Target
from countenance.explain.canonical import CANVAS_HEIGHT, CANVAS_WIDTH, canonical_face
from countenance.explain.heatmaps.global_heatmaps import global_heatmaps
from countenance.explain.heatmaps.params import GlobalHeatmapsParams

CLASSES = ("neutral", "happy", "sad", "surprised")
SIDE = 64


class PaintNet(nn.Module):
    """Scores happy by red, sad by green, surprised by blue, wherever they are."""

    def __init__(self) -> None:
        super().__init__()
        self.paint, self.fc = nn.Conv2d(3, 6, 1, bias=False), nn.Linear(6, 4)
        with torch.no_grad():
            self.paint.weight.zero_()
            self.fc.weight.zero_()
            self.fc.bias.copy_(torch.tensor([0.002, 0.0, 0.0, 0.0]))
            for channel in range(3):
                self.paint.weight[channel, channel] = 1.0
                self.fc.weight[channel + 1, channel] = 1.0

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.paint(x).relu().mean((2, 3)))


@dataclass
class PaintedFaces:
    """Faces in memory: black pictures of different sizes and places, painted where a mask lies.

    Attributes:
        painted: for each face the class (place) and the region of the canonical canvas that is painted.
        subject_codes: the person of each face.
        landmarks_kind: ``68`` or ``5``.
        without_landmarks: faces that have none.
    """

    painted: Sequence[tuple[int, np.ndarray | None]]
    subject_codes: np.ndarray
    landmarks_kind: str = "68"
    has_subjects: bool = True
    without_landmarks: frozenset[int] = frozenset()
    publishable: frozenset[int] = frozenset()
    seed: int = 0
    _placed: list[tuple[float, float, float, float]] = field(default_factory=list)

    def __post_init__(self) -> None:
        random = np.random.default_rng(self.seed)
        for _ in self.painted:
            scale = SIDE / CANVAS_HEIGHT * random.uniform(0.8, 0.95)
            self._placed.append((scale * 1.1, scale, random.uniform(0, 4), random.uniform(0, 3)))

    @property
    def frame(self) -> pd.DataFrame:
        names = [f"face {row}" for row in range(len(self.painted))]
        return pd.DataFrame({"face_id": names, "may_publish": [row in self.publishable for row in range(len(names))]})

    def __len__(self) -> int:
        return len(self.painted)

    def batches(self, size: int, rows: np.ndarray | None = None, *, landmarks: bool = False) -> Iterator[FaceBatch]:
        wanted = np.arange(len(self)) if rows is None else rows
        for start in range(0, len(wanted), size):
            chunk = np.asarray(wanted[start : start + size], dtype=np.int64)
            pixels = torch.from_numpy(np.stack([self._picture(int(row)) for row in chunk]))
            points = np.stack([self._points(int(row)) for row in chunk]) if landmarks else None
            yield FaceBatch(chunk, pixels, points)

    def _picture(self, row: int) -> np.ndarray:
        place, region = self.painted[row]
        scale_x, scale_y, left, top = self._placed[row]
        picture = np.zeros((3, SIDE, SIDE), dtype=np.float32)
        if region is not None:
            x = np.rint((np.arange(SIDE) - left) / scale_x).astype(int)
            y = np.rint((np.arange(SIDE) - top) / scale_y).astype(int)
            inside = ((x >= 0) & (x < CANVAS_WIDTH))[None, :] & ((y >= 0) & (y < CANVAS_HEIGHT))[:, None]
            hit = region[np.clip(y, 0, CANVAS_HEIGHT - 1)[:, None], np.clip(x, 0, CANVAS_WIDTH - 1)[None, :]]
            picture[place - 1] = (hit & inside) * 0.9
        return picture

    def _points(self, row: int) -> np.ndarray:
        scale_x, scale_y, left, top = self._placed[row]
        count = 5 if self.landmarks_kind in ("5", "aligned") else int(self.landmarks_kind)
        points = canonical_face(count).points * (scale_x, scale_y) + (left, top) + 0.5
        return (points * np.nan if row in self.without_landmarks else points).astype(np.float32)


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
        return {(item.metric, item.slice["label"]): item for item in self.outputs if isinstance(item, Scores)}

    def output(self, kind: type[Any], name: str) -> Any:
        (found,) = [item for item in self.outputs if isinstance(item, kind) and item.name == name]
        return found

    @property
    def notes(self) -> list[str]:
        return [item.text for item in self.outputs if isinstance(item, Note)]


def target_of(net: nn.Module, fixed_batch: int | None = None) -> Target:
    spec = TargetSpec(
        checkpoint="x.pt2",
        task="expression",
        classes=list(CLASSES),
        input=InputSpec(size=SIDE, channels="rgb", mean=(0.0,), std=(1.0,)),
        output="logits",
    )
    return Target(net, spec, format="module", fixed_batch=fixed_batch)


def run(
    faces: PaintedFaces,
    net: nn.Module | None = None,
    labels: Sequence[int] | None = None,
    min_subjects: int = 10,
    seed: int = 1,
    target: Target | None = None,
    faces_permitted: bool = False,
    **params: Any,
) -> Outcome:
    """Run the probe as the runner would."""
    target = target or target_of(net or PaintNet().eval())
    with torch.no_grad():
        probabilities = torch.cat([target.probabilities(target(batch.pixels)) for batch in faces.batches(16)])
    truth = np.array([place for place, _ in faces.painted] if labels is None else labels, dtype=np.float64)
    context = ProbeContext(
        probe_id="global_heatmaps",
        faces=faces,  # type: ignore[arg-type]
        predictions=Predictions("expression", CLASSES, probabilities.double().numpy(), truth),
        target=target,
        rules=StatisticsRules(min_subjects=min_subjects),
        seed=seed,
        batch_size=7,
        progress=lambda unit, total: nullcontext(lambda count=1: None),  # type: ignore[arg-type, return-value]
        faces_permitted=faces_permitted,
    )
    return Outcome(list(global_heatmaps(context, GlobalHeatmapsParams(**params))))
