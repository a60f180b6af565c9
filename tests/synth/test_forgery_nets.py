from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score

from countenance.synth.forgery_nets import (
    Accidents,
    Pairs,
    as_pixels,
    degraded,
    make_pairs,
    scores,
    train_detector,
    with_genuine,
)

SIDE = 24
NONE = Accidents(turned=0, blurred=0, noisy=0, coded=0)


@pytest.fixture(scope="module")
def photos() -> list[np.ndarray]:
    random = np.random.default_rng(0)
    return [random.integers(60, 200, (SIDE, SIDE, 3)).astype(np.uint8) for _ in range(24)]


def redder(photos: list[np.ndarray], place: int, random: np.random.Generator) -> np.ndarray:
    """A forgery that anybody can tell: more red, by a drawn amount."""
    made = photos[place].astype(int)
    made[..., 0] += random.integers(20, 50)
    return made.clip(0, 255).astype(np.uint8)


def pairs_of(photos: list[np.ndarray], accidents: Accidents | None = None) -> Pairs:
    return make_pairs(photos, lambda place, random: redder(photos, place, random), 3, 5, accidents)


def test_both_pictures_of_a_pair_have_the_same_accidents(photos: list[np.ndarray]) -> None:
    untouched = make_pairs(photos, lambda place, random: photos[place], 3, 5)
    assert torch.equal(untouched.genuine, untouched.forged)
    assert not torch.equal(untouched.genuine[:, 0], untouched.genuine[:, 1])
    plain = pairs_of(photos, NONE)
    assert torch.equal(plain.genuine[4, 1].permute(1, 2, 0), torch.from_numpy(photos[4]))


@pytest.mark.parametrize("name", ["turned", "blurred", "noisy", "coded"])
def test_each_accident_changes_a_picture_a_little(photos: list[np.ndarray], name: str) -> None:
    smooth = np.zeros((SIDE, SIDE, 3), dtype=np.uint8)
    smooth[6:18, 6:18] = (180, 120, 90)
    only = Accidents(**{**{"turned": 0, "blurred": 0, "noisy": 0, "coded": 0}, name: 1})
    found = degraded(smooth, np.random.default_rng(1), only)
    assert found.shape == smooth.shape
    assert not np.array_equal(found, smooth)
    assert np.abs(found.astype(int) - smooth.astype(int)).mean() < 12


def test_a_replaced_photo_gets_the_accidents_of_the_old_one(photos: list[np.ndarray]) -> None:
    pairs = pairs_of(photos)
    same = with_genuine(pairs, {2: photos[2]}, 5)
    assert torch.equal(same.genuine, pairs.genuine)
    other = with_genuine(pairs, {2: photos[3]}, 5)
    assert not torch.equal(other.genuine[2], pairs.genuine[2])
    assert torch.equal(other.genuine[3:], pairs.genuine[3:])
    assert torch.equal(other.forged, pairs.forged)


def test_a_detector_learns_and_follows_from_its_seed(photos: list[np.ndarray]) -> None:
    pairs = pairs_of(photos, NONE)
    net = train_detector(pairs, range(16), 1, steps=25)
    again = train_detector(pairs, range(16), 1, steps=25)
    assert not net.training
    new = (
        as_pixels(photos[16:]),
        as_pixels([redder(photos, place, np.random.default_rng(9)) for place in range(16, 24)]),
    )
    genuine, forged = scores(net, new[0]), scores(net, new[1])
    assert roc_auc_score(np.repeat([0, 1], 8), np.concatenate([genuine, forged])) > 0.9
    assert np.array_equal(genuine, scores(again, new[0]))
    assert not np.array_equal(genuine, scores(train_detector(pairs, range(16), 2, steps=25), new[0]))
