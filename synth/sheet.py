"""Do the drawn faces look like faces? A sheet of people by expressions, to look at.

``python -m countenance.synth.sheet OUT.png`` writes one.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from .dataset import draw_people
from .draw import DEFAULT_SIZE, draw_face
from .expression import EXPRESSIONS
from .face import draw_face_parameters

_CAPTION = 16


def contact_sheet(subjects: int, seed: int, size: int = DEFAULT_SIZE, *, landmarks: bool = False) -> Image.Image:
    """Draw people (rows) showing each expression (columns).

    Args:
        subjects: number of rows.
        seed: 0 or more.
        size: side of each picture in pixels.
        landmarks: whether to mark the 68 landmarks.
    """
    sheet = Image.new("RGB", (size * len(EXPRESSIONS), _CAPTION + size * subjects), "white")
    pen = ImageDraw.Draw(sheet)
    for column, expression in enumerate(EXPRESSIONS):
        pen.text((column * size + size / 2, _CAPTION / 2), expression, fill="black", anchor="mm")
    for row, person in enumerate(draw_people(subjects, seed)):
        for column, expression in enumerate(EXPRESSIONS):
            rng = np.random.default_rng([seed, row, column])
            drawn = draw_face(draw_face_parameters(rng, person, expression), size)
            corner = (column * size, _CAPTION + row * size)
            sheet.paste(Image.fromarray(drawn.image), corner)
            if landmarks:
                for x, y in drawn.landmarks + corner:
                    pen.ellipse((x - 1, y - 1, x + 1, y + 1), fill=(0, 230, 0))
    return sheet


def main(arguments: list[str] | None = None) -> None:
    """Write a contact sheet to a file."""
    parser = argparse.ArgumentParser(prog="python -m countenance.synth.sheet", description=__doc__)
    parser.add_argument("out", type=Path, help="picture to write (.png or .jpg)")
    parser.add_argument("--subjects", type=int, default=9, help="number of people (9)")
    parser.add_argument("--seed", type=int, default=1, help="seed of the people (1)")
    parser.add_argument(
        "--size", type=int, default=DEFAULT_SIZE, help=f"side of each picture in pixels ({DEFAULT_SIZE})"
    )
    parser.add_argument("--landmarks", action="store_true", help="mark the 68 landmarks")
    given = parser.parse_args(arguments)
    contact_sheet(given.subjects, given.seed, given.size, landmarks=given.landmarks).save(given.out)


if __name__ == "__main__":
    main()
