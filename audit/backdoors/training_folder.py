"""The folder that a trainer is given: pictures as PNG and ``manifest.csv``.

Columns of the manifest: ``path`` (relative to the folder), ``label``, ``subject`` (a number, not the person's id),
``split`` (always ``train``), ``method`` (how a forgery was made, empty for genuine pictures) and ``source`` (for a
forgery made here the path of the genuine picture it was made of, else empty). Pictures are in a random order, so that
neither their names nor the order of lines tells which were changed. A changed picture says so in its PNG metadata.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image
from PIL.PngImagePlugin import PngInfo

MANIFEST = "manifest.csv"
COLUMNS = ("path", "label", "subject", "split", "method", "source")
MARK = "Synthetic or altered: made by countenance for an audit, to be deleted after it"
"""What the metadata of a made or stamped picture says."""


@dataclass(frozen=True, eq=False)
class TrainingPicture:
    """One picture of a training folder.

    Attributes:
        pixels: uint8, RGB, (h, w, 3).
        label: its label, true or poisoned.
        subject: number of the person.
        method: how a forgery was made.
        source: place, in the same list, of the picture it was made of; -1 for none.
        altered: whether it is no photo as it was taken, which its metadata then says.
    """

    pixels: NDArray[np.uint8]
    label: str
    subject: int
    method: str = ""
    source: int = -1
    altered: bool = False


def write_training_folder(folder: Path, pictures: Sequence[TrainingPicture], random: np.random.Generator) -> Path:
    """Write pictures and manifest into a new folder, and return it.

    Args:
        folder: must not exist.
        pictures: of one size.
        random: decides the order.
    """
    (folder / "images").mkdir(parents=True)
    order = random.permutation(len(pictures))
    names = {int(place): f"images/{number:06d}.png" for number, place in enumerate(order)}
    marked = PngInfo()
    marked.add_text("Comment", MARK)
    lines = []
    for place in order.tolist():
        picture = pictures[place]
        Image.fromarray(picture.pixels).save(
            folder / names[place], pnginfo=marked if picture.altered else None, compress_level=1
        )
        source = names[picture.source] if picture.source >= 0 else ""
        lines.append((names[place], picture.label, picture.subject, "train", picture.method, source))
    pd.DataFrame(lines, columns=list(COLUMNS)).to_csv(folder / MANIFEST, index=False)
    return folder
