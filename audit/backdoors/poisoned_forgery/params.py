"""What a plan may say to the probe ``trigger_sensitivity``."""

from __future__ import annotations

from pydantic import Field, field_validator

from ....core.probe_params import ProbeParams

MOST_ALPHA = 0.5


class TriggerSensitivityParams(ProbeParams):
    """How strong the auditor's triggers are, and on how many faces they are tried."""

    alpha: float = Field(
        default=0.05, description="strength of the triggers: no pixel changes by more than this share of itself"
    )
    faces: int = Field(default=300, description="at most so many forged faces, spread over people")
    crops: int = Field(default=1, description="patterns of each of the 14 generators for every face")

    @field_validator("alpha")
    @classmethod
    def _strength(cls, value: float) -> float:
        if not 0 < value <= MOST_ALPHA:
            raise ValueError(f"expected a strength above 0 and at most {MOST_ALPHA}, such as 0.05, but got {value}")
        return value

    @field_validator("faces")
    @classmethod
    def _some_faces(cls, value: int) -> int:
        if value < 1:
            raise ValueError(f"expected at least 1 face, but got {value}")
        return value

    @field_validator("crops")
    @classmethod
    def _some_crops(cls, value: int) -> int:
        if not 1 <= value <= 32:
            raise ValueError(f"expected from 1 to 32 patterns of each generator, but got {value}")
        return value
