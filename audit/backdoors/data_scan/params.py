"""What a plan may say to the probe ``data_scan``."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import Field, PrivateAttr, ValidationError, field_validator

from ....core.files import sha256_of_bytes, sha256_of_file
from ....core.plan import DataSpec
from ....core.probe_params import one_or_many
from ....core.probes import ProbeParams

Method = Literal["laplacian", "spectral", "clustering"]
METHODS: tuple[Method, ...] = ("laplacian", "spectral", "clustering")


class DataScanParams(ProbeParams):
    """Which images are looked at, against which clean ones, and how many false alarms are accepted."""

    clean: str | dict[str, Any] | None = Field(
        default=None,
        description="photos known to be clean: the name of a split of the manifest, or a block as `data` of a plan "
        "(manifest, subject, label, box, landmarks); the rest of the data by a robust rule unless given",
    )
    methods: tuple[Method, ...] = Field(default=METHODS, description="laplacian, spectral, clustering")
    false_alarm_rate: float = Field(default=0.05, gt=0, lt=0.5, description="share of clean images that may be flagged")
    assumed_share: float = Field(
        default=0.10, gt=0, lt=1, description="poisoned share for which it is said how many flags are right"
    )
    alpha: float = Field(default=0.05, gt=0, le=1, description="strength of the stamp that power is measured with")
    kernel: Literal[3, 5, 7] = Field(default=5, description="side of the kernel of the fine detail, in pixels")
    layer: str | None = Field(
        default=None, description="layer whose output is looked at; the head's input unless given"
    )
    faces: int | None = Field(default=None, ge=1, description="a sample, spread over people; all unless given")
    draws: int = Field(default=199, ge=19, le=9999, description="simulations behind a p-value of two clusters")
    trigger_steps: int = Field(default=200, ge=1, le=5000, description="training steps of the stamp's generator")
    tolerance: float = Field(default=0.10, ge=0, lt=1, description="largest gap between groups that is accepted")
    _folder: Path = PrivateAttr(default_factory=Path)

    _one_or_many = field_validator("methods", mode="before")(one_or_many)

    @field_validator("methods")
    @classmethod
    def _each_once(cls, value: tuple[Method, ...]) -> tuple[Method, ...]:
        if not value or len(set(value)) < len(value):
            raise ValueError(f"expected one or more of {', '.join(METHODS)}, each once, but got {', '.join(value)}")
        return value

    @field_validator("clean")
    @classmethod
    def _a_data_block(cls, value: str | dict[str, Any] | None) -> str | dict[str, Any] | None:
        if not isinstance(value, dict):
            return value
        try:
            block = DataSpec.model_validate(value)
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(map(str, first["loc"]))
            raise ValueError(
                f"expected clean to be a block as `data` of a plan, but got {place}: {first['msg']}"
            ) from None
        if block.manifest is None:
            raise ValueError("expected clean to name a manifest, but got a block without one")
        return value

    def model_post_init(self, context: Any, /) -> None:
        """Take the plan's folder, to which files are relative, from the validation context, and look the files up."""
        if not isinstance(context, dict) or "folder" not in context:
            return
        self._folder = Path(context["folder"])
        missing = [str(file) for file in self._files() if not file.is_file()]
        if missing:
            raise ValueError(f"expected clean to name files relative to the plan, but there is no {', '.join(missing)}")

    @property
    def folder(self) -> Path:
        """The plan's folder."""
        return self._folder

    @property
    def clean_data(self) -> DataSpec | None:
        """The block of clean photos, ``None`` where they are a split or not given."""
        return DataSpec.model_validate(self.clean) if isinstance(self.clean, dict) else None

    def _files(self) -> list[Path]:
        block = self.clean_data
        if block is None:
            return []
        named = [block.manifest, block.landmarks if block.landmarks != "aligned" else None]
        return [self._folder / each for each in named if isinstance(each, str)]

    def digest_of_files(self) -> str:
        """Return a hash of the manifest and landmarks of the clean photos."""
        found = [sha256_of_file(file) for file in self._files() if file.is_file()]
        return sha256_of_bytes(" ".join(found).encode()) if found else ""
