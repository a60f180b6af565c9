"""The trainer: the user's own code that trains a net on a folder and writes a checkpoint, run and read back.

A trainer is one of three things:

- a command, as a list or as one text that is split as a shell would (no shell is run), in which ``{data}``, ``{out}``
  and ``{seed}`` stand for the folder to train on, the folder to write to and the seed, and ``{python}`` for the
  interpreter of the audit. It runs in the plan's folder;
- a function named ``FILE.py:NAME`` or ``PACKAGE.MODULE:NAME``, called as ``NAME(data, out, seed)`` in a process of its
  own;
- in Python, a live function of the same three arguments, called in this process.

It reads ``manifest.csv`` in ``{data}`` (``path, label, subject, split`` and what the probe adds) and writes one file
``checkpoint.SUFFIX`` into ``{out}``, of a kind that the target's block fits. A trainer named in a plan runs with the
rights of who runs the audit, as a factory named there does: naming it is the say-so. What it writes gets no trust: the
file is checked and refused as a target's would be without ``--trust-checkpoint``.
"""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ...core.checkpoints import FactoryReference, load_checkpoint
from ...core.errors import AuditError, CheckpointError, CountenanceError, nearest
from ...core.files import sha256_of_bytes, sha256_of_file
from ...core.target import Target

TrainFunction = Callable[[Path, Path, int], object]
"""Called with the folder to train on, the folder to write to and the seed."""
Written = str | Sequence[str] | TrainFunction
"""A trainer as a user gives it."""

SUFFIXES = (".safetensors", ".pt", ".pth", ".pt2", ".onnx")
OF_STATE_DICTS = (".safetensors", ".pt", ".pth")
PLACES = ("{data}", "{out}")
TAIL_LINES, TAIL_CHARACTERS = 12, 1500
LONGEST_PATH = 250  # a word of a command that is longer is a script, which cannot be looked up as a file
CALL = Path(__file__).with_name("call_trainer.py")


class TrainerError(AuditError):
    """A trainer cannot be run as written, failed, ran out of time, or wrote nothing that loads as the target does."""


@dataclass(frozen=True)
class Trainer:
    """A trainer as given, understood.

    Attributes:
        arguments: the command before its places are filled in; empty for a live function.
        function: the live function, or ``None``.
        folder: where a command runs, the plan's.
        title: what is run, in words for notes.
    """

    arguments: tuple[str, ...]
    function: TrainFunction | None
    folder: Path
    title: str

    @classmethod
    def parse(cls, written: Written, folder: Path) -> Trainer:
        """Understand a trainer; files are relative to ``folder``.

        Raises:
            TrainerError: when it is no command with ``{data}`` and ``{out}``, and no function that can be found.
        """
        if callable(written):
            return cls((), written, folder, getattr(written, "__qualname__", type(written).__name__))
        if isinstance(written, str):
            named = _reference(written)
            if named is not None:
                source = _source(named, folder)
                return cls(
                    ("{python}", str(CALL), source, named.name, "{data}", "{out}", "{seed}"), None, folder, written
                )
            try:
                words = tuple(shlex.split(written))
            except ValueError as error:
                raise TrainerError(f"the trainer {written!r} cannot be split into words: {error}") from error
        else:
            words = tuple(str(word) for word in written)
        missing = [place for place in PLACES if not any(place in word for word in words)]
        if missing:
            raise TrainerError(
                f"expected a trainer as a command with {' and '.join(PLACES)} in it, such as "
                "`{python} train.py {data} {out} {seed}`, or as FILE.py:NAME, but got "
                f"{shlex.join(words)!r} without {' and '.join(missing)}"
            )
        return cls(words, None, folder, shlex.join(words))

    def command(self, data: Path, out: Path, seed: int) -> list[str]:
        """Return the command with its places filled in; each word stays one argument whatever a path holds."""
        values = {"{data}": str(data), "{out}": str(out), "{seed}": str(seed), "{python}": sys.executable}
        words = []
        for word in self.arguments:
            for place, value in values.items():
                word = word.replace(place, value)
            words.append(word)
        return words


def run_trainer(
    trainer: Written | Trainer, data: Path, out: Path, *, seed: int, timeout: float | None = None, folder: Path = Path()
) -> Path:
    """Train on ``data`` and return the checkpoint that was written to ``out``.

    Args:
        trainer: a command, ``FILE.py:NAME``, ``PACKAGE.MODULE:NAME`` or a live function.
        data: folder with ``manifest.csv`` and the images.
        out: an empty folder; made where it is missing.
        seed: handed to the trainer.
        timeout: seconds after which the trainer and what it started are ended; ``None`` for no limit. A live function
            runs in this process and cannot be ended: no limit holds for it.
        folder: the plan's folder; a command runs in it.

    Raises:
        TrainerError: when the trainer cannot be started, fails, runs out of time or writes no single checkpoint; the
            message ends with the last lines of what it printed.
    """
    known = trainer if isinstance(trainer, Trainer) else Trainer.parse(trainer, folder)
    data, out = data.resolve(), out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    if known.function is not None:
        try:
            known.function(data, out, seed)
        except CountenanceError:
            raise
        except (Exception, SystemExit) as error:  # a user's function may raise anything; its message is passed on
            raise TrainerError(f"the trainer {known.title} failed: {type(error).__name__}: {_first(error)}") from error
        return _written_checkpoint(known, out, "")
    with tempfile.TemporaryFile() as printed:
        code = _run(known, known.command(data, out, seed), printed.fileno(), timeout)
        tail = _tail(
            printed.fileno(), {str(data): "{data}", str(out): "{out}", f"{known.folder.resolve()}{os.sep}": ""}
        )
    if code is None:
        raise TrainerError(f"the trainer {known.title} was ended after {timeout:g} s, its `timeout`{tail}")
    if code != 0:
        how = f"exit code {code}" if code > 0 else f"signal {-code}"
        raise TrainerError(f"the trainer {known.title} failed ({how}){tail}")
    return _written_checkpoint(known, out, tail)


