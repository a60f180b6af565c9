"""``countenance init``: a commented starting plan, and a card.yaml with questions."""

from __future__ import annotations

from pathlib import Path

from ..cards.statements import template
from ..core.errors import EXIT_OK, UsageError
from ..core.files import write_atomically
from ..core.starting_plan import PREDICTION_TABLES, starting_plan
from .console import say


def init(checkpoint: Path, manifest: Path | None, out: Path, overwrite: bool) -> int:
    """Write the plan and, unless it is there, card.yaml beside it; a table of predictions is its own manifest."""
    if manifest is None:
        if checkpoint.suffix.lower() not in PREDICTION_TABLES:
            raise UsageError(
                f"expected a table of faces after {checkpoint}: countenance init {checkpoint} faces.csv; only a table "
                "of predictions (.csv, .parquet) needs none"
            )
        manifest = checkpoint
    if out.exists() and not overwrite:
        raise UsageError(f"{out} exists: say --overwrite to replace it, or --out for another file")
    write_atomically(out, starting_plan(checkpoint, manifest, out))
    say(f"wrote {out}: look at the lines marked '<-', then: countenance run {out}")
    card = out.parent / "card.yaml"
    if not card.exists():
        write_atomically(card, template())
        say(f"wrote {card}: its questions are for the model's author")
    return EXIT_OK
