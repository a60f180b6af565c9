"""What the occlusions say in sentences: do guided patches cut deeper, and what costs most."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from ....core.keys import format_key
from ....core.probes import ProbeContext, Scores
from ....core.results import Estimate, Finding, Severity
from ....core.statistics.slicing import slice_scores
from ..brief import brief
from ..conditions import NONE, Outcomes
from .catalogue import ELSEWHERE, GUIDED, KIND, MOVED, RANDOM, Catalogue, title_of
from .curves import Standing, beyond_elsewhere, curve_scores
from .objects import OBJECTS

_FILLED = (
    "Hidden pixels make pictures the model never saw; some of the loss may be due to that and not to what is hidden."
)
_DRAWN = "The things are drawn, in a few colours and forms; real ones differ."
_COSTLY = {
    "regions": "Accuracy hangs on these parts of the face, more than on as much at a random place: ",
    "objects": "Accuracy is lost to what people wear or hold, more than to the same thing at a random place: ",
}


def estimate(context: ProbeContext, scores: Scores, tests: int = 1) -> Estimate:
    """Return the overall estimate of scores, at a level that holds for so many intervals together (Bonferroni)."""
    rules = replace(context.rules, level=1 - (1 - context.rules.level) / tests)
    only = replace(scores, by_group=False, gaps=False)
    return slice_scores(only, context.faces.subject_codes, (), rules, context.probe_id)[0].estimate


def guided_finding(
    context: ProbeContext, outcomes: Outcomes, standing: Standing, catalogue: Catalogue, method: str
) -> Iterator[Finding]:
    """Say whether hiding what a map marks costs more than the same patches elsewhere, and than as many at random.

    The map moved elsewhere decides: patches side by side, as a coarse map marks them, do other harm than scattered
    ones, whatever they hide.
    """
    scores = list(curve_scores(outcomes, standing, catalogue))
    area = {dict(each.condition)[KIND]: each for each in scores if each.metric == standing.area}
    by_metric = {each.metric: each for each in scores}
    beyond = estimate(context, by_metric["elsewhere_minus_guided"]) if "elsewhere_minus_guided" in by_metric else None
    if beyond is None or beyond.value is None or beyond.low is None or beyond.high is None:
        return
    against_random = estimate(context, by_metric["random_minus_guided"])
    evidence = [
        format_key(context.probe_id, metric, None, {})
        for metric in ("elsewhere_minus_guided", "random_minus_guided", "random_minus_guided.null_elsewhere")
    ]
    evidence += [format_key(context.probe_id, standing.area, None, {KIND: name}) for name in (GUIDED, RANDOM, MOVED)]
    sizes = ", ".join(f"{brief(estimate(context, area[name]))} {what}" for name, what in (
        (GUIDED, "with the patches hidden first that the map marks most"),
        (MOVED, "with the map moved elsewhere"),
        (RANDOM, "with patches at random"),
    ))  # fmt: skip
    severity: Severity
    if beyond.low > 0:
        name, severity = "guided", "note"
        claim = f"What {method} marks is what the answer hangs on more than other places: "
    elif beyond.high <= 0:
        name, severity = "map_misleads", "medium"
        claim = (
            f"What {method} marks is not what the answer hangs on: hiding it costs no more than the same elsewhere. "
        )
    else:
        name, severity = "map_not_confirmed", "low"
        claim = f"It was not shown that the answer hangs on what {method} marks: "
    what = "accuracy over the shares" if standing.area == "area" and standing.rises else standing.area.replace("_", " ")
    claim += (
        f"the mean of {what} was {sizes}; elsewhere minus guided {brief(beyond)}, random minus guided "
        f"{brief(against_random)}, on {beyond.n:,} faces"
    )
    yield context.finding(name, severity, claim, evidence=evidence, caveats=[_FILLED])


def costly_findings(
    context: ProbeContext, outcomes: Outcomes, standing: Standing, names: Sequence[str], family: str
) -> Iterator[Finding]:
    """Say which regions, or objects, cost more where they belong than elsewhere; the costliest first.

    ``medium`` when accuracy under one is surely below half of what it is without; objects else ``low`` and regions, on
    which an expression has to show, a ``note``. Intervals hold together for all of the family.
    """
    if not outcomes.quality.labelled or not outcomes.quality.counts:
        return
    sure = []
    halved = False
    for name in names:
        if not outcomes.possible[outcomes.of(**{KIND: name})[0]].any():
            continue
        beyond = estimate(context, beyond_elsewhere(outcomes, standing, name), len(names))
        if beyond.low is None or beyond.low <= 0:
            continue
        under, clean = (estimate(context, each, len(names)) for each in _accuracies(outcomes, name))
        there = estimate(context, _accuracies(outcomes, name + ELSEWHERE)[0], len(names))
        halved |= under.high is not None and clean.value is not None and under.high < clean.value / 2
        sure.append((under.value or 0.0, name, brief(under), brief(there), brief(clean)))
    if not sure:
        return
    sure.sort()
    parts = [
        f"{under} under {title_of(name)} ({there} with the same elsewhere, {clean} as they are)"
        for _, name, under, there, clean in sure
    ]
    severity: Severity = "medium" if halved else "low" if family == "objects" else "note"
    evidence = [
        format_key(context.probe_id, metric, None, {KIND: each})
        for _, name, *_ in sure
        for metric, each in (("accuracy", name), ("beyond_elsewhere", name), ("accuracy", name + ELSEWHERE))
    ]
    evidence.append(format_key(context.probe_id, "accuracy", None, {KIND: NONE}))
    yield context.finding(
        f"costly_{family}",
        severity,
        _COSTLY[family] + "; ".join(parts),
        evidence=evidence,
        caveats=[_DRAWN if family == "objects" else _FILLED],
    )


def family_of(name: str) -> str:
    """Return ``objects`` or ``regions``."""
    return "objects" if name in OBJECTS else "regions"


def _accuracies(outcomes: Outcomes, name: str) -> tuple[Scores, Scores]:
    """Return accuracy under an occlusion, and as they are, of the faces that it could be done to."""
    at = outcomes.of(**{KIND: name})[0]
    usable = outcomes.possible[at] & (outcomes.weights > 0)
    under, clean = (
        Scores("accuracy", outcomes.rows[usable], np.asarray(values, dtype=np.float64)[usable],
               outcomes.weights[usable], kind="rate", bounds=(0.0, 1.0))
        for values in (outcomes.after[at], outcomes.before)
    )  # fmt: skip
    return under, clean
