"""What is claimed of attacks on a verification model, and whether the attack itself did its work."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from ....core.keys import format_key
from ....core.probes import ProbeContext
from ....core.results import Finding, Severity
from ..brief import brief
from ..indicators import SERIOUS_SHARE, TEST_LEVEL
from ..paired import compare_flips
from .attempts import Goal
from .measured import PHOTOS
from .successes import Condition, Successes

SERIOUS_SUCCESS = 0.5
_HARMS: Mapping[Goal, str] = {
    "impersonation": "somebody who changes their picture could pass as another person: into their account, across "
    "their border, or onto a list of suspects in their place",
    "dodging": "somebody who changes their picture could pass unrecognised: a person who is searched for is not found, "
    "one who is barred is let in",
}
_DONE: Mapping[Goal, str] = {
    "impersonation": "were taken for the person they were to be taken for",
    "dodging": "were no longer taken for the person they show",
}
_NOT_TRUSTED = "a low success under this attack is not evidence of robustness"


def success_finding(successes: Successes) -> Finding:
    """Tell the success at the smallest eps where it is surely at least half, which is ``high``.

    Where there is none, at the smallest where it is surely above that of noise and of nothing, ``medium``; else
    at the largest, a note. It is judged by another photo than the attack was given wherever there is one.
    """
    context, goal = successes.context, successes.attempts.goal
    why_not = successes.overall(successes.clean, "other").reason
    photo = PHOTOS[0] if why_not else PHOTOS[1]
    clean = successes.overall(successes.clean, photo)
    found = [successes.overall(each, photo) for each in successes.attacked]
    noises = [successes.overall(each, photo) for each in successes.noise]
    above = [
        level
        for level, (attacked, noise) in enumerate(zip(found, noises, strict=True))
        if attacked.low is not None and attacked.low > max(noise.high or 0.0, clean.high or 0.0)
    ]
    serious = [level for level in above if (found[level].low or 0.0) >= SERIOUS_SUCCESS]
    level = [*serious, *above, len(found) - 1][0]
    attacked, noise = found[level], noises[level]
    severity: Severity = "high" if serious else "medium" if above else "note"
    conditions = (successes.attacked[level], successes.noise[level], successes.clean)
    name, eps = conditions[0].attack, conditions[0].eps
    judged = "by another photo than the attack was given" if photo == "other" else "by the photo the attack was given"
    caveats = ["Any attack gives a lower bound on success; a stronger one may succeed more often."]
    if why_not:
        caveats.append(f"How far success carries to a photo that the attack never saw was not measured: {why_not}.")
    harm = f": {_HARMS[goal]}" if above else ""
    more = f" (at eps {successes.attacked[-1].eps}: {brief(found[-1])})" if level < len(found) - 1 else ""
    return context.finding(
        goal,
        severity,
        f"At eps {eps}, {brief(attacked)}{more} of {attacked.n or 0:,} photos changed by {name} {_DONE[goal]} (judged "
        f"{judged}), against {brief(clean)} of the same photos unchanged and {brief(noise)} under random noise of the "
        f"same size{harm}",
        evidence=[_key(context, goal, each, photo) for each in conditions],
        caveats=caveats,
    )


def failures(successes: Successes) -> Iterator[Finding]:
    """Yield a finding for every sign that the attack did not do its work."""
    context, goal, measured = successes.context, successes.attempts.goal, successes.measured
    total = len(successes.attempts)
    for name, marks, what in (
        ("out_of_bounds", measured.out_of_bounds, "left the stated bounds; they count as unchanged"),
        ("no_answer", measured.no_answer, "found pixels for which the model gives NaN; they count as unchanged"),
        ("no_gradient", measured.no_gradient, f"had no gradient to follow (zero, or not finite): {_NOT_TRUSTED}"),
    ):
        counts = marks.sum(1)
        worst = int(np.argmax(counts))
        if not counts[worst]:
            continue
        serious = name == "out_of_bounds" or counts[worst] >= SERIOUS_SHARE * total
        condition = successes.attacked[worst]
        yield context.finding(
            f"{goal}.{name}",
            "high" if serious else "low",
            f"{counts[worst]} of {total} attempts at {goal} by {condition.attack} at eps {condition.eps} {what}",
            evidence=[_key(context, goal, condition, PHOTOS[0])],
        )
    if measured.unstable.any():
        yield context.finding(
            f"{goal}.unstable",
            "high",
            f"The model embedded {int(measured.unstable.sum())} of {total} photos otherwise when asked again, in "
            "another batch: it is random or depends on the batch, and an attack that does not average over that "
            "understates success",
            evidence=[_key(context, goal, successes.clean, PHOTOS[0])],
        )
    yield from _weaker_than_noise(successes)


def _weaker_than_noise(successes: Successes) -> Iterator[Finding]:
    context, goal, photo = successes.context, successes.attempts.goal, PHOTOS[0]
    compared = [
        compare_flips(successes.succeeded(attacked, photo), successes.succeeded(noise, photo), successes.attackers)
        for attacked, noise in zip(successes.attacked, successes.noise, strict=True)
    ]
    worst = min(range(len(compared)), key=lambda level: compared[level].p_value)
    adjusted = min(1.0, compared[worst].p_value * len(compared))
    if adjusted <= TEST_LEVEL:
        attacked, noise = successes.attacked[worst], successes.noise[worst]
        yield context.finding(
            f"{goal}.weaker_than_noise",
            "high",
            f"At eps {attacked.eps}, random noise succeeded at {goal} on {compared[worst].only_second} photos on which "
            f"{attacked.attack} did not, and {attacked.attack} on {compared[worst].only_first} on which noise did not: "
            f"{_NOT_TRUSTED}",
            evidence=[_key(context, goal, attacked, photo), _key(context, goal, noise, photo)],
            p_adjusted=adjusted,
        )


def _key(context: ProbeContext, goal: Goal, condition: Condition, photo: str) -> str:
    return format_key(context.probe_id, goal, None, condition.key(photo))
