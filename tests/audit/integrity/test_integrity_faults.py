"""Each fault planted in turn is named; without one there is no alarm."""

from __future__ import annotations

import copy
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from countenance.audit.integrity.class_order import class_order
from countenance.audit.integrity.fit import labelled
from countenance.audit.integrity.material import Material
from countenance.audit.integrity.modes import mode, modes_of
from countenance.audit.integrity.preprocessing import preprocessing
from countenance.audit.integrity.repetition import alone_or_in_batch, batch_order, same_twice
from countenance.core.results import Finding


class Wrapped(nn.Module):
    """A net with something done before or after it."""

    def __init__(self, net: nn.Module, run: Callable[[nn.Module, Tensor], Tensor]) -> None:
        super().__init__()
        self.net, self.run = net, run
        self.eval()

    def forward(self, pixels: Tensor) -> Tensor:
        return self.run(self.net, pixels)


def found_by_labels(faced, net=None, **block) -> dict[str, Finding]:
    context = faced.context(net, **block)
    material = Material.read(context, 300, lambda count=1: None)
    given = labelled(material)
    check, order = class_order(material, given)
    checks = [check, *preprocessing(material, given, order)]
    found = [each.finding(context) for each in checks]
    return {each.id.partition(".")[2]: each for each in found if each is not None}


def found_by_asking(faced, net) -> dict[str, Finding]:
    context = faced.context(net)
    material = Material.read(context, 48, lambda count=1: None)
    modes = modes_of(material.target)
    twice = same_twice(material, modes)
    random = twice.verdict == "differs"
    checks = [
        twice,
        alone_or_in_batch(material, modes, random=random),
        batch_order(material, modes, random=random),
        mode(material, modes),
    ]
    found = [each.finding(context) for each in checks]
    return {each.id.partition(".")[2]: each for each in found if each is not None}


def order_of(outputs: list[int]) -> Callable[[nn.Module, Tensor], Tensor]:
    return lambda net, pixels: net(pixels)[:, outputs]


INPUTS = {
    "bgr": ("channel_order", {"channels": "bgr"}, "read as RGB"),
    "pixels 0 to 255": ("normalisation", {"std": [0.25 / 255]}, "fit better"),
    "mean in grey levels": ("normalisation", {"mean": [127.5]}, "fit better"),
    "deviation of one": ("normalisation", {"std": [1.0]}, "fit better"),
    "no mean": ("normalisation", {"mean": [0.0], "std": [1.0]}, "fit better"),
}


@pytest.mark.parametrize("fault", INPUTS)
def test_a_wrong_input_block_is_named(drawn, fault):
    name, block, words = INPUTS[fault]
    found = found_by_labels(drawn, **block)
    assert set(found) == {name}
    assert found[name].severity == "high"
    assert words in found[name].claim
    assert "target.input" in found[name].claim


def test_two_classes_swapped_are_named(drawn):
    found = found_by_labels(drawn, Wrapped(drawn.net, order_of([1, 0, 2, 3, 4, 5, 6])))
    assert set(found) == {"class_order"}
    claim = found["class_order"].claim
    assert "output 1 (called happy) goes with the label neutral" in claim
    assert "[happy, neutral, sad, angry, fearful, disgusted, surprised]" in claim
    assert found["class_order"].p_adjusted < 1e-6


def test_all_classes_shuffled_are_named_and_the_order_to_list_is_right(drawn):
    order = [3, 0, 6, 5, 1, 4, 2]
    found = found_by_labels(drawn, Wrapped(drawn.net, order_of(order)))
    assert set(found) == {"class_order"}
    listed = ", ".join(drawn.spec.classes[place] for place in order)
    assert f"[{listed}]" in found["class_order"].claim


def test_batch_normalisation_in_train_mode_is_named_by_its_layers(drawn):
    net = copy.deepcopy(drawn.net)
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.training = True
    before = copy.deepcopy(net.state_dict())
    found = found_by_asking(drawn, net)
    assert set(found) == {"alone_or_in_batch", "batch_order", "train_mode"}
    assert "atch normalisation uses the statistics of the batch" in found["alone_or_in_batch"].claim
    assert "features.1" in found["train_mode"].claim
    assert all(each.severity == "high" for each in found.values())
    assert set(before) == set(net.state_dict())


