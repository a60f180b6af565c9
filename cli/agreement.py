"""``countenance agreement``: a folder of heatmaps scored against a folder of masks."""

from __future__ import annotations

from pathlib import Path

from ..core.errors import EXIT_OK
from ..core.files import write_atomically
from .console import print_table, say

NULLS = {"null_ones": "all ones", "null_random": "random place", "null_wrong": "other masks"}


def agreement(heatmaps: Path, masks: Path, out: Path | None) -> int:
    """Print IoU by network and expression with its nulls; write the whole table if asked."""
    from ..explain.heatmaps.score_folder import score_folder

    table = score_folder(heatmaps, masks)
    if out is not None:
        write_atomically(out, table.to_csv(index=False))
    wide = table.pivot(index="network", columns="expression", values="iou")
    rows = [[str(name), *(f"{value:.4f}" for value in wide.loc[name])] for name in wide.index]
    print_table("IoU with the mask (Otsu threshold)", ["network", *map(str, wide.columns)], rows)
    by_network = table.groupby("network")[["iou", *NULLS]].mean()
    by_network.loc["mean"] = table[["iou", *NULLS]].mean()
    rows = [[str(name), *(f"{value:.4f}" for value in by_network.loc[name])] for name in by_network.index]
    print_table("Mean IoU beside what maps without information score", ["network", "IoU", *NULLS.values()], rows)
    if out is not None:
        say(f"wrote {out}")
    return EXIT_OK
