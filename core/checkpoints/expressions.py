"""Checking the expression strings of an exported program, which torch evaluates.

``torch.export.load`` hands size expressions to ``sympy.sympify``, which is ``eval``, and the program's input
guards to ``exec``. Both are parsed here with :mod:`ast` and accepted only when every node is on a short list:

- sizes: integers, floats, symbols such as ``s0``, ``u3``, ``s77``, ``+ - * / // % **`` (small constant
  exponents), comparisons, and calls of the functions in :data:`FUNCTIONS`; ``Symbol('s77', positive=True,
  integer=True)`` is how torch writes a symbol;
- guards: the same operators over ``L['name'].size()[0]`` (and ``.size()[0]`` of ``L['name'][0]``).

The text must be plain ASCII of a few characters, so that another tokenizer cannot read it differently.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable

from .text import words

LONGEST = 20_000
_MOST_POWERS = 4
_LARGEST = 2**63
_TEXT = re.compile(r"[A-Za-z0-9_ '.,()\[\]+\-*/%<>=!]*")
_SYMBOL = re.compile(r"(s|u|i|z|zf|zuf)[0-9]{1,6}")
_KEYWORDS = {
    "positive",
    "integer",
    "nonnegative",
    "nonzero",
    "real",
    "finite",
    "negative",
    "zero",
    "even",
    "odd",
}

FUNCTIONS: frozenset[str] = words(
    "Abs Add And CeilDiv CeilToInt CleanDiv Eq Equality FloorDiv FloorToInt Ge GreaterThan Identity IntTrueDiv "
    "Integer Le LessThan Lt Gt Max Min Mod ModularIndexing Mul Ne Not Or Pow PowByNatural PythonMod Rational "
    "RoundToInt StrictGreaterThan StrictLessThan ToFloat TruncToFloat TruncToInt Unequality Where ceiling floor "
    "FloatTrueDiv Float"
)
_POWERS = {"Pow", "PowByNatural"}
_GUARD_FUNCTIONS = {"Eq", "Ne", "Max", "Min", "Mod", "PythonMod", "FloorDiv", "CeilDiv", "Abs"}
_OPERATORS = (ast.Add, ast.Sub, ast.Mult, ast.FloorDiv, ast.Div, ast.Mod, ast.Pow)
_COMPARISONS = (ast.Eq, ast.NotEq, ast.Lt, ast.LtE, ast.Gt, ast.GtE)


class _Refused(Exception):
    """The expression holds something that is not on the list."""


def check_expression(text: str) -> str | None:
    """Return why a size expression is refused, or ``None`` when it is a plain one."""
    return _check(text, _size_leaf, FUNCTIONS)


def check_guard(text: str) -> str | None:
    """Return why an input guard is refused, or ``None`` when it only compares input sizes."""
    return _check(text, _guard_leaf, _GUARD_FUNCTIONS)


def is_symbol(text: str) -> bool:
    """Whether ``text`` is the name of a size symbol, such as ``s77``."""
    return bool(_SYMBOL.fullmatch(text))


def _check(text: str, leaf: Callable[[ast.expr], bool], functions: frozenset[str] | set[str]) -> str | None:
    if len(text) > LONGEST:
        return f"it is {len(text)} characters long"
    if not _TEXT.fullmatch(text):
        return "it holds characters that no size expression has"
    try:
        tree = ast.parse(text.strip(), mode="eval")
        _walk(tree.body, leaf, functions, [0])
    except _Refused as error:
        return str(error)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return "it is not an expression"
    return None


def _walk(
    node: ast.expr, leaf: Callable[[ast.expr], bool], functions: frozenset[str] | set[str], powers: list[int]
) -> None:
    """Visit ``node``; ``powers`` counts exponentiations, which could otherwise be stacked into endless work."""
    if leaf(node) or _is_number(node):
        return
    children: list[ast.expr]
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.UAdd | ast.USub | ast.Not):
        children = [node.operand]
    elif isinstance(node, ast.BinOp) and isinstance(node.op, _OPERATORS):
        if isinstance(node.op, ast.Pow):
            _count_power(node.right, powers)
        children = [node.left, node.right]
    elif isinstance(node, ast.BoolOp):
        children = node.values
    elif isinstance(node, ast.Compare) and all(isinstance(op, _COMPARISONS) for op in node.ops):
        children = [node.left, *node.comparators]
    elif isinstance(node, ast.Call):
        children = _arguments(node, functions, powers)
    elif isinstance(node, ast.Name):
        raise _Refused(f"it uses the name {node.id!r}")
    else:
        raise _Refused(f"it holds Python code ({type(node).__name__.lower()})")
    for child in children:
        _walk(child, leaf, functions, powers)


def _arguments(node: ast.Call, functions: frozenset[str] | set[str], powers: list[int]) -> list[ast.expr]:
    if not isinstance(node.func, ast.Name) or node.func.id not in functions:
        raise _Refused(f"it calls {ast.unparse(node.func)[:60]!r}")
    if node.func.id == "Float":
        _check_float(node)
        return []
    if node.keywords or any(isinstance(argument, ast.Starred) for argument in node.args):
        raise _Refused(f"it calls {node.func.id!r} with keywords")
    if node.func.id in _POWERS:
        if len(node.args) != 2:
            raise _Refused("it calls a power with other than two arguments")
        _count_power(node.args[1], powers)
    return node.args


def _check_float(node: ast.Call) -> None:
    """Accept ``Float('0.5', precision=53)``, as sympy writes a float."""
    digits = [argument.value for argument in node.args if isinstance(argument, ast.Constant)]
    number = (
        len(node.args) == 1 and len(digits) == 1 and re.fullmatch(r"-?[0-9.]{1,40}(e[+-]?[0-9]{1,3})?", str(digits[0]))
    )
    plain = all(keyword.arg == "precision" and _is_number(keyword.value) for keyword in node.keywords)
    if not (number and plain):
        raise _Refused("it writes a float oddly")


def _count_power(exponent: ast.expr, powers: list[int]) -> None:
    powers[0] += 1
    if isinstance(exponent, ast.UnaryOp) and isinstance(exponent.op, ast.USub):
        exponent = exponent.operand
    if (
        isinstance(exponent, ast.Call)
        and isinstance(exponent.func, ast.Name)
        and exponent.func.id == "Integer"
        and len(exponent.args) == 1
    ):
        return _count_power_value(exponent.args[0], powers)
    return _count_power_value(exponent, powers)


def _count_power_value(exponent: ast.expr, powers: list[int]) -> None:
    if isinstance(exponent, ast.UnaryOp) and isinstance(exponent.op, ast.USub):
        exponent = exponent.operand
    small = isinstance(exponent, ast.Constant) and type(exponent.value) is int and exponent.value <= 8
    if not small or powers[0] > _MOST_POWERS:
        raise _Refused("it raises to a power that is not a small number")


def _is_number(node: ast.expr) -> bool:
    if not isinstance(node, ast.Constant):
        return False
    if type(node.value) is int:
        return node.value < _LARGEST
    return type(node.value) in (float, bool)


def _size_leaf(node: ast.expr) -> bool:
    """Accept ``s77`` and ``Symbol('s77', positive=True, integer=True)``."""
    if isinstance(node, ast.Name):
        return is_symbol(node.id)
    if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Symbol"):
        return False
    names = [argument.value for argument in node.args if isinstance(argument, ast.Constant)]
    plain = all(
        keyword.arg in _KEYWORDS and isinstance(keyword.value, ast.Constant) and type(keyword.value.value) is bool
        for keyword in node.keywords
    )
    if len(node.args) == 1 and names and isinstance(names[0], str) and is_symbol(names[0]) and plain:
        return True
    raise _Refused("it makes a symbol with an odd name")


def _guard_leaf(node: ast.expr) -> bool:
    """Accept ``L['name'].size()[0]`` and ``L['name'][0].size()[0]``."""
    if not (isinstance(node, ast.Subscript) and _is_index(node.slice)):
        return False
    call = node.value
    if not (isinstance(call, ast.Call) and not call.args and not call.keywords):
        return False
    method = call.func
    if not (isinstance(method, ast.Attribute) and method.attr == "size"):
        return False
    source = method.value
    while isinstance(source, ast.Subscript) and _is_index(source.slice):
        source = source.value
    return (
        isinstance(source, ast.Subscript)
        and isinstance(source.value, ast.Name)
        and source.value.id == "L"
        and isinstance(source.slice, ast.Constant)
        and isinstance(source.slice.value, str)
        and source.slice.value.isidentifier()
    )


def _is_index(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and type(node.value) is int and 0 <= node.value < 1000
