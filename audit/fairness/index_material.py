"""The rates that indices over groups are made of, dealt out anew: each once for every grouping."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...core.predictions import Predictions
from ...core.probes import ProbeContext, Scores
from ...core.statistics.deals import Deals
from ...core.statistics.gap_data import SummedData
from ...core.statistics.groups import Groups
from ...core.statistics.index_rates import Rate
from ...core.statistics.permutations import ScoredFaces
from ...core.statistics.slicing import Slicer
from ...core.statistics.sums import Integers

Answers = NDArray[np.bool_]
ACCURACY, RECALL, FPR, SELECTION = "accuracy", "recall", "fpr", "selection_rate"


@dataclass(frozen=True)
class Asked:
    """A rate: its name, and the class or action unit it is of, none for the accuracy."""

    name: str
    label: str | None = None

    def __str__(self) -> str:
        return self.name if self.label is None else f"{self.name} of {self.label}"


class Answered:
    """Labels and answers of a target, one label against the rest.

    Attributes:
        labels: the classes or action units.
    """

    def __init__(self, predictions: Predictions, threshold: float) -> None:
        """Take the answers.

        Args:
            predictions: of all faces.
            threshold: probability from which an action unit counts as active.
        """
        self.labels = predictions.classes
        if predictions.task == "action_units":
            self._known: Answers = np.isfinite(predictions.truth)
            self._true: Answers = predictions.truth == 1
            self._said: Answers = predictions.values >= threshold
        else:
            places = np.arange(len(predictions.classes))
            self._known = np.broadcast_to((predictions.labels >= 0)[:, None], predictions.values.shape)
            self._true = predictions.labels[:, None] == places
            self._said = predictions.predicted[:, None] == places
        self._one_of_k = predictions.task != "action_units"

    def tested(self, chosen: Iterable[str] | None) -> tuple[str, ...]:
        """Return the labels whose rates are looked at; of two classes one, the rates of the other being its own."""
        if chosen is not None:
            return tuple(label for label in self.labels if label in set(chosen))
        return self.labels[-1:] if self._one_of_k and len(self.labels) == 2 else self.labels

    def scores(self, asked: Asked) -> Scores:
        """Return the faces that a rate is a share of, and which of them it counts."""
        if asked.label is None:
            right = (self._true == self._said) & self._known
            counts, weights = right.sum(axis=1), self._known.sum(axis=1)
            if self._one_of_k:  # an answer is right when all is: the own class and no other
                counts, weights = right.all(axis=1) * 1, self._known.all(axis=1) * 1
            rows = np.flatnonzero(weights > 0)
            return _rate(asked, rows, counts[rows], weights[rows])
        place = self.labels.index(asked.label)
        true, said, known = self._true[:, place], self._said[:, place], self._known[:, place]
        of = {RECALL: known & true, FPR: known & ~true, SELECTION: known}[asked.name]
        rows = np.flatnonzero(of)
        return _rate(asked, rows, said[rows])

    def has_faces(self, asked: Asked) -> bool:
        """Tell whether any face at all counts towards a rate."""
        return len(self.scores(asked).rows) > 0


def _rate(asked: Asked, rows: Integers, counts: NDArray[np.generic], weights: Integers | None = None) -> Scores:
    return Scores(
        asked.name,
        rows.astype(np.int64),
        counts.astype(np.float64),
        weights=None if weights is None or (weights == 1).all() else weights.astype(np.float64),
        kind="rate",
        bounds=(0, 1),
        slice={} if asked.label is None else {"label": asked.label},
        overall=False,
    )


class GroupRates:
    """The rates of the groups of one attribute or intersection; what is dealt out is kept.

    Attributes:
        groups: the grouping.
        names: name of every group.
    """

    def __init__(
        self, context: ProbeContext, answered: Answered, groups: Groups, times: int, deals: Deals | None
    ) -> None:
        """Prepare.

        Args:
            context: the probe's.
            answered: labels and answers.
            groups: the grouping.
            times: how often groups are dealt out.
            deals: permutations of people that all rates share, ``times`` of them.
        """
        self.groups = groups
        self.names = [", ".join(value.values()) for value in groups.values]
        self._context, self._answered, self._times, self._deals = context, answered, times, deals
        self._slicer = Slicer(context.faces.subject_codes, [groups], context.rules)
        self._left_out: dict[Asked, dict[int, str]] = {}
        self._rates: dict[tuple[Asked, tuple[int, ...]], Rate] = {}

    def left_out(self, asked: Asked) -> dict[int, str]:
        """Return the groups too small for a rate, with the reason."""
        if asked not in self._left_out:
            measured = self._slicer.measure(self._answered.scores(asked), self._context.probe_id)
            reasons = [item.estimate.reason for item in measured]
            self._left_out[asked] = {code: reason for code, reason in enumerate(reasons) if reason is not None}
        return self._left_out[asked]

    def taking_part(self, *asked: Asked) -> tuple[int, ...]:
        """Return the groups that are large enough for all of these rates."""
        small = {code for each in asked for code in self.left_out(each)}
        return tuple(code for code in range(len(self.groups)) if code not in small)

    def rate(self, asked: Asked, chosen: tuple[int, ...]) -> Rate:
        """Return a rate of these groups, two or more, as observed and dealt out anew."""
        if (asked, chosen) not in self._rates:
            scores, context = self._answered.scores(asked), self._context
            person, group = context.faces.subject_codes[scores.rows], self.groups.codes[scores.rows]
            faces = ScoredFaces.of(person, group, len(self.groups), scores.values, scores.weights)
            data = SummedData(faces.only(np.asarray(chosen, dtype=np.int64)), "rate", (0.0, 1.0))
            random = context.random("dealt", self.groups.name, str(asked))
            self._rates[asked, chosen] = Rate.of(data, self._times, random, self._deals)
        return self._rates[asked, chosen]
