"""The triggers that a scan inverted, as images."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray
from PIL import Image

from ...cards.tree import TableBlock
from ...cards.wording import number
from .panel import FigureGroup, Panel
from .picture import Picture

MOST_PICTURES = 16
SMALL = 0.05
_CAPTION = (
    "The change that the scan found for each class: what a mask of a fixed share of the pixels puts in their place, or "
    "the least that is added to every face (grey is no change). A clean net has such changes too; whether one does "
    "more, or is smaller, than it should stands in the comparison with the reference nets."
)


def trigger_figures(arrays: Mapping[str, NDArray[Any]], told: Any) -> Iterator[FigureGroup]:
    """Yield the inverted triggers as pictures, the smallest adjusted p first.

    Args:
        arrays: ``patterns`` (k, h, w, 3) uint8.
        told: for each of them ``class``, ``family``, ``size``, ``p_adjusted`` and ``title``.
    """
    patterns = arrays.get("patterns")
    entries = list(told) if isinstance(told, list) else list(dict(told or {}).get("triggers") or ())
    if patterns is None or patterns.ndim != 4 or not entries or len(patterns) != len(entries):
        return
    order = sorted(range(len(entries)), key=lambda place: _p(entries[place]))
    shown = order[:MOST_PICTURES]
    cells = Markup("").join(_picture(entries[place], patterns[place]) for place in shown)
    rows = tuple(
        (str(each.get("class") or ""), _words(each), _number(each, "size"), _number(each, "p_adjusted"))
        for each in (entries[place] for place in order)
    )
    left = f"Shown are the {len(shown)} with the smallest p of {len(order)}." if len(shown) < len(order) else ""
    panel = Panel(
        "inverted triggers",
        Picture(Markup('<ol class="frames patterns" tabindex="0">{}</ol>').format(cells)),
        TableBlock(("class", "family", "size", "adjusted p"), rows, "Inverted triggers"),
        f"{len(shown)} inverted triggers as pictures, each with its class, family, size and adjusted p.",
        left,
    )
    yield FigureGroup("Inverted triggers", (panel,), _CAPTION)


def _p(entry: Mapping[str, Any]) -> float:
    value = entry.get("p_adjusted")
    return float(value) if isinstance(value, (int, float)) else 2.0


def _words(entry: Mapping[str, Any]) -> str:
    return str(entry.get("family") or "").replace("_", " ")


def _number(entry: Mapping[str, Any], name: str) -> str:
    value = entry.get(name)
    return number(float(value)) if isinstance(value, (int, float)) else "–"


def _picture(entry: Mapping[str, Any], pattern: NDArray[Any]) -> Markup:
    p = _p(entry)
    name = str(entry.get("title") or f"{entry.get('class')}, {_words(entry)}")
    size = f"size {_number(entry, 'size')}"
    said = "no p" if entry.get("p_adjusted") is None else f"adjusted p {_number(entry, 'p_adjusted')}"
    height, width = pattern.shape[:2]
    return Markup(
        '<li class="frame{kind}"><img alt="{alt}" width="{w}" height="{h}" src="{src}">'
        '<span class="said">{label}</span><span class="what">{family}</span><span class="what">{size}</span>'
        '<span class="what">{p}</span></li>'
    ).format(
        kind=" other" if p < SMALL else "",
        alt=f"{name}: {size}, {said}",
        w=width,
        h=height,
        src=_png(pattern),
        family=_words(entry),
        label=str(entry.get("class") or ""),
        size=size,
        p=said,
    )


def _png(pixels: NDArray[Any]) -> str:
    file = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels, dtype=np.uint8)).save(file, "PNG", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"
