"""``countenance compare``: two or more runs, measurement by measurement."""

from __future__ import annotations

from pathlib import Path

from ..core.compare import Comparison, RunChange
from ..core.compare import compare as compare_runs
from ..core.compare_headline import regressions, would_have_shown
from ..core.errors import EXIT_GATE_FAILED, EXIT_OK
from ..core.heatmap_similarity import HeatmapTree
from ..core.results import Estimate
from .console import print_table, say

QUIET = frozenset({"overlapping", "no difference shown", "no interval", "not measured", "same"})
LINES = 5


def compare(runs: list[Path], out: Path | None, every: bool, fail_on_regression: bool = False) -> int:
    """Print the comparison and, if asked, write it as an HTML page; with ``fail_on_regression`` 1 if any is worse."""
    comparison = compare_runs(*runs)
    print_comparison(comparison, every)
    if out is not None:
        from ..reports.compare import write_comparison

        say(f"wrote {write_comparison(compare_runs(*runs, publish=True), out)}")
    return EXIT_GATE_FAILED if fail_on_regression and comparison.regressions else EXIT_OK


def print_comparison(comparison: Comparison, every: bool = False, most: int = 40) -> None:
    """Print what got worse, the measurements that differ, regressions first, and how many do not."""
    _print_headline(comparison)
    shown = [row for row in comparison.rows if every or row.verdict not in QUIET]
    listed = shown if every else shown[:most]
    others = comparison.names[1:]
    changes = ["change"] if len(others) == 1 else [f"change of {name}" for name in others]
    rows = [
        [_verdict(row.leading), row.key, *map(_tell, row.estimates), *map(tell_change, row.changes)] for row in listed
    ]
    styles = ["bold red" if row.worse else "" for row in listed]
    print_table("", ["", "measurement", *comparison.names, *changes], rows, styles)
    if len(shown) > len(rows):
        say(f"and {len(shown) - len(rows)} more; --all lists every measurement")
    counts: dict[str, int] = {}
    for row in comparison.rows:
        verdict = _verdict(row.leading)
        counts[verdict] = counts.get(verdict, 0) + 1
    say(", ".join(f"{count} {verdict}" for verdict, count in sorted(counts.items())))
    _print_heatmaps(comparison)
    for note in comparison.notes:
        say(note)


def tell_change(change: RunChange) -> str:
    """Return a change with its interval and adjusted p-value, and what would have been shown where nothing is."""
    if change.value is None:
        return change.verdict
    if change.verdict == "same":
        return "the same on every face"
    text = f"{change.value:+.3f}"
    if change.low is not None and change.high is not None:
        text += f" [{change.low:+.3f}, {change.high:+.3f}]"
    if change.p_adjusted is not None:
        text += f", p {change.p_adjusted:.2g}"
    if change.verdict == "no difference shown" and change.detectable is not None:
        text += f"; {change.detectable:.3f} would have been shown"
    return text


def _print_headline(comparison: Comparison) -> None:
    found = regressions(comparison)
    if found:
        say(f"What got worse: {sum(each.more + 1 for each in found)} of {len(comparison.rows)} measurements")
    else:
        say("No measurement is shown to be worse.")
        best = would_have_shown(comparison)
        if best is not None and best.leading.detectable is not None:
            say(f"A change of {best.key} by {best.leading.detectable:.3f} would have been shown in 4 of 5 comparisons.")
    for each in found[:LINES]:
        change = each.row.leading
        how = f"face by face, {change.faces:,} faces" if change.paired else "two samples"
        more = f"; and {each.more} more of this metric" if each.more else ""
        of = f" of {each.run}" if len(comparison.names) > 2 else ""
        say(f"  {each.row.key}{of}: {tell_change(change)} ({how}){more}")
    if len(found) > LINES:
        say(f"  and {len(found) - LINES} more metrics")


def _verdict(change: RunChange) -> str:
    return "apart, worse" if change.verdict == "apart" and change.worse else change.verdict


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
