"""How many pictures are in memory while many faces are forged."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from countenance.audit.forgery.making import Photo
from countenance.audit.forgery.making.photos import Photos
from countenance.audit.forgery.making.pool import Pool, splices
from countenance.core.errors import AuditError


class Shelf:
    """Gives photos of rows, and notes which were read."""

    def __init__(self, photos: list[Photo]) -> None:
        self.photos, self.given = photos, list[int]()
        self.broken = {7: "the file is empty"}

    def __call__(self, rows: np.ndarray) -> Iterator[tuple[int, Photo | str]]:
        for row in rows.tolist():
            self.given.append(row)
            yield row, self.broken.get(row, self.photos[row % 3])


def test_only_some_pictures_are_at_hand(photos: list[Photo]) -> None:
    shelf = Shelf(photos)
    known = Photos(shelf, kept=5)
    told: list[int] = []
    known.meet(np.arange(30), told.append)
    assert sum(told) == 30
    assert known.at_hand == 5
    assert dict(known.skipped) == {"the file is empty": 1}
    assert sorted(known) == [row for row in range(30) if row != 7]
    assert 7 not in known
    assert known.get(7) is None
    known.hold([1, 2, 29])
    shelf.given.clear()
    assert known[1] is known[1]
    assert known[29].pixels.tobytes() == photos[2].pixels.tobytes()
    assert shelf.given == []  # held together, read once
    known.hold(range(10, 22))  # more than are kept are held while they are asked for together
    assert known.at_hand == 12
    known.hold([3])
    assert known.at_hand == 5
    assert known[3].pixels.tobytes() == photos[0].pixels.tobytes()


def test_partners_are_chosen_without_the_pictures(photos: list[Photo]) -> None:
    shelf = Shelf(photos)
    known = Photos(shelf, kept=2)
    known.meet(np.arange(6))
    pool = Pool(known, np.arange(6), np.zeros((6, 0), dtype=np.int64))
    shelf.given.clear()
    partners = pool.partners("person", np.random.default_rng(0))
    assert sorted(partners) == list(range(6))
    assert all(row != other for row, other in partners.items())
    assert shelf.given == []


def test_a_face_that_is_lost_meanwhile_is_told(photos: list[Photo]) -> None:
    shelf = Shelf(photos)
    known = Photos(shelf, kept=1)
    known.meet(np.arange(4))
    shelf.broken[0] = "gone"
    with pytest.raises(AuditError, match="gone"):
        known.hold([0])


def test_other_photos_are_wanted_by_splices_alone() -> None:
    assert splices(["morph", "eyes_splice"])
    assert not splices(["morph", "self_blend", "face_swap_poisson"])
