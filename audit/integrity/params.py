"""What a plan may say to the probe ``integrity``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import Field, PrivateAttr, field_validator

from ...core.files import sha256_of_bytes, sha256_of_file
from ...core.probe_params import one_or_many
from ...core.probes import ProbeParams


class IntegrityParams(ProbeParams):
    """How many faces are looked at, and which other files hold the same checkpoint."""

    faces: int = Field(default=300, ge=8, le=2000, description="a sample, spread over people; held in memory")
    same_as: tuple[str, ...] = Field(
        default=(),
        description="other files of the same checkpoint, relative to the plan: .safetensors, .pt, .pt2 or .onnx",
    )
    _folder: Path = PrivateAttr(default_factory=Path)

    _one_or_many = field_validator("same_as", mode="before")(one_or_many)

    @field_validator("same_as")
    @classmethod
    def _each_name_once(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        names = [Path(each).name for each in value]
        if len(set(names)) < len(names):
            raise ValueError(f"expected same_as to name files of different names, but got {', '.join(value)}")
        return value

    def model_post_init(self, context: Any, /) -> None:
        """Take the plan's folder, to which ``same_as`` is relative, from the validation context; look for the files."""
        if isinstance(context, dict) and "folder" in context:
            self._folder = Path(context["folder"])
            missing = [name for name in self.same_as if not (self._folder / name).is_file()]
            if missing:
                raise ValueError(
                    f"expected same_as to name files relative to the plan, but got {', '.join(missing)}, "
                    "which cannot be found"
                )

    def digest_of_files(self) -> str:
        """Return a hash of the files that are compared; empty for none."""
        found = [self._folder / name for name in self.same_as]
        if not found:
            return ""
        digests = [sha256_of_file(file) if file.is_file() else "absent" for file in found]
        return sha256_of_bytes(" ".join(digests).encode())

    @property
    def folder(self) -> Path:
        """The plan's folder."""
        return self._folder
