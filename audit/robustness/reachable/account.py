"""What the reachable attacks did, in findings, a table and shares of flips that outlast a camera."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ....core.keys import format_key
from ....core.probes import Note, Output, ProbeContext, Scores, TableOutput
from ....core.results import Estimate, Finding, Severity
from ....core.statistics.slicing import slice_scores
from ..brief import brief
from ..conditions import Condition, Outcomes
from ..paired import compare_flips
from .camera import CAMERAS
from .reach import KIND, Reach, Trace

TEST_LEVEL = 0.01
"""Chance, over all attacks together, of telling one apart from its control where neither is stronger."""
BLIND_SHARE = 0.05
"""Share of the faces that must have no gradient before it is told."""
_SUBJECTS = {
    "makeup": "Painted makeup of at most {size}",
    "eyeglasses": "The frame of drawn glasses",
    "patch": "A drawn sticker on {size} of the face",
    "low_frequency": "A smooth change of at most {size}",
}
_BOUNDS = {
    "makeup": "{size} of the range of a colour at most",
    "eyeglasses": "any colours",
    "patch": "{size} of the face's area, any colours",
    "low_frequency": "{size} of the range of a colour at most",
}


@dataclass(frozen=True, eq=False)
class Compared:
    """An attack beside its control, on the faces answered rightly to which both could be done.

    Attributes:
        attack: the attack.
        lost: share flipped by the attack.
        random: share flipped by the control.
        survived: share of the flips that outlast all cameras; not measured without flips.
        p_value: of the test that the attack flips more than the control.
        p_weaker: of the test that it flips fewer.
        trace: what was seen on the way.
    """

    attack: Condition
    lost: Estimate
    random: Estimate
    survived: Estimate
    p_value: float
    p_weaker: float
    trace: Trace


def survival_scores(reach: Reach, conditions: Sequence[Condition]) -> Iterator[Scores]:
    """Yield the share of flips that outlast each camera, of faces that it does not flip by itself."""
    for condition in conditions:
        for camera in CAMERAS:
            scores = _survival(reach, condition, camera)
            if scores is not None:
                yield scores


def _survival(reach: Reach, condition: Condition, camera: str) -> Scores | None:
    survived = reach.traces.get(condition, Trace()).survived[camera]
    if not survived:
        return None
    rows = np.array(sorted(survived), dtype=np.int64)
    values = np.array([survived[row] for row in rows.tolist()], dtype=np.float64)
    return Scores(
        "survives",
        rows,
        values,
        kind="rate",
        bounds=(0.0, 1.0),
        direction="lower",
        condition={**condition.values, "camera": camera},
        by_group=False,
        keep=False,
    )


def compare(
    context: ProbeContext, outcomes: Outcomes, reach: Reach, pairs: Sequence[tuple[Condition, Condition]]
) -> list[Compared]:
    """Compare each attack with its control."""
    found = []
    for attack, control in pairs:
        places = [outcomes.conditions.index(each) for each in (attack, control)]
        kept = outcomes.possible[places].all(0) & (outcomes.before > 0) & (outcomes.weights > 0)
        if not kept.any():
            continue
        first, second = (outcomes.lost[place][kept] > 0 for place in places)
        subjects = context.faces.subject_codes[outcomes.rows[kept]]
        survival = _survival(reach, attack, "all")
        nothing = Estimate.not_measured("it flipped no face that the camera does not flip by itself", n=0)
        found.append(
            Compared(
                attack,
                _rate(context, outcomes.rows[kept], first),
                _rate(context, outcomes.rows[kept], second),
                nothing if survival is None else _estimate(context, survival),
                compare_flips(second, first, subjects).p_value,
                compare_flips(first, second, subjects).p_value,
                reach.traces[attack],
            )
        )
    return found


def _rate(context: ProbeContext, rows: NDArray[np.int64], flipped: NDArray[np.bool_]) -> Estimate:
    return _estimate(context, Scores("lost", rows, flipped.astype(np.float64), kind="rate", bounds=(0.0, 1.0)))


def _estimate(context: ProbeContext, scores: Scores) -> Estimate:
    return slice_scores(scores, context.faces.subject_codes, (), context.rules, context.probe_id)[0].estimate


def table(compared: Sequence[Compared]) -> TableOutput:
    """Return one row for each attack and size."""
    rows = [
        {
            "attack": each.attack.name,
            "size": each.attack.size,
            "faces": each.lost.n,
            "covered": float(np.mean(each.trace.covered)) if each.trace.covered else None,
            "lost": each.lost.value,
            "lost_low": each.lost.low,
            "lost_high": each.lost.high,
            "lost_at_random": each.random.value,
            "survives": each.survived.value,
        }
        for each in compared
    ]
    return TableOutput("attacks", pd.DataFrame(rows), "Right answers lost to each attack and to random colours")


def findings(context: ProbeContext, compared: Sequence[Compared], search: str) -> Iterator[Finding]:
    """Yield for each attack what it does, at the smallest size that surely flips half; and signs of a bad search."""
    names = list(dict.fromkeys(each.attack.name for each in compared))
    for name in names:
        sizes = [each for each in compared if each.attack.name == name]
        halving = [each for each in sizes if each.lost.low is not None and each.lost.low > 0.5]
        yield _claim(context, (halving or sizes[-1:])[0], len(compared), search)
    yield from _failures(context, compared, search)


def _claim(context: ProbeContext, each: Compared, tests: int, search: str) -> Finding:
    adjusted = min(1.0, each.p_value * tests)
    beyond = adjusted <= TEST_LEVEL
    severity: Severity = "medium" if beyond else "note"
    name, size = each.attack.name, each.attack.size
    how = "with the model's gradients" if search == "gradient" else "from the model's answers alone"
    outlasting = "" if each.survived.value is None else f"; of these flips {brief(each.survived)} outlasted a camera"
    caveats = [
        f"Painted into the picture ({_BOUNDS[name].format(size=size)}): printing, light, pose and distance are not "
        "simulated.",
        f"The colours were searched for each picture anew, {how}; one pattern for all pictures would flip fewer.",
        "What a search does not find may still be there: the share is what was found at least.",
    ]
    if each.survived.value is not None:
        caveats.insert(
            1, "The camera: scaled to three quarters and back, moved by a pixel, saved as JPEG of quality 75."
        )
    if not beyond:
        caveats.append("Not surely more than random colours in the same place.")
    control = f"random_{name}"
    keys = [_key(context, "lost", each.attack.values), _key(context, "lost", {**each.attack.values, KIND: control})]
    if each.survived.value is not None:
        keys.append(_key(context, "survives", {**each.attack.values, "camera": "all"}))
    return context.finding(
        name,
        severity,
        f"{_SUBJECTS[name].format(size=size)} changed the answer on {brief(each.lost)} of the {each.lost.n:,} faces "
        f"that were answered rightly, random colours of the same size on {brief(each.random)}{outlasting}",
        evidence=keys,
        caveats=caveats,
        p_adjusted=adjusted,
    )


def _failures(context: ProbeContext, compared: Sequence[Compared], search: str) -> Iterator[Finding]:
    beyond = [each for each in compared if each.trace.out_of_bounds]
    if beyond:
        worst = max(beyond, key=lambda each: len(each.trace.out_of_bounds))
        yield context.finding(
            "out_of_bounds",
            "high",
            f"On {len(set(worst.trace.out_of_bounds))} faces {worst.attack.title} changed pixels beyond its bounds: "
            "these faces are counted as standing",
            evidence=[_key(context, "lost", worst.attack.values)],
        )
    weaker = min(compared, key=lambda each: each.p_weaker, default=None)
    if weaker is not None and min(1.0, weaker.p_weaker * len(compared)) <= TEST_LEVEL:
        yield context.finding(
            "weaker_than_random",
            "high",
            f"Random colours flipped more faces ({brief(weaker.random)}) than {weaker.attack.title} "
            f"({brief(weaker.lost)}): the search failed, and its figures are no evidence of robustness",
            evidence=[_key(context, "lost", weaker.attack.values)],
            p_adjusted=min(1.0, weaker.p_weaker * len(compared)),
        )
    if search != "gradient":
        return
    for each in compared:
        count, of = len(set(each.trace.no_gradient)), each.lost.n or 0
        if of and count >= BLIND_SHARE * of:
            yield context.finding(
                "no_gradient." + "_".join(filter(None, (each.attack.name, each.attack.size.replace("/", "_")))),
                "low",
                f"On {count} of {of} faces the answer has no gradient where {each.attack.title} is painted: the model "
                "does not look there, or its gradients are masked",
                evidence=[_key(context, "lost", each.attack.values)],
                caveats=["`search: square` asks for answers only and tells the two apart."],
            )


def notes(reach: Reach, pairs: Sequence[tuple[Condition, Condition]]) -> Iterator[Output]:
    """Say on how many faces an attack was not possible, and why."""
    for attack, _ in pairs:
        for reason, count in sorted(reach.traces.get(attack, Trace()).reasons.items()):
            faces = "face" if count == 1 else "faces"
            yield Note(f"Not possible on {count} {faces}: {attack.title.removesuffix(', searched')}, since {reason}.")


def _key(context: ProbeContext, metric: str, condition: dict[str, str]) -> str:
    return format_key(context.probe_id, metric, None, condition)
