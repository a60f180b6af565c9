"""Which faces are forged, and which others their partners are looked for among."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ....core.plan import GENUINE
from ....core.probes import ProbeContext
from ...robustness.sample import sample_rows
from ..making.pool import Integers, splices, with_other_photos


def genuine_rows(context: ProbeContext) -> tuple[Integers, bool]:
    """Return the faces that may be forged, and whether they are known to be genuine.

    Those labelled genuine; all of them where no face has a label.
    """
    labels = context.predictions.labels
    if (labels < 0).all():
        return np.arange(len(labels), dtype=np.int64), False
    place = context.predictions.classes.index(GENUINE)
    return np.flatnonzero(labels == place).astype(np.int64), True


def sampled(context: ProbeContext, rows: Integers, count: int, methods: Sequence[str]) -> tuple[Integers, Integers]:
    """Return the faces to forge, and those to read: for splices some other photos of the same people, too.

    Args:
        context: of the probe.
        rows: faces that may be forged.
        count: how many to forge at most, spread over people.
        methods: kinds of forgery.
    """
    people = context.faces.subject_codes
    random = replace(context, probe_id="robustness").random("faces")
    forged = sample_rows(rows, people[rows], count, random)
    if not splices(methods):
        return forged, forged
    return forged, with_other_photos(forged, rows, people, context.random("other photos"))
