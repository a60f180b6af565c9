"""What a trained net depends on, as hashes: the training code and how it is called, and the data."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator, Sequence
from importlib.machinery import ModuleSpec
from pathlib import Path

from ...core.checkpoints import FactoryReference
from ...core.errors import CheckpointError
from ...core.files import sha256_of_bytes, sha256_of_file

LONGEST_PATH = 250  # a word of a command that is longer is a script, which cannot be looked up as a file


def digest_of_trainer(written: str | Sequence[str], folder: Path) -> str:
    """Return a hash of a trainer: its words, the files and modules that they name, and the Python files beside these.

    What is imported from elsewhere, and the versions of packages, are not in it.

    Args:
        written: a command, ``FILE.py:NAME`` or ``PACKAGE.MODULE:NAME``.
        folder: the plan's, to which files are relative.
    """
    named = named_function(written) if isinstance(written, str) else None
    words = [str(written)] if named is not None else words_of(written)
    found = set()
    for file in _files_of_function(named, folder) if named is not None else _files_of_words(words, folder):
        found.add(file)
        if file.suffix == ".py":
            found |= {each for each in file.parent.glob("*.py") if each.is_file()}
    hashes = sorted(f"{file.name} {sha256_of_file(file)}" for file in found)
    return sha256_of_bytes("\n".join([shlex.join(words), *hashes]).encode())


def digest_of_data(folder: Path) -> str:
    """Return a hash of a folder's files, names and contents: the pictures, and the manifest with their labels."""
    files = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    lines = [f"{sha256_of_file(folder / name)} {name}" for name in files]
    return sha256_of_bytes("\n".join(lines).encode())


def named_function(written: str) -> FactoryReference | None:
    """Read ``FILE.py:NAME`` or ``PACKAGE.MODULE:NAME``; ``None`` for anything else, which is a command."""
    if any(character.isspace() for character in written.strip()) or "{" in written:
        return None
    try:
        return FactoryReference.parse(written)
    except CheckpointError:
        return None


def words_of(written: str | Sequence[str]) -> list[str]:
    """Split a command as a shell would.

    Raises:
        ValueError: when quotes are not closed.
    """
    return shlex.split(written) if isinstance(written, str) else [str(word) for word in written]


def at_home(word: str) -> str:
    """Return a word of a command with the user's home for ``~/`` at its beginning."""
    return str(Path(word).expanduser()) if word.startswith("~/") else word


def _files_of_function(named: FactoryReference, folder: Path) -> Iterator[Path]:
    file = _file(named.source, folder) if named.source.endswith(".py") else _module_file(named.source)
    if file is not None:
        yield file


def _files_of_words(words: Sequence[str], folder: Path) -> Iterator[Path]:
    for place, word in enumerate(words):
        candidates = [_file(word.rpartition("=")[2], folder)]
        if place and words[place - 1] == "-m":  # python looks in the folder that it is started in first
            path = word.replace(".", "/")
            candidates = [_file(f"{path}.py", folder), _file(f"{path}/__main__.py", folder), _module_file(word)]
        yield from [file for file in candidates if file is not None][:1]


def _file(word: str, folder: Path) -> Path | None:
    if not 0 < len(word) <= LONGEST_PATH or "\0" in word:
        return None
    path = folder / at_home(word)
    return path.resolve() if path.is_file() else None


def _module_file(name: str) -> Path | None:
    """Find a module's file as an import would, without running it or a package above it."""
    places: Sequence[str] | None = None
    origin = None
    parts = name.split(".")
    for depth in range(1, len(parts) + 1):
        spec = next(_specs(".".join(parts[:depth]), places), None)
        if spec is None:
            return None
        places, origin = spec.submodule_search_locations, spec.origin
    return Path(origin).resolve() if origin and Path(origin).is_file() else None


def _specs(name: str, places: Sequence[str] | None) -> Iterator[ModuleSpec]:
    for finder in sys.meta_path:
        found = finder.find_spec(name, places) if hasattr(finder, "find_spec") else None
        if found is not None:
            yield found
