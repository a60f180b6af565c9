"""Reading a plan file and checking it whole before any model is loaded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import TypeAdapter, ValidationError

from .errors import PlanError, Problems, UsageError, nearest
from .gates import gate_faults, waived_gate
from .keys import parse_key
from .places import YamlDocument, read_yaml
from .plan import GateSpec, Plan, ProbeEntry, WaiverSpec
from .plan_faults import LONGEST_SHOWN, Location, add_faults
from .probes import ProbeParams, no_such_probe, registered_probes
from .results import RESULTS_FILE

ALIGNED = "aligned"
MOST_VALUES = 200_000


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


@dataclass(frozen=True)
class GateFile:
    """The gates of a plan, or of a file of gates by themselves.

    Attributes:
        gates: ``None`` where the file has none, and those of the run are meant.
        waivers: of these gates.
        baseline: the run that gates on a change compare with; written relative to the file.
    """

    gates: list[GateSpec] | None
    waivers: list[WaiverSpec]
    baseline: Path | None


def load_gate_file(path: str | Path) -> GateFile:
    """Read ``gates``, ``waivers`` and ``baseline`` of a plan or of a file of its own, or a plain list of gates.

    The rest of a plan is not looked at, but a key that no plan has is a fault.

    Raises:
        PlanError: with every problem at once, each with its line and the nearest right name; also for a waiver without
            a date or of no gate of this file.
    """
    file = Path(path)
    document, _ = _read(file)
    content = document.content
    parts = content if isinstance(content, dict) else {"gates": content}
    if all(parts.get(name) is None for name in ("gates", "waivers", "baseline")):
        raise PlanError(f"{file} has no gates")
    problems = Problems(f"{file}: the gates cannot be read")
    for fault in document.faults:
        problems.add(fault)
    for name in parts:
        if name not in Plan.model_fields:
            hint = nearest(str(name), Plan.model_fields)
            problems.add(f"{document.place((name,))}: unknown key {str(name)[:LONGEST_SHOWN]!r}{hint}")
    prefix: Location = ("gates",) if isinstance(content, dict) else ()
    gates, waivers = parts.get("gates"), parts.get("waivers")
    read: list[GateSpec] | None = None
    waived: list[WaiverSpec] = []
    try:
        read = None if gates is None else TypeAdapter(list[GateSpec]).validate_python(gates)
    except ValidationError as error:
        add_faults(error, GateSpec, document, problems, prefix)
    try:
        waived = [] if waivers is None else TypeAdapter(list[WaiverSpec]).validate_python(waivers)
    except ValidationError as error:
        add_faults(error, WaiverSpec, document, problems, ("waivers",))
    _check_keys(gates, None, document, problems, prefix)
    _check_gates(read, waived, document, problems, prefix)
    baseline = parts.get("baseline")
    if baseline is not None and (not isinstance(baseline, str) or _run_fault(file.parent / baseline)):
        fault = _run_fault(file.parent / baseline) if isinstance(baseline, str) else "expected the path of a run folder"
        problems.add(f"{document.place(('baseline',))}: {fault}")
    problems.raise_as(PlanError)
    return GateFile(read, waived, None if baseline is None else file.parent / baseline)


def load_gates(path: str | Path) -> list[GateSpec]:
    """Read the gates of a plan file, or of a file that is a list of gates; see :func:`load_gate_file`.

    Raises:
        PlanError: with every problem of the gates at once, each with its line and the nearest right name.
    """
    gates = load_gate_file(path).gates
    if gates is None:
        raise PlanError(f"{path} has no gates")
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
        add_faults(error, Plan, document, problems)
    entries = dict(enumerate(plan.probes)) if plan else _readable_entries(document.content)
    params = _check_probes(entries, folder, document, problems)
    if check_files:
        _check_files(folder, document, problems)
    _check_keys(document.content.get("gates"), _written_ids(document.content), document, problems, ("gates",))
    if plan is not None:
        _check_acknowledged(plan, document, problems)
        _check_gates(plan.gates, plan.waivers, document, problems, ("gates",))
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
            add_faults(error, model, document, problems, ("probes", position))
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
    baseline = _written(document.content, ("baseline",))
    if baseline is not None and (fault := _run_fault(folder / baseline)):
        problems.add(f"{document.place(('baseline',))}: {fault}")


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


def _run_fault(path: Path) -> str:
    """Say why ``path`` is neither a run folder nor a results file; an empty text when it is one."""
    try:
        is_run = path.is_dir()
    except OSError as error:
        return f"the run {str(path)[:LONGEST_SHOWN]} cannot be looked up: {error.strerror or error}"
    return _file_fault(path / RESULTS_FILE if is_run else path)


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


def _check_gates(
    gates: Sequence[GateSpec] | None,
    waivers: Sequence[WaiverSpec],
    document: YamlDocument,
    problems: Problems,
    prefix: Location,
) -> None:
    """Check gates that can be read for what contradicts itself, and that each waiver is for one of them."""
    for position, gate in enumerate(gates or ()):
        for fault in gate_faults(gate):
            problems.add(f"{document.place((*prefix, position))}: {fault}")
    for position, waiver in enumerate(() if gates is None else waivers):
        try:
            waived_gate(waiver, gates or ())
        except PlanError as error:
            problems.add(f"{document.place(('waivers', position))}: {error}")


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
