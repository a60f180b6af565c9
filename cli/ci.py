"""What ``run`` and ``gate`` write for continuous integration besides what they print."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from ..core.results import AuditResults
from ..reports.ci import CiFiles, PlanPlaces, tell_runner, write_ci_files
from .console import say
from .documents import folder_of


def tell_ci(results: AuditResults, run: Path, files: CiFiles, plans: Sequence[Path], strict: bool) -> None:
    """Write the files that were asked for, and what a runner of GitHub shows where one is there.

    Args:
        results: with the outcomes of the gates to tell.
        run: the run folder, or its results.
        files: which, and where.
        plans: where the gates may stand, the likeliest first; the plan of the run folder comes last.
        strict: an inconclusive gate is a failure.
    """
    folder = folder_of(run)
    places = PlanPlaces.of([*plans, folder / "plan.yaml"], len(results.gates))
    for path in write_ci_files(results, files, places, strict=strict):
        say(f"wrote {path}")
    lines = tell_runner(results, folder, places, os.environ, strict=strict)
    if lines:
        sys.stdout.write("\n".join([*lines, ""]))  # not through the console, which folds long lines
