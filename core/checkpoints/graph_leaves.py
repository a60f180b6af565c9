"""The single values of an exported program that are accepted: names, expressions, trees, numbers and text.

Each check returns why a value is refused, or ``None``. The table in :mod:`.scan_graph` says what torch does with it.
"""

from __future__ import annotations

import json
import keyword
import re
from collections.abc import Callable
from typing import Any

from .expressions import check_expression, check_guard
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
_PLAIN_KEYS = re.compile(r'\[("[A-Za-z_][A-Za-z0-9_]*"(, ?"[A-Za-z_][A-Za-z0-9_]*")*)?\]')


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


def identifier(value: Any) -> str | None:
    """Check a name that may stand in source code."""
    if isinstance(value, str) and _IDENTIFIER.fullmatch(value) and not keyword.iskeyword(value):
        return None
    return f"{printable(str(value), 60)!r} is not a plain name; torch would write it into source code"


def qualified(value: Any) -> str | None:
    """Check the dotted name of a parameter, buffer or module."""
    if isinstance(value, str) and _QUALIFIED.fullmatch(value):
        return None
    return f"{printable(str(value), 60)!r} is not a plain parameter name; torch would write it into source code"


def range_key(value: Any) -> str | None:
    """Check the size expression that a range is given for."""
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
    "argument_name": lambda value: None if value == "" else identifier(value),
    "name": identifier,
    "qualified": qualified,
    "module_path": lambda value: None if value == "" else qualified(value),
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
