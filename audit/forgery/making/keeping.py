"""Forgeries kept on purpose: a folder of pictures, each marked, with masks, landmarks and a manifest to audit it with.

Inside the box that the manifest gives, forged and genuine pictures differ in nothing but the forging: both are cut,
resized and saved by the same steps, once, and both carry a strip of the same form below the face, outside the box. What
the strip and the metadata say does differ, and so do path and length of the file.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from ....core.errors import AuditError, UsageError
from ....core.faces import Faces
from ....core.files import write_atomically
from ....core.plan import FORGED, GENUINE
from .catalogue import METHODS, UNTOUCHED, forge
from .codec import QUALITY, encoded
from .marking import COPY_MARK, SYNTHETIC_MARK, marked, strip_height
from .photo import Forged, ForgeryError, Photo, face_crop, photo_of
from .photos import Photos
from .pool import Integers, Pool, groups_of, lot, splices, unusable_landmarks, with_other_photos

SIZE = 256
EXTENT = 1.6
"""Side of the square that is kept of a face, in extents of its landmarks."""
MANIFEST, LANDMARKS, README = "manifest.csv", "landmarks.npz", "README.md"
BOX = ("face_x0", "face_y0", "face_x1", "face_y1")
_OWN = ("path", "label", "method", "mask", "subject", "donor", *BOX, "source")


@dataclass(frozen=True)
class Keeping:
    """What to make.

    Attributes:
        methods: kinds of forgery.
        seed: decides everything that is drawn.
        size: side of the pictures without the strip, a multiple of 16, so that no block of the codec holds both.
        quality: of the JPEGs.
    """

    methods: tuple[str, ...]
    seed: int = 0
    size: int = SIZE
    quality: int = QUALITY

    def __post_init__(self) -> None:
        if self.size % 16 or not 64 <= self.size <= 1024:
            raise UsageError(f"expected a size that is a multiple of 16 from 64 to 1024, but got {self.size}")
        for name in self.methods:
            if name not in METHODS:
                raise UsageError(f"expected kinds of forgery among {', '.join(METHODS)}, but got {name!r}")
        if not self.methods or len(set(self.methods)) < len(self.methods):
            raise UsageError(f"expected at least one kind of forgery, each once, but got {list(self.methods)}")


@dataclass(frozen=True)
class Kept:
    """What was made.

    Attributes:
        pictures: number of pictures by method; ``genuine`` for the copies.
        skipped: faces of which nothing was made, by reason.
        without: faces of which a kind was not made, for they have no partner, by kind.
        refused: faces that a kind could not be done to, by kind and reason.
    """

    pictures: dict[str, int]
    skipped: dict[str, int] = field(default_factory=dict)
    without: dict[str, int] = field(default_factory=dict)
    refused: dict[str, dict[str, int]] = field(default_factory=dict)


def keep_forgeries(
    faces: Faces,
    rows: Integers,
    carried: pd.DataFrame,
    out: Path,
    keeping: Keeping,
    advance: Callable[[int], None] | None = None,
    *,
    candidates: Integers | None = None,
) -> Kept:
    """Make forgeries of faces and write them into a folder, the manifest last.

    Args:
        faces: of a plan or manifest.
        rows: which of them, ascending.
        carried: columns to carry over into the manifest, one row per face of ``faces``.
        out: the folder; made if missing, and refused if it holds a manifest.
        keeping: what to make.
        advance: told how many more pictures were written.
        candidates: faces that other photos of the same people are taken from; ``rows`` unless given.

    Raises:
        UsageError: when the folder holds a manifest already.
        ForgeryError: when none of the faces can be used.
    """
    if (out / MANIFEST).exists():
        raise UsageError(f"expected {out} to hold no {MANIFEST} yet, but it does: name another folder")
    people = faces.subject_codes
    everyone = rows if candidates is None else candidates
    read = rows
    if splices(keeping.methods):
        read = with_other_photos(rows, everyone, people, lot(keeping.seed, "other photos"))
    pool = _read(faces, read, keeping.size)
    chosen = [row for row in rows.tolist() if row in pool.photos]
    if not chosen:
        raise ForgeryError(f"none of the {len(rows):,} faces can be used: {'; '.join(pool.skipped)}")
    partners = pool.all_partners(keeping.methods, lambda kind: lot(keeping.seed, "partners", kind))
    writing = _Writing(faces, pool, carried, out, keeping)
    without: Counter[str] = Counter()
    refused: dict[str, Counter[str]] = {}
    for row in chosen:
        pool.photos.hold([row, *(partners[name].get(row, row) for name in keeping.methods)])
        for name in (UNTOUCHED, *keeping.methods):
            if name != UNTOUCHED and row not in partners[name]:
                without[name] += 1
            else:
                try:
                    writing.write(name, row, row if name == UNTOUCHED else partners[name][row])
                except ForgeryError as error:
                    refused.setdefault(name, Counter())[str(error)] += 1
            if advance is not None:
                advance(1)
    writing.finish()
    told = {name: dict(reasons) for name, reasons in refused.items()}
    return Kept(dict(writing.counts), dict(pool.skipped), dict(without), told)


def _read(faces: Faces, rows: Integers, size: int) -> Pool:
    """Cut the square around each face out of its picture, whatever box the manifest gives."""
    reason = unusable_landmarks(faces)
    if reason or faces.source is None:
        raise ForgeryError(f"expected 68 or 478 landmarks of each face, but {reason}")
    source = faces.source

    def read(wanted: Integers) -> Iterator[tuple[int, Photo | str]]:
        for row in wanted.tolist():
            at = np.array([row])
            points = source.read(faces.rows_of_source[at])[0]
            try:
                pixels = faces.cut(at, lambda image, box: np.asarray(image))[0]
                yield row, face_crop(photo_of(pixels, points), size, EXTENT)
            except (ForgeryError, AuditError) as error:
                told = str(error)
                yield row, told.partition(": ")[2] if isinstance(error, AuditError) else told

    photos = Photos(read)
    photos.meet(rows)
    return Pool(photos, faces.subject_codes, groups_of(faces))


class _Writing:
    """Writes pictures, masks and, at the end, landmarks, manifest and README."""

    def __init__(self, faces: Faces, pool: Pool, carried: pd.DataFrame, out: Path, keeping: Keeping) -> None:
        self.faces, self.pool, self.out, self.keeping = faces, pool, out, keeping
        self.carried = carried.drop(columns=[name for name in _OWN if name in carried])
        self.counts: Counter[str] = Counter()
        self._lines: list[dict[str, Any]] = []
        self._landmarks: dict[str, Any] = {}
        self._digits = len(str(max(pool.photos)))
        for folder in (GENUINE, *keeping.methods):
            (out / "images" / folder).mkdir(parents=True, exist_ok=True)
        for method in keeping.methods:
            (out / "masks" / method).mkdir(parents=True, exist_ok=True)

    def write(self, method: str, row: int, partner: int) -> None:
        """Make and write one picture.

        Raises:
            ForgeryError: where it cannot be made of this face; then nothing was written.
        """
        frame, size = self.faces.frame, self.keeping.size
        face_id = str(frame["face_id"].iat[row])
        photos, genuine = self.pool.photos, method == UNTOUCHED
        random = lot(self.keeping.seed, method, face_id)
        made = forge(method, photos[row], photos[partner], random, must_change=True)
        folder, name = GENUINE if genuine else method, f"{row:0{self._digits}d}"
        path, mask = f"images/{folder}/{name}.jpg", "" if genuine else f"masks/{folder}/{name}.png"
        text = (
            "COPY: a photo cut out and saved again by countenance; not forged"
            if genuine
            else f"SYNTHETIC: a forged face ({METHODS[method].title}), made by countenance to test detectors; no photo"
        )
        mark = COPY_MARK if genuine else SYNTHETIC_MARK
        self.out.joinpath(path).write_bytes(encoded_with_marks(made, mark, text, self.keeping.quality))
        if not genuine:
            _write_mask(made, self.out / mask, text)
        swapped = not genuine and METHODS[method].partner == "person"
        donor = str(frame["subject"].iat[partner]) if swapped else ""
        self._lines.append(
            {
                "path": path,
                "label": GENUINE if genuine else FORGED,
                "method": "" if genuine else method,
                "mask": mask,
                "subject": str(frame["subject"].iat[row]),
                "donor": donor,
                **dict(zip(BOX, (0, 0, size, size), strict=True)),
                "source": str(frame["path"].iat[row]),
                **{str(name): value for name, value in self.carried.iloc[row].items()},
            }
        )
        self._landmarks[path.removesuffix(".jpg")] = made.landmarks
        self.counts[folder] += 1

    def finish(self) -> None:
        """Write landmarks, README and manifest; a folder without a manifest was broken off."""
        np.savez(self.out / LANDMARKS, allow_pickle=False, **self._landmarks)
        write_atomically(self.out / README, readme(self.counts, self.keeping))
        write_atomically(self.out / MANIFEST, pd.DataFrame(self._lines).to_csv(index=False))


def encoded_with_marks(made: Forged, mark: str, text: str, quality: int) -> bytes:
    """Return a picture as JPEG with the strip below it and ``text`` in its metadata.

    The text stands in EXIF (ImageDescription) and as JPEG comment.
    """
    exif = Image.Exif()
    exif[0x010E], exif[0x0131] = text, "countenance"
    return encoded(marked(made.pixels, mark), quality, exif=exif, comment=text.encode())


def _write_mask(made: Forged, file: Path, text: str) -> None:
    """Write the mask as PNG of the picture's size, black in the strip."""
    height = strip_height(made.pixels.shape[0])
    levels = np.pad(np.rint(made.mask * 255).astype(np.uint8), ((0, height), (0, 0)))
    told = PngInfo()
    told.add_text("Description", f"Mask of what was changed. {text}")
    told.add_text("Software", "countenance")
    Image.fromarray(levels).save(file, pnginfo=told)


