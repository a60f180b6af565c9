"""ROAD against a slow re-implementation, the grad-cam package, and a net whose right map is known."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from checks.patch_net import ELSEWHERE, PATCH, PatchNet, faces_with_pattern, map_of, target_of
from checks.slow_imputation import solve_slowly
from torch import nn

from countenance.core.torchvision_compat import ensure_torchvision_importable
from countenance.explain.checks.road import PERCENTILES, removals, road
from countenance.explain.checks.scorer import Scorer


def test_equals_the_slow_way() -> None:
    target, pixels = target_of(PatchNet()), faces_with_pattern(3)
    maps = torch.rand(3, 32, 32, generator=torch.Generator().manual_seed(5))
    classes = torch.tensor([0, 1, 0])
    scorer = Scorer(target, 7)
    found = road(scorer, scorer.planes(pixels), classes, maps, [1, 2, 3], noise=0, cycles=60)
    for place in range(3):
        changes = {}
        for order, relevance in {"most": maps[place], "least": 1 - maps[place]}.items():
            after = []
            for percentile in PERCENTILES:
                removed = relevance.numpy() >= np.percentile(relevance.numpy(), percentile)
                filled = torch.from_numpy(solve_slowly(pixels[place].double().numpy(), removed)).float()
                after.append(
                    target.scores(filled[None])[0, classes[place]] - target.scores(pixels)[place, classes[place]]
                )
            changes[order] = float(torch.stack(after).mean())
        assert float(found.most[place]) == pytest.approx(changes["most"], abs=0.05)
        assert float(found.least[place]) == pytest.approx(changes["least"], abs=0.05)
        assert float(found.combined[place]) == pytest.approx((changes["least"] - changes["most"]) / 2, abs=0.05)


@pytest.mark.filterwarnings("ignore:__array_wrap__:DeprecationWarning")  # raised inside the package
def test_agrees_with_the_grad_cam_package() -> None:
    ensure_torchvision_importable()
    pytest.importorskip("pytorch_grad_cam", reason="the package grad-cam is not installed")
    from pytorch_grad_cam.metrics.road import ROADCombined
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    target, pixels, maps = target_of(PatchNet()), faces_with_pattern(3), map_of(PATCH, 3)
    scorer = Scorer(target, 16)
    found = road(scorer, scorer.planes(pixels), torch.zeros(3, dtype=torch.long), maps, [1, 2, 3]).combined
    wanted = [ClassifierOutputTarget(0)] * 3
    expected = [ROADCombined()(target.prepare(pixels), maps.numpy(), wanted, target.net) for _ in range(5)]
    spread = np.std(expected, axis=0).max()
    np.testing.assert_allclose(found.numpy(), np.mean(expected, axis=0), atol=0.15 + 4 * spread)
    assert found.min() > 5


def test_the_right_map_beats_a_random_one_and_a_wrong_one_does_worse() -> None:
    scorer, pixels = Scorer(target_of(PatchNet()), 16), faces_with_pattern(4)
    classes = torch.zeros(4, dtype=torch.long)

    def score(maps: torch.Tensor) -> torch.Tensor:
        return road(scorer, pixels, classes, maps, range(4)).combined

    chance = score(torch.rand(4, 32, 32, generator=torch.Generator().manual_seed(2)))
    assert bool((score(map_of(PATCH, 4)) > chance + 5).all())
    assert bool((score(map_of(ELSEWHERE, 4)) < chance).all())


def test_the_model_that_sees_grey_gets_the_same_as_with_three_planes() -> None:
    class Grey(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            assert x.shape[1] == 1
            return torch.stack([x[:, 0, 18:28, 4:16].mean((1, 2)) * 30, x.mean((1, 2, 3))], 1)

    class Colour(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            grey = (x * torch.tensor([0.299, 0.587, 0.114]).reshape(1, 3, 1, 1)).sum(1, keepdim=True)
            return Grey()(grey)

    pixels, maps, classes = faces_with_pattern(2), map_of(PATCH, 2), torch.zeros(2, dtype=torch.long)
    found = []
    for target in (target_of(Grey(), channels="grey"), target_of(Colour())):
        scorer = Scorer(target, 16)
        found.append(road(scorer, scorer.planes(pixels), classes, maps, [0, 1], noise=0).combined)
    torch.testing.assert_close(found[0], found[1], atol=2e-3, rtol=0)
    assert Scorer(target_of(Grey(), channels="grey"), 4).planes(pixels).shape == (2, 1, 32, 32)


def test_a_constant_map_and_a_missing_one_are_not_scored() -> None:
    scorer, pixels = Scorer(target_of(PatchNet()), 16), faces_with_pattern(3)
    maps = torch.stack([torch.full((32, 32), 0.5), torch.full((32, 32), torch.nan), map_of(PATCH, 1)[0]])
    found = road(scorer, pixels, torch.zeros(3, dtype=torch.long), maps, range(3))
    assert "same everywhere" in str(found.problems[0])
    assert found.problems[1:] == ("there is no map", None)
    assert found.combined.isnan().tolist() == [True, True, False]


def test_removals_are_those_of_the_package_where_no_pixels_are_equal() -> None:
    maps = torch.rand(2, 20, 31, generator=torch.Generator().manual_seed(0))
    removed = removals(maps, (10, 33.3, 90), [1, 2])
    for place, one in enumerate(maps.numpy()):
        for number, percentile in enumerate((10, 33.3, 90)):
            for way, relevance in enumerate((one, 1 - one)):
                expected = relevance >= np.percentile(relevance, percentile)
                assert np.array_equal(removed[place, number, way].numpy(), expected)


def test_of_equal_pixels_as_many_are_removed_as_fill_the_share() -> None:
    maps = map_of(PATCH, 1)
    maps[maps < 0.5] = 0
    removed = removals(maps, (10, 50, 90), [3])[0]
    shares = removed.float().mean(dim=(2, 3))
    np.testing.assert_allclose(shares.numpy(), [[0.9, 0.9], [0.5, 0.5], [0.1, 0.1]], atol=0.002)
    inside = maps[0] > 0
    assert bool(removed[:2, 0, inside].all())  # the patch goes first
    assert not bool(removed[1:, 1, inside].any())  # and last
    scorer, pixels = Scorer(target_of(PatchNet()), 16), faces_with_pattern(1)
    sparse = torch.zeros(1, 32, 32)
    sparse[0, 22, 9] = 1
    scores = [road(scorer, pixels, torch.zeros(1, dtype=torch.long), one, [1]) for one in (maps, sparse)]
    assert scores[1].problems == (None,)
    assert float(scores[0].combined) > float(scores[1].combined) + 2


def test_noise_follows_the_face_and_not_the_batch() -> None:
    scorer, pixels = Scorer(target_of(PatchNet()), 16), faces_with_pattern(3)
    maps, classes = map_of(PATCH, 3), torch.zeros(3, dtype=torch.long)
    together = road(scorer, pixels, classes, maps, [7, 8, 9], noise=0.2).combined
    alone = road(scorer, pixels[1:2], classes[:1], maps[1:2], [8], noise=0.2).combined
    torch.testing.assert_close(together[1:2], alone, atol=1e-4, rtol=0)
    other = road(scorer, pixels[1:2], classes[:1], maps[1:2], [9], noise=0.2).combined
    assert float((other - alone).abs()) > 1e-4
