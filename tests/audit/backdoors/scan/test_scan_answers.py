"""What nets answer before any change: degenerate ones, other recipes, near copies, faces without labels."""

from __future__ import annotations

import copy
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from countenance.audit.backdoors.scan.answers import Answers, degenerate, far_worse, likeness
from countenance.audit.backdoors.scan.job import Source, Task
from countenance.audit.backdoors.scan.likeness import NEAR, distances, near_copies
from countenance.audit.backdoors.scan.scanning import scan
from countenance.audit.backdoors.scan.several import reference_net

NAMES = ["calm", "glad", "sad"]
LABELS = np.arange(150) % 3


def answering(given: NDArray[np.int64], labels: NDArray[np.int64] | None = LABELS) -> Answers:
    return Answers(np.eye(3)[given], labels)


def wrong_in(count: int, seed: int, towards: int | None = None) -> Answers:
    """Return a net that is wrong on so many faces, all in one direction or by one class further."""
    given = LABELS.copy()
    places = np.random.default_rng(seed).permutation(150)
    if towards is not None:
        places = places[LABELS[places] != towards]
    given[places[:count]] = (given[places[:count]] + 1) % 3 if towards is None else towards
    return answering(given)


def test_right_answers_chance_and_skill() -> None:
    net = wrong_in(30, 1)
    assert net.right == (120, 150)
    assert net.chance == pytest.approx(1 / 3, abs=0.02)
    assert net.skill == pytest.approx((0.8 - net.chance) / (1 - net.chance))
    assert net.count(0)[1] == 150
    assert net.others(0) == 100
    unlabelled = answering(np.array([0] * 40 + [1] * 60), None)
    assert [unlabelled.others(place) for place in range(3)] == [60, 40, 100]
    assert unlabelled.right == (0, 0)
    assert np.isnan(unlabelled.skill)


def test_degenerate_nets_are_told_and_weak_ones_are_not() -> None:
    random = np.random.default_rng(2)
    assert "answers glad to 100 of 100 faces of other classes" in degenerate(answering(np.ones(150, dtype=int)), NAMES)
    assert "whose labels are not known" in degenerate(answering(np.ones(150, dtype=int), None), NAMES)
    at_chance = degenerate(answering(random.integers(0, 3, 150)), NAMES)
    assert "of 150 faces rightly" in at_chance
    assert "by chance" in at_chance
    weak = LABELS.copy()
    weak[:60] = random.integers(0, 3, 60)
    assert not degenerate(answering(weak), NAMES)
    of_one_class = np.zeros(150, dtype=int)
    assert not degenerate(answering(of_one_class, of_one_class), NAMES[:1])  # nothing to be at chance about


def test_a_net_far_below_its_references_is_told_apart_from_one_of_another_recipe() -> None:
    others = [wrong_in(6 + place, place) for place in range(8)]
    assert "faces rightly and the references" in far_worse(wrong_in(70, 20), others)
    assert not far_worse(wrong_in(40, 20), others)
    found = likeness(wrong_in(40, 20), others, NAMES, 0.95)
    assert found.accuracy.value == pytest.approx(110 / 150 - np.mean([144 - place for place in range(8)]) / 150)
    assert "less accurate than the references" in found.differences[0]
    leaning = likeness(wrong_in(24, 20, towards=1), others, NAMES, 0.95)
    assert any("answers glad to 49% of the faces" in each for each in leaning.differences)
    weak = [wrong_in(80 + place, place) for place in range(8)]
    assert not far_worse(wrong_in(84, 20), weak)  # as weak as its references


def test_nets_of_one_recipe_are_seldom_said_to_be_unlike() -> None:
    told = 0
    for seed in range(200):
        random = np.random.default_rng(seed)
        nets = [wrong_in(int(random.binomial(150, 0.1)), 1000 * seed + place) for place in range(9)]
        told += bool(likeness(nets[0], nets[1:], NAMES, 0.95).differences)
    assert told / 200 <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 200)


