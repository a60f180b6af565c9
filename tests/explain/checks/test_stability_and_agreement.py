"""Stability under invisible noise, and agreement of methods with twins counted once."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from countenance.explain.checks.method_agreement import Agreement
from countenance.explain.checks.stability import noisy_copies, stability

PIXELS = torch.rand(4, 3, 16, 16, generator=torch.Generator().manual_seed(0)) * 0.8 + 0.1
NOTHING = torch.full((16, 16), torch.nan)


def same(pixels: Tensor) -> Tensor:
    return torch.zeros(len(pixels), dtype=torch.long)


def test_a_map_of_the_picture_holds_still_and_one_of_the_noise_does_not() -> None:
    calls = iter(range(10))

    def explain(pixels: Tensor) -> dict[str, Tensor]:
        generator = torch.Generator().manual_seed(next(calls))
        return {"bright": pixels.mean(1), "dice": torch.rand(len(pixels), 16, 16, generator=generator)}

    moved = stability(explain, same, explain(PIXELS), PIXELS, [1, 2, 3, 4], copies=3)
    assert float(moved["bright"].mean.max()) < 0.01
    assert float(moved["dice"].mean.min()) > 0.8
    assert moved["dice"].copies.tolist() == [3] * 4
    assert bool((moved["dice"].largest >= moved["dice"].mean).all())


def test_faces_whose_answer_changes_or_that_have_no_map_do_not_count_and_vanished_maps_do() -> None:
    first = {"bright": PIXELS.mean(1).clone()}
    first["bright"][1] = NOTHING

    def explain(pixels: Tensor) -> dict[str, Tensor]:
        found = pixels.mean(1).clone()
        found[2] = NOTHING
        return {"bright": found}

    def answer(pixels: Tensor) -> Tensor:
        changed = not torch.equal(pixels, PIXELS)
        return torch.tensor([int(changed), 0, 0, 0])

    moved = stability(explain, answer, first, PIXELS, [1, 2, 3, 4], copies=2)["bright"]
    assert moved.mean.isnan().tolist() == [True, True, False, False]
    assert moved.largest.isnan().tolist() == [True, True, False, False]
    assert float(moved.mean[2]) == 1.0
    assert moved.vanished.tolist() == [0, 0, 2, 0]
    assert moved.copies.tolist() == [0, 0, 2, 2]


def test_noise_is_small_stays_in_range_and_follows_the_face() -> None:
    copies = noisy_copies(PIXELS, [1, 2, 3, 4], 2, 1 / 255)
    assert copies.shape == (2, 4, 3, 16, 16)
    assert float((copies - PIXELS).std()) == pytest.approx(1 / 255, rel=0.05)
    assert float(noisy_copies(torch.ones(1, 3, 4, 4), [1], 1, 0.1).max()) == 1.0
    assert torch.equal(copies[:, 2:3], noisy_copies(PIXELS[2:3], [3], 2, 1 / 255))


def test_twins_are_grouped_and_others_are_not() -> None:
    generator = torch.Generator().manual_seed(1)
    agreement = Agreement(["a", "b", "c", "d"])
    for _ in range(3):
        maps = torch.rand(5, 8, 8, generator=generator)
        other = torch.rand(5, 8, 8, generator=generator)
        nearly = maps.clone()
        nearly[0] += 0.01 * torch.rand(8, 8, generator=generator)
        agreement.add({"a": maps, "b": maps + 1e-6, "c": other, "d": nearly})
    assert agreement.groups() == (("a", "b"), ("c",), ("d",))
    assert agreement.correlations("a", "b").tolist() == pytest.approx([1.0] * 15, abs=1e-4)
    assert abs(float(agreement.correlations("c", "a").mean())) < 0.1
    assert len(agreement.correlations("d", "a")) == 15


def test_methods_that_miss_other_faces_are_no_twins_and_without_maps_nothing_is_claimed() -> None:
    maps = torch.rand(3, 16, 16, generator=torch.Generator().manual_seed(2))
    holes, none = maps.clone(), torch.full((3, 16, 16), torch.nan)
    holes[1] = NOTHING
    agreement = Agreement(["a", "holes", "none", "neither"])
    agreement.add({"a": maps, "holes": holes, "none": none, "neither": none})
    assert agreement.groups() == (("a",), ("holes",), ("none",), ("neither",))
    assert agreement.correlations("a", "holes").isnan().tolist() == [False, True, False]
