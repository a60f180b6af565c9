"""What a trigger is: a fixed way of marking faces, and random marks of the same size to compare it with."""

from __future__ import annotations

from typing import Protocol

from torch import Tensor

REFERENCE_SIDE = 64
"""Side in pixels of the pictures at which lengths of triggers are stated; elsewhere they grow with the picture."""


class Trigger(Protocol):
    """A mark that a backdoored model was taught to answer to.

    Attributes:
        name: one word.
        title: what a sentence calls it, e.g. ``checkered patch in a corner``.
    """

    @property
    def name(self) -> str:
        """One word."""
        ...

    @property
    def title(self) -> str:
        """What a sentence calls it."""
        ...

    def stamp(self, pixels: Tensor) -> Tensor:
        """Return pixels (n, c, h, w) in 0..1 with the mark, c 1 or 3; the faces given are left as they are."""
        ...


class Replayed(Trigger, Protocol):
    """A trigger that knows random marks of its place and size, which nobody has taught a model.

    Where they can, they are not so like it that a model which was taught the trigger answers to them as well.
    """

    def null(self, seed: int) -> Trigger:
        """Return a random mark of the same place and about the same size; each seed another one."""
        ...
