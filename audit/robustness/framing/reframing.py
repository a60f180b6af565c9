"""Gives the faces of a batch in every changed frame: each picture is decoded once, whatever the number of changes."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from ....core.faces import FaceBatch, Faces
from ....core.numbers import Fraction
from ..conditions import Condition, Perturbed
from .changes import MIRROR, Box, Frame, frame_of, whole_box
from .cutting import Fill, cut_frame

CROPS_AT_ONCE = 256 * 2**20
"""Bytes of crops that are kept at once; where a batch has more, its pictures are decoded again."""
_Cut = tuple[NDArray[np.uint8], NDArray[np.float64]]  # (changes, h, w, 3), share beyond the picture (changes,)


class Reframing:
    """Does a change to a batch of faces, cutting them out of their pictures anew.

    A face that is no row of the data (a drawn one) has only its own pixels: it is taken for a whole picture, and what
    lies around it is its outermost pixels again. So are faces of data without boxes.

    Attributes:
        beyond: for every change the share of each face's crop that lies beyond its picture, by row of the data.
    """

    def __init__(
        self, faces: Faces, conditions: Sequence[Condition], size: tuple[int, int], *, kept: int = CROPS_AT_ONCE
    ) -> None:
        """Prepare.

        Args:
            faces: of the audit.
            conditions: every change that will be asked for, in that order.
            size: (h, w) of the crops.
            kept: bytes of crops that are kept at once.
        """
        self.faces = faces
        self.conditions = tuple(conditions)
        self.size = size
        self.beyond: dict[Condition, dict[int, float]] = {condition: {} for condition in conditions}
        self._kept = kept
        self._rows: NDArray[np.int64] = np.empty(0, dtype=np.int64)
        self._crops: dict[Condition, NDArray[np.uint8]] = {}

    @property
    def fill(self) -> Fill:
        """What stands beyond the edge of a picture of the data."""
        return "edge" if getattr(self.faces, "boxes", None) is None else "black"

    def __call__(self, condition: Condition, batch: FaceBatch) -> Perturbed:
        """Return the batch with this change; a crop that would lie wholly beyond its picture cannot be made."""
        if condition.name == MIRROR:
            return Perturbed(batch.pixels.flip(-1))
        if not np.array_equal(self._rows, batch.rows):
            self._rows, self._crops = batch.rows.copy(), {}
        if condition not in self._crops:
            self._cut(condition, batch)
        crops = torch.from_numpy(self._crops[condition]).permute(0, 3, 1, 2).contiguous().float().div_(255)
        known = self.beyond[condition]
        possible = np.array([known.get(int(row), 0.0) < 1 for row in batch.rows])
        return Perturbed(crops.to(batch.pixels), None if possible.all() else possible)

    def _cut(self, first: Condition, batch: FaceBatch) -> None:
        """Cut the batch out for this change and as many following ones as may be kept."""
        place = self.conditions.index(first)
        count = max(1, self._kept // max(1, len(batch) * self.size[0] * self.size[1] * 3))
        asked = [each for each in self.conditions[place : place + count] if each.name != MIRROR]
        if self._has_pictures(batch.rows):
            found = self.faces.cut(batch.rows, self._cutter(asked, self.fill))
            for (_, beyond), row in zip(found, batch.rows.tolist(), strict=True):
                for condition, share in zip(asked, beyond.tolist(), strict=True):
                    self.beyond[condition][row] = share
        else:
            cutter = self._cutter(asked, "edge")
            found = [cutter(image, None) for image in _images(batch.pixels)]
        crops = np.stack([each for each, _ in found], axis=1)
        self._crops = {condition: crops[position] for position, condition in enumerate(asked)}

    def _has_pictures(self, rows: NDArray[np.int64]) -> bool:
        return isinstance(self.faces, Faces) and bool((rows < len(self.faces)).all())

    def _cutter(
        self, asked: Sequence[Condition], fill: Fill
    ) -> Callable[[Image.Image, NDArray[np.float64] | None], _Cut]:
        def cut(image: Image.Image, box: NDArray[np.float64] | None) -> _Cut:
            own = whole_box(box, image.width, image.height)
            frames = [_frame(condition, own) for condition in asked]
            beyond = np.array([frame.share_beyond(image.width, image.height) for frame in frames])
            frames = [Frame(own) if share == 1 else frame for frame, share in zip(frames, beyond, strict=True)]
            return np.stack([cut_frame(image, frame, self.size, fill) for frame in frames]), beyond

        return cut


def _frame(condition: Condition, box: Box) -> Frame:
    return frame_of(condition.name, float(Fraction(condition.size)) if condition.size else 0.0, box)


def _images(pixels: Tensor) -> list[Image.Image]:
    whole = pixels.detach().float().clamp(0, 1).mul(255).round().byte().permute(0, 2, 3, 1).cpu().numpy()
    return [Image.fromarray(np.ascontiguousarray(each)) for each in whole]
