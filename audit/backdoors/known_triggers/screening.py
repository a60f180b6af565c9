"""Faces that may carry a trigger, screened beside those that do not (STRIP).

Several pictures of one person are answered alike and tell hardly more than one, so that people are compared: one
picture of each clean person is beside, and one of each suspected person is counted. The others are in the table.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from scipy.stats import betabinom
from torch import Tensor

from ....core.errors import PlanError
from ....core.keys import format_key
from ....core.probes import Note, Output, ProbeContext, TableOutput
from ....core.results import Estimate
from ....core.statistics.intervals import clopper_pearson
from ...robustness.sample import sample_rows
from ..input_tests import OVERLAYS, screen, strip_entropies
from .params import KnownTriggersParams

Rows = NDArray[np.int64]
FLAGGED = "suspects_flagged"
MOST_SUSPECTS = 500
"""Suspected faces that are looked at, spread over people: each is asked about under a dozen others."""


def divided(context: ProbeContext, params: KnownTriggersParams) -> tuple[Rows, Rows]:
    """Return the positions of the clean faces, and of the suspects, of these at most :data:`MOST_SUSPECTS`.

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
    subjects = context.faces.subject_codes
    rows = everyone[suspected]
    return everyone[~suspected], sample_rows(rows, subjects[rows], MOST_SUSPECTS, context.random("suspects"))


def screened(context: ProbeContext, params: KnownTriggersParams, clean: Tensor, suspects: Tensor) -> Iterator[Output]:
    """Yield which suspects keep their answer under other faces, of how many people, and a finding at too many.

    Args:
        context: the probe's.
        params: with the split that is suspected.
        clean: the clean faces that the probe drew, (m, 3, h, w).
        suspects: those of :func:`divided`, (n, 3, h, w).
    """
    clean_rows, rows = divided(context, params)
    codes = context.faces.subject_codes
    drawn = sample_rows(clean_rows, codes[clean_rows], params.faces, context.random("faces"))
    people = context.random("overlays").permutation(np.unique(codes[drawn]))
    needed = max(OVERLAYS, int(np.ceil(1 / params.false_alarms)) - 1)
    counted = one_of_each(codes[rows], context.random("counted"))
    half = len(people) // 2
    if half < needed:
        reason = (
            f"{len(people)} people in the clean faces; {2 * needed} are needed: the faces of half of them to lay over "
            "others, a face of each other one to compare with"
        )
        yield context.measurement(FLAGGED, Estimate.not_measured(reason, n=len(counted)))
        return
    over = np.isin(codes[drawn], people[:half])
    overlays, others = clean[torch.from_numpy(over)], clean[torch.from_numpy(~over)]
    beside = others[torch.from_numpy(one_of_each(codes[drawn][~over], context.random("beside")))]
    random = context.random("strip")
    plain = strip_entropies(context.model, beside, overlays, random)
    entropies = strip_entropies(context.model, suspects, overlays, random)
    found = screen(plain, entropies, params.false_alarms)
    count, n = int(found.flagged[counted].sum()), len(counted)
    low, high = clopper_pearson(np.array([float(count)]), np.array([float(n)]), context.rules.level)
    estimate = Estimate(
        value=count / n, low=float(low[0]), high=float(high[0]), level=context.rules.level, method="clopper_pearson",
        n=n, subjects=n, count=count,
    )  # fmt: skip
    yield context.measurement(FLAGGED, estimate, direction="lower")
    table = {
        "face_id": context.faces.frame["face_id"].iloc[rows].to_numpy(),
        "entropy": entropies,
        "p": found.p,
        "flagged": found.flagged,
        "counted": np.isin(np.arange(len(rows)), counted),
    }
    yield TableOutput("suspects", pd.DataFrame(table), "Suspected faces under other faces (STRIP)")
    yield from _looked_at(context, params, len(rows), n)
    p = chance_of(count, n, len(beside), params.false_alarms)
    told = (
        f"The faces of {count} of {n} suspected people keep their answer under other faces as those of at most "
        f"{params.false_alarms:.0%} of {len(beside)} clean people do"
    )
    if p < params.alpha:
        yield context.finding(
            "suspects",
            "medium",
            f"{told}: more than chance makes it, as faces with a patch or stripes that a backdoor "
            "answers to. Whoever knows such a mark chooses the model's answer.",
            evidence=[format_key(context.probe_id, FLAGGED, None, None)],
            caveats=[
                "faces of clearer expression, or of another source than the clean ones, keep their answer more often, "
                "too; look at those flagged"
            ],
            p_adjusted=p,
        )
        return
    yield Note(
        f"{told}; chance makes as many (p {p:.2g}). Blended noise, warps and faint patterns are hardly found this way."
    )


def _looked_at(context: ProbeContext, params: KnownTriggersParams, faces: int, people: int) -> Iterator[Output]:
    """Say what was not looked at, or not counted."""
    there = int((context.faces.frame["split"].astype(str) == params.suspects).sum())
    if faces < there:
        yield Note(f"{faces:,} of {there:,} suspected faces were looked at, spread over people.")
    if people < faces:
        yield Note(
            f"One face of each of {people:,} suspected people is counted, drawn at random; all {faces:,} that were "
            "looked at are in the table."
        )


def one_of_each(people: NDArray[np.int64], random: np.random.Generator) -> Rows:
    """Return the position of one face of each person, drawn at random, in order; ``people`` has shape (n,)."""
    order = random.permutation(len(people))
    return np.sort(order[np.unique(people[order], return_index=True)[1]])


def chance_of(count: int, suspects: int, clean: int, false_alarms: float) -> float:
    """Return the chance of so many flags or more among clean suspects, beside so many clean faces, all other people's.

    The clean faces set a threshold that is itself drawn: of ``m`` of them the share of all clean faces beyond the
    ``k``-th is ``Beta(k, m + 1 - k)``, so that the number of flags is beta-binomial.
    """
    beyond = int(np.floor(false_alarms * (clean + 1) + 1e-9))
    return float(betabinom.sf(count - 1, suspects, beyond, clean + 1 - beyond))