def load_trained(path: Path, like: Target, folder: Path) -> Target:
    """Load what a trainer wrote as the target is loaded: same factory and block, checked against it, without trust.

    Args:
        path: the checkpoint.
        like: the audited target.
        folder: the plan's, to which the factory is relative.

    Raises:
        TrainerError: when it does not load, could run code, or does not do what the target's block says.
    """
    try:
        factory = None
        if path.suffix.lower() in OF_STATE_DICTS and like.spec.factory:
            factory = FactoryReference.parse(like.spec.factory, like.spec.arguments)
        loaded = load_checkpoint(path, factory, folder=folder)
        device = "cpu" if loaded.format == "onnx" else str(like.device)
        target = Target(
            loaded.net, like.spec, format=loaded.format, device=device, sha256=loaded.sha256,
            factory_sha256=loaded.factory_sha256 or "", fixed_batch=loaded.batch_size, notes=loaded.notes,
        )  # fmt: skip
        target.verify()
    except CountenanceError as error:
        raise TrainerError(
            f"the trainer wrote {path.name}, which does not load as the target {like.name} does: {error}"
        ) from error
    return target


def digest_of_trainer(written: str | Sequence[str], folder: Path) -> str:
    """Return a hash of the files that a trainer names, so that a changed one is noticed; empty for none."""
    words = [written.rpartition(":")[0]] if isinstance(written, str) and _reference(written) else []
    if not words:
        words = shlex.split(written) if isinstance(written, str) else [str(word) for word in written]
    files = [folder / word for word in words if 0 < len(word) <= LONGEST_PATH and "\0" not in word]
    found = [sha256_of_file(file) for file in files if file.is_file()]
    return sha256_of_bytes(" ".join(found).encode()) if found else ""


def _reference(written: str) -> FactoryReference | None:
    """Read ``FILE.py:NAME`` or ``PACKAGE.MODULE:NAME``; ``None`` for anything else, which is a command."""
    if any(character.isspace() for character in written.strip()) or "{" in written:
        return None
    try:
        return FactoryReference.parse(written)
    except CheckpointError:
        return None


def _source(named: FactoryReference, folder: Path) -> str:
    if not named.source.endswith(".py"):
        return named.source
    path = folder / Path(named.source).expanduser()
    if not path.is_file():
        beside = [file.name for file in path.parent.glob("*.py")] if path.parent.is_dir() else []
        raise TrainerError(f"the trainer {named}: there is no file {path}{nearest(path.name, beside)}")
    return str(path.resolve())


def _run(trainer: Trainer, command: list[str], output: int, timeout: float | None) -> int | None:
    """Run a command to its end; returns its exit code, or ``None`` when it was ended for lack of time."""
    try:
        process = subprocess.Popen(
            command, cwd=trainer.folder, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
        )
    except OSError as error:
        raise TrainerError(
            f"the trainer {trainer.title} cannot be started: {error.strerror or error} ({command[0]})"
        ) from error
    try:
        return process.wait(timeout)
    except subprocess.TimeoutExpired:
        return None
    finally:
        _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the trainer with the processes it started, also when the audit itself is interrupted."""
    if process.poll() is None:
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)
        else:  # Windows has no process groups of this kind
            process.kill()
        process.wait()


def _tail(output: int, places: Mapping[str, str]) -> str:
    """Return the last lines that were printed, ready to stand behind a message, without the folders of this machine."""
    size = os.lseek(output, 0, os.SEEK_END)
    os.lseek(output, max(0, size - 4 * TAIL_CHARACTERS), os.SEEK_SET)
    text = os.read(output, 4 * TAIL_CHARACTERS).decode(errors="replace").strip()
    for place, name in places.items():
        text = text.replace(place, name)
    text = text[-TAIL_CHARACTERS:]
    if not text:
        return "; it printed nothing"
    return "; the end of what it printed:\n" + "\n".join(f"  {line}" for line in text.splitlines()[-TAIL_LINES:])


def _written_checkpoint(trainer: Trainer, out: Path, tail: str) -> Path:
    there = sorted(file.name for file in out.iterdir())
    found = [file for file in there if Path(file).stem == "checkpoint" and Path(file).suffix.lower() in SUFFIXES]
    if len(found) == 1:
        return out / found[0]
    got = f"{', '.join(there[:8])}" if there else "nothing"
    raise TrainerError(
        f"expected the trainer {trainer.title} to write one file checkpoint.SUFFIX ({', '.join(SUFFIXES)}) into "
        f"{{out}}, but it wrote {got}{tail}"
    )


def _first(error: BaseException) -> str:
    return " ".join(str(error).strip().split("\n")[0].split())[:300]
