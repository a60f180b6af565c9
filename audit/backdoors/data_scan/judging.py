"""The three methods: each judges the images of every class, plain ones or with some replaced by stamped ones."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from .calibration import Reference, RobustRule, one_of_each, references_needed
from .material import ALL, Images

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Flags = NDArray[np.bool_]

FOLDS = 10
FEWEST = 20
"""Images of a class that its embeddings are judged with at least."""
CLUSTERED_PEOPLE = 60
"""People of a class that clusters are looked for among at least, scanned ones and clean ones; with 20 clean people of
heavy-tailed embeddings a tenth of clean classes were flagged at a rate of 5 %, with 60 about as many as stated."""
REDUCED = 10
NO_CLEAN = "no photos known to be clean were named (clean)"


@dataclass(frozen=True, eq=False)
class Judged:
    """What a method says of some images.

    Attributes:
        judged: (n,) which images could be judged.
        flagged: (n,) which of them look poisoned.
        scores: (n,) higher is more suspect; NaN where not judged.
        references: clean people by class, 0 where a robust rule stood in.
        p_values: chance of clusters so far apart in clean data, by class; for clustering alone.
        reasons: why a class could not be judged, by class.
    """

    judged: Flags
    flagged: Flags
    scores: Floats
    references: dict[str, int] = field(default_factory=dict)
    p_values: dict[str, float] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)


def by_detail(detail: Floats, people: Integers, clean: Images | None, rate: float) -> Judged:
    """Flag images whose fine detail is too high for a clean one; all classes together.

    Args:
        detail: fine detail of each image, shape (n,); NaN where the face lies outside the picture.
        people: shape (n,).
        clean: photos known to be clean, or ``None`` for the robust rule on the logarithm.
        rate: the false-alarm rate.
    """
    known = np.isfinite(detail) & (detail > 0)
    flagged = np.zeros(len(detail), dtype=np.bool_)
    if clean is None:
        logs = np.log(detail[known])
        flagged[known] = RobustRule.of(logs).flags(logs, rate)
        return Judged(known, flagged, np.where(known, detail, np.nan), {"": 0})
    usable = np.isfinite(clean.detail)
    lacking = too_few_clean(clean.people[usable], rate)
    if lacking:
        return Judged(np.zeros_like(known), flagged, np.full(len(detail), np.nan), reasons={"": lacking})
    reference = Reference(clean.detail[usable], clean.people[usable])
    flagged[known] = reference.flags(detail[known], people[known], rate)
    return Judged(known, flagged, np.where(known, detail, np.nan), {"": _count(clean.people[usable])})


def by_spectrum(points: Floats, images: Images, clean: Images | None, rate: float) -> Judged:
    """Flag images that lie far along the direction in which the embeddings of their class vary most.

    Spectral signatures (Tran et al. 2018, NeurIPS, arXiv 1811.00636), with the distance from the median (of the clean
    photos, where there are some) instead of the mean. The direction comes from the other people's images (ten folds),
    so that an image is not judged by a direction that it helped to find.

    Args:
        points: embeddings, shape (n, d).
        images: people and classes of them.
        clean: photos known to be clean, or ``None`` for the robust rule.
        rate: the false-alarm rate.
    """
    found = Judged(*_nothing(len(points)))
    for name in np.unique(images.classes):
        mine = np.flatnonzero(images.classes == name)
        like = None if clean is None else of_class(clean, str(name))
        reason = _too_small(len(mine), len(np.unique(images.people[mine])))
        if not reason and like is not None:
            reason = too_few_clean(like.people, rate)
        if reason:
            found.reasons[str(name)] = reason
            continue
        found.references[str(name)] = 0 if like is None else _count(like.people)
        for held in _folds(images.people[mine]):
            fitted, judged = points[mine[~held]], mine[held]
            axis = _leading_axes(fitted - fitted.mean(0), 1)[:, 0]
            usual = fitted @ axis if like is None else _embedding(like) @ axis
            away = points[judged] @ axis - np.median(usual)  # poisoned images move the mean, the median hardly
            found.scores[judged], found.judged[judged] = np.abs(away), True
            if like is None:
                rule = RobustRule.of(usual - np.median(usual), two_sided=True)
                found.flagged[judged] = rule.flags(away, rate)
            else:
                reference = Reference(np.abs(usual - _middle_without_each(usual)), like.people)
                found.flagged[judged] = reference.flags(np.abs(away), images.people[judged], rate)
    return found


def by_clusters(
    points: Floats, images: Images, clean: Images | None, rate: float, draws: int, random: np.random.Generator
) -> Judged:
    """Flag the smaller of two clusters of a class where the two lie further apart than among clean photos.

    Activation clustering (Chen et al. 2018, arXiv 1811.03728): principal components, two means, silhouette. Whether two
    clusters are more than the halves of one cloud depends on the cloud: embeddings after a ReLU are skewed, and a
    normal cloud would be too lenient a comparison. So people of the clean photos of the class are drawn anew, as many
    as were scanned; without clean photos nothing is said. One image of every person counts on both sides, drawn by
    lot, since several photos of a person are a cluster of their own. The rate is that of a whole class: it is split
    over the classes (Bonferroni).
    """
    found = Judged(*_nothing(len(points)))
    if clean is None:
        found.reasons[""] = f"{NO_CLEAN}: clusters are held against people of such photos drawn anew"
        return found
    classes = [str(name) for name in np.unique(images.classes)]
    if len(classes) / (1 + draws) > rate:
        least = int(np.ceil(len(classes) / rate)) - 1
        found.reasons[""] = f"{draws} draws; {least} are needed for {len(classes)} classes at a rate of {rate:g}"
        return found
    for name in classes:
        mine = np.flatnonzero(images.classes == name)
        like = of_class(clean, name)
        people, others = _count(images.people[mine]), _count(like.people)
        if min(people, others) < CLUSTERED_PEOPLE:
            found.reasons[name] = f"{people} people and {others} clean ones; {CLUSTERED_PEOPLE} of each are needed"
            continue
        two = TwoMeans.of(points[mine][one_of_each(images.people[mine], random)], random)
        among = _embedding(like)[one_of_each(like.people, random)]
        above = sum(
            TwoMeans.of(among[random.integers(others, size=people)], random).silhouette >= two.silhouette
            for _ in range(draws)
        )
        p = (1 + above) / (1 + draws)
        small = two.in_smaller(points[mine])
        found.references[name] = others
        found.p_values[name] = min(1.0, p * len(classes))
        found.judged[mine] = True
        found.scores[mine] = small.astype(np.float64)
        if found.p_values[name] <= rate:
            found.flagged[mine] = small
    return found


@dataclass(frozen=True, eq=False)
class TwoMeans:
    """Points split in two by 2-means on their leading components.

    Attributes:
        middle: mean of the points, shape (d,).
        axes: leading directions, shape (d, c).
        centres: along these, that of the larger part first, shape (2, c).
        silhouette: mean of the simplified one, by distances from the two centres: ``(b - a) / max(a, b)``.
    """

    middle: Floats
    axes: Floats
    centres: Floats
    silhouette: float

    @classmethod
    def of(cls, points: Floats, random: np.random.Generator) -> TwoMeans:
        """Split points (n, d), n at least 2; the best of four starts."""
        middle = points.mean(0)
        axes = _leading_axes(points - middle, REDUCED)
        reduced = (points - middle) @ axes
        best: tuple[float, Floats] | None = None
        for _ in range(4):
            centres = _settled(reduced, reduced[random.choice(len(reduced), 2, replace=False)])
            cost = float(np.square(_distances(reduced, centres).min(1)).sum())
            if best is None or cost < best[0]:
                best = (cost, centres)
        assert best is not None
        distances = _distances(reduced, best[1])
        a, b = distances.min(1), distances.max(1)
        silhouette = float(np.divide(b - a, b, out=np.zeros_like(b), where=b > 0).mean())
        sizes = np.bincount(distances.argmin(1), minlength=2)
        return cls(middle, axes, best[1][::-1] if sizes[0] < sizes[1] else best[1], silhouette)

    def in_smaller(self, points: Floats) -> Flags:
        """Tell which points (n, d) lie nearer to the centre of the smaller part, shape (n,)."""
        return np.asarray(_distances((points - self.middle) @ self.axes, self.centres).argmin(1) == 1)


def _settled(points: Floats, centres: Floats) -> Floats:
    """Move two centres to the means of what is nearest to them until they stay."""
    for _ in range(30):
        near = _distances(points, centres).argmin(1)
        if near.min() == near.max():
            break
        moved = np.stack([points[near == k].mean(0) for k in (0, 1)])
        if np.allclose(moved, centres):
            break
        centres = moved
    return centres


def too_few_clean(people: Integers, rate: float) -> str:
    """Say why photos of such people, shape (n,), give no threshold; empty when they do."""
    count, needed = _count(people), references_needed(rate)
    if count >= needed:
        return ""
    return f"clean photos of {count} people; {needed} people are needed for a false-alarm rate of {rate:g}"


def _count(people: Integers) -> int:
    return len(np.unique(people))


def _middle_without_each(values: Floats) -> Floats:
    """Return the median of the others of each value, shape (n,), n at least 2.

    An image is compared with a median that it has no part in, so that a clean one has to be, too.
    """
    ordered, count = np.sort(values), len(values)
    place = np.argsort(np.argsort(values, kind="stable"), kind="stable")
    low, high = (count - 2) // 2, (count - 1) // 2
    return np.asarray((ordered[low + (place <= low)] + ordered[high + (place <= high)]) / 2)


def _too_small(images: int, people: int) -> str:
    if images >= FEWEST and people >= FOLDS:
        return ""
    return f"{images} images of {people} people; {FEWEST} images of {FOLDS} people are needed"


def _nothing(count: int) -> tuple[Flags, Flags, Floats]:
    return np.zeros(count, dtype=np.bool_), np.zeros(count, dtype=np.bool_), np.full(count, np.nan)


def of_class(clean: Images, name: str) -> Images:
    """Return the clean photos of a class; all of them where either side has no labels."""
    return clean if name == ALL or bool((clean.classes == ALL).all()) else clean.take(clean.classes == name)


def _folds(people: Integers) -> list[Flags]:
    """Deal people out to ten parts, in the order of their numbers; returns which images each part holds."""
    codes = np.unique(people, return_inverse=True)[1].reshape(-1)
    return [codes % FOLDS == fold for fold in range(FOLDS)]


def _leading_axes(centred: Floats, count: int) -> Floats:
    """Return the directions of largest variance, shape (d, at most count)."""
    if len(centred) >= centred.shape[1]:
        return np.asarray(np.linalg.eigh(centred.T @ centred)[1][:, ::-1][:, :count])
    values, vectors = np.linalg.eigh(centred @ centred.T)  # the smaller product has the same directions
    some = vectors[:, ::-1][:, :count] / np.sqrt(np.maximum(values[::-1][:count], 1e-12))
    return np.asarray(centred.T @ some)


def _distances(points: Floats, centres: Floats) -> Floats:
    return np.asarray(np.sqrt(np.square(points[:, None] - centres[None]).sum(2)))


def _embedding(images: Images) -> Floats:
    """Return the embeddings, which whoever scans embeddings has read."""
    assert images.embedding is not None
    return images.embedding
