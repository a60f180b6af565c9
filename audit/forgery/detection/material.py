"""What the detector said of faces, frames or videos, and what they are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ....core.probes import ProbeContext

FORGED = "forged"
UNSAID = "(not said)"
RESERVED = frozenset({"all", "genuine"})
"""Names that tables give to all forgeries and to genuine faces."""
UNIT = "unit"

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Scored:
    """Faces (or frames, or videos, each by one of its faces) with their scores.

    Attributes:
        rows: positions in ``context.faces.frame``, shape (n,).
        scores: probability of a forgery, shape (n,), finite.
        forged: whether it is forged, shape (n,).
        methods: how it was forged, shape (n,), text; empty for genuine ones and where no face says it.
        people: what was sampled as one, as a number for every row of the frame, shape (faces,).
        condition: condition of the keys, e.g. ``{"unit": "video"}``; empty for single faces as they are.
    """

    rows: Integers
    scores: Floats
    forged: NDArray[np.bool_]
    methods: NDArray[np.object_]
    people: Integers
    condition: Mapping[str, str] = field(default_factory=dict)

    @property
    def subjects(self) -> Integers:
        """The person of each face, shape (n,)."""
        return self.people[self.rows]

    @property
    def names(self) -> tuple[str, ...]:
        """The methods, in alphabetical order; none where no forgery says how it was made."""
        named = set(self.methods[self.forged].tolist()) - {""}
        return () if named == {UNSAID} else tuple(sorted(named))

    @property
    def lacking(self) -> str:
        """Which kind of face there is none of; empty where there are both."""
        if self.forged.all():
            return "genuine"
        return "" if self.forged.any() else FORGED

    def only(self, kept: NDArray[np.bool_]) -> Scored:
        """Return some of the faces."""
        return replace(
            self,
            rows=self.rows[kept],
            scores=self.scores[kept],
            forged=self.forged[kept],
            methods=self.methods[kept],
        )

    def of(self, method: str) -> Scored:
        """Return the forgeries of one method and all genuine faces."""
        return self.only(~self.forged | (self.methods == method))

    def under(self, scores: Floats, condition: Mapping[str, str]) -> Scored:
        """Return the same faces with other scores, under a condition."""
        return replace(self, scores=scores, condition=condition)


def scored_faces(context: ProbeContext) -> Scored:
    """Return the labelled faces with their scores."""
    predictions = context.predictions
    place = predictions.classes.index(FORGED)
    rows = np.flatnonzero(predictions.labels >= 0).astype(np.int64)
    forged = predictions.labels[rows] == place
    return Scored(
        rows=rows,
        scores=predictions.probabilities[rows, place],
        forged=forged,
        methods=np.where(forged, methods_of(context)[rows], "").astype(object),
        people=clusters(context),
    )


def methods_of(context: ProbeContext) -> NDArray[np.object_]:
    """Return how each face was forged, shape (faces,), whatever its label; empty texts where no face says it.

    A column ``method`` that the plan takes for an attribute of the faces makes groups, and no methods.
    """
    frame = context.faces.frame
    if "method" not in frame or "method" in context.faces.attributes:
        return np.full(len(frame), "", dtype=object)
    told = frame["method"].astype(str).str.strip()
    return told.where(told != "", UNSAID).map(lambda name: f"{name} (method)" if name in RESERVED else name).to_numpy()


def has_videos(context: ProbeContext) -> bool:
    """Return whether any face says which video it is of."""
    frame = context.faces.frame
    return "video" in frame and "video" not in context.faces.attributes and bool((frame["video"] != "").any())


def clusters(context: ProbeContext) -> Integers:
    """Return what was sampled as one, shape (faces,): the person, the video where nobody is named, else the face."""
    if context.faces.has_subjects or not has_videos(context):
        return context.faces.subject_codes
    named = context.faces.frame["video"].astype(str).str.strip()
    alone = pd.Series(np.arange(len(named)), index=named.index).map(lambda row: f"\x1f{row}")
    return pd.factorize(named.where(named != "", alone))[0].astype(np.int64)
