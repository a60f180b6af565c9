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

from ...core.keys import format_key
from ...core.numbers import Fraction
from ...core.probes import Note, Output, ProbeContext, ProbeParams, Scores, TableOutput, probe
from ...core.results import Estimate
from .attacks import FGSM, PGD, Attack, LinfBall, answers_right
from .attacks.objective import has_answer
from .headline import headline
from .indicators import check_scores, find_failures
from .ledger import Ledger, answers_differently, verify
from .noise import sign_noise
from .sample import sample_rows
from .unlimited import Unlimited

_DEFAULT_EPS = tuple(map(Fraction, ("1/510", "1/255", "2/255", "4/255", "8/255")))


class AdversarialParams(ProbeParams):
    """Settings of the attack; eps and step_size in pixel units 0..1, as numbers or like ``8/255``."""

    attack: Literal["pgd", "fgsm"] = "pgd"
    norm: Literal["linf"] = "linf"
    eps: tuple[Fraction, ...] = Field(
        default=_DEFAULT_EPS, min_length=1, description="largest change of a pixel's channel, one or several"
    )
    steps: int = Field(default=20, ge=1, le=10_000, description="gradient steps of one restart (pgd)")
    restarts: int = Field(default=1, ge=1, le=1000, description="random starts for faces that stand (pgd)")
    step_size: Fraction | None = Field(default=None, description="2.5 eps / steps unless given (pgd)")
    faces: int | None = Field(default=None, ge=1, description="a sample, spread over people; all unless given")

    @field_validator("eps", mode="before")
    @classmethod
    def _one_or_many(cls, value: Any) -> Any:
        return (value,) if isinstance(value, (str, int, float)) else value

    @field_validator("eps")
    @classmethod
    def _sorted_within_bounds(cls, value: tuple[Fraction, ...]) -> tuple[Fraction, ...]:
        for eps in value:
            if not 0 < eps <= 1:
                raise ValueError(f"expected each eps above 0 and at most 1 (pixels are 0 to 1), but got {eps}")
        if len({float(eps) for eps in value}) < len(value):
            raise ValueError(f"expected each eps once, but got {', '.join(map(str, value))}")
        return tuple(sorted(value))

    @field_validator("step_size")
    @classmethod
    def _step_within_bounds(cls, value: Fraction | None) -> Fraction | None:
        if value is not None and not 0 < value <= 1:
            raise ValueError(f"expected a step_size above 0 and at most 1, but got {value}")
        return value

    @model_validator(mode="after")
    def _fgsm_has_one_step(self) -> AdversarialParams:
        unused = ", ".join(sorted(self.model_fields_set & {"steps", "restarts", "step_size"}))
        if self.attack == "fgsm" and unused:
            raise ValueError(f"fgsm takes one step of size eps: leave out {unused}, or use pgd")
        return self


@probe(
    "adversarial",
    version=1,
    title="Accuracy under adversarial perturbation",
    pillar="robustness",
    params=AdversarialParams,
    needs={"gradients", "labels"},
    shows="How often the model is still right when someone who knows it changes every pixel of the crop by "
    "at most eps, overall and by group, beside random noise of the same size; and signs that it failed.",
    hides="Stronger attacks: an attack bounds robust accuracy from above only. Changes made before the crop, "
    "in print or on the skin; attackers without the model's gradients; perturbations of other shapes.",
    citation="Goodfellow et al. 2015, arXiv 1412.6572; Madry et al. 2018, arXiv 1706.06083; "
    "Carlini et al. 2019, arXiv 1902.06705",
)
def adversarial(context: ProbeContext, params: AdversarialParams) -> Iterator[Output]:
    """Robust accuracy under FGSM or PGD, with checks that the attack did its work."""
    labelled = np.flatnonzero(context.predictions.labels >= 0).astype(np.int64)
    subjects = context.faces.subject_codes
    rows = sample_rows(labelled, subjects[labelled], params.faces, _random(context, "faces"))
    attack = _attack(params, _seed(context, "starts"))
    eps = [str(each) for each in params.eps]
    ledger, unlimited = _measure(context, params, attack, rows)

    yield Note(_settings(params, len(rows), len(labelled)))
    yield _accuracy(rows, ledger.clean, "none", "0")
    reason = _nothing_to_attack(context, ledger)
    if reason:
        yield from _unmeasured(context, attack.name, eps, reason, len(rows))
        return
    for level, each in enumerate(eps):
        yield _accuracy(rows, ledger.right[level], attack.name, each)
        yield _accuracy(rows, ledger.under_noise[level], "noise", each)
    yield from check_scores(ledger, attack.name, eps)
    yield from _smallest_eps(ledger, params.eps, attack.name)

    def evidence(metric: str, name: str, size: str) -> str:
        return format_key(context.probe_id, metric, None, {"attack": name, "eps": size})

    failures = list(find_failures(context, ledger, subjects[rows], attack.name, eps, unlimited, evidence))
    yield from failures
    yield headline(context, ledger, attack.name, eps, failures, evidence)


