"""Pictures of heatmaps on a face, as markup: small enough for a hundred of them, and in the colours of the page.

A heatmap stands in the page as a grey PNG. The page colours it with an SVG filter, light or dark as the reader
prefers and light on paper, so that no picture is stored twice.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray
from PIL import ExifTags, Image

from ...core.files import sha256_of_bytes
from .theme import DARK, HEAT, SURFACE

Polylines = Sequence[Sequence[Sequence[float]]]

FORGED = "SYNTHETIC: a forged face, shown in a report on a model; no photo"
"""What the metadata of a forged picture say."""
LEVELS = 48
"""Grey levels of a stored heatmap: more than the eye tells apart in it, and a third of the bytes of 256."""


@dataclass(frozen=True)
class Picture:
    """A drawing that is markup and not a plotly figure.

    Attributes:
        markup: safe to stand in the page.
        shows_faces: whether it shows a face of the data.
    """

    markup: Markup
    shows_faces: bool = False


@dataclass(frozen=True)
class FaceLines:
    """The drawn face and the outlines of masks, defined once in a picture and used in each of its maps.

    Attributes:
        prefix: of the ids, which are unique in a page.
        width: of the canvas.
        height: of the canvas.
        masks: number of each mask by its name.
        definitions: markup that has to stand once in the picture.
    """

    prefix: str
    width: int
    height: int
    masks: Mapping[str, int]
    definitions: Markup

    @classmethod
    def of(cls, name: str, drawing: Mapping[str, Any]) -> FaceLines:
        """Take the lines from the artifact ``drawing.json``.

        Args:
            name: tells this picture from others of the page.
            drawing: ``face`` and ``masks`` (by label): polylines in canvas pixels; ``canvas``: its ``width`` and
                ``height``.
        """
        prefix = f"lines-{sha256_of_bytes(name.encode())[:10]}"
        masks = dict(drawing.get("masks") or {})
        canvas = dict(drawing.get("canvas") or {})
        paths = [Markup('<path id="{}-face" d="{}"/>').format(prefix, path(drawing.get("face") or ()))]
        paths += [
            Markup('<path id="{}-mask-{}" d="{}"/>').format(prefix, number, path(lines))
            for number, lines in enumerate(masks.values())
        ]
        made = Markup('<svg class="definitions" aria-hidden="true"><defs>{}</defs></svg>').format(
            Markup("").join(paths)
        )
        numbers = {label: number for number, label in enumerate(masks)}
        return cls(prefix, int(canvas.get("width", 224)), int(canvas.get("height", 275)), numbers, made)

    def map(self, heat: NDArray[Any], alt: str, mask: str | None = None) -> Markup:
        """Return a heatmap on the drawn face.

        Args:
            heat: ``(height, width)`` uint8.
            alt: what it shows.
            mask: whose outline is drawn, if there is one of this name.
        """
        outline = Markup("")
        if mask is not None and mask in self.masks:
            use = Markup('<use href="#{}-mask-{}" class="{}"/>')
            number = self.masks[mask]
            outline = use.format(self.prefix, number, "halo") + use.format(self.prefix, number, "mask")
        return Markup(
            '<svg class="map" viewBox="0 0 {w} {h}" role="img" aria-label="{alt}">'
            '<image class="heat" width="{w}" height="{h}" preserveAspectRatio="none" href="{png}"/>'
            '<use href="#{prefix}-face" class="face"/>{outline}</svg>'
        ).format(w=self.width, h=self.height, alt=alt, png=heat_png(heat), prefix=self.prefix, outline=outline)


def path(lines: Polylines) -> str:
    """Return polylines as the data of an SVG path, to half a pixel."""
    return "".join(
        "M" + "L".join(f"{round(2 * float(x)) / 2:g} {round(2 * float(y)) / 2:g}" for x, y, *_ in line)
        for line in lines
        if len(line)
    )


def heat_png(heat: NDArray[Any], factor: int = 2) -> str:
    """Return a heatmap as the data address of a grey PNG.

    Args:
        heat: ``(height, width)`` uint8.
        factor: pixels along a side that become one.
    """
    height, width = heat.shape
    padded = np.pad(heat.astype(np.float32), ((0, -height % factor), (0, -width % factor)), mode="edge")
    rows, columns = padded.shape[0] // factor, padded.shape[1] // factor
    small = padded.reshape(rows, factor, columns, factor).mean(axis=(1, 3))
    steps = np.rint(small * (LEVELS - 1) / 255) * (255 / (LEVELS - 1))
    return _address(Image.fromarray(np.rint(steps).astype(np.uint8)), "PNG", optimize=True)


def photo(pixels: NDArray[Any], forged: bool = False) -> str:
    """Return a face ``(h, w, 3)`` uint8 as the data address of a JPEG.

    It holds nothing but its pixels, and of a forged face that it is one.
    """
    picture = Image.fromarray(np.ascontiguousarray(pixels, dtype=np.uint8))
    return _address(picture, "JPEG", quality=82, optimize=True, **(synthetic_mark() if forged else {}))


def synthetic_mark() -> dict[str, Any]:
    """Return what a forged picture is saved with, so that its metadata say what it is wherever it goes."""
    exif = Image.Exif()
    exif[ExifTags.Base.ImageDescription] = FORGED
    return {"exif": exif.tobytes()}


def _address(picture: Image.Image, kind: str, **options: Any) -> str:
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return f"data:image/{kind.lower()};base64,{base64.b64encode(file.getvalue()).decode()}"


def heat_filters() -> Markup:
    """Return the filters that colour grey heatmaps: ``heat-light``, ``heat-dark``, and ``heat-over`` for photographs.

    The last one lets a photograph through where the map is weak.
    """
    over = (
        '<feColorMatrix in="SourceGraphic" type="luminanceToAlpha" result="strength"/>'
        '<feComponentTransfer in="strength" result="veil"><feFuncA type="table" tableValues="0 .55 .78"/>'
        '</feComponentTransfer><feComposite in="coloured" in2="veil" operator="in"/>'
    )
    filters = (
        _filter("heat-light", HEAT),
        _filter("heat-dark", [DARK[SURFACE], *(DARK[colour] for colour in HEAT[1:])]),
        _filter("heat-over", HEAT, over),
    )
    return Markup('<svg class="definitions" aria-hidden="true"><defs>{}</defs></svg>').format(Markup("").join(filters))


def _filter(name: str, colours: Sequence[str], further: str = "") -> Markup:
    channels = [[int(colour[place : place + 2], 16) / 255 for colour in colours] for place in (1, 3, 5)]
    tables = "".join(
        f'<feFunc{channel} type="table" tableValues="{" ".join(f"{value:.3g}" for value in values)}"/>'
        for channel, values in zip("RGB", channels, strict=True)
    )
    return Markup(
        f'<filter id="{name}" x="0" y="0" width="1" height="1" color-interpolation-filters="sRGB">'
        f'<feComponentTransfer in="SourceGraphic" result="coloured">{tables}</feComponentTransfer>{further}</filter>'
    )
