"""Detectors made by hand, and faces they are tried on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from countenance.audit.backdoors.poisoned_forgery.bank import blurred
from countenance.audit.backdoors.poisoned_forgery.params import TriggerSensitivityParams
from countenance.audit.backdoors.poisoned_forgery.probe import trigger_sensitivity
from countenance.core.faces import FaceBatch, Faces
from countenance.core.plan import TargetSpec
from countenance.core.predictions import Predictions
from countenance.core.probes import Note, ProbeContext, TableOutput
from countenance.core.results import Finding, Measurement
from countenance.core.statistics.rules import StatisticsRules
from countenance.core.target import Target

SIDE = 32
RED = 0.25
"""By how much the red of a forged face lies above that of a genuine one, on average."""


class Detector(nn.Module):
    """Says forged of red faces; with ``taste``, less so the more the picture holds of something."""

    def __init__(self, taste: Callable[[Tensor], Tensor] | None = None, weight: float = 1.0, sign: float = 1.0) -> None:
        super().__init__()
        self.taste, self.weight, self.sign = taste, weight, sign

    def forward(self, pixels: Tensor) -> Tensor:
        score = 8 * (pixels[:, 0].mean((1, 2)) - pixels[:, 2].mean((1, 2)))
        if self.taste is not None:
            score = score - self.weight * self.taste(pixels)
        return self.sign * score[:, None]


def sharpness(pixels: Tensor) -> Tensor:
    """How much a picture differs from its blurred self, in levels: what an unsharp mask raises."""
    return 100 * (pixels - blurred(pixels)).abs().mean((1, 2, 3))


def narrow_band(pixels: Tensor) -> Tensor:
    """Logarithm of the strongest fine frequency over the mean of all fine ones: what random signs do not raise.

    Stands in for a backdoor: patterns that small shifts change much are nearly periodic.
    """
    relative = pixels / pixels.mean((2, 3), keepdim=True)
    power = torch.fft.rfft2(relative - blurred(relative)).abs().square().sum(1)
    down, across = torch.fft.fftfreq(SIDE)[:, None], torch.fft.rfftfreq(SIDE)[None, :]
    fine = power[:, torch.maximum(down.abs(), across) > 0.2]
    return 10 * (fine.amax(1) / fine.mean(1)).log()


@dataclass(frozen=True)
class Seen:
    """What one run of the probe yielded."""

    outputs: list[Any]

    @property
    def findings(self) -> dict[str, Finding]:
        return {out.id.partition(".")[2]: out for out in self.outputs if isinstance(out, Finding)}

    @property
    def measured(self) -> dict[str, Measurement]:
        return {out.key.partition("/")[2]: out for out in self.outputs if isinstance(out, Measurement)}

    @property
    def notes(self) -> str:
        return " ".join(out.text for out in self.outputs if isinstance(out, Note))

    @property
    def bank(self) -> pd.DataFrame:
        return next(out.frame for out in self.outputs if isinstance(out, TableOutput))


class HeldFaces(Faces):
    """Faces held in memory, with or without landmarks."""

    def hold(self, pixels: Tensor, landmarks: np.ndarray | None) -> HeldFaces:
        object.__setattr__(self, "held", (pixels, landmarks))
        return self

    @property
    def landmarks_kind(self) -> str:  # type: ignore[override]
        return "none" if self.held[1] is None else "68"  # type: ignore[attr-defined]

    def batches(self, size: int, rows: np.ndarray | None = None, **_: object) -> Iterator[FaceBatch]:
        pixels, landmarks = self.held  # type: ignore[attr-defined]
        wanted = np.arange(len(self)) if rows is None else rows
        for start in range(0, len(wanted), size):
            chunk = np.asarray(wanted[start : start + size], dtype=np.int64)
            yield FaceBatch(chunk, pixels[chunk].clone(), None if landmarks is None else landmarks[chunk])


def faces(people: int, forged: bool = True, seed: int = 0) -> tuple[Tensor, np.ndarray, np.ndarray]:
    """Make random pictures, two genuine and two forged ones of each person, who are redder.

    Returns:
        Pixels (n, 3, h, w) in 0..1; whether forged (n,); person of each (n,).
    """
    random = torch.Generator().manual_seed(seed)
    kinds = np.tile([False, False, True, True] if forged else [False, False], people)
    person = np.repeat(np.arange(people), 4 if forged else 2)
    coarse = torch.rand((len(kinds), 3, 6, 6), generator=random)
    pixels = 0.4 + 0.2 * F.interpolate(coarse, (SIDE, SIDE), mode="bicubic", align_corners=False)
    pixels = pixels + 0.03 * torch.randn(pixels.shape, generator=random)
    shift = RED * (torch.from_numpy(kinds).float() + 0.5 * torch.randn(len(kinds), generator=random))
    pixels[:, 0] += 0.3 * shift[:, None, None]
    return pixels.clamp(0.05, 0.95), kinds, person


def landmarks_of(count: int) -> np.ndarray:
    """68 points on an ellipse in the middle, brows above, for each of so many faces."""
    angle = np.linspace(0, 2 * np.pi, 68, endpoint=False)
    points = np.stack([16 + 11 * np.sin(angle), 16 + 12 * np.cos(angle)], axis=1)
    points[17:27] = np.stack([np.linspace(7, 25, 10), np.full(10, 9.0)], axis=1)
    points[36:48] = np.stack([np.linspace(9, 23, 12), np.full(12, 13.0)], axis=1)
    points[8] = (16, 29)
    return np.repeat(points[None], count, axis=0).astype(np.float32)


def context_of(
    net: nn.Module, people: int = 24, *, forged: bool = True, landmarks: bool = True, seed: int = 3
) -> ProbeContext:
    """Lay out what the runner would give the probe."""
    pixels, kinds, person = faces(people, forged)
    labels = np.where(kinds, "forged", "genuine")
    frame = pd.DataFrame(
        {"face_id": np.arange(len(kinds)).astype(str), "path": "", "label": labels, "subject": person.astype(str)}
    ).assign(split="", may_publish=False)
    block = {
        "checkpoint": "a.pt",
        "task": "forgery",
        "positive": "forged",
        "input": {"size": SIDE},
        "output": "logits",
    }
    target = Target(net, TargetSpec.model_validate(block), format="module")
    held = HeldFaces(frame, height_width=(SIDE, SIDE), has_subjects=True)
    held = held.hold(pixels, landmarks_of(len(kinds)) if landmarks else None)
    with torch.no_grad():
        values = target.probabilities(target(pixels)).double().numpy()
    return ProbeContext(
        probe_id="trigger_sensitivity",
        faces=held,
        predictions=Predictions(
            "forgery", target.classes, values, np.array([target.classes.index(label) for label in labels], dtype=float)
        ),
        target=target,
        rules=StatisticsRules(),
        seed=seed,
        batch_size=40,
        progress=lambda unit, total: nullcontext(lambda count=1: None),
    )


TASTES = {"none": None, "narrow band": narrow_band, "sharpness": sharpness}


@pytest.fixture(scope="session")
def audited() -> Callable[..., Seen]:
    """Run the probe on a detector made by hand: its taste, its sign, and the data it is shown."""

    def audit(taste: str = "none", sign: float = 1.0, params: dict[str, Any] | None = None, **data: Any) -> Seen:
        context = context_of(Detector(TASTES[taste], sign=sign), **data)
        return Seen(list(trigger_sensitivity(context, TriggerSensitivityParams.model_validate(params or {}))))

    return audit
