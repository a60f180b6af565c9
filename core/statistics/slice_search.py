"""Which faces that nobody named is the model worse on? A search on some people, a test on others.

A slice is a combination of levels of features (glasses and dim light), with or without one label. Its excess is how
much more often the model is wrong on it than the labels of its faces alone would have it: of every face the error less
the mean error of its label, so that a slice does not win by holding the labels that are hard for everyone.

Thousands of slices are looked at, so the worst of them is bad by luck. Two things follow:

- The search ranks slices by a lower limit of their excess that is lowered further the more slices of that depth there
  are (Bonferroni), so that tiny ones and needless conditions do not win. What was found is taken out, and the search
  goes on with the faces that are left, so that the next one is another slice and not a part of the first.
- What the search found is no evidence. A few slices are tested on the people who took no part in the search, by dealing
  them out anew over people, adjusted over these few slices (Holm 1979).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from .sums import Floats, Integers, total_at

ERROR = 0.05
MOST_CELLS = 2_000_000
CANDIDATES = 200
OWN_FACES = 0.5
NEEDLESS = 2.5
LEAST_EXCESS = 0.005


@dataclass(frozen=True, eq=False)
class Feature:
    """Something by which faces are told apart.

    Attributes:
        name: e.g. ``glasses``.
        levels: their names.
        codes: level of each face, shape (faces,).
        crossed: whether it is combined with other features.
        at_confidence: whether its excess is over what label and confidence together have: a feature made of the
            model's own view of a face knows what the model finds hard.
    """

    name: str
    levels: tuple[str, ...]
    codes: Integers
    crossed: bool = True
    at_confidence: bool = False


@dataclass(frozen=True)
class FoundSlice:
    """A slice: conditions (feature, level), the label if it has one, and what the search saw of it.

    Attributes:
        conditions: pairs of positions among the features and their levels, in rising order.
        label: position of the label, ``None`` for all labels.
        limit: the lower limit by which it was ranked.
        excess: the excess where it was found, which is too large by the search.
    """

    conditions: tuple[tuple[int, int], ...]
    label: int | None
    limit: float
    excess: float


@dataclass(frozen=True, eq=False)
class SearchedFaces:
    """Faces with what the search needs of them; all arrays of shape (faces,).

    Attributes:
        person: whole numbers from 0.
        labels: whole numbers from 0.
        classes: how many labels there are.
        excess: error less the mean error of the face's label.
        variance: of that error.
        at_confidence: error less the mean error of faces with this label and about this confidence.
        variance_at_confidence: of that error.
    """

    person: Integers
    labels: Integers
    classes: int
    excess: Floats
    variance: Floats
    at_confidence: Floats
    variance_at_confidence: Floats

    @classmethod
    def of(cls, person: Integers, labels: Integers, wrong: Floats, confidence: Floats, bins: int = 10) -> SearchedFaces:
        """Work out the excess of each face.

        Args:
            person: of each face.
            labels: of each face.
            wrong: 1 where the model is wrong, 0 where it is right.
            confidence: probability of its answer.
            bins: of equally many faces of a label, by confidence.
        """
        classes = int(labels.max(initial=0)) + 1
        excess, variance = _beyond(wrong, labels, classes)
        stratum = np.zeros(len(labels), dtype=np.int64)
        for label in range(classes):
            rows = np.flatnonzero(labels == label)
            rank = np.argsort(np.argsort(confidence[rows], kind="stable"), kind="stable")
            stratum[rows] = label * bins + rank * bins // max(len(rows), 1)
        return cls(person, labels, classes, excess, variance, *_beyond(wrong, stratum, classes * bins))

    def take(self, rows: Integers | NDArray[np.bool_]) -> SearchedFaces:
        """Return some of the faces; the excess stays as it is."""
        return SearchedFaces(
            self.person[rows],
            self.labels[rows],
            self.classes,
            self.excess[rows],
            self.variance[rows],
            self.at_confidence[rows],
            self.variance_at_confidence[rows],
        )

    def scores(self, feature: Feature) -> tuple[Floats, Floats]:
        """Return the excess and variance of each face by which slices of this feature are judged."""
        if feature.at_confidence:
            return self.at_confidence, self.variance_at_confidence
        return self.excess, self.variance


def _beyond(wrong: Floats, stratum: Integers, strata: int) -> tuple[Floats, Floats]:
    faces = np.maximum(total_at(stratum, None, strata), 1)
    mean = (total_at(stratum, wrong, strata) / faces)[stratum]
    return wrong - mean, mean * (1 - mean)


def members(slice: FoundSlice, features: Sequence[Feature], rows: Integers | None = None) -> NDArray[np.bool_]:
    """Return which faces (of ``rows``) meet the conditions of a slice, whatever their label."""
    inside: NDArray[np.bool_] | None = None
    for feature, level in slice.conditions:
        codes = features[feature].codes if rows is None else features[feature].codes[rows]
        meets = codes == level
        inside = meets if inside is None else inside & meets
    assert inside is not None
    return inside


@dataclass(eq=False)
class _Ranked:
    """Slices with their sums, one entry per slice."""

    conditions: list[tuple[tuple[int, int], ...]] = field(default_factory=list)
    label: list[int | None] = field(default_factory=list)
    x: list[float] = field(default_factory=list)
    n: list[float] = field(default_factory=list)
    error: list[float] = field(default_factory=list)


def search(
    faces: SearchedFaces,
    features: Sequence[Feature],
    *,
    depth: int,
    wanted: int,
    least_people: int,
    least_faces: int,
) -> tuple[list[FoundSlice], int]:
    """Return the worst slices, each with faces of its own, and how many slices were looked at.

    Args:
        faces: those to search; features have codes of the same faces.
        features: what slices are made of.
        depth: most features combined.
        wanted: most slices returned.
        least_people: people a slice must have.
        least_faces: faces a slice must have.
    """
    alike = _pooled_icc(faces)
    ranked = {d: _Ranked() for d in range(1, depth + 1)}
    for chosen in _combinations(features, depth):
        _add(ranked[len(chosen)], faces, features, chosen, alike, least_people, least_faces)
    looked_at = sum(len(each.n) for each in ranked.values())
    depths = sum(bool(each.n) for each in ranked.values())
    candidates: list[tuple[float, FoundSlice, float]] = []
    for each in ranked.values():
        if not each.n:
            continue
        critical = float(ndtri(1 - ERROR / (depths * len(each.n))))
        excess = np.asarray(each.x) / np.asarray(each.n)
        limit = excess - critical * np.asarray(each.error)
        for place in np.argsort(-limit, kind="stable")[:CANDIDATES]:
            found = FoundSlice(each.conditions[place], each.label[place], float(limit[place]), float(excess[place]))
            candidates.append((found.limit, found, critical))
    candidates.sort(key=lambda one: -one[0])
    return _distinct(faces, features, candidates[:CANDIDATES], alike, wanted, least_people), looked_at


def _combinations(features: Sequence[Feature], depth: int) -> Iterator[tuple[int, ...]]:
    crossed = [place for place, feature in enumerate(features) if feature.crossed]
    for place, feature in enumerate(features):
        if not feature.crossed:
            yield (place,)
    for size in range(1, depth + 1):
        for chosen in combinations(crossed, size):
            if np.prod([len(features[place].levels) for place in chosen]) <= MOST_CELLS:
                yield chosen


def _add(
    ranked: _Ranked,
    faces: SearchedFaces,
    features: Sequence[Feature],
    chosen: tuple[int, ...],
    alike: float,
    least_people: int,
    least_faces: int,
) -> None:
    """Add every slice of some features that is large enough, over all labels and label by label."""
    shape = tuple(len(features[place].levels) for place in chosen)
    cell = np.ravel_multi_index([features[place].codes for place in chosen], shape)
    excess, variance = faces.scores(features[chosen[0]])
    classes = faces.classes
    size = int(np.prod(shape))
    for by_label in (False, True):
        code = cell * classes + faces.labels if by_label else cell
        cells = size * classes if by_label else size
        sums = _cell_sums(faces.person, code, cells, excess, variance)
        among = total_at(faces.labels, None, classes)[np.arange(cells) % classes] if by_label else len(code)
        large = (sums.people >= least_people) & (sums.n >= least_faces) & (among - sums.n >= least_faces)
        use = np.flatnonzero(large & (sums.x > LEAST_EXCESS * sums.n))
        error = _errors(sums, alike)[use] / sums.n[use]
        places = np.unravel_index(use // classes if by_label else use, shape)
        for row, one in enumerate(use):
            ranked.conditions.append(tuple((at, int(level[row])) for at, level in zip(chosen, places, strict=True)))
            ranked.label.append(int(one % classes) if by_label else None)
            ranked.x.append(float(sums.x[one]))
            ranked.n.append(float(sums.n[one]))
            ranked.error.append(float(error[row]))


@dataclass(frozen=True, eq=False)
class _CellSums:
    people: Floats
    n: Floats
    nn: Floats
    x: Floats
    xx: Floats
    variance: Floats


def _cell_sums(person: Integers, code: Integers, cells: int, excess: Floats, variance: Floats) -> _CellSums:
    """Add up faces by person and cell, then by cell."""
    line, at = np.unique(person * cells + code, return_inverse=True)
    at = at.reshape(-1)
    of_line = line % cells
    x, n = total_at(at, excess, len(line)), total_at(at, None, len(line))
    return _CellSums(
        people=total_at(of_line, None, cells),
        n=total_at(of_line, n, cells),
        nn=total_at(of_line, n * n, cells),
        x=total_at(of_line, x, cells),
        xx=total_at(of_line, x * x, cells),
        variance=total_at(code, variance, cells),
    )


def _errors(sums: _CellSums, alike: float) -> Floats:
    """Return the standard error of every cell's sum: the larger of its own and the pooled one."""
    pooled = sums.variance * (1 + alike * (sums.nn / np.maximum(sums.n, 1) - 1))
    return np.asarray(np.sqrt(np.maximum(sums.xx, pooled)), dtype=np.float64)


