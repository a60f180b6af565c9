"""Explain faces of an audit batch by batch, by several methods at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from ...core.faces import FaceBatch, Faces
from ...core.target import Target
from .method import Explainer, MapBatch, Request, face_seeds


@dataclass(frozen=True)
class ExplainedBatch:
    """A batch of faces and their maps.

    Attributes:
        batch: the faces, with landmarks if asked for.
        classes: ``(n,)`` the class explained for each.
        maps: by method; on the target's device.
    """

    batch: FaceBatch
    classes: NDArray[np.int64]
    maps: Mapping[str, MapBatch]


def explain_faces(
    faces: Faces,
    target: Target,
    explainers: Sequence[Explainer],
    rows: NDArray[np.int64],
    classes: NDArray[np.int64],
    *,
    batch_size: int,
    seed: int,
    landmarks: bool = False,
) -> Iterator[ExplainedBatch]:
    """Read faces and explain them; memory does not grow with their number.

    Args:
        faces: the audited faces.
        target: the model under audit.
        explainers: as built by :func:`.registry.build_explainers`.
        rows: ``(m,)`` positions of the faces.
        classes: ``(m,)`` the class to explain for each.
        batch_size: faces at once.
        seed: of the methods that draw at random; a face's map depends on it and on the face's id alone.
        landmarks: whether the batches hold landmarks.
    """
    class_of = dict(zip(rows.tolist(), classes.tolist(), strict=True))
    names = faces.frame["face_id"].to_numpy(dtype=object)
    for batch in faces.batches(batch_size, rows, landmarks=landmarks):
        chosen = np.array([class_of[row] for row in batch.rows.tolist()], dtype=np.int64)
        request = Request(
            batch.pixels.to(target.device),
            torch.from_numpy(chosen).to(target.device),
            face_seeds(seed, [str(names[row]) for row in batch.rows]),
        )
        maps: dict[str, MapBatch] = {}
        for explainer in explainers:
            maps |= explainer.explain(request)
        yield ExplainedBatch(batch, chosen, maps)
