"""Every class of a net in every family: how small a change would turn all faces into it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ....core.target import LUMA
from .families import FAMILIES
from .inversion import Inverted, Score, Settings, invert

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Scanned:
    """The smallest change by class and family.

    Attributes:
        aims: places of the classes that were sought, in the order of the rows.
        families: names of the families, in the order of the columns.
        found: by class and name of the family.
    """

    aims: tuple[int, ...]
    families: tuple[str, ...]
    found: Mapping[tuple[int, str], Inverted] = field(default_factory=dict)

    @property
    def log_sizes(self) -> Floats:
        """Natural logarithm of the sizes (classes, families), NaN where no change turned enough faces."""
        return self._each(lambda found: float(np.log(found.size)) if found.reached else float("nan"))

    @property
    def sizes(self) -> Floats:
        """The sizes (classes, families), each in its family's unit; where not reached, the largest that was tried."""
        return self._each(lambda found: found.size)

    @property
    def success(self) -> Floats:
        """Share of the faces that each change turns into the class (classes, families)."""
        return self._each(lambda found: found.success)

    def _each(self, of: Callable[[Inverted], float]) -> Floats:
        rows = [[of(self.found[aim, name]) for name in self.families] for aim in self.aims]
        return np.array(rows, dtype=np.float64).reshape(len(self.aims), len(self.families))


def scan(
    score: Score,
    pixels: Tensor,
    aims: Iterable[int],
    *,
    labels: Tensor | None = None,
    families: Sequence[str] = tuple(FAMILIES),
    seed: int = 0,
    settings: Settings | None = None,
    advance: Callable[[int], None] = lambda count: None,
) -> Scanned:
    """Invert each class in every family, on one thread: two threads on two busy cores were 18 times slower.

    Args:
        score: from pixels (n, 3, h, w) to logits (n, classes).
        pixels: clean faces (n, 3, h, w), 0 to 1, or (n, 1, h, w) for a net that reads grey; the same for every net
            that is compared.
        aims: places of the classes that are sought.
        labels: place of each face's class (n,), -1 where unknown; a class is sought with the faces of the others.
        families: names of :data:`FAMILIES`.
        seed: the same for every net that is compared.
        settings: the schedule.
        advance: is told after each class and family.
    """
    found: dict[tuple[int, str], Inverted] = {}
    aims = tuple(aims)
    with one_thread():
        for aim in aims:
            turned = others(pixels, labels, aim)
            for name in families:
                found[aim, name] = invert(
                    score, turned, aim, FAMILIES[name], seed=seed_of(seed, aim, name), settings=settings
                )
                advance(1)
    return Scanned(aims, tuple(families), found)


def scan_sizes(
    net: nn.Module,
    pixels: Tensor,
    classes: int,
    *,
    labels: Tensor | None = None,
    families: Sequence[str] = tuple(FAMILIES),
    seed: int = 0,
) -> Floats:
    """Return the log sizes (classes, families) of a net from pixels (n, 3, h, w) or (n, 1, h, w) to logits.

    The net is asked in evaluation mode with its parameters frozen, and left as it was found. NaN: not reached.
    """
    channels = pixels.shape[1]

    def score(shown: Tensor) -> Tensor:
        logits: Tensor = net(shown[:, :channels])
        return logits

    with frozen(net):
        return scan(score, pixels, range(classes), labels=labels, families=families, seed=seed).log_sizes


def others(pixels: Tensor, labels: Tensor | None, aim: int) -> Tensor:
    """Return the faces that are not labelled ``aim``; a face of the class tells nothing about what leads to it."""
    return pixels if labels is None else pixels[labels != aim]


def seed_of(seed: int, aim: int, family: str) -> int:
    """Return the seed of one inversion, which depends on no other inversion."""
    text = f"{seed}\x1f{aim}\x1f{family}".encode()
    return int.from_bytes(hashlib.sha256(text).digest()[:4], "little")


def grey(pixels: Tensor) -> Tensor:
    """Return the luma (n, 1, h, w) of RGB pixels, as a target that reads grey is given it."""
    return (pixels * torch.tensor(LUMA).reshape(1, 3, 1, 1)).sum(1, keepdim=True)


@contextmanager
def one_thread() -> Iterator[None]:
    """Let torch compute with one thread, and give it back those it had."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def frozen(net: nn.Module) -> Iterator[None]:
    """Put a net into evaluation mode without gradients for its parameters, and leave it as it was found."""
    modes = [(part, part.training) for part in net.modules()]
    gradients = [(parameter, parameter.requires_grad) for parameter in net.parameters()]
    net.eval()
    for parameter, _ in gradients:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for part, mode in modes:
            part.training = mode
        for parameter, wanted in gradients:
            parameter.requires_grad_(wanted)
