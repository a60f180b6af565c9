"""The same faces compressed and made small: what the detector says of them then."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from ....core.probes import ProbeContext
from ..making.codec import through_codec
from .material import FORGED, Floats, Integers
from .params import DetectionParams

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Rung:
    """One thing done to the pictures.

    Attributes:
        quality: of the JPEG file it is saved as; ``None`` for none.
        size: share of its size that it is made smaller to, and back; ``None`` for none.
    """

    quality: int | None = None
    size: float | None = None

    @property
    def condition(self) -> dict[str, str]:
        """The condition of the measurement key."""
        if self.quality is not None:
            return {"compression": "jpeg", "quality": str(self.quality)}
        return {"size": f"{self.size:g}"}

    @property
    def title(self) -> str:
        """In words."""
        return f"JPEG quality {self.quality}" if self.quality is not None else f"{self.size:g} of their size"

    def done(self, pixels: Pixels) -> Pixels:
        """Return the picture after it was done, uint8 (h, w, 3)."""
        if self.quality is not None:
            return through_codec(pixels, self.quality)
        assert self.size is not None
        height, width = pixels.shape[:2]
        small = (max(1, round(width * self.size)), max(1, round(height * self.size)))
        reduced = Image.fromarray(pixels).resize(small, Image.Resampling.BILINEAR)  # with antialiasing, as crops are
        return np.asarray(reduced.resize((width, height), Image.Resampling.BILINEAR))


@dataclass(frozen=True, eq=False)
class Asked:
    """What the detector says of faces under one rung.

    Attributes:
        rung: what was done.
        scores: probability of a forgery, shape (faces,); NaN where the model gave no number.
    """

    rung: Rung
    scores: Floats = field(repr=False)

    @property
    def unanswered(self) -> int:
        """How many faces have no score."""
        return int(np.isnan(self.scores).sum())


def rungs(params: DetectionParams) -> tuple[Rung, ...]:
    """Return what the parameters ask to be done, each on its own."""
    return tuple(Rung(quality=each) for each in params.quality) + tuple(Rung(size=each) for each in params.size)


def ask(context: ProbeContext, rows: Integers, asked: tuple[Rung, ...]) -> list[Asked]:
    """Read the faces once and ask the model about each under every rung.

    Args:
        context: of the probe; it has a model.
        rows: positions of the faces, shape (n,), ascending.
        asked: what to do.
    """
    place = context.predictions.classes.index(FORGED)
    scores = np.full((len(asked), len(rows)), np.nan)
    with context.progress("faces", len(rows)) as advance:
        for batch in context.faces.batches(context.batch_size, rows):
            at = np.searchsorted(rows, batch.rows)
            whole = batch.pixels.mul(255).round().clamp(0, 255).byte().permute(0, 2, 3, 1).contiguous().numpy()
            for level, rung in enumerate(asked):
                scores[level, at] = _scores(context, np.stack([rung.done(each) for each in whole]), place)
            advance(len(batch))
    return [Asked(rung, line) for rung, line in zip(asked, scores, strict=True)]


def _scores(context: ProbeContext, pictures: Pixels, place: int) -> Floats:
    target = context.model
    pixels = torch.from_numpy(pictures).permute(0, 3, 1, 2).contiguous().float().div_(255)
    with torch.no_grad():
        values = target.probabilities(target(pixels.to(target.device)).double())[:, place].cpu().numpy()
    return np.where(np.isfinite(values), values, np.nan)
