"""Checking a ``.pt2`` file (``torch.export.save``) before torch sees it.

``torch.export.load`` unpickles without restriction whenever the restricted way fails, evaluates expressions,
runs source code it builds, and starts compiled libraries it finds. What is accepted, member by member:

========================================  =========================================================================
member                                    what is accepted
========================================  =========================================================================
``models/model.json``                     exactly one; every field checked, see :mod:`.scan_graph`
``data/sample_inputs/model.pt``           a ``torch.save`` file that passes :mod:`.scan_torch` *and* loads in torch's
                                          restricted way, so that the unrestricted way is never tried
``data/weights/model_weights_config.json``  raw tensors only: ``use_pickle`` must be false (else ``torch.load``
``data/constants/…_config.json``          without restriction), only files ``weight_N`` and ``tensor_N``, so no
                                          ``custom_obj_N`` (TorchScript objects) or ``opaque_obj_N``
                                          (``pickle.loads``)
``data/weights/weight_N``, ``tensor_N``   raw tensors; one that is itself a pickle or an archive is refused
``data/weights/model.pt``, constants      (older torch) as sample_inputs
``extra/…``                               text, never interpreted
``archive_format`` and other notes        short text
anything else                             refused by name: ``data/aotinductor/`` (compiled libraries),
                                          ``data/executorch/``, the layout of torch 2.7 and before, more
                                          models
========================================  =========================================================================

torch then reads a fresh archive written from these checked members.
"""

from __future__ import annotations

import io
import re
from dataclasses import dataclass
from typing import Any

from ..errors import CheckpointError
from .operators import draws_random_numbers, training_argument
from .scan_archive import Archive, hidden_pickle, read_archive, rewrite
from .scan_graph import scan_graph, scan_payloads
from .scan_torch import scan_torch_file

_MODEL = "models/model.json"
_PICKLED = ("data/sample_inputs/model.pt", "data/weights/model.pt", "data/constants/model.pt")
_CONFIGS = ("data/weights/model_weights_config.json", "data/constants/model_constants_config.json")
_RAW = re.compile(r"data/(weights/weight|constants/tensor)_[0-9]{1,9}")
_NOTES = re.compile(r"archive_format|archive_version|byteorder|\.data/version|\.data/serialization_id|version")
_LONGEST_NOTE = 200
STUDIED = ("2.13", "2.15")
_OWN_STATISTICS = (
    "it has a norm without running statistics; where that is a batch norm, a prediction depends on the other faces of "
    "the batch"
)
_OLD_LAYOUT = "serialized_exported_program.json"


@dataclass(frozen=True)
class ExportedFile:
    """A checked program: ``data`` is what torch may load; ``batch_size`` is fixed, or ``None`` when any will do."""

    data: bytes
    batch_size: int | None
    notes: tuple[str, ...]


def scan_exported(data: bytes, what: str) -> tuple[ExportedFile | None, tuple[str, ...]]:
    """Check a ``.pt2`` file; return it ready to load, or the reasons to refuse it.

    Raises:
        CheckpointError: when the archive is damaged, or holds a net exported in training mode.
    """
    archive = read_archive(data, what)
    if _OLD_LAYOUT in archive.members:
        return None, ("it has the layout of torch 2.7 or older, which is not checked; export it again",)
    if _MODEL not in archive.members:
        return None, (f"it has no {_MODEL}, so torch.export.save did not write it",)
    problems: list[str] = []
    for name, content in archive.members.items():
        problems += [f"{name}: {problem}" for problem in _scan_member(name, content, what)]
    program, found = scan_graph(archive.members[_MODEL])
    problems += [f"{_MODEL}: {problem}" for problem in found]
    if problems:
        return None, tuple(problems)
    notes = (*_refuse_training_mode(program, what), *_unstudied_torch())
    for name in _PICKLED:
        if name in archive.members:
            _must_load_restricted(name, archive, what)
    batch = _batch_size(program)
    if batch is not None:
        notes += (f"exported with a fixed batch of {batch}: it only runs on {batch} faces at once",)
    return ExportedFile(rewrite(archive), batch, notes), ()


