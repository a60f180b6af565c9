"""Nets whose answers are known, faces to ask them about, and targets and requests made of them."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from countenance.core.plan import InputSpec, TargetSpec
from countenance.core.target import Target
from countenance.explain.attribution import black_box
from countenance.explain.attribution.method import AttributionSettings, Explainer, MapBatch, Request, face_seeds
from countenance.explain.attribution.perturbation import BlackBox
from countenance.explain.attribution.superpixels import Superpixels

SIDE = 64
CLASSES = ["neutral", "happy", "sad"]
QUICK = AttributionSettings(segments=12, lime_samples=200, shap_samples=200, rise_masks=200)


class CornerNet(nn.Module):
    """Answers happy by how bright the top left corner is, and by nothing else."""

    corner = slice(0, 20)

    def forward(self, x: Tensor) -> Tensor:
        bright = x[:, :, self.corner, self.corner].mean((1, 2, 3))
        return torch.stack([torch.zeros_like(bright), 6 * bright - 3, -torch.ones_like(bright)], 1)


def smooth_faces(count: int = 3, size: tuple[int, int] = (SIDE, SIDE), seed: int = 0) -> Tensor:
    rough = torch.rand(count, 3, 9, 9, generator=torch.Generator().manual_seed(seed))
    return 0.3 + 0.7 * nn.functional.interpolate(rough, size=size, mode="bilinear")


def tiles(faces: Tensor, rows: int, columns: int) -> Superpixels:
    """Divide faces into a grid, whatever they show."""
    count, _, height, width = faces.shape
    down, across = torch.arange(height) * rows // height, torch.arange(width) * columns // width
    labels = (down[:, None] * columns + across).expand(count, -1, -1).contiguous()
    return Superpixels(faces, labels, (rows * columns,) * count)


def target_of(
    net: Callable[[Tensor], Tensor], *, fixed_batch: int | None = None, size: int = SIDE, output: str = "logits"
) -> Target:
    spec = TargetSpec(
        checkpoint="x.pt2",
        task="expression",
        classes=CLASSES,
        input=InputSpec(size=size, channels="rgb", mean=(0.0,), std=(1.0,)),
        output=output,
    )
    return Target(net, spec, format="module", fixed_batch=fixed_batch)


def box_of(net: Callable[[Tensor], Tensor], batch_size: int = 16) -> BlackBox:
    return BlackBox(target_of(net), batch_size)


def request_for(pixels: Tensor, place: int = 1, names: str = "abcdefgh", seed: int = 0) -> Request:
    classes = torch.full((len(pixels),), place)
    return Request(pixels, classes, face_seeds(seed, list(names[: len(pixels)])))


def explainer_of(
    target: Target,
    methods: tuple[str, ...] = tuple(black_box.METHODS),
    batch_size: int = 16,
    settings: AttributionSettings = QUICK,
) -> Explainer:
    built = black_box.build(target, methods, layer=None, batch_size=batch_size, settings=settings)
    assert not built.unavailable
    (explainer,) = built.explainers
    assert explainer.methods == methods
    assert explainer.layer_name is None
    return explainer


def explain(
    target: Target,
    request: Request,
    *,
    methods: tuple[str, ...] = tuple(black_box.METHODS),
    batch_size: int = 16,
    settings: AttributionSettings = QUICK,
) -> dict[str, MapBatch]:
    return explainer_of(target, methods, batch_size, settings).explain(request)
