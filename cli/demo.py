"""``countenance demo``: audit two small nets on drawn faces, one with planted faults, and compare them."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

from ..core.errors import EXIT_INCOMPLETE, EXIT_OK, UsageError
from ..core.results import AuditResults
from .console import TerminalReporter, say
from .documents import write_documents
from .run import print_summary

RUNS = ("flawed", "twin")
MARK = "planted.json"
CACHE = ".countenance-cache"
EXPRESSIONS = 7
ENDINGS = (".yaml", ".card.yaml", ".safetensors")


def demo(out: Path, subjects: int, seed: int, overwrite: bool) -> int:
    """Draw the faces, audit both nets, write reports, cards and a comparison; tell where to look."""
    start = time.monotonic()
    _make_room(out, overwrite)
    from ..core.api import run_plan
    from ..core.compare import compare
    from ..core.plan_file import load_plan
    from ..reports.compare import write_comparison
    from ..synth.demo import prepare_demo

    say(f"drawing {subjects} people with {EXPRESSIONS} expressions each")
    plans = prepare_demo(out, subjects * EXPRESSIONS, seed)
    runs: list[AuditResults] = []
    for name, plan in zip(RUNS, (plans.flawed, plans.twin), strict=True):
        say(f"\nauditing the {name} net")
        runs.append(run_plan(load_plan(plan), out / name, reporter=TerminalReporter()))
        write_documents(out / name)
    print_summary(runs[0])
    # the twin is the baseline, so what is worse in the flawed net leads
    comparison = compare(out / "twin", out / "flawed", publish=True)
    page = write_comparison(comparison, out / "comparison.html")
    worse = sum(row.worse for row in comparison.rows)
    say(f"Of {len(comparison.rows)} measurements {worse} are worse in the flawed net than in its twin.\n")
    say(f"look at   {out / 'flawed' / 'report.html'}   the net with planted faults")
    say(f"          {out / 'twin' / 'report.html'}   its twin without them")
    say(f"          {page}   both side by side")
    say(f"truth     {out / MARK}   what was planted, so what the first report has to show")
    say(f"{time.monotonic() - start:.0f} s")
    failed = any(probe.status == "failed" for run in runs for probe in run.probes)
    return EXIT_INCOMPLETE if failed else EXIT_OK


def _make_room(out: Path, overwrite: bool) -> None:
    """Refuse a folder that is in use; with ``overwrite`` remove an earlier demonstration and nothing else."""
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return
    if not overwrite or not (out / MARK).is_file():
        found = "holds a demonstration: say --overwrite to replace it" if (out / MARK).is_file() else "is not empty"
        raise UsageError(f"{out} {found}, or --out for another folder")
    for name in (*RUNS, "faces", CACHE):
        shutil.rmtree(out / name, ignore_errors=True)
    for file in [out / MARK, out / "comparison.html", *(out / f"{name}{end}" for name in RUNS for end in ENDINGS)]:
        file.unlink(missing_ok=True)
