"""Expected calibration error: how far confidence is from accuracy, against what chance alone would show.

The index is a sum of absolute values, so it is positive for a perfectly calibrated model too, and a
bootstrap of it covers nothing. Its interval here uses that it is the largest of the linear contrasts ``sum
over bins of +-e_b``: the lower limit subtracts the upper quantile of the index of pure noise (triangle
inequality), the upper adds the largest standard error of any contrast (intersection-union). Kumar, Liang
and Ma (2019), NeurIPS, describe the bias.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np
from scipy.special import ndtri

from ..results import Estimate
from .class_means import ClassSums, too_few
from .intervals import pooled_icc
from .rules import StatisticsRules
from .sums import Floats, Integers, total_at

METHOD = "null_quantile_and_contrasts"
METHOD_NULL = "calibrated_null"
DRAWS = 4000
SEED = 20_190_911


@dataclass(frozen=True)
class CalibrationError:
    """The expected calibration error and what a calibrated model would show on as many faces.

    Attributes:
        observed: the estimate, 0 to 1.
        null: expectation of the index for a model whose confidence is exactly right; ``low`` and ``high``
        are the
            range it would fall into, not limits of an unknown.
    """

    observed: Estimate
    null: Estimate


def calibration_error(
    confidence: Floats, correct: Floats, subjects: Integers, rules: StatisticsRules, bins: int = 10
) -> CalibrationError:
    """Return the expected calibration error of the top class over bins of equal width.

    Args:
        confidence: probability of the predicted class, shape (n,), 0 to 1.
        correct: 1 where the prediction is right, else 0, shape (n,).
        subjects: person of each face, shape (n,).
        rules: level and smallest number of people.
        bins: how many bins of equal width, 2 to 15; bin b holds confidences in ``(b/bins, (b+1)/bins]``.
    """
    if not 2 <= bins <= 15:
        raise ValueError(f"expected 2 to 15 bins, but got {bins}")
    present, person = np.unique(subjects, return_inverse=True)
    people, faces = len(present), len(confidence)
    if people < rules.min_subjects:
        return CalibrationError(too_few(people, faces, rules), too_few(people, faces, rules))
    used, place = np.unique(bin_of(confidence, bins), return_inverse=True)
    at, size = person.reshape(-1) * len(used) + place.reshape(-1), people * len(used)

    def sums(what: Floats | None) -> Floats:
        return total_at(at, what, size).reshape(people, len(used))

    number, gap = sums(None), sums(confidence - correct)
    noise = _noise_covariance(number, gap, sums(correct), sums(confidence * (1 - confidence)))
    null = _null_covariance(noise, number, sums(correct), sums(confidence * (1 - confidence)))
    value = float(np.abs(gap.sum(axis=0)).sum()) / faces
    tail = (1 - rules.level) / 2
    by_chance = _index_of_noise(noise) / faces
    by_chance_calibrated = _index_of_noise(null) / faces
    widest = _largest_contrast_error(noise) / faces
    observed = Estimate(
        value=value,
        low=max(value - float(np.quantile(by_chance, 1 - tail)), 0.0),
        high=min(value + float(ndtri(1 - tail)) * widest, 1.0),
        level=rules.level,
        method=METHOD,
        n=faces,
        subjects=people,
    )
    expected = Estimate(
        value=float(np.sqrt(2 / np.pi) * np.sqrt(np.diag(null)).sum() / faces),
        low=float(np.quantile(by_chance_calibrated, tail)),
        high=float(np.quantile(by_chance_calibrated, 1 - tail)),
        level=rules.level,
        method=METHOD_NULL,
        n=faces,
        subjects=people,
    )
    return CalibrationError(observed, expected)


def bin_of(confidence: Floats, bins: int) -> Integers:
    """Return the bin of each confidence: bin b of width ``1 / bins`` holds ``(b / bins, (b + 1) / bins]``."""
    return np.asarray(np.clip(np.ceil(confidence * bins).astype(np.int64) - 1, 0, bins - 1), dtype=np.int64)


def _calibrated_variance(number: Floats, right: Floats, unit: Floats) -> Floats:
    """Return the variance of each bin's gap if confidence were right, faces of one person as alike as they are."""
    total = ClassSums(right, number).total
    p = total.value
    icc = pooled_icc(total, p * (1 - p))
    effect: Floats = 1 + icc * (total.nn / total.n - 1)
    calibrated: Floats = unit.sum(axis=0) * np.maximum(effect, 1.0)
    return calibrated


def _noise_covariance(number: Floats, gap: Floats, right: Floats, unit: Floats) -> Floats:
    """Return the covariance of the bins' summed gaps, shape (bins, bins), clustered by person.

    A bin without any error (or any right answer) has no variation of its own but is not known exactly: its
    variance is at least what a calibrated model would have.
    """
    people = len(number)
    residual = gap - number * (gap.sum(axis=0) / number.sum(axis=0))
    covariance: Floats = residual.T @ residual * people / max(people - 1, 1)
    least = _calibrated_variance(number, right, unit)
    places = np.diag_indices_from(covariance)
    covariance[places] = np.maximum(covariance[places], least)
    return covariance


def _null_covariance(noise: Floats, number: Floats, right: Floats, unit: Floats) -> Floats:
    """Return the covariance under perfect calibration: its own variances, the observed correlations."""
    spread = np.sqrt(np.diag(noise))
    scale = np.outer(spread, spread)
    correlation = np.divide(noise, scale, out=np.eye(len(noise)), where=scale > 0)
    calibrated = np.sqrt(_calibrated_variance(number, right, unit))
    null: Floats = correlation * np.outer(calibrated, calibrated)
    return null


def _index_of_noise(covariance: Floats) -> Floats:
    """Return draws of ``sum |e_b|`` for normal noise ``e`` of this covariance, always the same draws."""
    values, vectors = np.linalg.eigh(covariance)
    root = vectors * np.sqrt(np.maximum(values, 0))
    draws = np.random.default_rng(SEED).standard_normal((DRAWS, len(covariance)))
    index: Floats = np.abs(draws @ root.T).sum(axis=1)
    return index


def _largest_contrast_error(covariance: Floats) -> float:
    """Return the largest standard error of ``sum of +-e_b`` over all signs."""
    signs = np.asarray(list(product((1.0, -1.0), repeat=len(covariance) - 1)))
    signs = np.hstack([np.ones((len(signs), 1)), signs])
    return float(np.sqrt(np.einsum("ij,jk,ik->i", signs, covariance, signs).max()))
