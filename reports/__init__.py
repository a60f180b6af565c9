"""The self-contained HTML report and its figures, made from a run folder."""

from __future__ import annotations

from .compare import render_comparison, write_comparison
from .report import render_report, write_report
from .summary import summary_lines

__all__ = ["render_comparison", "render_report", "summary_lines", "write_comparison", "write_report"]
