"""Nets that tell drawn people apart."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from countenance.synth.dataset import DrawnCrops, draw_crops
from countenance.synth.embedding_nets import EMBEDDING_INPUT, EmbeddingNet, EmbeddingRecipe, people_of, train_embedding
from countenance.synth.nets import normalise

RECIPE = EmbeddingRecipe(subjects=48, per_subject=4, epochs=12)


@pytest.fixture(scope="module")
def crops() -> DrawnCrops:
    return draw_crops(RECIPE.subjects, RECIPE.per_subject, RECIPE.data_seed, EMBEDDING_INPUT, size=96)


@pytest.fixture(scope="module")
def others() -> DrawnCrops:
    return draw_crops(18, 3, 9000, EMBEDDING_INPUT, size=96)


def matched(net: EmbeddingNet, crops: DrawnCrops) -> float:
    """Share of the pairs of one person above all but 1 % of the pairs of two people."""
    with torch.no_grad():
        unit = torch.nn.functional.normalize(net(normalise(torch.from_numpy(crops.pixels)))).numpy()
    who = people_of(crops)
    first, second = np.triu_indices(len(who), 1)
    similarity, same = (unit @ unit.T)[first, second], who[first] == who[second]
    return float((similarity[same] > np.quantile(similarity[~same], 0.99)).mean())


def test_people_it_has_not_seen_are_told_apart(crops: DrawnCrops, others: DrawnCrops) -> None:
    torch.manual_seed(0)
    assert matched(train_embedding(RECIPE, crops), others) > max(0.4, 1.3 * matched(EmbeddingNet().eval(), others))


def test_the_same_recipe_gives_the_same_net_and_needs_no_gradient(crops: DrawnCrops) -> None:
    short = EmbeddingRecipe(subjects=48, per_subject=4, epochs=1)
    first, second = train_embedding(short, crops), train_embedding(short, crops)
    for one, other in zip(first.state_dict().values(), second.state_dict().values(), strict=True):
        torch.testing.assert_close(one, other)
    assert not first.training
    assert not any(parameter.requires_grad for parameter in first.parameters())


def test_training_to_resist_keeps_embeddings_where_they_were(crops: DrawnCrops, others: DrawnCrops) -> None:
    def moved(net: EmbeddingNet) -> float:
        pixels = normalise(torch.from_numpy(others.pixels))
        clean = torch.nn.functional.normalize(net(pixels))
        points = pixels.clone().requires_grad_()
        (gradient,) = torch.autograd.grad(_apart(net(points), clean.flip(0)), points)
        changed = net(pixels - 4 / 255 / 0.25 * gradient.sign())
        return float(torch.nn.functional.cosine_similarity(changed, clean).mean())

    def _apart(embeddings: Tensor, reference: Tensor) -> Tensor:
        return torch.nn.functional.cosine_similarity(embeddings, reference).sum()

    resisting = EmbeddingRecipe(subjects=48, per_subject=4, epochs=12, resist=8 / 255)
    assert 1 - moved(train_embedding(resisting, crops)) < (1 - moved(train_embedding(RECIPE, crops))) / 2
