"""What a plan may say to the probe ``known_triggers``."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, field_validator, model_validator

from ....core.files import sha256_of_bytes, sha256_of_file
from ....core.probe_params import one_or_many
from ....core.probes import ProbeParams
from ..triggers.picture import Place

TriggerName = Literal["patch", "blended", "sinusoid", "warp", "pff"]
EVERY: tuple[TriggerName, ...] = ("patch", "blended", "sinusoid", "warp", "pff")
FEWEST_FACES = 20


class PictureParams(BaseModel):
    """A picture that is laid over faces."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    path: str = Field(description="a PNG or JPEG file; what is transparent in it leaves the face as it is")
    name: str = Field(default="", description="what it is called; the file's name unless given")
    place: Place = Field(default="whole", description="over the whole face, in a corner, or in the middle")
    alpha: float = Field(default=1.0, gt=0, le=1, description="share of the picture where it is opaque")
    side: float = Field(default=0.2, gt=0, le=1, description="longer side of a sticker, as a share of the crop")

    @property
    def called(self) -> str:
        """Its name in tables and keys."""
        return self.name or Path(self.path).stem


class KnownTriggersParams(ProbeParams):
    """Which triggers, on how many faces, beside how many random marks."""

    compares_groups: ClassVar[bool] = False

    triggers: tuple[TriggerName, ...] = Field(default=EVERY, description="triggers that the literature names")
    images: tuple[PictureParams, ...] = Field(default=(), description="pictures of the user's own")
    faces: int | None = Field(default=150, ge=FEWEST_FACES, description="how many faces, spread over people")
    nulls: int = Field(
        default=20,
        ge=8,
        le=1000,
        description="random marks of the same place and size for each trigger; p is a rank among them",
    )
    alpha: float = Field(default=0.05, gt=0, lt=0.5, description="adjusted p up to which there is a finding")
    excess: float = Field(
        default=0.25, ge=0.05, lt=1, description="share of the faces that must turn beyond random marks for a finding"
    )
    suspects: str | None = Field(
        default=None,
        description="`split` of the faces that may carry a trigger; they are screened beside the others (STRIP)",
    )
    false_alarms: float = Field(default=0.05, gt=0, lt=0.5, description="share of clean faces that may be screened out")
    _folder: Path = PrivateAttr(default_factory=Path)

    _one_or_many = field_validator("triggers", mode="before")(one_or_many)

    @field_validator("images", mode="before")
    @classmethod
    def _one_picture(cls, value: Any) -> Any:
        return (value,) if isinstance(value, dict) else value

    @model_validator(mode="after")
    def _check(self) -> KnownTriggersParams:
        names = [*self.triggers, *(image.called for image in self.images)]
        if not names:
            raise ValueError("expected at least one of triggers and images, but got none")
        if len(set(names)) < len(names):
            raise ValueError(f"expected each trigger and picture once, by its name, but got {', '.join(names)}")
        needed = int(np.ceil(1 / self.alpha - 1e-9)) - 1
        if self.nulls < needed:
            raise ValueError(
                f"expected at least {needed} random marks (nulls) for an alpha of {self.alpha:g}, since p is a rank "
                f"among them, but got {self.nulls}"
            )
        return self

    def model_post_init(self, context: Any, /) -> None:
        """Take the plan's folder, to which pictures are relative, from the validation context."""
        if isinstance(context, dict) and "folder" in context:
            self._folder = Path(context["folder"])

    def path(self, written: str) -> Path:
        """Return a file or folder as the plan means it."""
        return self._folder / Path(written).expanduser()

    def digest_of_files(self) -> str:
        """Return a hash of the pictures."""
        files = [self.path(image.path) for image in self.images]
        digests = [sha256_of_file(file) for file in files if file.is_file()]
        return sha256_of_bytes(" ".join(digests).encode()) if digests else ""
