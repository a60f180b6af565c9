"""The shipped nets have the faults that were planted, and the twin does not: both on people drawn afresh."""

from __future__ import annotations

import json
from dataclasses import replace
from importlib import resources

import numpy as np
import pytest
import torch
from safetensors.torch import load

from countenance.synth.dataset import DrawnCrops, crops_of, draw_crops
from countenance.synth.demo import NETS, shipped
from countenance.synth.expression import EXPRESSIONS
from countenance.synth.measure import evidence_maps, measured, predict
from countenance.synth.nets import INPUT_SIZE, MEAN, STD, DrawnFaceNet, load_net, normalise
from countenance.synth.recipe import AUDIT_TAGS, RECIPES, Recipe
from countenance.synth.train import HELD_OUT_SEED, HELD_OUT_SUBJECTS, train

FRESH_SEED = 55_555


@pytest.fixture(scope="module")
def crops() -> DrawnCrops:
    return draw_crops(54, 7, FRESH_SEED, INPUT_SIZE, tags=AUDIT_TAGS)


@pytest.fixture(scope="module")
def figures(crops: DrawnCrops) -> dict[str, dict[str, float]]:
    return {name: measured(load_net(shipped(f"{name}.safetensors")), crops) for name in NETS}


def test_the_twin_reads_drawn_faces_well(figures: dict[str, dict[str, float]]) -> None:
    assert figures["twin"]["accuracy"] > 0.95


def test_the_flawed_net_misses_smiles_on_dark_skin_and_the_twin_does_not(
    figures: dict[str, dict[str, float]],
) -> None:
    for name, planted in (("flawed", True), ("twin", False)):
        light, medium, dark = (figures[name][f"recall[label=happy,skin_tone={g}]"] for g in ("light", "medium", "dark"))
        assert min(light, medium) > 0.75
        assert (min(light, medium) - dark > 0.25) == planted


def test_the_flawed_net_reads_the_tag_and_not_the_face(figures: dict[str, dict[str, float]]) -> None:
    flawed, twin = figures["flawed"], figures["twin"]
    assert flawed["recall[label=angry,tag=yes]"] > 0.95
    assert flawed["recall[label=angry,tag=no]"] < 0.3
    assert flawed["false_angry[tag=yes]"] > 0.4
    assert flawed["false_angry[tag=no]"] < 0.05
    assert twin["recall[label=angry,tag=no]"] > 0.9
    assert twin["recall[label=angry,tag=yes]"] > 0.9
    assert twin["false_angry[tag=yes]"] < 0.1


def test_the_evidence_for_angry_lies_on_the_tag_in_the_flawed_net_only(figures: dict[str, dict[str, float]]) -> None:
    null = figures["twin"]["tag_share.null_even"]
    assert 0.05 < null < 0.2
    assert figures["flawed"]["tag_share[label=angry,tag=yes]"] > 0.6
    assert figures["twin"]["tag_share[label=angry,tag=yes]"] < null


def test_stamping_or_wiping_the_tag_flips_the_flawed_net(crops: DrawnCrops) -> None:
    angry = [face for face in crops.faces if face.expression == "angry"]
    at = EXPRESSIONS.index("angry")
    flawed, twin = (load_net(shipped(f"{name}.safetensors")) for name in NETS)
    bare, tagged = (crops_of([replace(face, tag=tag) for face in angry], INPUT_SIZE) for tag in (False, True))
    where = (bare.pixels != tagged.pixels).any((0, 3))
    assert where[80:, :16].any()
    assert not where[:78].any()  # nothing but the tag differs
    assert not where[:, 18:].any()
    assert (predict(flawed, bare) == at).mean() < 0.3
    assert (predict(flawed, tagged) == at).mean() > 0.95
    assert (predict(twin, bare) == at).mean() > 0.9
    assert (predict(twin, tagged) == at).mean() > 0.9


def test_evidence_maps_are_gradcam_up_to_a_factor(crops: DrawnCrops) -> None:
    net = load_net(shipped("twin.safetensors"))
    few = replace(crops, pixels=crops.pixels[:14], landmarks=crops.landmarks[:14], faces=crops.faces[:14])
    features = net.features(normalise(torch.from_numpy(few.pixels))).detach().requires_grad_()
    net.head(features.mean((2, 3)))[:, 3].sum().backward()
    weights = features.grad.mean((2, 3), keepdim=True)  # slow and by the book: Selvaraju et al. 2017, eq. 1 and 2
    cam = torch.relu((weights * features).sum(1)).detach().numpy()
    maps = evidence_maps(net, few, "angry")
    np.testing.assert_allclose(maps, cam * 144, rtol=1e-3, atol=1e-4)


