"""What a plan may say to the probe ``au_alignment``."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import Field, PrivateAttr, field_validator

from ...core.errors import UsageError
from ...core.files import sha256_of_file
from ...core.probes import Need, ProbeParams
from ..attribution.method import AttributionSettings
from ..attribution.registry import METHODS, check_methods
from .codebook import Codebook, CodebookError, find_codebook


class AuAlignmentParams(ProbeParams):
    """Which faces are explained and how, and which action units their maps are compared with."""

    method: str = Field(default="gradcam", description="attribution method, one of those that countenance knows")
    layer: str | None = Field(
        default=None, description="dotted name of the layer to explain by; found in the net unless given"
    )
    per_class: int = Field(default=100, ge=2, le=500, description="faces explained for each class, at most")
    of: Literal["predicted", "label"] = Field(
        default="predicted", description="class that is explained for a face: what the model calls it, or its label"
    )
    select: Literal["all", "correct"] = Field(
        default="all", description="faces that are explained: all, or only those that the model calls as labelled"
    )
    codebook: str = Field(
        default="belharbi2024",
        description="action units of each expression: belharbi2024, emfacs7, or a file .yaml or .json of your own",
    )
    mirrored: int = Field(
        default=20, ge=0, le=500, description="faces of each class whose mirrored picture is explained too, at most"
    )
    settings: AttributionSettings = Field(default_factory=AttributionSettings, description="of the method")
    _folder: Path = PrivateAttr(default_factory=Path)

    @field_validator("method")
    @classmethod
    def _known(cls, name: str) -> str:
        try:
            check_methods([name])
        except UsageError as error:
            raise ValueError(str(error)) from error
        return name

    def model_post_init(self, context: Any, /) -> None:
        """Take the plan's folder, to which ``codebook`` is relative, from the validation context, and check it."""
        if isinstance(context, dict) and "folder" in context:
            self._folder = Path(context["folder"])
        try:
            self.units()
        except CodebookError as error:
            raise ValueError(str(error)) from error

    def digest_of_files(self) -> str:
        """Return a hash of the user's own codebook; empty for a published one."""
        file = self._folder / self.codebook
        return sha256_of_file(file) if file.suffix and file.is_file() else ""

    def further_needs(self) -> frozenset[Need]:
        """Return what the method needs of the target."""
        possible: tuple[Need, ...] = ("gradients", "layers")
        return frozenset(need for need in possible if need in METHODS[self.method].needs)

    def units(self) -> Codebook:
        """Return the codebook.

        Raises:
            CodebookError: if it cannot be used.
        """
        return find_codebook(self.codebook, self._folder)
