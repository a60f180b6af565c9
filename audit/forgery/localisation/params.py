"""Parameters of the probe ``forgery_localisation``: which faces, which methods of explanation."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import Field, field_validator

from ....core.errors import UsageError
from ....core.probes import Need, ProbeParams
from ....explain.attribution.method import AttributionSettings
from ....explain.attribution.registry import METHODS, check_methods, expand_methods

_NEEDS: dict[str, Need] = {"gradients": "gradients", "layers": "layers"}


class LocalisationParams(ProbeParams):
    """Which forged faces are explained, and how."""

    compares_groups: ClassVar[bool] = False  # the tolerance is none of a rate, for which faces could be counted
    method: str = Field(default="gradcam", description="attribution method whose maps are scored and spoken of")
    also: tuple[str, ...] = Field(
        default=(),
        description="further methods for the same faces: names, families (cam, gradient, black_box, ...), or all",
    )
    layer: str | None = Field(
        default=None, description="dotted name of the layer to explain by; the last feature map unless given"
    )
    faces: int = Field(
        default=200, ge=2, le=20_000, description="forged faces explained of each way of forging, at most"
    )
    other_masks: int = Field(
        default=8, ge=1, le=100, description="masks of other people's forgeries that each heatmap is held against"
    )
    tolerance: float = Field(default=0.10, ge=0, lt=1, description="largest gap between groups that is accepted")
    settings: AttributionSettings = Field(
        default_factory=AttributionSettings, description="samples, steps and segments of the methods that have any"
    )

    @field_validator("method")
    @classmethod
    def _method_exists(cls, value: str) -> str:
        try:
            check_methods([value])
        except UsageError as error:
            raise ValueError(str(error)) from error
        return value

    @field_validator("also", mode="before")
    @classmethod
    def _methods_exist(cls, value: Any) -> Any:
        names = [value] if isinstance(value, str) else value
        if not isinstance(names, (list, tuple)) or not all(isinstance(name, str) for name in names):
            return value  # pydantic says what is wrong with it
        try:
            return expand_methods(names)
        except UsageError as error:
            raise ValueError(str(error)) from error

    @property
    def methods(self) -> tuple[str, ...]:
        """The method spoken of first, then the further ones, each once."""
        return (self.method, *(name for name in self.also if name != self.method))

    def further_needs(self) -> frozenset[Need]:
        """Return what the first method needs; a further one that cannot be had is told of and left out."""
        return frozenset(_NEEDS[need] for need in METHODS[self.method].needs)

    def without_gradients(self) -> str:
        """Return what to ask for where the target gives no gradients."""
        return "method: rise, occlusion, lime or kernel_shap, which ask the model only for answers"
