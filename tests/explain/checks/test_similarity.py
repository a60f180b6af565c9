"""Similarities of maps against SciPy and scikit-image."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import pearsonr, spearmanr

from countenance.explain.checks.similarity import pearson, spearman, ssim


def pairs(seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    first, noise = torch.rand(4, 24, 18, generator=generator), torch.rand(4, 24, 18, generator=generator)
    return first, (0.4 * first + 0.6 * noise).where(noise > 0.3, torch.zeros(()))


def test_correlations_equal_those_of_scipy_ties_included() -> None:
    first, second = pairs(0)
    for place in range(4):
        one, two = first[place].numpy().ravel(), second[place].numpy().ravel()
        assert float(spearman(first, second)[place]) == pytest.approx(spearmanr(one, two).statistic, abs=1e-9)
        assert float(pearson(first, second)[place]) == pytest.approx(pearsonr(one, two).statistic, abs=1e-6)


def test_structural_similarity_equals_that_of_scikit_image() -> None:
    metrics = pytest.importorskip("skimage.metrics", reason="scikit-image is not installed")
    first, second = pairs(1)
    for place in range(4):
        expected = np.mean(
            metrics.structural_similarity(
                first[place].double().numpy(),
                second[place].double().numpy(),
                data_range=1,
                win_size=7,
                use_sample_covariance=False,
                full=True,
            )[1][3:-3, 3:-3]
        )
        assert float(ssim(first, second)[place]) == pytest.approx(float(expected), abs=1e-9)


def test_a_map_is_like_itself_and_its_opposite_is_not() -> None:
    first, _ = pairs(2)
    for alike in (spearman, pearson):
        assert alike(first, first).tolist() == pytest.approx([1] * 4)
        assert alike(first, 1 - first).tolist() == pytest.approx([-1] * 4)
    assert ssim(first, first).tolist() == pytest.approx([1] * 4)


def test_a_constant_map_and_one_with_nan_are_like_nothing() -> None:
    first, second = pairs(3)
    second[0] = 0.5
    second[1, 3, 3] = torch.nan
    for alike in (spearman, pearson):
        assert alike(first, second).isnan().tolist() == [True, True, False, False]
