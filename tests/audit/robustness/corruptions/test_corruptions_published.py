"""Agreement with the published definitions, as the package ``imagecorruptions`` has them, at 224 pixels."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from countenance.audit.robustness.corruptions import blurs, digital, glass, weather
from countenance.audit.robustness.corruptions.catalogue import corrupt

Published = Callable[[str], Callable[[np.ndarray, int], np.ndarray]]
ALIKE = 1e-4
DETERMINISTIC = ("defocus_blur", "zoom_blur", "brightness", "contrast", "pixelate", "jpeg_compression")


def ours(name: str, pixels: Tensor, severity: int, seed: int = 5) -> np.ndarray:
    return corrupt(name, pixels, np.arange(len(pixels)), severity, seed).permute(0, 2, 3, 1).numpy()


@pytest.mark.parametrize("severity", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("name", DETERMINISTIC)
def test_without_chance_every_pixel_agrees(
    published: Published, pictures: np.ndarray, pixels: Tensor, name: str, severity: int
) -> None:
    theirs = np.stack([published(name)(picture, severity) for picture in pictures])
    assert np.abs(ours(name, pixels, severity) - theirs).max() < ALIKE


def test_gaussian_blur_agrees(published: Published, pictures: np.ndarray, pixels: Tensor) -> None:
    for severity in (1, 3, 5):
        theirs = np.stack([published("gaussian_blur")(picture, severity) for picture in pictures])
        assert np.abs(ours("gaussian_blur", pixels, severity) - theirs).max() < ALIKE


class Replayed:
    """Gives out what the published code drew from numpy's global state."""

    def __init__(self, **arrays: np.ndarray) -> None:
        self.arrays = arrays

    def uniform(self, *shape: int, low: float = 0.0, high: float = 1.0) -> Tensor:
        return torch.from_numpy(self.arrays["uniform"].astype(np.float32)).reshape(1, *shape)

    def normal(self, *shape: int) -> Tensor:
        return torch.from_numpy(self.arrays["normal"].astype(np.float32)).reshape(1, *shape)

    def below(self, limit: int, *shape: int) -> np.ndarray:
        return self.arrays["below"].reshape(1, *shape)


@pytest.mark.parametrize("severity", [1, 2, 3, 4, 5])
def test_motion_blur_agrees_at_the_same_angle(
    published: Published, pictures: np.ndarray, pixels: Tensor, severity: int
) -> None:
    for place in range(len(pictures)):
        np.random.seed(place)
        angle = np.random.uniform(-45, 45)
        np.random.seed(place)
        theirs = published("motion_blur")(pictures[place], severity)
        found = blurs.motion_blur(pixels[place : place + 1], severity, Replayed(uniform=np.array(angle)))  # type: ignore[arg-type]
        assert np.abs(found[0].permute(1, 2, 0).numpy() - theirs).max() < ALIKE


@pytest.mark.parametrize("severity", [1, 2, 3, 4, 5])
def test_snow_agrees_on_the_same_flakes(
    published: Published, pictures: np.ndarray, pixels: Tensor, severity: int
) -> None:
    mean, sd = weather.SNOW[severity - 1][:2]
    np.random.seed(severity)
    noise = (np.random.normal(size=(224, 224), loc=mean, scale=sd) - mean) / sd
    angle = np.random.uniform(-135, -45)
    np.random.seed(severity)
    theirs = published("snow")(pictures[0], severity)
    found = weather.snow(pixels[:1], severity, Replayed(normal=noise, uniform=np.array(angle)))  # type: ignore[arg-type]
    difference = np.abs(found[0].permute(1, 2, 0).numpy() - theirs)
    assert difference.max() < 2.5 / 255  # a flake is rounded to bytes, twice
    assert (difference > ALIKE).mean() < 0.01


@pytest.mark.parametrize("severity", [1, 3, 5])
def test_fog_agrees_on_the_same_numbers(
    published: Published, pictures: np.ndarray, pixels: Tensor, severity: int
) -> None:
    np.random.seed(severity)
    lots = np.random.uniform(-1, 1, 256 * 256 - 1)
    np.random.seed(severity)
    theirs = published("fog")(pictures[1], severity)
    found = weather.fog(pixels[1:2], severity, Replayed(uniform=lots))  # type: ignore[arg-type]
    assert np.abs(found[0].permute(1, 2, 0).numpy() - theirs).max() < ALIKE


