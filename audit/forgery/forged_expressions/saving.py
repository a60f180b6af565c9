"""How the files of the data are saved, as far as that alone may change what a model answers."""

from __future__ import annotations

from collections.abc import Iterable
from io import BytesIO
from pathlib import Path

from PIL import Image, JpegImagePlugin

from ....core.faces import Faces
from ....core.images import ImageFault, read_bytes

Saved = tuple[str, tuple[int, ...], int, tuple[int, int]]


def saved_as(path: Path) -> Saved:
    """Return the format of a picture, the quantisation of a JPEG (tables in order, subsampling), width and height.

    Raises:
        ImageFault: when it cannot be opened.
    """
    content = read_bytes(path)
    try:
        with Image.open(BytesIO(content)) as image:
            tables: tuple[int, ...] = ()
            sampling = -1
            if isinstance(image, JpegImagePlugin.JpegImageFile):
                tables = tuple(level for key in sorted(image.quantization) for level in image.quantization[key])
                sampling = JpegImagePlugin.get_sampling(image)
            return str(image.format), tables, sampling, image.size
    except (OSError, ValueError, SyntaxError) as error:  # what Pillow raises for damaged headers
        raise ImageFault(f"the picture cannot be opened: {error}") from error


def saved_otherwise(faces: Faces, pairs: Iterable[tuple[int, int]]) -> int:
    """Return of how many pairs of faces the two files have another format, size or strength of compression.

    Args:
        faces: of the audit.
        pairs: rows of a genuine photo and of a forgery of it.

    Raises:
        ImageFault: when a file cannot be opened.
    """
    paths = faces.frame["path"].to_numpy(dtype=object)
    known: dict[int, Saved] = {}

    def saved(row: int) -> Saved:
        if row not in known:
            known[row] = saved_as(faces.folder / str(paths[row]))
        return known[row]

    return sum(saved(photo) != saved(forgery) for photo, forgery in pairs)
