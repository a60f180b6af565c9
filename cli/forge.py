"""``countenance forge``: make forgeries of the faces of a plan or manifest, marked, and keep them in a folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..core.errors import EXIT_OK, UsageError
from .console import TerminalReporter, print_table, say

if TYPE_CHECKING:
    import pandas as pd

    from ..core.faces import Faces

PLANS, TABLES = (".yaml", ".yml"), (".csv", ".parquet")
_LEFT_OUT = ("sha256",)


def forge(
    source: Path,
    out: Path,
    methods: str,
    seed: int,
    landmarks: Path | None,
    size: int,
    quality: int,
    faces: int,
) -> int:
    """Make the forgeries and write them; then say what was made, and which plan audits a detector on them."""
    import numpy as np

    from ..audit.forgery.making.catalogue import USUAL
    from ..audit.forgery.making.keeping import Keeping, keep_forgeries, plan_lines
    from ..audit.robustness.sample import sample_rows

    chosen = tuple(name.strip() for name in methods.split(",") if name.strip()) or USUAL
    keeping = Keeping(chosen, seed, size, quality)
    known, carried = _read(source, landmarks)
    rows = _genuine(known)
    kept_rows = sample_rows(rows, known.subject_codes[rows], faces, np.random.default_rng(seed))
    with TerminalReporter().progress("forge", "pictures", len(kept_rows) * (1 + len(chosen))) as advance:
        kept = keep_forgeries(known, kept_rows, carried, out, keeping, advance, candidates=rows)
    print_table("", ["pictures", "number"], [[name, f"{count:,}"] for name, count in kept.pictures.items()])
    if len(kept_rows) < len(rows):
        say(f"{len(kept_rows):,} of {len(rows):,} faces, spread over people (--faces {faces}).")
    for reason, count in sorted(kept.skipped.items()):
        say(f"{count:,} faces were skipped: {reason}.")
    for name, count in kept.without.items():
        say(f"{name}: not made of {count:,} faces, which have no partner (another person, or another photo).")
    for name, reasons in kept.refused.items():
        for reason, count in sorted(reasons.items()):
            say(f"{name}: could not be made of {count:,} faces: {reason}.")
    say(f"wrote {out}: every forgery says SYNTHETIC, every genuine picture COPY; README.md says what it is")
    say(f"A plan that lies beside the folder, in {out.resolve().parent}, audits a detector on them with these lines:")
    say(plan_lines(out, chosen, list(known.attributes), subjects=known.has_subjects))
    return EXIT_OK


def _read(source: Path, landmarks: Path | None) -> tuple[Faces, pd.DataFrame]:
    """Return the faces of a plan or of a bare manifest, and the manifest's own columns, row by row."""
    from ..core.faces import Faces
    from ..core.manifest import read_manifest, read_table
    from ..core.plan import DataSpec
    from ..core.plan_file import load_plan
    from ..core.setup import load_faces

    suffix = source.suffix.lower()
    if suffix in PLANS:
        if landmarks is not None:
            raise UsageError("expected --landmarks only with a manifest; a plan names its own")
        loaded = load_plan(source)
        if loaded.plan.data.manifest is None:
            raise UsageError(f"{source} names no manifest, so there are no pictures to forge")
        known, _ = load_faces(loaded)
        table = read_table(loaded.path(loaded.plan.data.manifest))
    elif suffix in TABLES:
        if landmarks is None:
            raise UsageError("expected --landmarks FILE.npz with 68 or 478 points of each picture, or a plan")
        table = read_table(source)
        spec = DataSpec(manifest=str(source), label=None, subject="subject" if "subject" in table else None)
        manifest = read_manifest(source, spec, ())
        known = Faces.from_manifest(manifest, spec, source.parent, None, landmarks=landmarks)
    else:
        raise UsageError(f"expected a plan (.yaml) or a manifest (.csv, .parquet), but got {source}")
    carried = table.iloc[known.rows_of_source].reset_index(drop=True)
    if "label" in carried:
        carried = carried.rename(columns={"label": "source_label"})
    return known, carried.drop(columns=[name for name in _LEFT_OUT if name in carried])


def _genuine(faces: Faces) -> Any:
    """Return the faces to forge: where labels tell forged from genuine ones, the genuine ones; all otherwise."""
    import numpy as np

    from ..core.plan import FORGED, GENUINE

    labels = faces.frame["label"].astype(str)
    rows = np.arange(len(labels), dtype=np.int64)
    told = set(labels) & {GENUINE, FORGED}
    chosen = rows[(labels == GENUINE).to_numpy()] if told else rows
    if not len(chosen):
        raise UsageError("no face is labelled genuine, and forgeries are made of genuine faces")
    return chosen
