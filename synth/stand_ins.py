"""Which drawn faces stand in for real ones in pictures of a report? Three, with their landmarks.

``python -m countenance.synth.stand_ins FOLDER`` writes ``stand_ins.png`` (the faces side by side) and
``stand_ins.json`` (what each shows, and its 5, 68 and 478 landmarks in pixels of its own picture). The package holds
both in ``audit/robustness/data``, for an audit imports nothing of this folder.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from scipy.interpolate import RBFInterpolator

from ..explain.canonical import canonical_face, top_indices
from ..explain.landmarks import to_5, to_68
from .action_units import ActionUnits
from .draw import draw_face
from .face import Face, Light
from .person import Look, Person
from .pose import Pose
from .shape import Geometry

SIDE = 192
DRAWN = 480
UPPER_INNER_LIP, LOWER_INNER_LIP = (61, 62, 63), (65, 66, 67)
UPPER_LIP, LOWER_LIP = (*range(49, 54), *UPPER_INNER_LIP), (*range(55, 60), *LOWER_INNER_LIP)
FACES: tuple[Face, ...] = (
    Face(
        Person(
            "stand-in 1",
            Geometry(nose_width=1.12, upper_lip=1.15, lower_lip=1.1, eye_size=1.03),
            Look(monk_tone=9, presentation="feminine", hair="bun", hair_colour="black", iris="dark brown", rouge=0.4),
        ),
        "happy",
        ActionUnits({6: 0.8, 12: 0.9, 25: 0.85}),
        pose=Pose(yaw=0.06, roll=0.03),
        light=Light(right=-0.4, strength=0.6),
        background=1,
        noise=0.0,
    ),
    Face(
        Person(
            "stand-in 2",
            Geometry(jaw_width=1.05, chin_width=1.06, brow_thickness=1.3, brow_height=-0.03, upper_lip=0.85),
            Look(
                monk_tone=2, age_band="older", presentation="masculine", hair="parted", hair_colour="grey",
                iris="blue", beard="stubble", rouge=0.0, clothes=3, texture_seed=4,
            ),
        ),
        "neutral",
        ActionUnits({}),
        pose=Pose(yaw=-0.05, pitch=0.02),
        light=Light(right=0.5, strength=0.55),
        background=3,
        noise=0.0,
    ),
    Face(
        Person(
            "stand-in 3",
            Geometry(face_width=0.98, eye_tilt=0.05, eye_openness=0.96, jaw_width=0.97),
            Look(
                monk_tone=5, presentation="feminine", hair="bob", hair_colour="dark brown", iris="brown", rouge=0.3,
                clothes=5, texture_seed=9,
            ),
        ),
        "surprised",
        ActionUnits({1: 0.9, 2: 0.9, 5: 0.8, 25: 0.6, 26: 0.8}),
        pose=Pose(yaw=0.02, roll=-0.03),
        light=Light(right=-0.2, above=0.6, strength=0.5),
        background=5,
        noise=0.0,
    ),
)  # fmt: skip


def stand_in(face: Face) -> tuple[Image.Image, NDArray[np.float64]]:
    """Draw one face, cut out its box and reduce it.

    Returns:
        The picture of 192 x 192 pixels, and its 68 landmarks (68, 2), pixel (0, 0) covering [0, 1) x [0, 1).
    """
    drawn = draw_face(face, DRAWN)
    x0, y0, x1, y1 = (round(edge) for edge in drawn.box)
    picture = Image.fromarray(drawn.image).crop((x0, y0, x1, y1))
    points = (drawn.landmarks - (x0, y0)) * SIDE / np.array([x1 - x0, y1 - y0])
    return picture.resize((SIDE, SIDE), Image.Resampling.BOX), points


def mesh_of(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Carry the canonical face mesh to a drawn face: a thin-plate spline through the points that both sets have.

    The 68 points end at the brows, and raised brows would drag the hairline far up: the upper outline of the mesh goes
    where the affine map of all 68 points puts it. What lies above the line between the lips follows the upper lip and
    what lies below it the lower one, since a spline through both tears where a mouth opens.

    Args:
        points: 68 landmarks of the drawn face, (68, 2).

    Returns:
        478 points (478, 2) in the order of the mesh, those on the irises included.
    """
    mesh = canonical_face(478).shape
    known = to_68(mesh)
    free = [place for place in top_indices(478) if not np.isclose(mesh[place], known).all(1).any()]
    top = mesh[free]
    affine, *_ = np.linalg.lstsq(np.c_[known, np.ones(len(known))], points, rcond=None)
    anchors = np.c_[top, np.ones(len(top))] @ affine
    carried = np.empty_like(mesh)
    below = mesh[:, 1] > known[[*UPPER_INNER_LIP, *LOWER_INNER_LIP], 1].mean()
    for side, other in ((~below, LOWER_LIP), (below, UPPER_LIP)):
        kept = np.setdiff1d(np.arange(68), other)
        spline = RBFInterpolator(np.r_[known[kept], top], np.r_[points[kept], anchors], kernel="thin_plate_spline")
        carried[side] = spline(mesh[side])
    return carried


def write_stand_ins(folder: Path) -> None:
    """Write ``stand_ins.png`` and ``stand_ins.json``; the same package gives the same files."""
    sheet = Image.new("RGB", (SIDE * len(FACES), SIDE))
    told: list[dict[str, Any]] = []
    for place, face in enumerate(FACES):
        picture, points = stand_in(face)
        sheet.paste(picture, (place * SIDE, 0))
        landmarks = {"5": to_5(points), "68": points, "478": mesh_of(points)}
        rounded = {count: np.round(found, 1).tolist() for count, found in landmarks.items()}
        told.append({"expression": face.expression, "landmarks": rounded})
    folder.mkdir(parents=True, exist_ok=True)
    origin = PngInfo()
    origin.add_text("Source", "Drawn faces of nobody, by countenance.synth")
    sheet.save(folder / "stand_ins.png", optimize=True, pnginfo=origin)
    text = json.dumps({"side": SIDE, "faces": told}, separators=(",", ":"))
    (folder / "stand_ins.json").write_text(text + "\n", encoding="utf-8")


def main(arguments: list[str] | None = None) -> None:
    """Write the faces into a folder."""
    parser = argparse.ArgumentParser(prog="python -m countenance.synth.stand_ins", description=__doc__)
    parser.add_argument("folder", type=Path, help="where to write stand_ins.png and stand_ins.json")
    write_stand_ins(parser.parse_args(arguments).folder)


if __name__ == "__main__":
    main()
