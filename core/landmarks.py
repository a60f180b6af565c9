"""Where a face's landmarks come from: an ``.npz``, columns of the manifest, or an aligned-crop template."""

from __future__ import annotations

import logging
import zipfile
import zlib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from .errors import ManifestError
from .files import sha256_of_bytes, sha256_of_file

LOG = logging.getLogger("countenance")
LandmarkKind = Literal["none", "5", "68", "478", "aligned"]
KNOWN_POINTS = (5, 68, 478)
# What numpy and zipfile raise on files that are damaged, encrypted, pickled or no archives at all.
_UNREADABLE = (OSError, ValueError, EOFError, RuntimeError, KeyError, zipfile.BadZipFile, zlib.error)

# Eye centres, nose tip and mouth corners of an aligned crop, as shares of its width and height: the template to which
# ArcFace-style aligners bring a face, 112 px (InsightFace, face_align.py). Assumed only where the plan says `aligned`.
ALIGNED_TEMPLATE = (
    np.array([[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]])
    / 112.0
)


class LandmarkSource(Protocol):
    """Gives the landmarks of faces in pixels of the whole image."""

    kind: LandmarkKind
    points: int

    def read(self, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return points of the faces in ``rows``, shape (n, p, 2), NaN where a face has none."""
        ...

    def missing_among(self, rows: NDArray[np.int64]) -> int:
        """Return how many of the faces in ``rows`` have none, as far as is known by now."""
        ...

    def digest(self) -> str:
        """Return a hash of all points, which changes when one does."""
        ...


class ArrayLandmarks:
    """Landmarks held in memory, shape (n, p, 2)."""

    def __init__(self, points: NDArray[np.float64]) -> None:
        if points.ndim != 3 or points.shape[1] not in KNOWN_POINTS or points.shape[2] != 2:
            raise ManifestError(f"landmarks have the shape {points.shape}, expected (faces, 5 or 68 or 478, 2)")
        self._points = points
        self.points = points.shape[1]
        self.kind: LandmarkKind = str(self.points)  # type: ignore[assignment]

    def read(self, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return points of the faces in ``rows``."""
        return self._points[rows]

    def missing_among(self, rows: NDArray[np.int64]) -> int:
        """Return how many of the faces in ``rows`` have no landmarks."""
        return int(np.isnan(self._points[rows]).any(axis=(1, 2)).sum())

    def digest(self) -> str:
        """Return the SHA-256 of the points."""
        return sha256_of_bytes(np.ascontiguousarray(self._points).tobytes())


class NpzLandmarks:
    """Landmarks in an ``.npz``, one array per face under the face's id, or under its image's path without suffix.

    Arrays are read when asked for, so that memory does not grow with the number of faces. One that turns out to be of
    no use then counts as missing.

    Args:
        file: the ``.npz``.
        paths: the image's path of each face.
        ids: the id of each face, the path unless given.

    Raises:
        ManifestError: when the file cannot be read, holds none of the faces, gives several faces the same points, or
            the first array has a wrong shape.
    """

    def __init__(self, file: Path, paths: Sequence[str], ids: Sequence[str] | None = None) -> None:
        try:
            self._archive = zipfile.ZipFile(file)
        except _UNREADABLE as error:
            raise ManifestError(
                f"{file} cannot be read as an .npz of landmarks, one array per image path: {error}"
            ) from error
        self._file = file
        known = {name.removesuffix(".npy") for name in self._archive.namelist()}
        by_path = [_key_of(path) for path in paths]
        self._keys = [
            own if own in known else key if key in known else None
            for own, key in zip(paths if ids is None else ids, by_path, strict=True)
        ]
        self._useless: set[int] = set()
        found = next((key for key in self._keys if key is not None), None)
        if found is None:
            raise ManifestError(
                f"{file} has landmarks of none of the {len(paths)} faces: its keys are image paths without suffix, "
                f"e.g. {min(known, default='none')!r}, and the manifest has {by_path[0]!r}; "
                "a column that holds such keys may be named as data.id"
            )
        self._refuse_shared()
        try:
            self.points = self._points_of(found, KNOWN_POINTS).shape[0]
        except _UselessError as error:
            raise ManifestError(f"{file}: the landmarks of {found!r} {error}") from error
        self.kind: LandmarkKind = str(self.points)  # type: ignore[assignment]

    def _refuse_shared(self) -> None:
        """Points are one face's: two faces of one picture, or ``a/1.jpg`` and ``a/1.png``, cannot share them."""
        uses = Counter(key for key in self._keys if key is not None)
        shared = sum(count for count in uses.values() if count > 1)
        if shared:
            raise ManifestError(
                f"{self._file}: {shared} faces share their landmarks with another face, because their images have the "
                "same path but for the suffix: name each array by the id of its face (the column of data.id, or the "
                "path with its suffix)"
            )

    def _points_of(self, key: str, counts: Sequence[int]) -> NDArray[np.float64]:
        """Read one array; its header is checked first, since it could announce more than the memory holds."""
        try:
            with self._archive.open(f"{key}.npy") as member:
                version = np.lib.format.read_magic(member)
                read_header = {
                    (1, 0): np.lib.format.read_array_header_1_0,
                    (2, 0): np.lib.format.read_array_header_2_0,
                }.get(version)
                if read_header is None:
                    raise _UselessError(f"have the .npy version {version}, expected (1, 0) or (2, 0)")
                shape, _, kind = read_header(member)
            if len(shape) != 2 or shape[0] not in counts or shape[1] not in {2, 3}:
                raise _UselessError(
                    f"have the shape {str(shape)[:80]}, expected ({' or '.join(map(str, counts))}, 2 or 3)"
                )
            if kind.hasobject:
                raise _UselessError("cannot be read: they hold Python objects")
            if kind.kind not in "fiu":
                raise _UselessError(f"are no numbers but {kind}")
            with self._archive.open(f"{key}.npy") as member:
                points = np.lib.format.read_array(member, allow_pickle=False)
        except _UNREADABLE as error:
            raise _UselessError(f"cannot be read: {error}") from error
        return np.asarray(points[:, :2], dtype=np.float64)

    def read(self, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return points of the faces in ``rows``; those of an array of no use are missing, and counted so."""
        points = np.full((len(rows), self.points, 2), np.nan)
        for place, row in enumerate(rows.tolist()):
            key = self._keys[row]
            if key is None or row in self._useless:
                continue
            try:
                points[place] = self._points_of(key, (self.points,))
            except _UselessError as error:
                self._useless.add(row)
                LOG.warning("row %d: its landmarks count as missing, since they %s", row + 1, error)
        return points

    @property
    def missing(self) -> int:
        """How many faces have no landmarks, as far as is known by now."""
        return self.missing_among(np.arange(len(self._keys)))

    def missing_among(self, rows: NDArray[np.int64]) -> int:
        """Return how many of the faces in ``rows`` have no landmarks, as far as is known by now."""
        return sum(self._keys[row] is None or row in self._useless for row in rows.tolist())

    def digest(self) -> str:
        """Return the SHA-256 of the file."""
        return sha256_of_file(self._file)


class _UselessError(Exception):
    """Says of one face's landmarks why they cannot be used, without naming the face."""


def _key_of(path: str) -> str:
    """Return an image's path with ``/`` and without its suffix."""
    written = PurePosixPath(path.replace("\\", "/"))
    return written.with_suffix("").as_posix() if written.name else str(written)


def to_crop(
    points: NDArray[np.float64], boxes: NDArray[np.float64], height_width: tuple[int, int]
) -> NDArray[np.float32]:
    """Carry points from image pixels to pixels of the crop.

    Args:
        points: (n, p, 2) in pixels of the image.
        boxes: (n, 4) as cropped, that is rounded to whole pixels.
        height_width: size of the crop.

    Returns:
        (n, p, 2), x right and y down, where pixel (0, 0) covers [0, 1) x [0, 1).
    """
    origin, extent = boxes[:, None, :2], (boxes[:, 2:] - boxes[:, :2])[:, None]
    scale = np.array([height_width[1], height_width[0]])
    carried: NDArray[np.float32] = ((points - origin) / extent * scale).astype(np.float32)
    return carried


def aligned_landmarks(count: int, height_width: tuple[int, int]) -> NDArray[np.float32]:
    """Return the aligned-crop template for ``count`` faces, in pixels of the crop, shape (n, 5, 2)."""
    points = ALIGNED_TEMPLATE * np.array([height_width[1], height_width[0]])
    return np.repeat(points[None].astype(np.float32), count, axis=0)
