"""The data of the rules of policy (``policy.yaml``): provisions with source and date; words for classes and regions."""

from __future__ import annotations

from datetime import date
from functools import cache
from importlib.resources import files
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, model_validator

from .plan import Deployment


def _joined(lists: Any) -> Any:
    """Join the short lists by which the data file keeps its lines short."""
    return [word for words in lists for word in words]


Words = Annotated[frozenset[str], BeforeValidator(_joined)]


class _Row(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Prohibition(_Row):
    """A provision that a rule points to, where it is from, and whether a person has checked the row."""

    provision: str
    since: date
    source: str
    as_of: date
    verified: bool
    verified_by: str | None = None
    verified_on: date | None = None

    @model_validator(mode="after")
    def _check(self) -> Prohibition:
        check_verified(self.verified, self.verified_by, self.verified_on, self.as_of)
        return self

    @property
    def standing(self) -> str:
        """Say how old the row is and who checked it."""
        return standing(self.as_of, self.verified_by, self.verified_on)


def check_verified(verified: bool, by: str | None, on: date | None, as_of: date) -> None:
    """Refuse a row that says it was checked without who and when, or was changed after it was checked.

    Raises:
        ValueError: when the fields contradict each other.
    """
    if verified != (bool(by) and on is not None):
        raise ValueError("expected verified: true together with verified_by and verified_on, or none of the three")
    if on is not None and on < as_of:
        raise ValueError(f"verified on {on}, before the row was last changed (as_of {as_of}): it must be checked again")


def standing(as_of: date, by: str | None, on: date | None) -> str:
    """Say of a row of law how old it is, and who checked it when, or that nobody did."""
    checked = f"verified by {by} on {on}" if by else "not verified by a person"
    return f"as of {as_of}, {checked}"


class Rules(_Row):
    """The data of the rules, as ``policy.yaml`` holds them."""

    provisions: dict[str, Prohibition]
    contexts_of_5_1_f: tuple[Deployment, ...]
    tasks: dict[str, Literal["infers", "by classes", "could"]]
    emotions: Words
    apparent: Words
    sensitive: dict[str, Words]
    rest: frozenset[str]
    union: Words
    outside: Words

    @model_validator(mode="after")
    def _check(self) -> Rules:
        both = sorted((self.emotions & self.apparent) | (self.union & self.outside))
        if both:
            raise ValueError(f"{', '.join(both)} stand on two lists that exclude each other")
        return self


@cache
def rules() -> Rules:
    """Return the data of the rules."""
    text = (files(__package__) / "policy.yaml").read_text(encoding="utf-8")
    return Rules.model_validate(yaml.safe_load(text))
