"""Checking ``models/model.json`` of a ``.pt2`` file: every field, every string, against what a net holds.

torch builds Python source from this file and runs it, so many strings are code in waiting. What was found in
torch 2.13 and 2.15 (``torch/_export/serde/serialize.py``, ``torch/export/_unlift.py``, ``torch/fx/graph.py``,
``torch/utils/_pytree.py``), and what is done about each here:

=============================================  ====================================================================
field                                          how torch treats it; what is accepted
=============================================  ====================================================================
``expr_str`` of sizes, strides, offsets,       ``sympy.sympify`` (``eval``); see :mod:`.expressions`
``sym_int/float/bool_values``
``hint`` of an expression, range limits        passed to sympy; numbers only
``guards_code``                                ``exec`` in ``.module()``; see :mod:`.expressions`
names of inputs, of keyword arguments,         written as they stand into the source of ``forward``, which is
``forward_arg_names``; of nodes, tensors       ``exec``-ed (nodes are cleaned up first, today); identifiers only
names of parameters, buffers, subgraphs        written between quotes into that source; letters, digits, ``_ - .``
``target`` of a node                           looked up from ``torch`` and called; see :mod:`.operators`
``as_operator``, targets with ``#``            another way to a callable, and to registered plug-ins; refused
``in_spec``, ``out_spec``                      may import a module and look a name up in it (``__enum__``,
                                               defaultdict, registered classes), their keys are written into
                                               source; tuples, lists and dicts of plain keys only
text inputs of a graph                         written unquoted into a guard; one tensor input only
custom objects, tokens                         unpickled objects and their methods; refused
``metadata``                                   debug text; known keys, no quotes that end a docstring
unknown fields                                 refused: a newer torch may evaluate them
=============================================  ====================================================================
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from .graph_leaves import LEAVES, identifier, parse_json, qualified, range_key
from .graph_schema import MAY_BE_ABSENT, RECORDS, REFUSED_FIELDS, UNIONS
from .text import printable

_MOST_PROBLEMS = 20


@dataclass
class _Walk:
    problems: list[str] = field(default_factory=list)

    def report(self, place: str, why: str) -> None:
        if len(self.problems) < _MOST_PROBLEMS:
            self.problems.append(f"{place}: {why}")

    def start(self, kind: str, value: Any, place: str = "") -> None:
        """Check a whole value; one that cannot be walked is a problem too."""
        self.guarded(lambda: self.visit(kind, value, place))

    def guarded(self, check: Callable[[], None]) -> None:
        """Run a check; what a value of an unexpected shape makes it raise is a problem of the file."""
        try:
            check()
        except RecursionError:
            self.report("it", "is nested too deeply")
        except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
            self.report("it", f"has an unexpected shape ({printable(repr(error), 80)})")

    def visit(self, kind: str, value: Any, place: str) -> None:
        """Check ``value`` as a ``kind``: a record, a union, a leaf, ``list:``, ``map:`` or ``optional:`` of one."""
        outer, _, inner = kind.partition(":")
        if outer == "optional":
            if value is not None:
                self.visit(inner, value, place)
        elif outer == "list":
            if not isinstance(value, list):
                self.report(place, "is not a list")
                return
            for index, item in enumerate(value):
                self.visit(inner, item, f"{place}[{index}]")
        elif outer in ("names", "ranges", "counts"):
            self.visit_map(outer, inner, value, place)
        elif kind in RECORDS:
            self.visit_record(kind, value, place)
        elif kind in UNIONS:
            self.visit_union(kind, value, place)
        else:
            why = LEAVES[kind](value)
            if why:
                self.report(place, why)

    def visit_map(self, keys: str, inner: str, value: Any, place: str) -> None:
        if not isinstance(value, dict):
            self.report(place, "is not a table")
            return
        for key, item in value.items():
            why = range_key(key) if keys == "ranges" else identifier(key)
            if why:
                self.report(f"{place}, key {printable(key, 60)!r}", why)
            self.visit(inner, item, f"{place}.{printable(key, 60)}")

    def visit_record(self, kind: str, value: Any, place: str) -> None:
        if not isinstance(value, dict):
            self.report(place, f"is not a {kind}")
            return
        for key, field_kind in RECORDS[kind].items():
            if key not in value and key not in MAY_BE_ABSENT and not field_kind.startswith("optional:"):
                self.report(place or kind, f"lacks the field {key}")
        for key, item in value.items():
            if key in RECORDS[kind]:
                self.visit(RECORDS[kind][key], item, f"{place}.{key}" if place else key)
            else:
                self.report(place, f"has the field {printable(key, 60)!r}, which this check does not know")

    def visit_union(self, kind: str, value: Any, place: str) -> None:
        if not (isinstance(value, dict) and len(value) == 1):
            self.report(place, f"is not one {kind}")
            return
        ((key, item),) = value.items()
        if key in UNIONS[kind]:
            self.visit(UNIONS[kind][key], item, f"{place}.{key}")
        else:
            refusal = REFUSED_FIELDS.get(key, "this check does not know it")
            self.report(f"{place}.{printable(key, 60)}", f"was refused: {refusal}")


def scan_graph(content: bytes) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Check the whole of a ``model.json``; return it parsed, and the reasons to refuse it (none when it is plain)."""
    program, fault = parse_json(content)
    if program is None:
        return {}, (fault,)
    walk = _Walk()
    walk.start("ExportedProgram", program)
    if not walk.problems:
        walk.guarded(lambda: _check_signature(program, walk))
    return program, tuple(walk.problems)


