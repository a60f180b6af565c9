"""``countenance agreement``: a folder of heatmaps scored against a folder of masks."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ..core.compare_heatmaps import HeatmapComparison
from ..core.errors import EXIT_OK
from ..core.files import write_atomically
from ..core.heatmap_similarity import HeatmapTree
from ..core.results import Estimate
from .console import print_table, say

if TYPE_CHECKING:
    import pandas as pd

NULLS = {"null_ones": "all ones", "null_random": "random place", "null_wrong": "other masks"}


def agreement(heatmaps: Path, masks: Path, out: Path | None, page: Path | None = None) -> int:
    """Print IoU by network and expression with its nulls, and how alike the networks are; write the table if asked."""
    from ..explain.heatmaps.score_folder import score_folder, trees_of_folder

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
    trees = trees_of_folder(heatmaps)
    if trees:
        joined = [[tree.label, _tree(tree), *(f"{height:.3f}" for height in tree.heights[-1:])] for tree in trees]
        print_table("How alike the networks' heatmaps are", ["expression", "joined at 1 - correlation", "top"], joined)
    if out is not None:
        say(f"wrote {out}")
    if page is not None:
        say(f"wrote {_write_page(table, trees, page)}")
    return EXIT_OK


def _write_page(table: pd.DataFrame, trees: list[HeatmapTree], page: Path) -> Path:
    from ..reports.networks import write_networks

    names, labels = sorted(table["network"].unique()), sorted(table["expression"].unique())
    cells = zip(table["network"], table["expression"], table["iou"], strict=True)
    iou = {(str(name), str(label)): float(value) for name, label, value in cells}
    overlaps = {
        label: [Estimate(value=iou[name, label], method="exact") if (name, label) in iou else None for name in names]
        for label in labels
    }
    nulls = ", ".join(f"{table[name].mean():.4f} for {title}" for name, title in NULLS.items())
    note = f"Mean IoU {table['iou'].mean():.4f} over {len(table)} heatmaps, beside {nulls}."
    found = HeatmapComparison(tuple(labels), tuple(trees), overlaps)
    return write_networks(names, found, [note], page)


def _tree(tree: HeatmapTree) -> str:
    """Write a tree as nested brackets, each with the height at which its two parts join."""
    told = list(tree.names)
    for first, second, height, _ in tree.merges:
        told.append(f"({told[first]} + {told[second]}) {height:.3f}")
    return told[-1] if tree.merges else "no two of its heatmaps can be compared"
