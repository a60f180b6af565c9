"""An audit that is asked to end takes its temporary photos with it.

Python ends at once on SIGTERM (a scheduler's time limit, ``docker stop``) and SIGHUP (a closed terminal), without
running any ``finally``: folders with people's photos would stay behind. Within :func:`ending_in_order` these signals
raise ``KeyboardInterrupt``, as Ctrl-C does. SIGKILL cannot be answered.
"""

from __future__ import annotations

import os
import signal
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP")  # by name: Windows has no SIGHUP
DEFAULT = (signal.SIG_DFL, signal.default_int_handler)


class _Handler:
    """Raises ``KeyboardInterrupt``; while it is held, only once it is let go."""

    def __init__(self) -> None:
        self.held = 0
        self.due: int | None = None
        self.process = os.getpid()

    def __call__(self, number: int, frame: FrameType | None) -> None:
        if os.getpid() != self.process:  # a forked process of a live trainer ends as it would have
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
        elif self.held:
            self.due = number
        else:
            raise KeyboardInterrupt(f"ended by {signal.Signals(number).name}")


_HANDLER = _Handler()


@contextmanager
def ending_in_order() -> Iterator[None]:
    """Let SIGTERM and SIGHUP interrupt what runs within, so that it can tidy up; handlers are put back afterwards.

    A signal that the user's program handles or ignores already is left alone. Only the main thread can do this: in
    another one nothing changes.
    """
    taken = {}
    if _in_main_thread():
        _HANDLER.process = os.getpid()
        for name in SIGNALS:
            number = getattr(signal, name, None)
            if number is not None and signal.getsignal(number) in DEFAULT:
                taken[number] = signal.signal(number, _HANDLER)
    try:
        yield
    finally:
        for number, before in taken.items():
            signal.signal(number, before)


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Hold the signals of :func:`ending_in_order` back until what runs within has ended, then interrupt."""
    if not _in_main_thread():  # signals come to the main one alone
        yield
        return
    _HANDLER.held += 1
    try:
        yield
    finally:
        _HANDLER.held -= 1
        if not _HANDLER.held and _HANDLER.due is not None:
            number, _HANDLER.due = _HANDLER.due, None
            raise KeyboardInterrupt(f"ended by {signal.Signals(number).name}")


def _in_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()


@contextmanager
def temporary_folder(prefix: str) -> Iterator[Path]:
    """Yield a new folder for pictures of people, and remove it with all that is in it, also when the audit is ended.

    Args:
        prefix: what its name begins with.
    """
    with ending_in_order():
        folder = tempfile.TemporaryDirectory(prefix=prefix)
        try:
            yield Path(folder.name)
        finally:
            with uninterrupted():
                folder.cleanup()
