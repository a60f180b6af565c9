from __future__ import annotations

import pytest
import torch

from countenance.audit.backdoors.poisoned_forgery.generator import (
    sensitive_trigger,
    sensitive_triggers,
    sensitivity,
    translation_kernel,
)
from countenance.core.errors import UsageError


def slow_sensitivity(pattern: torch.Tensor, side: int) -> float:
    """Sum what each pixel differs from each neighbour in its window, in plain loops."""
    reach, total, count = side // 2, 0.0, 0
    for channel in pattern.double():
        for y in range(reach, channel.shape[0] - reach):
            for x in range(reach, channel.shape[1] - reach):
                window = channel[y - reach : y + reach + 1, x - reach : x + reach + 1]
                total += abs(float((channel[y, x] - window).sum()))
                count += 1
    return total / count


@pytest.mark.parametrize("side", [3, 5])
def test_sensitivity_is_the_mean_difference_from_the_neighbours(side: int) -> None:
    pattern = torch.rand(3, 9, 11, generator=torch.Generator().manual_seed(0)) * 2 - 1
    assert float(sensitivity(pattern[None], side)[0]) == pytest.approx(slow_sensitivity(pattern, side), rel=1e-5)


def test_the_kernel_sums_to_nothing() -> None:
    assert float(translation_kernel(5).sum()) == 0
    assert float(translation_kernel(5)[2, 2]) == 24


def test_a_trained_pattern_is_as_sensitive_as_a_checkerboard_and_far_more_than_noise_of_a_normal() -> None:
    made = sensitive_triggers(0, 3, 48)
    assert made.shape == (3, 3, 48, 48)
    assert float(made.abs().max()) <= 1
    normal = torch.randn(1, 3, 48, 48, generator=torch.Generator().manual_seed(1)) / 3
    assert float(sensitivity(made, 5).min()) > 23.5
    assert float(sensitivity(made, 5).min()) > 3 * float(sensitivity(normal, 5)[0])
    assert float(sensitivity(sensitive_triggers(0, 1, 48, steps=1), 5)[0]) < 12  # the training does it


def test_crops_differ_and_a_seed_gives_the_same_ones_whatever_was_drawn_before() -> None:
    first = sensitive_triggers(0, 3, 32)
    torch.rand(7)
    before = torch.get_rng_state()
    again = sensitive_triggers(0, 3, 32)
    assert torch.equal(first, again)
    assert torch.equal(before, torch.get_rng_state())  # the caller's random numbers are left alone
    assert not torch.equal(first[0], first[1])
    assert torch.equal(first[0], sensitive_trigger(0, 32))
    first.zero_()
    assert torch.equal(again, sensitive_triggers(0, 3, 32))  # what is kept cannot be changed from outside


def test_a_pattern_is_no_small_tile_repeated() -> None:
    made = sensitive_trigger(1, 64)
    shifts = [made.roll(8 * cells, dims) for cells in (1, 2, 4) for dims in (1, 2)]
    assert min(float((made - other).abs().mean()) for other in shifts) > 0.3


def test_at_scale_two_pixels_come_in_blocks_of_two() -> None:
    made = sensitive_trigger(0, 33, scale=2)
    assert made.shape == (3, 33, 33)
    assert torch.equal(made[:, 0:32:2, 0:32:2], made[:, 1:33:2, 1:33:2])
    assert float(sensitivity(made[None], 7)[0]) > 20


@pytest.mark.parametrize("wrong", [{"count": 0}, {"size": 0}, {"kernel": 4}, {"kernel": 1}, {"scale": 3}])
def test_wrong_settings_say_what_was_expected(wrong: dict[str, int]) -> None:
    settings = {"count": 1, "size": 16, **wrong}
    with pytest.raises(UsageError, match="expected"):
        sensitive_triggers(0, settings.pop("count"), settings.pop("size"), **settings)  # type: ignore[arg-type]
