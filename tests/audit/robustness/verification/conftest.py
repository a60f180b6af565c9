"""People who are patterns in noise, a small net that tells them apart, and what a runner would give the probe."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor, nn

from countenance.audit.robustness.verification.probe import VerificationAttacksParams, verification_attacks
from countenance.core.faces import FaceBatch, Faces
from countenance.core.plan import AttributeSpec
from countenance.core.portrait_pairs import make_portrait_pairs
from countenance.core.portraits import compare
from countenance.core.probes import Note, ProbeContext, Scores, TableOutput
from countenance.core.results import Finding, Measurement
from countenance.core.statistics.rules import StatisticsRules

SIDE = 16


@dataclass(frozen=True, eq=False)
class MemoryFaces(Faces):
    """Faces that are held in memory, read in batches as the real ones are."""

    pixels: Tensor = field(default_factory=lambda: torch.zeros(0))

    def batches(self, size: int, rows: Any = None, **kwargs: Any) -> Iterator[FaceBatch]:
        wanted = np.arange(len(self)) if rows is None else rows
        for start in range(0, len(wanted), size):
            chunk = np.asarray(wanted[start : start + size], dtype=np.int64)
            yield FaceBatch(chunk, self.pixels[chunk].clone())


class TinyEmbedding(nn.Module):
    """Embeds pixels (n, 3, 16, 16) as (n, 16)."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(3, 12, 3, 2, 1), nn.ReLU(), nn.Conv2d(12, 24, 3, 2, 1), nn.ReLU(),
            nn.Flatten(), nn.Linear(24 * (SIDE // 4) ** 2, 16),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x - 0.5)


def draw_photos(people: int, each: int, seed: int, noise: float = 0.08) -> tuple[Tensor, np.ndarray]:
    """Photos (people * each, 3, 16, 16) of patterns that are a person's own, and the people, numbered."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand((people, 3, 4, 4), generator=generator)
    patterns = nn.functional.interpolate(coarse, SIDE, mode="bilinear", align_corners=False)
    who = torch.arange(people).repeat_interleave(each)
    grain = noise * torch.randn((people * each, 3, SIDE, SIDE), generator=generator)
    return (0.5 + 0.6 * (patterns[who] - 0.5) + grain).clamp(0, 1), who.numpy()


@pytest.fixture(scope="session")
def photos() -> Callable[..., tuple[Tensor, np.ndarray]]:
    return draw_photos


def train(seed: int, resist: float = 0.0) -> nn.Module:
    """Teach a net to tell 80 people apart (softmax over scaled cosines), on pixels changed by ``resist`` if asked."""
    torch.manual_seed(seed)
    net = TinyEmbedding()
    centres = nn.Parameter(torch.randn(80, 16))
    optimiser = torch.optim.Adam([*net.parameters(), centres], 4e-3)
    patterns, who = draw_photos(80, 1, seed=99 + seed)

    def loss(pixels: Tensor) -> Tensor:
        cosines = nn.functional.normalize(net(pixels)) @ nn.functional.normalize(centres).T
        return nn.functional.cross_entropy(12 * cosines, torch.from_numpy(who))

    for _ in range(120):
        pixels = (patterns + 0.08 * torch.randn(patterns.shape)).clamp(0, 1)
        changed = pixels
        for _ in range(2 if resist else 0):  # adversarial training (Madry et al. 2018)
            changed = changed.detach().requires_grad_()
            (gradient,) = torch.autograd.grad(loss(changed), changed)
            changed = (changed + resist * gradient.sign()).clamp(pixels - resist, pixels + resist).clamp(0, 1)
        optimiser.zero_grad()
        loss(changed.detach()).backward()
        optimiser.step()
    return net.eval().requires_grad_(False)


@pytest.fixture(scope="session")
def make_net() -> Callable[..., nn.Module]:
    return train


@pytest.fixture(scope="session")
def net() -> nn.Module:
    """A net that tells people apart whom it has not seen."""
    return train(0)


@dataclass
class Outcome:
    """What a run of the probe yielded, by kind."""

    outputs: list[Any]
    context: ProbeContext

    @property
    def findings(self) -> dict[str, Finding]:
        return {out.id.partition(".")[2]: out for out in self.outputs if isinstance(out, Finding)}

    @property
    def notes(self) -> list[str]:
        return [out.text for out in self.outputs if isinstance(out, Note)]

    @property
    def measurements(self) -> dict[str, Measurement]:
        found = [out for out in self.outputs if isinstance(out, Measurement)]
        assert len({item.key for item in found}) == len(found)
        return {item.key.partition("/")[2]: item for item in found}

    @property
    def table(self) -> pd.DataFrame:
        return next(out.frame for out in self.outputs if isinstance(out, TableOutput))

    def scores(self, metric: str, attack: str) -> np.ndarray:
        return next(
            out.values
            for out in self.outputs
            if isinstance(out, Scores) and out.metric == metric and out.condition["attack"] == attack
        )

    def share(self, goal: str, attack: str, eps: str, photo: str = "given", group: str = "") -> float:
        where = f"[{group}]" if group else ""
        estimate = self.measurements[f"{goal}{where}@attack={attack},eps={eps},photo={photo}"].estimate
        assert estimate.value is not None, estimate.reason
        return estimate.value


@contextmanager
def _silent(unit: str, total: int) -> Iterator[Callable[..., None]]:
    yield lambda count=1: None


@pytest.fixture(scope="session")
def run_probe() -> Callable[..., Outcome]:
    """Run the probe on a model (pixels to embeddings), photos (n, 3, h, w) and the person of each (n,)."""

    def run(
        model: Callable[[Tensor], Tensor],
        pixels: Tensor,
        people: np.ndarray,
        *,
        groups: np.ndarray | None = None,
        seed: int = 0,
        batch_size: int = 64,
        min_subjects: int = 10,
        **params: Any,
    ) -> Outcome:
        names = np.array([f"p{person:03d}" for person in people], dtype=object)
        frame = pd.DataFrame({"face_id": [f"f{place}" for place in range(len(pixels))], "path": "", "subject": names})
        attributes = {}
        if groups is not None:
            frame["group"] = groups
            attributes = {"group": AttributeSpec(assigned_by="annotator")}
        faces = MemoryFaces(frame=frame, has_subjects=True, attributes=attributes, pixels=pixels)
        with torch.no_grad():
            embeddings = torch.cat([model(part) for part in pixels.split(batch_size)]).double().numpy()
        compared = compare(faces, np.arange(len(pixels)), embeddings, make_portrait_pairs(faces, seed))

        class Model:
            device = torch.device("cpu")

            def __call__(self, pixels: Tensor) -> Tensor:
                return model(pixels)

        context = ProbeContext(
            probe_id="verification_attacks",
            faces=compared.faces,
            predictions=compared.predictions,
            target=Model(),  # type: ignore[arg-type]
            rules=StatisticsRules(min_subjects=min_subjects),
            seed=seed,
            batch_size=batch_size,
            progress=_silent,
            portraits=compared.portraits,
        )
        settings = VerificationAttacksParams(**{"attempts": 60, **params})
        return Outcome(list(verification_attacks(context, settings)), context)

    return run


@pytest.fixture(scope="session")
def plain(run_probe: Callable[..., Outcome], net: nn.Module) -> Outcome:
    """The probe on an ordinary net."""
    pixels, people = draw_photos(40, 3, seed=5)
    groups = np.where(people % 2, "odd", "even")
    return run_probe(net, pixels, people, groups=groups, eps=("1/5100", "8/255", "16/255"), attempts=120)
