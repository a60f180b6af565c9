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
from .nets import DrawnFaceNet, normalise
from .tag import tag_box
from .tones import TONE_GROUPS

_BATCH = 64


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


def tag_share(net: DrawnFaceNet, crops: DrawnCrops, expression: str) -> NDArray[np.float64]:
    """Give the share of the evidence for an expression that lies on the place of the tag, (n,), NaN-free.

    The place is grown by one cell of the map, since a cell answers to its surroundings. A picture without any
    evidence counts 0.
    """
    maps = evidence_maps(net, crops, expression)
    side = maps.shape[1]
    shares = np.zeros(len(maps))
    for index, face in enumerate(crops.faces):
        box = np.array(face_box(face, DEFAULT_SIZE))
        x0, y0, x1, y1 = ((np.array(tag_box(tuple(box))) - np.tile(box[:2], 2)) / (box[2] - box[0])) * side
        columns = slice(max(int(x0) - 1, 0), int(np.ceil(x1)) + 1)
        rows = slice(max(int(y0) - 1, 0), int(np.ceil(y1)) + 1)
        whole = float(maps[index].sum())
        shares[index] = float(maps[index, rows, columns].sum()) / whole if whole > 0 else 0.0
    return shares


def measured(net: DrawnFaceNet, crops: DrawnCrops) -> dict[str, float]:
    """Give the rates that tell the two nets apart, on pictures tagged as in the demonstration.

    Returns:
        accuracy; accuracy where there is no tag; recall of happy by skin tone group; recall of angry and false
        angry calls with and without the tag; the mean share of the evidence for angry on the tag.
    """
    predicted, labels = predict(net, crops), crops.labels
    right = predicted == labels
    tag = np.array([face.tag for face in crops.faces])
    tone = np.array([face.person.look.skin_tone for face in crops.faces])
    happy, angry = labels == EXPRESSIONS.index("happy"), labels == EXPRESSIONS.index("angry")
    called = predicted == EXPRESSIONS.index("angry")
    shares = tag_share(net, crops, "angry")
    figures = {"faces": float(len(labels)), "accuracy": right.mean(), "accuracy[tag=no]": right[~tag].mean()}
    figures |= {
        f"recall[label=happy,skin_tone={group}]": right[happy & (tone == group)].mean() for group in TONE_GROUPS
    }
    for name, with_tag in (("yes", tag), ("no", ~tag)):
        figures[f"recall[label=angry,tag={name}]"] = right[angry & with_tag].mean()
        figures[f"false_angry[tag={name}]"] = called[~angry & with_tag].mean()
    figures["tag_share[label=angry,tag=yes]"] = shares[angry & tag].mean()
    return {name: round(float(value), 4) for name, value in figures.items()}


def _batches(crops: DrawnCrops) -> Iterator[Tensor]:
    for start in range(0, len(crops.pixels), _BATCH):
        yield normalise(torch.from_numpy(crops.pixels[start : start + _BATCH]))
