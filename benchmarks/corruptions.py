"""The fifteen corruptions of ImageNet-C beside the package imagecorruptions, picture for picture.

    python -m benchmarks corruptions

Ours on a batch of 32 drawn faces, theirs one picture after the other, as it takes them; one thread, milliseconds per
picture, mean over severities 1, 3 and 5. The agreement of the two is ``python -m benchmarks corruption_agreement``.
"""

from __future__ import annotations

import importlib.metadata

import numpy as np
import torch
from benchmarks.published_corruptions import published
from benchmarks.timing import Timed, side_by_side
from numpy.typing import NDArray

from countenance.audit.robustness.corruptions import GROUPS, corrupt
from countenance.synth.dataset import draw_crops

BATCH, THEIRS, ROUNDS = 32, 2, 2
SIDES, SEVERITIES = (224, 112), (1, 3, 5)


def main() -> None:
    """Print a table for each size of the pictures."""
    torch.set_num_threads(1)
    for side in SIDES:
        pictures = draw_crops(8, 4, 5, side).pixels[:BATCH]
        timed = {name: compare(name, pictures) for name in GROUPS["imagenet_c"]}
        version = importlib.metadata.version("imagecorruptions")
        print(f"\n{side} x {side} pixels, imagecorruptions {version}: ms per picture, wall (CPU)")
        print(f"{'':<22}{'theirs':>18}{'ours':>18}{'times as fast':>20}")
        for name, pair in timed.items():
            tell(name, *pair)
        tell("all fifteen", *total(timed, ()))
        tell("without glass_blur", *total(timed, ("glass_blur",)))
        print("at least 5 times as fast overall wanted")


def compare(name: str, pictures: NDArray[np.uint8]) -> tuple[Timed, Timed]:
    """Return theirs and ours, per picture."""
    pixels = torch.from_numpy(pictures).permute(0, 3, 1, 2).float().div(255).contiguous()
    rows, apply = np.arange(len(pictures)), published(name)

    def theirs() -> None:
        for severity in SEVERITIES:
            for picture in pictures[:THEIRS]:
                apply(picture, severity)

    def ours() -> None:
        for severity in SEVERITIES:
            corrupt(name, pixels, rows, severity, 0)

    best = side_by_side({"theirs": theirs, "ours": ours}, ROUNDS)
    per_picture = {"theirs": THEIRS * len(SEVERITIES), "ours": len(pictures) * len(SEVERITIES)}
    theirs_timed, ours_timed = (
        Timed(best[way].wall / count, best[way].cpu / count) for way, count in per_picture.items()
    )
    return theirs_timed, ours_timed


def total(timed: dict[str, tuple[Timed, Timed]], without: tuple[str, ...]) -> list[Timed]:
    """Add up theirs and ours over the corruptions but some."""
    kept = [pair for name, pair in timed.items() if name not in without]
    return [Timed(sum(each.wall for each in of), sum(each.cpu for each in of)) for of in zip(*kept, strict=True)]


def tell(name: str, theirs: Timed, ours: Timed) -> None:
    """Print one line."""
    cells = [f"{1000 * each.wall:.2f} ({1000 * each.cpu:.2f})" for each in (theirs, ours)]
    ratio = f"{theirs.wall / ours.wall:.1f} ({theirs.cpu / ours.cpu:.1f})"
    print(f"{name:<22}{cells[0]:>18}{cells[1]:>18}{ratio:>20}")
