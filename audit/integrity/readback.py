"""Do answers survive saving a picture, and another way of making it small?"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from io import BytesIO

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.nn import functional

from ...core.errors import CountenanceError
from ...core.images import ImageFault, decode_rgb, read_bytes
from .differences import measure, not_measured
from .material import Floats, Integers, Material, as_array
from .verdicts import Check, not_checked

JPEG_QUALITY = 95
RESIZED = 128
"""How many faces are read again from their files to be made small in another way."""
_Picture = NDArray[np.uint8]


def saved(material: Material, *, random: bool) -> Iterator[Check]:
    """Save each crop as PNG and as JPEG of quality 95, read it back and ask again."""
    yield _saved(material, "saved_png", "saved as PNG and read back", "PNG", random)
    yield _saved(material, "saved_jpeg", f"saved as JPEG {JPEG_QUALITY} and read back", "JPEG", random)


def resized(material: Material, *, random: bool) -> Iterator[Check]:
    """Make the crops again from the images, with plain bilinear interpolation and with the nearest pixel."""
    ways = (("resized_bilinear", "bilinear"), ("resized_nearest", "nearest"))
    titles = {
        "bilinear": "made small by bilinear interpolation without antialiasing",
        "nearest": "made small by nearest pixel",
    }
    if random:
        why = "answers to the same picture differ already"
        for check, way in ways:
            yield not_checked(check, titles[way], why, not_measured(material, check, why))
        return
    places = material.some(RESIZED)
    try:
        crops = _originals(material, places)
    except (ImageFault, CountenanceError, OSError) as error:
        why = f"the images cannot be read again: {error}"
        for check, way in ways:
            yield not_checked(check, titles[way], why, not_measured(material, check, why))
        return
    for check, way in ways:
        after = _ask_pixels(material, torch.stack([_small(crop, material.target.size, way) for crop in crops]))
        advice = "Make faces small in one way in training, audit and service: answers hang on antialiasing"
        yield _sensitivity(material, check, titles[way], places, after, advice)


def _saved(material: Material, check: str, title: str, format: str, random: bool) -> Check:
    if random:
        why = "answers to the same picture differ already"
        return not_checked(check, title, why, not_measured(material, check, why))
    places = np.arange(len(material), dtype=np.int64)
    images = material.pixels.permute(0, 2, 3, 1).numpy()
    again = torch.from_numpy(np.stack([_through(image, format) for image in images])).permute(0, 3, 1, 2).contiguous()
    after = _ask_pixels(material, again)
    if format == "PNG":
        found = measure(material, check, places, material.outputs, after)
        equal = bool(torch.equal(again, material.pixels))
        if equal and not found.beyond_rounding:
            return Check(check, title, "holds", f"the same pixels, {found.words}", measurements=found.measurements)
        return Check(
            check, title, "differs", found.words, "Pillow does not give back the pixels it was given: install it anew",
            measurements=found.measurements,
        )  # fmt: skip
    advice = "Answers hang on what a JPEG file loses: keep crops as PNG, and audit on files saved as those in service"
    return _sensitivity(material, check, title, places, after, advice)


def _sensitivity(material: Material, check: str, title: str, places: Integers, after: Floats, advice: str) -> Check:
    found = measure(material, check, places, material.outputs[places], after)
    if not found.many:
        return Check(check, title, "holds", found.words, measurements=found.measurements)
    return Check(check, title, "differs", found.words, advice, severity="low", measurements=found.measurements)


def _ask_pixels(material: Material, pixels: Tensor) -> Floats:
    """Return raw outputs for 8-bit pixels (m, 3, h, w) in batches of the run's size."""
    size, found = material.context.batch_size, []
    with torch.no_grad():
        for start in range(0, len(pixels), size):
            part = pixels[start : start + size].float().div_(255)
            found.append(as_array(material.target(part)))
            material.advance(len(part))
    return np.concatenate(found)


def _through(image: _Picture, format: str) -> _Picture:
    file = BytesIO()
    settings = {"quality": JPEG_QUALITY} if format == "JPEG" else {}
    Image.fromarray(image).save(file, format, **settings)
    file.seek(0)
    return np.array(Image.open(file).convert("RGB"), dtype=np.uint8)


def _originals(material: Material, places: Integers) -> list[_Picture]:
    """Return the crops at these places before they are made small, each (h, w, 3).

    A box that reaches over the edge is filled with black, as the audit's own crop is.
    """
    faces = material.context.faces
    crops = []
    for row in material.rows[places].tolist():
        image = decode_rgb(read_bytes(faces.folder / str(faces.frame["path"].iat[row])))
        if faces.boxes is not None:
            x0, y0, x1, y1 = (round(float(edge)) for edge in faces.boxes[row])
            image = image.crop((x0, y0, x1, y1))
        crops.append(np.array(image, dtype=np.uint8))
    return crops


def _small(crop: _Picture, height_width: tuple[int, int], way: str) -> Tensor:
    pixels = torch.from_numpy(crop).permute(2, 0, 1)[None].float()
    if pixels.shape[2:] == torch.Size(height_width):
        return pixels[0].to(torch.uint8)
    resize: dict[str, Callable[[Tensor], Tensor]] = {
        "bilinear": lambda x: functional.interpolate(x, height_width, mode="bilinear", align_corners=False),
        "nearest": lambda x: functional.interpolate(x, height_width, mode="nearest"),
    }
    return resize[way](pixels)[0].round().clamp(0, 255).to(torch.uint8)
