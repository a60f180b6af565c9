"""Where a detector looks beside what was changed: a face, its map and the mask of the forgery, side by side."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray
from PIL import Image

from ...cards.tree import TableBlock
from ...cards.wording import number
from .panel import FigureGroup, Panel
from .picture import Picture, heat_png, photo

SHOWN_SIDE = 160
SYNTHETIC = "SYNTHETIC"
_READ = (
    "Left the forged face, in the middle where the detector looks, right what was changed. IoU is the overlap of the "
    "two; beside it stands that of a map that marks everything, which a large change makes high by itself."
)
_STAND_IN = "No face may be shown, so forgeries of drawn faces stand in. They are of nobody, and were not measured."


def localisation_figures(
    arrays: Mapping[str, NDArray[Any]], told: Mapping[str, Any], permitted: bool
) -> Iterator[FigureGroup]:
    """Yield the pictures of a probe that compares a detector's maps with the masks of forgeries.

    Args:
        arrays: ``faces`` (k, h, w, 3) uint8, ``maps`` and ``masks`` (k, h, w) from 0 to 1.
        told: ``faces``, each with ``title``, ``method``, ``iou`` and ``ones``; ``stand_in``, whether drawn faces stand
            in for those of the data.
        permitted: whether the plan lets the report show faces; without that only stand-ins are drawn, whatever the
            files hold.
    """
    stand_in = told.get("stand_in") is True
    entries = list(told.get("faces") or ())
    parts = [arrays.get(name) for name in ("faces", "maps", "masks")]
    if not entries or not (stand_in or permitted) or any(part is None or len(part) != len(entries) for part in parts):
        return
    faces, maps, masks = arrays["faces"], arrays["maps"], arrays["masks"]
    if faces.ndim != 4 or maps.ndim != 3 or masks.ndim != 3:
        return
    items = Markup("").join(_item(entry, *three) for entry, *three in zip(entries, faces, maps, masks, strict=True))
    rows = tuple(
        (str(each.get("title") or "a face"), str(each.get("method") or "–"), *_scores(each)) for each in entries
    )
    panel = Panel(
        "pictures",
        Picture(Markup('<div class="trios">{}</div>').format(items), shows_faces=not stand_in),
        TableBlock(("face", "method", "IoU", "IoU of everything"), rows, "Maps of single forgeries"),
        f"{len(entries)} forged faces, each beside the detector's map and the mask of what was changed.",
        " ".join(filter(None, (_READ, str(told.get("rule") or (_STAND_IN if stand_in else ""))))),
    )
    yield FigureGroup("Where the detector looks, and what was changed", (panel,))


def _scores(entry: Mapping[str, Any]) -> tuple[str, str]:
    found = [entry.get(name) for name in ("iou", "ones")]
    iou, ones = (number(float(value)) if isinstance(value, (int, float)) else "–" for value in found)
    return iou, ones


def _item(entry: Mapping[str, Any], face: NDArray[Any], heat: NDArray[Any], mask: NDArray[Any]) -> Markup:
    title, method = str(entry.get("title") or "a face"), str(entry.get("method") or "")
    iou, ones = _scores(entry)
    face, heat, mask = _small(face), _small(_bytes(heat)), _small(_bytes(mask))
    height, width = face.shape[:2]
    source = photo(face, forged=True)
    frame = Markup('<svg class="map" viewBox="0 0 {w} {h}" role="img" aria-label="{alt}">{inside}</svg>')
    picture = Markup('<image width="{w}" height="{h}" href="{src}"/>').format(w=width, h=height, src=source)
    veil = Markup('<image class="{}" width="{}" height="{}" preserveAspectRatio="none" href="{}"/>')
    parts = (
        ("the forged face", picture),
        ("where the detector looks", picture + veil.format("over", width, height, heat_png(heat, 1))),
        ("what was changed", veil.format("heat", width, height, heat_png(mask, 1))),
    )
    cells = Markup("").join(
        Markup('<div class="third{marked}">{frame}<span>{what}</span></div>').format(
            marked=" synthetic" if place < 2 else "",
            frame=frame.format(w=width, h=height, alt=f"{title}, {what}", inside=inside),
            what=what,
        )
        for place, (what, inside) in enumerate(parts)
    )
    by = f", {method}" if method and method not in title else ""
    return Markup(
        '<figure class="trio"><div class="thirds">{}</div><figcaption><b>{}{}</b> IoU {}, of everything {}'
        "</figcaption></figure>"
    ).format(cells, title, by, iou, ones)


def _bytes(values: NDArray[Any]) -> NDArray[np.uint8]:
    return np.rint(np.clip(np.nan_to_num(values.astype(np.float32)), 0, 1) * 255).astype(np.uint8)


def _small(pixels: NDArray[Any]) -> NDArray[np.uint8]:
    picture = Image.fromarray(np.ascontiguousarray(pixels, dtype=np.uint8))
    factor = min(1.0, SHOWN_SIDE / max(picture.size))
    if factor < 1:
        size = (max(1, round(picture.width * factor)), max(1, round(picture.height * factor)))
        picture = picture.resize(size, Image.Resampling.BOX)
    return np.asarray(picture)