def _pooled_icc(faces: SearchedFaces) -> float:
    """Return how alike the errors on faces of one person are, 0 to 1."""
    people = int(faces.person.max(initial=-1)) + 1
    x, n = total_at(faces.person, faces.excess, people), total_at(faces.person, None, people)
    unit = float(faces.variance.sum()) / max(len(faces.person), 1)
    below = unit * float((n * n - n).sum())
    return float(np.clip((float((x * x).sum()) - unit * len(faces.person)) / below, 0, 1)) if below > 0 else 0.0


def _distinct(
    faces: SearchedFaces,
    features: Sequence[Feature],
    candidates: Sequence[tuple[float, FoundSlice, float]],
    alike: float,
    wanted: int,
    least_people: int,
) -> list[FoundSlice]:
    """Take the worst candidate, then the worst by the faces that are left, and so on."""
    free = np.ones(len(faces.person), dtype=np.bool_)
    left = list(candidates)
    chosen: list[FoundSlice] = []
    while left and len(chosen) < wanted:
        best: tuple[float, int] | None = None
        keep = []
        for limit, found, critical in left:
            if best is not None and limit <= best[0]:  # taking faces away is seldom for the worse; the order is a bound
                keep.append((limit, found, critical))
                continue
            inside = members(found, features)
            if found.label is not None:
                inside &= faces.labels == found.label
            own = inside & free
            if own.sum() < OWN_FACES * inside.sum() or len(np.unique(faces.person[own])) < least_people:
                continue
            excess, variance = faces.scores(features[found.conditions[0][0]])
            sums = _cell_sums(faces.person[own], np.zeros(int(own.sum()), np.int64), 1, excess[own], variance[own])
            now = float((sums.x[0] - critical * _errors(sums, alike)[0]) / sums.n[0])
            keep.append((now, found, critical))
            if best is None or now > best[0]:
                best = (now, len(keep) - 1)
        if best is None:
            break
        found = _without_needless(faces, features, keep.pop(best[1])[1], free, alike)
        chosen.append(found)
        inside = members(found, features)
        free &= ~(inside if found.label is None else inside & (faces.labels == found.label))
        left = sorted(keep, key=lambda one: -one[0])
    return chosen


