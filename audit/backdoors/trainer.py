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
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ...core.checkpoints import FactoryReference, load_checkpoint
from ...core.errors import AuditError, CountenanceError, nearest
from ...core.interruption import ending_in_order, uninterrupted
from ...core.target import Target
from .kept_nets import CHECKPOINT, SUFFIXES, keep_record
from .trainer_digest import at_home, digest_of_data, digest_of_trainer, named_function, words_of

__all__ = [
    "TrainFunction",
    "Trainer",
    "TrainerError",
    "Written",
    "digest_of_trainer",
    "load_trained",
    "run_trainer",
]  # fmt: skip

TrainFunction = Callable[[Path, Path, int], object]
"""Called with the folder to train on, the folder to write to and the seed."""
Written = str | Sequence[str] | TrainFunction
"""A trainer as a user gives it."""

OF_STATE_DICTS = (".safetensors", ".pt", ".pth")
PLACES = ("{data}", "{out}")
TAIL_LINES, TAIL_CHARACTERS = 12, 1500
LAST_SECONDS = 1.0
"""How long the ended processes of a trainer are waited for."""
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
        written: the command or name as given; ``None`` for a live function.
    """

    arguments: tuple[str, ...]
    function: TrainFunction | None
    folder: Path
    title: str
    written: str | tuple[str, ...] | None = None

    @classmethod
    def parse(cls, written: Written, folder: Path) -> Trainer:
        """Understand a trainer; files are relative to ``folder``.

        Raises:
            TrainerError: when it is no command with ``{data}`` and ``{out}``, and no function that can be found.
        """
        if callable(written):
            return cls((), written, folder, getattr(written, "__qualname__", type(written).__name__))
        if isinstance(written, str):
            named = named_function(written)
            if named is not None:
                source = _source(named, folder)
                call = ("{python}", str(CALL), source, named.name, "{data}", "{out}", "{seed}")
                return cls(call, None, folder, written, written)
        try:
            words = tuple(words_of(written))
        except ValueError as error:
            raise TrainerError(f"the trainer {written!r} cannot be split into words: {error}") from error
        missing = [place for place in PLACES if not any(place in word for word in words)]
        if missing:
            raise TrainerError(
                f"expected a trainer as a command with {' and '.join(PLACES)} in it, such as "
                "`{python} train.py {data} {out} {seed}`, or as FILE.py:NAME, but got "
                f"{shlex.join(words)!r} without {' and '.join(missing)}"
            )
        return cls(tuple(map(at_home, words)), None, folder, shlex.join(words), words)

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
    """Train on ``data`` and return the checkpoint that was written to ``out``, beside a record of the training.

    The processes that a command started are ended with it, however it ends: also when it came to its end and left
    some, and when the audit is interrupted (Ctrl-C, SIGTERM, SIGHUP). A process that makes a session or group of its
    own is not reached.

    Args:
        trainer: a command, ``FILE.py:NAME``, ``PACKAGE.MODULE:NAME`` or a live function.
        data: folder with ``manifest.csv`` and the images.
        out: an empty folder; made where it is missing. Whatever lay in it could be taken for what was trained.
        seed: handed to the trainer.
        timeout: seconds after which the trainer is ended; ``None`` for no limit. A live function runs in this process
            and cannot be ended: no limit holds for it.
        folder: the plan's folder; a command runs in it.

    Raises:
        TrainerError: when ``out`` holds something, or the trainer cannot be started, fails, runs out of time or writes
            no single checkpoint; the message ends with the last lines of what it printed.
    """
    known = trainer if isinstance(trainer, Trainer) else Trainer.parse(trainer, folder)
    data, out = data.resolve(), out.resolve()
    _make_empty(out)
    if known.function is not None:
        try:
            known.function(data, out, seed)
        except CountenanceError:
            raise
        except (Exception, SystemExit) as error:  # a user's function may raise anything; its message is passed on
            raise TrainerError(f"the trainer {known.title} failed: {type(error).__name__}: {_first(error)}") from error
        return _recorded(known, _written_checkpoint(known, out, ""), data, seed)
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
    return _recorded(known, _written_checkpoint(known, out, tail), data, seed)


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
    process: subprocess.Popen[bytes] | None = None
    with ending_in_order():
        try:
            with uninterrupted():  # else a signal in this moment would leave a trainer that nobody knows of
                process = subprocess.Popen(
                    command, cwd=trainer.folder, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                    start_new_session=True,
                )  # fmt: skip
            return process.wait(timeout)
        except OSError as error:
            raise TrainerError(
                f"the trainer {trainer.title} cannot be started: {error.strerror or error} ({command[0]})"
            ) from error
        except subprocess.TimeoutExpired:
            return None
        finally:
            if process is not None:
                with uninterrupted():
                    _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the trainer, where it still runs, and the processes it started, which its own end leaves running."""
    if hasattr(os, "killpg"):
        until = time.monotonic() + LAST_SECONDS
        while _signalled(process.pid) and time.monotonic() < until:
            process.poll()  # one that is ended and not asked for is still there
            time.sleep(0.02)
    elif process.poll() is None:  # Windows has no process groups of this kind
        process.kill()
    process.wait()


def _signalled(group: int) -> bool:
    """End a process group; tells whether there was one."""
    try:
        os.killpg(group, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):  # none is left; macOS refuses where only ended ones are
        return False
    return True


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


def _make_empty(out: Path) -> None:
    """Make the folder; one that holds something is refused, since a checkpoint in it would be taken for a new one."""
    out.mkdir(parents=True, exist_ok=True)
    there = sorted(each.name for each in out.iterdir())
    if there:
        raise TrainerError(
            f"expected an empty folder for what the trainer writes, but {out.parent.name}/{out.name} holds "
            f"{', '.join(there[:8])}: name another folder, or empty this one"
        )


def _written_checkpoint(trainer: Trainer, out: Path, tail: str) -> Path:
    there = sorted(file.name for file in out.iterdir())
    found = [file for file in there if Path(file).stem == CHECKPOINT and Path(file).suffix.lower() in SUFFIXES]
    if len(found) == 1:
        return out / found[0]
    got = f"{', '.join(there[:8])}" if there else "nothing"
    raise TrainerError(
        f"expected the trainer {trainer.title} to write one file checkpoint.SUFFIX ({', '.join(SUFFIXES)}) into "
        f"{{out}}, but it wrote {got}{tail}"
    )


def _recorded(trainer: Trainer, checkpoint: Path, data: Path, seed: int) -> Path:
    code = None if trainer.written is None else digest_of_trainer(trainer.written, trainer.folder)
    keep_record(checkpoint, trainer.title, seed, code, digest_of_data(data))
    return checkpoint


def _first(error: BaseException) -> str:
    return " ".join(str(error).strip().split("\n")[0].split())[:300]
