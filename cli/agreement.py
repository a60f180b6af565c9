"""``countenance agreement``: a folder of heatmaps scored against a folder of masks."""

from __future__ import annotations

from pathlib import Path

from ..core.errors import EXIT_OK
from ..core.files import write_atomically
from .console import print_table, say


def agreement(heatmaps: Path, masks: Path, out: Path | None) -> int:
    """Print IoU by network and expression with the all-ones null; write the whole table if asked."""
    from ..explain.score_folder import score_folder

    table = score_folder(heatmaps, masks)
    if out is not None:
        write_atomically(out, table.to_csv(index=False))
    wide = table.pivot(index="network", columns="expression", values="iou")
    rows = [
        [str(name), *(f"{value:.4f}" for value in row)] for name, row in zip(wide.index, wide.to_numpy(), strict=True)
    ]
    print_table("IoU with the mask (Otsu threshold)", ["network", *map(str, wide.columns)], rows)
    say(f"mean {table['iou'].mean():.4f}")
    if out is not None:
        say(f"wrote {out}")
    return EXIT_OK
