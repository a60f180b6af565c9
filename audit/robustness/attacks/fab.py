"""The fast adaptive boundary attack, run towards one class after the other (Croce and Hein 2020, arXiv 1907.02044)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .ball import Ball, Norm, ball, pick
from .best import Best
from .hyperplane import nearest_on_plane
from .objective import answers_right, glance, likely_others, log_odds, look, margin_to
from .outcome import Attacked, Scorer

OVERSHOOT = 1.05
"""How far a step goes, as a share of the way to the boundary as the gradient has it."""
MOST_PULL = 0.1
"""Largest weight of the step that starts at the face itself."""
BACKWARD = 0.9
"""Share of the change that is kept after a success, to come back from beyond the boundary."""


@dataclass(frozen=True)
class FAB:
    """Look for the nearest point with another answer, by steps onto the boundary as the gradient predicts it.

    A step goes from the point reached to its nearest point on the predicted boundary, within 0..1, and is pulled
    towards the face's own nearest point there. A success is kept if it is the nearest so far, and the search goes
    back inside from it. Unlike projected gradient methods it has no step size in units of eps and does not follow a
    loss, so gradients whose lengths mislead those do not mislead it.

    With eps a face leaves at its first success within eps. Instead of the paper's closing line search, the nearest
    success beyond eps is brought back to eps and asked about there, which is where the question is.

    Attributes:
        norm: what is nearest.
        steps: gradient steps towards one class.
        restarts: starts towards one class: the first from the face itself, others from random points.
        targets: how many other classes to try, the most likely on the face as it is first.
        seed: decides the random starts, together with the row of the face and the number of the start.
    """

    norm: Norm = "linf"
    steps: int = 100
    restarts: int = 1
    targets: int = 9
    seed: int = 0
    name: str = "fab_t"
    white_box: ClassVar[bool] = True
    fewest_classes: ClassVar[int] = 2

    def __call__(self, scores: Scorer, pixels: Tensor, labels: Tensor, rows: NDArray[np.int64], eps: float) -> Attacked:
        """Attack a batch; see :class:`~.outcome.Attack`."""
        best = Best(pixels)
        self._run(scores, pixels, labels, rows, eps, best)
        return best.outcome()

    def nearest(self, scores: Scorer, pixels: Tensor, labels: Tensor, rows: NDArray[np.int64]) -> tuple[Tensor, Tensor]:
        """Search for the nearest pixels with another answer, however far.

        Args:
            scores: the model, pixels to logits.
            pixels: faces, shape (n, 3, h, w), 0..1.
            labels: true classes, shape (n,), int64.
            rows: positions of the faces in the audited data, shape (n,).

        Returns:
            The nearest found, (n, 3, h, w), and their distances, (n,): zero for a face that is answered wrong as it
            is, infinite (and the face itself) where nothing was found.
        """
        found = self._run(scores, pixels, labels, rows, torch.inf, None)
        return found.points, found.distance

    def _run(
        self, scores: Scorer, pixels: Tensor, labels: Tensor, rows: NDArray[np.int64], eps: float, best: Best | None
    ) -> _Nearest:
        """Search towards each class in turn; with ``best`` within eps, until the first success."""
        found = _Nearest(pixels)
        others = likely_others(glance(scores, pixels), labels, self.targets)
        for number, targets in enumerate(others.repeat_interleave(self.restarts, 1).unbind(1)):
            standing = found.distance > 0 if best is None else ~best.flipped
            places = torch.nonzero(standing)[:, 0]
            if not len(places):
                break
            around = ball(self.norm, pixels[places], eps)
            points = around.pixels
            if number % self.restarts:
                chosen = rows[places.cpu().numpy()]
                points = self._random_start(points, found.distance[places].clamp_max(eps) / 2, chosen, number)
            now = _Search(around, labels[places], targets[places], places, points)
            self._search(scores, now, found, best, first=number == 0)
        return found

    def _random_start(self, pixels: Tensor, radius: Tensor, rows: NDArray[np.int64], number: int) -> Tensor:
        """Return points within ``radius`` (n,) of the faces, half a channel's range where nothing was found yet."""
        reach = torch.where(torch.isfinite(radius), radius, 0.5)[:, None, None, None]
        unit = ball(self.norm, torch.full_like(pixels, 0.5), 0.5).start(self.seed, rows, stream=number + 1)
        return (pixels + (unit - 0.5) * 2 * reach).clamp_(0.0, 1.0)

    def _search(self, scores: Scorer, now: _Search, found: _Nearest, best: Best | None, first: bool) -> None:
        for step in range(self.steps):
            seen = look(scores, now.points, now.labels, partial(margin_to, labels=now.labels, targets=now.targets))
            if best is not None:
                if step == 0 and first:
                    best.begin(now.places, seen)
                best.watch(now.places, seen)
            gradient, value = seen.gradient, seen.value
            # a point brought back inside after a success may be one still, and nearer
            kept = self._note(now, now.points, seen.loss, seen.right, found, best, moved=step > 0)
            if not kept.all():
                left = torch.nonzero(kept)[:, 0]
                if not len(left):
                    return
                now, gradient, value = now.subset(left), gradient.index_select(0, left), value[left]
            points = now.step(self.norm, gradient, value)
            logits = glance(scores, points)
            right = answers_right(logits, now.labels)
            kept = self._note(now, points, log_odds(logits, now.labels), right, found, best, moved=True)
            back = torch.lerp(now.around.pixels, points, BACKWARD)
            now.points = pick(right, points, back)
            if not kept.all():
                now = now.subset(torch.nonzero(kept)[:, 0])
                if not len(now.places):
                    return
        if best is not None:
            self._finish(scores, now, found, best)

    def _note(
        self,
        now: _Search,
        points: Tensor,
        loss: Tensor,
        right: Tensor,
        found: _Nearest,
        best: Best | None,
        *,
        moved: bool,
        projected: bool = False,
    ) -> Tensor:
        """Write down what was seen at points; return which faces search on, shape (m,), bool."""
        distance = now.around.distance(points)
        found.take(now.places, points, distance, right)
        if best is None:
            return torch.ones_like(right)
        inside = (distance <= now.around.eps) | projected  # whose distance may be rounded upwards
        if inside.any():
            places = now.places[inside]
            best.take(places, points[inside], loss[inside], right[inside])
            if moved:
                best.moved(places, loss[inside])
        return right | ~inside

    def _finish(self, scores: Scorer, now: _Search, found: _Nearest, best: Best) -> None:
        """Ask about the nearest success, or else the last point, brought back to eps."""
        success = torch.isfinite(found.distance[now.places])
        points = now.around.project(pick(success, found.points[now.places], now.points))
        logits = glance(scores, points)
        loss, right = log_odds(logits, now.labels), answers_right(logits, now.labels)
        self._note(now, points, loss, right, found, best, moved=True, projected=True)