def test_batch_normalisation_without_running_statistics_is_named(drawn):
    net = copy.deepcopy(drawn.net)
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.track_running_stats, module.running_mean, module.running_var = False, None, None
    assert "train_mode" in found_by_asking(drawn, net)


def test_statistics_of_the_batch_that_no_module_shows_are_found(drawn):
    net = Wrapped(drawn.net, lambda inner, pixels: inner(pixels) - inner(pixels).mean(0))
    found = found_by_asking(drawn, net)
    assert set(found) == {"alone_or_in_batch", "batch_order"}
    assert "another operation over the batch" in found["batch_order"].claim


def test_a_net_that_refuses_a_single_face_is_named(drawn):
    norm = nn.BatchNorm1d(7)
    net = Wrapped(drawn.net, lambda inner, pixels: norm(inner(pixels)))
    found = found_by_asking(drawn, net)
    assert "cannot answer a face alone" in found["alone_or_in_batch"].claim


def test_dropout_left_on_is_named(drawn):
    net = nn.Sequential(drawn.net.features, nn.Dropout(0.3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), drawn.net.head)
    net.eval()[1].train()
    found = found_by_asking(drawn, net)
    assert set(found) == {"same_twice", "train_mode"}
    assert "dropout is left on (1)" in found["same_twice"].claim.lower()


def test_a_random_layer_and_functional_dropout_are_found(drawn):
    for run in (
        lambda inner, pixels: inner(pixels + 0.02 * torch.randn_like(pixels)),
        lambda inner, pixels: inner(functional.dropout(pixels, 0.1)),
    ):
        found = found_by_asking(drawn, Wrapped(drawn.net, run))
        assert set(found) == {"same_twice"}
        assert found["same_twice"].severity == "high"


def test_a_net_that_changes_as_it_answers_is_named_and_put_back(drawn):
    class Counting(nn.Module):
        def __init__(self, net: nn.Module) -> None:
            super().__init__()
            self.net = net
            self.register_buffer("seen", torch.zeros(()))

        def forward(self, pixels: Tensor) -> Tensor:
            self.seen += len(pixels)
            return self.net(pixels)

    net = Counting(drawn.net).eval()
    context = drawn.context(net)
    material = Material.read(context, 24, lambda count=1: None)
    seen = float(net.seen)
    check = mode(material, modes_of(material.target))
    assert check.verdict == "differs"
    assert "(seen)" in check.seen
    assert float(net.seen) == seen


def test_a_sound_net_raises_nothing(drawn):
    seen = drawn.audit()
    assert seen.findings == {}
    table = seen.table("checklist")
    assert list(table.columns) == ["check", "verdict", "seen", "do"]
    verdicts = dict(zip(table["check"], table["verdict"], strict=True))
    left = {check for check, verdict in verdicts.items() if verdict == "not checked"}
    assert left <= {"CPU or GPU", "other files of the checkpoint"}
    assert seen.measured["checks_that_differ"].estimate.value == 0
    assert seen.measured["answers_changed[check=saved_png]"].estimate.value == 0
    assert seen.measured["largest_change[check=float32_or_bfloat16]"].estimate.value < 0.1
    keys = [out.key for out in seen.outputs if hasattr(out, "key")]
    assert len(keys) == len(set(keys))


def test_few_people_are_told_not_judged(drawn):
    few = np.where(np.arange(len(drawn.labels)) < 13 * 7, drawn.labels, -1)
    context = type(drawn)(drawn.net, drawn.spec, drawn.faces, few).context(channels="bgr")
    material = Material.read(context, 300, lambda count=1: None)
    told = labelled(material)
    assert told == "13 people with labels; 20 are needed, half to choose by and half to judge by"
    checks = [class_order(material, told)[0], *preprocessing(material, told, None)]
    assert {check.verdict for check in checks} == {"not checked"}
    assert all(check.finding(context) is None for check in checks)