def _without_needless(
    faces: SearchedFaces, features: Sequence[Feature], found: FoundSlice, free: NDArray[np.bool_], alike: float
) -> FoundSlice:
    """Drop conditions without which the faces that come in are about as bad: the best of many slices has some by luck.

    A condition stays when the faces it keeps out have a smaller excess by `NEEDLESS` standard errors.
    """
    among = free if found.label is None else free & (faces.labels == found.label)
    excess, variance = faces.scores(features[found.conditions[0][0]])
    while len(found.conditions) > 1:
        inside = members(found, features) & among
        tried = []
        for place in range(len(found.conditions)):
            wider = replace(found, conditions=found.conditions[:place] + found.conditions[place + 1 :])
            outside = members(wider, features) & among & ~inside
            if not outside.any():
                return wider
            sums = _cell_sums(faces.person[inside | outside], outside[inside | outside].astype(np.int64), 2,
                              excess[inside | outside], variance[inside | outside])  # fmt: skip
            mean, error = sums.x / sums.n, _errors(sums, alike) / sums.n
            tried.append((float((mean[0] - mean[1]) / max(float(np.hypot(*error)), 1e-12)), place, wider))
        nearest = min(tried, key=lambda one: one[:2])
        if nearest[0] >= NEEDLESS:
            break
        found = nearest[2]
    return found
