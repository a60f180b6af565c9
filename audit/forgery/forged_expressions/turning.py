"""From answers to scores: how many change beyond the control, and how many turn to what was brought in."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ....core.probes import Output, ProbeContext, Scores, TableOutput
from ....core.results import Estimate
from ....core.statistics.slicing import slice_scores
from ...robustness.conditions import Condition, Outcomes
from .forgeries import Forgery
from .made import expressions_of

NULL, BEYOND = "changed.null", "changed.beyond_null"
TURNED, TURNED_NULL = "turned", "turned.null"
ANSWERED, ANSWERED_NULL = "answered", "answered.null"
Bool = NDArray[np.bool_]


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
            each.metric: slice_scores(each, people, (), strict, context.probe_id)[0].estimate
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


def _scores(context: ProbeContext, outcomes: Outcomes, forgery: Forgery, tolerance: float) -> Iterator[Scores]:
    here, control = _place(outcomes, forgery.condition), _place(outcomes, forgery.control)
    both = outcomes.possible[here] & outcomes.possible[control]
    if not both.any():
        return
    key = forgery.condition.values
    rows = outcomes.rows[both]
    changed = outcomes.changed[here, both].astype(np.float64)
    null = outcomes.changed[control, both].astype(np.float64)
    # "changed" itself, over all faces and by group, comes with the outputs of every robustness probe.
    yield Scores(NULL, rows, null, kind="rate", bounds=(0.0, 1.0), condition=key, by_group=False, keep=False)
    yield Scores(
        BEYOND, rows, changed - null, bounds=(-1.0, 1.0), direction="lower", condition=key, by_group=False, keep=False
    )
    brought = np.array([forgery.donors.get(row, -1) for row in rows.tolist()], dtype=np.int64)
    stated = np.full(len(rows), -1, dtype=np.int64)
    stated[brought >= 0] = expressions_of(context, brought[brought >= 0])
    before = context.predictions.predicted[rows]
    could = (stated >= 0) & (stated != before)
    if could.any():
        after = outcomes.answers[here, both][could] == stated[could]
        same = outcomes.answers[control, both][could] == stated[could]
        yield Scores(
            TURNED,
            rows[could],
            after.astype(np.float64),
            kind="rate",
            bounds=(0.0, 1.0),
            direction="lower",
            condition=key,
            gaps=True,
            title=f"turn to the expression brought in by {forgery.words}",
            tolerance=tolerance,
        )
        yield Scores(
            TURNED_NULL, rows[could], same.astype(np.float64), kind="rate", bounds=(0.0, 1.0), condition=key,
            by_group=False, keep=False,
        )  # fmt: skip
    yield from _answered(context, outcomes, key, here, both)


def _answered(
    context: ProbeContext, outcomes: Outcomes, key: dict[str, str], here: int, both: Bool
) -> Iterator[Scores]:
    """Yield for every class that is answered at all the share of the faces that get it, forged and as they are."""
    rows = outcomes.rows[both]
    before, after = context.predictions.predicted[rows], outcomes.answers[here, both]
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
