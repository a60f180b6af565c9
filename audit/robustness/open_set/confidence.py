"""How sure is the model that a picture is of a kind it knows? Three scores, higher for known faces."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

Floats = NDArray[np.float64]
MSP, MAX_LOGIT, ENERGY = SCORES = ("msp", "max_logit", "energy")
TITLES: Mapping[str, str] = {
    MSP: "largest class probability",
    MAX_LOGIT: "largest logit",
    ENERGY: "negative energy",
}


def confidences(logits: Floats) -> dict[str, Floats]:
    """Return the scores of each picture by name, shape (n,).

    ``msp``: logarithm of the largest class probability (Hendrycks and Gimpel 2017), which ranks as the probability does
    but does not round to 1; ``max_logit``: the largest logit (Hendrycks et al. 2022); ``energy``: the logarithm of the
    summed exponentials of the logits, which is the negative of the energy (Liu et al. 2020).

    Args:
        logits: shape (n, classes), float64.
    """
    ordered = np.sort(logits, axis=1)
    others = np.exp(ordered[:, :-1] - ordered[:, -1:]).sum(axis=1)
    return {
        MSP: -np.log1p(others),
        MAX_LOGIT: ordered[:, -1],
        ENERGY: np.asarray(logsumexp(logits, axis=1), dtype=np.float64),
    }


def not_given(output: str) -> dict[str, str]:
    """Return why scores cannot be measured of outputs of this kind, by score."""
    if output != "probabilities":
        return {}
    return {
        MAX_LOGIT: "the outputs are probabilities, of which the largest logit ranks as msp does; give logits",
        ENERGY: "the outputs are probabilities, whose logarithms have one energy (0) for every picture; give logits",
    }
