"""Forge faces, save every picture the same way, and ask the detector about forgeries and photos side by side.

A model whose answer hangs on the other pictures of a batch (batch normalisation left in training mode, say) would tell
batches of forgeries from batches of photos without telling a forgery from a photo. So a photo and all its forgeries are
asked about in one batch, in an order drawn by lot; the control asks about the photos once more, among photos alone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from ....core.plan import FORGED
from ....core.probes import ProbeContext
from ....core.target import Target
from ..making import UNTOUCHED, ForgeryError, Photo, forge, through_codec
from ..making.catalogue import UNCHANGED
from ..making.photo import Pixels
from ..making.pool import Integers, Pool

WORKING_SIDE = 256
"""Forgeries are made at about this many pixels a side, a multiple of the input's, and then made as small as it is."""
Floats = NDArray[np.float64]
Advance = Callable[[int], None]


@dataclass(frozen=True, eq=False)
class Asked:
    """What the detector said of one kind of picture.

    Attributes:
        rows: the faces of which there is one, in order, shape (m,).
        scores: probability of a forgery, shape (m,).
        unanswered: how many faces it gave no number for, which are left out.
        refused: how many faces could not be forged so, by reason.
    """

    rows: Integers
    scores: Floats
    unanswered: int = 0
    refused: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, said: Mapping[int, float], refused: Mapping[str, int] | None = None) -> Asked:
        """Return the answers by row in order, those that are no number left out."""
        rows = np.array(sorted(said), dtype=np.int64)
        scores = np.array([said[row] for row in rows.tolist()], dtype=np.float64)
        known = np.isfinite(scores)
        return cls(rows[known], scores[known], int((~known).sum()), dict(refused or {}))


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
    """Makes forgeries of some faces at a time and asks about them; no picture outlives its batch."""

    def __init__(self, context: ProbeContext, pool: Pool, quality: int) -> None:
        """Prepare to ask about the faces of a pool."""
        self.context, self.pool, self.quality = context, pool, quality
        self._names = context.faces.frame["face_id"].to_numpy(dtype=object)

    def picture(self, method: str, row: int, partner: Photo | None) -> Pixels:
        """Return one face as the detector is given it; method, seed and the face's id alone decide what is drawn.

        Raises:
            ForgeryError: where the forgery cannot be made of this face.
        """
        random = self.context.random(method, str(self._names[row]))
        made = forge(method, self.pool.photos[row], partner, random, must_change=True)
        return self._finished(made.pixels)

    def together(
        self, rows: Integers, partners: Mapping[str, Mapping[int, int]], advance: Advance
    ) -> tuple[Asked, dict[str, Asked]]:
        """Ask about photos and their forgeries, a photo and all that is made of it in one batch.

        Args:
            rows: faces to forge, ascending.
            partners: for each kind of forgery, in order, the row of each face's partner, itself where none is needed;
                a face without one is not forged so.
            advance: told how many more pictures were made or refused.

        Returns:
            What is said of the photos, and of each kind of forgery.
        """
        kinds = list(partners)
        said: dict[str, dict[int, float]] = {name: {} for name in (UNTOUCHED, *kinds)}
        refused: dict[str, Counter[str]] = {name: Counter() for name in kinds}
        each = max(1, self.context.batch_size // (1 + len(kinds)))
        for start in range(0, len(rows), each):
            block = rows[start : start + each].tolist()
            self.pool.photos.hold([*block, *(partners[name].get(row, row) for name in kinds for row in block)])
            made = [
                entry for row in block for entry in self._all_of(row, {k: partners[k].get(row) for k in kinds}, refused)
            ]
            order = self.context.random("order", start).permutation(len(made))
            self._ask([made[place] for place in order.tolist()], said)
            advance(len(block) * (1 + len(kinds)))
        return Asked.of(said[UNTOUCHED]), {name: Asked.of(said[name], refused[name]) for name in kinds}

    def control(self, rows: Integers, advance: Advance) -> Asked:
        """Ask about forgeries that change nothing, in batches that hold no others.

        Raises:
            RuntimeError: when one is not the very picture that its photo is.
        """
        said: dict[str, dict[int, float]] = {UNTOUCHED: {}}
        for start in range(0, len(rows), self.context.batch_size):
            block = rows[start : start + self.context.batch_size].tolist()
            self.pool.photos.hold(block)
            made = [(UNTOUCHED, row, self.picture(UNTOUCHED, row, None)) for row in block]
            for _, row, picture in made:
                if self._finished(self.pool.photos[row].pixels).tobytes() != picture.tobytes():
                    raise RuntimeError("a forgery that changes nothing is not the photo: the two paths differ")
            self._ask(made, said)
            advance(len(block))
        return Asked.of(said[UNTOUCHED])

    def _all_of(
        self, row: int, partners: Mapping[str, int | None], refused: Mapping[str, Counter[str]]
    ) -> Iterator[tuple[str, int, Pixels]]:
        """Yield the photo and each forgery of a face; count those that cannot be made."""
        photo = self._finished(self.pool.photos[row].pixels)
        yield UNTOUCHED, row, photo
        for name, partner in partners.items():
            if partner is None:
                continue
            try:
                picture = self.picture(name, row, self.pool.photos[partner])
            except ForgeryError as error:
                refused[name][str(error)] += 1
                continue
            if np.array_equal(picture, photo):
                refused[name][UNCHANGED] += 1
            else:
                yield name, row, picture

    def _ask(self, made: Sequence[tuple[str, int, Pixels]], said: Mapping[str, dict[int, float]]) -> None:
        size = self.context.batch_size
        for start in range(0, len(made), size):
            part = made[start : start + size]
            scores = forged_probability(self.context.model, as_tensor([picture for _, _, picture in part]))
            for (name, row, _), score in zip(part, scores.tolist(), strict=True):
                said[name][row] = score

    def _finished(self, pixels: Pixels) -> Pixels:
        return finished(pixels, self.quality, self.context.model.size)
