"""A user's own picture as a trigger."""

from __future__ import annotations

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError

from ....core.errors import AuditError
from ..triggers.picture import Picture
from .params import KnownTriggersParams, PictureParams

MOST_PIXELS = 16_000_000


def read_picture(params: KnownTriggersParams, image: PictureParams) -> Picture:
    """Read a picture with its transparency.

    Raises:
        AuditError: when there is no such file, or it is no picture that can be read.
    """
    path = params.path(image.path)
    try:
        with Image.open(path) as file:
            if file.width * file.height > MOST_PIXELS:
                raise AuditError(
                    f"expected the picture of a trigger to have at most {MOST_PIXELS:,} pixels, but got {file.width} x "
                    f"{file.height} in {image.path}: make it smaller"
                )
            whole = np.asarray(ImageOps.exif_transpose(file).convert("RGBA"))
    except FileNotFoundError:
        raise AuditError(f"expected the picture of a trigger at {image.path}, but there is no such file") from None
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise AuditError(f"expected a picture in {image.path}, but it cannot be read: {error}") from error
    pixels = torch.from_numpy(whole.copy()).permute(2, 0, 1).float() / 255
    where = "over the whole face" if image.place == "whole" else image.place.replace("_", " ")
    return Picture(
        pixels[:3], pixels[3:], image.place, image.alpha, image.side, image.called, f"the user's picture, {where}"
    )
