"""What a plan may say to the probe ``leakage``."""

from __future__ import annotations

import re
from typing import Literal

from pydantic import Field, field_validator, model_validator

from ....core.probes import Need, ProbeParams


class LeakageParams(ProbeParams):
    """What is read, from where in the model, and against which controls."""

    of: Literal["embedding", "outputs"] = Field(
        default="embedding",
        description="embedding: what the model's last layer is given; outputs: its predictions, a weaker probe",
    )
    layer: str | None = Field(
        default=None,
        description="dotted name of the layer whose output is the embedding; the input of the last linear or "
        "convolutional layer unless given",
    )
    identity: bool = Field(default=True, description="whether people are told apart")
    attributes: tuple[str, ...] | None = Field(
        default=None, description="attributes to read; all that groups are made of unless given, () for none"
    )
    session: str | None = Field(
        default=None,
        description="label, split or an attribute: pictures of a person in which it differs are of another session",
    )
    session_in_path: str | None = Field(
        default=None, description="regular expression whose first group, found in the path, names the session"
    )
    faces: int = Field(default=4000, ge=20, description="faces read at most, of people drawn at random")
    per_person: int = Field(default=20, ge=2, description="faces of one person at most")
    folds: int = Field(default=5, ge=2, le=20, description="parts in which people, or a person's sessions, are split")
    random_nets: int = Field(
        default=3, ge=2, le=20, description="nets with the model's weights in random order, for comparison"
    )
    pixels: int = Field(default=16, ge=4, le=64, description="side of the small pictures read for comparison")
    permutations: int = Field(default=499, ge=99, description="how often groups are dealt out to people anew")

    @field_validator("session_in_path")
    @classmethod
    def _has_a_group(cls, pattern: str | None) -> str | None:
        if pattern is not None:
            try:
                groups = re.compile(pattern).groups
            except re.error as error:
                raise ValueError(f"{pattern!r} is no regular expression: {error}") from error
            if groups < 1:
                raise ValueError(f"expected a group in parentheses that is the session, but got {pattern!r}")
        return pattern

    @model_validator(mode="after")
    def _check(self) -> LeakageParams:
        if self.session is not None and self.session_in_path is not None:
            raise ValueError("expected either session or session_in_path, but got both")
        if self.layer is not None and self.of == "outputs":
            raise ValueError("layer names the embedding, but of is outputs: leave one out")
        if not self.identity and self.attributes == ():
            raise ValueError("neither identity nor an attribute is to be read")
        return self

    def further_needs(self) -> frozenset[Need]:
        """Return what reading the embedding needs; predictions can be read without a model."""
        return frozenset({"layers", "images"}) if self.of == "embedding" else frozenset()
