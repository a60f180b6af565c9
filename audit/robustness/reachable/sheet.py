"""Do the attacks look like what they are called? A sheet of a run's strip, to look at.

``python -m countenance.audit.robustness.reachable.sheet RUN_FOLDER OUT.png`` writes one, of the faces that the strip of
the probe in that run folder holds, with the model's answers.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

_CAPTION, _LINE, _GAP = 26, 13, 4


def strip_sheet(pictures: NDArray[np.uint8], told: dict[str, Any], columns: int) -> Image.Image:
    """Lay out pictures with captions above and answers below.

    Args:
        pictures: (faces, conditions + 1, h, w, 3).
        told: what ``strip.json`` says of them.
        columns: how many conditions stand beside each other.
    """
    faces, count, height, width = pictures.shape[:4]
    across, down = width + _GAP, height + _LINE + _GAP
    lines = -(-count // columns)
    sheet = Image.new("RGB", (across * columns, (down * faces + _CAPTION) * lines), "white")
    pen = ImageDraw.Draw(sheet)
    for number, condition in enumerate(told["conditions"]):
        x, y = number % columns * across, number // columns * (down * faces + _CAPTION)
        values = condition["values"]
        name = values.get("attack", "as it is").replace("_", " ").replace("random ", "random\n")
        size = "".join(f" {value}" for key, value in values.items() if key != "attack")
        pen.multiline_text(
            (x + width / 2, y + _CAPTION / 2), name + size, "black", anchor="mm", align="center", spacing=0
        )
        for place in range(faces):
            top = y + _CAPTION + place * down
            sheet.paste(Image.fromarray(pictures[place, number]), (x, top))
            answer = told["faces"][place]["answers"][number]
            colour = (180, 0, 0) if answer["changed"] else (90, 90, 90)
            pen.text((x + width / 2, top + height + _LINE / 2), answer["text"], colour, anchor="mm")
    return sheet


def main(arguments: list[str] | None = None) -> None:
    """Write the sheet to a file."""
    parser = argparse.ArgumentParser(prog="python -m countenance.audit.robustness.reachable.sheet", description=__doc__)
    parser.add_argument("run", type=Path, help="run folder")
    parser.add_argument("out", type=Path, help="picture to write (.png or .jpg)")
    parser.add_argument("--probe", default="reachable_attacks", help="id of the probe in the run")
    parser.add_argument("--columns", type=int, default=8, help="conditions beside each other (8)")
    given = parser.parse_args(arguments)
    strip = given.run / "artifacts" / f"{given.probe}.strip"
    told = json.loads(strip.with_name(f"{strip.name}.json").read_text(encoding="utf-8"))
    with np.load(strip.with_name(f"{strip.name}.npz")) as arrays:
        pictures = arrays["pictures"]
    strip_sheet(pictures, told, given.columns).save(given.out)


if __name__ == "__main__":
    main()
