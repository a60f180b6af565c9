"""Reading a pickle without running it: which callables would it import and call?

A pickle is a program for a small stack machine whose opcodes can import any callable and call it. This module
walks the opcodes with :func:`pickletools.genops`, which decodes and never executes, and keeps just enough of
the stack and memo to know the name behind every import. What it allows is a list of names, the one that
torch's own weights-only unpickler starts from; all else is reported, and so is whatever it cannot follow:

- ``GLOBAL``, ``INST`` and ``STACK_GLOBAL`` whose ``module.name`` is not on the list, wherever the two strings
  of a ``STACK_GLOBAL`` come from (literal, memo, duplicate); strings that are not literal text;
- ``EXT1``, ``EXT2``, ``EXT4``: the copyreg registry of the reading process decides what these mean;
- calls (``REDUCE``, ``OBJ``, ``NEWOBJ``, ``NEWOBJ_EX``) of anything that is not an allowed import itself,
  such as the result of another call;
- ``BUILD`` on an import: it would set attributes on a class or function shared by the whole process;
- persistent ids that are not torch storages;
- byte strings which are pickles themselves and would not pass;
- opcodes out of place, a stack or memo that runs empty, an unknown protocol, a stream without an end.
"""

from __future__ import annotations

import io
import pickletools
import warnings
from _compat_pickle import IMPORT_MAPPING, NAME_MAPPING
from dataclasses import dataclass, field
from typing import Any

from .allowed_imports import ALLOWED_GLOBALS
from .text import printable

_HIGHEST_PROTOCOL = 5
_NESTING = 3
_HOLDS = "it holds"


@dataclass(frozen=True)
class PickleScan:
    """What one pickle would do: imports in order of appearance, reasons to refuse it, offset behind its end."""

    imports: tuple[str, ...]
    problems: tuple[str, ...]
    end: int

    @property
    def is_module(self) -> bool:
        """Whether this looks like a whole pickled ``torch.nn.Module`` rather than a state dict."""
        return any(name.startswith("torch.nn.modules.") for name in self.imports)


class _Malformed(Exception):
    """The stream is not one that the pickle module itself would write."""


@dataclass(frozen=True)
class _Import:
    name: str


class _Opaque:
    """A value whose content does not matter; ``made`` when a call made it."""


_MARK = object()
_CALLS = {"REDUCE", "NEWOBJ", "NEWOBJ_EX"}
_TEXT = {"UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8"}
# Python 2 strings: text as far as an import by name is concerned.
_OLD_TEXT = {"STRING", "BINSTRING", "SHORT_BINSTRING"}
_BYTES = {"SHORT_BINBYTES", "BINBYTES", "BINBYTES8", "BYTEARRAY8"}
_FILLS = {"APPEND": 1, "SETITEM": 2}
_FILLS_TO_MARK = {"APPENDS", "SETITEMS", "ADDITEMS"}


