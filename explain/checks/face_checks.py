"""One pass over faces: each method's maps scored face by face, beside the same maps moved elsewhere."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ...core.faces import Faces
from ...core.target import Target
from ..attribution.faces import ExplainedBatch, explain_faces
from ..attribution.method import Explainer, Request, face_seeds
from .curves import Baseline, baseline_of, curve, moved_elsewhere, relevance_order
from .method_agreement import Agreement
from .road import road
from .scorer import Scorer
from .stability import has_map, stability

FAITHFULNESS = ("road", "deletion", "insertion")
BETTER = {"road": 1, "deletion": -1, "insertion": 1}
"""Which way each score is better."""
NULL = ".null_random"


@dataclass(frozen=True)
class CheckSettings:
    """How the checks of single faces are run.

    Attributes:
        percentiles: of ROAD.
        road_noise: of ROAD, in units of the model's input.
        steps: of deletion and insertion.
        deletion_baseline: what deleted pixels become.
        insertion_baseline: what pixels are inserted into.
        null_draws: how often each map is moved elsewhere.
        noisy_copies: of each face, for stability; none for no such check.
        noise: standard deviation of that noise, in pixel values.
    """

    percentiles: tuple[float, ...]
    road_noise: float
    steps: int
    deletion_baseline: Baseline
    insertion_baseline: Baseline
    null_draws: int
    noisy_copies: int
    noise: float


@dataclass
class MethodScores:
    """Scores of one method's maps.

    Attributes:
        rows: the faces of each score.
        values: the scores, in the order of their rows.
        left_out: faces without a score, by score and reason.
        kept_maps: maps of the faces that are kept for randomisation, by row.
    """

    rows: dict[str, list[int]] = field(default_factory=dict)
    values: dict[str, list[float]] = field(default_factory=dict)
    left_out: dict[str, Counter[str]] = field(default_factory=dict)
    kept_maps: dict[int, Tensor] = field(default_factory=dict)
    vanished: int = 0

    def add(self, score: str, rows: NDArray[np.int64], values: Tensor) -> None:
        """Add finite scores ``(n,)`` of faces; a face whose score is NaN is left out."""
        finite = torch.isfinite(values).cpu().numpy()
        self.rows.setdefault(score, []).extend(rows[finite].tolist())
        self.values.setdefault(score, []).extend(values.double().cpu().numpy()[finite].tolist())

    def leave_out(self, score: str, reason: str) -> None:
        """Note that one face has no such score."""
        self.left_out.setdefault(score, Counter())[reason] += 1

    def of(self, score: str) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Return rows ``(n,)`` in increasing order and values ``(n,)`` of a score."""
        rows = np.array(self.rows.get(score, []), dtype=np.int64)
        values = np.array(self.values.get(score, []), dtype=np.float64)
        order = np.argsort(rows)
        return rows[order], values[order]


