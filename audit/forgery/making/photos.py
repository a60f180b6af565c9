"""Photos that forgeries are made of, by row: what is known of each stays in memory, the pictures of some only."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ....core.errors import AuditError
from .partners import look_of
from .photo import ForgeryError, Photo

Integers = NDArray[np.int64]
Read = Callable[[Integers], Iterator[tuple[int, Photo | str]]]
"""Reads photos of rows; a text instead of a photo says why the face cannot be used."""
KEPT_BYTES = 192 * 2**20
"""Pictures take about so much memory at most: a thousand faces of 256 pixels a side."""
_FEWEST_KEPT = 64


@dataclass(frozen=True, eq=False)
class Known:
    """What partners are chosen by.

    Attributes:
        look: of :func:`~.partners.look_of`, shape (6,).
        landmarks: shape (68, 2).
    """

    look: NDArray[np.float64]
    landmarks: NDArray[np.float32]


class Photos(Mapping[int, Photo]):
    """The usable photos by row; one that is not at hand is read again.

    Attributes:
        known: look and landmarks of each.
        skipped: how many faces could not be used, by reason.
    """

    def __init__(self, read: Read, kept: int | None = None) -> None:
        """Prepare to read.

        Args:
            read: gives the photos of rows, in any order.
            kept: how many pictures are kept at hand; as many as fit into 192 MB, 64 at least, unless said.
        """
        self.known: dict[int, Known] = {}
        self.skipped: Counter[str] = Counter()
        self._read, self._kept = read, kept
        self._at_hand: dict[int, Photo] = {}

    def meet(self, rows: Integers, advance: Callable[[int], None] | None = None) -> None:
        """Read faces for the first time, and note what is known of each.

        Args:
            rows: positions to read.
            advance: told how many more faces were read.
        """
        for row, photo in self._read(rows):
            if isinstance(photo, str):
                self.skipped[photo] += 1
            else:
                try:
                    self.known[row] = Known(look_of(photo), photo.landmarks)
                except ForgeryError as error:
                    self.skipped[str(error)] += 1
                else:
                    self._put(row, photo)
            if advance is not None:
                advance(1)

    def hold(self, rows: Iterable[int]) -> None:
        """Have these photos at hand together, read in one go; older ones make room."""
        wanted = [row for row in dict.fromkeys(rows) if row in self.known]
        for row in wanted:  # the last ones to go
            if row in self._at_hand:
                self._at_hand[row] = self._at_hand.pop(row)
        missing = np.array([row for row in wanted if row not in self._at_hand], dtype=np.int64)
        if len(missing):
            for row, photo in self._read(missing):
                if isinstance(photo, str):
                    raise AuditError(f"a face that could be forged at first cannot be any more: {photo}")
                self._put(row, photo, len(wanted))

    def _put(self, row: int, photo: Photo, at_least: int = 0) -> None:
        fitting = self._kept if self._kept is not None else max(_FEWEST_KEPT, KEPT_BYTES // max(photo.pixels.nbytes, 1))
        self._at_hand[row] = photo
        while len(self._at_hand) > max(fitting, at_least):
            del self._at_hand[next(iter(self._at_hand))]

    @property
    def at_hand(self) -> int:
        """How many pictures are in memory."""
        return len(self._at_hand)

    def __getitem__(self, row: int) -> Photo:
        if row not in self.known:
            raise KeyError(row)
        if row not in self._at_hand:
            self.hold([row])
        return self._at_hand[row]

    def __contains__(self, row: object) -> bool:
        return row in self.known

    def __iter__(self) -> Iterator[int]:
        return iter(self.known)

    def __len__(self) -> int:
        return len(self.known)
