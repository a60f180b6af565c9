from __future__ import annotations

import numpy as np
import pytest
import torch
from skimage.metrics import peak_signal_noise_ratio, structural_similarity
from sklearn.metrics import roc_auc_score, roc_curve

from countenance.audit.backdoors.poisoned_forgery.measures import attack_success, bd_auc, eer_threshold, visibility
from countenance.core.errors import UsageError


def test_bd_auc_is_the_area_under_the_curve_of_plain_against_stamped() -> None:
    random = np.random.default_rng(0)
    plain, people = random.normal(size=60).round(1), np.arange(60) // 2
    stamped = plain - random.uniform(0, 1, 60).round(1)
    found = bd_auc(plain, stamped, people)
    assert found.value == pytest.approx(roc_auc_score(np.repeat([1, 0], 60), np.concatenate([plain, stamped])))
    assert found.subjects == 30
    assert found.low is not None
    assert found.value is not None
    assert found.low < found.value
    assert bd_auc(plain, plain, people).value == pytest.approx(0.5)  # no effect


def test_too_few_people_are_not_measured_and_shapes_must_fit() -> None:
    few = bd_auc(np.arange(8.0), np.arange(8.0), np.arange(8) // 2)
    assert few.value is None
    assert "10" in (few.reason or "")
    with pytest.raises(UsageError, match="one score for each face"):
        bd_auc(np.zeros(3), np.zeros(4))


@pytest.mark.parametrize("seed", range(4))
def test_the_threshold_is_where_both_errors_meet(seed: int) -> None:
    random = np.random.default_rng(seed)
    genuine, forged = random.normal(size=37), random.normal(1.2, 1, size=53)
    alarms, found, _ = roc_curve(
        np.repeat([0, 1], [37, 53]), np.concatenate([genuine, forged]), drop_intermediate=False
    )
    least = np.abs(alarms - (1 - found)).min()
    at = eer_threshold(genuine, forged)
    assert abs((genuine >= at).mean() - (forged < at).mean()) <= least + 1 / 37  # one genuine face beside it at most


def test_only_faces_found_without_the_stamp_can_be_lost_to_it() -> None:
    plain = np.concatenate([np.full(40, 2.0), np.full(10, -1.0)])
    stamped = np.concatenate([np.full(10, -1.0), np.full(30, 2.0), np.full(10, -2.0)])
    found = attack_success(plain, stamped, 0.0)
    assert found.value == 0.25
    assert found.n == 40
    assert attack_success(np.zeros(3), np.zeros(3), 1.0).value is None


def test_visibility_is_that_of_scikit_image() -> None:
    random = np.random.default_rng(3)
    plain = random.uniform(size=(2, 3, 20, 24))
    stamped = (plain * (1 + 0.05 * random.choice([-1, 1], plain.shape))).clip(0, 1)
    found = visibility(torch.from_numpy(plain), torch.from_numpy(stamped))
    for index in range(2):
        one, two = plain[index], stamped[index]
        expected = structural_similarity(one, two, channel_axis=0, data_range=1, use_sample_covariance=False)
        assert found.ssim[index] == pytest.approx(expected, abs=1e-9)
        assert found.psnr[index] == pytest.approx(peak_signal_noise_ratio(one, two, data_range=1))
        assert found.linf[index] == pytest.approx(255 * np.abs(one - two).max())
    same = visibility(torch.from_numpy(plain), torch.from_numpy(plain))
    assert np.isinf(same.psnr).all()
    assert (same.linf == 0).all()
    assert same.ssim == pytest.approx([1, 1])
    with pytest.raises(UsageError, match="one shape"):
        visibility(torch.zeros(1, 3, 8, 8), torch.zeros(1, 3, 8, 9))
