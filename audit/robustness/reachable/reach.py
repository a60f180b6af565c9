"""Does each reachable attack to a batch of faces, or its control, and writes down what was seen on the way."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ....core.faces import FaceBatch
from ....core.numbers import Fraction
from ....core.probes import ProbeContext
from ..attacks.best import Best
from ..attacks.objective import answers_right, glance, log_odds
from ..conditions import Condition, Perturbed
from ..noise import sign_noise, uniform_noise
from ..occlusion.paint import Painting
from ..occlusion.sitters import Sitters, sitters
from .areas import PLACES, Area, eyeglasses, makeup, sticker
from .camera import CAMERAS
from .params import ReachableParams
from .search import Climb, Search, Squares
from .surfaces import LowFrequency, Surface, paint, tint

KIND = "attack"
RANDOM = "random_"
TOLERANCE = 1e-6
"""Slack for the bounds in pixel units: rounding of sums in float32, with room."""
OUT_OF_CROP = "too little of where it would be lies in the crop"
_STARTS = 1000


def pairs(params: ReachableParams) -> list[tuple[Condition, Condition]]:
    """Return each attack at each size, with its control: random colours of the same size in the same place."""
    made = []
    for name in params.attacks:
        if name == "makeup":
            sizes = [("eps", str(eps), f"makeup that changes colours by at most {eps}") for eps in params.makeup_eps]
        elif name == "eyeglasses":
            sizes = [("", "", "drawn glasses")]
        elif name == "patch":
            sizes = [("share", str(share), f"a sticker on {share} of the face") for share in params.patch_share]
        else:
            sizes = [("eps", str(eps), f"a smooth change of at most {eps}") for eps in params.low_frequency_eps]
        for strength, size, what in sizes:
            made.append(
                (
                    Condition(KIND, name, strength, size, f"{what}, searched"),
                    Condition(KIND, f"{RANDOM}{name}", strength, size, f"{what}, at random"),
                )
            )
    return made


@dataclass
class Trace:
    """What was seen of one condition, face by face, over the batches.

    Attributes:
        covered: sum of the shares of the crop that were covered, and of how many faces.
        out_of_bounds: rows whose pixels went beyond what may be done; they were taken back.
        no_gradient: rows without any gradient to follow.
        survived: for each camera, rows and whether another answer outlasted it.
        reasons: why it was not possible, counted.
    """

    covered: list[float] = field(default_factory=list)
    out_of_bounds: list[int] = field(default_factory=list)
    no_gradient: list[int] = field(default_factory=list)
    survived: dict[str, dict[int, bool]] = field(default_factory=lambda: {name: {} for name in CAMERAS})
    reasons: Counter[str] = field(default_factory=Counter)


class Reach:
    """Called with a condition and a batch of faces; see :data:`~..conditions.Perturb`.

    Attributes:
        traces: what was seen of every condition on faces of the audit.
    """

    def __init__(self, context: ProbeContext, params: ReachableParams) -> None:
        self.params = params
        self.model = context.model
        self.known = context.predictions.labels
        shared = replace(context, probe_id="reachable_attacks")  # every use of the probe draws the same colours
        self.seed = int(shared.random("colours").integers(2**63))
        self.search: Search = Squares(params.queries, int(shared.random("squares").integers(2**63)))
        if params.search == "gradient":
            self.search = Climb(params.steps, params.restarts)
        self.traces: dict[Condition, Trace] = {}

    def __call__(self, condition: Condition, batch: FaceBatch) -> Perturbed:
        """Return the faces under an attack or its control."""
        trace = Trace()
        name, control = condition.name.removeprefix(RANDOM), condition.name.startswith(RANDOM)
        reasons: list[str | None] = [OUT_OF_CROP] * len(batch)
        labels, best = self._labels(batch), Best(batch.pixels)
        blind = torch.ones(len(batch), dtype=torch.bool, device=batch.pixels.device)
        covered: dict[int, list[float]] = {}
        for number, (places, surface, shares) in enumerate(self._surfaces(name, condition, batch, reasons)):
            for place, share in zip(places.tolist(), shares.tolist(), strict=True):
                reasons[place] = None
                covered.setdefault(place, []).append(share)
            standing = torch.nonzero(~best.flipped[torch.from_numpy(places).to(blind.device)])[:, 0]
            if not len(standing):
                continue
            chosen = torch.from_numpy(places).to(blind.device)[standing]
            rows, part = batch.rows[chosen.cpu().numpy()], surface.take(standing)
            settings = self._start(name, number, 0, rows, part)
            if not control:

                def start(restart: int, rows: NDArray[np.int64], part: Surface = part, number: int = number) -> Tensor:
                    return self._start(name, number, restart, rows, part)

                found = self.search(self.model.scores, part, start, labels[chosen], rows)
                settings = found.pixels
                blind[chosen] &= found.no_gradient
            self._take(best, part, settings, labels, chosen, rows, trace)
        possible = np.array([reason is None for reason in reasons], dtype=np.bool_)
        trace.covered += [float(np.mean(each)) for each in covered.values()]
        trace.reasons.update(reason for reason in reasons if reason is not None)
        outcome = best.outcome()
        if not control:
            trace.no_gradient += batch.rows[blind.cpu().numpy() & possible].tolist()
            self._survival(
                batch, outcome.pixels, outcome.flipped & torch.from_numpy(possible).to(blind.device), labels, trace
            )
        if (batch.rows < len(self.known)).all():  # drawn stand-ins for a picture are not measured
            self._add(condition, trace)
        return Perturbed(outcome.pixels, possible)

    def possible_to(self, condition: Condition, batch: FaceBatch) -> NDArray[np.bool_]:
        """Return whether an attack or its control could be done to each face, (n,), without doing it."""
        found = np.zeros(len(batch), dtype=np.bool_)
        for places, _, _ in self._surfaces(condition.name.removeprefix(RANDOM), condition, batch, [None] * len(batch)):
            found[places] = True
        return found

    def _labels(self, batch: FaceBatch) -> Tensor:
        """Return the class that each face is to be led away from: its label, or what the model says of a stand-in."""
        known = np.array(
            [self.known[row] if row < len(self.known) else -1 for row in batch.rows.tolist()], dtype=np.int64
        )
        labels = torch.from_numpy(known).to(batch.pixels.device)
        if (known >= 0).all():
            return labels
        return torch.where(labels >= 0, labels, glance(self.model.scores, batch.pixels).argmax(1))

    def _surfaces(
        self, name: str, condition: Condition, batch: FaceBatch, reasons: list[str | None]
    ) -> Iterator[tuple[NDArray[np.int64], Surface, NDArray[np.float64]]]:
        """Yield where to try the attack: places in the batch, the surface, and the share of the crop it covers."""
        height, width = batch.pixels.shape[2:]
        size = float(Fraction(condition.size)) if condition.size else 0.0
        if name == "low_frequency":
            yield (
                np.arange(len(batch)),
                LowFrequency(batch.pixels, size, self.params.frequencies),
                np.ones(len(batch)),
            )
            return
        if batch.landmarks is None:
            raise ValueError(f"Expected a batch with landmarks for {name}, but got none")
        faces, why = sitters(batch.landmarks, height, width)
        reasons[:] = [OUT_OF_CROP if reason is None else reason for reason in why]
        if not len(faces.places):
            return
        painting = Painting(faces.frame, height, width)
        pixels = batch.pixels[torch.from_numpy(faces.places).to(batch.pixels.device)]
        for area in self._areas(name, size, painting, faces):
            kept = np.flatnonzero(area.possible)
            if len(kept):
                surface = tint(pixels, area, painting, size) if name == "makeup" else paint(pixels, area, painting)
                part = surface.take(torch.from_numpy(kept).to(pixels.device))
                yield faces.places[kept], part, area.share[kept].mean(axis=(1, 2), dtype=np.float64)

    def _areas(self, name: str, size: float, painting: Painting, faces: Sitters) -> Iterator[Area]:
        if name == "makeup":
            yield makeup(painting, faces, self.params.makeup, self.params.makeup_detail)
        elif name == "eyeglasses":
            yield eyeglasses(painting, faces, self.params.detail)
        else:
            for place in PLACES:
                if place in self.params.patch_places:
                    yield sticker(painting, faces, place, size, self.params.detail)

    def _start(self, name: str, number: int, restart: int, rows: NDArray[np.int64], surface: Surface) -> Tensor:
        """Return random settings: of paint any colours, of a bounded change its bounds; the first are the control's."""
        like = torch.empty((len(rows), *surface.shape), device=self.model.device)
        noise = uniform_noise if name in ("eyeglasses", "patch") else sign_noise
        return noise(self.seed, rows, like, stream=1 + number * _STARTS + restart)

    def _take(
        self,
        best: Best,
        surface: Surface,
        settings: Tensor,
        labels: Tensor,
        chosen: Tensor,
        rows: NDArray[np.int64],
        trace: Trace,
    ) -> None:
        """Take over the faces as rendered from settings, after a look at their bounds."""
        with torch.no_grad():
            points = surface.render(settings)
        inside = surface.excess(points) <= TOLERANCE  # False for NaN
        trace.out_of_bounds += rows[~inside.cpu().numpy()].tolist()
        if inside.any():
            points, places = points[inside], chosen[inside]
            logits = glance(self.model.scores, points)
            truth = labels[places]
            best.take(places, points, log_odds(logits, truth), answers_right(logits, truth))

    def _survival(self, batch: FaceBatch, attacked: Tensor, flipped: Tensor, labels: Tensor, trace: Trace) -> None:
        """Ask about flipped faces after each camera; of those that it does not flip by itself."""
        places = torch.nonzero(flipped)[:, 0]
        if not len(places):
            return
        rows, truth = batch.rows[places.cpu().numpy()], labels[places]
        for name, camera in CAMERAS.items():
            clean = answers_right(glance(self.model.scores, camera(batch.pixels[places])), truth).cpu().numpy()
            right = answers_right(glance(self.model.scores, camera(attacked[places])), truth).cpu().numpy()
            trace.survived[name].update(
                (row, not stood) for row, kept, stood in zip(rows.tolist(), clean, right, strict=True) if kept
            )

    def _add(self, condition: Condition, seen: Trace) -> None:
        trace = self.traces.setdefault(condition, Trace())
        trace.covered += seen.covered
        trace.out_of_bounds += seen.out_of_bounds
        trace.no_gradient += seen.no_gradient
        trace.reasons.update(seen.reasons)
        for name, survived in seen.survived.items():
            trace.survived[name].update(survived)
