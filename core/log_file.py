"""The log file of a run, which must not get in the way of what it is a log of."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from .errors import AuditError
from .plain_text import plain_text

FORMAT = "%(asctime)s %(levelname)s %(message)s"


class PlainFormatter(logging.Formatter):
    """Writes a message as one line of plain text, so that no name in it can pass for another line of the log."""

    def formatMessage(self, record: logging.LogRecord) -> str:
        """Return the line of a record; a traceback follows it."""
        record.message = plain_text(record.message, one_line=True)
        return super().formatMessage(record)

    def formatException(self, ei: Any) -> str:
        """Return the traceback, without control characters."""
        return plain_text(super().formatException(ei))


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
        self.setFormatter(PlainFormatter(FORMAT))

    def handleError(self, record: logging.LogRecord) -> None:
        """Note that a line is missing."""
        self.incomplete = True

    def close(self) -> None:
        """Close the file; what cannot be written any more is missing."""
        try:
            super().close()
        except OSError:
            self.incomplete = True