def scan_payloads(content: bytes) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Check a ``model_weights_config.json`` or ``model_constants_config.json`` in the same way."""
    config, fault = parse_json(content)
    if config is None:
        return {}, (fault,)
    walk = _Walk()
    entries = config.get("config")
    if set(config) != {"config"} or not isinstance(entries, dict):
        return {}, ("it is not a table of payloads",)
    for name, entry in entries.items():
        place = printable(name, 60)
        if why := qualified(name):
            walk.report(place, why)
        if isinstance(entry, dict) and entry.get("use_pickle") is not False:
            walk.report(place, "is stored as a pickle, which torch loads without restrictions")
        walk.start("PayloadMeta", entry, place)
    return entries, tuple(walk.problems)


def _check_signature(program: dict[str, Any], walk: _Walk) -> None:
    """The net must take one tensor and give tensors, called as ``net(x)``."""
    module = program["graph_module"]
    inputs = [spec["user_input"]["arg"] for spec in module["signature"]["input_specs"] if "user_input" in spec]
    if len(inputs) != 1 or set(inputs[0]) != {"as_tensor"}:
        walk.report("signature", f"takes {len(inputs)} inputs; a net that can be audited takes one tensor")
    elif inputs[0]["as_tensor"]["name"] not in module["graph"]["tensor_values"]:
        walk.report("graph.tensor_values", "does not say the size of the input")
    for place, argument in enumerate(module["graph"]["inputs"]):
        if set(argument) != {"as_tensor"}:
            walk.report(f"graph.inputs[{place}]", "is not a tensor")
    for entry in module["module_call_graph"]:
        signature = entry.get("signature")
        if entry["fqn"] == "" and signature:
            if _tree_shape(signature["in_spec"]) != "((*),{})":
                walk.report("in_spec", "is not one positional tensor; export with one positional argument")
            if signature.get("forward_arg_names") and len(signature["forward_arg_names"]) != 1:
                walk.report("forward_arg_names", "has other than one name")


def _tree_shape(text: str) -> str:
    def shape(node: dict[str, Any]) -> str:
        children = ",".join(shape(child) for child in node["children_spec"])
        if node["type"] is None:
            return "*"
        return f"{{{children}}}" if node["type"] == "builtins.dict" else f"({children})"

    return shape(json.loads(text)[1])