def _attack(params: AdversarialParams, seed: int) -> Attack:
    if params.attack == "fgsm":
        return FGSM()
    size = None if params.step_size is None else float(params.step_size)
    return PGD(steps=params.steps, restarts=params.restarts, step_size=size, seed=seed)


def _random(context: ProbeContext, purpose: str) -> np.random.Generator:
    """Return a generator that every use of the probe shares: fgsm and pgd are given the same faces and noise."""
    return replace(context, probe_id="adversarial").random(purpose)


def _seed(context: ProbeContext, purpose: str) -> int:
    return int(_random(context, purpose).integers(2**63))


def _settings(params: AdversarialParams, used: int, labelled: int) -> str:
    how = "fgsm: one step of size eps from the face itself"
    if params.attack == "pgd":
        size = "2.5 eps / steps" if params.step_size is None else str(params.step_size)
        starts = "a random start" if params.restarts == 1 else f"up to {params.restarts} random starts"
        how = f"pgd: {params.steps} steps of {size} from {starts}, until the answer changes"
    which = f"all {used:,} labelled faces"
    if used < labelled:
        which = f"{used:,} of {labelled:,} labelled faces, drawn with the plan's seed"
    return (
        f"{how}; L-infinity in pixel units 0..1 on the crop at the target's input size; {which}. A face "
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


def _nothing_to_attack(context: ProbeContext, ledger: Ledger) -> str | None:
    """Say why robustness is no question to ask of this model on these faces, or return ``None``."""
    if not ledger.clean.any():
        return f"the model is right on none of the {len(ledger.rows)} faces as they are"
    labels = context.predictions.labels[ledger.rows]
    if ledger.classes_answered == 1 and len(np.unique(labels)) > 1:
        return "the model gives faces of different labels one and the same answer: there is nothing to change"
    return None


def _unmeasured(context: ProbeContext, attack: str, eps: list[str], reason: str, count: int) -> Iterator[Output]:
    nothing = Estimate.not_measured(reason, n=count)
    for each in eps:
        for name in (attack, "noise"):
            condition = {"attack": name, "eps": each}
            yield context.measurement("accuracy", nothing, condition=condition, direction="higher")


def _measure(
    context: ProbeContext, params: AdversarialParams, attack: Attack, rows: NDArray[np.int64]
) -> tuple[Ledger, Unlimited]:
    """Go through the faces once, batch by batch, and try every eps on those answered right."""
    target, scores = context.model, context.model.scores
    ledger = Ledger(rows, len(params.eps))
    unlimited = Unlimited(_seed(context, "unlimited"))
    noise_seed = _seed(context, "noise")
    with context.progress("faces", len(rows)) as advance:
        for batch in context.faces.batches(context.batch_size, rows):
            pixels = batch.pixels.to(target.device)
            labels = torch.from_numpy(context.predictions.labels[batch.rows]).to(target.device)
            places = np.searchsorted(rows, batch.rows)
            with torch.no_grad():
                logits = scores(pixels)
            right = answers_right(logits, labels)
            ledger.answers[places] = torch.where(has_answer(logits), logits.argmax(1), -1).cpu().numpy()
            kept = right.cpu().numpy()
            ledger.clean[places] = kept
            ledger.unstable[places] = answers_differently(scores, pixels, logits)
            advance(len(batch.rows))
            if not kept.any():
                continue
            pixels, labels, attacked, places = pixels[right], labels[right], batch.rows[kept], places[kept]
            unit = sign_noise(noise_seed, attacked, pixels)
            for level, eps in enumerate(map(float, params.eps)):
                outcome = attack(scores, pixels, labels, attacked, eps)
                ledger.note(level, places, verify(scores, pixels, labels, outcome, eps))
                with torch.no_grad():
                    logits = scores(LinfBall(pixels, eps).at(unit))
                ledger.under_noise[level, places] = answers_right(logits, labels).cpu().numpy()
            unlimited.try_on(scores, pixels, labels, attacked, ledger.right[-1, places])
    return ledger, unlimited


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
