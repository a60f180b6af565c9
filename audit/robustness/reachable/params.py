"""What a plan may say to the probe ``reachable_attacks``."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from pydantic import Field, field_validator, model_validator

from ....core.errors import nearest
from ....core.numbers import Fraction
from ....core.probe_params import one_or_many
from ....core.probes import Need
from ..conditions import ConditionParams
from .areas import MAKEUP, PLACES

ATTACKS = ("makeup", "eyeglasses", "patch", "low_frequency")
_BY_SEARCH = {"gradient": ("steps", "restarts"), "square": ("queries",)}


class ReachableParams(ConditionParams):
    """What is done to the faces, within which bounds, and how it is searched for."""

    attacks: tuple[str, ...] = Field(default=ATTACKS, min_length=1, description=f"any of {', '.join(ATTACKS)}")
    search: Literal["gradient", "square"] = Field(
        default="gradient", description="gradient (of the model), or square: answers only, for any target"
    )
    steps: int = Field(default=40, ge=1, le=10_000, description="gradient steps of one start")
    restarts: int = Field(default=1, ge=1, le=1000, description="random starts for faces that stand")
    queries: int = Field(default=300, ge=1, le=1_000_000, description="answers asked of each face (square)")
    detail: float = Field(
        default=0.1, ge=0.02, le=1, description="smallest detail of glasses and stickers, in eye distances"
    )
    makeup: tuple[str, ...] = Field(default=tuple(MAKEUP), min_length=1, description=f"any of {', '.join(MAKEUP)}")
    makeup_detail: float = Field(default=0.3, ge=0.02, le=1, description="smallest detail of makeup, in eye distances")
    makeup_eps: tuple[Fraction, ...] = Field(
        default=(Fraction("16/255"), Fraction("32/255")), min_length=1, description="largest change of a colour"
    )
    patch_share: tuple[Fraction, ...] = Field(
        default=(Fraction("0.05"),), min_length=1, description="share of the face's area that a sticker covers"
    )
    patch_places: tuple[str, ...] = Field(
        default=("forehead", "right_cheek", "left_cheek"),
        min_length=1,
        description=f"any of {', '.join(PLACES)}; the worst of them counts",
    )
    low_frequency_eps: tuple[Fraction, ...] = Field(
        default=(Fraction("4/255"), Fraction("8/255")), min_length=1, description="largest change of a colour"
    )
    frequencies: int = Field(default=8, ge=1, le=64, description="frequencies down and across (low_frequency)")

    _one_or_many = field_validator(
        "attacks", "makeup", "makeup_eps", "patch_share", "patch_places", "low_frequency_eps", mode="before"
    )(one_or_many)

    @field_validator("attacks")
    @classmethod
    def _attacks_exist(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return _known(value, ATTACKS, "attacks")

    @field_validator("makeup")
    @classmethod
    def _regions_exist(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return _known(value, tuple(MAKEUP), "makeup")

    @field_validator("patch_places")
    @classmethod
    def _places_exist(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return _known(value, tuple(PLACES), "patch_places")

    @field_validator("makeup_eps", "low_frequency_eps")
    @classmethod
    def _eps_within_bounds(cls, value: tuple[Fraction, ...]) -> tuple[Fraction, ...]:
        return _sizes(value, 1.0, "eps above 0 and at most 1 (pixels are 0 to 1)")

    @field_validator("patch_share")
    @classmethod
    def _share_within_bounds(cls, value: tuple[Fraction, ...]) -> tuple[Fraction, ...]:
        return _sizes(value, 0.5, "patch_share above 0 and at most 0.5 of the face")

    @model_validator(mode="after")
    def _settings_of_the_search(self) -> ReachableParams:
        other = "square" if self.search == "gradient" else "gradient"
        unused = ", ".join(sorted(self.model_fields_set & set(_BY_SEARCH[other])))
        if unused:
            raise ValueError(f"expected settings of `search: {self.search}`, but got {unused}, of `search: {other}`")
        return self

    def further_needs(self) -> frozenset[Need]:
        """Gradients unless it asks for answers only; landmarks where nothing can be done without."""
        needs: set[Need] = set()
        if self.search == "gradient":
            needs.add("gradients")
        if "low_frequency" not in self.attacks:
            needs.add("landmarks")
        return frozenset(needs)

    def without_gradients(self) -> str:
        """Say that answers are enough."""
        return "`search: square` asks for its answers only"


def _known(value: tuple[str, ...], known: Iterable[str], what: str) -> tuple[str, ...]:
    names = tuple(known)
    for name in value:
        if name not in names:
            raise ValueError(f"expected {what} out of {', '.join(names)}, but got {name!r}{nearest(name, names)}")
    return tuple(dict.fromkeys(value))


def _sizes(value: tuple[Fraction, ...], most: float, what: str) -> tuple[Fraction, ...]:
    for size in value:
        if not 0 < size <= most:
            raise ValueError(f"expected each {what}, but got {size}")
    if len({float(size) for size in value}) < len(value):
        raise ValueError(f"expected each size once, but got {', '.join(map(str, value))}")
    return tuple(sorted(value))
