"""The user's own code that builds the net a state dict belongs to.

A factory is named in the plan as ``file.py:Name`` (relative to the plan's folder) or ``package.module:Name``.
It is imported and called, which runs it: a factory is trusted as the plan itself is, and for that reason its
source is hashed, with the files beside it that it imports, so that a prediction made with another source is
never reused.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import importlib.util
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from ..errors import CheckpointError, nearest
from ..files import sha256_of_bytes

if TYPE_CHECKING:
    from torch import nn

_FORM = "expected FILE.py:NAME or PACKAGE.MODULE:NAME, such as nets.py:FaceNet"


@dataclass(frozen=True)
class FactoryReference:
    """Where a net's class (or a function that returns the net) is found, and what it is called with."""

    source: str
    name: str
    arguments: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def parse(cls, text: str, arguments: Mapping[str, Any] | None = None) -> FactoryReference:
        """Read ``file.py:Name`` or ``package.module:Name``.

        Raises:
            CheckpointError: when ``text`` has neither form.
        """
        source, colon, name = text.strip().rpartition(":")
        if not colon or not source or not name.isidentifier():
            raise CheckpointError(f"factory {text!r} cannot be read: {_FORM}")
        is_file = source.endswith(".py")
        if not is_file and not all(part.isidentifier() for part in source.split(".")):
            raise CheckpointError(f"factory {text!r} names neither a .py file nor a module: {_FORM}")
        return cls(source, name, dict(arguments or {}))

    def __str__(self) -> str:
        return f"{self.source}:{self.name}"


@dataclass(frozen=True)
class Built:
    """A net fresh from its factory, and the SHA-256 of the source that made it."""

    net: nn.Module
    sha256: str


def build(reference: FactoryReference, folder: Path) -> Built:
    """Import the factory and call it; a relative ``.py`` file is looked for in ``folder``.

    Raises:
        CheckpointError: when the file or name is missing, the import or the call fails, or no net comes back.
    """
    from torch import nn

    net, sha256 = make(reference, folder)
    if not isinstance(net, nn.Module):
        raise CheckpointError(
            f"factory {reference}: expected a torch.nn.Module from {reference.name}, got a {type(net).__name__}"
        )
    return Built(net, sha256)


def make(reference: FactoryReference, folder: Path) -> tuple[Any, str]:
    """Import what the plan names, call it, and return what comes back with the SHA-256 of its source.

    Raises:
        CheckpointError: when the file or name is missing, or the import or the call fails.
    """
    from ..torchvision_compat import ensure_torchvision_importable

    ensure_torchvision_importable()  # nets of timm and many others import it
    with _imported(reference, folder) as (module, files):
        if not hasattr(module, reference.name):
            known = [name for name in vars(module) if not name.startswith("_")]
            raise CheckpointError(
                f"factory {reference}: {reference.source} has no {reference.name!r}{nearest(reference.name, known)}"
            )
        called = getattr(module, reference.name)
        if not callable(called):
            raise CheckpointError(
                f"factory {reference}: expected a class or a function to call, got a {type(called).__name__}"
            )
        try:
            made = called(**reference.arguments)
        except (Exception, SystemExit) as error:
            given = ", ".join(f"{key}={value!r}" for key, value in reference.arguments.items())
            raise CheckpointError(
                f"factory {reference}: calling {reference.name}({given}) failed: {type(error).__name__}: {error}"
            ) from error
        return made, _hash_sources(files())


@contextlib.contextmanager
def _imported(reference: FactoryReference, folder: Path) -> Iterator[tuple[ModuleType, Any]]:
    """Yield the factory's module and a function that lists its source files, as far as they are imported by then."""
    if not reference.source.endswith(".py"):
        module = _import(reference, lambda: importlib.import_module(reference.source))
        own = Path(module.__file__) if module.__file__ else None
        yield module, lambda: [own] if own else []
        return
    path = folder / Path(reference.source).expanduser()
    if not path.is_file():
        beside = [file.name for file in path.parent.glob("*.py")] if path.parent.is_dir() else []
        raise CheckpointError(f"factory {reference}: there is no file {path}{nearest(path.name, beside)}")
    with _files_of_its_own(path.resolve().parent) as siblings:
        yield _import(reference, lambda: _run_file(path)), lambda: [path, *siblings()]


def _import(reference: FactoryReference, load: Any) -> ModuleType:
    try:
        module: ModuleType = load()
    except (Exception, SystemExit) as error:
        raise CheckpointError(
            f"factory {reference}: importing {reference.source} failed: {type(error).__name__}: {error}"
        ) from error
    return module


def _run_file(path: Path) -> ModuleType:
    """Import a file under a name no other module has, so that two plans may both have a ``nets.py``."""
    name = f"countenance_factory_{sha256_of_bytes(str(path.resolve()).encode())[:16]}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses and typing look a class's module up here
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


@contextlib.contextmanager
def _files_of_its_own(folder: Path) -> Iterator[Any]:
    """Let a factory import the files beside it; yield a function that lists those it did.

    They are forgotten afterwards, since another folder may have files of the same names.
    """
    before = set(sys.modules)

    def beside() -> dict[str, Path]:
        found = {}
        for name in set(sys.modules) - before:
            file = getattr(sys.modules[name], "__file__", None)
            if file and folder in Path(file).resolve().parents and "site-packages" not in Path(file).parts:
                found[name] = Path(file)
        return found

    sys.path.insert(0, str(folder))
    importlib.invalidate_caches()
    try:
        yield lambda: list(beside().values())
    finally:
        with contextlib.suppress(ValueError):
            sys.path.remove(str(folder))
        for name in beside():
            if not name.startswith("countenance_factory_"):
                del sys.modules[name]


def _hash_sources(files: list[Path]) -> str:
    """Hash the contents of the source files, in the order of their names."""
    unique = {file.resolve(): file for file in files}
    digest = hashlib.sha256()
    for path in sorted(unique, key=lambda path: path.name):
        digest.update(path.name.encode() + b"\0" + hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()
