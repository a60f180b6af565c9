"""What a plan may say to the probe ``generated_faces``."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

from pydantic import Field, PrivateAttr, field_validator

from ....core.files import sha256_of_bytes, sha256_of_file
from ....core.probes import ProbeParams


class GeneratedFacesParams(ProbeParams):
    """Which generator, what to wish for, how far to search, and on which other models to try what is found."""

    compares_groups: ClassVar[bool] = False

    generator: str = Field(
        description="FILE.py:NAME or PACKAGE.MODULE:NAME (called, it returns the generator), or an exported program "
        "(.pt2, .onnx): vectors (n, d) to pictures (n, 3, h, w), RGB 0..1"
    )
    arguments: dict[str, Any] = Field(default_factory=dict, description="what NAME is called with")
    latent_size: int | None = Field(default=None, ge=1, description="length of a vector, where the generator has none")
    label: str | None = Field(default=None, description="class of every face, where the generator does not say")
    attributes: dict[str, tuple[str, ...]] | None = Field(
        default=None, description="what to wish for: name to values; all that the generator has unless given"
    )
    judges: dict[str, str] = Field(
        default_factory=dict,
        description="NAME=VALUE to FILE.py:NAME: called, it returns a function from pictures to how surely they have "
        "it, 0..1; for attributes that the generator cannot set",
    )
    faces: int = Field(default=30, ge=1, le=10_000, description="faces to begin with, of each value of an attribute")
    steps: int = Field(default=40, ge=1, le=10_000, description="gradient steps, or questions about a face")
    radius: float = Field(default=1.0, gt=0, le=100, description="how far each free entry of a vector may move")
    scale: float = Field(default=1.0, gt=0, le=10, description="spread of the vectors, where the generator draws none")
    others: dict[str, str | dict[str, Any]] = Field(
        default_factory=dict,
        description="models to try what was found on: name to a checkpoint of the same target block, or to a block of "
        "what differs",
    )
    ensemble: bool = Field(
        default=False, description="also search with all models but one and try the result on that one"
    )
    tolerance: float = Field(default=0.10, ge=0, lt=1, description="largest gap between attributes that is accepted")
    _folder: Path = PrivateAttr(default_factory=Path)

    @field_validator("judges")
    @classmethod
    def _named_by_value(cls, given: dict[str, str]) -> dict[str, str]:
        for name in given:
            if not all(name.partition("=")):
                raise ValueError(f"expected a judge for NAME=VALUE, such as hair=red, but got {name!r}")
        return given

    def model_post_init(self, context: Any, /) -> None:
        """Take the plan's folder, to which files are relative, from the validation context."""
        if self.ensemble and not self.others:
            raise ValueError("expected `others` beside `ensemble: true`: with one model there is none to leave out")
        if isinstance(context, dict) and "folder" in context:
            self._folder = Path(context["folder"])

    @property
    def folder(self) -> Path:
        """The plan's folder."""
        return self._folder

    def digest_of_files(self) -> str:
        """Return a hash of the files that are named."""
        written = [self.generator, *self.judges.values()]
        files = [Path(each.rpartition(":")[0] if ".py:" in each else each) for each in written]
        files += [
            Path(each if isinstance(each, str) else str(each.get("checkpoint", ""))) for each in self.others.values()
        ]
        found = [self._folder / file for file in files]
        return sha256_of_bytes(" ".join(sha256_of_file(file) for file in found if file.is_file()).encode())
