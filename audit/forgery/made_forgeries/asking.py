"""Forge faces, save every picture the same way, and ask the detector."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from ....core.plan import FORGED
from ....core.probes import ProbeContext
from ....core.target import Target
from ..making import UNTOUCHED, Photo, forge, through_codec
from ..making.photo import Pixels
from ..making.pool import Integers, Pool

WORKING_SIDE = 256
"""Forgeries are made at about this many pixels a side, a multiple of the input's, and then made as small as it is."""
Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Asked:
    """What the detector said of one kind of picture.

    Attributes:
        rows: the faces of which there is one, in order, shape (m,).
        scores: probability of a forgery, shape (m,).
        unanswered: how many faces it gave no number for, which are left out.
    """

    rows: Integers
    scores: Floats
    unanswered: int = 0


def working_size(size: tuple[int, int]) -> tuple[int, int]:
    """Return the size at which faces are forged: the whole multiple of the input's that is nearest to 256 pixels."""
    factor = max(1, round(WORKING_SIDE / max(size)))
    return size[0] * factor, size[1] * factor


def finished(pixels: Pixels, quality: int, size: tuple[int, int]) -> Pixels:
    """Return a picture, forged or not, as the detector is given it: saved as JPEG, read, and as small as its input.

    Args:
        pixels: uint8 (h, w, 3), at the working size.
        quality: of the JPEG.
        size: (h, w) of the input; the resize is that of every crop of an audit.
    """
    saved = through_codec(pixels, quality)
    if saved.shape[:2] == size:
        return saved
    return np.asarray(Image.fromarray(saved).resize((size[1], size[0]), Image.Resampling.BILINEAR))


def as_tensor(pictures: list[Pixels]) -> Tensor:
    """Return pictures as pixels of a batch, (n, 3, h, w), 0 to 1."""
    return torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).contiguous().float().div_(255)


def forged_probability(target: Target, pixels: Tensor) -> Floats:
    """Return the probability of a forgery of each picture, (n,); NaN where the model gives no number."""
    place = target.classes.index(FORGED)
    with torch.no_grad():
        answers = target.probabilities(target(pixels.to(target.device)).double())
    found: Floats = answers[:, place].cpu().numpy()
    return found


class Asking:
    """Makes one kind of forgery after the other, some faces at a time; no picture outlives its batch."""

    def __init__(self, context: ProbeContext, pool: Pool, quality: int) -> None:
        """Prepare to ask about the faces of a pool."""
        self.context, self.pool, self.quality = context, pool, quality
        self._names = context.faces.frame["face_id"].to_numpy(dtype=object)

    def picture(self, method: str, row: int, partner: Photo | None) -> Pixels:
        """Return one face as the detector is given it; method, seed and the face's id alone decide what is drawn."""
        random = self.context.random(method, str(self._names[row]))
        made = forge(method, self.pool.photos[row], partner, random)
        return finished(made.pixels, self.quality, self.context.model.size)

    def ask(self, method: str, rows: Integers, partners: Mapping[int, int], advance: Callable[[int], None]) -> Asked:
        """Return what the detector says of the faces of ``rows`` that have a partner.

        Args:
            method: a kind of forgery, or the control.
            rows: faces to forge, ascending.
            partners: row of each face's partner; itself where none is needed.
            advance: told how many more faces were asked about.
        """
        chosen = [row for row in rows.tolist() if row in partners] if method != UNTOUCHED else rows.tolist()
        scores = []
        for start in range(0, len(chosen), self.context.batch_size):
            part = chosen[start : start + self.context.batch_size]
            made = [self.picture(method, row, self.pool.photos.get(partners.get(row, -1))) for row in part]
            scores.append(forged_probability(self.context.model, as_tensor(made)))
            advance(len(part))
        answers = np.concatenate(scores) if scores else np.zeros(0)
        known = np.isfinite(answers)
        return Asked(np.array(chosen, dtype=np.int64)[known], answers[known], int((~known).sum()))
