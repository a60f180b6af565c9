"""Draw the action units of each expression on the canonical face as an SVG, for the docs.

``python -m countenance.explain.units.unit_picture FILE.svg``
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from html import escape
from pathlib import Path

from ..canonical import CANVAS_HEIGHT, CANVAS_WIDTH
from ..face_drawing import face_lines
from ..landmarks import FloatArray
from ..mask_picture import svg_path
from .codebook import Codebook, published_codebook
from .unit_maps import canonical_ellipses

_MARGIN, _TITLE = 18, 30
_STYLE = (
    ".face{fill:none;stroke:#8a8a8a;stroke-width:1.4;stroke-linejoin:round;stroke-linecap:round}"
    ".unit{fill:#2f6fb5;fill-opacity:.22;stroke:#1d4f88;stroke-width:1.2}"
    ".frame{fill:#faf8f4;stroke:#c9c4ba;stroke-width:1}"
    "text{font:600 16px system-ui,sans-serif;fill:#222;text-anchor:middle}"
    ".small{font-size:11px;fill:#10325a;paint-order:stroke;stroke:#faf8f4;stroke-width:3px}"
)


def units_svg(codebook: Codebook | None = None, columns: int = 3) -> str:
    """Return an SVG of each expression's units on the canonical face, side by side.

    Args:
        codebook: to draw; that of Belharbi et al. (2024) if None.
        columns: faces in a row.
    """
    codebook = codebook or published_codebook("belharbi2024")
    step_x, step_y = CANVAS_WIDTH + _MARGIN, CANVAS_HEIGHT + _TITLE + _MARGIN
    rows = -(-len(codebook.expressions) // columns)
    width, height = columns * step_x + _MARGIN, rows * step_y + _MARGIN
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img">',
        f"<title>Action units by {escape(codebook.name)}, version {codebook.version}</title><style>{_STYLE}</style>",
        f'<rect width="{width}" height="{height}" fill="#fff"/>',
        f'<defs><path id="face" class="face" d="{svg_path(face_lines())}"/></defs>',
        f'<clipPath id="c"><rect x="-.5" y="-.5" width="{CANVAS_WIDTH}" height="{CANVAS_HEIGHT}"/></clipPath>',
    ]
    for index, (name, units) in enumerate(codebook.expressions.items()):
        x, y = _MARGIN + index % columns * step_x, _MARGIN + _TITLE + index // columns * step_y
        parts.append(
            f'<g transform="translate({x} {y})"><text x="{CANVAS_WIDTH / 2:g}" y="-10">{escape(name)}</text>'
            f'<rect class="frame" x="-.5" y="-.5" width="{CANVAS_WIDTH}" height="{CANVAS_HEIGHT}"/>'
            f'<g clip-path="url(#c)"><use href="#face"/>{"".join(_units(units))}</g></g>'
        )
    return "".join([*parts, "</svg>\n"])


def _units(units: tuple[int, ...]) -> Iterable[str]:
    """Draw every region once, with the numbers of the units that share it at the one furthest left."""
    sharing: dict[str, list[int]] = {}
    drawn: dict[str, list[FloatArray]] = {}
    for unit, lines in canonical_ellipses(units, 32).items():
        path = svg_path(lines, closed=True)
        sharing.setdefault(path, []).append(unit)
        drawn[path] = lines
    yield from (f'<path class="unit" d="{path}"/>' for path in drawn)
    taken: list[tuple[float, float]] = []
    for path, numbers in sharing.items():
        x, y = min((line[:-1].mean(axis=0) for line in drawn[path]), key=lambda centre: float(centre[0]))
        y = float(y) + 4
        while any(abs(x - other) < 13 * len(numbers) + 10 and abs(y - above) < 11 for other, above in taken):
            y += 11
        taken.append((float(x), y))
        yield f'<text class="small" x="{x:.1f}" y="{y:.1f}">{" ".join(map(str, numbers))}</text>'


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("expected one argument, the file to write: python -m countenance.explain.units.unit_picture FILE.svg")
    Path(sys.argv[1]).write_text(units_svg(), encoding="utf-8")