def readme(counts: Counter[str], keeping: Keeping) -> str:
    """Return what the folder says of itself."""
    lines = [f"- `{name}`: {count:,} ({METHODS[name].title})" for name, count in counts.items() if name in METHODS]
    listed = "\n".join(lines)
    return (
        "# Forged faces, made to test detectors\n\n"
        "The pictures under `images/` in folders other than `genuine` are **synthetic**: they show what nobody did, on "
        "faces of people who exist. They were made by `countenance forge` from photos and landmarks, without a "
        "generator. Each carries a strip SYNTHETIC below the face, and says so in its metadata. Do not cut the strip "
        "off to pass them on; delete the folder when the test is done. The licence of the photos, and what their "
        "sitters agreed to, hold for these pictures too.\n\n"
        f"Pictures:\n\n- `genuine`: {counts[GENUINE]:,} (copies of the photos, cut and saved by the same steps; strip "
        f"COPY)\n{listed}\n\n"
        f"Inside the box of `{MANIFEST}`, which leaves the strip out, genuine and forged pictures went through the "
        "same steps. As whole files they are told apart without a look at the face: the word in the strip, the "
        "metadata, the length of the file and its folder give the kind away. So give a detector the pixels inside "
        "the box, as `countenance` does, and nothing else, in training as in tests.\n\n"
        f"`{MANIFEST}` has a row for each picture. `masks/` holds what was changed, "
        f"white where it was, grey where it was faded. `{LANDMARKS}` has 68 points of each picture. `donor` is the "
        "person whose face was put or mixed in: where data are split by person, a picture belongs to the side of both, "
        f"or to none. Seed {keeping.seed}, {keeping.size} pixels a side, JPEG quality {keeping.quality}.\n"
    )