class FaceChecks:
    """Checks the maps of several methods, batch by batch.

    Args:
        faces: the audited faces.
        target: the model under audit.
        explainers: of the methods.
        settings: of the checks.
        batch_size: faces that the model is given at once.
        seed: fixes noise and the places that maps are moved to, face by face.
    """

    def __init__(
        self,
        faces: Faces,
        target: Target,
        explainers: Sequence[Explainer],
        settings: CheckSettings,
        *,
        batch_size: int,
        seed: int,
    ) -> None:
        self._faces, self._target, self._explainers = faces, target, explainers
        self._settings, self._batch_size, self._seed = settings, batch_size, seed
        self._scorer = Scorer(target, batch_size)
        methods = [name for explainer in explainers for name in explainer.methods]
        self.scores = {name: MethodScores() for name in methods}
        self.agreement = Agreement(methods)
        self.rows: list[int] = []

    def run(
        self,
        rows: NDArray[np.int64],
        classes: NDArray[np.int64],
        keep: NDArray[np.int64],
        advance: Callable[[int], None],
    ) -> None:
        """Explain faces and score their maps.

        Args:
            rows: ``(n,)`` the faces.
            classes: ``(n,)`` the class explained for each.
            keep: of the rows those whose maps are kept.
            advance: is told how many faces are done.
        """
        kept = set(keep.tolist())
        batches = explain_faces(
            self._faces,
            self._target,
            self._explainers,
            rows,
            classes,
            batch_size=self._batch_size,
            seed=self._seed,
        )
        for batch in batches:
            self._add(batch, kept)
            advance(len(batch.batch))

    def _add(self, explained: ExplainedBatch, kept: set[int]) -> None:
        rows = explained.batch.rows
        pixels = explained.batch.pixels.to(self._target.device)
        classes = torch.from_numpy(explained.classes).to(self._target.device)
        maps = {name: explained.maps[name].maps for name in self.scores}
        names = [str(self._faces.frame["face_id"].iloc[row]) for row in rows]
        self.rows += rows.tolist()
        self.agreement.add(maps)
        for name, scores in self.scores.items():
            for place, problem in enumerate(explained.maps[name].problems):
                if problem is not None:
                    scores.leave_out("map", problem)
                elif int(rows[place]) in kept:
                    scores.kept_maps[int(rows[place])] = maps[name][place].cpu()
            good = has_map(maps[name])
            if bool(good.any()):
                seeds = face_seeds(
                    self._seed, [name for name, usable in zip(names, good.tolist(), strict=True) if usable]
                )
                self._faithfulness(
                    scores, rows[good.cpu().numpy()], pixels[good], classes[good], maps[name][good], seeds
                )
        if self._settings.noisy_copies:
            self._stability(rows, pixels, classes, maps, face_seeds(self._seed, names))

    def _faithfulness(
        self,
        scores: MethodScores,
        rows: NDArray[np.int64],
        pixels: Tensor,
        classes: Tensor,
        maps: Tensor,
        seeds: tuple[int, ...],
    ) -> None:
        planes = self._scorer.planes(pixels)
        found = self._score(planes, classes, maps, seeds)
        for place in range(len(rows)):
            problem = found.problems[place]
            if problem is not None:
                scores.leave_out("road", problem)
        nulls = [
            self._score(planes, classes, moved_elsewhere(maps, face_seeds(draw, list(map(str, seeds)))), seeds).values
            for draw in range(self._settings.null_draws)
        ]
        for metric in FAITHFULNESS:
            null = torch.stack([one[metric] for one in nulls]).mean(dim=0)
            scores.add(metric, rows, found.values[metric])
            scores.add(metric + NULL, rows, null)
            scores.add(metric + "_gain", rows, BETTER[metric] * (found.values[metric] - null))

    def _score(self, planes: Tensor, classes: Tensor, maps: Tensor, seeds: Sequence[int]) -> _Scored:
        chosen = self._settings
        removed = road(
            self._scorer, planes, classes, maps, seeds, percentiles=chosen.percentiles, noise=chosen.road_noise
        )
        order = relevance_order(maps, seeds)
        without = baseline_of(planes, chosen.deletion_baseline)
        basis = baseline_of(planes, chosen.insertion_baseline)
        values = {
            "road": removed.combined,
            "deletion": curve(self._scorer, planes, without, classes, order, chosen.steps).area,
            "insertion": curve(self._scorer, basis, planes, classes, order, chosen.steps).area,
        }
        return _Scored(values, removed.problems)

    def _stability(
        self,
        rows: NDArray[np.int64],
        pixels: Tensor,
        classes: Tensor,
        maps: dict[str, Tensor],
        seeds: tuple[int, ...],
    ) -> None:
        def explain(noisy: Tensor) -> dict[str, Tensor]:
            found: dict[str, Tensor] = {}
            for explainer in self._explainers:
                answer = explainer.explain(Request(noisy, classes, seeds))
                found |= {name: batch.maps for name, batch in answer.items()}
            return found

        def answer(seen: Tensor) -> Tensor:
            return self._scorer.logits(self._scorer.planes(seen)).argmax(1)

        moved = stability(
            explain,
            answer,
            maps,
            pixels,
            seeds,
            copies=self._settings.noisy_copies,
            noise=self._settings.noise,
        )
        for name, one in moved.items():
            self.scores[name].add("stability", rows, one.mean)
            self.scores[name].add("stability_largest", rows, one.largest)
            self.scores[name].vanished += int(one.vanished.sum())


@dataclass(frozen=True)
class _Scored:
    values: dict[str, Tensor]
    problems: tuple[str | None, ...]
