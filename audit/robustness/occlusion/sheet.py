"""Do the occlusions look like what they are called? A sheet of them on drawn faces, to look at.

``python -m countenance.audit.robustness.occlusion.sheet OUT.png`` writes one.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from ..conditions import Condition
from ..strip import stand_ins
from .catalogue import RANDOM, patch_condition, thing_condition, things_of
from .occluder import Occluder
from .params import OcclusionParams

_CAPTION = 14
_SHARES = (0.1, 0.3, 0.6)


def occlusion_sheet(side: int = 112, columns: int = 8, seed: int = 7) -> Image.Image:
    """Draw the stand-ins as they are, under every region and object, and with patches hidden at random.

    Args:
        side: of each picture in pixels.
        columns: how many conditions stand beside each other.
        seed: of everything random.
    """
    params = OcclusionParams()
    occluder = Occluder(params, None, seed)
    faces, _ = stand_ins((side, side), "68")
    shown: list[tuple[str, Condition | None]] = [("as it is", None)]
    shown += [(name.replace("_", " "), thing_condition(name, moved=False)) for name in things_of(params)]
    shown += [(f"random, {share:g}", patch_condition(RANDOM, share)) for share in _SHARES]
    shown.append(("mask elsewhere", thing_condition("medical_mask", moved=True)))
    block = _CAPTION + side * len(faces)
    lines = -(-len(shown) // columns)
    sheet = Image.new("RGB", (side * columns, block * lines), "white")
    pen = ImageDraw.Draw(sheet)
    for place, (caption, condition) in enumerate(shown):
        x, y = place % columns * side, place // columns * block
        pen.text((x + side / 2, y + _CAPTION / 2), caption, fill="black", anchor="mm")
        pixels = faces.pixels if condition is None else occluder(condition, faces).pixels
        pictures = pixels.mul(255).round().byte().permute(0, 2, 3, 1).numpy()
        sheet.paste(Image.fromarray(np.concatenate(list(pictures))), (x, y + _CAPTION))
    return sheet


def main(arguments: list[str] | None = None) -> None:
    """Write the sheet to a file."""
    parser = argparse.ArgumentParser(prog="python -m countenance.audit.robustness.occlusion.sheet", description=__doc__)
    parser.add_argument("out", type=Path, help="picture to write (.png or .jpg)")
    parser.add_argument("--side", type=int, default=112, help="side of each picture in pixels (112)")
    parser.add_argument("--seed", type=int, default=7, help="seed of what is random (7)")
    given = parser.parse_args(arguments)
    occlusion_sheet(given.side, seed=given.seed).save(given.out)


if __name__ == "__main__":
    main()
