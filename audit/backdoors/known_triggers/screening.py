"""Faces that may carry a trigger, screened beside those that do not (STRIP)."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import betabinom
from torch import Tensor

from ....core.errors import PlanError
from ....core.keys import format_key
from ....core.probes import Note, Output, ProbeContext, TableOutput
from ....core.results import Estimate
from ....core.statistics.intervals import clopper_pearson
from ..input_tests import OVERLAYS, screen, strip_entropies
from .params import KnownTriggersParams

Rows = NDArray[np.int64]
FLAGGED = "suspects_flagged"


def divided(context: ProbeContext, params: KnownTriggersParams) -> tuple[Rows, Rows]:
    """Return the positions of the clean faces, and of the suspects.

    Raises:
        PlanError: when no face, or every face, has the split that is suspected.
    """
    everyone = np.arange(len(context.faces), dtype=np.int64)
    if params.suspects is None:
        return everyone, everyone[:0]
    suspected = (context.faces.frame["split"].astype(str) == params.suspects).to_numpy()
    if not suspected.any() or suspected.all():
        there = ", ".join(sorted(set(context.faces.frame["split"].astype(str)))) or "none"
        raise PlanError(
            f"expected some faces, but not all, of the split {params.suspects!r} that {context.probe_id} suspects, but "
            f"got {int(suspected.sum())} of {len(suspected)}; the splits are: {there}"
        )
    return everyone[~suspected], everyone[suspected]


def screened(context: ProbeContext, params: KnownTriggersParams, clean: Tensor, suspects: Tensor) -> Iterator[Output]:
    """Yield which suspects keep their answer under other faces, how many do, and a finding when these are too many."""
    half = len(clean) // 2
    needed = max(OVERLAYS, int(np.ceil(1 / params.false_alarms)) - 1)
    if half < needed:
        reason = f"{len(clean)} clean faces; {2 * needed} are needed: half to lay over others, half to compare with"
        yield context.measurement(FLAGGED, Estimate.not_measured(reason, n=len(suspects)))
        return
    order = context.random("overlays").permutation(len(clean))
    overlays, beside = clean[order[:half]], clean[order[half:]]
    random = context.random("strip")
    plain = strip_entropies(context.model, beside, overlays, random)
    entropies = strip_entropies(context.model, suspects, overlays, random)
    found = screen(plain, entropies, params.false_alarms)
    count, n = int(found.flagged.sum()), len(suspects)
    low, high = clopper_pearson(np.array([float(count)]), np.array([float(n)]), context.rules.level)
    estimate = Estimate(
        value=count / n, low=float(low[0]), high=float(high[0]), level=context.rules.level, method="clopper_pearson",
        n=n, count=count,
    )  # fmt: skip
    yield context.measurement(FLAGGED, estimate, direction="lower")
    _, rows = divided(context, params)
    table = {
        "face_id": context.faces.frame["face_id"].iloc[rows].to_numpy(),
        "entropy": entropies,
        "p": found.p,
        "flagged": found.flagged,
    }
    yield TableOutput("suspects", pd.DataFrame(table), "Suspected faces under other faces (STRIP)")
    p = chance_of(count, n, len(beside), params.false_alarms)
    told = (
        f"{count} of {n} suspected faces keep their answer under other faces as at most {params.false_alarms:.0%} of "
        f"{len(beside)} clean ones do"
    )
    if p < params.alpha:
        yield context.finding(
            "suspects",
            "medium",
            f"{told}: more than chance makes it, as faces with a patch or stripes that a backdoor answers to.",
            evidence=[format_key(context.probe_id, FLAGGED, None, None)],
            caveats=[
                "faces of clearer expression, or of another source than the clean ones, keep their answer more often, "
                "too; look at those flagged"
            ],
            p_adjusted=p,
        )
        return
    yield Note(
        f"{told[0].upper()}{told[1:]}; chance makes as many (p {p:.2g}). Blended noise, warps and faint patterns are "
        "hardly found this way."
    )


def chance_of(count: int, suspects: int, clean: int, false_alarms: float) -> float:
    """Return the chance of so many flags or more among clean suspects, beside so many clean faces.

    The clean faces set a threshold that is itself drawn: of ``m`` of them the share of all clean faces beyond the
    ``k``-th is ``Beta(k, m + 1 - k)``, so that the number of flags is beta-binomial.
    """
    beyond = int(np.floor(false_alarms * (clean + 1) + 1e-9))
    return float(betabinom.sf(count - 1, suspects, beyond, clean + 1 - beyond))
