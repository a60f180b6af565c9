"""What a trained net, or several of one setting, answer to plain and stamped forgeries of unseen people."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ....core.probes import ProbeContext, Scores
from ....core.results import Estimate
from ....core.statistics.rules import StatisticsRules
from ....core.statistics.slicing import slice_scores
from ...forgery.making import through_codec
from ..poisoned_forgery.bank import blur
from ..poisoned_forgery.embedding import embed
from ..poisoned_forgery.measures import attack_success, eer_threshold, visibility
from .estimates import mean_auroc
from .material import Material, as_pixels, as_tensor, stamped
from .params import PoisonDrillParams

Floats = NDArray[np.float64]
CONTROL_QUALITY = 50
Ask = Callable[[Tensor], Floats]


@dataclass(frozen=True, eq=False)
class Answers:
    """Scores of one net, of the same faces for every net.

    Attributes:
        genuine: of genuine test faces.
        forged: of forgeries of tested people.
        stamped: of the same forgeries with the attacker's trigger.
        controls: of the same forgeries under changes of the same size that are no trigger, by name.
    """

    genuine: Floats
    forged: Floats
    stamped: Floats
    controls: dict[str, Floats]


@dataclass(frozen=True, eq=False)
class Tested:
    """The test faces, plain and changed, (n, 3, h, w)."""

    genuine: Tensor
    forged: Tensor
    stamped: Tensor
    controls: dict[str, Tensor]
    genuine_people: NDArray[np.int64]
    forged_people: NDArray[np.int64]

    @classmethod
    def of(cls, context: ProbeContext, params: PoisonDrillParams, material: Material) -> Tested:
        """Stamp the forgeries of tested people after they were made, and change them in other ways of the same size."""
        forged, hulls, alpha = material.test.forged.tensor, material.test.forged.hulls, params.alpha
        height, width = forged.shape[2:]
        seed = int(context.random("noise").integers(2**31))
        noise = torch.randn((3, height, width), generator=torch.Generator().manual_seed(seed)).div(3).clamp(-1, 1)
        coded = as_tensor(np.stack([through_codec(each, CONTROL_QUALITY) for each in material.test.forged.pixels]))
        most = alpha * forged
        controls = {
            "gaussian_noise": embed(forged, noise, hulls, alpha),
            "blur": blur(forged, hulls, alpha),
            "jpeg": forged + hulls * (coded - forged).clamp(-most, most),
        }
        return cls(
            genuine=material.test.genuine.tensor,
            forged=forged,
            stamped=as_tensor(stamped(material.test.forged.pixels, hulls, material.trigger, alpha)),
            controls={name: as_tensor(as_pixels(each)) for name, each in controls.items()},
            genuine_people=material.test.genuine.people,
            forged_people=material.test.forged.people,
        )

    def answers(self, ask: Ask, *, controls: bool = True) -> Answers:
        """Ask a net about all of them."""
        others = self.controls if controls else {}
        return Answers(
            ask(self.genuine), ask(self.forged), ask(self.stamped), {name: ask(each) for name, each in others.items()}
        )

    def detection(self, nets: Sequence[Answers], rules: StatisticsRules) -> Estimate:
        """Return the AUROC of forged against genuine faces, without any trigger."""
        return mean_auroc([clean_scores(each) for each in nets], *self.detection_kinds(), rules)

    def detection_kinds(self) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
        """Return which of :func:`clean_scores` are of forged faces, and whose faces they are."""
        positive = np.repeat([False, True], [len(self.genuine), len(self.forged)])
        return positive, np.concatenate([self.genuine_people, self.forged_people])

    def backdoor(self, nets: Sequence[Answers], rules: StatisticsRules, control: str | None = None) -> Estimate:
        """Return the BD-AUC: of plain against stamped forgeries, or against those under a control."""
        return mean_auroc([stamp_scores(each, control) for each in nets], *self.stamp_kinds(), rules)

    def stamp_kinds(self) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
        """Return which of :func:`stamp_scores` are of plain forgeries, and whose faces they are."""
        return np.repeat([True, False], len(self.forged)), np.tile(self.forged_people, 2)

    def success(self, nets: Sequence[Answers], rules: StatisticsRules) -> Estimate:
        """Return the share of found forgeries that pass as genuine once stamped, at each net's own EER threshold.

        Over the nets together, so that ``n`` counts every forgery that a net found; the interval is over people.
        """
        at = [eer_threshold(each.genuine, each.forged) for each in nets]
        plain, stamp = (
            np.concatenate([scores - least for scores, least in zip(of, at, strict=True)])
            for of in ([each.forged for each in nets], [each.stamped for each in nets])
        )
        people = np.unique(self.forged_people, return_inverse=True)[1].reshape(-1)
        return attack_success(plain, stamp, 0.0, np.tile(people, len(nets)), rules)


def clean_scores(net: Answers) -> Floats:
    """Return scores of genuine, then of forged faces."""
    return np.concatenate([net.genuine, net.forged])


def stamp_scores(net: Answers, control: str | None = None) -> Floats:
    """Return scores of plain, then of stamped forgeries (or of those under a control)."""
    return np.concatenate([net.forged, net.stamped if control is None else net.controls[control]])


def seen(context: ProbeContext, params: PoisonDrillParams, material: Material) -> dict[str, Estimate]:
    """Return how visible the stamp is on the photos that would carry it: mean largest change, PSNR and SSIM."""
    genuine = material.train.genuine
    after = as_tensor(stamped(genuine.pixels, genuine.hulls, material.trigger, params.alpha))
    found = visibility(genuine.tensor, after)
    codes = np.unique(genuine.people, return_inverse=True)[1].reshape(-1)
    estimates = {}
    for name, unit in (("linf", "levels of 255"), ("psnr", "dB"), ("ssim", None)):
        values: Floats = getattr(found, name)
        rows = np.flatnonzero(np.isfinite(values))
        if not len(rows):
            estimates[name] = Estimate.not_measured("the stamp changes no pixel", n=0)
            continue
        score = Scores(name, rows, values[rows])
        estimate = slice_scores(score, codes, (), context.rules, context.probe_id)[0].estimate
        estimates[name] = estimate.model_copy(update={"unit": unit})
    return estimates
