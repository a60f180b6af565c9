"""Removed pixels are filled in as a direct solve of the neighbour equations fills them in."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from checks.slow_imputation import solve_slowly
from torch import Tensor

from countenance.core.torchvision_compat import ensure_torchvision_importable
from countenance.explain.checks.imputation import impute


def picture_of(height: int, width: int, seed: int, channels: int = 3) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    rough = torch.rand(1, channels, 9, 9, generator=generator)
    return torch.nn.functional.interpolate(rough, size=(height, width), mode="bicubic")[0].clamp(0, 1)


def ragged(height: int, width: int, seed: int, share: float) -> Tensor:
    """Remove this share of the pixels in blobs with ragged edges."""
    generator = torch.Generator().manual_seed(seed)
    rough = torch.nn.functional.interpolate(
        torch.rand(1, 1, 6, 6, generator=generator), size=(height, width), mode="bilinear"
    )[0, 0]
    rough = rough + 0.05 * torch.rand(height, width, generator=generator)
    return rough >= torch.quantile(rough, 1 - share)


@pytest.mark.parametrize("size", [(56, 56), (48, 64), (37, 51), (12, 9), (5, 5), (20, 50)], ids=str)
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_equals_the_direct_solve(size: tuple[int, int], share: float) -> None:
    picture, unknown = picture_of(*size, seed=1), ragged(*size, seed=2, share=share)
    expected = solve_slowly(picture.double().numpy(), unknown.numpy())
    found = impute(picture[None], unknown[None], cycles=60)[0].numpy()
    np.testing.assert_allclose(found, expected, atol=1e-3)
    if min(size) < 48:
        return
    roughly = impute(picture[None], unknown[None])[0].numpy()
    assert np.sqrt(np.mean((roughly - expected)[:, unknown.numpy()] ** 2)) < 0.012


@pytest.mark.parametrize("share", [0.2, 0.6, 0.97])
def test_scattered_pixels_are_filled_in_too(share: float) -> None:
    picture = picture_of(40, 40, seed=3)
    unknown = torch.rand(40, 40, generator=torch.Generator().manual_seed(4)) < share
    expected = solve_slowly(picture.double().numpy(), unknown.numpy())
    found = impute(picture[None], unknown[None], cycles=40)[0].numpy()
    np.testing.assert_allclose(found, expected, atol=1e-3)


def test_one_known_pixel_fills_the_picture_with_its_value() -> None:
    picture, unknown = picture_of(32, 32, seed=5), torch.ones(32, 32, dtype=torch.bool)
    unknown[10, 20] = False
    found = impute(picture[None], unknown[None], cycles=200)[0]
    torch.testing.assert_close(found, picture[:, 10, 20, None, None].expand_as(found), atol=0.02, rtol=0)


def test_no_known_pixel_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one known pixel"):
        impute(torch.rand(2, 3, 8, 8), torch.tensor([False, True])[:, None, None].expand(2, 8, 8))


def test_known_pixels_stay_as_they_are_and_pictures_do_not_mix() -> None:
    pictures = torch.stack([picture_of(30, 30, seed) for seed in range(40)])
    unknown = torch.stack([ragged(30, 30, seed, 0.1 + 0.02 * seed) for seed in range(40)])
    found = impute(pictures, unknown)
    known = (~unknown)[:, None].expand_as(found)
    assert torch.equal(found[known], pictures[known])
    for place in (0, 17, 39):
        alone = impute(pictures[place : place + 1], unknown[place : place + 1])[0]
        torch.testing.assert_close(found[place], alone, atol=1e-6, rtol=0)


def test_a_removed_nothing_is_nothing() -> None:
    pictures = torch.rand(2, 1, 16, 16)
    assert torch.equal(impute(pictures, torch.zeros(2, 16, 16, dtype=torch.bool)), pictures)


@pytest.mark.filterwarnings("ignore:__array_wrap__:DeprecationWarning")  # raised inside the package
def test_agrees_with_the_grad_cam_package() -> None:
    ensure_torchvision_importable()
    pytest.importorskip("pytorch_grad_cam", reason="the package grad-cam is not installed")
    from pytorch_grad_cam.metrics.road import NoisyLinearImputer

    picture = picture_of(56, 56, seed=6)
    for share in (0.2, 0.5, 0.8):
        unknown = ragged(56, 56, seed=7, share=share)
        expected = NoisyLinearImputer(noise=0)(picture, (~unknown).float())
        torch.testing.assert_close(impute(picture[None], unknown[None], cycles=60)[0], expected, atol=1e-3, rtol=0)
