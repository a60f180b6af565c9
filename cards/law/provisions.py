"""Provisions of law and controls of standards, one row each, read strictly from the YAML files of this folder.

A row says in our own short words what is asked and which probes, facts and statements are evidence for it. It carries
its source, the day it was written (``as_of``) and ``verified: false`` until a person has read the source and writes
``verified: true`` with ``verified_by`` and ``verified_on``. A row changed after that must be checked again.
"""

from __future__ import annotations

from datetime import date
from functools import cache
from importlib.resources import files
from typing import Annotated, Literal

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from ...core.errors import CountenanceError, UsageError, nearest
from ...core.plan import Task
from ...core.policy_rules import check_verified, standing
from ...core.results_file import describe_faults
from ..statements import Statements

FILES = ("eu_ai_act.yaml", "nist_ai_rmf.yaml", "iso.yaml")
Fact = Literal[
    "attributes",
    "checkpoint_hash",
    "data_hash",
    "dated",
    "deployment",
    "disclosure",
    "gates",
    "intervals",
    "not_measured",
    "nulls",
    "people",
    "reviews",
    "versions",
]
OneLine = Annotated[str, BeforeValidator(lambda text: " ".join(text.split()) if isinstance(text, str) else text)]


class LawError(CountenanceError):
    """A file of provisions cannot be used as written."""


class _Row(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Evidence(_Row):
    """What of an audit is evidence for a provision.

    ``probes`` maps a probe's name to patterns of its metrics (``*.gap``), none for all; ``facts`` are names of what
    the results record; ``card`` are places in ``card.yaml``; ``policy`` is the id of a finding of policy.
    """

    probes: dict[str, list[str]] = Field(default_factory=dict)
    facts: list[Fact] = Field(default_factory=list)
    card: list[str] = Field(default_factory=list)
    policy: str | None = None

    @model_validator(mode="after")
    def _check(self) -> Evidence:
        for name in self.card:
            try:
                Statements().text(name)
            except KeyError as error:
                raise ValueError(str(error)) from error
        if not (self.probes or self.facts or self.card or self.policy):
            raise ValueError("a row without any evidence says nothing")
        return self


class Provision(_Row):
    """One provision or control; ``instrument`` and ``publication`` are those of its file."""

    id: str = Field(pattern=r"^[A-Z][A-Za-z0-9]*(-[A-Za-z0-9.]+)+$")
    instrument: str
    publication: str
    provision: str
    asks: OneLine = Field(min_length=1)
    applies_from: date | None = None
    by_analogy: OneLine | None = None
    uncertain: OneLine | None = None
    tasks: tuple[Task, ...] = ()
    evidence: Evidence
    beyond: OneLine
    source: str = Field(min_length=1)
    as_of: date
    verified: bool
    verified_by: str | None = None
    verified_on: date | None = None

    @model_validator(mode="after")
    def _check(self) -> Provision:
        check_verified(self.verified, self.verified_by, self.verified_on, self.as_of)
        return self

    @property
    def standing(self) -> str:
        """Say how old the row is, who checked it or that nobody did, and what is uncertain in it."""
        return standing(self.as_of, self.verified_by, self.verified_on)

    def concerns(self, task: str) -> bool:
        """Tell whether the provision has to do with targets of this task."""
        return not self.tasks or task in self.tasks


class _File(_Row):
    instrument: str
    publication: OneLine
    rows: list[dict[str, object]] = Field(min_length=1)


def load_instrument(text: str, name: str) -> tuple[Provision, ...]:
    """Read the rows of one file.

    Args:
        text: the YAML.
        name: of the file, for messages.

    Raises:
        LawError: when the text is not YAML, a key is unknown or missing, or an id stands twice.
    """
    try:
        file = _File.model_validate(yaml.safe_load(text))
        shared = {"instrument": file.instrument, "publication": file.publication}
        rows = tuple(Provision.model_validate({**row, **shared}) for row in file.rows)
    except yaml.YAMLError as error:
        raise LawError(f"{name} is not valid YAML: {error}") from error
    except ValidationError as error:
        raise LawError(f"{name} is no file of provisions: {describe_faults(error.errors())}") from error
    ids = [row.id for row in rows]
    twice = sorted({row for row in ids if ids.count(row) > 1})
    if twice:
        raise LawError(f"{name}: the id {', '.join(twice)} stands twice")
    return rows


@cache
def provisions() -> tuple[Provision, ...]:
    """Return every row of this package, instrument by instrument."""
    folder = files(__package__)
    return tuple(row for name in FILES for row in load_instrument((folder / name).read_text(encoding="utf-8"), name))


@cache
def tasks_of_probes() -> dict[str, tuple[str, ...]]:
    """Return the probes that not every task can have, with the tasks that can; read without importing the probes."""
    text = (files(__package__) / "probe_tasks.yaml").read_text(encoding="utf-8")
    return {probe: tuple(tasks) for probe, tasks in yaml.safe_load(text).items()}


def instruments() -> tuple[str, ...]:
    """Return the names of the instruments, in the order of the files."""
    return tuple(dict.fromkeys(row.instrument for row in provisions()))


def find_provision(wanted: str) -> Provision:
    """Return the row with this id.

    Raises:
        UsageError: when there is none; the nearest is named.
    """
    found = next((row for row in provisions() if row.id.lower() == wanted.lower()), None)
    if found is None:
        raise UsageError(
            f"no provision {wanted[:60]!r}{nearest(wanted, [row.id for row in provisions()])} "
            "(countenance law lists them)"
        )
    return found
