"""From answers to scores: how many change beyond the control, and how many turn to what was brought in."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ....core.probes import Output, ProbeContext, Scores, TableOutput
from ....core.results import Estimate, Measurement
from ....core.statistics.slicing import slice_scores
from ...robustness.conditions import Condition, Outcomes
from .choosing import expressions_of
from .forgeries import Forgery

NULL, BEYOND = "changed.null", "changed.beyond_null"
TURNED, TURNED_NULL, TURNED_CONTROL = "turned", "turned.null", "turned.control"
TURNED_BEYOND = "turned.beyond_null"
ANSWERED, ANSWERED_NULL = "answered", "answered.null"
_NOT_KNOWN = (
    "the expression that was brought in is not known: the donor is not named (data.forgeries.donor), has no photo "
    "among the faces, or has photos with several expressions"
)
_NO_OTHER = "no face was given another expression than the model states already"
_ONE = (
    "the photos brought in to faces of the same answer show the same expression, for all faces or most of them, so "
    "that exchanging them would change nothing; what the control turns stands beside it"
)
Bool = NDArray[np.bool_]
Integers = NDArray[np.int64]


@dataclass(frozen=True)
class Told:
    """What one way of forging came to.

    Attributes:
        forgery: which.
        estimates: by metric, at the level that all ways of forging together ask for.
        commonest: what answers changed into most often: before, after and how many faces; ``None`` where none did.
    """

    forgery: Forgery
    estimates: dict[str, Estimate]
    commonest: tuple[str, str, int] | None


def turning_outputs(
    context: ProbeContext, outcomes: Outcomes, forgeries: list[Forgery], tolerance: float
) -> tuple[list[Output], list[Told]]:
    """Return the scores of every way of forging beside its control, and what a finding needs of them."""
    outputs: list[Output] = []
    told, lines = [], []
    level = 1 - (1 - context.rules.level) / max(1, len(forgeries))
    strict = replace(context.rules, level=level)
    for forgery in forgeries:
        scores = list(_scores(context, outcomes, forgery, tolerance))
        if not scores:
            continue
        outputs += scores
        people = context.faces.subject_codes
        estimates = {
            each.metric: each.estimate
            if isinstance(each, Measurement)
            else slice_scores(each, people, (), strict, context.probe_id)[0].estimate
            for each in scores
            if not each.slice
        }
        changed = _changed(context, outcomes, forgery)
        moves = [line for line in changed if line["before"] != line["after"]]
        most = max(moves, key=lambda line: int(str(line["faces"])), default=None)
        common = None if most is None else (str(most["before"]), str(most["after"]), int(str(most["faces"])))
        told.append(Told(forgery, estimates, common))
        lines += changed
    outputs.append(TableOutput("turned", pd.DataFrame(lines), "Answers before and after each forging"))
    return outputs, told


def _scores(
    context: ProbeContext, outcomes: Outcomes, forgery: Forgery, tolerance: float
) -> Iterator[Scores | Measurement]:
    here, control = _place(outcomes, forgery.condition), _place(outcomes, forgery.control)
    done = outcomes.possible[here]
    both = done & outcomes.possible[control]
    if not done.any():
        return
    key = forgery.condition.values
    rows = outcomes.rows[both]
    changed = outcomes.changed[here, both].astype(np.float64)
    null = outcomes.changed[control, both].astype(np.float64)
    # "changed" itself, over all faces and by group, comes with the outputs of every robustness probe.
    if both.any():
        yield _plain(NULL, rows, null, key)
        yield Scores(
            BEYOND,
            rows,
            changed - null,
            bounds=(-1.0, 1.0),
            direction="lower",
            condition=key,
            by_group=False,
            keep=False,
        )
    yield from _turned(context, outcomes, forgery, tolerance, done, both)
    yield from _answered(context, outcomes, key, here, done)


def _turned(
    context: ProbeContext, outcomes: Outcomes, forgery: Forgery, tolerance: float, done: Bool, both: Bool
) -> Iterator[Scores | Measurement]:
    """Yield how many answers become the expression brought in, beside the control and beside exchanged donors."""
    here, control = _place(outcomes, forgery.condition), _place(outcomes, forgery.control)
    key = forgery.condition.values
    before = context.predictions.predicted[outcomes.rows]
    stated = _stated(context, outcomes.rows, forgery)
    could = done & (stated >= 0) & (stated != before)
    if not could.any():
        if forgery.donors:
            reason = _NOT_KNOWN if (stated[done] < 0).all() else _NO_OTHER
            yield context.measurement(TURNED, Estimate.not_measured(reason, n=0), condition=key, direction="lower")
        return
    yield Scores(
        TURNED,
        outcomes.rows[could],
        (outcomes.answers[here, could] == stated[could]).astype(np.float64),
        kind="rate",
        bounds=(0.0, 1.0),
        direction="lower",
        condition=key,
        gaps=True,
        title=f"turn to the expression brought in by {forgery.words}",
        tolerance=tolerance,
    )
    held = could & both
    if held.any():
        same = outcomes.answers[control, held] == stated[held]
        yield _plain(TURNED_CONTROL, outcomes.rows[held], same.astype(np.float64), key)
    chance, known = by_exchange(before[could], stated[could], outcomes.answers[here, could])
    if known.mean() < 0.5:
        missing = Estimate.not_measured(_ONE, n=int(could.sum()))
        yield context.measurement(TURNED_NULL, missing, condition=key)
        return
    rows = outcomes.rows[could][known]
    turned = (outcomes.answers[here, could] == stated[could])[known].astype(np.float64)
    yield Scores(TURNED_NULL, rows, chance[known], bounds=(0.0, 1.0), condition=key, by_group=False, keep=False)
    yield Scores(
        TURNED_BEYOND, rows, turned - chance[known], bounds=(-1.0, 1.0), condition=key, by_group=False, keep=False
    )


def by_exchange(before: Integers, stated: Integers, after: Integers) -> tuple[NDArray[np.float64], Bool]:
    """Return how often each answer would be the donor's expression if donors were exchanged at random.

    They are exchanged among faces with the same answer before, so that what is brought in stays another expression:
    for each face the share of these donors that show what it is answered afterwards. That is the exact mean over all
    permutations.

    Args:
        before: (n,) the answer to the genuine photo.
        stated: (n,) the expression of the donor's photo.
        after: (n,) the answer to the forgery.

    Returns:
        The shares, (n,), and for which faces they say anything: not where every donor shows the same expression.
    """
    chance, known = np.zeros(len(before)), np.zeros(len(before), dtype=np.bool_)
    for answer in np.unique(before).tolist():
        these = before == answer
        chance[these] = (after[these][:, None] == stated[these][None, :]).mean(axis=1)
        known[these] = len(np.unique(stated[these])) > 1
    return chance, known


def _stated(context: ProbeContext, rows: Integers, forgery: Forgery) -> Integers:
    """Return the expression that is brought in to each face, (n,); -1 where it is not known."""
    brought = np.array([forgery.donors.get(row, -1) for row in rows.tolist()], dtype=np.int64)
    stated = np.full(len(rows), -1, dtype=np.int64)
    stated[brought >= 0] = expressions_of(context, brought[brought >= 0])
    return stated


def _plain(metric: str, rows: Integers, values: NDArray[np.float64], key: dict[str, str]) -> Scores:
    return Scores(metric, rows, values, kind="rate", bounds=(0.0, 1.0), condition=key, by_group=False, keep=False)


def _answered(
    context: ProbeContext, outcomes: Outcomes, key: dict[str, str], here: int, done: Bool
) -> Iterator[Scores]:
    """Yield for every class that is answered at all the share of the faces that get it, forged and as they are."""
    rows = outcomes.rows[done]
    before, after = context.predictions.predicted[rows], outcomes.answers[here, done]
    for place, name in enumerate(context.predictions.classes):
        if not (before == place).any() and not (after == place).any():
            continue
        for metric, found in ((ANSWERED, after), (ANSWERED_NULL, before)):
            yield Scores(
                metric,
                rows,
                (found == place).astype(np.float64),
                kind="rate",
                bounds=(0.0, 1.0),
                slice={"answer": name},
                condition=key,
                by_group=False,
                keep=False,
            )


def _changed(context: ProbeContext, outcomes: Outcomes, forgery: Forgery) -> list[dict[str, object]]:
    """Return how many faces went from which answer to which."""
    here = _place(outcomes, forgery.condition)
    kept = outcomes.possible[here]
    names = [*context.predictions.classes, "no answer"]
    before = context.predictions.predicted[outcomes.rows[kept]]
    pairs, counts = np.unique(np.stack([before, outcomes.answers[here, kept]]), axis=1, return_counts=True)
    title = forgery.condition.title
    return [
        {
            "forgery": title,
            "made_here": forgery.made_here,
            "before": names[int(first)],
            "after": names[int(second)],
            "faces": int(count),
        }
        for first, second, count in zip(*pairs, counts, strict=True)
    ]


def _place(outcomes: Outcomes, condition: Condition) -> int:
    return outcomes.conditions.index(condition)
