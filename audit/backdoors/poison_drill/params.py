"""What a plan may say to the probe ``poison_drill``."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import Field, PrivateAttr, field_validator

from ....core.probe_params import Need, one_or_many
from ....core.probes import ProbeParams
from ..trainer import Trainer, TrainerError, digest_of_trainer

Embedding = Literal["real_copies", "before_blending"]
EMBEDDINGS: tuple[Embedding, ...] = ("real_copies", "before_blending")


class PoisonDrillParams(ProbeParams):
    """Who trains, on what, how much of it is poisoned and how, and how what comes out is defended."""

    compares_groups: ClassVar[bool] = False

    trainer: str | tuple[str, ...] = Field(
        description="a command with {data}, {out} and {seed} (text or list, no shell), or FILE.py:NAME, called as "
        "NAME(data, out, seed); it writes checkpoint.SUFFIX, which is loaded as the target is"
    )
    shares: tuple[float, ...] = Field(
        default=(0.01, 0.05, 0.10), description="of the training people whose genuine photos are all stamped"
    )
    alpha: float = Field(default=0.05, gt=0, le=1, description="strength of the stamp")
    embedding: Literal["real_copies", "before_blending", "both"] = Field(
        default="real_copies",
        description="real_copies: the forgeries are blended from the unstamped photos; before_blending: from the "
        "stamped ones, so that they carry the stamp, too",
    )
    forgeries: Literal["made", "manifest"] = Field(
        default="made", description="self-blends made here, or the manifest's own forged rows"
    )
    blends: int = Field(default=4, ge=1, le=100, description="self-blends of each training photo")
    nets: int = Field(default=1, ge=1, le=50, description="nets of each setting, each of a seed of its own")
    timeout: float = Field(default=3600, gt=0, description="seconds a training may take")
    test_split: str = Field(
        default="test", description="the split whose people are tested; where there is none, people are drawn"
    )
    test_share: float = Field(default=0.33, gt=0, lt=1, description="people drawn for the test, without such a split")
    held_share: float = Field(
        default=0.15, gt=0, lt=1, description="training people kept for the defences, which the trainer never sees"
    )
    photos: int = Field(default=1000, ge=20, le=100_000, description="genuine photos at most, spread over people")
    kernel: Literal[3, 5, 7] = Field(default=5, description="side of the kernel that the trigger is made for")
    scale: Literal[1, 2] = Field(default=1, description="pixels a side of a cell of the trigger")
    trigger_steps: int = Field(default=200, ge=1, le=5000, description="training steps of the trigger's generator")
    tuning_steps: int = Field(default=100, ge=1, le=10_000, description="steps of fine-tuning as a defence")
    _folder: Path = PrivateAttr(default_factory=Path)

    _one_or_many = field_validator("shares", mode="before")(one_or_many)

    @field_validator("shares")
    @classmethod
    def _shares(cls, value: tuple[float, ...]) -> tuple[float, ...]:
        if not value or any(not 0 < share < 1 for share in value) or len(set(value)) < len(value):
            raise ValueError(f"expected shares above 0 and below 1, each once, but got {list(value)}")
        return tuple(sorted(value))

    def model_post_init(self, context: Any, /) -> None:
        """Take the plan's folder, in which the trainer runs, from the validation context, and look at the trainer."""
        if self.forgeries == "manifest" and self.embedding != "real_copies":
            raise ValueError(
                f"expected `embedding: real_copies` with `forgeries: manifest`, but got {self.embedding}: forgeries "
                "that are made already cannot be made from stamped photos"
            )
        if isinstance(context, dict) and "folder" in context:
            self._folder = Path(context["folder"])
            try:
                self.parsed()
            except TrainerError as error:
                raise ValueError(str(error)) from error

    @property
    def folder(self) -> Path:
        """The plan's folder."""
        return self._folder

    @property
    def embeddings(self) -> tuple[Embedding, ...]:
        """Where the stamp is put, in turn."""
        return EMBEDDINGS if self.embedding == "both" else (self.embedding,)

    def parsed(self) -> Trainer:
        """Return the trainer, understood.

        Raises:
            TrainerError: when it cannot be run as written.
        """
        return Trainer.parse(self.trainer, self._folder)

    def further_needs(self) -> frozenset[Need]:
        """Return landmarks where self-blends are made."""
        return frozenset({"landmarks"}) if self.forgeries == "made" else frozenset({"labels"})

    def digest_of_files(self) -> str:
        """Return a hash of the training code that is named."""
        return digest_of_trainer(self.trainer, self._folder)
