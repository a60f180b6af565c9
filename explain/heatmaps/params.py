"""Parameters of the probe ``global_heatmaps``: which faces, which methods, which masks."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import Field, PrivateAttr, field_validator

from ...core.errors import UsageError
from ...core.files import sha256_of_bytes, sha256_of_file
from ...core.probes import Need, ProbeParams
from ..attribution.method import AttributionSettings
from ..attribution.registry import METHODS, check_methods, expand_methods
from ..masks import MaskError, MaskSet, ekman_masks, load_masks
from .agreement import Threshold
from .selection import Select

_NEEDS: dict[str, Need] = {"gradients": "gradients", "layers": "layers"}


class GlobalHeatmapsParams(ProbeParams):
    """Which faces are explained, how, and which masks their mean maps are scored against."""

    method: str = Field(default="gradcam", description="attribution method whose maps are scored and spoken of")
    also: tuple[str, ...] | str = Field(
        default=(),
        description="further methods for the same faces: names, families (cam, gradient, black_box, ...), or all",
    )
    layer: str | None = Field(
        default=None, description="dotted name of the layer to explain by; the last feature map unless given"
    )
    per_class: int = Field(default=100, ge=2, le=500, description="faces explained for each class, at most")
    select: Select = Field(
        default="predicted",
        description="faces the model calls so (predicted), faces labelled so (label), or both (correct)",
    )
    masks: str | None = Field(
        default=None,
        description="folder of own masks EXPRESSION.png on the 224 x 275 canvas; the project's six unless given",
    )
    threshold: Threshold = Field(
        default="otsu", description="which part of a map is evidence: otsu, or area for as much as the mask covers"
    )
    average: Literal["stretched", "raw"] = Field(
        default="stretched",
        description="how single maps enter the mean: each stretched to 0..1, or raw, so that large values weigh more",
    )
    settings: AttributionSettings = Field(
        default_factory=AttributionSettings, description="samples, steps and segments of the methods that have any"
    )
    _folder: Path = PrivateAttr(default_factory=Path)

    @field_validator("method")
    @classmethod
    def _method_exists(cls, value: str) -> str:
        try:
            check_methods([value])
        except UsageError as error:
            raise ValueError(str(error)) from error
        return value

    @field_validator("also")
    @classmethod
    def _methods_exist(cls, value: tuple[str, ...] | str) -> tuple[str, ...]:
        try:
            return expand_methods([value] if isinstance(value, str) else value)
        except UsageError as error:
            raise ValueError(str(error)) from error

    def model_post_init(self, context: Any, /) -> None:
        """Take the plan's folder, to which ``masks`` is relative, from the validation context, and check the masks."""
        if isinstance(context, dict) and "folder" in context:
            self._folder = Path(context["folder"])
            if self.masks is not None:
                try:
                    self.mask_set()
                except MaskError as error:
                    raise ValueError(str(error)) from error

    @property
    def further_methods(self) -> tuple[str, ...]:
        """Methods beside the first, each once."""
        return tuple(name for name in self.also if name != self.method)

    def further_needs(self) -> frozenset[Need]:
        """Return what the first method needs; a further one that cannot be had is told of and left out."""
        return frozenset(_NEEDS[need] for need in METHODS[self.method].needs)

    def digest_of_files(self) -> str:
        """Return a hash of the user's own masks, by name and content; empty for the project's."""
        if self.masks is None:
            return ""
        drawn = sorted((self._folder / self.masks).glob("*.png"))
        return sha256_of_bytes("".join(f"{file.name} {sha256_of_file(file)} " for file in drawn).encode())

    def mask_set(self) -> MaskSet:
        """Return the masks to score against.

        Raises:
            MaskError: if the folder cannot be used.
        """
        return ekman_masks() if self.masks is None else load_masks(self._folder / self.masks)
