"""Reading one face from an image file: decode, EXIF rotation, RGB, crop, antialiased resize.

Resizing is Pillow's bilinear filter with antialiasing (its support grows with the reduction); torch's bilinear
interpolation without antialiasing moves the accuracy of small nets by several faces in a hundred.
"""

from __future__ import annotations

from functools import cache
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from .errors import AuditError

MAX_PIXELS = 64_000_000
MIN_SIDE = 8
UNREADABLE_NOW = "the file cannot be read"  # the disk or the network failed; another time it may not
# Formats in which faces are kept. Pillow knows more, some of which it hands to other programs (EPS to Ghostscript).
FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF", "PPM", "JPEG2000", "AVIF")


class ImageFault(Exception):
    """Why an image cannot be used; its row is set aside and counted, and the audit goes on."""


def read_bytes(path: Path) -> bytes:
    """Return the bytes of an image file.

    Raises:
        ImageFault: when the file is missing, empty or cannot be read.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise ImageFault("the file is missing") from None
    except OSError as error:
        raise ImageFault(f"{UNREADABLE_NOW}: {error.strerror or error}") from error
    except ValueError as error:  # a path with a null character
        raise ImageFault(f"the path cannot be read: {error}") from error
    if not content:
        raise ImageFault("the file is empty")
    return content


def decode_rgb(content: bytes) -> Image.Image:
    """Decode an image, apply its EXIF rotation and convert it to 8-bit RGB (16-bit greys are scaled).

    Raises:
        ImageFault: when it is unreadable, cut short, of a format in which photographs are not kept, smaller than 8
            pixels a side or larger than 64 megapixels.
    """
    try:
        image: Image.Image = Image.open(BytesIO(content), formats=_known_formats())
        width, height = image.size
        if width * height > MAX_PIXELS:
            raise ImageFault(f"{width} x {height} pixels, more than {MAX_PIXELS // 1_000_000} megapixels")
        if min(width, height) < MIN_SIDE:
            raise ImageFault(f"{width} x {height} pixels, fewer than {MIN_SIDE} a side")
        image.load()
        return _as_rgb(ImageOps.exif_transpose(image))
    except (ImageFault, MemoryError):
        raise
    except UnidentifiedImageError:
        raise ImageFault(f"not an image of a known format ({', '.join(_known_formats())})") from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise ImageFault(f"more than {MAX_PIXELS // 1_000_000} megapixels") from None
    except Exception as error:  # decoders meet damage with errors of many kinds; the row is set aside with the reason
        raise ImageFault(f"the image is damaged or cut short: {error or type(error).__name__}") from error


@cache
def _known_formats() -> tuple[str, ...]:
    """Return the accepted formats that this build of Pillow reads."""
    Image.init()
    return tuple(name for name in FORMATS if name in Image.OPEN)


def _as_rgb(image: Image.Image) -> Image.Image:
    """Convert to 8-bit RGB; alpha is dropped, as most loaders do, and not blended with a background."""
    if image.mode.startswith("I;16") or image.mode == "I":
        scaled = np.asarray(image, dtype=np.float64) / 257.0
        image = Image.fromarray(np.clip(np.rint(scaled), 0, 255).astype(np.uint8))
    elif image.mode == "F":
        raise ImageFault("pixels are floating-point numbers of an unknown range, expected 8 or 16 bits")
    elif image.mode == "P" and "transparency" in image.info:
        image = image.convert("RGBA")  # straight to RGB, Pillow warns
    return image if image.mode == "RGB" else image.convert("RGB")


def crop_face(
    image: Image.Image, box: NDArray[np.float64] | None, height_width: tuple[int, int]
) -> tuple[NDArray[np.uint8], bool]:
    """Crop the box, rounded to whole pixels, and resize it to ``height_width``.

    Args:
        image: RGB.
        box: x0, y0, x1, y1 in pixels, shape (4,); ``None`` takes the whole image.
        height_width: size of the crop in pixels.

    Returns:
        The crop, shape (h, w, 3), and whether the box reached over the image's edge (filled with black).

    Raises:
        ImageFault: when the box lies outside the image or is empty after rounding.
    """
    padded = False
    if box is not None:
        x0, y0, x1, y1 = (round(float(edge)) for edge in box)
        if x1 <= x0 or y1 <= y0:
            raise ImageFault(f"the box {x0}, {y0}, {x1}, {y1} is empty")
        if x1 <= 0 or y1 <= 0 or x0 >= image.width or y0 >= image.height:
            raise ImageFault(f"the box {x0}, {y0}, {x1}, {y1} lies outside the image ({image.width} x {image.height})")
        if (x1 - x0) * (y1 - y0) > MAX_PIXELS:
            raise ImageFault(f"the box {x0}, {y0}, {x1}, {y1} is larger than {MAX_PIXELS // 1_000_000} megapixels")
        padded = x0 < 0 or y0 < 0 or x1 > image.width or y1 > image.height
        image = image.crop((x0, y0, x1, y1))
    height, width = height_width
    if image.size != (width, height):
        image = image.resize((width, height), Image.Resampling.BILINEAR)
    return np.array(image, dtype=np.uint8), padded


def read_face(
    path: Path, box: NDArray[np.float64] | None, height_width: tuple[int, int]
) -> tuple[NDArray[np.uint8], bool, tuple[int, int]]:
    """Read, crop and resize one face.

    Returns:
        The crop (h, w, 3), whether it was padded, and height and width of the whole image after rotation.

    Raises:
        ImageFault: with the reason the row cannot be used.
    """
    try:
        image = decode_rgb(read_bytes(path))
        crop, padded = crop_face(image, box, height_width)
    except MemoryError as error:
        raise AuditError(f"there is not enough memory to read {path}") from error
    return crop, padded, (image.height, image.width)
