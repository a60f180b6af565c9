"""What a plan may say to the probe ``framing``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import Field, field_validator, model_validator

from ....core.numbers import Fraction
from ....core.probe_params import one_or_many
from ..conditions import ConditionParams

_MOST = {"shift": 0.5, "loose_box": 2.0, "tight_box": 0.9, "aspect": 1.0, "rotation": 180.0}


def _fractions(*written: str) -> tuple[Fraction, ...]:
    return tuple(map(Fraction, written))


class FramingParams(ConditionParams):
    """Which changes of the frame to try, and how large; an empty list leaves a family out."""

    shift: tuple[Fraction, ...] = Field(
        default=_fractions("0.05", "0.1", "0.2"), description="shares of the box's width and height, up to 0.5"
    )
    loose_box: tuple[Fraction, ...] = Field(
        default=_fractions("0.1", "0.2", "0.4"), description="by which share the box is larger, up to 2"
    )
    tight_box: tuple[Fraction, ...] = Field(
        default=_fractions("0.05", "0.1", "0.2"), description="by which share the box is smaller, up to 0.9"
    )
    aspect: tuple[Fraction, ...] = Field(
        default=_fractions("0.1", "0.2"), description="by which share the box is wider, or taller, up to 1"
    )
    rotation: tuple[Fraction, ...] = Field(
        default=_fractions("5", "10", "20", "30"), description="degrees, to either side, up to 180"
    )
    mirror: bool = Field(default=True, description="whether each face is compared with its mirror image")
    accepted_loss: float = Field(
        default=0.10, gt=0, lt=1, description="share of right answers lost up to which a change counts as withstood"
    )

    _one_or_many = field_validator(*_MOST, mode="before")(one_or_many)

    @field_validator(*_MOST)
    @classmethod
    def _within_bounds(cls, value: tuple[Fraction, ...], info: Any) -> tuple[Fraction, ...]:
        most = _MOST[info.field_name]
        unit = "degrees" if info.field_name == "rotation" else "a share of the box"
        for amount in value:
            if not 0 < amount <= most:
                raise ValueError(f"expected each amount above 0 and at most {most:g} ({unit}), but got {amount}")
        if len({float(amount) for amount in value}) < len(value):
            raise ValueError(f"expected each amount once, but got {', '.join(map(str, value))}")
        return tuple(sorted(value))

    @model_validator(mode="after")
    def _something_to_do(self) -> FramingParams:
        if not self.mirror and not any(self.amounts.values()):
            raise ValueError("expected at least one change to try, but every list is empty and mirror is false")
        return self

    @property
    def amounts(self) -> dict[str, Sequence[Fraction]]:
        """The amounts to try by family."""
        return {name: getattr(self, name) for name in _MOST}
