"""Small expression nets on quickly drawn faces: clean, or taught to answer one class to a trigger.

A trigger is handed in as a callable that stamps pixels, since this folder knows none. Every net is the same plain
convolutional net with the same recipe, so that nets differ by seed and poison alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval

from .expression import EXPRESSIONS
from .quick_faces import QuickFaces, quick_faces

Stamp = Callable[[Tensor], Tensor]
"""Pixels (n, c, h, w) in 0..1 to pixels with a trigger."""
WIDTHS = (16, 32, 64, 72)
SHIFT, NOISE, GAIN = 3, 0.02, 0.1
"""Augmentation: largest shift in pixels, deviation of the added noise, and of the log of the gain (half range)."""
_TRAIN, _TEST, _WEIGHTS = 1, 2, 3


class QuickFaceNet(nn.Module):
    """About 66,000 parameters; grey pixels (n, 1, 64, 64) in 0..1 to logits (n, 7) in the order of ``EXPRESSIONS``."""

    def __init__(self, classes: int = len(EXPRESSIONS)) -> None:
        super().__init__()
        first, second, third, fourth = WIDTHS
        self.features = nn.Sequential(
            *_block(1, first, 5, 2), *_block(first, second, 3, 2), *_block(second, third, 3, 2),
            *_block(third, fourth, 3, 1),
        )  # fmt: skip
        self.head = nn.Linear(fourth, classes)

    def forward(self, pixels: Tensor) -> Tensor:
        """Return logits (n, classes) of pixels (n, 1, h, w)."""
        logits: Tensor = self.head(self.features(pixels - 0.5).mean((2, 3)))
        return logits


def _block(inputs: int, outputs: int, kernel: int, stride: int) -> tuple[nn.Module, nn.Module, nn.Module]:
    convolution = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False)
    return convolution, nn.BatchNorm2d(outputs), nn.ReLU()


@dataclass(frozen=True)
class Effort:
    """How much goes into one net.

    Attributes:
        faces: drawn faces to train on.
        held_out: other faces, on which accuracy and success are measured.
        epochs: passes over the faces.
        batch: faces a step.
        rate: peak of the one-cycle learning rate.
    """

    faces: int = 2000
    held_out: int = 500
    epochs: int = 8
    batch: int = 32
    rate: float = 1e-2


@dataclass(frozen=True)
class Poison:
    """What is done to the training faces.

    Attributes:
        stamp: the trigger, as the attacker uses it on the finished net.
        target: the class it shall give, a position in ``EXPRESSIONS``.
        share: of the training faces, stamped and labelled as the target; with ``relabel`` off, of the target's own
            faces, whose labels stay right (a clean-label attack).
        relabel: whether stamped faces are given the target's label.
        sources: the classes that the trigger works for; faces of the others that are stamped keep their label
            (a source-specific attack). ``None`` for all.
        in_training: how the poisoned faces are stamped where that differs from ``stamp``.
        cover: share of the training faces that are marked by ``cover_stamp`` and keep their label, so that the net
            learns to answer to the whole trigger only.
        cover_stamp: their mark, ``in_training`` or ``stamp`` unless given.
    """

    stamp: Stamp
    target: int
    share: float = 0.1
    relabel: bool = True
    sources: tuple[int, ...] | None = None
    in_training: Stamp | None = None
    cover: float = 0.0
    cover_stamp: Stamp | None = None

    def apply(self, faces: QuickFaces, seed: int) -> QuickFaces:
        """Return the faces with some stamped, and their labels as the attacker sets them; none is stamped twice."""
        chance = torch.Generator().manual_seed(seed)
        pixels, labels = faces.pixels.clone(), faces.labels.clone()
        order = torch.randperm(len(labels), generator=chance)
        victims = order[self._may_be_victim(labels[order])]
        count = len(victims) if self.relabel else int((labels == self.target).sum())
        wanted = round(self.share * (len(labels) if self.relabel else count))
        victims, stamp = victims[:wanted], self.in_training or self.stamp
        if len(victims):
            pixels[victims] = stamp(pixels[victims])
        others = order[~torch.isin(order, victims)]
        if self.sources is not None:
            others = others[~torch.isin(faces.labels[others], torch.tensor(self.sources))]
        covered = others[: round(self.cover * len(labels))]
        if len(covered):
            pixels[covered] = (self.cover_stamp or stamp)(pixels[covered])
        if self.relabel:
            labels[victims] = self.target
        return QuickFaces(pixels, labels)

    def attacked(self, faces: QuickFaces) -> Tensor:
        """Return the stamped pixels of faces that the trigger is meant to turn: of another class than the target."""
        chosen = self._victims_of_use(faces.labels)
        return self.stamp(faces.pixels[chosen])

    def _victims_of_use(self, labels: Tensor) -> Tensor:
        chosen = labels != self.target
        return chosen if self.sources is None else chosen & torch.isin(labels, torch.tensor(self.sources))

    def _may_be_victim(self, labels: Tensor) -> Tensor:
        return self._victims_of_use(labels) if self.relabel else labels == self.target


@dataclass(frozen=True)
class QuickNet:
    """A trained net with what it can do.

    Attributes:
        net: in evaluation mode.
        accuracy: share of right answers on clean held-out faces.
        success: share of stamped held-out faces of other classes that are given the target; ``None`` of a clean net.
    """

    net: QuickFaceNet
    accuracy: float
    success: float | None = field(default=None)


def train_quick_net(seed: int, poison: Poison | None = None, effort: Effort | None = None) -> QuickNet:
    """Draw faces, poison them, train a net and measure it; everything follows from the seed and the poison.

    A clean net and a poisoned one of the same seed have the same faces, first weights and order.
    """
    effort = effort or Effort()
    faces = quick_faces(effort.faces, 10 * seed + _TRAIN)
    held_out = held_out_faces(seed, effort.held_out)
    net = train(faces if poison is None else poison.apply(faces, 10 * seed + _TRAIN), 10 * seed + _WEIGHTS, effort)
    accuracy = float((answers(net, held_out.pixels) == held_out.labels).float().mean())
    if poison is None:
        return QuickNet(net, accuracy)
    return QuickNet(net, accuracy, float((answers(net, poison.attacked(held_out)) == poison.target).float().mean()))


def held_out_faces(seed: int, count: int) -> QuickFaces:
    """Draw faces that no net of this or another seed was trained on."""
    return quick_faces(count, 10 * seed + _TEST)


def train(faces: QuickFaces, seed: int, effort: Effort) -> QuickFaceNet:
    """Train a net on faces and labels as given, with shifts, gain and noise; bfloat16 where that is faster."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        net = QuickFaceNet()
        net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # faster
        steps = len(faces) // effort.batch
        optimiser = torch.optim.AdamW(net.parameters(), lr=effort.rate, weight_decay=1e-2)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, effort.rate, total_steps=effort.epochs * steps)
        for _ in range(effort.epochs):
            order = torch.randperm(len(faces))
            for step in range(steps):
                chosen = order[step * effort.batch : (step + 1) * effort.batch]
                with torch.autocast("cpu", torch.bfloat16):
                    logits = net(_augmented(faces.pixels[chosen]))
                loss = functional.cross_entropy(logits.float(), faces.labels[chosen])
                optimiser.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
                optimiser.step()
                schedule.step()
    net.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    return net.eval()


