"""Square Attack: random squares, kept where they lower the margin; asks for answers only, never for gradients."""

from __future__ import annotations

import bisect
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Literal, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..noise import uniform_noise
from .objective import answers_right, log_odds
from .outcome import Attacked, Scorer
from .square_moves import BoxMoves, SphereMoves

Ask = Callable[[Tensor, Tensor], Tensor]
"""Points (n, ...) and the places (n,) of their faces in the batch, to logits (n, k)."""
_HALVINGS = (10, 50, 200, 500, 1000, 2000, 4000, 6000, 8000)
"""Iterations of 10,000 after which the changed share halves (Andriushchenko et al. 2020, section 4)."""
_BLOCK = 64
_START = 1


class Moves(Protocol):
    """Where the points of the standing faces are, and how one query may move them."""

    points: Tensor
    numbers_of_start: int
    numbers_of_move: int

    def start(self, numbers: Tensor) -> None:
        """Set ``points`` to the start, from uniform numbers (n, numbers_of_start) in 0..1."""
        ...

    def propose(self, numbers: Tensor, share: float) -> Tensor:
        """Return points of which about ``share`` moved, from uniform numbers (n, numbers_of_move) in 0..1."""
        ...

    def settle(self, better: Tensor) -> None:
        """Stay at the proposed points of the faces that ``better`` (n,) marks, and go back with the others."""
        ...

    def keep(self, kept: Tensor) -> None:
        """Forget the faces that ``kept`` (n,) does not mark."""
        ...


@dataclass(frozen=True)
class Square:
    """Random search over squares (Andriushchenko et al. 2020, arXiv 1912.00049).

    It lowers the margin, the logit of the true class minus the largest other one. A face leaves the search with the
    first answer that is not its true class. Which squares a face is tried with depends on the seed and its row.

    Attributes:
        queries: how often the model is asked about a face at most, the start included.
        norm: ``linf`` (stripes, then squares at the edge of the ball) or ``l2`` (bumps that trade their length).
        seed: decides the squares, together with the row of the face.
        p_init: share of the pixels that the first squares change; it is halved nine times on the way.
    """

    queries: int = 5000
    norm: Literal["linf", "l2"] = "linf"
    seed: int = 0
    p_init: float = 0.8
    name: str = "square"
    white_box: ClassVar[bool] = False
    fewest_classes: ClassVar[int] = 2

    def __post_init__(self) -> None:
        """Refuse settings that leave nothing to search."""
        if self.queries < 1:
            raise ValueError(f"Expected `queries` to be at least 1, but got {self.queries}")
        if not 0 < self.p_init <= 1:
            raise ValueError(f"Expected `p_init` to be above 0 and at most 1, but got {self.p_init}")
        if self.norm not in ("linf", "l2"):
            raise ValueError(f"Expected `norm` to be 'linf' or 'l2', but got {self.norm!r}")

    def __call__(self, scores: Scorer, pixels: Tensor, labels: Tensor, rows: NDArray[np.int64], eps: float) -> Attacked:
        """Attack a batch; see :class:`~.outcome.Attack`. Of ``l2``, eps is the Euclidean length of the change."""
        moves: Moves
        if self.norm == "linf":
            moves = BoxMoves((pixels - eps).clamp_(min=0.0), (pixels + eps).clamp_(max=1.0))
        else:
            moves = SphereMoves(pixels, eps)
        return self.search(lambda points, places: scores(points), moves, labels, rows)

    def search(self, ask: Ask, moves: Moves, labels: Tensor, rows: NDArray[np.int64]) -> Attacked:
        """Search among the points that ``moves`` can reach, whatever they stand for.

        Args:
            ask: the model, from points to logits.
            moves: the reachable points, for all faces of the batch.
            labels: true classes, shape (n,).
            rows: positions of the faces in the audited data, shape (n,).

        Returns:
            ``pixels`` holds points.
        """
        with torch.no_grad():
            numbers = _Numbers(self.seed, rows, moves.numbers_of_start, moves.numbers_of_move)
            moves.start(numbers.start().to(moves.points.device))
            found = _Found(moves.points, labels)
            standing = found.first(ask(moves.points, found.places))
            found.take(moves.points, ~standing)
            for query in range(self.queries - 1):
                if not standing.all():
                    moves.keep(standing)
                    numbers.keep(standing)
                    found.keep(standing)
                    if not len(found.places):
                        break
                proposed = moves.propose(numbers.next().to(moves.points.device), self.share(query))
                better, standing = found.compare(ask(proposed, found.places))
                moves.settle(better)
                found.take(moves.points, ~standing)
            found.take(moves.points, standing)
        return found.outcome()

    def share(self, query: int) -> float:
        """Return the share of the pixels that the square of a query may change, counted from 0 after the start."""
        return float(self.p_init / 2 ** bisect.bisect_left(_HALVINGS, int(query / self.queries * 10_000)))