def plan_lines(out: Path, methods: Sequence[str], attributes: Sequence[str], *, subjects: bool) -> str:
    """Return the lines of a plan that audit a detector on the folder; the plan lies beside it.

    Args:
        out: the folder, of which the plan needs the name alone.
        methods: kinds of forgery in it.
        attributes: columns carried over that a plan called attributes.
        subjects: whether people are named.
    """
    folder = out.resolve().name
    lines = [
        "data:",
        f"  manifest: {_quoted(f'{folder}/{MANIFEST}')}",
        "  label: label",
        *(["  subject: subject"] if subjects else []),
        f"  box: [{', '.join(BOX)}]",
        f"  landmarks: {_quoted(f'{folder}/{LANDMARKS}')}",
        "  forgeries: {method: method, mask: mask, donor: donor}",
    ]
    if attributes:
        lines.append(f"  # attributes: as in the plan ({', '.join(attributes)}); their columns are carried over")
    return "\n".join([*lines, "probes: [forgery_detection, forgery_localisation]"])


def _quoted(path: str) -> str:
    """Return a path as YAML reads it back, in quotes where it needs them (JSON's are YAML's)."""
    return path if re.fullmatch(r"[A-Za-z][\w./-]*", path) else json.dumps(path, ensure_ascii=False)
