"""Is confidence earned alike in every group? Accuracy beside mean confidence, in bins that all groups share."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from ...core.probes import Output, ProbeContext, TableOutput
from ...core.statistics.groups import Groups
from ...core.statistics.intervals import rate_intervals
from ...core.statistics.sums import Floats, Integers, Lines, add_up, divide, total_at

BINS = 5
CONFIDENCE_DIGITS = 4


def calibration_by_group(context: ProbeContext) -> Iterator[Output]:
    """Yield a table of accuracy by group of every single attribute and by bin of confidence.

    Bins hold equally many of all faces. A bin of a group with fewer people than a group needs to be measured is left
    out; intervals count people, as those of accuracy do.
    """
    rows = np.flatnonzero(context.predictions.labels >= 0)
    groupings = [groups for groups in context.faces.groupings if len(groups.attributes) == 1]
    if not groupings or not len(rows):
        return
    predictions = context.predictions
    confidence = predictions.probabilities[rows].max(axis=1)
    right = (predictions.predicted[rows] == predictions.labels[rows]).astype(np.float64)
    edges = np.unique(np.quantile(confidence, np.linspace(0, 1, BINS + 1)))
    place = np.clip(np.searchsorted(edges, confidence, side="right") - 1, 0, max(len(edges) - 2, 0)).astype(np.int64)
    subjects = context.faces.subject_codes[rows]
    parts = [
        _of(groups, groups.codes[rows], place, edges, confidence, right, subjects, context) for groups in groupings
    ]
    table = pd.concat(parts, ignore_index=True)
    if len(table):
        yield TableOutput("calibration", table, "Accuracy beside confidence, by group")


def _of(
    groups: Groups,
    codes: Integers,
    place: Integers,
    edges: Floats,
    confidence: Floats,
    right: Floats,
    subjects: Integers,
    context: ProbeContext,
) -> pd.DataFrame:
    bins = max(len(edges) - 1, 1)
    cell, cells = codes * bins + place, len(groups) * bins
    lines = Lines.of(subjects, cell, cells)
    sums = add_up(lines, np.arange(len(right)), right)
    found = rate_intervals(sums, context.rules.level)
    mean = divide(total_at(cell, confidence, cells), sums.n, np.nan)
    keep = np.flatnonzero(sums.subjects >= context.rules.min_subjects)
    return pd.DataFrame(
        {
            "attribute": groups.name,
            "group": [next(iter(groups.values[code // bins].values())) for code in keep],
            "from": edges[keep % bins],
            "to": edges[np.minimum(keep % bins + 1, len(edges) - 1)],
            "confidence": mean[keep],
            "accuracy": found.value[keep],
            "low": found.low[keep],
            "high": found.high[keep],
            "faces": sums.faces[keep],
            "people": sums.subjects[keep],
        }
    ).round(CONFIDENCE_DIGITS)