@pytest.mark.parametrize("severity", [1, 3, 5])
def test_elastic_transform_agrees_on_the_same_steps(
    published: Published, pictures: np.ndarray, pixels: Tensor, severity: int
) -> None:
    np.random.seed(severity)
    steps = np.random.uniform(-1.12, 1.12, (2, 224, 224))
    np.random.seed(severity)
    theirs = published("elastic_transform")(pictures[0], severity)
    found = digital.elastic_transform(pixels[:1], severity, Replayed(uniform=steps))  # type: ignore[arg-type]
    assert np.abs(found[0].permute(1, 2, 0).numpy() - theirs).max() < 1e-3


def test_glass_blur_agrees_on_the_same_steps(published: Published, pictures: np.ndarray, pixels: Tensor) -> None:
    side, severity = 64, 3
    furthest, rounds = glass.GLASS[severity - 1][1:]
    random = np.random.RandomState(1)  # the published code draws pixel by pixel, from the lower right
    steps = np.zeros((rounds, side, side, 2), dtype=np.int64)
    for turn in range(rounds):
        for row in range(side - furthest, furthest, -1):
            for column in range(side - furthest, furthest, -1):
                steps[turn, row, column] = random.randint(-furthest, furthest, size=2)
    picture = pictures[0][40 : 40 + side, 40 : 40 + side]
    np.random.seed(1)
    theirs = published("glass_blur")(picture, severity)

    drawn = (steps + furthest)[..., ::-1].transpose(0, 3, 1, 2)  # rows come first here
    patch = pixels[:1, :, 40 : 40 + side, 40 : 40 + side]
    with pytest.MonkeyPatch.context() as patched:  # its lengths are in pixels whatever the size of the picture
        patched.setattr(glass, "share", lambda of: 1.0)
        found = glass.glass_blur(patch, severity, Replayed(below=drawn))  # type: ignore[arg-type]
    difference = np.abs(found[0].permute(1, 2, 0).numpy() - theirs)
    assert difference.max() < 1.5 / 255  # bytes are cut off, not rounded, before pixels are handed about
    assert (difference > ALIKE).mean() < 0.05


def spectrum(change: np.ndarray) -> np.ndarray:
    """Shares of the power below 8, below 32 and above 32 cycles over the picture; change (n, h, w, 3)."""
    grey = change.mean(-1)
    power = np.abs(np.fft.fft2(grey - grey.mean((1, 2), keepdims=True))) ** 2
    cycles = np.hypot(*np.meshgrid(*[np.fft.fftfreq(side) * side for side in grey.shape[1:]], indexing="ij"))
    bands = (cycles < 8, (cycles >= 8) & (cycles < 32), cycles >= 32)
    return np.array([power[:, band].sum() for band in bands]) / power.sum()


@pytest.mark.parametrize("severity", [1, 3, 5])
@pytest.mark.parametrize("name", ["gaussian_noise", "shot_noise", "impulse_noise"])
def test_noise_has_the_published_statistics(
    published: Published, pictures: np.ndarray, pixels: Tensor, name: str, severity: int
) -> None:
    np.random.seed(0)
    theirs = np.stack([published(name)(picture, severity) for picture in pictures]) - pictures / 255
    found = ours(name, pixels, severity) - pictures / 255
    assert found.mean((1, 2, 3)) == pytest.approx(theirs.mean((1, 2, 3)), abs=0.004)
    assert found.std((1, 2, 3)) == pytest.approx(theirs.std((1, 2, 3)), rel=0.03)
    assert spectrum(found) == pytest.approx(spectrum(theirs), abs=0.01)


@pytest.mark.parametrize("severity", [1, 5])
def test_frost_is_near_the_published_one(
    published: Published, pictures: np.ndarray, pixels: Tensor, severity: int
) -> None:
    """The texture is made, so that only its mean, contrast and spectrum can be alike, and only nearly."""
    draws = 40
    np.random.seed(0)
    theirs = np.stack([published("frost")(pictures[2], severity) for _ in range(draws)]) - pictures[2] / 255
    many = pixels[2:3].expand(draws, -1, -1, -1)
    found = ours("frost", many, severity) - pictures[2] / 255
    assert found.mean((0, 1, 2)) == pytest.approx(theirs.mean((0, 1, 2)), abs=0.06)
    assert found.std((1, 2)).mean() == pytest.approx(theirs.std((1, 2)).mean(), rel=0.15)
    assert spectrum(found) == pytest.approx(spectrum(theirs), abs=0.1)
