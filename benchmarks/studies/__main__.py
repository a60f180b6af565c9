"""Run a study: ``python -m benchmarks.studies rate_intervals --runs 500 --workers 2 --out studies``."""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before NumPy: one thread per process when several run

from countenance.core.errors import CountenanceError

from . import (
    alignment_loss,
    blurred_groups,
    calibration_null,
    class_orders,
    counterfactual_pairs,
    data_scan_nets,
    detection_intervals,
    explained_gaps,
    gap_verdicts,
    group_indices,
    heatmaps_drawn,
    heatmaps_london,
    integrity_faults,
    label_randomisation,
    leakage,
    leakage_nets,
    made_forgeries,
    many_questions,
    open_set_intervals,
    open_set_left_out,
    pair_intervals,
    paired_gaps,
    paired_intervals,
    planted_explanations,
    planted_forgeries,
    planted_gaps,
    poisoned_before_blending,
    poisoned_forgery,
    rate_intervals,
    resistant_twins,
    same_faces,
    score_gaps,
    score_intervals,
    self_blend_groups,
    wrong_attributes,
)
from .runner import run_study
from .tables import markdown

MODULES = (
    gap_verdicts,
    alignment_loss,
    rate_intervals,
    score_intervals,
    score_gaps,
    pair_intervals,
    paired_intervals,
    calibration_null,
    paired_gaps,
    group_indices,
    class_orders,
    heatmaps_london,
    label_randomisation,
    many_questions,
    heatmaps_drawn,
    explained_gaps,
    planted_gaps,
    planted_explanations,
    planted_forgeries,
    made_forgeries,
    self_blend_groups,
    wrong_attributes,
    leakage,
    leakage_nets,
    counterfactual_pairs,
    open_set_intervals,
    detection_intervals,
    open_set_left_out,
    blurred_groups,
    resistant_twins,
    same_faces,
    integrity_faults,
    data_scan_nets,
    poisoned_forgery,
    poisoned_before_blending,
)
STUDIES = {module.STUDY.name: module.STUDY for module in MODULES}


def main(arguments: list[str] | None = None) -> int:
    """Run one study and write its table beside its rows."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.studies", description=__doc__)
    parser.add_argument("study", choices=sorted(STUDIES))
    parser.add_argument("--runs", type=int, default=100, help="seeds 0 to RUNS - 1 (default 100)")
    parser.add_argument("--workers", type=int, default=1, help="processes (default 1)")
    parser.add_argument("--out", type=Path, default=Path("studies"), help="folder of rows and tables (default studies)")
    options = parser.parse_args(arguments)
    study, start = STUDIES[options.study], time.monotonic()

    def tell(done: int) -> None:
        print(
            f"\r{done:,} of {options.runs:,} seeds, {time.monotonic() - start:,.0f} s",
            end="",
            file=sys.stderr,
            flush=True,
        )

    try:
        rows = run_study(study, options.runs, options.workers, options.out, tell)
    except CountenanceError as error:
        print(f"\n{error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("\nbroken off; the same command goes on from here", file=sys.stderr)
        return 130
    print(file=sys.stderr)
    table = markdown(study, rows, f"python -m benchmarks.studies {study.name} --runs {options.runs}")
    (options.out / f"{study.name}.md").write_text(table, encoding="utf-8")
    print(table)
    return 0


if __name__ == "__main__":
    sys.exit(main())
