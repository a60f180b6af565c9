"""From attributions at the pixels to maps: what the methods of the family ``gradient`` have in common."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from ...core.errors import UsageError
from ...core.target import Target
from .cam import normalise
from .method import PEAK, MapBatch, Request
from .source import differentiable, evaluating, frozen


@contextmanager
def ready(target: Target) -> Iterator[None]:
    """Let gradients flow to the pixels and to nothing else; the net is afterwards as it was."""
    with differentiable():
        if isinstance(target.net, nn.Module):
            with frozen(target.net), evaluating(target.net):
                yield
        else:
            yield


def check_request(target: Target, request: Request) -> None:
    """Check that a request fits a target.

    Raises:
        UsageError: if the shapes do not fit, or a class does not exist.
    """
    count = len(target.classes)
    if request.pixels.ndim != 4 or request.classes.shape != request.pixels.shape[:1]:
        raise UsageError(
            f"expected pixels (n, 3, h, w) and n classes, "
            f"but got {tuple(request.pixels.shape)} and {tuple(request.classes.shape)}"
        )
    if len(request.seeds) != len(request.pixels):
        raise UsageError(f"expected one seed for each of {len(request.pixels)} faces, but got {len(request.seeds)}")
    outside = (request.classes < 0) | (request.classes >= count)
    if bool(outside.any()):
        raise UsageError(f"expected classes from 0 to {count - 1}, but got {int(request.classes[outside][0])}")


def sensitivity(gradients: Tensor) -> Tensor:
    """Return the largest absolute value over the channels, ``(n, h, w)``; Simonyan et al. (2014), section 3.1."""
    return gradients.abs().amax(dim=1)


def evidence(attributions: Tensor) -> Tensor:
    """Return the sum over the channels, ``(n, h, w)``; what speaks for the class is positive."""
    return attributions.sum(dim=1)


def pictured(raw: Tensor, facts: Mapping[str, Tensor] | None = None) -> MapBatch:
    """Rectify and stretch maps ``(n, h, w)``; say of each face without a usable one why."""
    height, width = raw.shape[-2:]
    with torch.no_grad():
        normal = normalise(raw.detach().float(), (height, width))
    return MapBatch(normal.maps, normal.problems, {PEAK: normal.peaks, **(facts or {})})


def completeness_error(attributions: Tensor, target: Target, pixels: Tensor, classes: Tensor) -> Tensor:
    """Return by how much attributions miss the score they share out, as a share of it, ``(n,)``.

    Complete attributions sum to the difference of the class score between the face and the black picture
    (Sundararajan et al. 2017, section 3). NaN where that difference is below 1e-6: there is nothing to share out.

    Args:
        attributions: ``(n, 3, h, w)``.
        target: whose scores they share out.
        pixels: ``(n, 3, h, w)``.
        classes: ``(n,)``.
    """
    with torch.no_grad():
        score = target.scores(pixels).gather(1, classes[:, None])[:, 0].double()
        black = target.scores(torch.zeros_like(pixels[:1]))[0, classes].double()
        difference = score - black
        error = (attributions.flatten(1).double().sum(dim=1) - difference).abs()
        share = error / difference.abs().clamp_min(1e-6)
        return torch.where(difference.abs() < 1e-6, torch.full_like(share, torch.nan), share).float()
