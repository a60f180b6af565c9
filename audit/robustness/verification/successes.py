"""How often attempts succeed: by person, by group, and beside what happens without an attack."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ....core.portraits import Portraits
from ....core.probes import Output, ProbeContext
from ....core.results import Estimate, Measurement
from ....core.statistics.dyads import Pairs
from ....core.statistics.groups import Groups
from ...pair_gaps import PairQuestion, pair_question
from ...verification import GroupRates, rates
from .attempts import Goal
from .measured import PHOTOS, Measured

LOST = "lost"
TITLES: Mapping[Goal, str] = {
    "impersonation": "share of right rejections lost to impersonation",
    "dodging": "share of right matches lost to dodging",
}
_WHAT = "attacked"


@dataclass(frozen=True)
class Condition:
    """One thing that is done to the photos.

    Attributes:
        attack: ``none``, ``noise`` or the attack's name.
        eps: its size as written, ``0`` for none.
        similarity: of each attempt on both photos, shape (2, n).
    """

    attack: str
    eps: str
    similarity: NDArray[np.float64]

    def key(self, photo: str) -> dict[str, str]:
        """Return the condition of a measurement key."""
        return {"attack": self.attack, "eps": self.eps, "photo": photo}


class Successes:
    """The success rates of one goal.

    Args:
        context: the probe's.
        portraits: the single faces.
        measured: what every attempt came to.
        threshold: similarity from which photos match.
        attack: name of the attack.
        eps: each size as written.
    """

    def __init__(
        self,
        context: ProbeContext,
        portraits: Portraits,
        measured: Measured,
        threshold: float,
        attack: str,
        eps: list[str],
    ) -> None:
        self.context = context
        self.measured = measured
        self.attempts = measured.attempts
        self.threshold = threshold
        self.groupings = portraits.faces.groupings
        self.people = portraits.faces.subject_codes
        self.clean = Condition("none", "0", measured.clean)
        self.noise = [Condition("noise", size, measured.noise[level]) for level, size in enumerate(eps)]
        self.attacked = [Condition(attack, size, measured.attacked[level]) for level, size in enumerate(eps)]

    @property
    def conditions(self) -> list[Condition]:
        """Everything that was done, nothing first."""
        return [self.clean, *self.noise, *self.attacked]

    @property
    def attackers(self) -> NDArray[np.int64]:
        """The person on each changed photo, shape (n,)."""
        return self.people[self.attempts.changed]

    def succeeded(self, condition: Condition, photo: str) -> NDArray[np.bool_]:
        """Return whether each attempt succeeds, shape (n,); False where there is no such photo."""
        return self.attempts.succeeded(condition.similarity[PHOTOS.index(photo)], self.threshold)

    def rates(
        self, condition: Condition, photo: str, groups: Groups | None = None, *, lost: bool = False
    ) -> GroupRates:
        """Return the success rate of each group, or of all attempts that have such a photo.

        Args:
            condition: what was done.
            photo: which photo judges.
            groups: by which to divide.
            lost: count only attempts that do not succeed without any change.
        """
        similarity = condition.similarity[PHOTOS.index(photo)]
        counted = np.isfinite(similarity)
        if lost:
            counted &= ~self.succeeded(self.clean, photo)
        rows = np.flatnonzero(counted).astype(np.int64)
        values = self.succeeded(condition, photo)[rows].astype(np.float64)
        codes = np.zeros(len(rows), dtype=np.int64) if groups is None else groups.codes[self.attempts.grouped_by[rows]]
        first, second = self.people[self.attempts.changed[rows]], self.people[self.attempts.shown[rows]]
        pairs = Pairs(first, second, codes, 1 if groups is None else len(groups))
        nearest = self.attempts.sign * similarity[rows] * (1 if not values.any() else -1)
        return rates(pairs, values, self.context.rules, _WHAT, overall=groups is None, nearest=nearest)

    def overall(self, condition: Condition, photo: str) -> Estimate:
        """Return the success rate over all attempts."""
        if photo == "other" and not np.isfinite(condition.similarity[1]).any():
            return Estimate.not_measured("nobody who is attacked has another photo to be judged by", n=0)
        return self.rates(condition, photo).estimates[0]

    def measurements(self) -> Iterator[Measurement]:
        """Yield the success rates overall and, without an attack and under it, by group."""
        for condition in self.conditions:
            for photo in PHOTOS:
                yield self._measurement(self.overall(condition, photo), condition, photo)
                if condition in self.noise:
                    continue
                for groups in self.groupings if np.isfinite(condition.similarity[PHOTOS.index(photo)]).any() else ():
                    found = self.rates(condition, photo, groups)
                    for value, estimate in zip(groups.values, found.estimates, strict=True):
                        yield self._measurement(estimate, condition, photo, value)

    def _measurement(
        self, estimate: Estimate, condition: Condition, photo: str, place: Mapping[str, str] | None = None
    ) -> Measurement:
        about = {"condition": condition.key(photo), "slice": dict(place or {})}
        return self.context.measurement(self.attempts.goal, estimate, direction="lower", **about)

    def losses(self) -> Iterator[Measurement]:
        """Yield, overall and by group, the share of pairs told rightly as they are that the attack takes away."""
        photo = PHOTOS[0]
        for condition in self.attacked:
            yield self._lost(self.rates(condition, photo, lost=True).estimates[0], condition)
            for groups in self.groupings:
                found = self.rates(condition, photo, groups, lost=True)
                for value, estimate in zip(groups.values, found.estimates, strict=True):
                    yield self._lost(estimate, condition, value)

    def _lost(self, estimate: Estimate, condition: Condition, place: Mapping[str, str] | None = None) -> Measurement:
        about = {"condition": self._of_goal(condition), "slice": dict(place or {})}
        return self.context.measurement(LOST, estimate, direction="lower", **about)

    def _of_goal(self, condition: Condition) -> dict[str, str]:
        return {"attack": condition.attack, "eps": condition.eps, "goal": self.attempts.goal}

    def questions(self) -> Iterator[PairQuestion]:
        """Ask how far groups differ in what they lose to the attack, judged by the photo it was given."""
        for condition in self.attacked:
            for groups in self.groupings:
                yield pair_question(
                    groups,
                    self.rates(condition, PHOTOS[0], groups, lost=True),
                    LOST,
                    "lower",
                    condition=self._of_goal(condition),
                    title=TITLES[self.attempts.goal],
                )

    def lines(self) -> Iterator[dict[str, object]]:
        """Yield the lines of the table of successes."""
        for condition in self.conditions:
            for photo in PHOTOS:
                found = self.overall(condition, photo)
                yield {
                    "goal": self.attempts.goal,
                    "attack": condition.attack,
                    "eps": condition.eps,
                    "photo": photo,
                    "pairs": found.n,
                    "successes": found.count,
                    "share": found.value,
                    "low": found.low,
                    "high": found.high,
                }


def unmeasured(context: ProbeContext, goal: Goal, reason: str, attack: str, eps: list[str]) -> Iterator[Output]:
    """Say under every key that a report looks for why the successes of a goal were not measured."""
    for name, size in [("none", "0"), *((name, size) for size in eps for name in ("noise", attack))]:
        for photo in PHOTOS:
            condition = {"attack": name, "eps": size, "photo": photo}
            yield context.measurement(goal, Estimate.not_measured(reason), condition=condition, direction="lower")


def table(successes: list[Successes]) -> pd.DataFrame:
    """Return all success rates, one line each."""
    return pd.DataFrame([line for each in successes for line in each.lines()])
