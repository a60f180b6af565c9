"""The drill's results: what was measured of every setting, as measurements and a table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ....core.probes import Output, ProbeContext, TableOutput
from ....core.results import Estimate
from .estimates import auroc_difference
from .measuring import Answers, Tested, clean_scores, stamp_scores
from .training import CLEAN, Setting, Trained

NONE = "none"
EMBEDDED = {"real_copies": "on the genuine copies alone", "before_blending": "before self-blending"}


@dataclass(frozen=True, eq=False)
class Outcome:
    """The nets of one setting behind one defence.

    Attributes:
        setting: what was trained on.
        defence: its name; ``none`` for the nets as they came out.
        answers: of each net, by its number; none where it could not be had.
        nets: the trained nets, by number.
        lost: nets that did not come out, with the reason.
        reason: why there are no answers.
        told: what the defence did to the last net.
    """

    setting: Setting
    defence: str
    answers: Mapping[int, Answers]
    nets: Mapping[int, Trained]
    lost: tuple[str, ...] = ()
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
    def share(self) -> float | None:
        """Share of the training people who were stamped, a whole number of them; ``None`` where no net came out."""
        first = next(iter(self.nets.values()), None)
        return None if first is None else first.people / first.trained_people

    @property
    def title(self) -> str:
        """In words, for claims."""
        if self.setting.embedding is None:
            return "clean data"
        first = next(iter(self.nets.values()), None)
        who = (
            f"{self.setting.share:.0%} of the training people"
            if first is None
            else f"{self.share:.1%} of the training people ({first.people} of {first.trained_people})"
        )
        return f"{who} stamped {EMBEDDED[self.setting.embedding]}"


@dataclass(frozen=True)
class Rise:
    """What was measured of an outcome.

    Attributes:
        outcome: the nets.
        detection: AUROC of forged against genuine faces.
        backdoor: BD-AUC.
        success: of the attack.
        over_clean: BD-AUC beyond the clean nets of the same numbers.
        lost: their detection beyond this.
        p: two-sided, of no difference in BD-AUC.
    """

    outcome: Outcome
    detection: Estimate
    backdoor: Estimate
    success: Estimate
    over_clean: Estimate
    lost: Estimate
    p: float | None


def measured_of(context: ProbeContext, tested: Tested, found: Sequence[Outcome]) -> list[Rise]:
    """Measure every outcome; the first is that of clean data."""
    return [_measure(context, tested, outcome, found[0]) for outcome in found]


def _measure(context: ProbeContext, tested: Tested, outcome: Outcome, clean: Outcome) -> Rise:
    if not outcome.answers:
        none = Estimate.not_measured(outcome.reason)
        return Rise(outcome, none, none, none, none, none, None)
    rules = context.rules
    over = lost = Estimate.not_measured("nets of clean data without a defence are what is compared with")
    p = None
    if outcome.setting is not CLEAN and outcome.defence == NONE:
        both = sorted(outcome.answers.keys() & clean.answers.keys())
        over = lost = Estimate.not_measured("no net has a partner of clean data that is trained with the same seed")
        if both:
            here, there = ([of.answers[number] for number in both] for of in (outcome, clean))
            one, other = ([stamp_scores(net) for net in each] for each in (here, there))
            over, p = auroc_difference(one, other, *tested.stamp_kinds(), rules)
            one, other = ([clean_scores(net) for net in each] for each in (there, here))
            lost, _ = auroc_difference(one, other, *tested.detection_kinds(), rules)
    nets = list(outcome.answers.values())
    return Rise(
        outcome, tested.detection(nets, rules), tested.backdoor(nets, rules), tested.success(nets, rules), over, lost, p
    )


def measurements(context: ProbeContext, tested: Tested, rise: Rise) -> Iterator[Output]:
    """Yield the measurements of an outcome."""
    outcome, where = rise.outcome, rise.outcome.condition
    yield context.measurement("clean_auroc", rise.detection, condition=where, direction="higher")
    yield context.measurement("bd_auc", rise.backdoor, condition=where, direction="lower")
    yield context.measurement("attack_success", rise.success, condition=where, direction="lower")
    if outcome.setting is CLEAN or outcome.defence != NONE:
        return
    yield context.measurement("bd_auc.over_clean", rise.over_clean, condition=where, direction="lower")
    yield context.measurement("clean_auroc.lost", rise.lost, condition=where, direction="lower")
    nets = list(outcome.answers.values())
    for control in nets[0].controls if nets else ():
        estimate = tested.backdoor(nets, context.rules, control)
        yield context.measurement("bd_auc", estimate, condition={**where, "control": control})


def table(measured: Sequence[Rise], visible: Mapping[str, Estimate]) -> TableOutput:
    """Return the table ``drill``: a line for every setting and defence."""
    lines = []
    for rise in measured:
        outcome = rise.outcome
        first = next(iter(outcome.nets.values()), None)
        seconds = [net.seconds for net in outcome.nets.values()]
        lines.append(
            {
                "share": outcome.setting.share,
                "share_stamped": outcome.share,
                "embedding": outcome.setting.embedding or NONE,
                "defence": outcome.defence,
                "clean_auc": rise.detection.value,
                "clean_low": rise.detection.low,
                "clean_high": rise.detection.high,
                "bd_auc": rise.backdoor.value,
                "bd_low": rise.backdoor.low,
                "bd_high": rise.backdoor.high,
                "success": rise.success.value,
                "success_low": rise.success.low,
                "success_high": rise.success.high,
                "linf": visible["linf"].value if outcome.setting.share else None,
                "psnr": visible["psnr"].value if outcome.setting.share else None,
                "ssim": visible["ssim"].value if outcome.setting.share else None,
                "seconds": round(float(np.mean(seconds)), 2) if seconds else None,
                "nets": len(outcome.answers),
                "people_stamped": None if first is None else first.people,
                "photos_stamped": None if first is None else first.stamped,
                "over_clean": rise.over_clean.value,
                "over_clean_low": rise.over_clean.low,
                "over_clean_high": rise.over_clean.high,
                "told": outcome.told,
                "lost": "; ".join(outcome.lost),
                "reason": outcome.reason or rise.backdoor.reason or "",
            }
        )
    return TableOutput("drill", pd.DataFrame(lines), "The drill: trainings, and defences of the poisoned nets")