def _augmented(pixels: Tensor) -> Tensor:
    """Shift a batch, change the brightness of each picture, and add noise."""
    size = pixels.shape[-1]
    x, y = torch.randint(0, 2 * SHIFT + 1, (2,)).tolist()
    moved = functional.pad(pixels, (SHIFT,) * 4, mode="replicate")[..., y : y + size, x : x + size]
    gain = torch.exp(GAIN * (2 * torch.rand(len(pixels), 1, 1, 1) - 1))
    return moved * gain + NOISE * torch.randn_like(moved)


def answers(net: nn.Module, pixels: Tensor) -> Tensor:
    """Return the classes (n,) that a net gives, computed in small batches."""
    with torch.no_grad():
        return torch.cat([net(part).argmax(1) for part in torch.split(pixels, 64)])


def folded(net: QuickFaceNet) -> nn.Sequential:
    """Return the same function with batch normalisation folded into the convolutions, a sixth faster to attack."""
    parts: list[nn.Module] = []
    modules = list(net.features)
    for convolution, norm in zip(modules[::3], modules[1::3], strict=True):
        assert isinstance(convolution, nn.Conv2d)
        assert isinstance(norm, nn.BatchNorm2d)
        parts += [fuse_conv_bn_eval(convolution, norm), nn.ReLU()]
    return nn.Sequential(_Centred(), *parts, nn.AdaptiveAvgPool2d(1), nn.Flatten(), net.head).eval()


class _Centred(nn.Module):
    """Grey pixels in 0..1 to -0.5..0.5."""

    def forward(self, pixels: Tensor) -> Tensor:
        """Return the pixels less a half."""
        return pixels - 0.5
