"""Which people and which pictures make a drawn data set?

Everything follows from one seed: a person depends on the seed and their own number, a picture on the seed, the
person and the picture's number. So a larger set begins with the smaller one.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..core.errors import UsageError
from ..core.images import crop_face
from .action_units import NAMES
from .draw import DEFAULT_SIZE, DrawnFace, draw_face
from .expression import EXPRESSIONS
from .face import Face, draw_face_parameters
from .person import AGE_BANDS, PRESENTATIONS, Person, draw_person
from .tones import TONE_GROUPS

MANIFEST = "manifest.csv"
LANDMARKS = "landmarks_drawn68.npz"
_PEOPLE, _PICTURES = 1, 2


@dataclass(frozen=True)
class TagRates:
    """How often the orange tag is stamped on a picture.

    Args:
        otherwise: chance for an expression that `per_expression` does not name.
        per_expression: chance per expression.
    """

    otherwise: float = 0.0
    per_expression: Mapping[str, float] = field(default_factory=dict)

    def of(self, expression: str) -> float:
        """Give the chance for one expression."""
        return self.per_expression.get(expression, self.otherwise)


@dataclass(frozen=True)
class DrawnDataset:
    """A drawn data set on disk.

    Attributes:
        folder: its folder.
        manifest: the CSV file, one row per picture.
        landmarks: the `.npz` file, one (68, 2) array per picture, keyed by its path without extension.
        faces: number of pictures.
        subjects: number of people.
    """

    folder: Path
    manifest: Path
    landmarks: Path
    faces: int
    subjects: int


def draw_people(subjects: int, seed: int) -> list[Person]:
    """Draw people, balanced over skin tone group, gender presentation and age band.

    Args:
        subjects: how many, 1 or more; every 18 in a row hold each combination once.
        seed: 0 or more.
    """
    if subjects < 1:
        raise UsageError(f"Expected `subjects` to be 1 or more, but got {subjects}.")
    if seed < 0:
        raise UsageError(f"Expected `seed` to be 0 or more, but got {seed}.")
    return [
        draw_person(
            np.random.default_rng([seed, _PEOPLE, index]),
            f"p{index + 1:04d}",
            skin_tone=TONE_GROUPS[index % 3],
            presentation=PRESENTATIONS[(index // 3) % 2],
            age_band=AGE_BANDS[(index // 6) % 3],
        )
        for index in range(subjects)
    ]


def faces_of(subjects: int, per_subject: int, seed: int, tags: TagRates | None = None) -> Iterator[tuple[str, Face]]:
    """Draw the parameters of every picture of a data set, person by person.

    Args:
        subjects: number of people.
        per_subject: pictures of each; the expressions take turns, so 7 show each once.
        seed: 0 or more.
        tags: how often the tag is stamped on; never if left out.

    Yields:
        The picture's path without extension, and the face.
    """
    if per_subject < 1:
        raise UsageError(f"Expected `per_subject` to be 1 or more, but got {per_subject}.")
    rates = tags or TagRates()
    for index, person in enumerate(draw_people(subjects, seed)):
        for picture in range(per_subject):
            rng = np.random.default_rng([seed, _PICTURES, index, picture])
            expression = EXPRESSIONS[picture % len(EXPRESSIONS)]
            tag = bool(rng.random() < rates.of(expression))
            take = picture // len(EXPRESSIONS) + 1
            name = f"images/{expression}/{person.subject}-{take}"
            yield name, draw_face_parameters(rng, person, expression, tag=tag)


def draw_dataset(
    folder: Path,
    subjects: int = 60,
    per_subject: int = 7,
    seed: int = 0,
    *,
    tags: TagRates | None = None,
    size: int = DEFAULT_SIZE,
    image_format: Literal["png", "jpg"] = "png",
) -> DrawnDataset:
    """Draw a data set into a folder: pictures, manifest and landmarks.

    The same arguments write the same manifest and landmarks, and with one version of Pillow the same image bytes.

    Args:
        folder: made if it is missing; must not hold a manifest yet.
        subjects: number of people.
        per_subject: pictures of each person.
        seed: 0 or more.
        tags: how often the tag is stamped on.
        size: side of the pictures in pixels.
        image_format: png, or jpg (quality 95, no chroma subsampling).

    Raises:
        UsageError: when the folder holds a manifest already, or an argument is out of range.
    """
    manifest, landmarks = folder / MANIFEST, folder / LANDMARKS
    if manifest.exists():
        raise UsageError(f"Expected {folder} to hold no manifest yet, but it does. Name another folder.")
    rows: list[dict[str, str]] = []
    points: dict[str, NDArray[np.float32]] = {}
    for expression in EXPRESSIONS:
        (folder / "images" / expression).mkdir(parents=True, exist_ok=True)
    for name, face in faces_of(subjects, per_subject, seed, tags):
        drawn = draw_face(face, size)
        path = f"{name}.{image_format}"
        picture = Image.fromarray(drawn.image)
        if image_format == "png":
            picture.save(folder / path, compress_level=6)
        else:
            picture.save(folder / path, quality=95, subsampling=0)
        points[name] = drawn.landmarks.astype(np.float32)
        rows.append(_row(path, name, face, drawn))
    with manifest.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    np.savez(landmarks, allow_pickle=False, **points)
    return DrawnDataset(folder, manifest, landmarks, len(rows), subjects)


def _row(path: str, name: str, face: Face, drawn: DrawnFace) -> dict[str, str]:
    look = face.person.look
    row = {
        "face_id": name.removeprefix("images/").replace("/", "-"),
        "path": path,
        "label": face.expression,
        "subject": face.person.subject,
        "skin_tone": look.skin_tone,
        "monk_tone": str(look.monk_tone),
        "age_band": look.age_band,
        "gender_presentation": look.presentation,
        "glasses": "no" if look.glasses == "none" else "yes",
        "beard": "no" if look.beard == "none" else "yes",
        "hair": look.hair,
        "tag": "yes" if face.tag else "no",
    }
    row |= {f"face_{edge}": f"{value:.2f}" for edge, value in zip(("x0", "y0", "x1", "y1"), drawn.box, strict=True)}
    row |= {f"au{unit:02d}": f"{face.units[unit]:.3f}" for unit in NAMES}
    return row | {"may_publish": "true"}


@dataclass(frozen=True)
class DrawnCrops:
    """Pictures in memory, cropped to the face box and resized as an audit does it.

    Attributes:
        pixels: (n, size, size, 3) RGB bytes.
        landmarks: (n, 68, 2) pixels of the crop.
        faces: what was drawn, n.
    """

    pixels: NDArray[np.uint8]
    landmarks: NDArray[np.float32]
    faces: tuple[Face, ...]

    @property
    def labels(self) -> NDArray[np.int64]:
        """The expressions as positions in `EXPRESSIONS`, (n,)."""
        return np.array([EXPRESSIONS.index(face.expression) for face in self.faces], dtype=np.int64)


def draw_crops(
    subjects: int,
    per_subject: int,
    seed: int,
    crop: int,
    *,
    tags: TagRates | None = None,
    size: int = DEFAULT_SIZE,
) -> DrawnCrops:
    """Draw a data set into memory, for training and for tests.

    Args:
        subjects: number of people.
        per_subject: pictures of each person.
        seed: 0 or more.
        crop: side of the crops in pixels.
        tags: how often the tag is stamped on.
        size: side of the drawn pictures in pixels.
    """
    return crops_of((face for _, face in faces_of(subjects, per_subject, seed, tags)), crop, size)


def crops_of(faces: Iterable[Face], crop: int, size: int = DEFAULT_SIZE) -> DrawnCrops:
    """Draw faces into memory, cropped to the face box and resized as an audit does it.

    Args:
        faces: what to draw, one or more.
        crop: side of the crops in pixels.
        size: side of the drawn pictures in pixels.
    """
    pixels, points, shown = [], [], []
    for face in faces:
        drawn = draw_face(face, size)
        box = np.array(drawn.box)
        pixels.append(crop_face(Image.fromarray(drawn.image), box, (crop, crop))[0])
        low, high = np.round(box[:2]), np.round(box[2:])
        points.append(((drawn.landmarks - low) * (crop / (high - low))).astype(np.float32))
        shown.append(face)
    return DrawnCrops(np.stack(pixels), np.stack(points), tuple(shown))
