"""Parameters of the probe ``forged_expressions``: which forgeries, of which faces."""

from __future__ import annotations

from typing import Any

from pydantic import Field, field_validator

from ....core.errors import nearest
from ....core.probe_params import one_or_many
from ...robustness.conditions import ConditionParams
from ..making import METHODS

PARTNERED = tuple(name for name, method in METHODS.items() if method.partner != "none")
"""Kinds of forgery that bring in another picture; a self-blend shows nobody else's expression."""


class ForgedExpressionsParams(ConditionParams):
    """Which forgeries of which faces the model is asked about."""

    ready: bool = Field(default=True, description="ask about the forgeries among the data (data.forgeries.method)")
    made: tuple[str, ...] = Field(
        default=("face_swap_poisson", "morph", "mouth_splice", "eyes_splice"),
        description=f"forgeries to make here of the genuine faces: {', '.join(PARTNERED)}; none with an empty list",
    )
    made_faces: int = Field(default=200, ge=1, le=100_000, description="genuine faces that forgeries are made of")
    genuine: tuple[str, ...] = Field(
        default=("", "none", "genuine", "real", "original", "pristine"),
        description="what data.forgeries.method says of a genuine face, in small letters",
    )

    _lists = field_validator("made", "genuine", mode="before")(one_or_many)

    @field_validator("made")
    @classmethod
    def _known(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        unknown = [name for name in names if name not in PARTNERED]
        if unknown:
            told = "; ".join(f"{name!r}{nearest(name, PARTNERED)}" for name in unknown)
            raise ValueError(f"expected forgeries out of {', '.join(PARTNERED)}, but got {told}")
        return tuple(dict.fromkeys(names))

    def model_post_init(self, context: Any, /) -> None:
        """Refuse a plan that leaves nothing to ask about."""
        if not self.ready and not self.made:
            raise ValueError("expected ready: true or at least one kind of forgery in made, but got neither")
