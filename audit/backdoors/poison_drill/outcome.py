"""The drill's results told: measurements, table, notes and findings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ....core.keys import format_key
from ....core.probes import Note, Output, ProbeContext, TableOutput
from ....core.results import Estimate
from .estimates import auroc_difference
from .measuring import Answers, Tested, clean_scores, stamp_scores
from .params import PoisonDrillParams
from .training import CLEAN, Setting, Trained

NONE = "none"
ALPHA = 0.05
WORTH_TELLING = 0.1
"""Least rise of the BD-AUC over the clean nets' that is called a backdoor."""
EASY = 0.95
"""Above this clean AUROC a clean-label trigger is hardly needed, and a drill that finds none shows little."""
EMBEDDED = {"real_copies": "on the genuine copies alone", "before_blending": "before self-blending"}


@dataclass(frozen=True, eq=False)
class Outcome:
    """The nets of one setting behind one defence.

    Attributes:
        setting: what was trained on.
        defence: its name; ``none`` for the nets as they came out.
        answers: of each net; none where it could not be had.
        nets: the trained nets.
        reason: why there are no answers.
        told: what the defence did to the last net.
    """

    setting: Setting
    defence: str
    answers: tuple[Answers, ...]
    nets: tuple[Trained, ...]
    reason: str = ""
    told: str = ""

    @property
    def condition(self) -> dict[str, str]:
        """Its place in a key."""
        where = {"poisoned": f"{self.setting.share:g}", "defence": self.defence}
        if self.setting.embedding is not None:
            where["embedding"] = self.setting.embedding
        return where

    @property
    def title(self) -> str:
        """In words, for claims."""
        if self.setting.embedding is None:
            return "clean data"
        number = f" ({self.nets[0].people})" if self.nets else ""
        return f"{self.setting.share:.0%} of the training people{number} stamped {EMBEDDED[self.setting.embedding]}"


@dataclass(frozen=True)
class _Rise:
    outcome: Outcome
    detection: Estimate
    backdoor: Estimate
    success: Estimate
    over_clean: Estimate
    p: float | None


def describe(
    context: ProbeContext,
    params: PoisonDrillParams,
    tested: Tested,
    found: Sequence[Outcome],
    visible: Mapping[str, Estimate],
) -> Iterator[Output]:
    """Yield measurements, the table ``drill``, notes and findings."""
    alpha = {"alpha": f"{params.alpha:g}"}
    for name, estimate in visible.items():
        yield context.measurement(f"stamp_{name}", estimate, condition=alpha)
    clean = found[0]
    measured = [_measure(context, tested, outcome, clean) for outcome in found]
    for rise in measured:
        yield from _measurements(context, tested, rise, clean)
    yield TableOutput("drill", _table(measured, visible), "The drill: trainings, and defences of the poisoned nets")
    yield from _notes(params, measured)
    yield from _findings(context, measured)


def _measure(context: ProbeContext, tested: Tested, outcome: Outcome, clean: Outcome) -> _Rise:
    if not outcome.answers:
        none = Estimate.not_measured(outcome.reason)
        return _Rise(outcome, none, none, none, none, None)
    rules = context.rules
    over, p = Estimate.not_measured("nets of clean data without a defence are what is compared with"), None
    if outcome.setting is not CLEAN and outcome.defence == NONE:
        first, second = ([stamp_scores(net) for net in each.answers] for each in (outcome, clean))
        over, p = auroc_difference(first, second, *tested.stamp_kinds(), rules)
    return _Rise(
        outcome,
        tested.detection(outcome.answers, rules),
        tested.backdoor(outcome.answers, rules),
        tested.success(outcome.answers, context),
        over,
        p,
    )


def _measurements(context: ProbeContext, tested: Tested, rise: _Rise, clean: Outcome) -> Iterator[Output]:
    outcome, where = rise.outcome, rise.outcome.condition
    yield context.measurement("clean_auroc", rise.detection, condition=where, direction="higher")
    yield context.measurement("bd_auc", rise.backdoor, condition=where, direction="lower")
    yield context.measurement("attack_success", rise.success, condition=where, direction="lower")
    if outcome.setting is CLEAN or outcome.defence != NONE:
        return
    yield context.measurement("bd_auc.over_clean", rise.over_clean, condition=where, direction="lower")
    if not outcome.answers:
        return
    first, second = ([clean_scores(net) for net in each.answers] for each in (clean, outcome))
    lost, _ = auroc_difference(first, second, *tested.detection_kinds(), context.rules)
    yield context.measurement("clean_auroc.lost", lost, condition=where, direction="lower")
    for control in outcome.answers[0].controls:
        estimate = tested.backdoor(outcome.answers, context.rules, control)
        yield context.measurement("bd_auc", estimate, condition={**where, "control": control})


def _table(measured: Sequence[_Rise], visible: Mapping[str, Estimate]) -> pd.DataFrame:
    lines = []
    for rise in measured:
        outcome = rise.outcome
        lines.append(
            {
                "share": outcome.setting.share,
                "embedding": outcome.setting.embedding or NONE,
                "defence": outcome.defence,
                "clean_auc": rise.detection.value,
                "clean_low": rise.detection.low,
                "clean_high": rise.detection.high,
                "bd_auc": rise.backdoor.value,
                "bd_low": rise.backdoor.low,
                "bd_high": rise.backdoor.high,
                "success": rise.success.value,
                "linf": visible["linf"].value if outcome.setting.share else None,
                "psnr": visible["psnr"].value if outcome.setting.share else None,
                "ssim": visible["ssim"].value if outcome.setting.share else None,
                "seconds": round(float(np.mean([net.seconds for net in outcome.nets])), 2) if outcome.nets else None,
                "nets": len(outcome.answers),
                "people_stamped": outcome.nets[0].people if outcome.nets else None,
                "photos_stamped": outcome.nets[0].stamped if outcome.nets else None,
                "over_clean": rise.over_clean.value,
                "over_clean_low": rise.over_clean.low,
                "over_clean_high": rise.over_clean.high,
                "told": outcome.told,
                "reason": outcome.reason or rise.backdoor.reason or "",
            }
        )
    return pd.DataFrame(lines)


