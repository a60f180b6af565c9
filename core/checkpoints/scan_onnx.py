"""Reading an ONNX file just far enough to check it before onnxruntime does.

An ONNX file is a protocol buffer; this module walks its wire format (field numbers from ``onnx.proto``) and
needs no package. Checked are:

- operator domains: ``ai.onnx``, ``ai.onnx.ml``, functions that the file itself defines, and
  those operators of ``com.microsoft`` that onnxruntime's own optimiser and quantiser write. Any other domain
  needs a library of native code;
- external data: tensors kept in other files must name a plain file in the model's own folder or below it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from ..errors import CheckpointError
from .text import printable, words

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_EXTERNAL = 1
_DEEPEST = 50

KNOWN_DOMAINS = frozenset({"", "ai.onnx", "ai.onnx.ml"})
MICROSOFT_OPERATORS: frozenset[str] = words(
    "Attention BiasGelu ConvTransposeWithDynamicPads DequantizeLinear DynamicQuantizeMatMul FastGelu FusedConv "
    "FusedGemm FusedMatMul Gelu MatMulInteger16 MultiHeadAttention NhwcMaxPool QAttention QGemm QLinearAdd "
    "QLinearAveragePool QLinearConcat QLinearConv QLinearGlobalAveragePool QLinearLeakyRelu QLinearMul "
    "QLinearReduceMean QLinearSigmoid QLinearSoftmax QuantizeLinear QuickGelu SkipLayerNormalization"
)


@dataclass
class OnnxFile:
    """What was found in a file: operators and its own functions as (domain, type), and external files."""

    operators: set[tuple[str, str]] = field(default_factory=set)
    external: set[str] = field(default_factory=set)
    own: set[tuple[str, str]] = field(default_factory=set)


class _NotOnnx(Exception):
    """The bytes are not a protocol buffer of the expected shape."""


def scan_onnx(data: bytes, what: str) -> OnnxFile:
    """Walk the model and refuse foreign operators.

    Raises:
        CheckpointError: when the bytes are not an ONNX model, or an operator is of a foreign domain.
    """
    found = OnnxFile()
    try:
        _model(memoryview(data), found)
    except (_NotOnnx, UnicodeDecodeError) as error:
        raise CheckpointError(
            f"{what} cannot be read as an ONNX model ({error}): it may be truncated, or another format"
        ) from error
    if not found.operators:
        raise CheckpointError(f"{what} cannot be read as an ONNX model: it has no operators")
    foreign = sorted(
        f"{printable(domain)}:{printable(kind)}"
        for domain, kind in found.operators
        if domain not in KNOWN_DOMAINS
        and (domain, kind) not in found.own
        and not (domain == "com.microsoft" and kind in MICROSOFT_OPERATORS)
    )
    if foreign:
        raise CheckpointError(
            f"{what} was refused: it uses operators that need native code from outside onnxruntime "
            f"({', '.join(foreign[:5])}). Export the net again with standard ONNX operators only"
        )
    return found


def read_external(found: OnnxFile, folder: Path, what: str) -> dict[str, bytes]:
    """Read the files that hold external tensors, each of which must lie in ``folder`` or below it.

    Raises:
        CheckpointError: when a location leads out of the folder (also by a link), or a file is missing.
    """
    contents = {}
    for location in sorted(found.external):
        path = PurePosixPath(location)
        inside = folder / path
        # "*" is part of onnxruntime's own mark for a tensor at an address in memory.
        plain = bool(path.parts) and not path.is_absolute() and not set(location) & set("\\:*\0")
        if not plain or ".." in path.parts or not inside.resolve().is_relative_to(folder.resolve()):
            raise CheckpointError(
                f"{what} was refused: it keeps tensors in {printable(location)!r}, which is not in the folder of the "
                "model. Save the model in one file, or beside its data"
            )
        if not inside.is_file():
            raise CheckpointError(
                f"{what} keeps tensors in {printable(location)!r}, and there is no such file beside it"
            )
        contents[location] = inside.read_bytes()
    return contents


def _fields(view: memoryview) -> Iterator[tuple[int, int, int | memoryview]]:
    """Yield (field number, wire type, value) for each field of one message."""
    position = 0
    while position < len(view):
        key, position = _varint(view, position)
        number, wire = key >> 3, key & 7
        if wire == _VARINT:
            value, position = _varint(view, position)
            yield number, wire, value
            continue
        if wire == _BYTES:
            size, position = _varint(view, position)
        else:
            size = {_FIXED64: 8, _FIXED32: 4}.get(wire, -1)
        if number == 0 or size < 0 or position + size > len(view):
            raise _NotOnnx(f"a field at byte {position} does not fit")
        yield number, wire, view[position : position + size]
        position += size


def _varint(view: memoryview, position: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if position >= len(view):
            break
        byte = view[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
    raise _NotOnnx(f"a number at byte {position} does not end")


def _messages(view: memoryview) -> Iterator[tuple[int, memoryview]]:
    for number, _, value in _fields(view):
        if isinstance(value, memoryview):
            yield number, value


def _model(view: memoryview, found: OnnxFile) -> None:
    """Walk ModelProto: graph 7, training info 20 (with graphs 1 and 2), functions 25."""
    for number, value in _messages(view):
        if number == 7:
            _graph(value, found, 0)
        elif number == 20:
            for part, graph in _messages(value):
                if part in (1, 2):
                    _graph(graph, found, 0)
        elif number == 25:
            _function(value, found)


def _function(view: memoryview, found: OnnxFile) -> None:
    """Walk FunctionProto: name 1, node 7, domain 10."""
    name = domain = ""
    for number, value in _messages(view):
        if number == 7:
            _node(value, found, 0)
        elif number == 1:
            name = bytes(value).decode()
        elif number == 10:
            domain = bytes(value).decode()
    found.own.add((domain, name))


def _graph(view: memoryview, found: OnnxFile, depth: int) -> None:
    """Walk GraphProto: node 1, initializer 5, sparse initializer 15 (values 1, indices 2)."""
    if depth > _DEEPEST:
        raise _NotOnnx("its graphs are nested too deeply")
    for number, value in _messages(view):
        if number == 1:
            _node(value, found, depth)
        elif number == 5:
            _tensor(value, found)
        elif number == 15:
            _sparse(value, found)


def _node(view: memoryview, found: OnnxFile, depth: int) -> None:
    """Walk NodeProto: op_type 4, attribute 5, domain 7."""
    kind = domain = ""
    for number, value in _messages(view):
        if number == 4:
            kind = bytes(value).decode()
        elif number == 5:
            _attribute(value, found, depth)
        elif number == 7:
            domain = bytes(value).decode()
    found.operators.add((domain, kind))


def _attribute(view: memoryview, found: OnnxFile, depth: int) -> None:
    """Walk AttributeProto: t 5, g 6, tensors 10, graphs 11, sparse tensor 22, sparse tensors 23."""
    for number, value in _messages(view):
        if number in (6, 11):
            _graph(value, found, depth + 1)
        elif number in (5, 10):
            _tensor(value, found)
        elif number in (22, 23):
            _sparse(value, found)


def _sparse(view: memoryview, found: OnnxFile) -> None:
    for number, value in _messages(view):
        if number in (1, 2):
            _tensor(value, found)


def _tensor(view: memoryview, found: OnnxFile) -> None:
    """Walk TensorProto: external_data 13 (key 1, value 2), data_location 14."""
    locations = []
    external = False
    for number, _, value in _fields(view):
        if number == 13 and isinstance(value, memoryview):
            entry = dict(_messages(value))
            if bytes(entry.get(1, b"")) == b"location":
                locations.append(bytes(entry.get(2, b"")).decode())
        elif number == 14:
            external = value == _EXTERNAL
    if external or locations:
        found.external.update(locations or [""])
