"""What is measured of one face's map: likeness to the maps of expressions, and how much lies in each region.

Likeness is measured on the crop, against maps drawn over the face's own landmarks. Energy, the map's sum over a region
as a share of its sum over the face, is measured on the canonical face, where every region has one size for all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..canonical import CANVAS_WIDTH
from ..face_drawing import face_region
from ..landmarks import FloatArray
from ..warp import canonical_warp
from .codebook import Codebook
from .cosine import centred_gaussian, cosine, pearson
from .outline import face_in_crop
from .regions import face_parts
from .unit_maps import UnitMaps, canonical_regions


@dataclass(frozen=True)
class Evidence:
    """Numbers of n faces; e expressions of the codebook, u units and p parts of the face, in their orders.

    A number is NaN where it cannot be told of a face: of an expression whose regions lie outside the crop, of energy
    where none of the map lies on the canonical face.

    Attributes:
        cosine: ``(n, e)`` of the face's map with the map of each expression.
        pearson: ``(n, e)`` Pearson's correlation of the two.
        constant: ``(n, e)`` cosine of a constant map with the map of each expression.
        centre: ``(n, e)`` cosine of a centred Gaussian.
        centre_pearson: ``(n, e)`` its correlation.
        mean_map: ``(n, e)`` cosine of the mean of the face's own expression maps.
        mean_map_pearson: ``(n, e)`` its correlation.
        energy: ``(n, u)`` share of the map's energy on the face that lies in each unit's region, 0..1.
        parts: ``(n, p)`` the same for parts of the face.
        asymmetry: ``(n,)`` energy on the person's left half less that on the right, over both, -1..1.
        mirrored: ``(n,)`` the same of the map of the mirrored picture, in that picture; NaN where it was not made.
        outside: ``(n,)`` share of the map's energy that lies outside the face, on the crop, 0..1.
        outside_even: ``(n,)`` that share for a constant map.
        dropped: ``(n, u)`` 1 where a unit's regions lie outside the crop.
    """

    cosine: FloatArray
    pearson: FloatArray
    constant: FloatArray
    centre: FloatArray
    centre_pearson: FloatArray
    mean_map: FloatArray
    mean_map_pearson: FloatArray
    energy: FloatArray
    parts: FloatArray
    asymmetry: FloatArray
    mirrored: FloatArray
    outside: FloatArray
    outside_even: FloatArray
    dropped: FloatArray

    @classmethod
    def joined(cls, batches: Sequence[Evidence]) -> Evidence:
        """Put the faces of several batches one after the other."""
        return cls(*(np.concatenate([getattr(one, field.name) for one in batches]) for field in fields(cls)))

    def take(self, chosen: NDArray[np.bool_]) -> Evidence:
        """Return the numbers of some of the faces."""
        return Evidence(*(getattr(self, field.name)[chosen] for field in fields(self)))


def expression_maps(drawn: UnitMaps, codebook: Codebook) -> Tensor:
    """Return the map of each expression of a codebook on each face, ``(n, e, h, w)``."""
    return torch.stack([drawn.expression(units) for units in codebook.expressions.values()], dim=1)


def measure(maps: Tensor, landmarks: FloatArray, codebook: Codebook, expressions: Tensor, drawn: UnitMaps) -> Evidence:
    """Measure maps of faces.

    Args:
        maps: ``(n, h, w)`` 0..1, none of them NaN or constant.
        landmarks: ``(n, 68 or 478, 2)`` in pixels of the crop, pixel centres at integers, with usable frames.
        codebook: the expressions.
        expressions: ``(n, e, h, w)`` their maps.
        drawn: the maps of the codebook's units on these faces.
    """
    height, width = maps.shape[-2:]
    seen = maps[:, None].to(torch.float32)
    centre = centred_gaussian(height, width)[None, None]
    everyone = expressions.nanmean(dim=1, keepdim=True)
    flat = torch.ones(1, 1, height, width)
    face = torch.from_numpy(face_in_crop(landmarks, height, width))
    total = maps.sum(dim=(1, 2))
    energy, parts, asymmetry = canonical_energy(maps, landmarks, codebook.units)
    return Evidence(
        cosine=_array(cosine(expressions, seen)),
        pearson=_array(pearson(expressions, seen)),
        constant=_array(cosine(expressions, flat)),
        centre=_array(cosine(expressions, centre)),
        centre_pearson=_array(pearson(expressions, centre)),
        mean_map=_array(cosine(expressions, everyone)),
        mean_map_pearson=_array(pearson(expressions, everyone)),
        energy=energy,
        parts=parts,
        asymmetry=asymmetry,
        mirrored=np.full(len(maps), np.nan),
        outside=_array((maps * ~face).sum(dim=(1, 2)) / total),
        outside_even=_array((~face).float().mean(dim=(1, 2))),
        dropped=_array((~drawn.inside).float()),
    )


def canonical_energy(
    maps: Tensor, landmarks: FloatArray, units: tuple[int, ...]
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Carry maps ``(n, h, w)`` to the canonical face; return shares by unit and by part, and the asymmetry.

    Regions overlap, and some units have one region in common, so shares need not add up to one.
    """
    warped = canonical_warp(landmarks.shape[1])(maps[:, None].float(), landmarks)[:, 0].double().numpy()
    on_face = warped * face_region()
    total = on_face.sum(axis=(1, 2))
    whole = np.where(total > 0, total, np.nan)
    energy = np.einsum("nhw,uhw->nu", on_face, canonical_regions(units), optimize=True) / whole[:, None]
    parts = np.einsum("nhw,phw->np", on_face, part_regions(), optimize=True) / whole[:, None]
    return energy, parts, _sides(on_face) / whole


def sidedness(maps: Tensor, landmarks: FloatArray) -> FloatArray:
    """Return the asymmetry of maps ``(n, h, w)`` on the canonical face, ``(n,)``: left less right over both, -1..1."""
    warped = canonical_warp(landmarks.shape[1])(maps[:, None].float(), landmarks)[:, 0].double().numpy()
    on_face = warped * face_region()
    total = on_face.sum(axis=(1, 2))
    return np.asarray(_sides(on_face) / np.where(total > 0, total, np.nan))


def _sides(on_face: FloatArray) -> FloatArray:
    half = CANVAS_WIDTH // 2  # the right half of the picture is the person's left
    return np.asarray(on_face[:, :, half:].sum(axis=(1, 2)) - on_face[:, :, :half].sum(axis=(1, 2)))


@lru_cache(maxsize=1)
def part_regions() -> FloatArray:
    """Return the parts of the canonical face, ``(p, 275, 224)`` of 0 or 1: the union of their units' regions."""
    regions = np.stack([canonical_regions(units).max(axis=0) for units in face_parts().values()])
    regions.setflags(write=False)
    return regions


def even_energy(units: tuple[int, ...]) -> tuple[FloatArray, FloatArray]:
    """Return the shares of an even map over the canonical face, by unit ``(u,)`` and by part ``(p,)``."""
    face = face_region()
    of_face = float(face.sum())
    return (
        (canonical_regions(units) * face).sum(axis=(1, 2)) / of_face,
        (part_regions() * face).sum(axis=(1, 2)) / of_face,
    )


def _array(values: Tensor) -> FloatArray:
    return values.double().cpu().numpy()
