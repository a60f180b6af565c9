"""Inversion in each family: what a change does, that it finds what is planted, and that nets are left as found."""

from __future__ import annotations

from dataclasses import replace
from types import ModuleType

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from countenance.audit.backdoors.scan.calibration import calibrated
from countenance.audit.backdoors.scan.families import FAMILIES, as_picture, outside_oval
from countenance.audit.backdoors.scan.inversion import invert
from countenance.audit.backdoors.scan.scanning import frozen, grey, others, scan, scan_sizes, seed_of


def test_the_planted_patch_is_found_and_clean_twins_are_not(
    small: ModuleType, clean: list[nn.Module], planted: nn.Module, pictures: tuple[Tensor, Tensor]
) -> None:
    pixels, labels = pictures
    assert float((planted(small.patched(pixels)).argmax(1) == small.AIM).float().mean()) > 0.95
    families = ("mask", "additive")
    sizes = [scan_sizes(net, pixels, 3, labels=labels, families=families, seed=3) for net in (*clean, planted)]
    references = np.stack(sizes[1:-1])
    found = calibrated(sizes[-1], references)
    assert found.smallest is not None
    assert found.smallest[0] == small.AIM
    assert np.nanmin(found.p_adjusted) < 0.01
    assert np.nanmin(calibrated(sizes[0], references).p_adjusted) > 0.05


def test_every_family_starts_near_no_change_and_keeps_to_pixels(small: ModuleType) -> None:
    pixels, _ = small.patterns(4, 1)
    random = torch.Generator().manual_seed(0)
    for family in FAMILIES.values():
        parameters = family.start(1, small.SIDE, small.SIDE)
        changed = family.change(pixels, parameters, random)
        assert changed.shape == pixels.shape
        assert float((changed - pixels).abs().max()) < (
            0.13 if "mask" in family.name or "face" in family.name else 1e-5
        )
        moved = [torch.randn_like(each) * 3 for each in parameters]
        changed = family.change(pixels, moved, random)
        assert float(changed.min()) >= 0
        assert float(changed.max()) <= 1
        picture = family.picture(moved, small.SIDE, small.SIDE)
        assert picture.shape == (small.SIDE, small.SIDE, 3)
        assert picture.dtype == np.uint8


def test_sizes_are_what_their_units_say() -> None:
    mask, outside = FAMILIES["mask"], FAMILIES["off_face"]
    full = [torch.full((1, 1, 20, 30), 40.0), torch.zeros(1, 3, 20, 30)]
    assert float(replace(mask, share=None).size(full, 20, 30)) == pytest.approx(600)
    free = float(replace(outside, share=None).size(full, 20, 30))
    assert free == pytest.approx(float(outside_oval(20, 30).sum()))
    assert 0.3 * 600 < free < 0.55 * 600
    for family in (mask, outside):
        assert family.share is not None
        assert float(family.size(full, 20, 30)) == pytest.approx(600 * family.share, rel=1e-5)
    little = [torch.full((1, 1, 20, 30), -9.0), full[1]]  # less than the share is not raised to it
    assert float(mask.size(little, 20, 30)) == pytest.approx(600 * float(torch.tensor(-9.0).sigmoid()), rel=1e-5)
    assert float(FAMILIES["additive"].size([torch.full((1, 3, 8, 8), -0.1)], 8, 8)) == pytest.approx(0.1)
    right = torch.zeros(1, 2, 6, 6)
    right[:, 0] = 1.0  # one pixel of a 64-pixel face
    assert float(FAMILIES["flow"].size([right], 128, 128)) == pytest.approx(2.0)


def test_a_flow_of_one_pixel_moves_pictures_by_one_pixel() -> None:
    pixels = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    right = torch.zeros(1, 2, 6, 6)
    right[:, 0] = 1.0
    moved = FAMILIES["flow"].change(pixels, [right], torch.Generator())
    assert torch.allclose(moved[:, :, :, :-1], pixels[:, :, :, 1:], atol=1e-4)
    down = right.flip(1)
    moved = FAMILIES["flow"].change(pixels, [down], torch.Generator())
    assert torch.allclose(moved[:, :, :-1], pixels[:, :, 1:], atol=1e-4)


class Brightness(nn.Module):
    """Answers 1 where the mean is above a half: the smallest addition to dark pictures is known."""

    def forward(self, pixels: Tensor) -> Tensor:
        mean = pixels.mean((1, 2, 3))
        return torch.stack([0.5 - mean, mean - 0.5], 1) * 60


