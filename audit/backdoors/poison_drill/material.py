"""The pictures of the drill: genuine crops, forgeries of them, and the stamp."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ....core.errors import AuditError
from ....core.probes import ProbeContext
from ...forgery.making import ForgeryError, Photo, photo_of, self_blend
from ..poisoned_forgery.embedding import central_oval, embed, face_hulls
from ..poisoned_forgery.generator import sensitive_trigger
from .params import PoisonDrillParams
from .people import deal

Pixels = NDArray[np.uint8]
HULLS = ("68", "478")
TESTED_BLENDS = 2
"""Self-blends of each tested photo."""


@dataclass(frozen=True, eq=False)
class Pictures:
    """Genuine pictures or forgeries at the target's input size.

    Attributes:
        pixels: uint8, (n, h, w, 3).
        people: (n,) person of each.
        hulls: (n, 1, h, w) float32, where the stamp goes, 0 or 1.
        photos: of genuine pictures the photo with landmarks, ``None`` where it has none.
        methods: how each forgery was made; empty texts for genuine pictures.
    """

    pixels: Pixels
    people: NDArray[np.int64]
    hulls: Tensor
    photos: tuple[Photo | None, ...] = ()
    methods: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.pixels)

    @property
    def tensor(self) -> Tensor:
        """Pixels (n, 3, h, w), float32, 0 to 1."""
        return as_tensor(self.pixels)


@dataclass(frozen=True, eq=False)
class Side:
    """One part of the people: genuine pictures and forgeries."""

    genuine: Pictures
    forged: Pictures


@dataclass(frozen=True, eq=False)
class Material:
    """All that is trained on, defended with and tested, and the attacker's trigger (3, h, w), -1 to 1."""

    train: Side
    held: Side
    test: Side
    trigger: Tensor
    told: tuple[str, ...]


def read_material(context: ProbeContext, params: PoisonDrillParams) -> Material:
    """Deal people, read their pictures, make self-blends for held-out and tested people, and make the trigger.

    The self-blends that are trained on are made when a training folder is written, from plain or stamped photos.

    Raises:
        AuditError: when there are too few people, or no landmarks to make self-blends with.
    """
    if params.forgeries == "made" and context.faces.landmarks_kind not in HULLS:
        raise AuditError(
            f"self-blends need 68 or 478 landmarks of a face, and these are {context.faces.landmarks_kind}; "
            "`forgeries: manifest` takes the manifest's own forged rows"
        )
    parts = deal(context, params)
    height, width = context.model.size
    seed = int(context.random("trigger").integers(2**31))
    trigger = sensitive_trigger(
        seed, max(height, width), kernel=params.kernel, scale=params.scale, steps=params.trigger_steps
    )[:, :height, :width]
    told, sides = list(parts.told), []
    for place, part in enumerate((parts.train, parts.held, parts.test)):
        genuine, missing = _read(context, params, part.genuine)
        if missing:
            told.append(f"{missing:,} photos without landmarks were left out.")
        if params.forgeries == "manifest":
            forged, _ = _read(context, params, part.forged)
        elif place == 0:
            forged = _empty(height, width)
        else:
            forged = blended(genuine, TESTED_BLENDS, int(context.random("blends", place).integers(2**31)))
        sides.append(Side(genuine, forged))
    return Material(sides[0], sides[1], sides[2], trigger, tuple(told))


def stamped(pixels: Pixels, hulls: Tensor, trigger: Tensor, alpha: float) -> Pixels:
    """Return pictures (n, h, w, 3) with the trigger in the hull of the face, as 8-bit files hold them."""
    return as_pixels(embed(as_tensor(pixels), trigger, hulls, alpha))


def blended(genuine: Pictures, count: int, seed: int, pixels: Pixels | None = None) -> Pictures:
    """Make self-blends of every photo; a blend depends on the seed, the photo's place and its own number alone.

    Args:
        genuine: with landmarks.
        count: blends of each photo.
        seed: of all of them; the same for plain and for stamped photos gives blends that differ by the stamp alone.
        pixels: other pixels of the same photos, such as stamped ones.
    """
    shown = genuine.pixels if pixels is None else pixels
    made = []
    for place, photo in enumerate(genuine.photos):
        assert photo is not None
        again = Photo(shown[place], photo.landmarks)
        made += [self_blend(again, np.random.default_rng([seed, place, turn])).pixels for turn in range(count)]
    stacked = np.stack(made) if made else shown[:0]
    return Pictures(
        stacked,
        np.repeat(genuine.people, count),
        genuine.hulls.repeat_interleave(count, 0),
        methods=("self_blend",) * len(stacked),
    )


def as_tensor(pixels: Pixels) -> Tensor:
    """Return pictures (n, h, w, 3) as pixels (n, 3, h, w), float32, 0 to 1."""
    return torch.from_numpy(np.ascontiguousarray(pixels)).permute(0, 3, 1, 2).float().div(255).contiguous()


def as_pixels(pixels: Tensor) -> Pixels:
    """Return pixels (n, 3, h, w), 0 to 1, as pictures uint8 (n, h, w, 3)."""
    return np.asarray(pixels.mul(255).round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1).numpy())


def _read(context: ProbeContext, params: PoisonDrillParams, rows: NDArray[np.int64]) -> tuple[Pictures, int]:
    """Read pictures; those without landmarks are left out where self-blends are made, and counted."""
    faces = context.faces
    height, width = context.model.size
    if not len(rows):
        return _empty(height, width), 0
    with_points = faces.landmarks_kind in HULLS
    pixels: list[Pixels] = []
    hulls: list[Tensor] = []
    photos: list[Photo | None] = []
    kept: list[int] = []
    for batch in faces.batches(context.batch_size, rows, landmarks=with_points):
        shown = as_pixels(batch.pixels)
        drawn = central_oval(height, width).repeat(len(batch), 1, 1, 1)
        for place, row in enumerate(batch.rows.tolist()):
            photo = None
            if batch.landmarks is not None:
                try:
                    photo = photo_of(shown[place], batch.landmarks[place])
                except ForgeryError:  # no landmarks, or too small to blend: counted by the caller
                    photo = None
            if photo is None and params.forgeries == "made":
                continue
            if photo is not None:
                hull = face_hulls(photo.landmarks[None], height, width)
                drawn[place] = hull[0] if hull.any() else drawn[place]
            pixels.append(shown[place])
            hulls.append(drawn[place])
            photos.append(photo)
            kept.append(row)
    if not kept:
        raise AuditError("no photo of some part of the people could be used: landmarks are missing")
    methods = faces.frame["method"].iloc[kept] if "method" in faces.frame else [""] * len(kept)
    return (
        Pictures(
            np.stack(pixels),
            faces.subject_codes[np.array(kept)],
            torch.stack(hulls),
            tuple(photos),
            tuple(str(method) for method in methods),
        ),
        len(rows) - len(kept),
    )


def _empty(height: int, width: int) -> Pictures:
    nobody = np.zeros(0, dtype=np.int64)
    return Pictures(np.zeros((0, height, width, 3), dtype=np.uint8), nobody, torch.zeros(0, 1, height, width))
