"""``countenance init``: a commented starting plan and a card.yaml with questions, or gates from a run."""

from __future__ import annotations

import os
from pathlib import Path

from ..cards.statements import template
from ..core.errors import EXIT_OK, UsageError
from ..core.files import write_atomically
from .console import say

PLAN, GATES = Path("audit.yaml"), Path("gates.yaml")


def init(
    checkpoint: Path | None, manifest: Path | None, out: Path | None, overwrite: bool, gates_from: Path | None
) -> int:
    """Write the plan and, unless it is there, card.yaml beside it; a table of predictions is its own manifest."""
    if gates_from is not None:
        if checkpoint is not None:
            raise UsageError(f"--gates-from writes gates from a run alone: leave out {checkpoint}")
        return _gates(gates_from, _free(out or GATES, overwrite))
    if checkpoint is None:
        raise UsageError(
            "expected a checkpoint and a table of faces: countenance init net.onnx faces.csv; or a run to write gates "
            "from: countenance init --gates-from RUN"
        )
    return _plan(checkpoint, manifest, out or PLAN, overwrite)


def _plan(checkpoint: Path, manifest: Path | None, out: Path, overwrite: bool) -> int:
    from ..core.starting_plan import PREDICTION_TABLES, starting_plan

    if manifest is None:
        if checkpoint.suffix.lower() not in PREDICTION_TABLES:
            raise UsageError(
                f"expected a table of faces after {checkpoint}: countenance init {checkpoint} faces.csv; only a table "
                "of predictions (.csv, .parquet) needs none"
            )
        manifest = checkpoint
    write_atomically(_free(out, overwrite), starting_plan(checkpoint, manifest, out))
    say(f"wrote {out}: look at the lines marked '<-', then: countenance run {out}")
    card = out.parent / "card.yaml"
    if not card.exists():
        write_atomically(card, template())
        say(f"wrote {card}: its questions are for the model's author")
    return EXIT_OK


def _gates(run: Path, out: Path) -> int:
    from ..core.gates.suggest import gates_from
    from ..core.results_file import load_results

    folder = run if run.is_dir() else run.parent
    try:
        baseline = Path(os.path.relpath(folder.resolve(), out.resolve().parent)).as_posix()
    except ValueError:  # another drive on Windows
        baseline = folder.resolve().as_posix()
    write_atomically(out, gates_from(load_results(run), baseline))
    say(f"wrote {out}: set its limits and answer its questions, then: countenance gate {run} --plan {out}")
    return EXIT_OK


def _free(out: Path, overwrite: bool) -> Path:
    if out.exists() and not overwrite:
        raise UsageError(f"{out} exists: say --overwrite to replace it, or --out for another file")
    return out
