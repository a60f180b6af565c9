"""Draw masks on the canonical face as an SVG, for the docs.

``python -m countenance.explain.mask_picture FILE.svg``
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from html import escape
from pathlib import Path

from .canonical import CANVAS_HEIGHT, CANVAS_WIDTH
from .face_drawing import face_lines
from .landmarks import FloatArray
from .masks import MaskSet, ekman_masks

_MARGIN, _TITLE = 18, 30
_STYLE = (
    ".face{fill:none;stroke:#4a4a4a;stroke-width:1.6;stroke-linejoin:round;stroke-linecap:round}"
    ".mask{fill:#2f6fb5;fill-opacity:.30;stroke:#1d4f88;stroke-width:1.4;stroke-linejoin:round}"
    ".frame{fill:#faf8f4;stroke:#c9c4ba;stroke-width:1}"
    "text{font:600 16px system-ui,sans-serif;fill:#222;text-anchor:middle}"
)


def masks_svg(masks: MaskSet | None = None, columns: int = 3) -> str:
    """Return an SVG of each mask on the canonical face, side by side.

    Args:
        masks: to draw; the project's six if None.
        columns: faces in a row.
    """
    masks = masks or ekman_masks()
    step_x, step_y = CANVAS_WIDTH + _MARGIN, CANVAS_HEIGHT + _TITLE + _MARGIN
    rows = -(-len(masks.masks) // columns)
    width, height = columns * step_x + _MARGIN, rows * step_y + _MARGIN
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img">',
        f"<title>{escape(masks.name)}, version {masks.version}</title><style>{_STYLE}</style>",
        f'<rect width="{width}" height="{height}" fill="#fff"/>',
        f'<defs><path id="face" class="face" d="{svg_path(face_lines())}"/></defs>',
        f'<clipPath id="c"><rect x="-.5" y="-.5" width="{CANVAS_WIDTH}" height="{CANVAS_HEIGHT}"/></clipPath>',
    ]
    for place, name in enumerate(masks.masks):
        x, y = _MARGIN + (place % columns) * step_x, _MARGIN + _TITLE + (place // columns) * step_y
        parts.append(
            f'<g transform="translate({x} {y})"><text x="{CANVAS_WIDTH / 2:g}" y="-10">{escape(name)}</text>'
            f'<rect class="frame" x="-.5" y="-.5" width="{CANVAS_WIDTH}" height="{CANVAS_HEIGHT}"/>'
            f'<g clip-path="url(#c)"><use href="#face"/>'
            f'<path class="mask" fill-rule="evenodd" d="{svg_path(masks.outline(name), closed=True)}"/></g></g>'
        )
    return "".join([*parts, "</svg>\n"])


def svg_path(lines: Iterable[FloatArray], closed: bool = False) -> str:
    """Return polylines ``(k, 2)`` as the ``d`` of an SVG path, to a tenth of a pixel.

    Args:
        lines: to draw.
        closed: whether each ends where it starts; its last point is then left out.
    """
    drawn = []
    for line in lines:
        points = line[:-1] if closed else line
        drawn.append("M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points) + ("Z" if closed else ""))
    return "".join(drawn)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("expected one argument, the file to write: python -m countenance.explain.mask_picture FILE.svg")
    Path(sys.argv[1]).write_text(masks_svg(), encoding="utf-8")
