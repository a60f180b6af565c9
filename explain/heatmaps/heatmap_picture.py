"""Draw one class's mean heatmaps of several runs side by side as an SVG, for the docs.

``python -m countenance.explain.heatmaps.heatmap_picture CLASS FILE.svg RUN [RUN ...]``
"""

from __future__ import annotations

import argparse
import base64
import io
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ...core.errors import CountenanceError, ResultsError
from ...core.results import ProbeResult
from ...core.results_file import changed_artifacts, load_results
from ..canonical import CANVAS_HEIGHT, CANVAS_WIDTH
from ..face_drawing import face_lines
from ..mask_picture import svg_path
from ..polygons import BoolArray, outlines
from .agreement import Grey

_MARGIN, _TITLE = 18, 30
_STYLE = (
    ".face{fill:none;stroke:#3c3c3c;stroke-width:1.3;stroke-linejoin:round;stroke-linecap:round}"
    ".mask{fill:none;stroke:#1d4f88;stroke-width:2.2;stroke-linejoin:round}"
    "text{font:600 15px system-ui,sans-serif;fill:#222;text-anchor:middle}"
)
_COLOURS = ((250, 246, 243), (243, 209, 196), (224, 138, 108), (184, 62, 40), (122, 20, 16))
"""From no evidence to most; each step darker, so that it reads in grey too."""


@dataclass(frozen=True)
class HeatmapPanel:
    """One heatmap of the picture.

    Attributes:
        title: written above it.
        heatmap: ``(height, width)`` grey, larger where the evidence lies.
        mask: whose outline is drawn; None for none.
    """

    title: str
    heatmap: Grey
    mask: BoolArray | None


def heatmaps_svg(title: str, panels: Sequence[HeatmapPanel]) -> str:
    """Return an SVG of heatmaps on the canonical face, side by side."""
    step = CANVAS_WIDTH + _MARGIN
    width, height = len(panels) * step + _MARGIN, CANVAS_HEIGHT + _TITLE + 2 * _MARGIN
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img">',
        f"<title>{escape(title)}</title><style>{_STYLE}</style>",
        f'<rect width="{width}" height="{height}" fill="#fff"/>',
        f'<defs><path id="face" class="face" d="{svg_path(face_lines())}"/></defs>',
        f'<clipPath id="c"><rect x="-.5" y="-.5" width="{CANVAS_WIDTH}" height="{CANVAS_HEIGHT}"/></clipPath>',
    ]
    for place, panel in enumerate(panels):
        outline = "" if panel.mask is None else svg_path(outlines(panel.mask), closed=True)
        parts.append(
            f'<g transform="translate({_MARGIN + place * step} {_MARGIN + _TITLE})">'
            f'<text x="{CANVAS_WIDTH / 2:g}" y="-10">{escape(panel.title)}</text>'
            f'<g clip-path="url(#c)"><image width="{CANVAS_WIDTH}" height="{CANVAS_HEIGHT}" x="-.5" y="-.5" '
            f'href="data:image/png;base64,{_png(panel.heatmap)}"/><use href="#face"/>'
            f'<path class="mask" fill-rule="evenodd" d="{outline}"/></g></g>'
        )
    return "".join([*parts, "</svg>\n"])


def _png(heatmap: Grey) -> str:
    """Colour a heatmap; return its PNG in base64."""
    picture = Image.fromarray(heatmap).convert("P")
    levels = np.arange(256)
    anchors = np.linspace(0, 255, len(_COLOURS))
    palette = np.stack([np.interp(levels, anchors, channel) for channel in zip(*_COLOURS, strict=True)], axis=1)
    picture.putpalette(np.rint(palette).astype(np.uint8).tobytes())
    file = io.BytesIO()
    picture.save(file, "PNG", optimize=True)
    return base64.b64encode(file.getvalue()).decode()


def panel_of(run: Path, label: str) -> HeatmapPanel:
    """Read one class's mean heatmap from a run folder, of the first probe that has one.

    Raises:
        ResultsError: if the folder holds no results, or no heatmap of this class as the audit wrote it.
    """
    results = load_results(run)
    changed = changed_artifacts(results, run)
    for probe in results.probes:
        found = probe.artifact("heatmaps.npz")
        if found is not None and found.path not in changed:
            with np.load(run / found.path, allow_pickle=False) as arrays:
                if f"{label}.heatmap" in arrays:
                    mask: NDArray[np.bool_] | None = arrays.get(f"{label}.mask")
                    name = f"{results.target.name}, {_faces(probe, label):,} faces"
                    return HeatmapPanel(name, arrays[f"{label}.heatmap"], mask)
    raise ResultsError(
        f"expected a run with a heatmap of the class {label!r}, but {run} has none, or changed it since: "
        "run a plan with the probe global_heatmaps"
    )


def _faces(probe: ProbeResult, label: str) -> int:
    found = [item.estimate for item in probe.measurements if item.metric == "faces_without_map"
             and item.slice == {"label": label}]  # fmt: skip
    return sum((estimate.n or 0) - round(estimate.value or 0) for estimate in found)


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the picture; return the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m countenance.explain.heatmaps.heatmap_picture", description=main.__doc__
    )
    parser.add_argument("label", metavar="CLASS", help="the class whose heatmap is drawn")
    parser.add_argument("out", metavar="FILE.svg", type=Path, help="the picture to write")
    parser.add_argument("runs", metavar="RUN", type=Path, nargs="+", help="run folders")
    asked = parser.parse_args(arguments)
    try:
        panels = [panel_of(run, asked.label) for run in asked.runs]
    except CountenanceError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    asked.out.write_text(heatmaps_svg(f"Mean heatmaps of {asked.label}", panels), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
