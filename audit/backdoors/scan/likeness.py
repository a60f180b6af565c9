"""Which reference nets are near copies of each other, or of the target: nets that differ by less than their seeds.

A reference that was made from another one (fine-tuned for a step, weights rounded) tells nothing that the other does
not, and makes clean nets look more alike than they are. How far nets of different seeds lie apart depends on the task,
so that near is what is near beside that.

Basis: ``1 - r`` of centred logits is 0.0019 to 0.0080 between nets of other seeds and data on drawn patterns (28
pairs) and 0.072 to 0.170 on drawn faces (6 pairs), the smallest being 0.62 and 0.69 of the median. A net of the latter
lies at most 0.00004 from itself with weights of 16 or 8 bits, 0.0034 from itself after one further step of training,
0.011 after ten, 0.015 after an epoch and 0.032 after four: 0.3 of the median, and no near copy by the rule here.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
NEAR = 0.2
"""Share of the median distance between references below which two of them are near copies."""
NEAR_BESIDE_TARGET = 0.005
"""Share of the median distance from the target to the references below which two of them are near copies. It catches
references that are all rounded copies of one net, whose own median is no measure; so small, since a target of another
recipe lies far from all of them, which is told otherwise."""


def distances(logits: Sequence[Floats]) -> Floats:
    """Return ``1 - r`` between nets, (nets, nets), 0 to 2, from their logits (faces, classes) on the same faces.

    ``r`` is the correlation of logits less each face's mean, which no answer depends on, and each class's mean. Of a
    net that answers everything alike it is taken as 0.
    """
    flat = []
    for each in logits:
        centred = each - each.mean(1, keepdims=True)
        centred = (centred - centred.mean(0)).ravel()
        length = float(np.linalg.norm(centred))
        flat.append(centred / length if length > 0 else centred)
    stacked = np.stack(flat)
    apart: Floats = np.clip(1 - stacked @ stacked.T, 0.0, 2.0)
    return apart


def near_copies(target: Floats, references: Sequence[Floats]) -> dict[int, tuple[int | None, float, float]]:
    """Return which references to leave out, given logits (faces, classes) on the same faces.

    Of several near copies the first is kept. With fewer than three references nothing is usual, and none is left out.

    Returns:
        By place of the reference: of which reference it is a near copy (``None``: of the target), their distance, and
        the distance that is usual.
    """
    if len(references) < 3:
        return {}
    far = distances([target, *references])
    between = far[1:, 1:][np.triu_indices(len(references), 1)]
    usual, beside_target = float(np.median(between)), float(np.median(far[0, 1:]))
    line = max(NEAR * usual, NEAR_BESIDE_TARGET * beside_target)
    found: dict[int, tuple[int | None, float, float]] = {}
    kept: list[int] = []
    for place in range(len(references)):
        if far[0, place + 1] < NEAR * usual:
            found[place] = None, float(far[0, place + 1]), usual
            continue
        near = [other for other in kept if far[other + 1, place + 1] < line]
        if near:
            found[place] = near[0], float(far[near[0] + 1, place + 1]), max(usual, beside_target)
        else:
            kept.append(place)
    return found
