"""``countenance report`` and ``countenance card``: make the documents again from a run folder, without torch."""

from __future__ import annotations

from pathlib import Path

from ..core.errors import EXIT_OK
from .console import say


def write_documents(folder: Path) -> list[Path]:
    """Write report and card into the run folder and return their paths."""
    from ..cards import write_card
    from ..reports import write_report

    return [write_report(folder), write_card(folder)]


def report(run: Path) -> int:
    """Write report.html."""
    from ..reports import write_report

    say(f"wrote {write_report(folder_of(run))}")
    return EXIT_OK


def card(run: Path) -> int:
    """Write MODEL_CARD.md."""
    from ..cards import write_card

    say(f"wrote {write_card(folder_of(run))}")
    return EXIT_OK


def folder_of(run: Path) -> Path:
    """Return the run folder, also when its results.json was named."""
    return run.parent if run.is_file() else run
