"""The probe ``adversarial``: accuracy when the pixels of a face may be changed by at most eps, on purpose."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Literal

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from pydantic import Field, field_validator, model_validator

from ...core.errors import AuditError
from ...core.faces import FaceBatch
from ...core.keys import format_key
from ...core.numbers import Fraction
from ...core.probe_params import one_or_many
from ...core.probes import Need, Note, Output, ProbeContext, ProbeParams, Scores, TableOutput, probe
from ...core.results import Estimate
from .attacks import APGD, FAB, FGSM, PGD, Attack, Norm
from .attacks.square import Square
from .black_box import BlackBox
from .conditions import Condition, Perturbed, at_chance, measured_rows
from .headline import headline, in_words
from .indicators import check_scores, find_failures
from .ledger import Ledger
from .search import Checks, Search, search
from .stopping import Floors
from .strip import strip
from .tiers import TIERS, Ensemble, tier, told
from .unlimited import Unlimited

AttackName = Literal["quick", "standard", "full", "pgd", "fgsm", "apgd_ce", "apgd_dlr", "apgd_t", "fab_t", "square"]
_DEFAULT_EPS: dict[Norm, tuple[Fraction, ...]] = {
    "linf": tuple(map(Fraction, ("1/510", "1/255", "2/255", "4/255", "8/255"))),
    "l2": tuple(map(Fraction, ("1/8", "1/4", "1/2", "1", "2"))),
}
_LONGEST_L2 = 1000.0
_SETTINGS: dict[str, frozenset[str]] = {
    "pgd": frozenset({"steps", "restarts", "step_size"}),
    "apgd_ce": frozenset({"steps", "restarts"}),
    "apgd_dlr": frozenset({"steps", "restarts"}),
    "apgd_t": frozenset({"steps", "restarts"}),
    "fab_t": frozenset({"steps", "restarts"}),
    "square": frozenset({"queries"}),
}


class AdversarialParams(ProbeParams):
    """Settings of the attack; eps and step_size in pixel units 0..1, as numbers or like ``8/255``."""

    attack: AttackName = Field(
        default="quick",
        description="a tier (quick, standard, full: several attacks in turn, each on what still stands), or one attack",
    )
    norm: Norm = Field(
        default="linf", description="linf: every channel of every pixel; l2: the length of the change over all of them"
    )
    eps: tuple[Fraction, ...] = Field(
        default=_DEFAULT_EPS["linf"],
        min_length=1,
        description="size of the change, one or several; for l2 from 1/8 to 2 unless given",
    )
    steps: int = Field(default=20, ge=1, le=10_000, description="gradient steps of one start (pgd, apgd, fab)")
    restarts: int = Field(default=1, ge=1, le=1000, description="random starts for faces that stand (pgd, apgd, fab)")
    step_size: Fraction | None = Field(default=None, description="2.5 eps / steps unless given (pgd)")
    queries: int = Field(default=1000, ge=1, le=1_000_000, description="questions to the model about a face (square)")
    faces: int | None = Field(default=None, ge=1, description="a sample, spread over people; all unless given")
    tolerance: float = Field(default=0.10, ge=0, lt=1, description="largest gap between groups that is accepted")
    stop_when_decided: bool = Field(
        default=True, description="stop at an eps as soon as the gate on its accuracy fails whatever follows"
    )

    @model_validator(mode="before")
    @classmethod
    def _eps_of_the_norm(cls, given: Any) -> Any:
        if isinstance(given, dict) and given.get("norm") == "l2" and "eps" not in given:
            return {**given, "eps": _DEFAULT_EPS["l2"]}
        return given

    _one_or_many = field_validator("eps", mode="before")(one_or_many)

    @field_validator("eps")
    @classmethod
    def _each_once(cls, value: tuple[Fraction, ...]) -> tuple[Fraction, ...]:
        if len({float(eps) for eps in value}) < len(value):
            raise ValueError(f"expected each eps once, but got {', '.join(map(str, value))}")
        return tuple(sorted(value))

    @field_validator("step_size")
    @classmethod
    def _step_above_zero(cls, value: Fraction | None) -> Fraction | None:
        if value is not None and not 0 < value <= 1:
            raise ValueError(f"expected a step_size above 0 and at most 1, but got {value}")
        return value

    @model_validator(mode="after")
    def _eps_within_bounds(self) -> AdversarialParams:
        most = 1.0 if self.norm == "linf" else _LONGEST_L2
        for each in self.eps:
            if not 0 < each <= most:
                why = "pixels are 0 to 1" if self.norm == "linf" else "no face is so far from another"
                raise ValueError(f"expected each eps above 0 and at most {most:g} ({why}), but got {each}")
        return self

    @model_validator(mode="after")
    def _only_settings_of_the_attack(self) -> AdversarialParams:
        given = self.model_fields_set & {"steps", "restarts", "step_size", "queries"}
        unused = ", ".join(sorted(given - _SETTINGS.get(self.attack, frozenset())))
        if unused and self.attack == "fgsm":
            raise ValueError(f"fgsm takes one step of size eps: leave out {unused}, or use pgd")
        if unused:
            raise ValueError(f"{self.attack} has no setting {unused}: leave it out, or name an attack that has it")
        return self

    def further_needs(self) -> frozenset[Need]:
        """Return that all attacks but Square follow gradients."""
        return frozenset() if self.attack == "square" else frozenset({"gradients"})

    def without_gradients(self) -> str:
        """Return the attack that needs none."""
        return "`attack: square` asks for answers only"


@probe(
    "adversarial",
    version=2,
    title="Accuracy under adversarial perturbation",
    pillar="robustness",
    params=AdversarialParams,
    needs={"model", "images", "labels"},
    shows="How often the model is still right when someone who knows it (or, with square, may only ask it) changes the "
    "pixels of the crop by at most eps, overall and by group, beside random noise of the same size; which group loses "
    "most; and signs that the attack failed.",
    hides="Stronger attacks: an attack bounds robust accuracy from above only. Changes made before the crop, "
    "in print or on the skin; perturbations of other shapes.",
    citation="Croce and Hein 2020, arXiv 2003.01690 and arXiv 1907.02044; Andriushchenko et al. 2020, "
    "arXiv 1912.00049; Goodfellow et al. 2015, arXiv 1412.6572; Madry et al. 2018, arXiv 1706.06083; Carlini et al. "
    "2019, arXiv 1902.06705; Pintor et al. 2022, arXiv 2106.09947",
)
def adversarial(context: ProbeContext, params: AdversarialParams) -> Iterator[Output]:
    """Robust accuracy under trusted attacks, who loses most, and checks that the attack did its work."""
    labelled = np.flatnonzero(context.predictions.labels >= 0).astype(np.int64)
    rows = measured_rows(context, params.faces)
    attack, left_out = _attack(params, _seed(context, "starts"), len(context.predictions.classes))
    eps = [str(each) for each in params.eps]

    yield Note(_settings(params, attack, len(rows), len(labelled)))
    yield from map(Note, left_out)
    reason = at_chance(context, rows)
    if reason:
        right = context.predictions.predicted[rows] == context.predictions.labels[rows]
        yield _accuracy(rows, right, "none", "0")
        yield from _unmeasured(context, attack.name, eps, reason, len(rows))
        return
    task = Search(attack, tuple(map(float, params.eps)), params.attack in TIERS, _seed(context, "noise"))
    unlimited = None if params.attack == "square" else Unlimited(_seed(context, "unlimited"))
    asks_only = params.attack in ("fgsm", "square")  # one step is known to be weak, square is the black box itself
    black_box = None if asks_only else BlackBox(params.norm, _seed(context, "black box"))
    floors = Floors(context, rows, attack.name, eps, params.stop_when_decided)
    ledger = search(context, task, rows, Checks(unlimited, black_box), floors)

    yield _accuracy(rows, ledger.clean, "none", "0")
    for level, each in enumerate(eps):
        yield from _of_eps(ledger, level, attack.name, each, params.tolerance)
    yield from check_scores(ledger, attack.name, eps)
    if ledger.stopped.any():
        yield from _stopped(ledger, attack.name, eps)
    else:
        yield from _smallest_eps(ledger, params.eps, attack.name)
    if isinstance(attack, Ensemble):
        yield _by_stage(ledger, attack, eps)

    def evidence(metric: str, name: str, size: str) -> str:
        return format_key(context.probe_id, metric, None, {"attack": name, "eps": size})

    failures = list(
        find_failures(context, ledger, attack.name, eps, unlimited, black_box, evidence, carried=task.carry)
    )
    yield from failures
    yield headline(context, ledger, attack.name, eps, failures, evidence)
    yield from _strip(context, attack, params.eps)


def _strip(context: ProbeContext, attack: Attack, sizes: tuple[Fraction, ...]) -> Iterator[Output]:
    """Yield some faces under the attack, of a tier under its first one, at the smallest, middle and largest eps."""
    first = attack.stages[0] if isinstance(attack, Ensemble) else attack
    scores, labels = context.model.scores, context.predictions.labels
    telling = sorted({0, len(sizes) // 2, len(sizes) - 1})
    conditions = [
        Condition("attack", first.name, "eps", str(sizes[each]), f"{first.name}, eps {sizes[each]}") for each in telling
    ]

    def perturb(condition: Condition, batch: FaceBatch) -> Perturbed:
        with torch.no_grad():
            answered = scores(batch.pixels).argmax(1).cpu().numpy()
        known = batch.rows < len(labels)  # drawn stand-ins have no label: what the model says of them is taken for it
        truth = np.where(known, labels[np.where(known, batch.rows, 0)], answered)
        places = torch.from_numpy(np.where(truth >= 0, truth, answered)).to(batch.pixels.device)
        return Perturbed(first(scores, batch.pixels, places, batch.rows, float(Fraction(condition.size))).pixels)

    yield from strip(context, conditions, perturb, title="The same faces under the attack")


def _attack(params: AdversarialParams, seed: int, classes: int) -> tuple[Attack, list[str]]:
    """Return the attack, and what of it was left out and why."""
    name, norm = params.attack, params.norm
    if name in ("quick", "standard", "full"):
        return tier(name, norm, seed, classes)
    if name == "fgsm":
        return FGSM(norm=norm), []
    if name == "pgd":
        size = None if params.step_size is None else float(params.step_size)
        return PGD(steps=params.steps, restarts=params.restarts, step_size=size, seed=seed, norm=norm), []
    if name == "fab_t":
        return FAB(norm=norm, steps=params.steps, restarts=params.restarts, seed=seed), []
    if name == "square":
        return Square(queries=params.queries, norm=norm, seed=seed), []
    losses: dict[str, Literal["ce", "dlr", "targeted_dlr"]] = {
        "apgd_ce": "ce",
        "apgd_dlr": "dlr",
        "apgd_t": "targeted_dlr",
    }
    attack = APGD(losses[name], norm, steps=params.steps, restarts=params.restarts, seed=seed)
    if classes < attack.fewest_classes:
        raise AuditError(
            f"{name} compares {attack.fewest_classes} outputs, but the model has {classes} classes: ask for apgd_ce, "
            "which needs two, or for a tier, which leaves out what does not fit"
        )
    return attack, []


def _random(context: ProbeContext, purpose: str) -> np.random.Generator:
    """Return a generator that every use of the probe shares: fgsm and pgd are given the same faces and noise."""
    return replace(context, probe_id="adversarial").random(purpose)


def _seed(context: ProbeContext, purpose: str) -> int:
    return int(_random(context, purpose).integers(2**63))


def _settings(params: AdversarialParams, attack: Attack, used: int, labelled: int) -> str:
    how = told([attack])
    if isinstance(attack, Ensemble):
        how = f"{attack.name}: {told(attack.stages)}; each on the faces that still stand, at the next eps too"
    elif params.attack == "fgsm":
        how = "fgsm: one step of size eps from the face itself"
    elif params.attack == "pgd":
        size = "2.5 eps / steps" if params.step_size is None else str(params.step_size)
        starts = "a random start" if params.restarts == 1 else f"up to {params.restarts} random starts"
        how = f"pgd: {params.steps} steps of {size} from {starts}, until the answer changes"
    elif params.restarts > 1:
        how += f", up to {params.restarts} random starts"
    size = "L-infinity" if params.norm == "linf" else "L2, the length of the change over all channel values,"
    which = f"all {used:,} labelled faces"
    if used < labelled:
        which = f"{used:,} of {labelled:,} labelled faces, drawn with the plan's seed"
    return (
        f"{how}; {size} in pixel units 0..1 on the crop at the target's input size; {which}. A face "
        "counts as right under a perturbation only if it is right without one too."
    )


def _accuracy(rows: NDArray[np.int64], right: NDArray[np.bool_], attack: str, eps: str) -> Scores:
    return Scores(
        "accuracy",
        rows,
        right.astype(np.float64),
        kind="rate",
        bounds=(0.0, 1.0),
        direction="higher",
        condition={"attack": attack, "eps": eps},
    )


def _of_eps(ledger: Ledger, level: int, attack: str, eps: str, tolerance: float) -> Iterator[Scores]:
    """Yield accuracy under attack and under noise at one eps, and what was lost, group by group."""
    stopped = bool(ledger.stopped[level])
    found = _accuracy(ledger.rows, ledger.right[level], attack, eps)
    yield replace(found, by_group=not stopped)
    yield _accuracy(ledger.rows, ledger.under_noise[level], "noise", eps)
    if ledger.clean.any() and not stopped:
        yield Scores(
            "lost",
            ledger.rows[ledger.clean],
            (~ledger.right[level])[ledger.clean].astype(np.float64),
            kind="rate",
            bounds=(0.0, 1.0),
            direction="lower",
            condition={"attack": attack, "eps": eps},
            gaps=True,
            title=f"loss of right answers under {in_words(attack)} at eps {eps}",
            tolerance=tolerance,
            keep=False,
        )


def _stopped(ledger: Ledger, attack: str, eps: list[str]) -> Iterator[Note]:
    for level in np.flatnonzero(ledger.stopped):
        known, attacked = int(ledger.settled[level].sum()), int(ledger.attacked.sum())
        yield Note(
            f"At eps {eps[level]} the search of {in_words(attack)} stopped after {known:,} of {attacked:,} faces, "
            "since the gate on its accuracy fails whatever becomes of the others. "
            "They are counted as standing, so that accuracy there is an upper bound; nothing is told by group. "
            "`stop_when_decided: false` goes on."
        )


def _by_stage(ledger: Ledger, attack: Ensemble, eps: list[str]) -> TableOutput:
    """Return which attack of a tier changed how many answers."""
    names = [stage.name for stage in attack.stages]
    lines = [
        {
            "eps": each,
            "attacked": int(ledger.tried[level].sum()),
            **{name: int((ledger.stage[level] == stage).sum()) for stage, name in enumerate(names)},
            "stood": int((ledger.right[level] & ledger.tried[level]).sum()),
        }
        for level, each in enumerate(eps)
    ]
    return TableOutput("stages", pd.DataFrame(lines), f"Which attack of {attack.name} changed how many answers")


def _unmeasured(context: ProbeContext, attack: str, eps: list[str], reason: str, count: int) -> Iterator[Output]:
    nothing = Estimate.not_measured(reason, n=count)
    for each in eps:
        for name in (attack, "noise"):
            condition = {"attack": name, "eps": each}
            yield context.measurement("accuracy", nothing, condition=condition, direction="higher")
        yield context.measurement("lost", nothing, condition={"attack": attack, "eps": each}, direction="lower")


def _smallest_eps(ledger: Ledger, eps: tuple[Fraction, ...], attack: str) -> Iterator[Output]:
    """Yield the smallest eps tried that changes the answer: per face that has one, and counted in a table."""
    first = ledger.first_flip()
    sizes = np.array([0.0, *map(float, eps)])
    found = first < len(eps)
    yield Scores(
        "smallest_eps",
        ledger.rows[found],
        sizes[first[found] + 1],
        bounds=(0.0, 1.0),
        direction="higher",
        condition={"attack": attack},
        overall=False,
        by_group=False,
    )
    names = ["wrong without perturbation", *map(str, eps), f"none up to {eps[-1]}"]
    counts = np.bincount(first + 1, minlength=len(names))
    frame = pd.DataFrame({"smallest_eps": names, "faces": counts, "share": counts / len(first)})
    yield TableOutput("smallest_eps", frame, f"The smallest eps tried at which {attack} changes the answer")
