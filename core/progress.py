"""How a run tells what it is doing; the command line draws it, a silent one is the default."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

from .probes import Advance
from .results import ProbeResult


class Reporter(Protocol):
    """Receives what a run has to tell."""

    def message(self, text: str) -> None:
        """Tell one line."""
        ...

    def progress(self, title: str, unit: str, total: int) -> AbstractContextManager[Advance]:
        """Open a progress display that is told how many more items are done."""
        ...

    def finished(self, result: ProbeResult) -> None:
        """Tell that a probe has ended."""
        ...


class SilentReporter:
    """Tells nothing."""

    def message(self, text: str) -> None:
        """Ignore the line."""

    @contextmanager
    def progress(self, title: str, unit: str, total: int) -> Iterator[Advance]:
        """Give a counter that shows nothing."""
        yield _ignore

    def finished(self, result: ProbeResult) -> None:
        """Ignore the result."""


def _ignore(count: int = 1) -> None:
    """Count nothing."""
