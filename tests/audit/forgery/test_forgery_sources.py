"""Which photo a forgery was made of, found among few and among many."""

from __future__ import annotations

from time import process_time
from typing import Any

import numpy as np
import pytest

from countenance.audit.forgery import sources
from countenance.audit.forgery.sources import edges_of, nearest_edges, nearest_of, source_photos


class Pictures:
    """Stands for faces: small crops of people, photo after photo of a moving head."""

    def __init__(self, people: np.ndarray, crops: np.ndarray) -> None:
        self.subject_codes, self.crops = people, crops


def moving(count: int, seed: int) -> np.ndarray:
    """Crops of one person (count, 32, 32, 3), each a little unlike the others everywhere."""
    random = np.random.default_rng(seed)
    base = random.integers(40, 200, (32, 32, 3))
    return np.clip(base + random.integers(-20, 21, (count, 32, 32, 3)), 0, 255).astype(np.uint8)


def forged_of(crops: np.ndarray, places: list[int], seed: int) -> np.ndarray:
    """The crops at these places, the middle of each another face, all of it a little changed by a codec."""
    random = np.random.default_rng(seed)
    made = crops[places].astype(np.int64)
    made[:, 8:24, 9:23] = random.integers(0, 256, (len(places), 16, 14, 3))
    return np.clip(made + random.integers(-1, 2, made.shape), 0, 255).astype(np.uint8)


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "small_crops", lambda faces, rows: {row: faces.crops[row] for row in rows.tolist()})


@pytest.mark.usefixtures("given")
@pytest.mark.parametrize("photos", [2, 48, 300])
def test_the_photo_is_found(photos: int) -> None:
    own, other = moving(photos, 1), moving(3, 2)
    places = np.random.default_rng(3).integers(0, photos, 20).tolist()
    crops = np.concatenate([own, other, forged_of(own, places, 4)])
    people = np.array([0] * photos + [1] * 3 + [0] * 20)
    faces: Any = Pictures(people, crops)
    forged = np.arange(photos + 3, len(crops))
    found = source_photos(faces, forged, np.arange(photos + 3))
    assert [found[row] for row in forged.tolist()] == places
    assert list(found) == forged.tolist()


@pytest.mark.usefixtures("given")
def test_one_photo_needs_no_look_and_nobody_has_none() -> None:
    faces: Any = Pictures(np.array([0, 0, 1]), np.zeros((0, 32, 32, 3), dtype=np.uint8))
    assert source_photos(faces, np.array([1, 2]), np.array([0])) == {1: 0}


def test_of_many_photos_few_are_compared_pixel_by_pixel() -> None:
    crops = moving(300, 5)
    edges = edges_of(crops)
    squares = np.square(edges).sum(axis=1)
    made = forged_of(crops, [123], 6)[0]
    among = nearest_edges(made, edges, squares)
    assert len(among) == sources.LOOKED_AT
    assert 123 in among
    assert among[nearest_of(made, crops[among])] == 123
    few = nearest_edges(made, edges[:10], squares[:10])
    assert few.tolist() == list(range(10))


@pytest.mark.usefixtures("given")
def test_a_person_with_many_photos_takes_no_minutes() -> None:
    own = moving(800, 7)
    crops = np.concatenate([own, forged_of(own, list(range(400)), 8)])
    faces: Any = Pictures(np.zeros(1200, dtype=np.int64), crops)
    start = process_time()
    found = source_photos(faces, np.arange(800, 1200), np.arange(800))
    assert process_time() - start < 10  # 320,000 pairs, compared one by one, take longer
    assert [found[row] for row in range(800, 1200)] == list(range(400))
