"""Auto-PGD: projected gradient ascent whose step size needs no choosing (Croce and Hein 2020, arXiv 2003.01690)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from math import ceil
from typing import ClassVar, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .ball import Ball, Norm, ball, pick
from .best import Best
from .objective import Objective, answers_right, dlr, glance, likely_others, log_odds, look, targeted_dlr
from .outcome import Attacked, Scorer, TooFewClassesError

MOMENTUM = 0.75
"""Weight of the projected step in the next point; the rest continues the last move."""
RISING = 0.75
"""Share of the steps since the last checkpoint that must have raised the objective for the step size to stay."""
Loss = Literal["ce", "dlr", "targeted_dlr"]
_NAMES: dict[Loss, str] = {"ce": "apgd_ce", "dlr": "apgd_dlr", "targeted_dlr": "apgd_t"}
_FEWEST: dict[Loss, int] = {"ce": 2, "dlr": 3, "targeted_dlr": 4}


@dataclass(frozen=True)
class APGD:
    """Steps with momentum from 2 eps downwards: halved, back at the best point, when they stop paying.

    Whether they pay is judged at fixed checkpoints by the face's own objective alone: too few of the steps since the
    last one raised it, or neither its best value nor the step size has changed since.

    The objective of ``ce`` is the log odds against the true class, of which cross-entropy is a rising function: the
    search compares values of one face and uses directions of its gradient, so both give the same points in exact
    arithmetic; in single precision cross-entropy's gradient is rounding, or zero, for a confident answer (see
    :func:`~.objective.log_odds`).

    Attributes:
        loss: ``ce``, ``dlr`` (difference of logits ratio), or ``targeted_dlr``, which is run towards one other class
            after the other.
        norm: how the size of a change is measured.
        steps: gradient steps of one start.
        restarts: random starts of a face that stands, for each target class.
        targets: how many other classes to try, the most likely on the face as it is first (``targeted_dlr``).
        seed: decides the random starts, together with the row of the face and the number of the start.
        stop_at_success: let a face leave at the first point with another answer; otherwise search on for the
            highest loss.
    """

    loss: Loss = "ce"
    norm: Norm = "linf"
    steps: int = 100
    restarts: int = 1
    targets: int = 9
    seed: int = 0
    stop_at_success: bool = True
    white_box: ClassVar[bool] = True

    @property
    def name(self) -> str:
        """``apgd_ce``, ``apgd_dlr`` or ``apgd_t``."""
        return _NAMES[self.loss]

    @property
    def fewest_classes(self) -> int:
        """How many classes the objective compares: 2, 3 (``dlr``) or 4 (``targeted_dlr``)."""
        return _FEWEST[self.loss]

    def __call__(self, scores: Scorer, pixels: Tensor, labels: Tensor, rows: NDArray[np.int64], eps: float) -> Attacked:
        """Attack a batch; see :class:`~.outcome.Attack`.

        Raises:
            TooFewClassesError: when the model has fewer than ``fewest_classes``.
        """
        best = Best(pixels)
        for start, targets in enumerate(self._starts(scores, pixels, labels)):
            chosen = ~best.flipped if self.stop_at_success else torch.ones_like(best.flipped)
            places = torch.nonzero(chosen)[:, 0]
            if not len(places):
                break
            around = ball(self.norm, pixels[places], eps)
            points = around.start(self.seed, rows[places.cpu().numpy()], stream=start + 1)
            among = None if targets is None else targets[places]
            self._search(scores, _Search.at(around, points, labels[places], among, places), best, first=start == 0)
        return best.outcome()

    def _starts(self, scores: Scorer, pixels: Tensor, labels: Tensor) -> Iterator[Tensor | None]:
        """Yield for each start the target class of every face, (n,), or ``None`` where there are no targets."""
        if self.loss != "targeted_dlr":
            yield from [None] * self.restarts
            return
        logits = glance(scores, pixels)
        self._check(logits)
        for targets in likely_others(logits, labels, self.targets).unbind(1):
            yield from [targets] * self.restarts

    def _check(self, logits: Tensor) -> None:
        if logits.shape[1] < self.fewest_classes:
            raise TooFewClassesError(self.name, self.fewest_classes, logits.shape[1])

    def _objective(self, labels: Tensor, targets: Tensor | None) -> Objective | None:
        if self.loss == "ce":
            return None

        def value(logits: Tensor) -> Tensor:
            self._check(logits)
            return dlr(logits, labels) if targets is None else targeted_dlr(logits, labels, targets)

        return value

    def _search(self, scores: Scorer, now: _Search, best: Best, first: bool) -> None:
        """Run one start; point k + 1 is seen, and judged, in the turn after the one that made it."""
        checkpoints = dict(checkpoints_of(self.steps))
        for step in range(self.steps):
            seen = look(scores, now.points, now.labels, self._objective(now.labels, now.targets))
            if step == 0 and first:
                best.begin(now.places, seen)
            best.watch(now.places, seen)
            now.see(seen.value, seen.loss, seen.gradient)
            self._take_flipped(now, ~seen.right, best, moved=step > 0)
            if not len(now.places):
                return
            if step - 1 in checkpoints:
                now.judge(checkpoints[step - 1])
            now.move()
        logits = glance(scores, now.points)
        loss = log_odds(logits, now.labels)
        objective = self._objective(now.labels, now.targets)
        now.see(loss if objective is None else objective(logits), loss, now.gradient)
        self._take_flipped(now, ~answers_right(logits, now.labels), best, moved=True)
        if len(now.places):
            best.take(now.places, now.best_points, now.best_loss, torch.ones_like(now.places, dtype=torch.bool))

    def _take_flipped(self, now: _Search, flipped: Tensor, best: Best, *, moved: bool) -> None:
        """Keep the points that changed an answer, and let their faces leave if they are to."""
        if moved:
            best.moved(now.places, now.loss)
        if not flipped.any():
            return
        best.take(now.places[flipped], now.points[flipped], now.loss[flipped], ~flipped[flipped])
        if self.stop_at_success:
            now.keep(torch.nonzero(~flipped)[:, 0])


def checkpoints_of(steps: int) -> list[tuple[int, int]]:
    """Return the checkpoints w_0 = 0, w_1, ... below ``steps``, each with the number of steps since the one before.

    ``w_j = ceil(p_j steps)`` with ``p_0 = 0, p_1 = 0.22, p_{j+1} = p_j + max(p_j - p_{j-1} - 0.03, 0.06)``; counted
    in hundredths, which are exact.
    """
    shares, gap = [0], 22
    while shares[-1] + gap < 100:
        shares.append(shares[-1] + gap)
        gap = max(gap - 3, 6)
    places = sorted({ceil(share * steps / 100) for share in shares})
    return [(place, place - before) for before, place in zip([0, *places], places, strict=False) if place < steps]


@dataclass
class _Search:
    """The state of the faces that are still searched; everything by face, shape (m, ...).

    Attributes:
        around: the ball.
        labels: true classes.
        targets: classes to be answered instead, where there are.
        places: where in the batch each face belongs.
        points: the point reached, x_k.
        before: the point before it, x_{k-1}.
        gradient: of the objective at ``points``.
        value: the objective at ``points``.
        value_before: at ``before``.
        loss: log odds at ``points``.
        best_points, best_gradient, best_value, best_loss: where the objective was highest.
        size: step size.
        halved: whether the last checkpoint halved it.
        best_checked: the highest objective at the last checkpoint.
        rises: how many steps raised the objective since.
        moved: whether a step was made.
    """

    around: Ball
    labels: Tensor
    targets: Tensor | None
    places: Tensor
    points: Tensor
    before: Tensor
    gradient: Tensor
    value: Tensor
    value_before: Tensor
    loss: Tensor
    best_points: Tensor
    best_gradient: Tensor
    best_value: Tensor
    best_loss: Tensor
    size: Tensor
    halved: Tensor
    best_checked: Tensor
    rises: Tensor
    moved: bool = False

    @classmethod
    def at(cls, around: Ball, points: Tensor, labels: Tensor, targets: Tensor | None, places: Tensor) -> _Search:
        """Begin at ``points``, which have not been looked at yet."""
        lowest = torch.full((len(points),), -torch.inf, dtype=points.dtype, device=points.device)
        return cls(
            around=around,
            labels=labels,
            targets=targets,
            places=places,
            points=points,
            before=points,
            gradient=points,
            value=lowest,
            value_before=lowest,
            loss=lowest,
            best_points=points,
            best_gradient=points,
            best_value=lowest,
            best_loss=lowest,
            size=torch.full_like(lowest, 2 * around.eps),
            halved=torch.zeros_like(places, dtype=torch.bool),
            best_checked=lowest,
            rises=torch.zeros_like(places),
        )

    def see(self, value: Tensor, loss: Tensor, gradient: Tensor) -> None:
        """Take in what was seen at the points."""
        self.value, self.loss, self.gradient = value, loss, gradient
        better = (value > self.best_value) | (self.best_value == -torch.inf)
        if better.all():
            self.best_points, self.best_gradient, self.best_value, self.best_loss = self.points, gradient, value, loss
            return
        if better.any():
            self.best_points = pick(better, self.points, self.best_points)
            self.best_gradient = pick(better, gradient, self.best_gradient)
        self.best_value = torch.where(better, value, self.best_value)
        self.best_loss = torch.where(better, loss, self.best_loss)

    def keep(self, kept: Tensor) -> None:
        """Go on with the faces at the positions ``kept``."""
        self.around = self.around.subset(kept)
        cut: dict[int, Tensor] = {}  # one tensor may stand in several fields: the first point is the best one too
        for field in fields(self):
            held = getattr(self, field.name)
            if isinstance(held, Tensor):
                if id(held) not in cut:
                    cut[id(held)] = held.index_select(0, kept)
                setattr(self, field.name, cut[id(held)])

    def judge(self, steps: int) -> None:
        """Halve the step size of faces whose steps did not pay, and take them back to their best point."""
        if steps:  # there is nothing to judge at the first checkpoint, which is the start
            halve = (self.rises < RISING * steps) | (~self.halved & (self.best_checked == self.best_value))
            if halve.any():
                self.points = pick(halve, self.best_points, self.points)
                self.gradient = pick(halve, self.best_gradient, self.gradient)
                self.value = torch.where(halve, self.best_value, self.value)
                self.size = torch.where(halve, self.size / 2, self.size)
            self.halved = halve
        self.best_checked = self.best_value
        self.rises = torch.zeros_like(self.rises)

    def move(self) -> None:
        """Step along the gradient, and three quarters of the way there, one quarter on as before."""
        self.rises = self.rises + (self.value > self.value_before)
        reached = self.around.step(self.points, self.gradient, self.size[:, None, None, None])
        if self.moved:
            # x + a (z - x) + (1 - a) (x - before), as two interpolations of z in place
            reached.lerp_(self.points, (2 - 2 * MOMENTUM) / (2 - MOMENTUM)).lerp_(self.before, MOMENTUM - 1)
            reached = self.around.project(reached)
        self.before, self.points, self.value_before = self.points, reached, self.value
        self.moved = True
