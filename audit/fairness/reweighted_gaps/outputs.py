"""What is told of reweighted gaps: values of groups, gaps that are left, what went away, a table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

import numpy as np
import pandas as pd
from scipy.special import ndtri

from ....core.keys import format_key
from ....core.probes import ProbeContext
from ....core.results import Direction, Estimate, Finding, Measurement
from ....core.statistics.correlated_gaps import answer_correlated, ask_correlated
from ....core.statistics.gap_questions import ATTRIBUTE, GroupQuestion
from ....core.statistics.gaps import Asked, NoGap
from ....core.statistics.reweighting import value_limits
from .questions import Question

Which = Literal["observed", "reweighted"]
OBSERVED: Which = "observed"
REWEIGHTED: Which = "reweighted"
METHOD_VALUE = "wilson_influence"
METHOD_AWAY = "simultaneous_pairs"
DIRECTIONS: dict[str, Direction] = {"accuracy": "higher", "recall": "higher", "precision": "higher", "fpr": "lower"}
TITLES = {"fpr": "FPR"}
MOVED = 0.02


def value_measurements(context: ProbeContext, question: Question) -> Iterator[Measurement]:
    """Yield the value of every group as observed and reweighted, and what goes away of the largest difference."""
    direction, level = DIRECTIONS[question.metric], context.rules.level
    place = {**question.slice, ATTRIBUTE: question.groups.name}
    kept = question.support.kept
    if question.weighed is None or question.away is None:
        estimate = Estimate.not_measured(question.reason)
        yield context.measurement(f"{question.metric}.explained", estimate, slice=place)
        return
    weighed = question.weighed
    for name, values in ((OBSERVED, weighed.observed), (REWEIGHTED, weighed.reweighted)):
        variance = np.diag(weighed.covariance(name))
        low, high = value_limits(values, variance, float(ndtri(0.5 + level / 2)))
        for group, code in enumerate(question.support.groups):
            bounded = bool(np.isfinite(low[group]))
            estimate = Estimate(
                value=float(values[group]),
                low=float(low[group]) if bounded else None,
                high=float(high[group]) if bounded else None,
                level=level if bounded else None,
                method=METHOD_VALUE if bounded else None,
                n=int(weighed.faces[group]),
                subjects=int(weighed.people[group]),
            )
            yield context.measurement(
                f"{question.metric}.{name}",
                estimate,
                slice={**question.slice, **question.groups.values[code]},
                direction=direction,
            )
    away, n = question.away, int(weighed.faces.sum())
    gone = Estimate(value=away.away, low=away.low, high=away.high, level=level, method=METHOD_AWAY, n=n)
    yield context.measurement(f"{question.metric}.explained", gone, slice=place)
    yield context.measurement(f"{question.metric}.faces_kept", Estimate(value=kept, n=n), slice=place)


def answered(context: ProbeContext, questions: Sequence[Question], name: Which) -> list[GroupQuestion]:
    """Answer together how far the groups differ, as observed or reweighted."""
    asked: list[Asked | NoGap] = []
    for one in questions:
        left_out = {", ".join(one.groups.values[group].values()): why for group, why in one.support.left_out.items()}
        out_of_scope = [", ".join(one.groups.values[code].values()) for code in one.groups.out_of_scope]
        if one.weighed is None:
            asked.append(NoGap(one.reason, left_out, len(set(left_out) - set(out_of_scope))))
            continue
        asked.append(
            ask_correlated(
                one.weighed.observed if name == OBSERVED else one.weighed.reweighted,
                one.weighed.covariance(name),
                one.weighed.faces.astype(np.float64),
                one.names,
                context.rules,
                context.random("gap", name, one.metric, str(one.label), one.groups.name),
                people=int((one.weighed.of_reweighted != 0).any(axis=1).sum()),
                faces=int(one.weighed.faces.sum()),
                group_people=one.weighed.people,
                left_out=left_out,
                out_of_scope=out_of_scope,
                direction=DIRECTIONS[one.metric],
            )
        )
    gaps = iter(answer_correlated([one for one in asked if isinstance(one, Asked)]))
    return [
        GroupQuestion(
            context.probe_id,
            f"{question.metric}.{name}",
            question.groups.name,
            one if isinstance(one, NoGap) else next(gaps),
            question.slice,
            direction=DIRECTIONS[question.metric],
            title=f"{name} {TITLES.get(question.metric, question.metric)}",
            level=context.rules.level,
        )
        for question, one in zip(questions, asked, strict=True)
    ]


def mix_findings(context: ProbeContext, questions: Sequence[Question]) -> Iterator[Finding]:
    """Yield one finding per attribute whose largest gap as observed comes in part from other mixes."""
    for groups in dict.fromkeys(question.groups for question in questions):
        moved = []
        for question in questions:
            away = question.away
            if question.groups is not groups or away is None or abs(away.away) < MOVED:
                continue
            if away.low > 0 or away.high < 0:
                moved.append((abs(away.away), question, away))
        if not moved:
            continue
        moved.sort(key=lambda one: -one[0])
        _, question, away = moved[0]
        of = f" of {question.label}" if question.label else ""
        metric = f"{TITLES.get(question.metric, question.metric)}{of}"
        verb = "smaller" if away.away > 0 else "larger"
        more = f" {len(moved) - 1} other rates move too." if len(moved) > 1 else ""
        place = {**question.slice, ATTRIBUTE: groups.name}
        yield context.finding(
            f"mix.{groups.name}",
            "note",
            f"The {metric} of {question.names[away.lower]} and {question.names[away.upper]} differs by "
            f"{away.observed:.3f} as observed and by {away.reweighted:.3f} when both have the same mix of labels and "
            f"controls: it is {verb} by {abs(away.away):.3f} [{min(abs(away.low), abs(away.high)):.3f}, "
            f"{max(abs(away.low), abs(away.high)):.3f}].{more}",
            evidence=[format_key(context.probe_id, f"{question.metric}.explained", place)],
            caveats=[
                "FPR and precision depend on which labels a group has: a part that goes away is due to the data, and "
                "one that stays is not explained by them.",
                "The people of a group may still be worse off in use, where their mix is what it is.",
            ],
        )


def table_of(questions: Sequence[Question]) -> pd.DataFrame:
    """Lay out every question: the pair that differs most as observed, and its difference at the common mix."""
    rows = []
    for one in questions:
        away, names = one.away, one.names
        rows.append(
            {
                "attributes": one.groups.name,
                "metric": one.metric,
                "label": one.label or "",
                "lower": names[away.lower] if away else "",
                "higher": names[away.upper] if away else "",
                "gap_observed": away.observed if away else np.nan,
                "gap_reweighted": away.reweighted if away else np.nan,
                "explained": away.away if away else np.nan,
                "explained_low": away.low if away else np.nan,
                "explained_high": away.high if away else np.nan,
                "faces_kept": one.support.kept,
                "groups_left_out": "; ".join(
                    f"{', '.join(one.groups.values[group].values())} ({why})"
                    for group, why in one.support.left_out.items()
                ),
                "not_measured_because": one.reason,
            }
        )
    return pd.DataFrame(rows)
