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
import keyword
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from .expressions import check_expression, check_guard
from .graph_schema import MAY_BE_ABSENT, RECORDS, REFUSED_FIELDS, UNIONS
from .operators import check_operator
from .text import printable

_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,250}")
# No part starts with two underscores: torch follows these names by attribute access, and __class__ is shared by all.
_QUALIFIED = re.compile(r"(?!__)[A-Za-z0-9_\-]+(\.(?!__)[A-Za-z0-9_\-]+)*")
_PLAIN_TEXT = re.compile(r"[A-Za-z0-9_ .,:;+\-*/<>()\[\]='!]*")
_SOURCE_NAME = re.compile(r"[A-Za-z0-9_ .,:;<>+\-*/()\[\]'=]*")
_METADATA = {"stack_trace", "nn_module_stack", "source_fn_stack", "torch_fn", "custom", "from_node"}
_DIALECTS = {"", "ATEN", "TRAINING"}
_INFINITIES = {"Infinity", "-Infinity", "NaN"}
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
            why = _range_key(key) if keys == "ranges" else _identifier(key)
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
        if why := _qualified(name):
            walk.report(place, why)
        if isinstance(entry, dict) and entry.get("use_pickle") is not False:
            walk.report(place, "is stored as a pickle, which torch loads without restrictions")
        walk.start("PayloadMeta", entry, place)
    return entries, tuple(walk.problems)


def parse_json(content: bytes) -> tuple[dict[str, Any] | None, str]:
    """Parse a JSON object; a key given twice is refused, since readers differ in which one they take."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        table = dict(pairs)
        if len(table) != len(pairs):
            raise ValueError("a key is given twice")
        return table

    try:
        value = json.loads(content.decode("utf-8"), object_pairs_hook=once)
    except (ValueError, RecursionError) as error:
        return None, f"it is not plain JSON ({printable(str(error), 80)})"
    return (value, "") if isinstance(value, dict) else (None, "it is not a JSON object")


def _check_signature(program: dict[str, Any], walk: _Walk) -> None:
    """The net must take one tensor and give tensors, called as ``net(x)``."""
    module = program["graph_module"]
    inputs = [spec["user_input"]["arg"] for spec in module["signature"]["input_specs"] if "user_input" in spec]
    if len(inputs) != 1 or set(inputs[0]) != {"as_tensor"}:
        walk.report("signature", f"takes {len(inputs)} inputs; a net that can be audited takes one tensor")
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


def _identifier(value: Any) -> str | None:
    if isinstance(value, str) and _IDENTIFIER.fullmatch(value) and not keyword.iskeyword(value):
        return None
    return f"{printable(str(value), 60)!r} is not a plain name; torch would write it into source code"


def _qualified(value: Any) -> str | None:
    if isinstance(value, str) and (value == "" or _QUALIFIED.fullmatch(value)):
        return None
    return f"{printable(str(value), 60)!r} is not a plain parameter name; torch would write it into source code"


def _range_key(value: Any) -> str | None:
    why = check_expression(value)
    return f"torch would evaluate {printable(value, 60)!r}: {why}" if why else None


def _expression(value: Any) -> str | None:
    why = check_expression(value) if isinstance(value, str) else "it is not text"
    return f"torch would evaluate {printable(str(value), 60)!r}: {why}" if why else None


def _guard(value: Any) -> str | None:
    why = check_guard(value) if isinstance(value, str) else "it is not text"
    return f"torch would run {printable(str(value), 60)!r}: {why}" if why else None


def _metadata(value: Any) -> str | None:
    if not isinstance(value, dict):
        return "is not a table"
    for key, text in value.items():
        if key not in _METADATA:
            return f"has the field {printable(key, 60)!r}, which this check does not know"
        if not isinstance(text, str) or '"""' in text or "'''" in text:
            return f"has text in {key} that could end a quotation"
        if key == "source_fn_stack" and not _SOURCE_NAME.fullmatch(text):
            return "has odd text in source_fn_stack"
    return None


def _tree(value: Any) -> str | None:
    """Accept ``[1, tree]`` with tuples, lists and dicts of plain keys around leaves."""
    table, _ = parse_json(f'{{"tree": {value}}}'.encode()) if isinstance(value, str) else (None, "")
    tree = (table or {}).get("tree")
    if not (table and len(table) == 1 and isinstance(tree, list) and len(tree) == 2 and tree[0] == 1):
        return "is not a tree of protocol 1"
    return _tree_node(tree[1])


def _tree_node(node: Any) -> str | None:
    if not isinstance(node, dict) or set(node) != {"type", "context", "children_spec"}:
        return "is not a plain tree"
    kind, context, children = node["type"], node["context"], node["children_spec"]
    if not isinstance(children, list):
        return "is not a plain tree"
    if kind is None:
        return None if context is None and not children else "has a leaf with content"
    if kind in ("builtins.tuple", "builtins.list"):
        if context != "null":
            return "has a list with a context"
    elif kind == "builtins.dict":
        keys = json.loads(context) if isinstance(context, str) and _PLAIN_KEYS.fullmatch(context) else None
        if keys is None or len(keys) != len(children):
            return "has a dict with keys that are not plain names"
    else:
        return f"uses the type {printable(str(kind), 60)!r}; torch would look it up and build it"
    return next((why for child in children if (why := _tree_node(child))), None)


_PLAIN_KEYS = re.compile(r'\[("[A-Za-z_][A-Za-z0-9_]*"(, ?"[A-Za-z_][A-Za-z0-9_]*")*)?\]')


def _is(test: Callable[[Any], bool], what: str) -> Callable[[Any], str | None]:
    return lambda value: None if test(value) else f"{printable(str(value), 60)!r} is not {what}"


def _device(value: Any) -> str | None:
    return None if value == "cpu" else f"is for the device {printable(str(value), 30)!r}; export the net on the CPU"


LEAVES: dict[str, Callable[[Any], str | None]] = {
    "bool": _is(lambda value: type(value) is bool, "true or false"),
    "int": _is(lambda value: type(value) is int and abs(value) < 2**63, "an integer"),
    "float": _is(lambda value: type(value) in (int, float) or value in _INFINITIES, "a number"),
    "text": _is(lambda value: isinstance(value, str) and bool(_PLAIN_TEXT.fullmatch(value)), "plain text"),
    "empty": _is(lambda value: value in ({}, [], None), "empty; custom objects and named tuples are refused"),
    "version": _is(lambda value: isinstance(value, str) and len(value) < 100, "a version"),
    "dialect": _is(lambda value: value in _DIALECTS, "a dialect of torch.export"),
    "argument_name": lambda value: None if value == "" else _identifier(value),
    "name": _identifier,
    "qualified": _qualified,
    "expression": _expression,
    "guard": _guard,
    "operator": lambda value: check_operator(value) if isinstance(value, str) else "is not text",
    "metadata": _metadata,
    "payload_path": _is(
        lambda value: isinstance(value, str) and bool(re.fullmatch(r"(weight|tensor)_[0-9]{1,9}", value)),
        "a tensor's file; only tensors are accepted, no pickled objects",
    ),
    "device": _device,
    "tree": _tree,
}
