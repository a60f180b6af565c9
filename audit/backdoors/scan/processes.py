"""Several nets scanned at once, each class of each net by one of several one-thread processes.

The processes are fresh interpreters and not forks or spawns of this one: a fork of a process that has used threads may
hang, and a spawn imports the user's own script again, which would start the audit anew where that script has no guard.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from queue import Empty, SimpleQueue

import torch
from torch import nn

from ....core.errors import AuditError
from ....core.faces import processors
from .families import FAMILIES
from .inversion import Inverted, Score, Settings
from .job import Source, Task, read_found
from .scanning import Scanned, one_thread, others

WORKER = f"{__name__.rpartition('.')[0]}.worker"
STARTED = "import sys, json; sys.path[:] = json.loads(sys.argv[1]); " + (
    f"from importlib import import_module; from pathlib import Path; import_module({WORKER!r}).main(Path(sys.argv[2]))"
)
MOST = 8
WORTH_STARTING = 40.0
"""Seconds of work below which further processes, each of which imports torch, would not be paid back."""


class CannotShare(AuditError):
    """The work cannot be shared among processes; the message says why, and one process can do it."""


def shared_scan(sources: Sequence[Source], task: Task, processes: int, advance: Callable[[int], None]) -> list[Scanned]:
    """Scan the nets with several processes; the sizes are the same as with one.

    Raises:
        CannotShare: when the processes cannot be started or a net cannot be opened in them.
    """
    with tempfile.TemporaryDirectory(prefix="countenance-scan-") as name:
        folder = Path(name)
        task.write(folder)
        (folder / "sources.json").write_text(json.dumps([asdict(source) for source in sources]), encoding="utf-8")
        waiting: SimpleQueue[tuple[int, int]] = SimpleQueue()
        pairs = [(net, aim) for net in range(len(sources)) for aim in task.aims]
        for pair in pairs:
            waiting.put(pair)
        helpers = [_Helper(folder, waiting, place) for place in range(min(processes, len(pairs)))]
        try:
            for helper in helpers:
                helper.start()
            _follow(helpers, len(pairs), len(task.families), advance)
        finally:
            for helper in helpers:
                helper.end()
        found: list[dict[tuple[int, str], Inverted]] = [{} for _ in sources]
        for net, aim in pairs:
            found[net].update(read_found(folder / f"{net}-{aim}.npz"))
    return [Scanned(task.aims, task.families, each) for each in found]


def _follow(helpers: Sequence[_Helper], count: int, families: int, advance: Callable[[int], None]) -> None:
    """Wait for all answers; raise as soon as a helper cannot go on."""
    told = 0
    while True:
        running = any(helper.is_alive() for helper in helpers)
        done = sum(helper.done for helper in helpers)
        if done > told:
            advance((done - told) * families)
            told = done
        for helper in helpers:
            if helper.fault:
                raise CannotShare(helper.fault)
        if told == count:
            return
        if not running:
            raise CannotShare("the helping processes ended before their work was done")
        time.sleep(0.05)


class _Helper(threading.Thread):
    """One process, and the thread here that hands it its work."""

    def __init__(self, folder: Path, waiting: SimpleQueue[tuple[int, int]], place: int) -> None:
        super().__init__(daemon=True)
        self.done = 0
        self.fault = ""
        self._waiting = waiting
        self._printed = (folder / f"printed-{place}.txt").open("w+", encoding="utf-8", errors="replace")
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
        command = [sys.executable, "-P", "-c", STARTED, json.dumps(sys.path), str(folder)]
        try:
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._printed, text=True, env=environment
            )
        except OSError as error:
            self._printed.close()
            raise CannotShare(f"no further process can be started: {error.strerror or error}") from error

    def run(self) -> None:
        """Hand out one class of one net after the other until none is left."""
        given, answers = self._process.stdin, self._process.stdout
        assert given is not None
        assert answers is not None
        try:
            while True:
                net, aim = self._waiting.get_nowait()
                given.write(f"{net} {aim}\n")
                given.flush()
                line = answers.readline()
                answer = json.loads(line) if line else {"error": self._last_words()}
                if "error" in answer:
                    self.fault = str(answer["error"])
                    return
                self.done += 1
        except Empty:
            return
        except OSError:  # the pipe is closed: the process has ended
            self.fault = self._last_words()

    def _last_words(self) -> str:
        self._printed.seek(0)
        lines = self._printed.read().strip().splitlines()
        return f"a helping process ended: {lines[-1][:300] if lines else 'it printed nothing'}"

    def end(self) -> None:
        """End the process, finished or not."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        if self.is_alive():
            self.join()
        for stream in (self._process.stdin, self._process.stdout, self._printed):
            if stream is not None and not stream.closed:
                _close(stream)


def _close(stream: object) -> None:
    """Close a stream, also one whose other end has gone with something unsent."""
    try:
        stream.close()  # type: ignore[attr-defined]
    except BrokenPipeError:
        return


def seconds_of(score: Score, task: Task) -> float:
    """Return about how long one net takes in one process: two steps of the first family are timed."""
    family = FAMILIES[task.families[0]]
    faces = others(task.pixels, task.labels, task.aims[0])[: Settings().batch]
    random = torch.Generator().manual_seed(0)
    taken = []
    with one_thread():
        for _ in range(2):
            start = time.perf_counter()
            parameters = [each.requires_grad_() for each in family.start(*faces.shape[1:])]
            changed = family.change(faces, parameters, random)
            logits = score(changed.expand(-1, 3, -1, -1) if changed.shape[1] == 1 else changed)
            torch.autograd.grad(nn.functional.cross_entropy(logits, logits.argmax(1)), parameters, allow_unused=True)
            taken.append(time.perf_counter() - start)
    steps = sum(FAMILIES[name].steps for name in task.families)
    return min(taken) * steps * len(task.aims)


def processes_wanted(asked: int | None, seconds: float, tasks: int) -> int:
    """Return how many processes to use: as asked, or one a processor where the work is long enough, at most eight."""
    if asked is not None:
        return min(asked, tasks)
    if seconds < WORTH_STARTING:
        return 1
    return max(1, min(processors(), MOST, tasks))
