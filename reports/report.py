"""``report.html``: one self-contained file made from a run folder, without torch and without the audited model."""

from __future__ import annotations

from pathlib import Path

from ..core.files import write_atomically
from .html import render
from .page import build_page
from .run_files import RunFiles

REPORT_FILE = "report.html"


def render_report(folder: Path) -> str:
    """Return the report of a run folder as HTML; the same folder gives the same text.

    Raises:
        ResultsError: when the folder holds no readable results.
        StatementsError: when its ``card.yaml`` cannot be used as written.
    """
    return render("report.html.j2", page=build_page(RunFiles.read(folder)))


def write_report(folder: Path) -> Path:
    """Write ``report.html`` into a run folder and return its path; raises as :func:`render_report`."""
    path = folder / REPORT_FILE
    write_atomically(path, render_report(folder))
    return path
