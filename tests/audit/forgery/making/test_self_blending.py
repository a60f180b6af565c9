"""Self-blends: the mask holds every change, the seed decides every byte, the hard ones change less than the easy."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from countenance.audit.forgery.making import EASY, HARD, Photo, self_blend

INSIDE = replace(HARD, toned="source")


def random(seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_same_seed_same_bytes(photos: list[Photo]) -> None:
    first, second = (self_blend(photos[0], random(3)) for _ in range(2))
    assert first.pixels.tobytes() == second.pixels.tobytes()
    assert first.mask.tobytes() == second.mask.tobytes()
    assert self_blend(photos[0], random(4)).pixels.tobytes() != first.pixels.tobytes()


@pytest.mark.parametrize("settings", [INSIDE, replace(EASY, toned="source")], ids=["hard", "easy"])
def test_no_pixel_outside_the_mask_changes(photos: list[Photo], settings: object) -> None:
    for seed in range(12):
        photo = photos[seed % 3]
        forged = self_blend(photo, random(seed), settings)  # type: ignore[arg-type]
        assert (forged.pixels == photo.pixels)[forged.mask == 0].all()
        assert 0.05 < (forged.mask > 0).mean() < 0.9
        assert forged.mask.max() <= 1.0


def test_either_copy_is_toned_half_of_the_time(photos: list[Photo]) -> None:
    outside = []
    for seed in range(60):
        forged = self_blend(photos[1], random(seed))
        outside.append(bool((forged.pixels != photos[1].pixels)[forged.mask == 0].any()))
    assert 18 <= sum(outside) <= 42


def test_a_blend_without_any_change_is_the_photo(photos: list[Photo]) -> None:
    nothing = replace(INSIDE, shift=0.0, contrast=0.0, brightness=0.0, move=0.0, scale=0.0)
    assert (self_blend(photos[2], random(1), nothing).pixels == photos[2].pixels).all()


def test_easy_blends_change_more(photos: list[Photo]) -> None:
    def change(settings: object) -> float:
        made = [(photo, self_blend(photo, random(seed), settings)) for seed in range(8) for photo in photos]  # type: ignore[arg-type]
        return float(np.mean([np.abs(one.pixels.astype(int) - photo.pixels).mean() for photo, one in made]))

    assert change(replace(EASY, toned="source")) > 1.5 * change(INSIDE)


def test_ratio_scales_the_mask(photos: list[Photo]) -> None:
    forged = self_blend(photos[0], random(5), replace(INSIDE, ratios=(0.4,)))
    assert forged.mask.max() == pytest.approx(0.4, abs=0.01)


def test_a_face_at_the_edge_of_its_picture(photos: list[Photo]) -> None:
    cut = Photo(photos[0].pixels[30:100, 30:90].copy(), photos[0].landmarks - np.float32(30))
    for seed in range(6):
        forged = self_blend(cut, random(seed), INSIDE)
        assert forged.pixels.shape == cut.pixels.shape
        assert (forged.pixels == cut.pixels)[forged.mask == 0].all()