def _scan_member(name: str, content: bytes, what: str) -> tuple[str, ...]:
    if name == _MODEL or name.startswith("extra/"):
        return ()
    if name in _PICKLED:
        if not content:
            return ()
        scan = scan_torch_file(content, f"{what}, member {name}")
        return scan.problems
    if name in _CONFIGS:
        return scan_payloads(content)[1]
    if _RAW.fullmatch(name):
        hidden = hidden_pickle(content)
        return (f"{hidden}, where a raw tensor should be",) if hidden else ()
    if _NOTES.fullmatch(name):
        return () if len(content) <= _LONGEST_NOTE else ("is longer than such a note is",)
    if name.startswith("data/aotinductor/"):
        return ("is a compiled program, which would run as it stands",)
    if name.startswith(("data/constants/custom_obj_", "data/constants/opaque_obj_")):
        return ("is a pickled object, which torch loads without restrictions",)
    return ("is a member that a plain exported net does not have",)


def _must_load_restricted(name: str, archive: Archive, what: str) -> None:
    """Load a checked pickle in torch's restricted way: only when that fails would torch try the unrestricted one."""
    import torch

    content = archive.members[name]
    if not content:
        return
    try:
        torch.load(io.BytesIO(content), weights_only=True, map_location="cpu")
    except Exception as error:
        raise CheckpointError(
            f"{what} was refused: its member {name} does not load as plain tensors "
            f"({str(error).splitlines()[0][:200]}); export the net again with tensors as example inputs"
        ) from error


def _refuse_training_mode(program: dict[str, Any], what: str) -> tuple[str, ...]:
    """Refuse a graph in training mode; return a note when predictions may depend on the batch all the same."""
    own_statistics = False
    for node in _nodes(program["graph_module"]["graph"]):
        switch = training_argument(node["target"])
        arguments = {argument["name"]: argument["arg"] for argument in node["inputs"]}
        trains = bool(switch) and any(arguments.get(switch, {}).get(kind) for kind in ("as_bool", "as_float", "as_int"))
        if trains and "as_none" in arguments.get("running_mean", {"as_none": True}) and "momentum" in arguments:
            own_statistics, trains = True, False  # a norm without running statistics, in evaluation mode too
        if trains or draws_random_numbers(node["target"]):
            why = "is in training mode" if trains else "draws random numbers"
            raise CheckpointError(
                f"{what} was exported in training mode: its operator {node['target']} {why}, so a prediction would "
                "depend on chance or on the other faces of the batch. Export it again:\n"
                "    net.eval()\n"
                "    torch.export.save(torch.export.export(net, (example,)), 'model.pt2')"
            )
    return (_OWN_STATISTICS,) if own_statistics else ()


def _unstudied_torch() -> tuple[str, ...]:
    """Say so when this torch is not one of those whose loader was read for these checks."""
    import torch

    version = ".".join(torch.__version__.split(".")[:2])
    known = " and ".join(STUDIED)
    return (
        () if version in STUDIED else (f"the checks of .pt2 files were written for torch {known}; this is {version}",)
    )


def _nodes(graph: dict[str, Any]) -> list[dict[str, Any]]:
    """List the nodes of a graph and of the graphs inside it."""
    found: list[dict[str, Any]] = []
    for node in graph["nodes"]:
        found.append(node)
        for argument in node["inputs"]:
            inner = argument["arg"].get("as_graph")
            if inner:
                found += _nodes(inner["graph"])
    return found


def _batch_size(program: dict[str, Any]) -> int | None:
    module = program["graph_module"]
    (name,) = (
        spec["user_input"]["arg"]["as_tensor"]["name"]
        for spec in module["signature"]["input_specs"]
        if "user_input" in spec
    )
    sizes = module["graph"]["tensor_values"][name]["sizes"]
    return sizes[0].get("as_int") if sizes else None
