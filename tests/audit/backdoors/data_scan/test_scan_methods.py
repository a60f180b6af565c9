"""The methods on embeddings with and without a shifted part, and how often they flag where nothing is shifted."""

from __future__ import annotations

import numpy as np
import pytest

from countenance.audit.backdoors.data_scan.judging import by_clusters, by_detail, by_spectrum
from countenance.audit.backdoors.data_scan.material import Images

RATE = 0.05


def images(count: int, shifted: float, seed: int, *, first: int = 0, classes: int = 2) -> tuple[Images, np.ndarray]:
    """Images of two a person in 12 dimensions; of class 0 a share lies elsewhere."""
    random = np.random.default_rng(seed)
    people = first + np.arange(count) // 2
    labels = ((people - first) % classes).astype(np.str_)
    points = (
        random.normal(size=(count, 12)) * np.linspace(1.5, 0.5, 12)
        + 0.5 * random.normal(size=(count // 2, 12))[np.arange(count) // 2]
    )
    moved = (labels == "0") & (random.random(count // 2) < shifted)[np.arange(count) // 2]
    points[moved] += np.r_[0, 0, 9.0, np.zeros(9)]
    detail = np.exp(random.normal(size=count))
    return Images(people, people, labels, detail, detail, points, points), moved


@pytest.mark.parametrize("with_clean", [False, True])
def test_a_shifted_part_stands_out_by_its_spectrum(with_clean: bool) -> None:
    scanned, moved = images(400, 0.3, 1)
    clean = images(400, 0.0, 2, first=1000)[0] if with_clean else None
    assert scanned.embedding is not None
    judged = by_spectrum(scanned.embedding, scanned, clean, RATE)
    assert judged.judged.all()
    assert judged.flagged[moved].mean() > 0.95
    assert judged.flagged[~moved].mean() < 0.12
    nothing = by_spectrum(images(400, 0.0, 3)[0].embedding, scanned, clean, RATE)  # type: ignore[arg-type]
    assert nothing.flagged.mean() < 0.12


def test_a_shifted_part_is_a_cluster() -> None:
    scanned, moved = images(240, 0.3, 4)
    clean = images(240, 0.0, 5, first=1000)[0]
    assert scanned.embedding is not None
    judged = by_clusters(scanned.embedding, scanned, clean, RATE, 99, np.random.default_rng(0))
    assert judged.p_values["0"] <= RATE
    assert judged.p_values["1"] > RATE
    assert judged.flagged.tolist() == moved.tolist()
    assert judged.references == {"0": 60, "1": 60}


def skewed(people: int, photos: int, seed: int, first: int = 0) -> Images:
    """Photos of people whose embeddings are skewed as after a ReLU, and much alike within a person."""
    random, common = np.random.default_rng(seed), np.random.default_rng(99)
    mix = np.abs(common.normal(size=(6, 16))) * np.linspace(1.5, 0.3, 6)[:, None]
    who = np.repeat(np.arange(people), photos)
    own = random.gamma(0.5, 2, size=(people, 6))[who] + 0.1 * random.normal(size=(len(who), 6))
    points = np.maximum(own @ mix - 2, 0)
    detail = np.exp(own[:, 0])
    return Images(first + who, first + who, np.full(len(who), "0"), detail, detail, points, points)


@pytest.mark.parametrize("photos", [(1, 1), (4, 1)])
def test_skewed_embeddings_and_many_photos_of_a_person_are_rarely_clusters(photos: tuple[int, int]) -> None:
    alarms = 0
    for seed in range(25):
        scanned, clean = skewed(60, photos[0], 2 * seed), skewed(60, photos[1], 2 * seed + 1, 1000)
        assert scanned.embedding is not None
        judged = by_clusters(scanned.embedding, scanned, clean, RATE, 19, np.random.default_rng(seed))
        assert judged.judged.all()
        alarms += bool(judged.flagged.any())
    assert alarms <= 5  # 1 of 25 is expected, more than 5 about once in a thousand times


def test_without_clean_photos_nothing_is_said_of_clusters() -> None:
    scanned = skewed(60, 2, 1)
    assert scanned.embedding is not None
    judged = by_clusters(scanned.embedding, scanned, None, RATE, 39, np.random.default_rng(0))
    assert not judged.judged.any()
    assert "no photos known to be clean" in judged.reasons[""]


@pytest.mark.parametrize("method", ["detail", "spectrum"])
def test_clean_people_and_not_their_photos_set_the_threshold(method: str) -> None:
    """Twenty clean people of ten photos each: as many flags as twenty photos allow, however the people fall out."""
    rates = []
    for seed in range(60):
        scanned, clean = skewed(60, 1, 1000 + seed), skewed(20, 10, 2000 + seed, 1000)
        assert scanned.embedding is not None
        if method == "detail":
            judged = by_detail(scanned.detail, scanned.people, clean, RATE)
        else:
            judged = by_spectrum(scanned.embedding, scanned, clean, RATE)
        assert list(judged.references.values()) == [20]
        rates.append(judged.flagged.mean())
    assert np.mean(rates) <= RATE + 3 * np.std(rates) / np.sqrt(60)
    assert np.mean(rates) > 0.01


def test_what_cannot_be_judged_says_why() -> None:
    scanned, _ = images(60, 0.0, 6)
    assert scanned.embedding is not None
    many = images(60, 0.0, 8, first=1000)[0]
    few = by_clusters(scanned.embedding, scanned, many, RATE, 19, np.random.default_rng(0))
    assert few.reasons[""] == "19 draws; 39 are needed for 2 classes at a rate of 0.05"
    people = by_clusters(scanned.embedding, scanned, many, RATE, 39, np.random.default_rng(0))
    assert people.reasons["0"] == "15 people and 15 clean ones; 60 of each are needed"
    small = images(24, 0.0, 7)[0]
    assert small.embedding is not None
    assert "20 images of 10 people are needed" in by_spectrum(small.embedding, small, None, RATE).reasons["0"]
    clean = images(60, 0.0, 8, first=1000)[0].take(np.arange(60) < 10)
    assert "are needed for a false-alarm rate" in by_spectrum(scanned.embedding, scanned, clean, RATE).reasons["0"]


def test_faces_outside_their_pictures_are_not_judged() -> None:
    scanned, _ = images(60, 0.0, 9)
    detail = np.where(np.arange(60) < 5, np.nan, scanned.detail)
    for clean in (None, images(60, 0.0, 10, first=1000)[0]):
        judged = by_detail(detail, scanned.people, clean, RATE)
        assert judged.judged.sum() == 55
        assert not judged.flagged[:5].any()
