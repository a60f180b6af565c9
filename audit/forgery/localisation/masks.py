"""The pictures that say where each face was changed, cut and resized as the faces are."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ....core.errors import AuditError, Problems
from ....core.faces import Faces
from ....core.images import ImageFault, crop_face, decode_rgb, read_bytes

INSIDE = 127
"""Grey level above which a pixel of a mask counts as changed, before and after it was resized."""
OUTSIDE_BOX = "nothing within the box of the face was changed"
WHOLE = "the whole crop was changed, so that there is nothing to tell it from"
_NAMED = 10
_SIDEWAYS = frozenset({5, 6, 7, 8})  # EXIF orientations that exchange width and height
_EXIF_ORIENTATION = 0x0112


@dataclass(frozen=True)
class Masks:
    """Where faces were changed.

    Attributes:
        size: (h, w) of the crops.
        packed: the mask of each face by its row, bits of (h, w) packed along the second axis.
        left_out: why a face has no mask to score against, by row.
    """

    size: tuple[int, int]
    packed: Mapping[int, NDArray[np.uint8]]
    left_out: Mapping[int, str]

    def of(self, row: int) -> NDArray[np.bool_]:
        """Return the changed pixels of a face, (h, w), neither none nor all."""
        return np.unpackbits(self.packed[row], axis=1, count=self.size[1]).astype(np.bool_)


def read_masks(faces: Faces, rows: NDArray[np.int64]) -> Masks:
    """Read the masks of faces; memory is an eighth of a byte a pixel.

    A mask must have as many pixels as its picture: one of another size may have been made for another crop, and
    stretching it would put the truth in the wrong place without a word.

    Args:
        faces: with the column ``mask``, paths relative to the manifest.
        rows: ``(m,)`` faces that name a mask.

    Raises:
        AuditError: with every mask that is missing, unreadable, empty or of another size than its picture.
    """
    assert faces.height_width is not None
    size = faces.height_width

    def one(row: int) -> NDArray[np.uint8] | tuple[str, str]:
        named = str(faces.frame["mask"].iat[row])
        try:
            mask = decode_rgb(read_bytes(faces.folder / named)).convert("L")
            picture = picture_size(faces.folder / str(faces.frame["path"].iat[row]))
        except ImageFault as fault:
            return "cannot be read", str(fault)
        if mask.size != picture:
            told = f"{mask.width} x {mask.height} for a picture of {picture[0]} x {picture[1]}"
            return "has another size than its picture", told
        if int(np.asarray(mask).max()) <= INSIDE:
            return "is empty", f"no pixel is brighter than {INSIDE} of 255"
        box = None if faces.boxes is None else faces.boxes[row]
        crop, _ = crop_face(mask.point(_above), box, size)
        return np.packbits(crop > INSIDE, axis=1)

    found = _in_threads(faces.workers, one, rows)
    faults = {row: why for row, why in found.items() if isinstance(why, tuple)}
    if faults:
        _refuse(faces, faults, len(rows))
    packed, left_out = {}, {}
    for row, bits in found.items():
        assert not isinstance(bits, tuple)
        share = np.unpackbits(bits, axis=1, count=size[1]).mean()
        if 0 < share < 1:
            packed[row] = bits
        else:
            left_out[row] = WHOLE if share else OUTSIDE_BOX
    return Masks(size, packed, left_out)


def picture_size(path: Path) -> tuple[int, int]:
    """Return width and height of a picture after EXIF rotation, without decoding its pixels.

    Raises:
        ImageFault: when it cannot be opened.
    """
    content = read_bytes(path)
    try:
        with Image.open(BytesIO(content)) as image:
            width, height = image.size
            turned = image.getexif().get(_EXIF_ORIENTATION) in _SIDEWAYS
    except (OSError, ValueError, SyntaxError) as error:  # what Pillow raises for damaged headers
        raise ImageFault(f"the picture of the face cannot be opened: {error}") from error
    return (height, width) if turned else (width, height)


def _above(grey: int) -> int:
    return 255 * (grey > INSIDE)


def _in_threads(
    workers: int, one: Callable[[int], NDArray[np.uint8] | tuple[str, str]], rows: NDArray[np.int64]
) -> dict[int, NDArray[np.uint8] | tuple[str, str]]:
    wanted = rows.tolist()
    with ThreadPoolExecutor(max(1, workers)) as pool:
        return dict(zip(wanted, pool.map(one, wanted), strict=True))


def _refuse(faces: Faces, faults: Mapping[int, tuple[str, str]], asked: int) -> None:
    """Raise one error for every mask at fault, by kind; rows are named by number, since paths name people."""
    kinds: dict[str, list[str]] = defaultdict(list)
    for row, (kind, told) in sorted(faults.items()):
        kinds[kind].append(f"row {faces.rows_of_source[row] + 1} ({told})")
    problems = Problems(f"masks of forged faces (data.forgeries.mask), {len(faults)} of {asked} at fault")
    for kind, told_of in kinds.items():
        more = f" and {len(told_of) - _NAMED} more" if len(told_of) > _NAMED else ""
        problems.add(f"the mask {kind}: {', '.join(told_of[:_NAMED])}{more}")
    problems.add(
        "expected for each forged face a picture as large as its own, white where it was changed, by its path "
        "relative to the manifest; leave the cell empty where there is none"
    )
    problems.raise_as(AuditError)
