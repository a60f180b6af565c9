"""What figures are drawn from: ROC curves with bands, distributions of scores, and one line per method."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ....core.probes import Note, ProbeContext, TableOutput
from ....core.results import Estimate
from ....core.statistics.roc_band import roc_band
from .material import Floats, Scored
from .measuring import Measuring

ALL, GENUINE = "all", "genuine"
BINS = 20


@dataclass(frozen=True)
class OfMethod:
    """What is known of one method, or of all forgeries.

    Attributes:
        name: of the method; ``all`` for all forgeries.
        faces: forged faces of it.
        people: people they are of.
        auroc: against all genuine faces.
        eer: against all genuine faces.
        ap: the same, at the share of forgeries of all labelled faces.
        apcer: share of them called genuine.
    """

    name: str
    faces: int
    people: int
    auroc: Estimate
    eer: Estimate
    ap: Estimate
    apcer: Estimate


def about(measuring: Measuring, faces: Scored, name: str = ALL) -> OfMethod:
    """Measure the forgeries of one method, or all of them."""
    of = faces if name == ALL else faces.of(name)
    forged = of.only(of.forged)
    return OfMethod(
        name=name,
        faces=len(forged.rows),
        people=len(np.unique(forged.subjects)),
        auroc=measuring.ranking("auroc", of),
        eer=measuring.ranking("eer", of),
        ap=measuring.ranking("ap", of),
        apcer=measuring.rate("apcer", forged),
    )


def methods_table(methods: Sequence[OfMethod]) -> TableOutput:
    """Return one line per method; numbers are empty where not measured, with the reason."""
    lines = []
    for each in methods:
        reasons = dict.fromkeys(e.reason for e in (each.auroc, each.eer, each.ap, each.apcer) if e.reason)
        lines.append(
            {
                "method": each.name,
                "faces": each.faces,
                "people": each.people,
                "auroc": each.auroc.value,
                "low": each.auroc.low,
                "high": each.auroc.high,
                "eer": each.eer.value,
                "eer_low": each.eer.low,
                "eer_high": each.eer.high,
                "ap": each.ap.value,
                "ap_low": each.ap.low,
                "ap_high": each.ap.high,
                "apcer": each.apcer.value,
                "apcer_low": each.apcer.low,
                "apcer_high": each.apcer.high,
                "reason": "; ".join(reasons),
            }
        )
    return TableOutput("methods", pd.DataFrame(lines), "Forgeries of each method against all genuine faces")


def roc_table(measuring: Measuring, faces: Scored) -> Iterator[TableOutput | Note]:
    """Yield the ROC curve of all forgeries and of each method, at false alarm rates from 0 to 1 by 0.01."""
    if measuring.unranked(faces):
        return
    context, parts, small = measuring.context, [], []
    for name in (ALL, *faces.names):
        of = faces if name == ALL else faces.of(name)
        if min(_people(of.only(of.forged)), _people(of.only(~of.forged))) < context.rules.min_subjects:
            small.append(name)
            continue
        random = context.random("roc", name)
        band = roc_band(of.scores, of.forged, of.subjects, random, level=context.rules.level)
        part = pd.DataFrame(
            {
                "method": name,
                "false_alarms": band.false_alarms,
                "detected": band.detected,
                "low": band.low,
                "high": band.high,
            }
        )
        parts.append(part.assign(level=band.level))
    if parts:
        title = "ROC curves; the band is pointwise, from drawing people anew"
        yield TableOutput("roc", pd.concat(parts, ignore_index=True), title)
    if small:
        needed = context.rules.min_subjects
        yield Note(f"No ROC curve of {', '.join(small)}: forged or genuine faces of fewer than {needed} people.")


def densities_table(context: ProbeContext, faces: Scored) -> Iterator[TableOutput]:
    """Yield how scores of genuine faces and of each method are spread over twenty bins."""
    edges = _edges(faces)
    kinds = {GENUINE: faces.only(~faces.forged)}
    if faces.names:
        kinds |= {name: faces.only(faces.methods == name) for name in faces.names}
    else:
        kinds["forged"] = faces.only(faces.forged)
    parts = []
    for kind, of in kinds.items():
        if _people(of) < context.rules.min_subjects:
            continue
        counts = np.histogram(np.clip(of.scores, edges[0], edges[-1]), edges)[0]
        shares = counts / len(of.rows)
        part = pd.DataFrame({"kind": kind, "edge_low": edges[:-1], "edge_high": edges[1:], "share": shares})
        parts.append(part.assign(faces=len(of.rows)))
    if parts:
        title = "Scores of genuine faces and of forgeries by method, as shares of each"
        yield TableOutput("densities", pd.concat(parts, ignore_index=True), title)


def _edges(faces: Scored) -> Floats:
    """Return bins from 0 to 1, or over the range of the scores where that is less than half of it."""
    low, high = float(faces.scores.min()), float(faces.scores.max())
    if not 0 < high - low < 0.5:
        return np.linspace(0, 1, BINS + 1)
    unit = 10.0 ** math.floor(math.log10(high - low)) / 10  # round to a tenth of the range's order of magnitude
    ends = max(math.floor(low / unit) * unit, 0.0), min(math.ceil(high / unit) * unit, 1.0)
    return np.linspace(*ends, BINS + 1)


def _people(of: Scored) -> int:
    return len(np.unique(of.subjects))
