"""The log file of a run, which must not get in the way of what it is a log of."""

from __future__ import annotations

import logging
from pathlib import Path

from .errors import AuditError

FORMAT = "%(asctime)s %(levelname)s %(message)s"


class LogFile(logging.FileHandler):
    """Writes log lines into a file.

    A disk that is full for the log is full for the results too, whose error tells the user; so a line that cannot be
    written only sets ``incomplete`` and prints no traceback of its own.

    Raises:
        AuditError: when the file cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        self.incomplete = False
        try:
            super().__init__(path, encoding="utf-8")
        except OSError as error:
            raise AuditError(f"cannot write {path}: {error.strerror or error}") from error
        self.setFormatter(logging.Formatter(FORMAT))

    def handleError(self, record: logging.LogRecord) -> None:
        """Note that a line is missing."""
        self.incomplete = True

    def close(self) -> None:
        """Close the file; what cannot be written any more is missing."""
        try:
            super().close()
        except OSError:
            self.incomplete = True
