"""RISE and occlusion against slow re-implementations of their papers."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from black_box_nets import CornerNet, box_of, request_for, smooth_faces
from skimage.transform import resize
from torch import Tensor, nn

from countenance.explain.attribution import rise as rise_module
from countenance.explain.attribution.occlusion import cover, occlusion
from countenance.explain.attribution.rise import Masks, cell_side, rise

OBLONG = (40, 56)


def stretched(raw: np.ndarray) -> np.ndarray:
    return (raw - raw.min()) / np.ptp(raw)


def slow_mask(grid: np.ndarray, shift: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Enlarge the grid by one cell more than the face has, and cut the face out at the shift."""
    cells = len(grid)
    enlarged = tuple((cells + 1) * int(np.ceil(side / cells)) for side in size)
    whole = resize(grid, enlarged, order=1, mode="edge", anti_aliasing=False)
    return whole[shift[0] : shift[0] + size[0], shift[1] : shift[1] + size[1]]


def drawn(masks: int, grid: int, size: tuple[int, int], seed: int) -> tuple[np.ndarray, np.ndarray]:
    return rise_module._draw(masks, grid, size, seed)


@pytest.mark.parametrize("grid", [2, 7])
def test_masks_equal_the_papers_on_a_face_that_is_not_square(grid: int) -> None:
    grids, shifts = drawn(12, grid, OBLONG, 3)
    made = Masks(torch.from_numpy(grids)[None], torch.from_numpy(shifts)[None], OBLONG)
    found = made(torch.zeros(12, dtype=torch.int64), torch.arange(12))
    assert found.shape == (12, *OBLONG)
    for mask, cells, shift in zip(found.numpy(), grids, shifts, strict=True):
        np.testing.assert_allclose(mask, slow_mask(cells, shift, OBLONG), atol=1e-5)


def test_half_of_each_position_is_shown_on_average_and_all_shifts_occur() -> None:
    grids, shifts = drawn(4000, 7, OBLONG, 0)
    for axis, side in enumerate(OBLONG):
        assert set(shifts[:, axis]) == set(range(cell_side(7, side)))
    made = Masks(torch.from_numpy(grids)[None], torch.from_numpy(shifts)[None], OBLONG)
    mean = made(torch.zeros(4000, dtype=torch.int64), torch.arange(4000)).mean(0)
    assert float((mean - 0.5).abs().max()) < 0.04


def test_rise_equals_a_slow_one() -> None:
    net, faces = CornerNet(), smooth_faces(2, OBLONG)
    request = request_for(faces)
    found = rise(box_of(net, 16), request, masks=70, grid=5)
    for face, seed, own in zip(faces, request.seeds, found.maps, strict=True):
        grids, shifts = drawn(70, 5, OBLONG, seed)
        masks = [slow_mask(grid, shift, OBLONG) for grid, shift in zip(grids, shifts, strict=True)]
        scores = [float(net((face * torch.from_numpy(mask).float())[None]).softmax(1)[0, 1]) for mask in masks]
        raw = sum((score - np.mean(scores)) * mask for score, mask in zip(scores, masks, strict=True))
        np.testing.assert_allclose(own.numpy(), stretched(raw), atol=1e-4)


def test_rise_tends_to_the_papers_own_sum() -> None:
    net, faces = CornerNet(), smooth_faces(1)
    request = request_for(faces)
    size, masks = tuple(faces.shape[2:]), 3000
    found = rise(box_of(net, 128), request, masks=masks, grid=4).maps[0].numpy()
    grids, shifts = drawn(masks, 4, size, request.seeds[0])
    made = Masks(torch.from_numpy(grids)[None], torch.from_numpy(shifts)[None], size)
    each = made(torch.zeros(masks, dtype=torch.int64), torch.arange(masks))
    scores = net(faces * each[:, None]).softmax(1)[:, 1]
    raw = torch.einsum("m,mhw->hw", scores, each) / (masks * 0.5)
    assert np.corrcoef(found.ravel(), raw.numpy().ravel())[0, 1] > 0.98


def test_rise_of_a_net_that_is_always_nearly_sure_still_shows_what_it_looks_at() -> None:
    class Sure(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            bright = x[:, :, :16, :16].mean((1, 2, 3))
            return torch.stack([torch.zeros_like(bright), 5 + bright, -torch.ones_like(bright)], 1)

    found = rise(box_of(Sure()), request_for(smooth_faces(1)), masks=400, grid=4).maps[0]
    assert float(found[:16, :16].mean()) > 0.7
    assert float(found[32:, 32:].mean()) < 0.4


@pytest.mark.parametrize("side", [1, 5, 48, 64, 112, 113])
@pytest.mark.parametrize("window, stride", [(0.2, 0.1), (0.6, 0.6), (0.021, 0.011), (0.3, 0.25)])
def test_windows_of_one_size_hide_every_pixel(side: int, window: float, stride: float) -> None:
    places = cover(side, window, stride)
    assert bool(places.any(0).all())
    assert places.sum(1).tolist() == [max(1, round(window * side))] * len(places)
    assert len(torch.unique(places, dim=0)) == len(places)


def test_occlusion_equals_a_slow_one() -> None:
    net, faces = CornerNet(), smooth_faces(2, OBLONG)
    found = occlusion(box_of(net, 7), request_for(faces), window=0.25, stride=0.15)
    height, width = OBLONG
    tall, wide, down, across = 10, 14, 6, 8
    for face, own in zip(faces, found.maps, strict=True):
        whole = float(net(face[None]).softmax(1)[0, 1])
        total, times = np.zeros(OBLONG), np.zeros(OBLONG)
        for top in sorted({*range(0, height - tall + 1, down), height - tall}):
            for left in sorted({*range(0, width - wide + 1, across), width - wide}):
                copy = face.clone()
                copy[:, top : top + tall, left : left + wide] = 0.5
                total[top : top + tall, left : left + wide] += whole - float(net(copy[None]).softmax(1)[0, 1])
                times[top : top + tall, left : left + wide] += 1
        np.testing.assert_allclose(own.numpy(), stretched(np.maximum(total / times, 0)), atol=1e-4)


def test_occlusion_of_a_grey_face_is_told_to_change_nothing() -> None:
    grey = torch.full((1, 3, 64, 64), 0.5)
    found = occlusion(box_of(CornerNet()), request_for(grey), window=0.2, stride=0.1)
    assert found.problems[0] is not None
    assert "answers all" in found.problems[0]
