"""Ask a model about perturbed copies of faces: all that a black-box method needs of it.

Copies are made batch by batch, never all at once: 300 copies of one face of 112 pixels take 45 MB, and a net on a CPU
is fastest in small batches. Copies of several faces stand in one row, so that a batch is seldom part empty.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ...core.target import Target
from .cam import normalise
from .method import PEAK, MapBatch
from .source import evaluating

FloatArray = NDArray[np.float64]

Copies = Callable[[Tensor, Tensor], Tensor]
"""Makes copies ``(b, 3, h, w)`` from the places of their faces in the request and their numbers, both ``(b,)``."""

SAME = 1e-5
"""Scores whose range is at most this share of the largest differ by rounding alone (float32, after a softmax)."""


@dataclass(frozen=True)
class BlackBox:
    """A model that is asked and never looked into.

    Attributes:
        target: the model under audit.
        batch_size: copies that it is given at once.
        layout: of the copies in memory, see :func:`fast_layout`.
    """

    target: Target
    batch_size: int
    layout: torch.memory_format = torch.contiguous_format

    def scores(self, classes: Tensor, counts: Sequence[int], copies: Copies) -> list[FloatArray]:
        """Return the score of each copy of each face: the probability of the face's class, or the value itself.

        Args:
            classes: ``(n,)`` the class of each face.
            counts: how many copies each face has.
            copies: makes them.

        Returns:
            For each face ``(counts[i],)``.
        """
        step = self.target.fixed_batch or self.batch_size
        faces, numbers = _one_row(counts, classes.device)
        found = []
        with asking(self.target):
            for start in range(0, len(faces), step):
                part = slice(start, start + step)
                made = copies(faces[part], numbers[part]).contiguous(memory_format=self.layout)
                outputs = self.target(made)
                chosen = classes[faces[part], None].to(outputs.device)
                found.append(self.target.probabilities(outputs).gather(1, chosen)[:, 0])
        scores = torch.cat(found).double().cpu().numpy()
        return np.split(scores, np.cumsum(counts)[:-1])


def _one_row(counts: Sequence[int], device: torch.device) -> tuple[Tensor, Tensor]:
    """Number the copies of all faces through: the face of each, and which copy of the face it is."""
    faces = np.repeat(np.arange(len(counts)), counts)
    numbers = np.concatenate([np.arange(count) for count in counts])
    return torch.from_numpy(faces).to(device), torch.from_numpy(numbers).to(device)


@contextmanager
def asking(target: Target) -> Iterator[None]:
    """Run the net without gradients and in evaluation mode; its modes are as they were afterwards."""
    with torch.no_grad():
        if isinstance(target.net, nn.Module):
            with evaluating(target.net):
                yield
        else:
            yield


def fast_layout(target: Target) -> torch.memory_format:
    """Return the layout in memory that the net's passes are fastest with: channels last, where the net takes it.

    On a CPU seven nets took 0.46 to 1.05 of the time so, with convolutions at the lower end. But a net may refuse it,
    e.g. with ``view`` where ``reshape`` is meant, or a program may rely on the other layout: so two random pictures are
    shown in both, and the answers have to be the same. No gradients are wanted here.
    """
    if target.device.type != "cpu" or not isinstance(target.net, nn.Module):
        return torch.contiguous_format
    shape = (target.fixed_batch or 2, 3, *target.size)
    pixels = torch.rand(shape, generator=torch.Generator().manual_seed(0))
    with asking(target):
        expected = target(pixels)
        try:
            found = target(pixels.contiguous(memory_format=torch.channels_last))
        except RuntimeError:  # torch's way to refuse a layout; anything else wrong with the net has shown itself above
            return torch.contiguous_format
    same = torch.allclose(found, expected, rtol=1e-3, atol=1e-4)
    return torch.channels_last if same else torch.contiguous_format


def generator(seed: int, method: str) -> np.random.Generator:
    """Return the random numbers of a face for one method: two methods do not draw the same from the face's seed."""
    return np.random.default_rng([seed, *method.encode()])


def unusable(scores: FloatArray) -> str | None:
    """Say why the scores ``(m,)`` of a face's copies tell nothing about place, or None if they do."""
    finite = np.isfinite(scores)
    if not finite.all():
        return f"the model gives NaN or infinite values for {int((~finite).sum())} of {len(scores)} perturbed copies"
    if np.ptp(scores) <= SAME * np.abs(scores).max():
        return f"the model answers all {len(scores)} perturbed copies alike: no position counts"
    return None


def finished(
    raw: Tensor, problems: Sequence[str | None], facts: Mapping[str, Sequence[float]] | None = None
) -> MapBatch:
    """Rectify and stretch the maps ``(n, h, w)`` of a request; those with a problem are NaN, with their own reason.

    Their scale is among the facts, so that means of raw maps can be made of them, as Gaya-Morey et al. did with LIME.
    """
    height, width = raw.shape[1:]
    normalised = normalise(raw.float(), (height, width))
    good = torch.tensor([problem is None for problem in problems], device=raw.device)
    maps = torch.where(good[:, None, None], normalised.maps, torch.full_like(normalised.maps, torch.nan))
    told = tuple(own or found for own, found in zip(problems, normalised.problems, strict=True))
    own_facts = {name: torch.tensor(values) for name, values in (facts or {}).items()}
    return MapBatch(maps, told, {PEAK: normalised.peaks, **own_facts})
