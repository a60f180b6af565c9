"""Loading a checkpoint: one way in for all formats, safe unless the user said otherwise on the command line.

The file is read once; the bytes that are hashed and checked are the bytes that torch or onnxruntime get.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import logging
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ..errors import CheckpointError, nearest
from .factory import FactoryReference, build
from .scan_archive import is_zip
from .scan_onnx import scan_onnx
from .scan_program import ExportedFile, scan_exported
from .scan_torch import scan_torch_file
from .state_dict import check_tensors, find_state_dict, fit_state_dict

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from torch import Tensor

Format = Literal["safetensors", "pt", "pt2", "onnx"]
_FORMATS: dict[str, Format] = {
    ".safetensors": "safetensors",
    ".pt": "pt",
    ".pth": "pt",
    ".pt2": "pt2",
    ".onnx": "onnx",
}
TRUST = (
    "If you know who made the file and trust them with your machine, give --trust-checkpoint on the command line "
    "(a plan cannot give it)"
)
_TRUSTED = "loaded without checks, because the command line trusts it"
_SAVE_STATE = "    torch.save(net.state_dict(), 'model.pt')\n    # and in the plan: factory: nets.py:YourNet"
_EXPORT = (
    "    program = torch.export.export(net.eval(), (example,), dynamic_shapes=({0: torch.export.Dim('batch')},))\n"
    "    torch.export.save(program, 'model.pt2')"
)


@dataclass(frozen=True)
class LoadedCheckpoint:
    """A net ready to be called, and what its predictions depend on.

    Attributes:
        net: a callable from ``(n, c, h, w)`` to the outputs; a ``torch.nn.Module`` in evaluation mode but for
            ``onnx`` (an :class:`~.onnx_net.OnnxNet`). A ``pt2`` net stays in the mode it was exported in.
        format: what the file is.
        sha256: of the file; with the external tensors of an ``onnx`` file behind it where it has some.
        factory_sha256: of the factory's source, ``None`` without a factory.
        trusted: whether the checks were left out because the user trusts the file.
        notes: what was done that a reader of the results may want to know.
        batch_size: the only number of faces the net can be called with, ``None`` when any will do.
    """

    net: Callable[[Tensor], Tensor]
    format: Format
    sha256: str
    factory_sha256: str | None
    trusted: bool
    notes: tuple[str, ...]
    batch_size: int | None = None


def load_checkpoint(
    path: Path,
    factory: FactoryReference | None,
    *,
    trust: bool = False,
    folder: Path,
    threads: int = 1,
) -> LoadedCheckpoint:
    """Load ``path``; a relative factory file is looked for in ``folder``, the plan's.

    Args:
        path: a ``.safetensors``, ``.pt``, ``.pth``, ``.pt2`` or ``.onnx`` file.
        factory: what builds the net of a state dict; must be ``None`` for ``.pt2`` and ``.onnx``.
        trust: load without checks what could run code. Only ``--trust-checkpoint`` sets it.
        folder: where the factory's file is.
        threads: intra-op threads of onnxruntime.

    Raises:
        CheckpointError: when the file is missing, damaged, of another format, could run code, or does not
        fit. MissingExtraError: when ``.onnx`` needs a package that is not installed.
    """
    kind = _format_of(path)
    data = _read(path)
    _check_content(kind, data, path)
    if kind in ("pt2", "onnx") and factory is not None:
        raise CheckpointError(f"{path.name} holds the whole net: leave the factory ({factory}) out of the plan")
    digest = hashlib.sha256(data)
    if kind == "onnx":
        from .onnx_net import open_onnx

        net, external = open_onnx(data, scan_onnx(data, path.name), path, threads)
        for name in sorted(external):
            digest.update(hashlib.sha256(name.encode() + b"\0" + external[name]).digest())
        fixed = net.batch_size
        limits = () if fixed is None else (f"takes exactly {fixed} faces at once",)
        return LoadedCheckpoint(net, kind, digest.hexdigest(), None, False, limits, fixed)
    if kind == "pt2":
        return _load_exported(data, path.name, digest.hexdigest(), trust)
    if kind == "safetensors":
        return _with_factory(_load_safetensors(data, path.name), (), path, factory, folder, kind, digest.hexdigest())
    return _load_torch_file(data, path, factory, folder, digest.hexdigest(), trust)


def _format_of(path: Path) -> Format:
    if not path.exists():
        beside = [file.name for file in path.parent.iterdir()] if path.parent.is_dir() else []
        raise CheckpointError(f"there is no checkpoint {path}{nearest(path.name, beside)}")
    if not path.is_file():
        raise CheckpointError(f"the checkpoint {path} is a folder; expected a file ({', '.join(_FORMATS)})")
    if path.suffix.lower() not in _FORMATS:
        raise CheckpointError(
            f"{path.name}: the ending {path.suffix!r} is not known; expected one of {', '.join(_FORMATS)}. "
            "Convert other formats to .safetensors with a factory, or to .onnx"
        )
    return _FORMATS[path.suffix.lower()]


def _read(path: Path) -> bytes:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise CheckpointError(f"cannot read the checkpoint {path}: {error.strerror or error}") from error
    if not data:
        raise CheckpointError(f"the checkpoint {path} is empty (0 bytes)")
    return data


def _check_content(kind: Format, data: bytes, path: Path) -> None:
    """Refuse a file whose content is plainly another format than its ending says."""
    content = _sniff(data)
    fits = {"safetensors": ("safetensors",), "pt": ("pt", "zip"), "pt2": ("pt2", "zip"), "onnx": ("onnx",)}[kind]
    if content and content not in fits:
        names = {"zip": "a zip archive", "hdf5": "an HDF5 (Keras) file", "text": "text"}
        shown = names.get(content, f"a .{content} file")
        advice = f"; rename it to .{content}" if content in _FORMATS.values() else ""
        raise CheckpointError(f"{path.name} ends in {path.suffix}, but its content is {shown}{advice}")


def _sniff(data: bytes) -> str | None:
    """Name the format that the content shows, or ``None`` when it is not plain."""
    if is_zip(data):
        return "pt2" if b"/archive_format" in data[-70_000:] else "pt" if b"/data.pkl" in data[:4096] else "zip"
    if data[8:9] == b"{" and int.from_bytes(data[:8], "little") <= 100_000_000:
        return "safetensors"  # first of those below: the length of its header may begin with any byte
    if data[:1] == b"\x80":
        return "pt"
    if data[:4] == b"\x89HDF":
        return "hdf5"
    if (
        data[:1] == b"\x08"
        and data[1:2] < b"\x40"
        and data[2:3] in (b"\x12", b"\x1a", b"\x22", b"\x3a", b"\x42", b"\x72")
    ):
        return "onnx"
    return "text" if data[:1] in b"<{#" and data[:200].isascii() else None


def _load_safetensors(data: bytes, what: str) -> dict[str, Tensor]:
    import safetensors
    import safetensors.torch

    try:
        state: dict[str, Tensor] = safetensors.torch.load(data)
    except (safetensors.SafetensorError, ValueError, KeyError) as error:
        raise CheckpointError(
            f"{what} cannot be read as safetensors ({error}): it may be truncated; copy or download it again"
        ) from error
    check_tensors(state, what)
    return state


def _load_torch_file(
    data: bytes, path: Path, factory: FactoryReference | None, folder: Path, digest: str, trust: bool
) -> LoadedCheckpoint:
    import torch

    if not trust:
        scan = scan_torch_file(data, path.name)
        if scan.problems:
            raise _refused(path.name, scan.kind, scan.problems)
        content = _load_with_torch(
            lambda: torch.load(io.BytesIO(data), map_location="cpu", weights_only=True), path.name
        )
    else:
        content = _load_with_torch(lambda: _load_unrestricted(data), path.name)
        if isinstance(content, torch.nn.Module):
            return LoadedCheckpoint(content.eval(), "pt", digest, None, True, (_TRUSTED,))
    state, notes = find_state_dict(content, path.name)
    return _with_factory(state, notes, path, factory, folder, "pt", digest, trust)


def _load_unrestricted(data: bytes) -> Any:
    import torch

    if is_zip(data) and (b"/code/" in data or b"/constants.pkl" in data):
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*torch.jit.*", category=DeprecationWarning)
            return torch.jit.load(  # type: ignore[no-untyped-call]
                io.BytesIO(data), map_location="cpu"
            )
    return torch.load(io.BytesIO(data), map_location="cpu", weights_only=False)


def _load_exported(data: bytes, what: str, digest: str, trust: bool) -> LoadedCheckpoint:
    import torch

    checked = ExportedFile(data, None, (_TRUSTED,))
    if not trust:
        found, problems = scan_exported(data, what)
        if found is None:
            raise _refused(what, "pt2", problems)
        checked = found
    program = _load_with_torch(lambda: torch.export.load(io.BytesIO(checked.data)), what)
    net = _load_with_torch(program.module, what)
    return LoadedCheckpoint(net, "pt2", digest, None, trust, checked.notes, checked.batch_size)


def _load_with_torch(load: Callable[[], Any], what: str) -> Any:
    """Call torch's own loader; whatever it raises on a damaged file becomes one error for the user."""
    with _torch_log() as causes:
        try:
            return load()
        except Exception as error:
            cause = causes[0] if causes else error  # torch.export.load logs what went wrong and raises something vague
            first = (str(cause).strip().splitlines() or [""])[0][:300]
            raise CheckpointError(
                f"{what} cannot be loaded by torch ({type(cause).__name__}: {first}); it may be damaged, "
                "or written by a version of torch that this one does not read"
            ) from error


