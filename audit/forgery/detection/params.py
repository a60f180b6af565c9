"""Parameters of the probe ``forgery_detection``."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, field_validator

from ....core.probe_params import one_or_many
from ....core.probes import ProbeParams

Tested = Literal["auroc", "apcer", "bpcer"]


class DetectionParams(ProbeParams):
    """The threshold, what is done to the pictures, and which differences between groups are tested."""

    threshold: float = Field(
        default=0.5, gt=0, lt=1, description="probability of a forgery from which on a face is called forged"
    )
    quality: tuple[Annotated[int, Field(ge=1, le=95)], ...] = Field(
        default=(90, 70, 50, 30), description="JPEG qualities at which each face is saved and read again; [] for none"
    )
    size: tuple[Annotated[float, Field(gt=0, lt=1)], ...] = Field(
        default=(0.5, 0.25), description="shares of its size to which each face is made smaller and back; [] for none"
    )
    faces: int | None = Field(
        default=None,
        ge=1,
        description="faces shown compressed and small, a sample spread over people; all unless given",
    )
    gaps: tuple[Tested, ...] = Field(
        default=("auroc", "apcer", "bpcer"), description="measures whose gaps between groups are tested; [] for none"
    )
    tolerance: float = Field(default=0.05, ge=0, lt=1, description="largest gap between groups that is accepted")

    @field_validator("quality", "size", "gaps", mode="before")
    @classmethod
    def _one_or_many(cls, value: Any) -> Any:
        return one_or_many(value)

    @field_validator("quality", "size", "gaps")
    @classmethod
    def _each_once(cls, value: tuple[Any, ...]) -> tuple[Any, ...]:
        if len(set(value)) < len(value):
            raise ValueError(f"expected each value once, but got {list(value)}")
        return value
