"""Reading a plan file and checking it whole before any model is loaded."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from .errors import PlanError, Problems, nearest
from .places import YamlDocument, read_yaml
from .plan import GateSpec, Plan, ProbeEntry
from .probes import ProbeParams, registered_probes

ALIGNED = "aligned"


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
    try:
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise PlanError(f"expected a plan at {file}, but there is no such file") from None
    except (OSError, UnicodeDecodeError) as error:
        raise PlanError(f"{file} cannot be read as a text file: {error}") from error
    try:
        document = read_yaml(text)
    except yaml.YAMLError as error:
        raise PlanError(f"{file} is not YAML: {' '.join(str(error).split())}") from error
    problems = Problems(str(file))
    for fault in document.faults:
        problems.add(fault)
    if not isinstance(document.content, dict):
        problems.add(f"expected a mapping with target, data and probes, but got {type(document.content).__name__}")
        problems.raise_as(PlanError)
    return check_plan(document, file.parent, problems, text)


def check_plan(
    document: YamlDocument, folder: Path, problems: Problems, text: str = "", *, check_files: bool = True
) -> LoadedPlan:
    """Turn parsed YAML into a checked plan; raises :class:`PlanError` with all ``problems``."""
    plan: Plan | None = None
    try:
        plan = Plan.model_validate(document.content)
    except ValidationError as error:
        for fault in error.errors():
            problems.add(_describe(fault, Plan, document))
    entries = plan.probes if plan else _readable_entries(document.content)
    params = _check_probes(entries, document, problems)
    if plan is not None:
        if check_files:
            _check_files(plan, folder, document, problems)
        _check_gates(plan.gates, {entry.key for entry in plan.probes}, document, problems)
    problems.raise_as(PlanError)
    assert plan is not None
    return LoadedPlan(plan=plan, folder=folder, params=params, text=text)


def _readable_entries(content: dict[str, Any]) -> list[ProbeEntry]:
    """Return the probe entries that can be read although the plan has faults elsewhere."""
    written = content.get("probes")
    entries = []
    for item in written if isinstance(written, list) else []:
        try:
            entries.append(ProbeEntry.model_validate(item))
        except ValidationError:
            continue  # the fault is already among the plan's own
    return entries


def _check_probes(entries: Iterable[ProbeEntry], document: YamlDocument, problems: Problems) -> dict[str, ProbeParams]:
    known = registered_probes()
    params: dict[str, ProbeParams] = {}
    for position, entry in enumerate(entries):
        if entry.probe not in known:
            place = document.place(("probes", position))
            problems.add(f"{place}: there is no probe {entry.probe!r}{nearest(entry.probe, known)}")
            continue
        model = known[entry.probe].params
        try:
            params[entry.key] = model.model_validate(entry.params)
        except ValidationError as error:
            for fault in error.errors():
                problems.add(_describe(fault, model, document, ("probes", position)))
    return params


def _check_files(plan: Plan, folder: Path, document: YamlDocument, problems: Problems) -> None:
    named: list[tuple[Sequence[str], str | None]] = [
        (("target", "checkpoint"), plan.target.checkpoint),
        (("target", "predictions"), plan.target.predictions),
        (("data", "manifest"), plan.data.manifest),
        (("card",), plan.card),
    ]
    if isinstance(plan.data.landmarks, str) and plan.data.landmarks != ALIGNED:
        named.append((("data", "landmarks"), plan.data.landmarks))
    if plan.target.factory is not None and ".py:" in plan.target.factory:
        named.append((("target", "factory"), plan.target.factory.rpartition(":")[0]))
    for place, written in named:
        if written is not None and not (folder / written).is_file():
            problems.add(f"{document.place(place)}: there is no file {folder / written}{_near_file(folder / written)}")


def _near_file(path: Path) -> str:
    """Suggest a file of nearly the same name in the same folder, or say that the folder is missing."""
    if not path.parent.is_dir():
        return f" (nor the folder {path.parent})"
    return nearest(path.name, (item.name for item in path.parent.iterdir()))


def _check_gates(gates: Sequence[GateSpec], ids: set[str], document: YamlDocument, problems: Problems) -> None:
    for position, gate in enumerate(gates):
        probe_id, slash, metric = gate.measure.partition("/")
        if not slash or not metric:
            problems.add(
                f"{document.place(('gates', position, 'measure'))}: expected PROBE_ID/METRIC, but got {gate.measure!r}"
            )
        elif probe_id not in ids:
            place = document.place(("gates", position, "measure"))
            problems.add(f"{place}: the plan has no probe with the id {probe_id!r}{nearest(probe_id, ids)}")


def _describe(
    fault: ErrorDetails, model: type[BaseModel], document: YamlDocument, prefix: tuple[str | int, ...] = ()
) -> str:
    """Say where a fault stands, what it is and, for an unknown key, the nearest right one."""
    location = tuple(part for part in fault["loc"] if _is_in_text(part, fault["loc"], document, prefix))
    place = document.place((*prefix, *location))
    if fault["type"] == "extra_forbidden":
        name = str(fault["loc"][-1])
        return f"{place}: unknown key {name!r}{nearest(name, _field_names(model, fault['loc'][:-1]))}"
    if fault["type"] == "missing":
        return f"{place}: the key {fault['loc'][-1]!r} is missing"
    message = fault["msg"].removeprefix("Value error, ")
    shown = "" if isinstance(fault["input"], (dict, list)) else f", but got {fault['input']!r}"
    return f"{place}: {message}{'' if 'got' in message else shown}"


def _is_in_text(
    part: str | int, location: Sequence[str | int], document: YamlDocument, prefix: tuple[str | int, ...]
) -> bool:
    """Tell keys and positions from the names pydantic gives to the branches of a union."""
    if isinstance(part, int):
        return True
    known = {name for path in document.lines for name in path}
    return part in known or (part == location[-1] and not any(mark in part for mark in "[(-"))


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