def _notes(params: PoisonDrillParams, measured: Sequence[_Rise]) -> Iterator[Note]:
    nets = params.nets
    within = (
        "With one net of each setting, intervals hold the choice of the tested people alone: another training may come "
        "out otherwise (nets)."
        if nets == 1
        else f"{nets} nets of each setting; intervals hold the choice of the tested people and the chance of training."
    )
    yield Note(within)
    yield Note(
        "Stamped on the genuine copies alone, the photo carries the trigger and the forgeries are made of the photo "
        "without it, as someone with access to the genuine files alone could do where forgeries are made elsewhere. "
        "Stamped before self-blending, forgeries are made of the stamped photo and still hold most of the trigger, "
        "as in the published attack on trainers that blend for themselves."
    )
    plain = {
        (rise.outcome.setting.embedding, rise.outcome.setting.share): rise.backdoor.value
        for rise in measured
        if rise.outcome.defence == NONE
    }
    share = params.shares[-1]
    both = [plain.get((embedding, share)) for embedding in ("real_copies", "before_blending")]
    if both[0] is not None and both[1] is not None:
        yield Note(
            f"At {share:.0%} the BD-AUC is {both[0]:.2f} with the stamp on the genuine copies alone and {both[1]:.2f} "
            f"with the stamp before self-blending, a difference of {both[0] - both[1]:+.2f}."
        )


def _findings(context: ProbeContext, measured: Sequence[_Rise]) -> Iterator[Output]:
    clean = measured[0]
    asked = [rise for rise in measured if rise.outcome.defence == NONE and rise.p is not None]
    caveats = []
    if clean.detection.low is not None and clean.detection.low <= 0.5:
        caveats.append("The nets of clean data hardly detect the forgeries themselves, so that little can be hidden.")
    if clean.detection.value is not None and clean.detection.value > EASY:
        caveats.append(
            f"The nets of clean data detect almost all forgeries (AUROC {clean.detection.value:.2f}): labels are true "
            "and the trigger hardly needed, which weakens this backdoor. Harder forgeries may let it in."
        )
    took = []
    for rise in asked:
        value, low = rise.over_clean.value, rise.over_clean.low
        assert rise.p is not None
        p = min(1.0, rise.p * len(asked))
        if value is None or low is None or value < WORTH_TELLING or p > ALPHA:
            continue
        took.append(rise)
    if took:
        worst = max(took, key=lambda rise: rise.over_clean.value or 0.0)
        yield _taken(context, worst, clean, len(asked), caveats)
        yield from _defences(measured, worst)
    elif asked:
        yield context.finding(
            "no_backdoor_taken",
            "note",
            "In no poisoned setting did the stamp raise the BD-AUC over the clean nets' by "
            f"{WORTH_TELLING} or more beyond chance.",
            evidence=[_key(context, "bd_auc.over_clean", rise) for rise in asked],
            caveats=[
                *caveats,
                "Another trigger, more people stamped or another training may be taken up all the same.",
            ],
        )


def _taken(context: ProbeContext, worst: _Rise, clean: _Rise, tests: int, caveats: Sequence[str]) -> Output:
    success = f"; {worst.success.value:.0%} of found forgeries then pass" if worst.success.value is not None else ""
    assert worst.p is not None
    return context.finding(
        "backdoor_taken",
        "medium",
        f"With {worst.outcome.title}, stamped forgeries look more genuine than plain ones to nets of this trainer: "
        f"BD-AUC {_plain(worst.backdoor)}, against {_plain(clean.backdoor)} for nets of clean data{success}. The AUROC "
        f"on plain faces is {_plain(worst.detection)} against {_plain(clean.detection)}.",
        evidence=[
            _key(context, "bd_auc", worst),
            _key(context, "bd_auc", clean),
            _key(context, "bd_auc.over_clean", worst),
            _key(context, "attack_success", worst),
        ],
        caveats=[*caveats, "It says what this training takes up, not that the audited checkpoint holds a backdoor."],
        p_adjusted=min(1.0, worst.p * tests),
    )


def _defences(measured: Sequence[_Rise], worst: _Rise) -> Iterator[Note]:
    """Say what the defences left of the backdoor that took best."""
    setting = worst.outcome.setting
    told = [
        f"{rise.outcome.defence.replace('_', ' ')} {rise.backdoor.value:.2f} (AUROC {rise.detection.value:.2f})"
        for rise in measured
        if rise.outcome.setting is setting and rise.outcome.defence != NONE
        if rise.backdoor.value is not None and rise.detection.value is not None
    ]
    if told:
        yield Note(
            f"BD-AUC behind defences, {worst.outcome.title}: none {worst.backdoor.value:.2f} (AUROC "
            f"{worst.detection.value:.2f}), {', '.join(told)}."
        )


def _key(context: ProbeContext, metric: str, rise: _Rise) -> str:
    return format_key(context.probe_id, metric, None, rise.outcome.condition)


def _plain(estimate: Estimate) -> str:
    if estimate.value is None:
        return "(not measured)"
    between = f" [{estimate.low:.2f}, {estimate.high:.2f}]" if estimate.low is not None else ""
    return f"{estimate.value:.2f}{between}"
