"""What holds at every size, in every batch and for every face."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import kstest
from scipy.stats import poisson as poisson_law
from torch import Tensor

from countenance.audit.robustness.corruptions import blurs, capture, noises, plasma
from countenance.audit.robustness.corruptions.catalogue import CORRUPTIONS, GROUPS, IMAGENET_C, corrupt
from countenance.audit.robustness.corruptions.draws import Draws
from countenance.audit.robustness.corruptions.frost import PANES, needles
from countenance.audit.robustness.corruptions.glass import sources
from countenance.audit.robustness.corruptions.lengths import scaled_kernel
from countenance.audit.robustness.corruptions.linear import bilinear_matrix, box_matrix, gaussian_matrix

FAR = 2**40
BRIGHTER_OR_DARKER = {
    "brightness",
    "over_exposure",
    "low_light",
    "snow",
    "frost",
    "fog",
    "shot_noise",
    "gaussian_noise",
}


def faces(side: tuple[int, int], count: int = 3) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    coarse = torch.rand((count, 3, 12, 12), generator=generator)
    return (torch.nn.functional.interpolate(coarse, side, mode="bicubic").clamp(0, 1) * 255).round() / 255


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_a_face_is_corrupted_alike_in_every_batch(name: str) -> None:
    pixels, rows = faces((48, 64)), np.array([4, 0, FAR])
    before = pixels.clone()
    for severity in (1, 5):
        together = corrupt(name, pixels, rows, severity, 3)
        assert together.shape == pixels.shape
        assert together.dtype == torch.float32
        assert 0 <= float(together.min()) <= float(together.max()) <= 1
        assert not torch.equal(together, pixels)
        turned = corrupt(name, pixels.flip(0), rows[::-1].copy(), severity, 3).flip(0)
        alone = torch.cat([corrupt(name, pixels[at : at + 1], rows[at : at + 1], severity, 3) for at in range(3)])
        assert torch.allclose(together, turned, atol=1e-6)
        assert torch.allclose(together, alone, atol=1e-6)
    assert torch.equal(pixels, before)


@pytest.mark.parametrize(
    "name", ["gaussian_noise", "snow", "frost", "fog", "motion_blur", "elastic_transform", "low_light"]
)
def test_seed_and_row_decide(name: str) -> None:
    pixels = faces((64, 64), 1).expand(2, -1, -1, -1)
    first = corrupt(name, pixels, np.array([1, 2]), 3, 3)
    assert not torch.allclose(first[0], first[1], atol=1e-3)
    assert not torch.allclose(first, corrupt(name, pixels, np.array([1, 2]), 3, 4), atol=1e-3)
    assert torch.equal(first, corrupt(name, pixels, np.array([1, 2]), 3, 3))


@pytest.mark.parametrize("side", [32, 48, 112, 300])
@pytest.mark.parametrize("name", CORRUPTIONS)
def test_any_size_works_and_a_severer_one_changes_more(name: str, side: int) -> None:
    pixels, rows = faces((side, side), 6), np.arange(6)
    by = [float((corrupt(name, pixels, rows, severity, 1) - pixels).abs().mean()) for severity in (1, 5)]
    if name not in ("frost", "fog"):  # their severities hide more, not brighten more
        assert by[1] > by[0] > 0


@pytest.mark.parametrize("name", ["defocus_blur", "gaussian_blur", "motion_blur", "zoom_blur"])
def test_a_severity_hides_the_same_share_of_a_face_at_every_size(name: str) -> None:
    """Blurring at 224 and then shrinking gives nearly what shrinking and then blurring gives."""
    large = faces((224, 224), 2)
    small = torch.nn.functional.avg_pool2d(large, 2)
    for severity in (3, 5):
        then_shrunk = torch.nn.functional.avg_pool2d(corrupt(name, large, np.arange(2), severity, 1), 2)
        shrunk_first = corrupt(name, small, np.arange(2), severity, 1)
        change = float((then_shrunk - small).abs().mean())
        assert float((then_shrunk - shrunk_first).abs().mean()) < 0.25 * change


def test_severities_out_of_the_tables_are_refused() -> None:
    for severity in (0, 6, -1):
        with pytest.raises(ValueError, match="expected a severity from 1 to 5"):
            corrupt("fog", faces((32, 32)), np.arange(3), severity, 0)


def test_groups_hold_the_published_fifteen() -> None:
    assert len(GROUPS[IMAGENET_C]) == 15
    assert set(GROUPS[IMAGENET_C]) | set(GROUPS["face"]) == set(CORRUPTIONS)
    assert sum(len(GROUPS[family]) for family in ("noise", "blur", "weather", "digital", "face")) == len(CORRUPTIONS)


def test_shot_noise_is_poisson_up_to_white() -> None:
    level, white = 100 / 255, noises.SHOT[2]
    counts = noises.shot_noise(torch.full((1, 3, 120, 120), level), 3, Draws(0, np.array([5]), 1)).numpy() * white
    for count in range(white):
        chance = poisson_law.pmf(count, level * white)
        assert (np.rint(counts) == count).mean() == pytest.approx(chance, abs=4 * np.sqrt(chance / counts.size))
    brighter = poisson_law.sf(white - 1, level * white)
    assert (np.rint(counts) == white).mean() == pytest.approx(brighter, abs=4 * np.sqrt(brighter / counts.size))


def test_impulse_noise_sets_as_many_to_black_as_to_white() -> None:
    noisy = noises.impulse_noise(torch.full((1, 3, 200, 200), 0.5), 5, Draws(0, np.array([5]), 1))
    assert float((noisy == 0).float().mean()) == pytest.approx(0.135, abs=0.004)
    assert float((noisy == 1).float().mean()) == pytest.approx(0.135, abs=0.004)


def test_draws_of_streams_and_faces_are_uniform_and_apart() -> None:
    drawn = Draws(1, np.array([0, 1, FAR]), 0).uniform(4000).numpy()
    other = Draws(1, np.array([0]), 1).uniform(4000).numpy()
    assert all(kstest(line, "uniform").pvalue > 1e-4 for line in [*drawn, other[0]])
    assert np.abs(np.corrcoef(np.concatenate([drawn, other])) - np.eye(4)).max() < 0.06
    draws = Draws(1, np.array([0]), 0)
    assert not torch.equal(draws.uniform(5), draws.uniform(5))


def one_after_the_other(down: np.ndarray, right: np.ndarray, back: int, ahead: int) -> np.ndarray:
    """Do what the published loop does with the places of pixels."""
    height, width = down.shape
    values = np.arange(height * width).reshape(height, width)
    for row in range(height - ahead - 1, back, -1):
        for column in range(width - ahead - 1, back, -1):
            values[row, column] = values[row + down[row, column], column + right[row, column]]
    return values.ravel()


@pytest.mark.parametrize("back, ahead", [(1, 0), (2, 1), (4, 3), (1, 1)])
def test_all_at_once_is_one_after_the_other(back: int, ahead: int) -> None:
    random = np.random.default_rng(back)
    for shape in ((20, 31), (33, 17)):
        down, right = (random.integers(-back, ahead + 1, shape).astype(np.int32) for _ in range(2))
        assert (sources(down, right, back, ahead) == one_after_the_other(down, right, back, ahead)).all()


def test_a_kernel_is_scaled_by_area() -> None:
    kernel = blurs.disk(6, 0.5)
    assert scaled_kernel(kernel, 1.0) is kernel
    reach = np.arange(-(len(kernel) // 2), len(kernel) // 2 + 1)
    spread = (kernel.sum(0) * reach**2).sum()
    for scale in (0.25, 0.5, 0.73, 1.5):
        scaled = scaled_kernel(kernel, scale)
        line = np.arange(len(scaled)) - len(scaled) // 2
        assert scaled.sum() == pytest.approx(kernel.sum())
        assert (scaled.sum(0) * line**2).sum() == pytest.approx(scale**2 * spread, rel=0.15)
    # every eighth of a cell of the published kernel goes to the pixel it lies in
    fine = np.kron(kernel, np.ones((8, 8))) / 64
    places = np.rint((np.arange(len(fine)) + 0.5 - len(fine) / 2) / 8 * 0.5).astype(int)
    slow = np.zeros_like(scaled_kernel(kernel, 0.5))
    np.add.at(slow, (places[:, None] + len(slow) // 2, places[None] + len(slow) // 2), fine)
    assert scaled_kernel(kernel, 0.5) == pytest.approx(slow, abs=1e-12)


def test_convolving_is_adding_up_shifted_pictures() -> None:
    pixels, kernel = faces((33, 41), 2), blurs.disk(3, 0.1)
    reach = len(kernel) // 2
    padded = np.pad(pixels.numpy(), ((0, 0), (0, 0), (reach, reach), (reach, reach)), mode="reflect")
    slow = sum(
        kernel[y, x] * padded[..., y : y + 33, x : x + 41] for y in range(len(kernel)) for x in range(len(kernel))
    )
    assert np.abs(blurs.convolved(pixels, torch.from_numpy(kernel)).numpy() - slow).max() < 1e-5


def test_lines_of_matrices_are_means() -> None:
    for matrix in (
        gaussian_matrix(30, 2.2),
        gaussian_matrix(30, 2.2, 3.0, "reflect"),
        box_matrix(30, 7),
        bilinear_matrix(7, 30),
    ):
        assert matrix.sum(1).numpy() == pytest.approx(1.0, abs=1e-6)
        assert (matrix >= 0).all()
    assert (gaussian_matrix(9, 0.01) == torch.eye(9)).all()


def test_plasma_is_a_slow_diamond_square() -> None:
    """Points are set one by one, in the order of the published code."""
    side, decay = 16, 1.7
    lots = iter(Draws(2, np.array([3]), 0).uniform(side * side - 1, low=-1, high=1)[0].tolist())
    height = np.zeros((side, side))
    wobble, step = 100.0, side

    def mean(points: list[tuple[int, int]]) -> float:
        return sum(height[y % side, x % side] for y, x in points) / 4 + wobble**2 * next(lots)

    while step >= 2:
        half = step // 2
        corners = [(y, x) for y in range(0, side, step) for x in range(0, side, step)]
        for y, x in corners:
            height[y + half, x + half] = mean([(y, x), (y + step, x), (y, x + step), (y + step, x + step)])
        for y, x in corners:
            height[y, x + half] = mean([(y, x), (y, x + step), (y + half, x + half), (y - half, x + half)])
        for y, x in corners:
            height[y + half, x] = mean([(y, x), (y + step, x), (y + half, x + half), (y + half, x - half)])
        step, wobble = half, wobble / decay
    slow = (height - height.min()) / np.ptp(height)
    assert plasma.plasma(Draws(2, np.array([3]), 0), side, decay)[0] == pytest.approx(slow, abs=1e-5)


def test_panes_have_the_measured_contrast_and_fall_of_power() -> None:
    noise = torch.randn((224, 224), generator=torch.Generator().manual_seed(0))
    for place, pane in enumerate(PANES):
        texture = needles(noise, place, 1)
        assert float(texture.mean()) == pytest.approx(0, abs=1e-4)
        assert float(texture.std()) == pytest.approx(1, abs=1e-3)
        power = np.abs(np.fft.fft2(texture.numpy())) ** 2
        cycles = np.hypot(*np.meshgrid(*[np.fft.fftfreq(224) * 224] * 2, indexing="ij"))
        rough = power[cycles >= 32].sum() / power.sum()
        assert rough == pytest.approx(sum(pane.power[4:]), abs=0.12)


def test_light_is_counted_in_linear_values() -> None:
    assert float(capture.linear(torch.tensor(0.5))) == pytest.approx(0.21404, abs=1e-4)
    values = torch.linspace(0, 1, 101)
    assert torch.allclose(capture.encoded(capture.linear(values)), values, atol=1e-5)
    grey = torch.full((1, 3, 64, 64), 0.5)
    rows = np.array([0])
    brighter = corrupt("over_exposure", grey, rows, 2, 0)
    assert float(capture.linear(brighter).mean()) == pytest.approx(2 * 0.21404, abs=1e-3)
    darker = capture.linear(corrupt("low_light", grey, rows, 2, 0)) * 1000
    assert float(darker.mean()) == pytest.approx(0.25 * 214.04, rel=0.01)
    assert float(darker.var()) == pytest.approx(0.25 * 214.04 + 16, rel=0.06)
    cast = capture.linear(corrupt("colour_cast", grey, rows, 5, 0))[0, :, 0, 0]
    assert abs(float(torch.log(cast[0] / cast[2]))) == pytest.approx(0.75, abs=1e-3)
    assert float((cast * torch.tensor([0.299, 0.587, 0.114])).sum()) == pytest.approx(0.21404, abs=1e-3)
