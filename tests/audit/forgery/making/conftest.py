"""Drawn faces as photos."""

from __future__ import annotations

import pytest

from countenance.audit.forgery.making import Photo, photo_of
from countenance.audit.robustness.strip import stand_ins


@pytest.fixture(scope="session")
def photos() -> list[Photo]:
    """Three drawn faces of different people, 128 pixels a side."""
    batch, _ = stand_ins((128, 128), "68")
    assert batch.landmarks is not None
    pixels = batch.pixels.mul(255).round().byte().permute(0, 2, 3, 1).numpy()
    return [photo_of(each, points) for each, points in zip(pixels, batch.landmarks, strict=True)]