class _Nearest:
    """The nearest point with another answer for each face of the batch."""

    def __init__(self, pixels: Tensor) -> None:
        self.points = pixels.clone()
        self.distance = torch.full((len(pixels),), torch.inf, dtype=pixels.dtype, device=pixels.device)

    def take(self, places: Tensor, points: Tensor, distance: Tensor, right: Tensor) -> None:
        """Take over points with another answer that are nearer than what was found before."""
        nearer = ~right & (distance < self.distance[places])
        if nearer.any():
            self.points[places[nearer]] = points[nearer]
            self.distance[places[nearer]] = distance[nearer]


@dataclass
class _Search:
    """The faces that are still searched, shape (m, ...): their ball, classes, places in the batch, points reached."""

    around: Ball
    labels: Tensor
    targets: Tensor
    places: Tensor
    points: Tensor

    def subset(self, kept: Tensor) -> _Search:
        """Return the faces at the positions ``kept``."""
        points = self.points.index_select(0, kept)
        return _Search(self.around.subset(kept), self.labels[kept], self.targets[kept], self.places[kept], points)

    def step(self, norm: Norm, gradient: Tensor, value: Tensor) -> Tensor:
        """Step onto the boundary that ``value`` (m,) and its gradient at the points predict, pulled to the face's."""
        faces = self.around.pixels
        change = nearest_on_plane(norm, self.points, gradient, value)
        at_face = value + ((faces - self.points) * gradient).sum((1, 2, 3))
        change_of_face = nearest_on_plane(norm, faces, gradient, at_face)
        size, size_of_face = (_size(norm, each) for each in (change, change_of_face))
        whole = size + size_of_face
        pull = (size / torch.where(whole > 0, whole, 1)).clamp_max_(MOST_PULL)[:, None, None, None]
        own = change.mul_(OVERSHOOT).add_(self.points)
        return torch.lerp(own, change_of_face.mul_(OVERSHOOT).add_(faces), pull).clamp_(0.0, 1.0)


def _size(norm: Norm, change: Tensor) -> Tensor:
    flat = change.flatten(1)
    return flat.abs().amax(1) if norm == "linf" else torch.linalg.vector_norm(flat, dim=1)
