"""The report of an audit of a million rows: its size, and the seconds until a reader can use it.

``python -m benchmarks report`` audits tables of 10,000 and of 1,000,000 predictions with ``countenance run`` (7
classes, gender x ethnicity x age) and opens both reports in Chromium, going straight to the first figure. ``python -m
benchmarks.report RUN ...`` writes and opens the reports of run folders that are there; ratios are to the first of them.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import yaml
from benchmarks.big_table import CLASSES, PEOPLE, SHARES, write_table

from countenance.cli import execute
from countenance.core.results_file import load_results
from countenance.reports import write_report

ROWS = (10_000, 1_000_000)
REPEATS = 5
_WATCH = """
addEventListener('DOMContentLoaded', () => document.querySelector('.plot')?.scrollIntoView({ behavior: 'instant' }));
new MutationObserver((_, observer) => {
  if (!document.querySelector('.plot .main-svg')) return;
  window.firstFigure = performance.now();
  observer.disconnect();
}).observe(document, { childList: true, subtree: true });
"""


@dataclass(frozen=True)
class Opened:
    """What a report weighs and how long it takes: megabytes, and seconds from asking for it."""

    megabytes: float
    written: float
    content: float
    figure: float
    settled: float


def audited(folder: Path, rows: int) -> Path:
    """Audit a table of predictions and return the run folder."""
    table = folder / f"{rows}.parquet"
    write_table(table, rows, min(PEOPLE, rows))
    whole = pq.read_table(table)
    pq.write_table(whole.append_column("face_id", pa.array([f"f{row}" for row in range(rows)])), table)
    plan = {
        "version": 1,
        "name": f"{rows:,} rows",
        "target": {"predictions": table.name, "task": "expression", "classes": CLASSES},
        "data": {
            "subject": "subject",
            "attributes": {name: {"assigned_by": "annotator"} for name in SHARES},
            "intersections": [["gender", "ethnicity"], [*SHARES]],
        },
        "probes": ["performance", "group_metrics"],
    }
    (folder / f"{rows}.yaml").write_text(yaml.safe_dump(plan), encoding="utf-8")
    out = folder / f"run-{rows}"
    execute(["run", str(folder / f"{rows}.yaml"), "--out", str(out)])
    return out


def opened(run: Path) -> Opened:
    """Write the report of a run folder and open it; the least of several tries is told."""
    from playwright.sync_api import sync_playwright

    start = time.perf_counter()
    path = write_report(run)
    written = time.perf_counter() - start
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    tries = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        for _ in range(REPEATS):
            page = browser.new_page(viewport={"width": 1280, "height": 900})
            page.add_init_script(_WATCH)
            page.goto(path.resolve().as_uri(), timeout=240_000)
            page.wait_for_selector(".plot .main-svg", state="attached", timeout=240_000)
            page.wait_for_selector("html[data-figures=drawn]", state="attached", timeout=240_000)
            loaded = "performance.getEntriesByType('navigation')[0].domContentLoadedEventEnd"
            seconds = page.evaluate(f"[{loaded}, window.firstFigure || 0, performance.now()].map(each => each / 1000)")
            tries.append(tuple(float(each) for each in seconds))
            page.close()
        browser.close()
    return Opened(path.stat().st_size / 1e6, written, *(min(column) for column in zip(*tries, strict=True)))


def main() -> None:
    """Print size and seconds of each report, and how they stand to the first."""
    runs = [Path(name) for name in sys.argv[1:] if Path(name).is_dir()]
    with tempfile.TemporaryDirectory() as scratch:
        runs = runs or [audited(Path(scratch), rows) for rows in ROWS]
        print(f"\nReports in Chromium ({os.cpu_count()} processors, load {os.getloadavg()[0]:.1f} at the start)")
        heads = ("MB", "written s", "content s", "figure s", "settled s")
        print(f"{'run':<28}{'estimates':>10}" + "".join(f"{head:>12}" for head in heads))
        first: Opened | None = None
        for run in runs:
            found = opened(run)
            first = first or found
            cells = [
                f"{value:.2f} ({value / beside:.1f}x)" if found is not first else f"{value:.2f}"
                for value, beside in zip(vars(found).values(), vars(first).values(), strict=True)
            ]
            estimates = sum(1 for _ in load_results(run).measurements())
            print(f"{run.name:<28}{estimates:>10,}" + "".join(f"{cell:>12}" for cell in cells))


if __name__ == "__main__":
    main()