@dataclass
class _Machine:
    """The part of the unpickler's state that decides what is imported and called."""

    depth: int
    size: int
    protocol: int = 0
    stack: list[Any] = field(default_factory=list)
    memo: dict[int, Any] = field(default_factory=dict)
    imports: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def pop(self) -> Any:
        if not self.stack:
            raise _Malformed("it takes a value from an empty stack")
        value = self.stack.pop()
        if value is _MARK:
            raise _Malformed("it takes a mark for a value")
        return value

    def top(self) -> Any:
        value = self.pop()
        self.stack.append(value)
        return value

    def pop_to_mark(self) -> list[Any]:
        for index in range(len(self.stack) - 1, -1, -1):
            if self.stack[index] is _MARK:
                values = self.stack[index + 1 :]
                del self.stack[index:]
                return values
        raise _Malformed("it looks for a mark that was never set")

    def report(self, problem: str) -> None:
        if problem not in self.problems:
            self.problems.append(problem)

    def push_import(self, module: Any, name: Any) -> None:
        if not (isinstance(module, str) and isinstance(name, str)):
            self.report("it imports something whose name it builds while it runs")
            self.stack.append(_Opaque())
            return
        if self.protocol < 3:
            module, name = _modern_name(module, name)
        full = f"{module}.{name}"
        if full not in self.imports:
            self.imports.append(full)
        if full not in ALLOWED_GLOBALS:
            self.report(f"it imports {printable(full)}, which is not on the list of what a state dict needs")
        self.stack.append(_Import(full))

    def call(self, function: Any) -> None:
        if not isinstance(function, _Import):
            self.report("it calls something that is not an import")
        self.stack.append(_Opaque())

    def step(self, opcode: pickletools.OpcodeInfo, argument: Any) -> None:
        """Apply one opcode."""
        name = opcode.name
        if name == "STOP":
            return
        if name == "FRAME":
            if argument > self.size:
                raise _Malformed("it says a length that the file does not have")
        elif name == "PROTO":
            if argument > _HIGHEST_PROTOCOL:
                raise _Malformed(f"it says protocol {argument}")
            self.protocol = argument
        elif name == "MARK":
            self.stack.append(_MARK)
        elif name in _TEXT or name in _OLD_TEXT:
            self.stack.append(argument if isinstance(argument, str) else _Opaque())
        elif name in _BYTES:
            self.look_inside(bytes(argument))
            self.stack.append(_Opaque())
        elif name in ("PUT", "BINPUT", "LONG_BINPUT"):
            if argument > self.size:  # a reader would set memory aside for all numbers below it
                raise _Malformed(f"it writes memo {argument}")
            self.memo[argument] = self.top()
        elif name == "MEMOIZE":
            self.memo[len(self.memo)] = self.top()
        elif name in ("GET", "BINGET", "LONG_BINGET"):
            if argument not in self.memo:
                raise _Malformed(f"it reads memo {argument}, which it never wrote")
            self.stack.append(self.memo[argument])
        elif name == "DUP":
            self.stack.append(self.top())
        elif name == "POP":
            if not self.stack:
                raise _Malformed("it takes a value from an empty stack")
            self.stack.pop()
        elif name == "POP_MARK":
            self.pop_to_mark()
        elif name == "TUPLE":
            self.stack.append(tuple(self.pop_to_mark()))
        elif name in ("TUPLE1", "TUPLE2", "TUPLE3"):
            values = [self.pop() for _ in range(int(name[-1]))]
            self.stack.append(tuple(reversed(values)))
        elif name in ("BINPERSID", "PERSID"):
            self.persistent(self.pop() if name == "BINPERSID" else argument)
        elif name in ("BUILD", *_FILLS, *_FILLS_TO_MARK):
            self.fill(name)
        else:
            self.step_calls(name, opcode, argument)

    def fill(self, name: str) -> None:
        """Apply an opcode that changes the value under its arguments and leaves it on the stack."""
        if name in _FILLS_TO_MARK:
            self.pop_to_mark()
        else:
            for _ in range(_FILLS.get(name, 1)):
                self.pop()
        target = self.top()
        if isinstance(target, _Import):
            self.report(f"it changes {printable(target.name)} itself")

    def step_calls(self, name: str, opcode: pickletools.OpcodeInfo, argument: Any) -> None:
        """Apply an opcode that imports or calls, or else one that only makes a plain value."""
        if name == "GLOBAL":
            self.push_import(*argument.split(" ", 1))
        elif name == "STACK_GLOBAL":
            attribute, module = self.pop(), self.pop()
            self.push_import(module, attribute)
        elif name == "INST":
            self.pop_to_mark()
            self.push_import(*argument.split(" ", 1))
            self.call(self.pop())
        elif name == "OBJ":
            values = self.pop_to_mark()
            if not values:
                raise _Malformed("it calls nothing")
            self.call(values[0])
        elif name in _CALLS:
            for _ in range(2 if name == "NEWOBJ_EX" else 1):
                self.pop()
            self.call(self.pop())
        elif name in ("EXT1", "EXT2", "EXT4"):
            self.report(f"it uses the copyreg extension code {argument}, whose meaning is not in the file")
            self.stack.append(_Opaque())
        elif name in ("NEXT_BUFFER", "READONLY_BUFFER"):
            raise _Malformed("it expects buffers from outside the file")
        else:
            self.plain_value(opcode)

    def plain_value(self, opcode: pickletools.OpcodeInfo) -> None:
        """Apply an opcode that pushes a number, a constant or a container of what is on the stack."""
        if pickletools.markobject in opcode.stack_before:
            self.pop_to_mark()
        elif opcode.stack_before:
            raise _Malformed(f"it uses the opcode {opcode.name}, which this check does not know")
        if len(opcode.stack_after) != 1:
            raise _Malformed(f"it uses the opcode {opcode.name}, which this check does not know")
        self.stack.append(_Opaque())

    def persistent(self, identity: Any) -> None:
        """Apply a persistent id: torch writes ``("storage", type, key, device, size)`` and nothing else."""
        if not (isinstance(identity, tuple) and identity and identity[0] == "storage"):
            self.report("it refers to an outside object that is not a torch storage")
        self.stack.append(_Opaque())

    def look_inside(self, content: bytes) -> None:
        """Report a byte string that is a pickle and would not pass."""
        if not looks_like_pickle(content):
            return
        if self.depth >= _NESTING:
            self.report(f"{_HOLDS} pickles inside pickles inside pickles")
            return
        inner = scan_pickle(content, depth=self.depth + 1)
        for problem in inner.problems:
            # Bytes that only happen to start and end as a pickle does import nothing before they fail.
            if inner.imports or problem.startswith(_HOLDS):
                self.report(problem if problem.startswith(_HOLDS) else f"{_HOLDS} another pickle: {problem}")


