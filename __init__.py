"""countenance audits a face-analysis model and compiles what it measured into a model card.

The small Python API::

    import countenance

    results = countenance.run("audit.yaml", out="runs/a")
    results["performance/accuracy"].estimate
    countenance.write_report("runs/a")
    countenance.compare(countenance.load_results("runs/a"), countenance.load_results("runs/b"))

Everything is imported on first use, so that ``import countenance`` costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

__all__ = [
    "__version__",
    "compare",
    "from_metric_frame",
    "load_results",
    "metrics_by_group",
    "run",
    "slice_table",
    "to_metric_frame",
    "write_card",
    "write_report",
]

if TYPE_CHECKING:
    from .cards import write_card
    from .core.api import run
    from .core.compare import compare
    from .core.fairlearn_bridge import from_metric_frame, metrics_by_group, to_metric_frame
    from .core.results_file import load_results
    from .core.statistics.streamed.slices import slice_table
    from .reports import write_report

_HOMES = {
    "run": "core.api",
    "compare": "core.compare",
    "load_results": "core.results_file",
    "metrics_by_group": "core.fairlearn_bridge",
    "to_metric_frame": "core.fairlearn_bridge",
    "from_metric_frame": "core.fairlearn_bridge",
    "slice_table": "core.statistics.streamed.slices",
    "write_card": "cards",
    "write_report": "reports",
}


def __getattr__(name: str) -> Any:
    """Import a public function from its module when it is first asked for."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f".{_HOMES[name]}", __name__), name)


def __dir__() -> list[str]:
    """List the public names."""
    return sorted(__all__)
