"""Draw the heatmaps of the nets of a seed: ``python -m benchmarks.studies.planted_picture SEED CLASS FILE.svg``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from countenance.explain.heatmaps.heatmap_picture import heatmaps_svg, panel_of
from countenance.synth.expression import EXPRESSIONS
from countenance.synth.held_out import draw_held_out, write_crops
from countenance.synth.shortcut_nets import NETS

from .planted_explanations import audit
from .planted_nets import nets_of


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the picture; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.studies.planted_picture", description=main.__doc__)
    parser.add_argument("seed", type=int, help="of the nets")
    parser.add_argument("label", metavar="CLASS", choices=EXPRESSIONS, help="the class whose heatmaps are drawn")
    parser.add_argument("out", metavar="FILE.svg", type=Path, help="the picture to write")
    asked = parser.parse_args(arguments)
    titles = dict(zip(NETS, ("whole faces", "mouth alone", "corner"), strict=True))
    nets, panels = nets_of(asked.seed), []
    with TemporaryDirectory() as folder:
        faces = write_crops(draw_held_out(asked.seed).crops, Path(folder) / "faces")
        for name in NETS:
            run = Path(folder) / name
            audit(nets[name], faces, run)
            panel = panel_of(run, asked.label)
            panels.append(replace(panel, title=f"{titles[name]},{panel.title.rpartition(',')[2]}"))
    asked.out.write_text(heatmaps_svg(f"Mean heatmaps of {asked.label}", panels), encoding="utf-8", newline="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
