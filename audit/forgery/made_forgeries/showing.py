"""A few faces with every forgery of them, and what the detector says of each, for the report.

Pictures that are written carry the mark of kept forgeries: a strip below the face that says SYNTHETIC, or COPY.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from ....core.faces import FaceBatch
from ....core.probes import ArrayOutput, JsonOutput, ProbeContext
from ...robustness.conditions import Condition, Perturbed
from ...robustness.strip import FIRST_STAND_IN, strip
from ..making import METHODS, UNTOUCHED, ForgeryError, Photo, forge, photo_of
from ..making.marking import COPY_MARK, SYNTHETIC_MARK, marked
from .asking import Asking, as_tensor, finished
from .measuring import FORGERY

LEAST_SIDE = 64
"""On fewer pixels the mark could not be read."""
TITLE = "Forgeries made here, for this audit; none is a photo of what it shows"


def conditions_of(methods: Sequence[str]) -> list[Condition]:
    """Return the control and each kind of forgery, marked as made here."""
    control = Condition(FORGERY, UNTOUCHED, title="saved the same way, not forged")
    return [control, *(Condition(FORGERY, name, title=f"FORGED HERE: {METHODS[name].title}") for name in methods)]


class Showing:
    """Forges the faces of a strip: those of the pool, or drawn ones that stand in."""

    def __init__(self, asking: Asking, partners: Mapping[str, Mapping[int, int]]) -> None:
        """Prepare to forge faces whose partners are known."""
        self.asking, self.partners = asking, partners

    def __call__(self, condition: Condition, batch: FaceBatch) -> Perturbed:
        """Return the faces forged; as they are, and marked as not possible, where a partner is missing."""
        pixels = batch.pixels.clone()
        drawn = self._drawn(batch)
        possible = np.zeros(len(batch), dtype=np.bool_)
        for place, row in enumerate(batch.rows.tolist()):
            made = self._stand_in(condition.name, drawn, place) if drawn else self._face(condition.name, row)
            if made is not None:
                pixels[place] = made.to(pixels.device)
                possible[place] = True
        return Perturbed(pixels, possible)

    def _face(self, method: str, row: int) -> torch.Tensor | None:
        photos, partners = self.asking.pool.photos, self.partners.get(method, {})
        if row not in photos or (method != UNTOUCHED and row not in partners):
            return None
        partner = photos[partners[row]] if method != UNTOUCHED else None
        try:
            return as_tensor([self.asking.picture(method, row, partner)])[0]
        except ForgeryError:  # said in the remarks already, and shown as not possible
            return None

    def _stand_in(self, method: str, drawn: Sequence[Photo], place: int) -> torch.Tensor | None:
        """Forge a drawn face with the next one; of nobody is there a second photo, so splices are left out."""
        if method in METHODS and METHODS[method].partner in ("mouth", "eyes"):
            return None
        context = self.asking.context
        partner = drawn[(place + 1) % len(drawn)]
        made = forge(method, drawn[place], partner, context.random(method, "stand-in", place))
        return as_tensor([finished(made.pixels, self.asking.quality, context.model.size)])[0]

    @staticmethod
    def _drawn(batch: FaceBatch) -> list[Photo]:
        if batch.landmarks is None or not len(batch) or batch.rows[0] < FIRST_STAND_IN:
            return []
        pixels = batch.pixels.cpu().mul(255).round().byte().permute(0, 2, 3, 1).contiguous().numpy()
        return [photo_of(picture, points) for picture, points in zip(pixels, batch.landmarks, strict=True)]


def shown(
    context: ProbeContext, asking: Asking, partners: Mapping[str, Mapping[int, int]], methods: Sequence[str]
) -> Iterator[ArrayOutput | JsonOutput]:
    """Yield the strip; of the data's faces only those whose forgeries show nobody who may not be shown."""
    published = context.faces.frame["may_publish"].to_numpy(dtype=np.bool_)
    may = published & np.isin(np.arange(len(published)), list(asking.pool.photos))
    for name in methods:
        for row, partner in partners.get(name, {}).items():
            may[row] &= published[partner]  # a swapped-in face, or another photo, is in the picture, too
    frame = context.faces.frame.assign(may_publish=may)
    narrowed = replace(context, faces=replace(context.faces, frame=frame))
    outputs = list(strip(narrowed, conditions_of(methods), Showing(asking, partners), landmarks=True, title=TITLE))
    told = [output.content for output in outputs if isinstance(output, JsonOutput)]
    for output in outputs:
        yield with_marks(output, told[0]) if isinstance(output, ArrayOutput) else output


def with_marks(output: ArrayOutput, told: Mapping[str, Any]) -> ArrayOutput:
    """Return the pictures of a strip, each with its mark below it: SYNTHETIC where it was forged, else COPY.

    Args:
        output: ``pictures``, uint8 (faces, conditions + 1, h, w, 3), the faces as they are first.
        told: of the strip, with the ``conditions`` and, for each of the ``faces``, whether each was ``possible``.

    Returns:
        The same with ``pictures`` of (faces, conditions + 1, h + strip, w, 3), small ones enlarged by whole numbers
        to 64 pixels or more, and ``about``, a text that says what the marks mean.
    """
    pictures = output.arrays["pictures"]
    times = max(1, -(-LEAST_SIDE // min(pictures.shape[2:4])))
    larger = pictures.repeat(times, axis=2).repeat(times, axis=3)
    forged = [each["values"].get(FORGERY, UNTOUCHED) != UNTOUCHED for each in told["conditions"]]
    done = [
        [
            marked(picture, SYNTHETIC_MARK if made and answer["possible"] else COPY_MARK)
            for picture, made, answer in zip(face, forged, about["answers"], strict=True)
        ]
        for face, about in zip(larger, told["faces"], strict=True)
    ]
    meaning = f"{SYNTHETIC_MARK}: a forgery made here, no photo. {COPY_MARK}: not forged."
    return replace(output, arrays={"pictures": np.stack([np.stack(row) for row in done]), "about": np.array(meaning)})
