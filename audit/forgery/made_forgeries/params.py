"""Parameters of the probe ``made_forgeries``."""

from __future__ import annotations

from typing import Any

from pydantic import Field, field_validator

from ....core.errors import nearest
from ....core.probe_params import one_or_many
from ....core.probes import ProbeParams
from ..making import METHODS, USUAL
from ..making.codec import QUALITY


class MadeForgeriesParams(ProbeParams):
    """Which forgeries are made, of how many faces, and from which probability on a face is called forged."""

    methods: tuple[str, ...] = Field(default=USUAL, description="kinds of forgery: " + ", ".join(METHODS))
    faces: int = Field(default=300, ge=2, le=2000, description="faces that are forged, a sample spread over people")
    threshold: float = Field(
        default=0.5, gt=0, lt=1, description="probability of a forgery from which on a face is called forged"
    )
    quality: int = Field(default=QUALITY, ge=1, le=95, description="JPEG quality of every picture, forged or not")
    tolerance: float = Field(default=0.10, ge=0, lt=1, description="largest gap between groups that is accepted")

    @field_validator("methods", mode="before")
    @classmethod
    def _one_or_many(cls, value: Any) -> Any:
        return one_or_many(value)

    @field_validator("methods")
    @classmethod
    def _known_and_once(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for name in value:
            if name not in METHODS:
                raise ValueError(f"expected {', '.join(METHODS)}, but got {name!r}{nearest(name, METHODS)}")
        if not value or len(set(value)) < len(value):
            raise ValueError(f"expected at least one kind of forgery, each once, but got {list(value)}")
        return value
