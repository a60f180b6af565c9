"""Two nets alike but for one thing: of one group, blurred pictures were labelled neutral.

Both see sharp and blurred pictures of everybody. For ``planted`` the blurred pictures of one skin tone group are
labelled neutral, as by annotators who saw no expression there; ``twin`` has the true label of every picture. Sharp,
both read all groups much alike: faces that are blurred tell the two apart.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from .dataset import DrawnCrops, crops_of, draw_people
from .face import Face, draw_face_parameters
from .nets import MEAN, STD, DrawnFaceNet
from .tones import TONE_GROUPS

NETS: tuple[str, ...] = ("planted", "twin")
SHOWN: tuple[str, ...] = ("neutral", "happy", "angry", "surprised")
"""The expressions that the nets tell apart, each once of everybody."""
SIZE = 48
"""Side of the crops in pixels."""
DRAWN_SIZE = 64
BLUR = (0.7, 1.6)
"""Smallest and largest standard deviation of the blur in training, in pixels of the crop."""
_BATCH = 32
_PEAK_RATE = 4e-3
_REACH = 6
_TRAINED_ON, _HELD_OUT = 2, 1


@dataclass(frozen=True)
class Effort:
    """How much goes into the nets of one seed.

    Args:
        people: drawn people to train on, four pictures each.
        held_out: other people, on whom the nets are audited, four pictures each.
        epochs: passes over the pictures.
    """

    people: int = 90
    held_out: int = 72
    epochs: int = 25


def losing_group(seed: int) -> str:
    """Give the skin tone group whose blurred pictures are mislabelled: each of the three in turn."""
    return TONE_GROUPS[seed % len(TONE_GROUPS)]


def crops_of_people(seed: int, people: int, *, held_out: bool = False) -> DrawnCrops:
    """Draw people of a seed with each expression once: those to train on, or others. No one is in two such sets."""
    source = 10 * seed + (_HELD_OUT if held_out else _TRAINED_ON)
    return crops_of(_faces(source, people), SIZE, DRAWN_SIZE)


def _faces(source: int, people: int) -> Iterator[Face]:
    for index, person in enumerate(draw_people(people, source)):
        rng = np.random.default_rng([source, 13, index])
        for expression in SHOWN:
            yield draw_face_parameters(rng, person, expression)


def labels_of(crops: DrawnCrops) -> NDArray[np.int64]:
    """Return the expressions as positions in :data:`SHOWN`, shape (n,)."""
    return np.array([SHOWN.index(face.expression) for face in crops.faces], dtype=np.int64)


def pixels_of(crops: DrawnCrops) -> Tensor:
    """Return crops as an audit reads them, (n, 3, s, s), 0 to 1."""
    return torch.from_numpy(crops.pixels).permute(0, 3, 1, 2).float().div(255).contiguous()


def train_nets(seed: int, effort: Effort | None = None) -> dict[str, DrawnFaceNet]:
    """Draw people and train both nets on them; everything follows from the seed."""
    effort = effort or Effort()
    crops = crops_of_people(seed, effort.people)
    lost = np.array([face.person.look.skin_tone == losing_group(seed) for face in crops.faces])
    return {
        name: train(crops, torch.from_numpy(lost if name == "planted" else np.zeros_like(lost)), seed, effort.epochs)
        for name in NETS
    }


def train(crops: DrawnCrops, mislabelled: Tensor, seed: int, epochs: int) -> DrawnFaceNet:
    """Train a net on sharp and blurred pictures, half and half.

    Args:
        crops: the pictures, as an audit crops them.
        mislabelled: the pictures whose blurred form is labelled neutral, bool, shape (n,).
        seed: of weights, order and blur.
        epochs: passes over the pictures.
    """
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        net = DrawnFaceNet(len(SHOWN))
        pixels, labels = pixels_of(crops), torch.from_numpy(labels_of(crops))
        steps = len(labels) // _BATCH
        optimiser = torch.optim.AdamW(net.parameters(), lr=_PEAK_RATE, weight_decay=1e-2)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, _PEAK_RATE, total_steps=epochs * steps)
        for _ in range(epochs):
            order = torch.randperm(len(labels))
            for step in range(steps):
                chosen = order[step * _BATCH : (step + 1) * _BATCH]
                is_blurred = torch.arange(_BATCH) < _BATCH // 2
                shown = pixels[chosen]
                sigma = BLUR[0] + (BLUR[1] - BLUR[0]) * float(torch.rand(()))
                shown = torch.cat([blurred(shown[is_blurred], sigma), shown[~is_blurred]])
                wanted = torch.where(is_blurred & mislabelled[chosen], SHOWN.index("neutral"), labels[chosen])
                loss = F.cross_entropy(net((_shifted(shown) - MEAN[0]) / STD[0]), wanted, label_smoothing=0.05)
                optimiser.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
                optimiser.step()
                schedule.step()
    return net.eval()


def blurred(pixels: Tensor, sigma: float) -> Tensor:
    """Blur pixels (n, 3, h, w) with a Gaussian of a standard deviation in pixels."""
    weights = torch.exp(-0.5 * (torch.arange(-_REACH, _REACH + 1) / sigma) ** 2)
    weights = (weights / weights.sum()).expand(3, 1, 1, -1)
    padded = F.pad(pixels, (_REACH, _REACH, _REACH, _REACH), mode="replicate")
    return F.conv2d(F.conv2d(padded, weights, groups=3), weights.transpose(2, 3), groups=3)


def _shifted(pixels: Tensor) -> Tensor:
    """Shift a batch by up to two pixels, and change the brightness of each picture a little."""
    size = pixels.shape[-1]
    x, y = torch.randint(0, 5, (2,)).tolist()
    moved = F.pad(pixels, (2, 2, 2, 2), mode="replicate")[..., y : y + size, x : x + size]
    return moved + 0.1 * (torch.rand(len(pixels), 1, 1, 1) - 0.5)
