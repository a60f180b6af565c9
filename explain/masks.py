"""Masks of where an expression is said to show: this project's six, or a folder of the user's own.

The six are one contested account (see ``docs/ekman-masks.md``): a hypothesis to compare a model's attention
with, not ground truth about faces or about what people feel (Barrett et al. 2019, Psychological Science in
the Public Interest 20(1), 1-68).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from ..core.errors import CountenanceError, Problems
from ..core.expressions import expression_of
from .canonical import CANVAS_HEIGHT, CANVAS_WIDTH, canonical_face
from .landmarks import INDEX, MIRROR, NAMES, FloatArray
from .polygons import BoolArray, outlines, rasterise_union


class MaskError(CountenanceError):
    """A folder of masks or heatmaps cannot be used as it stands."""


@dataclass(frozen=True)
class MaskSet:
    """Masks by expression, all on one canvas.

    Attributes:
        name: what the set is called in results.
        version: of the drawing; 0 for a user's own.
        masks: expression (``happiness``, ...) to ``(height, width)`` of bool.
        statement: what the masks are, for the reader of a card.
        regions: expression to a description in words; empty for a user's own.
    """

    name: str
    version: int
    masks: Mapping[str, BoolArray]
    statement: str
    regions: Mapping[str, str]

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the canvas in pixels."""
        height, width = next(iter(self.masks.values())).shape
        return height, width

    def get(self, name: str) -> BoolArray | None:
        """Return the mask of a class, by any of its names (``happy`` for ``happiness``), or None."""
        return self.masks.get(expression_of(name))

    def outline(self, name: str) -> list[FloatArray]:
        """Return the boundary of a mask as closed polylines ``(k, 2)`` in canvas pixels, the longest first.

        Raises:
            KeyError: if the class has no mask.
        """
        return outlines(self.masks[expression_of(name)])


@lru_cache(maxsize=1)
def ekman_masks() -> MaskSet:
    """Return this project's six masks on the canonical canvas (224 x 275)."""
    data = ekman_mask_data()
    masks = {
        expression: rasterise_union(ekman_polygons(expression), CANVAS_WIDTH, CANVAS_HEIGHT)
        for expression in data["masks"]
    }
    for mask in masks.values():
        mask.setflags(write=False)
    return MaskSet(
        name=data["name"],
        version=data["version"],
        masks=MappingProxyType(masks),
        statement=data["what"],
        regions=MappingProxyType({name: entry["region"] for name, entry in data["masks"].items()}),
    )


@lru_cache(maxsize=1)
def ekman_mask_data() -> dict[str, Any]:
    """Return the drawing itself: polygons over named landmarks, provenance, sources, disagreements."""
    text = (files(__package__) / "data" / "ekman_masks.json").read_text(encoding="utf-8")
    data: dict[str, Any] = json.loads(text)
    return data


def ekman_polygons(expression: str) -> list[FloatArray]:
    """Return the polygons of one expression on the canvas, mirror images included.

    Args:
        expression: any name of it, e.g. ``happy`` or ``happiness``.

    Returns:
        Corners ``(k, 2)`` in canvas pixels per polygon.

    Raises:
        KeyError: if there is no drawing of that expression.
    """
    polygons = []
    for polygon in ekman_mask_data()["masks"][expression_of(expression)]["polygons"]:
        for mirrored in (False, True) if polygon.get("mirrored") else (False,):
            polygons.append(np.array([_corner(point, mirrored) for point in polygon["points"]]))
    return polygons


def _corner(point: str | dict[str, Any], mirrored: bool) -> FloatArray:
    """Read one corner in the notation explained in ``data/ekman_masks.json``."""
    if isinstance(point, str):
        return _named(point, mirrored)
    if "above" in point:
        return np.array([_named(point["above"], mirrored)[0], -1.0])
    if "between" in point:
        first, second = (_named(name, mirrored) for name in point["between"])
        return (first + second) / 2
    return np.array([_named(point["x_of"], mirrored)[0], _named(point["y_of"], mirrored)[1]])


def _named(name: str, mirrored: bool) -> FloatArray:
    if name == "top_left_corner":
        return np.array([float(CANVAS_WIDTH) if mirrored else -1.0, -1.0])
    return canonical_face(68).point(NAMES[MIRROR[INDEX[name]]] if mirrored else name)


def load_masks(folder: Path, size: tuple[int, int] | None = (CANVAS_HEIGHT, CANVAS_WIDTH)) -> MaskSet:
    """Read a user's own masks: one ``EXPRESSION.png`` each, grey above 127 inside.

    Where files called ``mask_EXPRESSION.png`` are present only these are read, so that masks may lie beside
    heatmaps.

    Args:
        folder: holding the pictures; files of other types are ignored.
        size: height and width every mask must have; None takes any, as long as all are the same.

    Returns:
        The masks under their expression's name; ``happy.png`` is the mask of ``happiness``.

    Raises:
        MaskError: naming every file that cannot be used: unreadable, of another size, empty, full, or two for
            one expression; or when there is none.
    """
    if not folder.is_dir():
        raise MaskError(f"Expected a folder of masks at {folder}, but there is none")
    problems = Problems(f"masks in {folder}")
    masks: dict[str, BoolArray] = {}
    origin: dict[str, str] = {}
    for file in sorted(folder.glob("mask_*.png")) or sorted(folder.glob("*.png")):
        grey = read_grey(file, problems)
        if grey is None:
            continue
        expression = expression_of(file.stem.removeprefix("mask_"))
        mask = grey > 127
        expected = size or next((other.shape for other in masks.values()), mask.shape)
        if expression in origin:
            problems.add(f"{file.name}: {origin[expression]} is a mask of {expression} already; keep one")
        elif mask.shape != expected:
            problems.add(
                f"{file.name}: expected {expected[1]} x {expected[0]} pixels (width x height), "
                f"but got {mask.shape[1]} x {mask.shape[0]}; draw it on the canonical canvas"
            )
        elif mask.all() or not mask.any():
            kind = "white" if mask.all() else "black"
            problems.add(f"{file.name}: expected a region of pixels above 127, but all of it is {kind}")
        else:
            masks[expression] = mask
            origin[expression] = file.name
    if not masks and not problems:
        problems.add("expected files such as happiness.png, but there is no .png")
    problems.raise_as(MaskError)
    return MaskSet(
        name=folder.name,
        version=0,
        masks=MappingProxyType(masks),
        statement="Masks given by the user of this audit; what they stand on is not known to countenance.",
        regions=MappingProxyType({}),
    )


def read_grey(file: Path, problems: Problems) -> NDArray[np.uint8] | None:
    """Read a picture as grey ``(height, width)``; on failure note the problem and return None."""
    try:
        with Image.open(file) as image:
            return np.asarray(image.convert("L"))
    except (OSError, UnidentifiedImageError, Image.DecompressionBombError, ValueError) as error:
        detail = str(error).replace(str(file), file.name)
        problems.add(f"{file.name}: expected a readable PNG, but it cannot be decoded ({detail})")
        return None
