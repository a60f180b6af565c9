"""What a plan may say to the probe ``backdoor_scan``."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import Field, PrivateAttr, field_validator, model_validator

from ....core.errors import CountenanceError
from ....core.files import sha256_of_bytes, sha256_of_file
from ....core.probe_params import one_or_many
from ....core.probes import ProbeParams
from ..kept_nets import kept_checkpoints
from ..trainer import Trainer, digest_of_trainer
from .families import FAMILIES

FamilyName = Literal["mask", "off_face", "additive", "shifted", "flow"]
FEWEST_FACES = 50
SUFFIXES = (".safetensors", ".pt", ".pth", ".pt2")


class BackdoorScanParams(ProbeParams):
    """Which faces, against which clean nets, in which families."""

    compares_groups: ClassVar[bool] = False

    references: str | None = Field(
        default=None, description="folder of clean checkpoints of the same recipe, loaded as the target is"
    )
    trainer: str | tuple[str, ...] | None = Field(
        default=None,
        description="trains the clean nets: a command with {data}, {out} and {seed}, FILE.py:NAME or "
        "PACKAGE.MODULE:NAME, called with these three",
    )
    training: str | None = Field(
        default=None,
        description="folder of clean training data for the trainer: manifest.csv and the images; the rows of the "
        "plan's manifest whose split is train unless given",
    )
    count: int = Field(default=12, ge=4, le=200, description="how many nets are trained")
    timeout: float | None = Field(default=None, gt=0, description="seconds for the training of one net")
    keep: str | None = Field(default=None, description="folder to leave trained nets in; deleted unless given")
    faces: int = Field(default=200, ge=FEWEST_FACES, le=100_000, description="clean faces, spread over people")
    families: tuple[FamilyName, ...] = Field(
        default=tuple(FAMILIES),  # type: ignore[arg-type]
        min_length=1,
        description="kinds of change that a trigger is sought in",
    )
    alpha: float = Field(default=0.05, gt=0, lt=0.5, description="adjusted p below which a class is flagged")
    rank_only: bool = Field(
        default=False, description="without reference nets: give the sizes, which say nothing of how unusual they are"
    )
    processes: int | None = Field(
        default=None, ge=1, le=64, description="one-thread processes; one a processor for long work unless given"
    )
    cache: str | None = Field(
        default=None, description="folder to keep the sizes of reference nets in; nothing is kept unless given"
    )
    _folder: Path = PrivateAttr(default_factory=Path)

    _one_or_many = field_validator("families", mode="before")(one_or_many)

    @field_validator("families")
    @classmethod
    def _each_once(cls, families: tuple[FamilyName, ...]) -> tuple[FamilyName, ...]:
        if len(set(families)) < len(families):
            raise ValueError(f"expected each family once, but got {', '.join(families)}")
        return families

    @model_validator(mode="after")
    def _check(self) -> BackdoorScanParams:
        if self.references is not None and self.trainer is not None:
            raise ValueError("expected either references or trainer, but got both")
        idle = sorted({"training", "count", "timeout", "keep"} & self.model_fields_set) if self.trainer is None else []
        if idle:
            raise ValueError(f"{', '.join(idle)} is about trained nets: say trainer, too, or leave it out")
        if self.rank_only and (self.references is not None or self.trainer is not None):
            raise ValueError("rank_only is for a scan without reference nets: leave it out")
        return self

    def model_post_init(self, context: Any, /) -> None:
        """Take the plan's folder, to which files are relative, from the validation context."""
        if not isinstance(context, dict) or "folder" not in context:
            return
        self._folder = Path(context["folder"])
        if self.trainer is not None:
            try:
                Trainer.parse(self.trainer, self._folder)
            except CountenanceError as error:
                raise ValueError(str(error)) from error

    @property
    def folder(self) -> Path:
        """The plan's folder."""
        return self._folder

    def path(self, written: str) -> Path:
        """Return a file or folder as the plan means it."""
        return self._folder / Path(written).expanduser()

    def digest_of_files(self) -> str:
        """Return a hash of the reference nets, or of the trainer and its data."""
        digests = []
        if self.references is not None and self.path(self.references).is_dir():
            digests += [sha256_of_file(file) for file in kept_checkpoints(self.path(self.references), SUFFIXES)]
        if self.trainer is not None:
            digests.append(digest_of_trainer(self.trainer, self._folder))
        if self.training is not None:
            data = self.path(self.training)
            digests += [sha256_of_file(file) for file in sorted(data.rglob("*")) if file.is_file()]
        return sha256_of_bytes(" ".join(digests).encode()) if digests else ""
