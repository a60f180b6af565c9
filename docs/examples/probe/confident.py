"""A probe of our own: how often the model is sure of itself."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from pydantic import Field

from countenance.core.probes import Output, ProbeContext, ProbeParams, Scores, probe


class ConfidentParams(ProbeParams):
    """When an answer counts as sure."""

    at_least: float = Field(default=0.9, gt=0, lt=1, description="least probability of a sure answer")


@probe(
    "confident",
    version=1,
    title="Sure answers",
    pillar="performance",
    params=ConfidentParams,
    shows="How often the largest probability reaches a limit, for everyone and by group.",
    hides="Whether the sure answers are right.",
)
def confident(context: ProbeContext, params: ConfidentParams) -> Iterator[Output]:
    """Share of faces that are answered with at least this probability."""
    probabilities = context.predictions.probabilities
    sure = (probabilities.max(axis=1) >= params.at_least).astype(np.float64)
    yield Scores("sure", np.arange(len(sure)), sure, kind="rate", bounds=(0, 1))