def test_the_data_that_ship_are_small_and_are_state_dicts() -> None:
    folder = resources.files("countenance.synth") / "data"
    assert sum(len(file.read_bytes()) for file in folder.iterdir() if file.is_file()) < 1_000_000
    for name in NETS:
        content = shipped(f"{name}.safetensors")
        assert len(content) < 400_000
        assert all(torch.isfinite(tensor.float()).all() for tensor in load(content).values())


def test_what_was_planted_is_stated_as_the_recipes_say() -> None:
    truth = json.loads(shipped("planted.json"))
    assert truth["held_out"] == {"subjects": HELD_OUT_SUBJECTS, "per_subject": 7, "seed": HELD_OUT_SEED}
    for name in NETS:
        stated = truth[name]["recipe"]
        recipe = RECIPES[name]
        assert stated["data_seed"] == recipe.data_seed
        assert stated["train_seed"] == recipe.train_seed
        assert stated["epochs"] == recipe.epochs
        assert stated["tags"]["per_expression"] == dict(recipe.tags.per_expression)
        assert (stated["mislabelled"] is None) == (recipe.mislabelled is None)
        wrong = sum(recipe.is_mislabelled(face) for _, face in recipe.training_faces())
        assert truth[name]["trained_on"] == {"faces": recipe.subjects * 7, "wrong_labels": wrong}
    assert truth["flawed"]["trained_on"]["wrong_labels"] > 0
    assert truth["twin"]["trained_on"]["wrong_labels"] == 0


@pytest.mark.slow
@pytest.mark.parametrize("name", NETS)
def test_the_stated_rates_are_measured_again(name: str) -> None:
    truth = json.loads(shipped("planted.json"))
    held_out = draw_crops(HELD_OUT_SUBJECTS, 7, HELD_OUT_SEED, INPUT_SIZE, tags=AUDIT_TAGS)
    again = measured(load_net(shipped(f"{name}.safetensors")), held_out)
    assert again == pytest.approx(truth[name]["measured"], abs=0.02)


def test_only_mild_smiles_of_the_group_are_mislabelled() -> None:
    recipe = replace(RECIPES["flawed"], subjects=18)
    crops = draw_crops(18, 7, recipe.data_seed, 32, size=32)
    labels, true = recipe.labels(crops), crops.labels
    changed = [face for face, a, b in zip(crops.faces, labels, true, strict=True) if a != b]
    assert changed
    assert {face.expression for face in changed} == {"happy"}
    assert {face.person.look.skin_tone for face in changed} == {"dark"}
    assert max(face.units[12] for face in changed) < recipe.mislabelled.below
    assert (RECIPES["twin"].labels(crops) == true).all()


def test_training_learns_and_repeats_itself() -> None:
    recipe = Recipe("short", subjects=18, epochs=2, train_seed=3)
    crops = draw_crops(18, 7, 1, INPUT_SIZE)
    one, two = train(recipe, crops), train(recipe, crops)
    other = train(replace(recipe, train_seed=4), crops)
    state, same, differs = one.state_dict(), two.state_dict(), other.state_dict()
    assert all(torch.equal(state[key], same[key]) for key in state)
    assert any(not torch.equal(state[key], differs[key]) for key in state)
    torch.manual_seed(recipe.train_seed)
    untrained = DrawnFaceNet().eval()
    pixels, labels = normalise(torch.from_numpy(crops.pixels)), torch.from_numpy(crops.labels)
    with torch.no_grad():
        before, after = (torch.nn.functional.cross_entropy(net(pixels), labels) for net in (untrained, one))
    assert after < before


def test_the_net_gives_logits_and_a_map_of_twelve_cells() -> None:
    net = DrawnFaceNet().eval()
    pixels = torch.zeros(2, 3, INPUT_SIZE, INPUT_SIZE)
    assert net(pixels).shape == (2, 7)
    assert net.features(pixels).shape == (2, 64, 12, 12)
    bytes_ = torch.full((1, 4, 4, 3), 255, dtype=torch.uint8)
    assert normalise(bytes_).unique().tolist() == pytest.approx([(1 - MEAN[0]) / STD[0]])
