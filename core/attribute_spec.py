"""What a plan says of one attribute of the people or of the pictures."""

from __future__ import annotations

from itertools import pairwise
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PositiveInt, field_validator, model_validator

from .label_errors import matrix_problems
from .numbers import Number

AssignedBy = Literal["self-reported", "annotator", "derived", "model"]
Derivation = Literal["ita", "yaw", "sharpness", "brightness", "face_size"]


class Spec(BaseModel):
    """A part of the plan: frozen, unknown keys are errors, and so are NaN and infinity, which JSON cannot hold."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class AttributeSpec(Spec):
    """An attribute of the people or of the pictures, and who assigned it."""

    assigned_by: AssignedBy
    of: Literal["subject", "image"] = "subject"
    column: str | None = Field(default=None, description="column of the manifest; the attribute's name unless given")
    bins: list[Number] | None = Field(
        default=None, description="edges that cut a numeric column, e.g. [0, 30, 45, 200]"
    )
    describes: str | None = Field(default=None, description="what the attribute means, for the report")
    role: Literal["group", "control"] = Field(
        default="group", description="control: groups are compared within its levels, and it is not sliced by itself"
    )
    out_of_scope: list[str] = Field(
        default_factory=list, description="groups that are known to be too small and block no verdict"
    )
    confusion: dict[str, dict[str, Number]] | None = Field(
        default=None, description="chance of each assigned group, by true group: {female: {female: 0.95, male: 0.05}}"
    )
    confusion_wrong: dict[str, dict[str, Number]] | None = Field(
        default=None, description="the same among faces the model gets wrong; `confusion` is then that of the others"
    )
    confusion_n: PositiveInt | None = Field(
        default=None, description="checked faces behind each row of the matrix; it is taken as exact unless given"
    )
    second: str | None = Field(default=None, description="column of a second annotator's groups")
    derive: Derivation | None = Field(
        default=None,
        description="ita: skin tone from the pixels of the cheeks; as controls: yaw, sharpness, brightness, face_size",
    )

    @model_validator(mode="before")
    @classmethod
    def _derived_of_image(cls, written: Any) -> Any:
        """What is derived from a picture belongs to the picture unless the plan says otherwise."""
        if isinstance(written, dict) and written.get("derive") is not None:
            return {"of": "image", **written}
        return written

    @field_validator("bins", mode="before")
    @classmethod
    def _bins_are_edges(cls, bins: Any) -> Any:
        if isinstance(bins, list) and any(isinstance(part, (list, tuple)) for part in bins):
            raise ValueError(_tell_pairs(bins))
        return bins

    @field_validator("bins")
    @classmethod
    def _bins_rise(cls, bins: list[float] | None) -> list[float] | None:
        if bins is None:
            return None
        if len(bins) < 2:
            raise ValueError(f"bins are {bins}, expected at least two rising edges such as [0, 30, 45, 200]")
        if any(a >= b for a, b in pairwise(bins)):
            rising = sorted(set(bins))
            hint = f"; in rising order: {_edges(rising)}" if len(rising) > 1 else ""
            raise ValueError(f"bins are {_edges(bins)}, expected rising edges, each once{hint}")
        return bins

    @model_validator(mode="after")
    def _derived_is_said(self) -> AttributeSpec:
        if self.derive is None:
            return self
        if self.assigned_by != "derived":
            raise ValueError(f"derive: {self.derive} needs assigned_by: derived, but got {self.assigned_by}")
        if self.column is not None:
            raise ValueError(f"derive: {self.derive} takes no column: the attribute comes from the pictures")
        return self

    @model_validator(mode="after")
    def _errors_fit(self) -> AttributeSpec:
        found = matrix_problems(self.confusion, self.confusion_wrong, self.confusion_n, self.second)
        if found:
            raise ValueError("; ".join(found))
        return self


def _edges(bins: list[float]) -> str:
    return "[" + ", ".join(f"{edge:g}" for edge in bins) + "]"


def _tell_pairs(bins: list[Any]) -> str:
    """Say what is wrong with bins written as pairs, and which edges they would be."""
    wanted = "expected one list of rising edges, which are the ends of the bins"
    try:
        pairs = [(float(low), float(high)) for low, high in bins]
    except (TypeError, ValueError):
        return f"{wanted}, such as [0, 30, 45, 200], but got {bins}"
    for low, high in pairs:
        if low >= high:
            return f"{wanted}; and the bin {low:g} to {high:g} is reversed or empty"
    for (low, high), (after, end) in pairwise(sorted(pairs)):
        if after < high:
            return f"{wanted}; and the bins {low:g} to {high:g} and {after:g} to {end:g} overlap"
        if after > high:
            return f"{wanted}; and no bin holds {high:g} to {after:g} (a value outside all bins is a group of its own)"
    rising = sorted(pairs)
    return f"{wanted}: {_edges([rising[0][0], *(high for _, high in rising)])}"
