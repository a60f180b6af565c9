"""Reading a plan file and checking it whole before any model is loaded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from reprlib import Repr
from typing import Any, Literal, get_args

import yaml
from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from .errors import PlanError, Problems, UsageError, nearest
from .keys import parse_key
from .places import YamlDocument, read_yaml
from .plan import GateSpec, Plan, ProbeEntry
from .probes import ProbeParams, no_such_probe, registered_probes

ALIGNED = "aligned"
MOST_VALUES = 200_000
LONGEST_SHOWN = 200
_SHORT = Repr()
_SHORT.maxlevel, _SHORT.maxstring, _SHORT.maxother = 2, LONGEST_SHOWN, LONGEST_SHOWN
Location = tuple[str | int, ...]


@dataclass(frozen=True)
class LoadedPlan:
    """A checked plan, the folder its paths are relative to, and its probes' parameters.

    Attributes:
        plan: the plan as parsed, defaults filled in.
        folder: paths in the plan are relative to it.
        params: the parameters of each probe by the probe's id.
        text: the file as written, for the run folder; empty for a plan made in Python.
    """

    plan: Plan
    folder: Path
    params: dict[str, ProbeParams]
    text: str = ""

    def path(self, written: str) -> Path:
        """Return the path that the plan means by ``written``."""
        return self.folder / Path(written)

    @property
    def landmarks_file(self) -> Path | Literal["aligned"] | None:
        """The landmark file of the plan, ``aligned`` for the template, or ``None`` (none, or in columns)."""
        written = self.plan.data.landmarks
        if not isinstance(written, str):
            return None
        return "aligned" if written == ALIGNED else self.path(written)


def load_plan(path: str | Path) -> LoadedPlan:
    """Read and check a plan file.

    Raises:
        PlanError: with every problem at once, each with its line and the nearest right name.
    """
    file = Path(path)
    document, text = _read(file)
    problems = Problems(str(file))
    for fault in document.faults:
        problems.add(fault)
    if not isinstance(document.content, dict):
        problems.add(f"expected a mapping with target, data and probes, but got {type(document.content).__name__}")
        problems.raise_as(PlanError)
    return check_plan(document, file.parent, problems, text)


def load_gates(path: str | Path) -> list[GateSpec]:
    """Read the gates of a plan file, or of a file that is a list of gates; the rest of a plan is not looked at.

    Raises:
        PlanError: with every problem of the gates at once, each with its line and the nearest right name.
    """
    file = Path(path)
    document, _ = _read(file)
    prefix: Location = ("gates",) if isinstance(document.content, dict) else ()
    written = document.content.get("gates") if isinstance(document.content, dict) else document.content
    if written is None:
        raise PlanError(f"{file} has no gates")
    problems = Problems(f"{file}: the gates cannot be read")
    for fault in document.faults:
        problems.add(fault)
    gates: list[GateSpec] = []
    try:
        gates = TypeAdapter(list[GateSpec]).validate_python(written)
    except ValidationError as error:
        _add_faults(error, GateSpec, document, problems, prefix)
    _check_keys(written, None, document, problems, prefix)
    problems.raise_as(PlanError)
    return gates


def _read(file: Path) -> tuple[YamlDocument, str]:
    """Read a YAML file; returns it parsed and as written."""
    try:
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise PlanError(f"expected a plan at {file}, but there is no such file") from None
    except (OSError, UnicodeDecodeError) as error:
        raise PlanError(f"{file} cannot be read as a text file: {error}") from error
    try:
        document = read_yaml(text)
        size = _expanded_size(document.content, {})
    except yaml.YAMLError as error:
        raise PlanError(f"{file} cannot be read, it is not YAML: {_tell_yaml(error)}") from error
    except RecursionError:
        raise PlanError(f"{file} is nested too deeply") from None
    if size > MOST_VALUES:
        raise PlanError(f"{file} stands for more than {MOST_VALUES:,} values (aliases repeat them)")
    return document, text


def _expanded_size(value: Any, known: dict[int, int]) -> int:
    """Return how many values a parsed YAML stands for, each alias counted as often as it is written."""
    if not isinstance(value, (dict, list)):
        return 1
    if id(value) not in known:
        known[id(value)] = 0  # what holds itself is no plan, which its check says
        inner = value.values() if isinstance(value, dict) else value
        known[id(value)] = 1 + sum(_expanded_size(item, known) for item in inner)
    return known[id(value)]


def check_plan(
    document: YamlDocument, folder: Path, problems: Problems, text: str = "", *, check_files: bool = True
) -> LoadedPlan:
    """Turn parsed YAML into a checked plan; raises :class:`PlanError` with all ``problems``."""
    plan: Plan | None = None
    try:
        plan = Plan.model_validate(document.content)
    except ValidationError as error:
        _add_faults(error, Plan, document, problems)
    entries = dict(enumerate(plan.probes)) if plan else _readable_entries(document.content)
    params = _check_probes(entries, folder, document, problems)
    if check_files:
        _check_files(folder, document, problems)
    _check_keys(document.content.get("gates"), _written_ids(document.content), document, problems, ("gates",))
    if plan is not None:
        _check_acknowledged(plan, document, problems)
    problems.raise_as(PlanError)
    assert plan is not None
    return LoadedPlan(plan=plan, folder=folder, params=params, text=text)


def _tell_yaml(error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    if mark is None:
        return " ".join(str(error).split())
    return f"line {mark.line + 1}, column {mark.column + 1}: {getattr(error, 'problem', None) or 'cannot be read'}"


def _readable_entries(content: dict[str, Any]) -> dict[int, ProbeEntry]:
    """Return, by position, the probe entries that can be read although the plan has faults elsewhere."""
    written = content.get("probes")
    entries = {}
    for position, item in enumerate(written if isinstance(written, list) else []):
        try:
            entries[position] = ProbeEntry.model_validate(item)
        except ValidationError:
            continue  # the fault is already among the plan's own
    return entries


def _check_probes(
    entries: dict[int, ProbeEntry], folder: Path, document: YamlDocument, problems: Problems
) -> dict[str, ProbeParams]:
    known = registered_probes()
    params: dict[str, ProbeParams] = {}
    for position, entry in entries.items():
        if entry.probe not in known:
            place = document.place(("probes", position))
            problems.add(f"{place}: {no_such_probe(entry.probe, known)}")
            continue
        model = known[entry.probe].params
        try:
            params[entry.key] = model.model_validate(entry.params, context={"folder": folder})
        except ValidationError as error:
            _add_faults(error, model, document, problems, ("probes", position))
    return params


def _check_files(folder: Path, document: YamlDocument, problems: Problems) -> None:
    """Look up every file the plan names, as far as it can be read."""
    named = [
        ("target", "checkpoint"),
        ("target", "predictions"),
        ("data", "manifest"),
        ("data", "pairs"),
        ("data", "landmarks"),
        ("card",),
    ]
    files = [(place, _written(document.content, place)) for place in named]
    factory = _written(document.content, ("target", "factory"))
    if factory is not None and ".py:" in factory:
        files.append((("target", "factory"), factory.rpartition(":")[0]))
    for place, written in files:
        if written is None or (place == ("data", "landmarks") and written == ALIGNED):
            continue
        fault = _file_fault(folder / written)
        if fault:
            problems.add(f"{document.place(place)}: {fault}")


def _written(content: Any, place: Sequence[str]) -> str | None:
    """Return the text at a place of the plan, or ``None`` where there is none."""
    for name in place:
        content = content.get(name) if isinstance(content, dict) else None
    return content if isinstance(content, str) else None


def _file_fault(path: Path) -> str:
    """Say why ``path`` is no readable file, with the nearest name in its folder; an empty text when it is one."""
    try:
        if path.is_file():
            return ""
        if path.is_dir():
            return f"expected a file at {path}, but there is a folder"
        if not path.parent.is_dir():
            return f"there is no file {path} (nor the folder {path.parent})"
        return f"there is no file {path}{nearest(path.name, (item.name for item in path.parent.iterdir()))}"
    except OSError as error:
        return f"the file {str(path)[:200]} cannot be looked up: {error.strerror or error}"


def _written_ids(content: dict[str, Any]) -> set[str] | None:
    """Return the ids of the probes, those with faults included, or ``None`` where they cannot be told."""
    written = content.get("probes")
    if not isinstance(written, list):
        return None
    named = [item if isinstance(item, str) else _written(item, ["id"]) or _written(item, ["probe"]) for item in written]
    return {name for name in named if name is not None}


def _check_keys(gates: Any, ids: set[str] | None, document: YamlDocument, problems: Problems, prefix: Location) -> None:
    """Check the measurement of each readable gate; ``ids`` are the plan's probes, ``None`` where any will do."""
    for position, gate in enumerate(gates if isinstance(gates, list) else []):
        measure = _written(gate, ["measure"])
        if measure is None:
            continue  # told by the record's own check
        place = document.place((*prefix, position, "measure"))
        try:
            probe_id = parse_key(measure).probe
        except UsageError as error:
            problems.add(f"{place}: {error}")
            continue
        if ids is not None and probe_id not in ids:
            problems.add(f"{place}: the plan has no probe with the id {probe_id!r}{nearest(probe_id, ids)}")


def _check_acknowledged(plan: Plan, document: YamlDocument, problems: Problems) -> None:
    """Ask for an acknowledgement at each gate that holds a model to a contested account."""
    known = registered_probes()
    contested = {entry.key: known[entry.probe].contested for entry in plan.probes if entry.probe in known}
    for position, gate in enumerate(plan.gates):
        probe_id, _, rest = gate.measure.partition("/")
        metric = rest.partition("[")[0].partition("@")[0]
        # The gap between groups of such an agreement is one too: METRIC.gap, METRIC.worst_vs_rest.
        agreement = any(metric == name or metric.startswith(f"{name}.") for name in contested.get(probe_id, ()))
        if agreement and gate.acknowledge is None:
            problems.add(
                f"{document.place(('gates', position))}: {metric} is agreement with one contested account of where an "
                "expression shows, not a mark of correctness; a gate on it needs `acknowledge: contested account`"
            )


def _add_faults(
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
