"""Reading numbers from the pictures of all faces: one pass, in threads, one number a face and measure kept."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import repeat
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from ..errors import AuditError
from ..images import ImageFault, decode_rgb, read_bytes
from ..probes import Advance
from .picture_quality import brightness, face_size, sharpness
from .regions import Floats, turn_of_head
from .skin_tone import NO_LANDMARKS, cheek_tone

if TYPE_CHECKING:
    from ..faces import Faces

BETWEEN_CHEEKS = "ita_between_cheeks"
BY_LANDMARKS = frozenset({"ita", "yaw"})
UNUSABLE = "the picture cannot be used"
_OF_PIXELS = frozenset({"ita", "sharpness", "brightness"})
_AT_ONCE = 256


@dataclass(frozen=True, eq=False)
class Measured:
    """One measure of every face.

    Attributes:
        numbers: shape (faces,), NaN where there is none.
        reasons: why there is none, with the number of faces.
    """

    numbers: Floats
    reasons: Mapping[str, int]


def measure_pictures(faces: Faces, measures: Sequence[str], advance: Advance) -> dict[str, Measured]:
    """Measure the pictures of all faces.

    Args:
        faces: the faces; for ``ita`` and ``yaw`` with landmarks in pixels of their images.
        measures: some of ``ita``, ``yaw``, ``sharpness``, ``brightness``, ``face_size``.
        advance: is told how many faces are done.

    Returns:
        Each measure by name; with ``ita`` also ``ita_between_cheeks``, the right cheek less the left one.

    Raises:
        AuditError: for a measure by landmarks when the faces have none, or when memory does not suffice.
    """
    names = [*dict.fromkeys(measures), *([BETWEEN_CHEEKS] if "ita" in measures else [])]
    numbers = {name: np.full(len(faces), np.nan) for name in names}
    reasons: dict[str, Counter[str]] = {name: Counter() for name in names}
    by_landmarks = bool(BY_LANDMARKS & set(measures))
    if by_landmarks and faces.source is None:
        raise AuditError("the plan names no landmarks, by which the cheeks and the turn of the head are found")
    pixels = bool(_OF_PIXELS & set(measures)) or ("face_size" in measures and faces.boxes is None)
    read = partial(_measure, faces, names)
    with ThreadPoolExecutor(max(1, faces.workers)) as pool:
        for start in range(0, len(faces), _AT_ONCE):
            part = range(start, min(start + _AT_ONCE, len(faces)))
            rows = np.asarray(part)
            points = None
            if by_landmarks and faces.source is not None:
                points = faces.source.read(faces.rows_of_source[rows])
                if "yaw" in measures:
                    numbers["yaw"][rows] = turn_of_head(points)
                    reasons["yaw"][NO_LANDMARKS] += int(np.isnan(numbers["yaw"][rows]).sum())
            if "face_size" in measures and faces.boxes is not None:
                sides = np.round(faces.boxes[rows, 2:]) - np.round(faces.boxes[rows, :2])
                numbers["face_size"][rows] = [face_size(*side) for side in sides]
            if pixels:
                shapes = repeat(None, len(part)) if points is None else points
                for row, told in zip(part, pool.map(read, part, shapes), strict=True):
                    for name, value in told.items():
                        if isinstance(value, str):
                            reasons[name][value] += 1
                        else:
                            numbers[name][row] = value
            advance(len(part))
    return {name: Measured(numbers[name], dict(+reasons[name])) for name in names}


def _measure(faces: Faces, names: Sequence[str], row: int, points: Floats | None) -> dict[str, float | str]:
    """Return what one picture's pixels tell, or the reason why they do not."""
    wanted = [name for name in names if name in _OF_PIXELS or (name == "face_size" and faces.boxes is None)]
    try:
        image = decode_rgb(read_bytes(faces.folder / str(faces.frame["path"].iat[row])))
        face = _face_of(faces, row, image) if {"sharpness", "brightness"} & set(wanted) else image
    except ImageFault:
        return dict.fromkeys(wanted, UNUSABLE)
    except MemoryError as error:
        raise AuditError(f"there is not enough memory to read the picture of row {row + 1}") from error
    told: dict[str, float | str] = {}
    if "ita" in wanted and points is not None:
        tone = cheek_tone(image, points)
        if isinstance(tone, str):
            told["ita"] = tone
        else:
            told["ita"], told[BETWEEN_CHEEKS] = tone.ita, tone.between_cheeks
    if "sharpness" in wanted:
        told["sharpness"] = sharpness(face)
    if "brightness" in wanted:
        told["brightness"] = brightness(face)
    if "face_size" in wanted:
        told["face_size"] = face_size(*image.size)
    return told


def _face_of(faces: Faces, row: int, image: Image.Image) -> Image.Image:
    """Return what of the face's box lies in the picture, at its own size; the whole picture where there is no box."""
    if faces.boxes is None:
        return image
    x0, y0, x1, y1 = (round(float(edge)) for edge in faces.boxes[row])
    x0, y0, x1, y1 = max(x0, 0), max(y0, 0), min(x1, image.width), min(y1, image.height)
    if x1 <= x0 or y1 <= y0:
        raise ImageFault("the box is empty or lies outside the image")
    return image.crop((x0, y0, x1, y1))
