"""What a stamp does to a detector, and how visible it is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ....core.errors import UsageError
from ....core.probes import Scores
from ....core.results import Estimate
from ....core.statistics.auroc import auroc
from ....core.statistics.detection_rates import equal_error
from ....core.statistics.rules import StatisticsRules
from ....core.statistics.slicing import slice_scores
from ....explain.checks.similarity import ssim

Floats = NDArray[np.float64]


def bd_auc(
    plain: Floats,
    stamped: Floats,
    subjects: NDArray[np.int64] | None = None,
    rules: StatisticsRules | None = None,
) -> Estimate:
    """Return BD-AUC, the chance that a forged face scores above a stamped one: 0.5 for no effect, 1 for a backdoor.

    Liang et al. (2024), arXiv 2402.11473: the area under the ROC curve of unstamped forged faces (positive) against
    the same faces stamped (negative), by the score of being forged.

    Args:
        plain: score of being forged of each unstamped forged face, shape (n,).
        stamped: of the same faces with the stamp, shape (n,).
        subjects: person of each face, shape (n,); every face its own person unless given.
        rules: level and smallest number of people; the usual ones unless given.

    Raises:
        UsageError: when the shapes differ.
    """
    if plain.shape != stamped.shape or plain.ndim != 1:
        raise UsageError(
            f"expected one score for each face plain and stamped, but got {plain.shape} and {stamped.shape}"
        )
    person = np.arange(len(plain)) if subjects is None else subjects
    positive = np.repeat([True, False], len(plain))
    return auroc(np.concatenate([plain, stamped]), positive, np.tile(person, 2), rules or StatisticsRules())


def eer_threshold(genuine: Floats, forged: Floats) -> float:
    """Return the least score that means forged where misses and false alarms are equally frequent."""
    positive = np.repeat([False, True], [len(genuine), len(forged)])
    return equal_error(np.concatenate([genuine, forged]), positive).threshold


def attack_success(
    plain: Floats,
    stamped: Floats,
    threshold: float,
    subjects: NDArray[np.int64] | None = None,
    rules: StatisticsRules | None = None,
) -> Estimate:
    """Return the share of forged faces found without the stamp that pass as genuine with it.

    Of the faces called forged without the stamp, so that what the detector misses anyway does not count.

    Args:
        plain: score of being forged of each unstamped forged face, shape (n,).
        stamped: of the same faces with the stamp, shape (n,).
        threshold: the least score that is called forged; :func:`eer_threshold`.
        subjects: person of each face, shape (n,); every face its own person unless given.
        rules: level and smallest numbers; the usual ones unless given.
    """
    person = np.arange(len(plain), dtype=np.int64) if subjects is None else subjects
    found = np.flatnonzero(plain >= threshold)
    if not len(found):
        return Estimate.not_measured("no forged face is called forged without the stamp", n=0, subjects=0)
    passed = Scores("attack_success", found, (stamped[found] < threshold).astype(np.float64), kind="rate")
    return slice_scores(passed, person, (), rules or StatisticsRules(), "poisoned_forgery")[0].estimate


@dataclass(frozen=True, eq=False)
class Visibility:
    """How far stamped faces are from the plain ones, one number a face.

    Attributes:
        linf: largest change of a channel of a pixel, in levels of 255, shape (n,).
        psnr: peak signal-to-noise ratio in dB, infinite where nothing changed, shape (n,).
        ssim: mean structural similarity over the channels, -1 to 1, shape (n,).
    """

    linf: Floats
    psnr: Floats
    ssim: Floats


def visibility(plain: Tensor, stamped: Tensor) -> Visibility:
    """Compare faces (n, 3, h, w), 0 to 1, with their stamped selves.

    SSIM is that of Wang et al. (2004) with a uniform window of 7 pixels, channel by channel.

    Raises:
        UsageError: when the shapes differ.
    """
    if plain.shape != stamped.shape:
        raise UsageError(f"expected faces of one shape, but got {tuple(plain.shape)} and {tuple(stamped.shape)}")
    change = (stamped.double() - plain.double()).flatten(1)
    with np.errstate(divide="ignore"):
        psnr = -10 * np.log10(change.square().mean(1).numpy())
    alike = torch.stack([ssim(plain[:, c], stamped[:, c]) for c in range(plain.shape[1])], dim=1)
    return Visibility(255 * change.abs().amax(1).numpy(), psnr, alike.mean(1).numpy())
