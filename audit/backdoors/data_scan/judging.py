"""The three methods: each judges the images of every class, plain ones or with some replaced by stamped ones."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from .calibration import Reference, RobustRule, references_needed
from .material import ALL, Images

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Flags = NDArray[np.bool_]

FOLDS = 10
FEWEST = 20
"""Images of a class that its embeddings are judged with at least."""
REDUCED = 10


@dataclass(frozen=True, eq=False)
class Judged:
    """What a method says of some images.

    Attributes:
        judged: (n,) which images could be judged.
        flagged: (n,) which of them look poisoned.
        scores: (n,) higher is more suspect; NaN where not judged.
        references: clean images by class, 0 where a robust rule stood in.
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
    lacking = too_few_clean(int(usable.sum()), rate)
    if lacking:
        return Judged(np.zeros_like(known), flagged, np.full(len(detail), np.nan), reasons={"": lacking})
    reference = Reference(clean.detail[usable], clean.people[usable])
    flagged[known] = reference.flags(detail[known], people[known], rate)
    return Judged(known, flagged, np.where(known, detail, np.nan), {"": int(usable.sum())})


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
            reason = too_few_clean(len(like), rate)
        if reason:
            found.reasons[str(name)] = reason
            continue
        found.references[str(name)] = 0 if like is None else len(like)
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
                reference = Reference(np.abs(usual - np.median(usual)), like.people)
                found.flagged[judged] = reference.flags(np.abs(away), images.people[judged], rate)
    return found


def by_clusters(
    points: Floats, images: Images, clean: Images | None, rate: float, draws: int, random: np.random.Generator
) -> Judged:
    """Flag the smaller of two clusters of a class where the two lie further apart than chance explains.

    Activation clustering (Chen et al. 2018, arXiv 1811.03728): principal components, two means, silhouette. Whether two
    clusters are more than the halves of one cloud is tested against clouds: people of clean photos of the class drawn
    anew, or, without these, normal ones of the same covariance (Liu et al. 2008, Journal of the American Statistical
    Association 103:1281). The rate is that of a whole class: it is split over the classes (Bonferroni).
    """
    found = Judged(*_nothing(len(points)))
    classes = [str(name) for name in np.unique(images.classes)]
    if len(classes) / (1 + draws) > rate:
        least = int(np.ceil(len(classes) / rate)) - 1
        found.reasons[""] = f"{draws} draws; {least} are needed for {len(classes)} classes at a rate of {rate:g}"
        return found
    for name in classes:
        mine = np.flatnonzero(images.classes == name)
        like = None if clean is None else of_class(clean, name)
        reason = _too_small(len(mine), len(np.unique(images.people[mine])))
        if not reason and like is not None:
            reason = _too_small(len(like), len(np.unique(like.people)), "clean ")
        if reason:
            found.reasons[name] = reason
            continue
        apart, small = silhouette_of_two(points[mine], random)
        spread, above = _spread(points[mine]), 0
        for _ in range(draws):
            if like is None:  # a normal cloud of the same covariance, in the dimensions that matter
                drawn = random.normal(size=(len(mine), len(spread))) * spread
            else:
                drawn = _people_anew(like, len(mine), random)
            above += silhouette_of_two(drawn, random)[0] >= apart
        p = (1 + above) / (1 + draws)
        found.references[name] = 0 if like is None else len(like)
        found.p_values[name] = min(1.0, p * len(classes))
        found.judged[mine] = True
        found.scores[mine] = small.astype(np.float64)
        if found.p_values[name] <= rate:
            found.flagged[mine] = small
    return found


def silhouette_of_two(points: Floats, random: np.random.Generator) -> tuple[float, Flags]:
    """Split points (n, d) in two by 2-means on their leading components; returns mean silhouette and the smaller part.

    The silhouette is the simplified one, by distances from the two means: ``(b - a) / max(a, b)``.
    """
    centred = points - points.mean(0)
    reduced = centred @ _leading_axes(centred, REDUCED)
    best: tuple[float, Floats] | None = None
    for _ in range(4):
        centres = reduced[random.choice(len(reduced), 2, replace=False)]
        for _ in range(30):
            near = _distances(reduced, centres).argmin(1)
            if near.min() == near.max():
                break
            moved = np.stack([reduced[near == k].mean(0) for k in (0, 1)])
            if np.allclose(moved, centres):
                break
            centres = moved
        cost = float(np.square(_distances(reduced, centres).min(1)).sum())
        if best is None or cost < best[0]:
            best = (cost, centres)
    assert best is not None
    distances = _distances(reduced, best[1])
    near = distances.argmin(1)
    a, b = distances.min(1), distances.max(1)
    quality = float(np.divide(b - a, b, out=np.zeros_like(b), where=b > 0).mean())
    return quality, np.asarray(near == np.bincount(near, minlength=2).argmin())


def too_few_clean(count: int, rate: float) -> str:
    """Say why so few clean photos give no threshold; empty when they do."""
    needed = references_needed(rate)
    return "" if count >= needed else f"{count} clean photos; {needed} are needed for a false-alarm rate of {rate:g}"


def _too_small(images: int, people: int, kind: str = "") -> str:
    if images >= FEWEST and people >= FOLDS:
        return ""
    return f"{images} {kind}images of {people} people; {FEWEST} images of {FOLDS} people are needed"


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


def _spread(points: Floats) -> Floats:
    """Return the standard deviations of points along their leading directions, as many as matter."""
    centred = points - points.mean(0)
    return np.asarray((centred @ _leading_axes(centred, 2 * REDUCED)).std(0, ddof=1))


def _embedding(images: Images) -> Floats:
    """Return the embeddings, which whoever scans embeddings has read."""
    assert images.embedding is not None
    return images.embedding


def _people_anew(clean: Images, count: int, random: np.random.Generator) -> Floats:
    """Draw people of the clean photos with replacement until there are ``count`` embeddings."""
    points = _embedding(clean)
    by_person = [points[clean.people == person] for person in np.unique(clean.people)]
    drawn: list[Floats] = []
    total = 0
    while total < count:
        drawn.append(by_person[random.integers(len(by_person))])
        total += len(drawn[-1])
    return np.concatenate(drawn)[:count]
