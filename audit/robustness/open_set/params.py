"""What a plan may say to the probe ``open_set``."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, PrivateAttr, field_validator

from ....core.errors import ManifestError, nearest
from ....core.files import sha256_of_file
from ....core.probes import ProbeParams
from .non_faces import NON_FACES
from .unknowns import Unknowns, read_unknowns

NonFace = Literal["noise", "flat", "blurred", "scrambled", "shuffled"]
MADE, GIVEN = "made", "given"
TAKEN = frozenset({*NON_FACES, MADE, GIVEN})


class OpenSetParams(ProbeParams):
    """Which unknowns the model is shown."""

    non_faces: tuple[NonFace, ...] | None = Field(
        default=None, description="pictures without a face, made from the faces; all five unless others are given"
    )
    unknown: str | None = Field(
        default=None,
        description="a folder of pictures that show unknown expressions or no face, or a table with path and, if "
        "wanted, subject, kind, box_x0 .. box_y1",
    )
    checkpoints: dict[str, str] = Field(
        default_factory=dict, description="by left-out class, a checkpoint that was trained without it"
    )
    arguments: dict[str, Any] | None = Field(
        default=None,
        description="what the target's factory is called with for these checkpoints; the plan's unless given",
    )
    faces: int | None = Field(default=None, ge=1, description="a sample, spread over people; all unless given")
    tolerance: float = Field(default=0.10, ge=0, lt=1, description="largest gap between groups that is accepted")
    _folder: Path = PrivateAttr(default_factory=Path)

    @field_validator("non_faces")
    @classmethod
    def _each_once(cls, value: tuple[NonFace, ...] | None) -> tuple[NonFace, ...] | None:
        if value is not None and len(set(value)) < len(value):
            raise ValueError(f"expected each kind once, but got {', '.join(value)}")
        return value

    def model_post_init(self, context: Any, /) -> None:
        """Take the plan's folder, to which files are relative, from the validation context, and look the files up."""
        if self.non_faces == () and self.unknown is None and not self.checkpoints:
            raise ValueError("expected something unknown to show: non_faces, unknown or checkpoints")
        if not isinstance(context, dict) or "folder" not in context:
            return
        self._folder = Path(context["folder"])
        try:
            self.unknowns()
        except ManifestError as error:
            raise ValueError(str(error)) from error
        for name, file in self.checkpoints.items():
            path = self._folder / file
            if not path.is_file():
                beside = [item.name for item in path.parent.iterdir()] if path.parent.is_dir() else []
                raise ValueError(
                    f"the checkpoint without {name!r}: there is no file {path}{nearest(path.name, beside)}"
                )

    @property
    def folder(self) -> Path:
        """The plan's folder."""
        return self._folder

    @property
    def made(self) -> tuple[NonFace, ...]:
        """The pictures without a face that are made."""
        if self.non_faces is not None:
            return self.non_faces
        return () if self.unknown is not None or self.checkpoints else tuple(NON_FACES)  # type: ignore[arg-type]

    def unknowns(self) -> Unknowns | None:
        """Read the user's own unknowns, if there are any.

        Raises:
            ManifestError: with every problem at once.
        """
        return None if self.unknown is None else read_unknowns(self._folder / self.unknown, TAKEN)

    def digest_of_files(self) -> str:
        """Return a hash of the pictures and checkpoints that are named."""
        digest = hashlib.sha256()
        files = [self._folder / file for _, file in sorted(self.checkpoints.items())]
        if self.unknown is not None:
            path = self._folder / self.unknown
            found = self.unknowns()
            assert found is not None
            files += ([path] if path.is_file() else []) + found.images
            digest.update("\n".join(found.frame[["path", "kind"]].agg("\x1f".join, axis=1)).encode())
        if not files:
            return ""
        for file in files:
            digest.update(sha256_of_file(file).encode())
        return digest.hexdigest()
