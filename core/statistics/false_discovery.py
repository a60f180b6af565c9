"""P-values adjusted for how many questions were asked."""

from __future__ import annotations

import numpy as np

from .sums import Floats


def benjamini_hochberg(p: Floats) -> Floats:
    """Return p-values adjusted for the false discovery rate, shape (questions,).

    Benjamini and Hochberg (1995), Journal of the Royal Statistical Society B 57:289: of what has an adjusted p-value of
    0.05 or less, an expected share of 5 % or less is false, for questions that are independent or positively dependent
    on each other. Where nothing is true of any question, the chance of any false answer is 5 % or less.
    """
    count = len(p)
    order = np.argsort(p)[::-1]
    raised = p[order] * count / np.arange(count, 0, -1)
    adjusted = np.empty(count)
    adjusted[order] = np.minimum(np.minimum.accumulate(raised), 1.0)
    return adjusted
