"""Triggers: what each changes, by how much, and its random counterparts."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from countenance.audit.backdoors.triggers.base import Replayed
from countenance.audit.backdoors.triggers.blended import Blended
from countenance.audit.backdoors.triggers.noise import block_noise, fitting
from countenance.audit.backdoors.triggers.patch import Patch
from countenance.audit.backdoors.triggers.pff import SensitiveStamp
from countenance.audit.backdoors.triggers.picture import Picture
from countenance.audit.backdoors.triggers.sinusoid import Sinusoid
from countenance.audit.backdoors.triggers.warp import Warp
from countenance.synth.quick_faces import quick_faces

FACES = quick_faces(14, 5).rgb.contiguous()
PSNR = {"patch": 27, "blended": 21, "sinusoid": 25, "warp": 20, "pff": 29}
MADE: dict[str, Callable[[], Replayed]] = {
    "patch": Patch,
    "blended": Blended,
    "sinusoid": Sinusoid,
    "warp": Warp,
    "pff": lambda: SensitiveStamp(random=1),
    "picture": lambda: Picture(torch.rand(3, 20, 30), torch.ones(1, 20, 30), alpha=0.3),
}


def psnr(one: Tensor, other: Tensor) -> float:
    return float((-10 * (one - other).square().mean((1, 2, 3)).log10()).mean())


@pytest.mark.parametrize("name", MADE)
def test_every_trigger_keeps_shape_range_and_faces(name: str) -> None:
    trigger, before = MADE[name](), FACES.clone()
    for pixels in (FACES, FACES[:, :1]):
        stamped = trigger.stamp(pixels)
        assert stamped.shape == pixels.shape
        assert float(stamped.min()) >= 0
        assert float(stamped.max()) <= 1
        assert torch.equal(stamped, trigger.stamp(pixels))
        assert not torch.equal(stamped, pixels)
    assert torch.equal(FACES, before)
    assert " " not in trigger.name
    assert trigger.title


@pytest.mark.parametrize("name", PSNR)
def test_as_visible_as_in_the_trials(name: str) -> None:
    assert psnr(MADE[name]().stamp(FACES), FACES) == pytest.approx(PSNR[name], abs=2.0)


@pytest.mark.parametrize("name", MADE)
def test_random_marks_differ_and_are_of_a_size(name: str) -> None:
    trigger = MADE[name]()
    own = psnr(trigger.stamp(FACES), FACES)
    marks = [trigger.null(seed).stamp(FACES) for seed in range(11, 15)]
    assert not torch.equal(marks[0], marks[1])
    assert not torch.equal(marks[0], trigger.stamp(FACES))
    assert float(np.mean([psnr(mark, FACES) for mark in marks])) == pytest.approx(own, abs=6.0)


def test_patch_covers_its_corner_alone() -> None:
    stamped = Patch(corner="top_left").stamp(FACES)
    there = (stamped != FACES).any(1).any(0).nonzero()
    assert there.min().item() == 2
    assert there.max().item() == 6
    expected = torch.tensor([[1.0, 0.0, 1.0, 0.0, 1.0], [0.0, 1.0, 0.0, 1.0, 0.0]])
    assert torch.equal(stamped[0, 0, 2:4, 2:7], expected)


def test_blended_and_sinusoid_are_their_formulas() -> None:
    noise = block_noise(3, 64, 64, 2)
    assert torch.allclose(Blended(3).stamp(FACES), 0.75 * FACES + 0.25 * noise)
    stamped = Sinusoid().stamp(FACES)
    column = 5
    wave = 0.08 * math.sin(2 * math.pi * 6 * column / 64)
    assert torch.allclose(stamped[..., column], (FACES[..., column] + wave).clamp(0, 1), atol=1e-6)


def test_warp_has_the_stated_length_and_moves_as_told() -> None:
    warp = Warp(4)
    assert float(warp.field(64, 64).norm(dim=2).mean()) == pytest.approx(2.5, abs=1e-4)
    ramp = (torch.arange(64.0) / 64).expand(1, 1, 64, 64).contiguous()
    moved = warp.stamp(ramp) - ramp
    inner = (slice(None), slice(None), slice(16, 48), slice(16, 48))
    assert torch.allclose(moved[inner][0, 0], warp.field(64, 64)[16:48, 16:48, 0] / 64, atol=1e-5)


def test_pff_stays_in_its_mask_and_strength() -> None:
    mask = torch.zeros(1, 1, 64, 64)
    mask[..., 20:40, 20:40] = 1
    change = SensitiveStamp(random=2, alpha=0.1, mask=mask).stamp(FACES) - FACES
    assert float((change * (1 - mask)).abs().max()) == 0
    assert float((change.abs() - 0.1 * FACES).max()) <= 1e-6


def test_sticker_stands_where_it_is_told() -> None:
    sticker = Picture(torch.ones(3, 10, 10), torch.ones(1, 10, 10), "top_right", side=0.25)
    there = (sticker.stamp(torch.zeros(1, 3, 64, 64)) > 0)[0, 0].nonzero()
    assert there.min(0).values.tolist() == [0, 48]
    assert there.max(0).values.tolist() == [15, 63]


def test_transparent_pixels_leave_the_face() -> None:
    opacity = torch.zeros(1, 8, 8)
    opacity[..., :4] = 1
    stamped = Picture(torch.ones(3, 8, 8), opacity, alpha=0.5).stamp(FACES)
    assert torch.equal(stamped[..., 44:], FACES[..., 44:])
    assert torch.allclose(stamped[..., :20], 0.5 * FACES[..., :20] + 0.5)


def test_grey_pixels_are_given_one_channel_of_a_pattern() -> None:
    pattern = torch.stack([torch.full((4, 4), float(place)) for place in range(3)])
    assert torch.equal(fitting(pattern, torch.zeros(2, 1, 4, 4)), pattern[:1])
    assert torch.equal(fitting(pattern, torch.zeros(2, 3, 4, 4)), pattern)
