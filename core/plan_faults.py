"""Faults of a record read from YAML, each with its place and the nearest right name."""

from __future__ import annotations

from collections.abc import Sequence
from reprlib import Repr
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from .errors import Problems, nearest
from .places import YamlDocument

LONGEST_SHOWN = 200
_SHORT = Repr()
_SHORT.maxlevel, _SHORT.maxstring, _SHORT.maxother = 2, LONGEST_SHOWN, LONGEST_SHOWN
Location = tuple[str | int, ...]


def add_faults(
    error: ValidationError,
    model: type[BaseModel],
    document: YamlDocument,
    problems: Problems,
    prefix: Location = (),
) -> None:
    """Add every fault of a record with its place; the branches of one union are told as one fault."""
    alone: list[tuple[Location, str]] = []
    branches: dict[Location, list[str]] = {}
    for fault in error.errors():
        written = (
            fault["loc"][:-1] if fault["type"] == "missing" else fault["loc"]
        )  # where the missing key should stand
        location = _location_in(document, prefix, written)
        if location == written:
            alone.append((location, _describe(fault, model)))
        else:
            branches.setdefault(location, []).append(_describe(fault, model))
    places = [*branches, *(location for location, _ in alone)]
    for location, messages in branches.items():
        if any(len(place) > len(location) and place[: len(location)] == location for place in places):
            continue  # one branch of the union says more closely what is wrong
        alone.append((location, "; or: ".join(dict.fromkeys(messages))))
    for location, message in alone:
        problems.add(f"{document.place((*prefix, *location))}: {message}")


def _describe(fault: ErrorDetails, model: type[BaseModel]) -> str:
    """Say what a fault is and, for an unknown key, the nearest right one."""
    name = str(fault["loc"][-1])[:LONGEST_SHOWN] if fault["loc"] else ""
    if fault["type"] == "extra_forbidden":
        return f"unknown key {name!r}{nearest(name, _field_names(model, fault['loc'][:-1]))}"
    if fault["type"] == "missing":
        return f"the key {name!r} is missing"
    if fault["type"] == "model_type":
        return f"expected a mapping of keys to values, but got {_SHORT.repr(fault['input'])}"
    message = fault["msg"].removeprefix("Value error, ")
    shown = "" if isinstance(fault["input"], (dict, list)) else f", but got {_SHORT.repr(fault['input'])}"
    if fault["type"] == "string_type" and isinstance(fault["input"], bool):
        shown += " (YAML reads a bare yes, no, on, off, true and false so: put quotes around it)"
    return f"{message}{'' if 'got' in message else shown}"


def _location_in(document: YamlDocument, prefix: Location, location: Location) -> Location:
    """Return the keys and positions of a fault, without the names that pydantic gives to the branches of a union."""
    current = document.content
    for part in prefix:
        current = current[part]
    kept: list[str | int] = []
    for part in location:
        inside = isinstance(current, dict) and part in current
        if inside or (isinstance(current, list) and isinstance(part, int) and part < len(current)):
            current = current[part]
            kept.append(part)
    return tuple(kept)


def _field_names(model: type[BaseModel], location: Sequence[str | int]) -> list[str]:
    """Return the names of the fields of the record at ``location`` inside ``model``."""
    current: type[BaseModel] | None = model
    for part in location:
        if current is None or not isinstance(part, str) or part not in current.model_fields:
            continue
        current = _record_in(current.model_fields[part].annotation)
    return list(current.model_fields) if current is not None else []


def _record_in(annotation: Any) -> type[BaseModel] | None:
    """Return the first record type inside an annotation such as ``list[GateSpec]``."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for part in get_args(annotation) if (found := _record_in(part)) is not None), None)
