from __future__ import annotations

import numpy as np
import torch

from countenance.audit.robustness.noise import sign_noise, uniform_noise

LIKE = torch.zeros((4, 3, 8, 9))
ROWS = np.array([5, 2, 7, 0])


def test_noise_of_a_face_does_not_depend_on_its_batch() -> None:
    for draw in (
        lambda rows, like: uniform_noise(3, rows, like, stream=1),
        lambda rows, like: sign_noise(3, rows, like),
    ):
        whole = draw(ROWS, LIKE)
        parts = [draw(ROWS[i : i + 1], LIKE[:1]) for i in (3, 0, 2, 1)]
        assert torch.equal(whole[[3, 0, 2, 1]], torch.cat(parts))


def test_noise_differs_by_seed_row_and_stream() -> None:
    first = uniform_noise(3, ROWS, LIKE, stream=1)
    assert not torch.equal(first[0], first[1])
    assert not torch.equal(first, uniform_noise(4, ROWS, LIKE, stream=1))
    assert not torch.equal(first, uniform_noise(3, ROWS, LIKE, stream=2))
    assert not torch.equal(first, uniform_noise(3, ROWS + 1, LIKE, stream=1))


def test_uniform_noise_is_uniform_and_uncorrelated_between_rows() -> None:
    drawn = uniform_noise(0, np.arange(4), torch.zeros((4, 3, 100, 100), dtype=torch.float64), stream=1)
    assert drawn.dtype == torch.float64
    assert float(drawn.min()) >= -1
    assert float(drawn.max()) <= 1
    # 30,000 draws: five standard errors of the mean are 0.017, of the variance 0.009
    np.testing.assert_allclose(drawn.mean((1, 2, 3)), 0, atol=0.017)
    np.testing.assert_allclose(drawn.var((1, 2, 3)), 1 / 3, atol=0.009)
    correlations = np.corrcoef(drawn.flatten(1).numpy()) - np.eye(4)
    assert np.abs(correlations).max() < 5 / np.sqrt(30_000)


def test_sign_noise_is_plus_or_minus_one_with_equal_chance() -> None:
    drawn = sign_noise(0, np.arange(3), torch.zeros((3, 3, 101, 99)))
    assert set(drawn.unique().tolist()) == {-1.0, 1.0}
    np.testing.assert_allclose(drawn.mean((1, 2, 3)), 0, atol=5 / np.sqrt(3 * 101 * 99))