def scan_pickle(data: bytes, start: int = 0, depth: int = 0) -> PickleScan:
    """Walk one pickle in ``data`` from offset ``start`` to its STOP, running nothing.

    A stream that cannot be followed to its end is reported as a problem, never passed.
    """
    machine = _Machine(depth, len(data))
    end = len(data)
    finished = False
    stream = io.BytesIO(data)
    stream.seek(start)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # an odd escape in old text only warns, but no pickler writes one
            for opcode, argument, position in pickletools.genops(stream):
                machine.step(opcode, argument)
                if opcode.name == "STOP":
                    end = (position or 0) + 1
                    finished = True
                    if len(machine.stack) != 1 or machine.stack[0] is _MARK:
                        raise _Malformed("it ends with something other than one value")
    except _Malformed as error:
        machine.report(f"it is malformed: {error}")
    except (ValueError, IndexError, KeyError, OverflowError, MemoryError, Warning) as error:
        machine.report(f"it cannot be read as a pickle: {printable(str(error))}")
    else:
        if not finished:
            machine.report("it has no end")
    return PickleScan(tuple(machine.imports), tuple(machine.problems), end)


def scan_whole(data: bytes) -> PickleScan:
    """Walk a pickle that must fill ``data``; bytes behind its end are a problem, since a reader may go on."""
    scan = scan_pickle(data)
    if scan.end < len(data) and not scan.problems:
        left = len(data) - scan.end
        return PickleScan(scan.imports, (*scan.problems, f"{left} bytes follow its end"), scan.end)
    return scan


def looks_like_pickle(data: bytes) -> bool:
    """Whether ``data`` starts and ends as a pickle of protocol 2 or later does."""
    return len(data) > 3 and data[0] == 0x80 and 2 <= data[1] <= _HIGHEST_PROTOCOL and data[-1:] == b"."


def _modern_name(module: str, name: str) -> tuple[str, str]:
    """Apply the renaming of Python 2 names that unpicklers apply to protocols 0 to 2."""
    if (module, name) in NAME_MAPPING:
        renamed: tuple[str, str] = NAME_MAPPING[(module, name)]
        return renamed
    return IMPORT_MAPPING.get(module, module), name
