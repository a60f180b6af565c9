"""Errors that a user can act on, each with the exit code of the command that meets it.

A message says what was expected, what came, and what to do. A file with several faults is reported
whole: collect them in :class:`Problems` and raise once.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

EXIT_OK = 0
EXIT_GATE_FAILED = 1
EXIT_INPUT = 2
EXIT_INCOMPLETE = 3
EXIT_INCONCLUSIVE = 4


class CountenanceError(Exception):
    """Base of every error meant for the user; shown without a traceback."""

    exit_code = EXIT_INPUT


class PlanError(CountenanceError):
    """The plan cannot be used as written."""


class ManifestError(CountenanceError):
    """The manifest, its landmarks or a predictions table cannot be used as written."""


class CheckpointError(CountenanceError):
    """The checkpoint cannot be loaded, or was refused because loading it could run code."""


class TargetError(CountenanceError):
    """The model does not do what the plan says of it (input size, output width, finite values)."""


class ResultsError(CountenanceError):
    """A run folder or a results file cannot be read."""


class UsageError(CountenanceError):
    """A command or a function was called with arguments that do not fit."""


class AuditError(CountenanceError):
    """The audit was well described but could not be completed."""

    exit_code = EXIT_INCOMPLETE


class MissingExtraError(CountenanceError):
    """An optional package is needed and not installed; the message gives the install line."""

    def __init__(self, package: str, extra: str, purpose: str) -> None:
        super().__init__(
            f'{purpose} needs the package {package}, which is not installed: pip install "countenance[{extra}]"'
        )


def nearest(name: str, known: Iterable[str]) -> str:
    """Return ``"; did you mean 'x'?"`` for the known name most like ``name``, or an empty string."""
    found = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f"; did you mean {found[0]!r}?" if found else ""


class Problems:
    """Collects the faults of one file so that they are all reported at once."""

    def __init__(self, subject: str) -> None:
        self.subject = subject
        self.found: list[str] = []

    def add(self, message: str) -> None:
        """Note one fault."""
        self.found.append(message)

    def __bool__(self) -> bool:
        return bool(self.found)

    def raise_as(self, error: type[CountenanceError]) -> None:
        """Raise one error that lists every fault; do nothing when there is none."""
        if self.found:
            count = "1 problem" if len(self.found) == 1 else f"{len(self.found)} problems"
            raise error("\n".join([f"{self.subject}: {count}", *(f"  - {message}" for message in self.found)]))
