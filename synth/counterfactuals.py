"""The same drawn picture twice, with one thing changed: ``python -m countenance.synth.counterfactuals OUT``.

Shape of the face, expression, pose, light, background and noise are those of one :class:`~.face.Face`; only what
``changed`` names differs. A drawing allows what no photograph does: nothing else moves with it. Both pictures of the
control ``noise`` show the same but for the grain.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType

import numpy as np
from PIL import Image, ImageDraw

from ..core.errors import UsageError, nearest
from .dataset import draw_people
from .draw import DEFAULT_SIZE, DrawnFace, draw_face
from .expression import EXPRESSIONS
from .face import Face, draw_face_parameters
from .person import Look
from .tones import BACKGROUNDS, tones_of

PAIRS = "pairs.csv"
CONTROL = "noise"
_PICTURE, _CHANGE = 5, 6
_KEPT = ("face", "skin", "hair", "wear", "expression", "pose", "light", "background", "noise")
_CAPTION = 16


@dataclass(frozen=True)
class Variation:
    """One thing with two values: the first picture of a pair shows one, the second the other."""

    first: str
    second: str
    a: Face
    b: Face


def _worn(face: Face, **look: object) -> Face:
    changed: Look = replace(face.person.look, **look)  # type: ignore[arg-type]
    return replace(face, person=replace(face.person, look=changed))


def _skin_tone(face: Face, rng: np.random.Generator) -> Variation:
    light, dark = (int(rng.choice(tones_of(group))) for group in ("light", "dark"))
    return Variation("light", "dark", _worn(face, monk_tone=light), _worn(face, monk_tone=dark))


def _glasses(face: Face, rng: np.random.Generator) -> Variation:
    kind = str(rng.choice(["round", "square"]))
    return Variation("none", kind, _worn(face, glasses="none"), _worn(face, glasses=kind))


def _beard(face: Face, rng: np.random.Generator) -> Variation:
    return Variation("none", "full", _worn(face, beard="none"), _worn(face, beard="full"))


def _hair(face: Face, rng: np.random.Generator) -> Variation:
    feminine = face.person.look.presentation == "feminine"
    first, second = ("long", "bun") if feminine else ("short", "bald")
    return Variation(first, second, _worn(face, hair=first), _worn(face, hair=second))


def _presentation(face: Face, rng: np.random.Generator) -> Variation:
    feminine = {"presentation": "feminine", "hair": "long", "beard": "none", "rouge": 0.7}
    masculine = {"presentation": "masculine", "hair": "short", "beard": "none", "rouge": 0.0}
    return Variation("feminine", "masculine", _worn(face, **feminine), _worn(face, **masculine))


def _background(face: Face, rng: np.random.Generator) -> Variation:
    first, second = (int(place) for place in rng.choice(len(BACKGROUNDS), 2, replace=False))
    return Variation(str(first), str(second), replace(face, background=first), replace(face, background=second))


def _noise(face: Face, rng: np.random.Generator) -> Variation:
    first, second = (int(seed) for seed in rng.integers(2**31, size=2))
    return Variation("one grain", "another", replace(face, noise_seed=first), replace(face, noise_seed=second))


CHANGES: Mapping[str, Callable[[Face, np.random.Generator], Variation]] = MappingProxyType(
    {
        "skin_tone": _skin_tone,
        "presentation": _presentation,
        "hair": _hair,
        "glasses": _glasses,
        "beard": _beard,
        "background": _background,
        CONTROL: _noise,
    }
)
"""What can be changed. ``presentation`` is hair, lips, brows and neck; the shape of the face stays."""

_MOVES: Mapping[str, tuple[str, ...]] = {
    "skin_tone": ("skin",),
    "presentation": ("hair", "wear"),
    "hair": ("hair",),
    "glasses": ("wear",),
    "beard": ("wear",),
    "background": ("background",),
    CONTROL: ("noise",),
}


@dataclass(frozen=True)
class FacePair:
    """Two faces that differ in one thing.

    Attributes:
        pair_id: name of the pair.
        changed: a name of `CHANGES`.
        first: what the first picture shows of it.
        second: what the second shows.
        kept: what is the same, in words.
        base: the picture as drawn for the person, before the change; it says to which groups the person belongs.
        a: the first picture.
        b: the second.
    """

    pair_id: str
    changed: str
    first: str
    second: str
    kept: str
    base: Face
    a: Face
    b: Face


@dataclass(frozen=True)
class DrawnPairs:
    """Pairs on disk: the folder, the table of pairs and their number."""

    folder: Path
    pairs: Path
    count: int


def pairs_of(
    subjects: int,
    seed: int,
    changes: Sequence[str] = tuple(CHANGES),
    expressions: Sequence[str] = EXPRESSIONS,
) -> Iterator[FacePair]:
    """Give the pairs of drawn people, person by person; everything follows from the seed.

    Args:
        subjects: number of people; balanced over skin tone, presentation and age as in a data set.
        seed: 0 or more.
        changes: names of `CHANGES`. A beard is drawn on people of masculine presentation only.
        expressions: shown by each person, one after the other.

    Raises:
        UsageError: for an unknown change or expression.
    """
    for given, known in ((changes, tuple(CHANGES)), (expressions, EXPRESSIONS)):
        for name in given:
            if name not in known:
                raise UsageError(f"Expected one of {', '.join(known)}, but got {name!r}{nearest(name, known)}.")
    for index, person in enumerate(draw_people(subjects, seed)):
        for place, expression in enumerate(expressions):
            base = draw_face_parameters(np.random.default_rng([seed, _PICTURE, index, place]), person, expression)
            for changed in changes:
                if changed == "beard" and person.look.presentation == "feminine":
                    continue
                rng = np.random.default_rng([seed, _CHANGE, index, place, list(CHANGES).index(changed)])
                made = CHANGES[changed](base, rng)
                kept = ", ".join(part for part in _KEPT if part not in _MOVES[changed])
                name = f"{person.subject}-{expression}-{changed}"
                yield FacePair(name, changed, made.first, made.second, kept, base, made.a, made.b)


def draw_pairs(
    folder: Path,
    subjects: int = 60,
    seed: int = 0,
    *,
    changes: Sequence[str] = tuple(CHANGES),
    expressions: Sequence[str] = EXPRESSIONS,
    size: int = DEFAULT_SIZE,
) -> DrawnPairs:
    """Draw pairs into a folder, with the table that the probe ``counterfactual_pairs`` reads.

    Args:
        folder: made if it is missing; must not hold such a table yet.
        subjects: number of people.
        seed: 0 or more.
        changes: names of `CHANGES`.
        expressions: shown by each person.
        size: side of the pictures in pixels.

    Raises:
        UsageError: when the folder holds pairs already, or an argument is out of range.
    """
    table = folder / PAIRS
    if table.exists():
        raise UsageError(f"Expected {folder} to hold no {PAIRS} yet, but it does. Name another folder.")
    (folder / "images").mkdir(parents=True, exist_ok=True)
    rows = []
    for pair in pairs_of(subjects, seed, changes, expressions):
        row = {"pair_id": pair.pair_id}
        boxes: dict[str, str] = {}
        for side, face in (("a", pair.a), ("b", pair.b)):
            drawn = draw_face(face, size)
            row[f"path_{side}"] = f"images/{pair.pair_id}-{side}.png"
            Image.fromarray(drawn.image).save(folder / row[f"path_{side}"])
            boxes |= _box(side, drawn)
        look = pair.base.person.look
        row |= {"changed": pair.changed, "kept": pair.kept, "from": pair.first, "to": pair.second}
        row |= {"subject": pair.base.person.subject, "label": pair.base.expression, "skin_tone": look.skin_tone}
        row |= {"gender_presentation": look.presentation, "age_band": look.age_band}
        rows.append(row | boxes)
    with table.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return DrawnPairs(folder, table, len(rows))


def _box(side: str, drawn: DrawnFace) -> dict[str, str]:
    edges = zip(("x0", "y0", "x1", "y1"), drawn.box, strict=True)
    return {f"box_{side}_{edge}": f"{value:.2f}" for edge, value in edges}


def pair_sheet(subjects: int, seed: int, size: int = DEFAULT_SIZE, expression: str = "happy") -> Image.Image:
    """Draw people (rows) with each change (two columns each), to look at."""
    names = list(CHANGES)
    sheet = Image.new("RGB", (2 * size * len(names), _CAPTION + size * subjects), "white")
    pen = ImageDraw.Draw(sheet)
    for column, name in enumerate(names):
        pen.text(((2 * column + 1) * size, _CAPTION / 2), name, fill="black", anchor="mm")
    rows = {person.subject: row for row, person in enumerate(draw_people(subjects, seed))}
    for pair in pairs_of(subjects, seed, expressions=(expression,)):
        top = _CAPTION + size * rows[pair.base.person.subject]
        for place, face in enumerate((pair.a, pair.b)):
            left = size * (2 * names.index(pair.changed) + place)
            sheet.paste(Image.fromarray(draw_face(face, size).image), (left, top))
    return sheet


def main(arguments: list[str] | None = None) -> None:
    """Write pairs and their table into a folder, or a sheet of them to look at."""
    parser = argparse.ArgumentParser(prog="python -m countenance.synth.counterfactuals", description=__doc__)
    parser.add_argument("out", type=Path, help="folder for the pairs; or a .png, for a sheet to look at")
    parser.add_argument("--subjects", type=int, default=None, help="number of people (60; 6 on a sheet)")
    parser.add_argument("--seed", type=int, default=0, help="seed of the people (0)")
    parser.add_argument("--size", type=int, default=DEFAULT_SIZE, help=f"side of a picture ({DEFAULT_SIZE})")
    parser.add_argument("--changes", nargs="+", default=list(CHANGES), help=f"of {', '.join(CHANGES)} (all)")
    parser.add_argument("--expressions", nargs="+", default=list(EXPRESSIONS), help="shown by each person (all)")
    given = parser.parse_args(arguments)
    if given.out.suffix == ".png":
        pair_sheet(given.subjects or 6, given.seed, given.size).save(given.out)
        return
    made = draw_pairs(
        given.out,
        given.subjects or 60,
        given.seed,
        changes=given.changes,
        expressions=given.expressions,
        size=given.size,
    )
    print(f"{made.count:,} pairs in {made.pairs}")


if __name__ == "__main__":
    main()
