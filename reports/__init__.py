"""The self-contained HTML report and its figures, made from a run folder."""

from __future__ import annotations

from .report import render_report, write_report

__all__ = ["render_report", "write_report"]
