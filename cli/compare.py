"""``countenance compare``: two or more runs, measurement by measurement."""

from __future__ import annotations

from pathlib import Path

from ..core.compare import Comparison
from ..core.compare import compare as compare_runs
from ..core.errors import EXIT_OK
from ..core.heatmap_similarity import HeatmapTree
from ..core.results import Estimate
from .console import print_table, say


def compare(runs: list[Path], out: Path | None, every: bool) -> int:
    """Print the comparison and, if asked, write it as an HTML page."""
    comparison = compare_runs(*runs)
    print_comparison(comparison, every)
    if out is not None:
        from ..reports.compare import write_comparison

        say(f"wrote {write_comparison(compare_runs(*runs, publish=True), out)}")
    return EXIT_OK


def print_comparison(comparison: Comparison, every: bool = False, most: int = 40) -> None:
    """Print the measurements that are apart, regressions first, and how many are not."""
    shown = [row for row in comparison.rows if every or row.verdict in {"apart", "added", "removed"}]
    rows = [
        [("worse" if row.worse else row.verdict), row.key, *map(_tell, row.estimates)]
        for row in (shown if every else shown[:most])
    ]
    styles = ["bold red" if row[0] == "worse" else "" for row in rows]
    print_table("", ["", "measurement", *comparison.names], rows, styles)
    if len(shown) > len(rows):
        say(f"and {len(shown) - len(rows)} more; --all lists every measurement")
    counts: dict[str, int] = {}
    for row in comparison.rows:
        counts[row.verdict] = counts.get(row.verdict, 0) + 1
    say(", ".join(f"{count} {verdict}" for verdict, count in sorted(counts.items())))
    _print_heatmaps(comparison)
    for note in comparison.notes:
        say(note)


def _print_heatmaps(comparison: Comparison) -> None:
    """Print networks by expressions: overlap with the mask, and how alike the networks' heatmaps are."""
    found = comparison.heatmaps
    if not found.trees:
        return
    rows = [
        [name, *(_tell(found.overlaps[label][place]) for label in found.labels)]
        for place, name in enumerate(comparison.names)
    ]
    print_table("Mean heatmaps: IoU with the mask of the expression", ["network", *found.labels], rows)
    joined = [[tree.label, _alike(tree), ", ".join(f"{height:.3f}" for height in tree.heights)] for tree in found.trees]
    headings = ["expression", "most alike", "heights of the tree (1 - correlation)"]
    print_table("Mean heatmaps: how alike the networks are", headings, joined)


def _alike(tree: HeatmapTree) -> str:
    if not tree.merges:
        return "fewer than two heatmaps can be compared"
    first, second, height, _ = tree.merges[0]
    return f"{tree.names[first]} and {tree.names[second]} ({1 - height:.3f})"


def _tell(estimate: Estimate | None) -> str:
    return "" if estimate is None else str(estimate)
