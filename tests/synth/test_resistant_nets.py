from __future__ import annotations

import numpy as np
import pytest
import torch

from countenance.synth.expression import EXPRESSIONS
from countenance.synth.nets import DrawnFaceNet
from countenance.synth.resistant_nets import NETS, SIZE, Effort, held_out, perturbed, pixels_of, train_nets

LITTLE = Effort(people=5, held_out=2, epochs=1, steps=1)


@pytest.fixture(scope="module")
def nets() -> dict[str, DrawnFaceNet]:
    return train_nets(3, LITTLE)


def test_a_seed_gives_the_same_nets_and_the_two_differ(nets: dict[str, DrawnFaceNet]) -> None:
    again = train_nets(3, LITTLE, only="resistant")
    assert set(again) == {"resistant"}
    assert tuple(nets) == NETS
    for name, weights in nets["resistant"].state_dict().items():
        assert torch.equal(weights, again["resistant"].state_dict()[name])
    assert not torch.equal(nets["plain"].head.weight, nets["resistant"].head.weight)
    assert not any(net.training for net in nets.values())


def test_training_leaves_the_callers_chance_alone() -> None:
    torch.manual_seed(0)
    before = torch.get_rng_state()
    train_nets(1, LITTLE, only="plain")
    assert torch.equal(before, torch.get_rng_state())


def test_the_people_held_out_are_others() -> None:
    crops, other_seed = held_out(3, LITTLE), held_out(4, LITTLE)
    assert crops.pixels.shape == (2 * len(EXPRESSIONS), SIZE, SIZE, 3)
    assert not np.array_equal(crops.pixels, other_seed.pixels)
    pixels = pixels_of(crops)
    assert pixels.shape == (2 * len(EXPRESSIONS), 3, SIZE, SIZE)
    assert 0 <= float(pixels.min()) < float(pixels.max()) <= 1


def test_a_perturbation_stays_within_eps_and_raises_the_loss(nets: dict[str, DrawnFaceNet]) -> None:
    crops = held_out(3, LITTLE)
    pixels, labels = pixels_of(crops), torch.from_numpy(crops.labels)
    net, eps = nets["plain"], 8 / 255
    with torch.random.fork_rng():
        torch.manual_seed(0)
        changed = perturbed(net, pixels, labels, eps, 3)
    assert float((changed - pixels).abs().max()) <= eps + 1e-6
    assert float(changed.min()) >= 0
    assert float(changed.max()) <= 1
    with torch.no_grad():
        losses = [torch.nn.functional.cross_entropy(net((x - 0.5) / 0.25), labels) for x in (pixels, changed)]
    assert float(losses[1]) > float(losses[0])


@pytest.mark.slow
def test_the_resistant_net_withstands_what_its_twin_does_not() -> None:
    from countenance.audit.robustness.attacks import APGD

    nets, crops = train_nets(0), held_out(0)
    pixels, labels = pixels_of(crops), torch.from_numpy(crops.labels)
    standing = {}
    for name, net in nets.items():
        with torch.no_grad():
            right = net((pixels - 0.5) / 0.25).argmax(1) == labels
        rows = np.flatnonzero(right.numpy())
        found = APGD(steps=20)(lambda x, net=net: net((x - 0.5) / 0.25), pixels[right], labels[right], rows, 4 / 255)
        assert float(right.float().mean()) > 0.7
        standing[name] = int((~found.flipped).sum()) / len(labels)
    assert standing["resistant"] > 0.4
    assert standing["plain"] < 0.1
