"""Which scores are too high for a clean image, at a stated false-alarm rate, and what a flag is worth."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri
from scipy.stats import betabinom, binom

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Flags = NDArray[np.bool_]

MAD_TO_SD = 1.4826
"""Median absolute deviations of a normal distribution in a standard deviation."""


def references_needed(rate: float) -> int:
    """Return how many clean people a threshold at this false-alarm rate needs: with fewer, nothing could be flagged."""
    return int(np.ceil(1 / rate - 1e-9)) - 1


@dataclass(frozen=True, eq=False)
class Reference:
    """Scores of clean images, each with its person.

    Attributes:
        scores: shape (n,).
        people: shape (n,), numbered as those of the images that are judged.
    """

    scores: Floats
    people: Integers

    def p_values(self, scores: Floats, people: Integers) -> Floats:
        """Return the chance that a clean image scores as high, by rank among other people whose images are clean.

        ``(1 + how many reach it) / (1 + how many there are)``, in people: of a person of several images, the share that
        reaches it counts. With one image a person it is at most ``a`` with probability at most ``a`` where the judged
        image is exchangeable with the clean ones (conformal p-value; Vovk et al. 2005, Algorithmic Learning in a
        Random World); images of one person are like each other, so that many of them are not worth many people (Dunn,
        Wasserman and Ramdas 2023, Journal of the American Statistical Association 118:2491). A person's own clean
        images are left out, as they are like the judged one.
        """
        names, codes, counts = np.unique(self.people, return_inverse=True, return_counts=True)
        order = np.argsort(self.scores, kind="stable")
        weights = 1 / counts[codes.reshape(-1)]
        below = np.concatenate([[0.0], np.cumsum(weights[order])])
        reach = len(names) - below[np.searchsorted(self.scores[order], scores, side="left")]
        found = np.asarray((1 + reach) / (1 + len(names)), dtype=np.float64)
        judged, own_rows = _rows_by_person(people), _rows_by_person(self.people)
        for person in judged.keys() & own_rows.keys():
            mine, own = judged[person], self.scores[own_rows[person]]
            reached = reach[mine] - (own[None, :] >= scores[mine, None]).mean(1)
            found[mine] = (1 + reached) / len(names)
        return found

    def flags(self, scores: Floats, people: Integers, rate: float) -> Flags:
        """Tell which scores are too high for a clean image at this false-alarm rate, shape (n,)."""
        return np.asarray(self.p_values(scores, people) <= rate + 1e-9)


@dataclass(frozen=True)
class RobustRule:
    """A rule for scores without clean ones: so many standard deviations above the middle, both measured robustly.

    The rate holds where scores of clean images are normal, which nobody has shown of these; poisoned images
    among the data widen the spread and cost power.

    Attributes:
        middle: the median.
        spread: the standard deviation, from the median absolute deviation.
        two_sided: whether low scores count, too.
    """

    middle: float
    spread: float
    two_sided: bool = False

    @classmethod
    def of(cls, scores: Floats, *, two_sided: bool = False) -> RobustRule:
        """Take middle and spread from the scores."""
        middle = float(np.median(scores))
        return cls(middle, MAD_TO_SD * float(np.median(np.abs(scores - middle))), two_sided)

    def flags(self, scores: Floats, rate: float) -> Flags:
        """Tell which scores lie too far out at this nominal false-alarm rate, shape (n,)."""
        away = np.abs(scores - self.middle) if self.two_sided else scores - self.middle
        return np.asarray(away > ndtri(1 - (rate / 2 if self.two_sided else rate)) * max(self.spread, 1e-12))


def _rows_by_person(people: Integers) -> dict[int, Integers]:
    """Return the places of each person's images."""
    if not len(people):
        return {}
    order = np.argsort(people, kind="stable")
    names, starts = np.unique(people[order], return_index=True)
    return dict(zip(names.tolist(), np.split(order, starts[1:]), strict=True))


def right_at_most(share: float, rate: float, power: float = 1.0) -> float:
    """Return the share of flags that are right: ``s p / (s p + (1 - s) a)``.

    Args:
        share: poisoned share s of the images.
        rate: false-alarm rate a.
        power: share p of the poisoned images that is flagged; 1 gives the most that is possible.
    """
    hits = share * power
    return hits / (hits + (1 - share) * rate)


def excess_p(flagged: Integers, judged: Integers, references: Integers, rate: float) -> float:
    """Return the chance of at least so many flags among clean people, over classes with thresholds of their own.

    With one image a person on both sides, the number flagged among ``m`` by the rank among ``n`` clean ones is
    beta-binomial, since the threshold is itself drawn: a binomial test would take a lucky threshold for poison.

    Args:
        flagged: people flagged, by class.
        judged: people judged, by class.
        references: clean people, by class; 0 for a nominal rate without clean ones, which is binomial.
        rate: the false-alarm rate.
    """
    pmf = np.ones(1)
    for m, n in zip(judged.tolist(), references.tolist(), strict=True):
        counts = np.arange(m + 1)
        if n:
            allowed = int(np.floor(rate * (n + 1) + 1e-9))
            each = betabinom.pmf(counts, m, allowed, n + 1 - allowed) if allowed else (counts == 0).astype(float)
        else:
            each = binom.pmf(counts, m, rate)
        pmf = np.convolve(pmf, each)
    return float(min(1.0, max(0.0, pmf[int(flagged.sum()) :].sum())))


def one_of_each(people: Integers, random: np.random.Generator) -> Flags:
    """Mark one image of every person, drawn by lot, shape (n,)."""
    order = random.permutation(len(people))
    chosen = np.zeros(len(people), dtype=np.bool_)
    chosen[order[np.unique(people[order], return_index=True)[1]]] = True
    return chosen