@contextlib.contextmanager
def _torch_log() -> Iterator[list[BaseException]]:
    """Collect the errors that torch would print with their tracebacks; they are told in one sentence instead."""
    causes: list[BaseException] = []

    def collect(record: logging.LogRecord) -> bool:
        if record.exc_info and record.exc_info[1] is not None:
            causes.append(record.exc_info[1])
        return False

    loggers = [logging.getLogger(name) for name in ("torch.export", "torch._export.serde.serialize")]
    for logger in loggers:
        logger.addFilter(collect)
    try:
        yield causes
    finally:
        for logger in loggers:
            logger.removeFilter(collect)


def _with_factory(
    state: dict[str, Tensor],
    notes: tuple[str, ...],
    path: Path,
    factory: FactoryReference | None,
    folder: Path,
    kind: Format,
    digest: str,
    trust: bool = False,
) -> LoadedCheckpoint:
    if factory is None:
        raise CheckpointError(
            f"{path.name} holds a state dict, which needs the net's own code: name it in the plan, under target, as "
            "factory: FILE.py:NAME or PACKAGE.MODULE:NAME"
        )
    built = build(factory, folder)
    notes += fit_state_dict(built.net, state, path.name, str(factory))
    if trust:
        notes += (_TRUSTED,)
    return LoadedCheckpoint(built.net.eval(), kind, digest, built.sha256, trust, notes)


def _refused(what: str, kind: str, problems: tuple[str, ...]) -> CheckpointError:
    shown = [f"  - {problem}" for problem in problems[:5]]
    if len(problems) > len(shown):
        shown.append(f"  - and {len(problems) - len(shown)} more")
    advice = {
        "module": f"It is a whole pickled net. Save its state dict instead, and name the net's class:\n{_SAVE_STATE}",
        "torchscript": f"Export the net from its Python code instead (or to .onnx):\n{_EXPORT}",
        "package": f"Save the state dict instead, and name the net's class:\n{_SAVE_STATE}",
        "pt2": f"Export the net again from code you trust:\n{_EXPORT}",
    }.get(kind, f"Save a plain state dict with torch, and name the net's class:\n{_SAVE_STATE}")
    if kind == "other":
        return CheckpointError("\n".join([f"{what} is not a checkpoint that torch.save writes:", *shown, advice]))
    return CheckpointError(
        "\n".join([f"{what} was refused before loading, because it could run code:", *shown, advice, TRUST])
    )
