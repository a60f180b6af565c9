from __future__ import annotations

import numpy as np

from countenance.audit.robustness.sample import sample_rows

ROWS = np.arange(10, 30)
SUBJECTS = np.array([0] * 12 + [1] * 4 + [2, 3, 4, 4])


def test_everyone_gives_one_face_before_anyone_gives_two() -> None:
    for seed in range(20):
        chosen = sample_rows(ROWS, SUBJECTS, 8, np.random.default_rng(seed))
        counts = np.bincount(SUBJECTS[chosen - 10], minlength=5)
        assert (np.diff(chosen) > 0).all()
        assert counts.tolist() == [2, 2, 1, 1, 2]


def test_a_sample_below_the_number_of_people_takes_one_face_each() -> None:
    drawn = [sample_rows(ROWS, SUBJECTS, 3, np.random.default_rng(seed)) for seed in range(300)]
    people = np.array([SUBJECTS[chosen - 10] for chosen in drawn])
    assert all(len(set(row)) == 3 for row in people.tolist())
    share = np.bincount(people.ravel(), minlength=5) / 300
    np.testing.assert_allclose(share, 3 / 5, atol=0.15)  # no one is favoured: five standard errors
    faces = np.concatenate(drawn)
    assert len(set(faces[SUBJECTS[faces - 10] == 0])) == 12  # nor any one of their faces


def test_no_limit_keeps_every_face_in_order() -> None:
    for count in (None, 20, 50):
        assert np.array_equal(sample_rows(ROWS, SUBJECTS, count, np.random.default_rng(0)), ROWS)
