"""What is said of the scores: whether unknowns are told from known faces."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ....core.keys import format_key
from ....core.probes import Output, ProbeContext
from ....core.results import Finding, Severity
from ..brief import brief
from .confidence import MSP, TITLES
from .measuring import AUROC, FPR, LEFT_OUT, SCORE, Told

MANY = 0.5
_ONE_OF = "Such a picture is given one of the known classes with as much confidence as a face."
_BEST = "The best of the scores was chosen on these very pictures; chosen beforehand it does no better."
_OTHERS = "Other unknowns may be told apart more or less easily."


def unknown_findings(context: ProbeContext, told: Sequence[Told]) -> Iterator[Output]:
    """Yield a finding for each kind of unknowns of which most are surely accepted, and one note on the kinds.

    Args:
        context: of the probe.
        told: what each score says of each kind, kind by kind.
    """
    kinds = list(dict.fromkeys(next(iter(each.asked.condition.values())) for each in told))
    best = [_best([each for each in told if kind in each.asked.condition.values()]) for kind in kinds]
    measured = [each for each in best if each is not None]
    for each in measured:
        usual = next((one for one in told if one.asked is each.asked and one.score == MSP), each)
        if usual.fpr.low is not None and usual.fpr.low > MANY:
            yield _finding(context, usual, each)
    if measured:
        parts = "; ".join(f"{each.asked.title} {brief(each.fpr)} ({_named(each)})" for each in measured)
        yield context.finding(
            "unknowns",
            "note",
            "At the score that 95 % of the known faces reach, the share of unknowns accepted was, by the best score of "
            f"each kind: {parts}; a score that knows nothing accepts 0.95",
            evidence=[_key(context, FPR, each) for each in measured],
            caveats=[_BEST, _OTHERS],
        )


def left_out_findings(context: ProbeContext, told: Sequence[Told]) -> Iterator[Output]:
    """Yield a finding for each left-out class that no score surely tells from the known ones."""
    names = list(dict.fromkeys(each.asked.condition[LEFT_OUT] for each in told))
    for name in names:
        of_class = [each for each in told if each.asked.condition[LEFT_OUT] == name and each.auroc.value is not None]
        if not of_class:
            continue
        best = max(of_class, key=lambda each: each.auroc.value or 0.0)
        blind = all(each.auroc.low is not None and each.auroc.low <= 0.5 for each in of_class)
        claim = (
            f"Faces labelled {name}, which the checkpoint was not trained on, "
            + ("were not surely told from known ones by any score: the best" if blind else "were told from known ones:")
            + f" AUROC was {brief(best.auroc)} ({_named(best)}), and {brief(best.fpr)} of them were accepted"
        )
        severity: Severity = "low" if blind else "note"
        yield context.finding(
            f"without.{name}",
            severity,
            claim,
            evidence=[_key(context, AUROC, best), _key(context, FPR, best)],
            caveats=[
                _BEST,
                "Published nets without special training reach about 0.5 on real faces (Open-Set FER, AAAI 2024).",
            ],
        )


def _finding(context: ProbeContext, usual: Told, best: Told) -> Finding:
    """Return that most are accepted by the class probability, which is what a user of the model sees."""
    other = f"the best score, the {_named(best)}, accepts {brief(best.fpr)}"
    if best.score == usual.score:
        other = "no other score accepts fewer"
    return context.finding(
        f"accepts.{next(iter(usual.asked.condition.values()))}",
        "medium",
        f"Of {usual.asked.title}, {brief(usual.fpr)} reach the class probability that 95 % of known faces reach, so "
        f"that they pass as faces where a threshold is set on it; {other}",
        evidence=[_key(context, metric, each) for each in dict.fromkeys((usual, best)) for metric in (FPR, AUROC)],
        caveats=[_ONE_OF, _BEST],
    )


def _best(told: Sequence[Told]) -> Told | None:
    measured = [each for each in told if each.fpr.value is not None]
    return min(measured, key=lambda each: each.fpr.value or 0.0) if measured else None


def _named(told: Told) -> str:
    return TITLES[told.score]


def _key(context: ProbeContext, metric: str, told: Told) -> str:
    return format_key(context.probe_id, metric, None, {**told.asked.condition, SCORE: told.score})
