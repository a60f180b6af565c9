"""The nets that differ in what they were told of blurred faces."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from countenance.synth.blur_nets import (
    NETS,
    SHOWN,
    SIZE,
    Effort,
    blurred,
    crops_of_people,
    labels_of,
    losing_group,
    pixels_of,
    train_nets,
)
from countenance.synth.tones import TONE_GROUPS


def test_the_groups_take_turns() -> None:
    assert {losing_group(seed) for seed in range(3)} == set(TONE_GROUPS)


def test_people_and_pictures() -> None:
    crops = crops_of_people(1, 3)
    others = crops_of_people(1, 3, held_out=True)
    assert crops.pixels.shape == (12, SIZE, SIZE, 3)
    assert labels_of(crops).tolist() == [*range(len(SHOWN))] * 3
    assert not np.array_equal(crops.pixels, others.pixels)
    pixels = pixels_of(crops)
    assert pixels.shape == (12, 3, SIZE, SIZE)
    assert 0 <= float(pixels.min()) <= float(pixels.max()) <= 1


def test_blurring_keeps_the_mean_and_takes_away_detail() -> None:
    noise = torch.rand((2, 3, 40, 40), generator=torch.Generator().manual_seed(0))
    smooth = blurred(noise, 1.5)
    assert smooth.shape == noise.shape
    assert float(smooth.mean()) == pytest.approx(float(noise.mean()), abs=0.01)
    assert float(smooth[..., 8:-8, 8:-8].std()) == pytest.approx(
        float(noise.std()) / (2 * np.sqrt(np.pi) * 1.5), rel=0.1
    )
    assert torch.allclose(blurred(torch.full((1, 3, 20, 20), 0.3), 2.0), torch.tensor(0.3), atol=1e-6)


def test_the_same_seed_trains_the_same_two_nets() -> None:
    effort = Effort(people=9, epochs=1)
    nets, again = train_nets(2, effort), train_nets(2, effort)
    assert tuple(nets) == NETS
    weights, repeated = (of["planted"].state_dict() for of in (nets, again))
    assert all(torch.equal(weights[name], repeated[name]) for name in weights)
    assert not torch.equal(nets["planted"].head.weight, nets["twin"].head.weight)
    assert not any(net.training for net in nets.values())
