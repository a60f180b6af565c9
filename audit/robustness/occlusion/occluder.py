"""Hide part of each face of a batch: the function from a condition and a batch to perturbed faces."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ....core.faces import FaceBatch
from ..conditions import Condition, Perturbed
from ..noise import uniform_noise
from .catalogue import ELSEWHERE, GUIDED, LAST, MOVED, RANDOM, STRENGTH
from .coverage import Floats, Plane
from .elsewhere import Shift
from .fills import filled
from .objects import OBJECTS, Model
from .objects.model import DRAWS
from .paint import Colours, Painting
from .params import OcclusionParams
from .patches import Ranks, hidden_count, patch_mask, ranks
from .regions import REGION_TITLES, hidden_landmarks, region_mask, widened
from .relevance import Guide
from .sitters import CUT_OFF, Sitters, sitters

NO_MAP = "the face has no usable map"
_FILL, _PATCHES, _MOVED_MAP = 1, 2, 3
_STREAMS = {name: 16 + place for place, name in enumerate((*REGION_TITLES, *OBJECTS))}
_MOVED_STREAM = 64
_CHEEKS = ((1, 3, 48, 31, 40), (15, 13, 54, 35, 47))


@dataclass
class Occluder:
    """Hides parts of faces; what is random of a face hangs on the seed and the face's row alone.

    Args:
        params: of the probe.
        guide: explains the model's answers; ``None`` when no patches are guided.
        seed: of everything random.

    Attributes:
        impossible: for each region, object or curve the faces (by row) that it could not be done to, and why.
    """

    params: OcclusionParams
    guide: Guide | None
    seed: int
    impossible: dict[str, dict[int, str]] = field(default_factory=dict)
    _sheet: _Sheet | None = field(default=None, init=False, repr=False)

    def __call__(self, condition: Condition, batch: FaceBatch) -> Perturbed:
        """Return the faces with part of them hidden; those it cannot be done to stay as they are.

        Args:
            condition: one of :class:`~.catalogue.Catalogue`.
            batch: pixels on the target's device; landmarks for regions and objects.
        """
        if self._sheet is None or self._sheet.batch is not batch:
            self._sheet = _Sheet(self, batch)
        if condition.strength == STRENGTH:
            return self._sheet.patches(condition.name, float(condition.size))
        return self._sheet.thing(condition.name.removesuffix(ELSEWHERE), condition.name.endswith(ELSEWHERE))

    def draws(self, rows: NDArray[np.int64], count: int, stream: int) -> Floats:
        """Return uniform numbers 0..1 of each face, (n, count)."""
        like = torch.empty((len(rows), count))
        return np.asarray(uniform_noise(self.seed, rows, like, stream).double().add_(1).div_(2).numpy())

    def reasons(self, name: str, rows: NDArray[np.int64]) -> Counter[str]:
        """Return how many of these faces could not be done, by reason."""
        told = self.impossible.get(name, {})
        return Counter(told[row] for row in rows.tolist() if row in told)


@dataclass(frozen=True)
class _Cover:
    """What lies over the faces of a batch that something can be done to; ``colour`` None where pixels are filled."""

    places: NDArray[np.int64]
    opacity: Plane
    colour: Colours | None = None


class _Sheet:
    """One batch under its conditions; what several conditions share is made once."""

    def __init__(self, occluder: Occluder, batch: FaceBatch) -> None:
        self.occluder, self.batch, self.params = occluder, batch, occluder.params
        self.height, self.width = batch.pixels.shape[2:]
        self._fill: Tensor | None = None
        self._orders: dict[str, tuple[Ranks, NDArray[np.bool_]]] = {}
        self._relevance: Floats | None = None
        self._sitters: Sitters | None = None
        self._why: list[str | None] = []
        self._cover: tuple[str, _Cover] | None = None

    def patches(self, name: str, share: float) -> Perturbed:
        """Hide a share of the patches."""
        if name not in self._orders:
            self._orders[name] = self._order(name)
        order, possible = self._orders[name]
        mask = patch_mask(order, hidden_count(share, self.params.grid), self.height, self.width)
        mask[~possible] = 0.0
        return Perturbed(self._hidden(torch.from_numpy(mask)), possible)

    def _order(self, name: str) -> tuple[Ranks, NDArray[np.bool_]]:
        rows, grid = self.batch.rows, self.params.grid
        draws = self.occluder.draws(rows, grid * grid, _PATCHES)
        if name == RANDOM:
            return ranks(np.zeros_like(draws), draws), np.ones(len(rows), dtype=np.bool_)
        if self._relevance is None:
            if self.occluder.guide is None:
                raise RuntimeError("guided patches were asked for without a method to guide them")
            self._relevance = self.occluder.guide.relevance(self.batch, grid)
        relevance = self._relevance
        possible = np.asarray(np.isfinite(relevance).all(axis=1))
        self._note(name, np.flatnonzero(~possible), NO_MAP)
        relevance = np.where(possible[:, None], relevance, 0.0)
        if name == LAST:
            return ranks(-relevance, draws), possible
        if name == MOVED:
            shift = Shift.of(self.occluder.draws(rows, 3, _MOVED_MAP))
            relevance = shift(relevance.reshape(-1, grid, grid)).reshape(len(rows), -1)
        elif name != GUIDED:
            raise ValueError(f"expected an order of patches, but got {name!r}")
        return ranks(relevance, draws), possible

    def thing(self, name: str, moved: bool) -> Perturbed:
        """Cover a region, or draw an object, where it belongs or elsewhere."""
        if self._cover is None or self._cover[0] != name:
            self._cover = name, self._covering(name)
        cover = self._cover[1]
        possible = np.zeros(len(self.batch), dtype=np.bool_)
        possible[cover.places] = True
        opacity, colour = cover.opacity, cover.colour
        if moved:
            draws = self.occluder.draws(self.batch.rows[cover.places], 3, _MOVED_STREAM + _STREAMS[name])
            shift = Shift.of(draws)
            opacity, colour = shift(opacity), None if colour is None else shift(colour)
        mask = torch.zeros((len(possible), self.height, self.width))
        mask[torch.from_numpy(cover.places)] = torch.from_numpy(opacity)
        if colour is None:
            return Perturbed(self._hidden(mask), possible)
        paint = torch.zeros((len(possible), self.height, self.width, 3))
        paint[torch.from_numpy(cover.places)] = torch.from_numpy(np.ascontiguousarray(colour))
        pixels = self.batch.pixels
        return Perturbed(pixels * (1 - mask[:, None].to(pixels)) + paint.permute(0, 3, 1, 2).to(pixels), possible)

    def _covering(self, name: str) -> _Cover:
        hidden = hidden_landmarks(name) if name in REGION_TITLES else OBJECTS[name].hidden
        faces = self._with_landmarks(name)
        within = faces.inside(hidden, self.height, self.width)
        self._note(name, faces.places[~within], CUT_OFF)
        faces = faces.take(np.flatnonzero(within))
        places = faces.places
        if not len(places):
            return _Cover(places, np.zeros((0, self.height, self.width), dtype=np.float32))
        if name in REGION_TITLES:
            return _Cover(places, region_mask(name, faces, self.height, self.width, self.params.margin))
        painting = Painting(faces.frame, self.height, self.width)
        draws = self.occluder.draws(self.batch.rows[places], DRAWS, _STREAMS[name])
        OBJECTS[name].draw(painting, Model(faces.shape, draws, self._skin(faces, painting)))
        return _Cover(places, painting.opacity, painting.colour)

    def _with_landmarks(self, name: str) -> Sitters:
        landmarks = self.batch.landmarks
        if landmarks is None:
            landmarks = np.full((len(self.batch), 68, 2), np.nan, dtype=np.float32)
        if self._sitters is None:
            self._sitters, self._why = sitters(landmarks, self.height, self.width)
        for place, reason in enumerate(self._why):
            if reason is not None:
                self._note(name, [place], reason)
        return self._sitters

    def _skin(self, faces: Sitters, painting: Painting) -> Colours:
        """Return the mean colour of the cheeks, (n, 3)."""
        masks = [painting.mask(widened(faces.shape[:, list(cheek)], 0.0)) for cheek in _CHEEKS]
        weights = torch.from_numpy(np.maximum(*masks)).double()
        pixels = self.batch.pixels[torch.from_numpy(faces.places).to(self.batch.pixels.device)].double().cpu()
        total = weights.sum((1, 2))[:, None]
        mean = torch.einsum("nchw,nhw->nc", pixels, weights) / total.clamp_min(1e-9)
        found: Colours = torch.where(total > 0, mean, pixels.mean((2, 3))).float().numpy()
        return found

    def _hidden(self, mask: Tensor) -> Tensor:
        pixels = self.batch.pixels
        if self._fill is None:
            self._fill = filled(pixels, self.batch.rows, self.params.fill, self.occluder.seed, _FILL)
        return torch.lerp(pixels, self._fill, mask[:, None].to(pixels))

    def _note(self, name: str, places: Sequence[int] | NDArray[np.int64], reason: str) -> None:
        told = self.occluder.impossible.setdefault(name, {})
        for place in places:
            told[int(self.batch.rows[place])] = reason