class _Numbers:
    """Uniform numbers in 0..1 for each face: those of its start, then some for every query, drawn in blocks."""

    def __init__(self, seed: int, rows: NDArray[np.int64], of_start: int, of_move: int) -> None:
        self.seed, self.rows = seed, rows
        self.of_start, self.of_move = of_start, of_move
        self.drawn = 0
        self.block = torch.empty(0)

    def start(self) -> Tensor:
        return self._draw((self.of_start,), _START)

    def next(self) -> Tensor:
        place = self.drawn % _BLOCK
        if place == 0:
            self.block = self._draw((_BLOCK, self.of_move), _START + 1 + self.drawn // _BLOCK)
        self.drawn += 1
        return self.block[:, place]

    def keep(self, kept: Tensor) -> None:
        mask = kept.cpu()
        self.rows = self.rows[mask.numpy()]
        if len(self.block):
            self.block = self.block[mask]

    def _draw(self, shape: tuple[int, ...], stream: int) -> Tensor:
        like = torch.empty((len(self.rows), *shape), dtype=torch.float64)
        return uniform_noise(self.seed, self.rows, like, stream).add_(1).div_(2)  # exact: 24 bits in double precision


class _Found:
    """What was seen of each face of the batch, and the margins of those that still stand."""

    def __init__(self, points: Tensor, labels: Tensor) -> None:
        count, device = len(points), points.device
        self.pixels = torch.empty_like(points)
        self.flipped = torch.zeros(count, dtype=torch.bool, device=device)
        self.loss_start = torch.full((count,), -torch.inf, device=device)
        self.loss_after = torch.full((count,), -torch.inf, device=device)
        self.labels = labels
        self.margin = torch.empty(0, device=device)
        self.places = torch.arange(count, device=device)

    def first(self, logits: Tensor) -> Tensor:
        """Note the answers at the start; return which faces stand."""
        self.margin = margins(logits, self.labels)
        self.loss_start[:] = log_odds(logits, self.labels)
        return self._right(logits)

    def compare(self, logits: Tensor) -> tuple[Tensor, Tensor]:
        """Note the answers at proposed points; return where they are better, and which faces stand there."""
        labels = self.labels[self.places]
        margin = margins(logits, labels)
        self.loss_after[self.places] = torch.maximum(
            self.loss_after[self.places], log_odds(logits, labels).to(self.loss_after)
        )
        right = self._right(logits)
        better = (margin < self.margin) | ~right
        self.margin = torch.where(better, margin, self.margin)
        return better, right

    def _right(self, logits: Tensor) -> Tensor:
        right = answers_right(logits, self.labels[self.places])
        self.flipped[self.places] = ~right
        return right

    def take(self, points: Tensor, which: Tensor) -> None:
        """Keep the points of the standing faces that ``which`` (n,) marks as theirs."""
        if which.any():
            self.pixels[self.places[which]] = points[which]

    def keep(self, kept: Tensor) -> None:
        self.places, self.margin = self.places[kept], self.margin[kept]

    def outcome(self) -> Attacked:
        nothing = torch.zeros_like(self.flipped)  # no gradient is asked for, so none is missing
        return Attacked(self.pixels, self.flipped, self.loss_start, self.loss_after, nothing)


def margins(logits: Tensor, labels: Tensor) -> Tensor:
    """Return the logit of the true class minus the largest other one, shape (n,), for logits (n, k), k at least 2."""
    place = labels[:, None]
    return logits.gather(1, place)[:, 0] - logits.scatter(1, place, -torch.inf).amax(1)
