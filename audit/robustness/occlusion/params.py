"""What a plan may say to the probe ``occlusion``."""

from __future__ import annotations

from pydantic import Field, field_validator, model_validator

from ....core.errors import UsageError, nearest
from ....core.probe_params import one_or_many
from ....explain.attribution.registry import check_methods
from ..conditions import ConditionParams
from .fills import Fill
from .objects import OBJECTS
from .patches import hidden_count
from .regions import REGION_TITLES

SHARES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6)


class OcclusionParams(ConditionParams):
    """How much is hidden, what by, and in which order."""

    shares: tuple[float, ...] = Field(default=SHARES, description="shares of the patches that are hidden, 0 to 1")
    grid: int = Field(default=14, ge=2, le=64, description="patches along a side of the crop")
    fill: Fill = Field(default="mean", description="what hidden pixels become: mean (colour), black, noise or blur")
    method: str | None = Field(
        default="gradcam", description="attribution method that guides patches; null for random patches only"
    )
    layer: str | None = Field(
        default=None, description="dotted name of the layer to explain by; found in the net unless given"
    )
    regions: tuple[str, ...] = Field(default=tuple(REGION_TITLES), description="regions of the face that are hidden")
    objects: tuple[str, ...] = Field(default=tuple(OBJECTS), description="things that are drawn onto the face")
    margin: float = Field(default=0.1, ge=0, le=1, description="margin around a region, in eye distances")

    _one_or_many = field_validator("shares", "regions", "objects", mode="before")(one_or_many)

    @field_validator("shares")
    @classmethod
    def _between(cls, value: tuple[float, ...]) -> tuple[float, ...]:
        for share in value:
            if not 0 < share <= 1:
                raise ValueError(f"expected each share above 0 and at most 1, but got {share:g}")
        if len(set(value)) < len(value):
            raise ValueError(f"expected each share once, but got {', '.join(map(str, value))}")
        return tuple(sorted(value))

    @field_validator("method")
    @classmethod
    def _method_exists(cls, value: str | None) -> str | None:
        if value is not None:
            try:
                check_methods([value])
            except UsageError as error:
                raise ValueError(str(error)) from error
        return value

    @field_validator("regions")
    @classmethod
    def _regions_exist(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return _known(value, tuple(REGION_TITLES), "regions")

    @field_validator("objects")
    @classmethod
    def _objects_exist(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return _known(value, tuple(OBJECTS), "objects")

    @model_validator(mode="after")
    def _each_share_hides_something(self) -> OcclusionParams:
        if self.shares and hidden_count(self.shares[0], self.grid) < 1:
            raise ValueError(
                f"expected shares of at least half of one of the {self.grid**2} patches, but got {self.shares[0]:g}, "
                "which hides none: take a finer grid or a larger share"
            )
        return self


def _known(value: tuple[str, ...], known: tuple[str, ...], what: str) -> tuple[str, ...]:
    for name in value:
        if name not in known:
            raise ValueError(f"expected {what} out of {', '.join(known)}, but got {name!r}{nearest(name, known)}")
    return tuple(dict.fromkeys(value))