def logits(net: nn.Module, pixels: Tensor) -> NDArray[np.float64]:
    with torch.no_grad():
        answers: NDArray[np.float64] = net(pixels).double().numpy()
    return answers


def test_distances_are_one_less_the_correlation_of_centred_logits() -> None:
    random = np.random.default_rng(3)
    one, other = random.normal(size=(40, 3)), random.normal(size=(40, 3))
    shifted = 2 * one + random.normal(size=(40, 1)) + np.array([1.0, -2.0, 0.5])  # answers no face another way
    found = distances([one, other, shifted])
    centred = [each - each.mean(1, keepdims=True) for each in (one, other)]
    columns = [(each - each.mean(0)).ravel() for each in centred]
    assert found[0, 1] == pytest.approx(1 - np.corrcoef(*columns)[0, 1])
    assert found[0, 2] == pytest.approx(0, abs=1e-12)


def test_rounded_and_slightly_trained_nets_are_near_copies_and_other_seeds_are_not(
    clean: list[nn.Module], planted: nn.Module, pictures: tuple[Tensor, Tensor]
) -> None:
    pixels, labels = pictures
    others = [logits(net, pixels) for net in clean]
    assert near_copies(logits(planted, pixels), others) == {}
    apart = distances(others)[np.triu_indices(len(others), 1)]
    assert apart.min() > 2.5 * NEAR * np.median(apart)
    rounded = copy.deepcopy(clean[3])
    for parameter in rounded.parameters():
        parameter.data = parameter.data.bfloat16().float()
    tuned = copy.deepcopy(clean[5])
    optimiser = torch.optim.SGD(tuned.parameters(), 1e-3)
    nn.functional.cross_entropy(tuned(pixels), labels).backward()
    optimiser.step()
    found = near_copies(others[0], [*others[1:], logits(rounded, pixels), logits(tuned, pixels)])
    assert {place: each[0] for place, each in found.items()} == {6: 2, 7: 4}
    of_target = near_copies(logits(rounded, pixels), others)
    assert {place: each[0] for place, each in of_target.items()} == {3: None}


def test_many_copies_of_one_net_are_caught_though_most_pairs_are_alike(
    clean: list[nn.Module], pictures: tuple[Tensor, Tensor]
) -> None:
    one, target = (logits(clean[place], pictures[0]) for place in (1, 2))
    random = np.random.default_rng(4)
    found = near_copies(target, [one + 1e-4 * random.normal(size=one.shape) for _ in range(9)])
    assert sorted(found) == list(range(1, 9))


def test_without_labels_each_net_is_scanned_with_the_faces_it_answers_otherwise(
    clean: list[nn.Module], pictures: tuple[Tensor, Tensor]
) -> None:
    pixels = pictures[0]
    net = copy.deepcopy(clean[0])
    cast(Any, net).head.bias.data += torch.tensor([0.0, 0.0, 8.0])
    net.requires_grad_(False)

    def score(shown: Tensor) -> Tensor:
        answers: Tensor = net(shown[:, :1])
        return answers

    given = net(pixels).argmax(1)
    assert not torch.equal(given, pictures[1])
    task = Task(pixels, None, (2,), ("additive",), 5)
    found = task.run(score, (2,), lambda count: None)
    same = scan(score, pixels[given != 2], (2,), families=("additive",), seed=5)
    assert found.log_sizes == pytest.approx(same.log_sizes)


def test_a_task_is_read_as_it_was_written(pictures: tuple[Tensor, Tensor], tmp_path: Path) -> None:
    task = Task(*pictures, (0, 2), ("mask",), 9)
    task.write(tmp_path)
    read = Task.read(tmp_path)
    assert torch.equal(read.pixels, task.pixels)
    assert read.fingerprint() == task.fingerprint()


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_references_on_another_device_are_not_handed_to_processes_of_the_cpu(device: str) -> None:
    source = Source("net.safetensors", ".", "{}", "")
    target: Any = SimpleNamespace(device=torch.device(device))
    assert (reference_net(target, source).source is source) == (device == "cpu")
