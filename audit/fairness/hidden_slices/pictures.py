"""What is read from the pictures in one pass: measures of quality, small grey pictures, embeddings."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ....core.derive.picture_quality import face_size
from ....core.derive.regions import turn_of_head
from ....core.probes import ProbeContext
from ....explain.attribution.embedding import EmbeddingReader
from ....explain.attribution.source import LayerError
from .params import HiddenSlicesParams

if TYPE_CHECKING:
    from torch import Tensor

SMALL = 12
Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Pictures:
    """What the pictures of some faces show.

    Attributes:
        quality: by name, shape (faces,), NaN where it cannot be told.
        looks: small grey pictures, each less its mean, over its spread, shape (faces, 144), or ``None``.
        embedding: shape (faces, d), or ``None``.
        told: in words, where the embedding is taken from.
        reasons: why something was left out.
    """

    quality: dict[str, Floats] = field(default_factory=dict)
    looks: Floats | None = None
    embedding: Floats | None = None
    told: str = ""
    reasons: tuple[str, ...] = ()


def read_pictures(
    context: ProbeContext, params: HiddenSlicesParams, rows: NDArray[np.int64], known: Collection[str]
) -> Pictures:
    """Read the pictures of these faces once; measures that are attributes already (``known``) are left out."""
    if context.target is None or context.faces.height_width is None:
        told = "There are no pictures (a table of predictions): slices are made of the attributes alone."
        return Pictures(reasons=(told,) if params.pictures else ())
    wanted, reasons = set(params.pictures), []
    reader: EmbeddingReader | None = None
    if "embedding" in wanted and "layers" not in context.target.gives:
        reasons.append(f"No clusters of embeddings: the target has no layers to look into ({context.target.format}).")
    elif "embedding" in wanted:
        try:
            reader = EmbeddingReader(context.target, params.layer)
        except LayerError as error:
            reasons.append(f"No clusters of embeddings: {error}.")
    if not wanted - {"embedding"} and reader is None:
        return Pictures(reasons=tuple(reasons))
    names = [name for name in ("brightness", "contrast", "sharpness") if "quality" in wanted and name not in known]
    quality = {name: np.full(len(rows), np.nan) for name in names}
    turned = "quality" in wanted and context.faces.source is not None and "yaw" not in known
    if turned:
        quality["turn of the head"] = np.full(len(rows), np.nan)
    looks = np.zeros((len(rows), SMALL * SMALL)) if "looks" in wanted else None
    embedding = np.zeros((len(rows), reader.width), dtype=np.float32) if reader is not None else None
    at = 0
    with context.progress("faces", len(rows)) as advance:
        for batch in context.faces.batches(context.batch_size, rows, landmarks=turned):
            part = slice(at, at + len(batch))
            grey = _grey(batch.pixels)
            for name, values in _quality(grey).items():
                if name in quality:
                    quality[name][part] = values
            if turned and batch.landmarks is not None:
                quality["turn of the head"][part] = np.abs(turn_of_head(batch.landmarks.astype(np.float64)))
            if looks is not None:
                looks[part] = _small(grey)
            if reader is not None and embedding is not None:
                embedding[part] = reader.read(batch.pixels).embedding.cpu().numpy()
            at += len(batch)
            advance(len(batch))
    if "quality" in wanted and context.faces.boxes is not None and "face_size" not in known:
        sides = np.round(context.faces.boxes[rows, 2:]) - np.round(context.faces.boxes[rows, :2])
        quality["size of the face"] = np.asarray([face_size(*side) for side in sides])
    return Pictures(
        quality,
        looks,
        None if embedding is None else embedding.astype(np.float64),
        reader.told if reader is not None else "",
        tuple(reasons),
    )


def _grey(pixels: Tensor) -> Tensor:
    weights = pixels.new_tensor([0.299, 0.587, 0.114]).reshape(1, 3, 1, 1)
    return (pixels * weights).sum(1, keepdim=True)


def _quality(grey: Tensor) -> dict[str, Floats]:
    """Return mean and spread of the luma of each crop, and the variance of its Laplacian."""
    inner = 4 * grey[..., 1:-1, 1:-1]
    laplacian = grey[..., :-2, 1:-1] + grey[..., 2:, 1:-1] + grey[..., 1:-1, :-2] + grey[..., 1:-1, 2:] - inner
    found = {
        "brightness": grey.mean((1, 2, 3)),
        "contrast": grey.std((1, 2, 3)),
        "sharpness": laplacian.var((1, 2, 3)),
    }
    return {name: values.double().cpu().numpy() for name, values in found.items()}


def _small(grey: Tensor) -> Floats:
    """Return small grey pictures, each less its mean and over its spread, shape (n, 144)."""
    from torch.nn.functional import adaptive_avg_pool2d

    small = adaptive_avg_pool2d(grey, (SMALL, SMALL)).flatten(1).double()
    small = small - small.mean(1, keepdim=True)
    found: Floats = (small / small.std(1, keepdim=True).clamp_min(1e-6)).cpu().numpy()
    return found
