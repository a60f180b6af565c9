"""Measures of the picture: what raises and lowers them."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageFilter

from countenance.core.derive.picture_quality import SHARPNESS_SIDE, brightness, face_size, luma, sharpness


def texture(side: int = 200, seed: int = 0) -> Image.Image:
    noise = np.random.default_rng(seed).integers(0, 256, (side // 10, side // 10, 3), dtype=np.uint8)
    return Image.fromarray(noise).resize((side, side), Image.Resampling.BILINEAR)


def test_blur_lowers_the_sharpness_step_by_step() -> None:
    found = [sharpness(texture().filter(ImageFilter.GaussianBlur(radius))) for radius in (0, 1, 2, 4, 8)]
    assert (np.diff(found) < 0).all()
    assert found[-1] < found[0] / 10


def test_sharpness_is_the_variance_of_the_laplacian() -> None:
    image = texture(SHARPNESS_SIDE)
    grey = np.asarray(image, dtype=np.float64) @ [0.299, 0.587, 0.114] / 255
    kernel = {(-1, 0): 1, (1, 0): 1, (0, -1): 1, (0, 1): 1, (0, 0): -4}
    slow = [
        sum(weight * grey[y + dy, x + dx] for (dy, dx), weight in kernel.items())
        for y in range(1, SHARPNESS_SIDE - 1)
        for x in range(1, SHARPNESS_SIDE - 1)
    ]
    assert sharpness(image) == pytest.approx(np.var(slow))
    assert sharpness(Image.new("RGB", (50, 90), (80, 90, 100))) == pytest.approx(0)


def test_an_enlarged_small_face_counts_as_blurred() -> None:
    small = texture().resize((32, 32), Image.Resampling.BILINEAR)
    assert sharpness(small) < sharpness(texture()) / 2


def test_brightness_is_the_mean_luma() -> None:
    assert brightness(Image.new("RGB", (8, 9), (255, 255, 255))) == pytest.approx(1)
    assert brightness(Image.new("RGB", (8, 9), (255, 0, 0))) == pytest.approx(0.299)
    half = Image.new("RGB", (10, 10))
    half.paste((255, 255, 255), (0, 0, 5, 10))
    assert brightness(half) == pytest.approx(0.5)
    assert luma(np.zeros((2, 3, 3), dtype=np.uint8)).shape == (2, 3)


def test_the_size_of_a_face_is_the_side_of_a_square_as_large() -> None:
    assert face_size(30, 120) == pytest.approx(60)
