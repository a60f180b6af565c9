"""Do the planted faults show? Rates of a reference net on drawn people it was not trained on."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .dataset import DrawnCrops
from .draw import DEFAULT_SIZE, face_box
from .expression import EXPRESSIONS
from .face import Face
from .nets import DrawnFaceNet, normalise
from .tag import tag_box
from .tones import TONE_GROUPS

_BATCH = 64
_REACH = 2


def predict(net: DrawnFaceNet, crops: DrawnCrops) -> NDArray[np.int64]:
    """Give the predicted expressions as positions in `EXPRESSIONS`, (n,)."""
    with torch.no_grad():
        outputs = [net(pixels) for pixels in _batches(crops)]
    return np.asarray(torch.cat(outputs).argmax(1).numpy(), dtype=np.int64)


def evidence_maps(net: DrawnFaceNet, crops: DrawnCrops, expression: str) -> NDArray[np.float32]:
    """Give the class activation map of one expression for each picture, (n, 12, 12), not negative.

    With averaging and one linear layer on top, GradCAM is this map up to a factor (Selvaraju et al. 2017,
    arXiv 1610.02391, section 3; CAM: Zhou et al. 2016, arXiv 1512.04150).
    """
    weight = net.head.weight[EXPRESSIONS.index(expression)].detach()
    with torch.no_grad():
        maps = [torch.einsum("nchw,c->nhw", net.features(pixels), weight) for pixels in _batches(crops)]
    return np.asarray(torch.cat(maps).clamp_min(0).numpy(), dtype=np.float32)


def tag_share(net: DrawnFaceNet, crops: DrawnCrops, expression: str) -> tuple[NDArray[np.float64], float]:
    """Tell how much of the evidence for an expression lies where the tag is stamped.

    The place is grown by two cells of the map, about half the receptive field of a cell: so far away a cell
    still answers to the tag.

    Returns:
        The share for each picture, (n,) in 0..1, where a picture without any evidence counts 0; and the share
        that an even map would have, the null.
    """
    maps = evidence_maps(net, crops, expression)
    even = np.ones_like(maps[0])
    shares, nulls = np.zeros(len(maps)), np.zeros(len(maps))
    for index, face in enumerate(crops.faces):
        near = _near_tag(face, even.shape[0])
        whole = float(maps[index].sum())
        shares[index] = float(maps[index][near].sum()) / whole if whole > 0 else 0.0
        nulls[index] = even[near].size / even.size
    return shares, float(nulls.mean())


def _near_tag(face: Face, side: int) -> tuple[slice, slice]:
    """Give rows and columns of a (side, side) map of the crop that lie on or near the tag's place."""
    box = face_box(face, DEFAULT_SIZE)
    x0, y0, x1, y1 = tag_box(box)
    cell = (box[2] - box[0]) / side
    left, top = (x0 - box[0]) / cell, (y0 - box[1]) / cell
    right, bottom = (x1 - box[0]) / cell, (y1 - box[1]) / cell
    rows = slice(max(int(top) - _REACH, 0), int(np.ceil(bottom)) + _REACH)
    return rows, slice(max(int(left) - _REACH, 0), int(np.ceil(right)) + _REACH)


def measured(net: DrawnFaceNet, crops: DrawnCrops) -> dict[str, float]:
    """Give the rates that tell the two nets apart, on pictures tagged as in the demonstration.

    Returns:
        accuracy; accuracy where there is no tag; recall of happy by skin tone group; recall of angry and false
        angry calls with and without the tag; on angry faces with the tag, the mean share of the evidence for angry
        that lies on it, and that share for an even map.
    """
    predicted, labels = predict(net, crops), crops.labels
    right = predicted == labels
    tag = np.array([face.tag for face in crops.faces])
    tone = np.array([face.person.look.skin_tone for face in crops.faces])
    happy, angry = labels == EXPRESSIONS.index("happy"), labels == EXPRESSIONS.index("angry")
    called = predicted == EXPRESSIONS.index("angry")
    shares, even = tag_share(net, crops, "angry")
    figures = {"faces": float(len(labels)), "accuracy": right.mean(), "accuracy[tag=no]": right[~tag].mean()}
    figures |= {
        f"recall[label=happy,skin_tone={group}]": right[happy & (tone == group)].mean() for group in TONE_GROUPS
    }
    for name, with_tag in (("yes", tag), ("no", ~tag)):
        figures[f"recall[label=angry,tag={name}]"] = right[angry & with_tag].mean()
        figures[f"false_angry[tag={name}]"] = called[~angry & with_tag].mean()
    figures["tag_share[label=angry,tag=yes]"] = shares[angry & tag].mean()
    figures["tag_share.null_even"] = even
    return {name: round(float(value), 4) for name, value in figures.items()}


def _batches(crops: DrawnCrops) -> Iterator[Tensor]:
    for start in range(0, len(crops.pixels), _BATCH):
        yield normalise(torch.from_numpy(crops.pixels[start : start + _BATCH]))
