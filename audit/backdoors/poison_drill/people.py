"""Who is trained on, who is kept for the defences, and who is tested: nobody in two of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ....core.errors import AuditError
from ....core.plan import FORGED, GENUINE
from ....core.probes import ProbeContext
from ...robustness.sample import sample_rows
from .params import PoisonDrillParams

Integers = NDArray[np.int64]
FEWEST_TRAINED = 4


@dataclass(frozen=True, eq=False)
class Part:
    """Rows of some people.

    Attributes:
        genuine: rows of genuine photos.
        forged: rows of the manifest's own forgeries; none where self-blends are made.
    """

    genuine: Integers
    forged: Integers


@dataclass(frozen=True, eq=False)
class Parts:
    """The three parts, and what had to be left out, in words."""

    train: Part
    held: Part
    test: Part
    told: tuple[str, ...]


def deal(context: ProbeContext, params: PoisonDrillParams) -> Parts:
    """Deal people to the three parts.

    Raises:
        AuditError: when there are too few people, no genuine photos, or no forgeries where the manifest's are wanted.
    """
    frame, subjects = context.faces.frame, context.faces.subject_codes
    labelled = frame["label"].notna().any()
    genuine = (frame["label"] == GENUINE).to_numpy() if labelled else np.ones(len(frame), dtype=np.bool_)
    forged = (frame["label"] == FORGED).to_numpy() if labelled else np.zeros(len(frame), dtype=np.bool_)
    if not genuine.any():
        raise AuditError(f"expected genuine photos to poison (label {GENUINE!r}), but there are none")
    if params.forgeries == "manifest" and not forged.any():
        raise AuditError(
            f"`forgeries: manifest` needs rows labelled {FORGED!r}, and there are none; `forgeries: made` makes "
            "self-blends of the genuine photos"
        )
    tested, told = _tested(context, params)
    people = np.unique(subjects[genuine])
    others = context.random("people").permutation(np.setdiff1d(people, tested))
    held_count = max(1, round(params.held_share * len(others)))
    held, trained = others[:held_count], others[held_count:]
    if len(trained) < FEWEST_TRAINED:
        raise AuditError(f"expected at least {FEWEST_TRAINED} people to train on, but got {len(trained)}")
    if params.forgeries == "manifest":
        forged, aside = _of_one_part(context, forged, (trained, held, tested))
        if aside:
            told += (f"{aside:,} forgeries have a donor of another part than their face, and were left out.",)
    rows = sample_rows(np.flatnonzero(genuine), subjects[genuine], params.photos, context.random("photos"))
    if len(rows) < genuine.sum():
        told += (f"{len(rows):,} of {int(genuine.sum()):,} genuine photos were used, spread over people (photos).",)
    if not labelled:
        told += ("The faces have no labels: all of them were taken for genuine.",)
    own = np.flatnonzero(forged) if params.forgeries == "manifest" else np.zeros(0, dtype=np.int64)
    parts = [
        Part(rows[np.isin(subjects[rows], chosen)], own[np.isin(subjects[own], chosen)])
        for chosen in (trained, held, tested)
    ]
    if params.forgeries == "manifest" and not (len(parts[0].forged) and len(parts[2].forged)):
        raise AuditError("expected forgeries of the people trained on and of those tested, but one part has none")
    return Parts(parts[0], parts[1], parts[2], told)


def _tested(context: ProbeContext, params: PoisonDrillParams) -> tuple[Integers, tuple[str, ...]]:
    """Return the people to test, by the manifest's split or drawn."""
    frame, subjects = context.faces.frame, context.faces.subject_codes
    in_split = (frame["split"] == params.test_split).to_numpy()
    if in_split.any() and not in_split.all():
        tested = np.unique(subjects[in_split])
        both = int(np.isin(subjects[~in_split], tested).sum())
        told = f"{len(tested):,} people of the split {params.test_split!r} are tested."
        if both:
            told += f" {both:,} photos of theirs in other splits are tested, too, and not trained on."
        return tested, (told,)
    people = np.unique(subjects)
    count = max(1, round(params.test_share * len(people)))
    drawn = context.random("test people").choice(people, count, replace=False)
    return np.sort(drawn), (f"No split is called {params.test_split!r}: {count:,} people drawn at random are tested.",)


def _of_one_part(
    context: ProbeContext, forged: NDArray[np.bool_], parts: tuple[Integers, ...]
) -> tuple[NDArray[np.bool_], int]:
    """Leave forgeries out whose donor is in another part than their face: tested people would be trained on."""
    frame = context.faces.frame
    if "donor" not in frame:
        return forged, 0
    codes = dict(zip(frame["subject"], context.faces.subject_codes, strict=True))
    part_of = {int(person): place for place, part in enumerate(parts) for person in part}
    kept = forged.copy()
    for row in np.flatnonzero(forged).tolist():
        donor = codes.get(frame["donor"].iat[row])
        if donor is not None and part_of.get(int(donor)) != part_of.get(int(codes[frame["subject"].iat[row]])):
            kept[row] = False
    return kept, int(forged.sum() - kept.sum())