def test_the_smallest_addition_is_found_where_it_is_known() -> None:
    pixels = torch.full((32, 3, 16, 16), 0.4) + 0.02 * torch.rand(
        32, 1, 1, 1, generator=torch.Generator().manual_seed(1)
    )
    found = invert(Brightness(), pixels, 1, FAMILIES["additive"], seed=1)
    assert found.reached
    assert found.success >= 0.9
    assert 0.08 < found.size < 0.13  # 0.1 turns all of them


class OnePixel(nn.Module):
    """Answers 1 by as much as the first pixel is bright: the best replacement of a few pixels is known."""

    def forward(self, pixels: Tensor) -> Tensor:
        bright = pixels[:, :, 0, 0].mean(1)
        return torch.stack([bright * 0, 9 * bright - 4.5], 1)


def test_the_best_use_of_a_fixed_share_is_found_where_it_is_known() -> None:
    pixels = torch.full((32, 3, 16, 16), 0.2)
    family = replace(FAMILIES["off_face"], share=1 / 16**2)
    found = invert(OnePixel(), pixels, 1, family, seed=1)
    assert found.reached
    assert found.success == 1
    best = float(np.exp(-4.5))
    assert best < found.size < 1.5 * best
    assert found.picture[0, 0].min() > 240  # the bright pixel
    assert (np.abs(found.picture.astype(int) - 128) > 40).all(2).sum() == 1
    assert [family.at(step).share for step in (0, family.steps - 1)] == [pytest.approx(16 / 256), 1 / 256]
    nothing = invert(OnePixel(), pixels, 1, replace(family, share=1e-6), seed=1)
    assert nothing.success == 0
    assert nothing.size == pytest.approx(float(np.exp(4.5 - 1.8)), rel=0.03)


def test_what_cannot_be_reached_is_said(small: ModuleType) -> None:
    class Constant(nn.Module):
        def forward(self, pixels: Tensor) -> Tensor:
            return torch.stack([pixels.mean((1, 2, 3)) * 0 + 9, pixels.mean((1, 2, 3)) * 0], 1)

    pixels, _ = small.patterns(20, 1)
    found = invert(Constant(), pixels, 1, FAMILIES["flow"], seed=1)
    assert not found.reached
    assert found.success == 0
    scanned = scan(Constant(), pixels, [0, 1], families=("flow",))
    assert np.isnan(scanned.log_sizes[1, 0])
    assert np.isfinite(scanned.sizes).all()


def test_same_seed_same_sizes_whatever_else_is_scanned(planted: nn.Module, pictures: tuple[Tensor, Tensor]) -> None:
    pixels, labels = pictures
    alone = scan_sizes(planted, pixels, 3, labels=labels, families=("shifted",), seed=5)
    beside = scan_sizes(planted, pixels, 3, labels=labels, families=("mask", "shifted"), seed=5)
    assert alone[:, 0] == pytest.approx(beside[:, 1], rel=1e-6, nan_ok=True)
    assert np.isfinite(alone).any()
    assert seed_of(5, 0, "mask") != seed_of(5, 1, "mask")


def test_the_net_is_left_as_it_was_found(small: ModuleType) -> None:
    net = small.PatternNet()
    net.head.weight.requires_grad_(False)
    net.features[1].eval()
    before = [(part.training) for part in net.modules()]
    weights = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    pixels, _ = small.patterns(16, 2)
    threads = torch.get_num_threads()
    scan_sizes(net, pixels, 3, families=("additive",))
    assert [part.training for part in net.modules()] == before
    assert not net.head.weight.requires_grad
    assert net.head.bias.requires_grad
    assert all(parameter.grad is None for parameter in net.parameters())
    assert all(torch.equal(weights[name], tensor) for name, tensor in net.state_dict().items())
    assert torch.get_num_threads() == threads
    with pytest.raises(RuntimeError, match="stop"), frozen(net):
        raise RuntimeError("stop")
    assert [part.training for part in net.modules()] == before


def test_a_class_is_sought_with_the_faces_of_the_others(small: ModuleType) -> None:
    pixels, labels = small.patterns(9, 1)
    assert len(others(pixels, labels, 0)) == 6
    assert len(others(pixels, None, 0)) == 9
    assert len(others(pixels, torch.full((9,), -1), 0)) == 9


def test_grey_is_the_luma_that_a_target_is_given() -> None:
    pixels = torch.rand(2, 3, 4, 4)
    assert grey(pixels).shape == (2, 1, 4, 4)
    assert torch.allclose(grey(torch.full((1, 3, 2, 2), 0.3)), torch.full((1, 1, 2, 2), 0.3))
    assert as_picture(torch.ones(1, 1, 2, 2)).tolist() == [[[255] * 3] * 2] * 2
