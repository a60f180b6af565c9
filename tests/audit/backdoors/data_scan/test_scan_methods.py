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


@pytest.mark.parametrize("with_clean", [False, True])
def test_a_shifted_part_is_a_cluster(with_clean: bool) -> None:
    scanned, moved = images(240, 0.3, 4)
    clean = images(240, 0.0, 5, first=1000)[0] if with_clean else None
    assert scanned.embedding is not None
    judged = by_clusters(scanned.embedding, scanned, clean, RATE, 99, np.random.default_rng(0))
    assert judged.p_values["0"] <= RATE
    assert judged.p_values["1"] > RATE
    assert judged.flagged.tolist() == moved.tolist()


def test_classes_without_clusters_are_rarely_flagged() -> None:
    alarms = 0
    for seed in range(40):
        scanned, _ = images(120, 0.0, 100 + seed, classes=1)
        assert scanned.embedding is not None
        judged = by_clusters(scanned.embedding, scanned, None, RATE, 39, np.random.default_rng(seed))
        alarms += judged.flagged.any()
    assert alarms <= 6  # 2 of 40 are expected, more than 6 less than once in 100 times


def test_what_cannot_be_judged_says_why() -> None:
    scanned, _ = images(60, 0.0, 6)
    assert scanned.embedding is not None
    few = by_clusters(scanned.embedding, scanned, None, RATE, 19, np.random.default_rng(0))
    assert few.reasons[""] == "19 draws; 39 are needed for 2 classes at a rate of 0.05"
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
