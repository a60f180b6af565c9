"""DeepLIFT, guided backpropagation and LRP against the rules of their papers, and where Captum alone is wrong."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from pixel_nets import (
    GRADIENT,
    MODULES,
    REAL,
    SEVEN,
    SMALL,
    FunctionalRelu,
    Rectified,
    Skip,
    assert_same,
    captum_attributions,
    explain,
    explainer,
    faces,
    load_nets,
    reason,
    request,
    small_net,
    target_of,
)
from torch import Tensor, nn
from torch.nn import functional

from countenance.core.errors import TargetError
from countenance.explain.attribution.method import Request
from countenance.explain.attribution.propagation import PropagationExplainer
from countenance.explain.attribution.registry import build_explainers


@pytest.fixture(scope="module")
def nets(shared: Path) -> ModuleType:
    return load_nets(shared)


# Propagation, from the papers ----------------------------------------------------------------------------------------


def test_guided_backprop_equals_the_rule_layer_by_layer() -> None:
    """Springenberg et al. 2015: a rectifier passes a gradient back where it and its own input were positive."""
    first, second, last = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 3), nn.Linear(4 * 4 * 6, 3)
    target = target_of(nn.Sequential(first, nn.ReLU(), second, nn.ReLU(inplace=True), nn.Flatten(), last).eval())
    asked = request(faces())
    with torch.no_grad():
        one = first(target.prepare(asked.pixels))
        two = second(one.relu())
        back = last.weight[asked.classes].reshape(two.shape)
        back = back * (two > 0) * (back > 0)
        back = functional.conv_transpose2d(back, second.weight)
        back = back * (one > 0) * (back > 0)
        back = functional.conv_transpose2d(back, first.weight)
        slow = back / torch.tensor(SMALL["std"]).reshape(1, 3, 1, 1)
    assert_same(explain(target, "guided_backprop", asked), slow.abs().amax(dim=1))


def test_a_module_may_be_used_twice() -> None:
    class Twice(nn.Module):
        def __init__(self, separate: bool) -> None:
            super().__init__()
            net = small_net(seed=6)
            self.a, self.b, self.head = net[0], net[4], net[6:]
            self.relu = nn.ReLU(inplace=True)
            self.other = nn.ReLU() if separate else self.relu

        def forward(self, x: Tensor) -> Tensor:
            return self.head(self.other(self.b(self.relu(self.a(x)))))  # type: ignore[no-any-return]

    asked = request(faces())
    for method in MODULES:
        once, twice = (explain(target_of(Twice(separate).eval()), method, asked) for separate in (True, False))
        torch.testing.assert_close(once.maps, twice.maps, equal_nan=True)


def test_deeplift_equals_the_rescale_rule() -> None:
    """Shrikumar et al. 2017, section 3.5.2: a multiplier of a rectifier is its difference out over that in."""
    first, last = nn.Conv2d(3, 4, 3), nn.Linear(4 * 6 * 8, 3)
    target, asked = target_of(nn.Sequential(first, nn.ReLU(), nn.Flatten(), last).eval()), request(faces())
    with torch.no_grad():
        here, black = first(target.prepare(asked.pixels)), first(target.prepare(torch.zeros_like(asked.pixels)))
        multiplier = last.weight[asked.classes].reshape(here.shape) * (here.relu() - black.relu()) / (here - black)
        back = functional.conv_transpose2d(multiplier, first.weight)
        slow = back / torch.tensor(SMALL["std"]).reshape(1, 3, 1, 1) * asked.pixels
    batch = explain(target, "deeplift", asked)
    assert_same(batch, slow.sum(dim=1))
    assert float(batch.facts["completeness_error"].max()) < 1e-4


def epsilon_rule(layers: list[nn.Module], x: Tensor, classes: Tensor) -> Tensor:
    """LRP-epsilon as Bach et al. 2015, eq. 58, has it, epsilon 1e-9: R_i = a_i sum_j w_ij R_j / z_j."""
    values = [x]
    for layer in layers:
        values.append(layer(values[-1]))
    relevance = torch.zeros_like(values[-1]).scatter_(1, classes[:, None], values[-1].gather(1, classes[:, None]))
    for layer, value, result in zip(layers[::-1], values[-2::-1], values[:0:-1], strict=True):
        if isinstance(layer, nn.ReLU):
            continue
        share = relevance.reshape(result.shape) / (result + torch.where(result >= 0, 1e-9, -1e-9))
        if isinstance(layer, nn.Linear):
            relevance = value * (share @ layer.weight)
        elif isinstance(layer, nn.Conv2d):
            relevance = value * functional.conv_transpose2d(share, layer.weight)
        else:
            relevance = relevance.reshape(value.shape)
    return relevance


@pytest.mark.parametrize("rectifier", [nn.ReLU, lambda: nn.ReLU(inplace=True)])
def test_lrp_equals_the_epsilon_rule(rectifier: Callable[[], nn.Module]) -> None:
    torch.manual_seed(8)
    layers = [nn.Conv2d(3, 4, 3), rectifier(), nn.Flatten(), nn.Linear(192, 6), rectifier(), nn.Linear(6, 3)]
    slow_layers = [nn.ReLU() if isinstance(layer, nn.ReLU) else layer for layer in layers]
    target, asked = target_of(nn.Sequential(*layers).eval()), request(faces())
    with torch.no_grad():
        slow = epsilon_rule(slow_layers, target.prepare(asked.pixels), asked.classes)
    assert_same(explain(target, "lrp", asked), slow.sum(dim=1), atol=1e-4)


def test_lrp_passes_through_a_rectifier_that_is_a_function() -> None:
    class Functional(nn.Module):
        def __init__(self, net: nn.Sequential) -> None:
            super().__init__()
            self.a, self.b = net[0], net[3]

        def forward(self, x: Tensor) -> Tensor:
            return self.b(functional.relu(self.a(x)).flatten(1))  # type: ignore[no-any-return]

    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(192, 3)).eval()
    asked = request(faces())
    ours, theirs = (explain(target_of(one), "lrp", asked).maps for one in (net, Functional(net).eval()))
    torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=0)


def test_lrp_of_a_single_output_has_opposite_signs_for_its_two_classes() -> None:
    net = nn.Sequential(nn.Flatten(), nn.Linear(240, 1))
    target = target_of(net.eval(), task="forgery", positive="forged")
    asked = Request(faces(2)[:1].expand(2, -1, -1, -1), torch.tensor([0, 1]), (1, 2))
    batch = explain(target, "lrp", asked)
    with torch.no_grad():
        prepared = target.prepare(asked.pixels)
        relevance = (prepared * net[1].weight.reshape(1, 3, 8, 10)).sum(dim=1)  # type: ignore[operator]
        score = net(prepared)
        relevance = relevance * (score / (score + 1e-9))[:, :, None]
        signs = torch.tensor([1.0 if name == "forged" else -1.0 for name in target.classes])
    assert_same(batch, relevance * signs[:, None, None])


# What Captum would get wrong without a word --------------------------------------------------------------------------


@pytest.mark.parametrize("method", MODULES)
@pytest.mark.parametrize("way", ["functions", "in place", "program"])
def test_however_a_function_is_called_it_is_reached(method: str, way: str) -> None:
    asked = request(faces())
    expected = explain(target_of(Rectified("modules").eval()), method, asked)
    net: nn.Module = Rectified("functions" if way == "program" else way).eval()
    if way == "program":
        batch = torch.export.Dim("batch", min=1, max=64)
        net = torch.export.export(net, (faces(2),), dynamic_shapes=({0: batch},)).module()
    found = explain(target_of(net), method, asked)
    assert found.problems == expected.problems
    torch.testing.assert_close(found.maps, expected.maps, atol=1e-4, rtol=0, equal_nan=True)


def test_captum_alone_misses_a_functional_rectifier() -> None:
    """The reason why every call is given a module: the plain gradient would come back without a word."""
    net = FunctionalRelu().eval()
    asked, target = request(faces()), target_of(net)
    wrong = captum_attributions("deeplift", target, net, asked.pixels, asked.classes).sum(dim=(1, 2, 3))
    with torch.no_grad():
        rise = (target.scores(asked.pixels) - target.scores(torch.zeros_like(asked.pixels)))[range(5), asked.classes]
    assert float(((wrong - rise) / rise).abs().max()) > 0.05
    assert float(explain(target, "deeplift", asked).facts["completeness_error"].max()) < 1e-3


def test_lrp_through_a_sum_of_two_ways_and_a_mean() -> None:
    """Relevance is shared between the ways in proportion to what each adds."""
    net = Skip().eval()
    target, asked = target_of(net), request(faces())
    conv, head = net.conv, net.head
    with torch.no_grad():
        prepared = target.prepare(asked.pixels)
        here = conv(prepared)
        added = here + here.relu()
        pooled = added.mean((2, 3))
        score = head(pooled).gather(1, asked.classes[:, None])
        relevance = pooled * head.weight[asked.classes] * score / (score + 1e-9 * score.sign())
        relevance = added / added.shape[-1] / added.shape[-2] * (relevance / pooled)[:, :, None, None]
        relevance = relevance / added * here + relevance / added * here.relu()
        slow = prepared * functional.conv_transpose2d(relevance / here, conv.weight)
    assert_same(explain(target, "lrp", asked), slow.sum(dim=1), atol=1e-3)


def test_lrp_keeps_the_score_where_nothing_is_added_to_it(shared: Path, nets: ModuleType) -> None:
    """Without biases all of the score's relevance arrives at the input; Bach et al. 2015, eq. 2."""
    net = nets.FaceExpressionNet().eval()
    for name, parameter in net.named_parameters():
        if name.endswith("bias"):
            parameter.data.zero_()
    target = target_of(net, input=REAL["face_expression"][1], **SEVEN)
    (found,) = build_explainers(target, ["lrp"]).explainers
    assert isinstance(found, PropagationExplainer)
    asked = request(faces(2, target.size), [1, 3])
    relevance = found.attributions(asked.pixels, asked.classes).sum(dim=(1, 2, 3))
    score = target.scores(asked.pixels).gather(1, asked.classes[:, None])[:, 0]
    torch.testing.assert_close(relevance, score.detach(), rtol=0.02, atol=1e-6)


def test_a_net_that_calls_other_functions_later_is_refused() -> None:
    class Moody(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net, self.calm = small_net(), True

        def forward(self, x: Tensor) -> Tensor:
            x = x if self.calm else functional.relu(x)
            return self.net(x)  # type: ignore[no-any-return]

    net = Moody().eval()
    found = explainer(target_of(net), "guided_backprop")
    net.calm = False
    with pytest.raises(TargetError, match="calls other functions than before"):
        found.explain(request(faces()))


def test_a_rectifier_whose_input_is_read_twice() -> None:
    """Captum replaces the gradient of the tensor a rectifier reads, and so that of the way beside it as well."""
    net = Skip().eval()
    target, asked = target_of(net), request(faces())
    weight, head, std = net.conv.weight, net.head.weight, torch.tensor(SMALL["std"]).reshape(1, 3, 1, 1)
    with torch.no_grad():
        here, black = net.conv(target.prepare(asked.pixels)), net.conv(target.prepare(torch.zeros_like(asked.pixels)))
        above = (head[asked.classes] / here[0, 0].numel())[:, :, None, None]
        guided = functional.conv_transpose2d(above + (above * (here > 0)).relu(), weight) / std
        rescaled = above + above * (here.relu() - black.relu()) / (here - black)
        lifted = functional.conv_transpose2d(rescaled, weight) / std * asked.pixels
    assert_same(explain(target, "guided_backprop", asked), guided.abs().amax(dim=1))
    assert_same(explain(target, "deeplift", asked), lifted.sum(dim=1))
    theirs = captum_attributions("deeplift", target, net, asked.pixels, asked.classes).sum(dim=1)
    assert float((theirs - lifted.sum(dim=1)).abs().max()) > 0.01 * float(lifted.abs().max())


@pytest.mark.parametrize("seed", range(4))
def test_deeplift_adds_up_where_a_pooling_follows_a_rectifier(seed: int) -> None:
    """Captum's rectifier is then given the gradient as it was before the pooling's rule."""
    net = small_net(seed=seed)
    target, asked = target_of(net), request(faces(8))
    batch = explain(target, "deeplift", asked)
    assert float(batch.facts["completeness_error"].max()) < 1e-3
    theirs = captum_attributions("deeplift", target, net, asked.pixels, asked.classes).sum(dim=(1, 2, 3))
    with torch.no_grad():
        rise = (target.scores(asked.pixels) - target.scores(torch.zeros_like(asked.pixels)))[range(8), asked.classes]
    assert float(((theirs - rise) / rise).abs().max()) > 0.005


@pytest.mark.parametrize(
    "method, activation, told",
    [
        ("guided_backprop", nn.GELU, "the model has none"),
        ("guided_backprop", nn.LeakyReLU, "the model has none"),
        ("guided_backprop", lambda: nn.Sequential(nn.ReLU(), nn.GELU()), "and the model computes Gelu"),
        ("deeplift", nn.GELU, "DeepLIFT: no rule for Gelu"),
        ("deeplift", nn.PReLU, "DeepLIFT: no rule for Prelu"),
        ("lrp", nn.GELU, "LRP: no rule for Gelu"),
        ("lrp", nn.Sigmoid, "LRP: no rule for Sigmoid"),
    ],
)
def test_an_activation_without_a_rule_is_named(method: str, activation: Callable[[], nn.Module], told: str) -> None:
    assert told in reason(small_net(relu=activation), method)


@pytest.mark.parametrize("activation", [nn.LeakyReLU, nn.ELU, nn.Tanh, nn.Sigmoid])
def test_deeplift_adds_up_for_other_activations(activation: Callable[[], nn.Module]) -> None:
    batch = explain(target_of(small_net(relu=activation)), "deeplift", request(faces()))
    assert float(batch.facts["completeness_error"].max()) < 1e-3


def test_deeplift_has_to_add_up() -> None:
    """Overlapping windows: Captum's rule for max pooling then loses what several windows chose."""
    net = small_net()
    net[3] = nn.MaxPool2d(3, stride=1)
    assert "do not add up on this model" in reason(net, "deeplift")


def test_probabilities_have_no_rule() -> None:
    net = nn.Sequential(small_net(), nn.Softmax(dim=1)).eval()
    for method in ("deeplift", "lrp"):
        assert "no rule for turning probabilities into logits" in reason(net, method, output="probabilities")
    target = target_of(net, output="probabilities")
    for method in (*GRADIENT, "guided_backprop"):
        assert explain(target, method, request(faces(), [0] * 5)).problems == (None,) * 5


def test_a_custom_function_of_autograd_is_not_taken_for_linear() -> None:
    class Odd(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor) -> Tensor:
            return x**3

        @staticmethod
        def backward(ctx: Any, *grads: Tensor) -> Tensor:
            return grads[0]

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = small_net()

        def forward(self, x: Tensor) -> Tensor:
            return self.net(Odd.apply(x))  # type: ignore[no-any-return, no-untyped-call]

    for method in MODULES:
        assert "Odd" in reason(Net().eval(), method)


def test_a_batch_size_of_its_own_leaves_no_room_for_rules() -> None:
    net = small_net()
    for method in MODULES:
        assert "batches of 2 only" in reason(net, method, fixed_batch=2)


def test_a_plain_callable_is_explained_as_its_net_is() -> None:
    net, asked = small_net().requires_grad_(False), request(faces())
    for method in MODULES:
        ours = explain(target_of(lambda x: net(x)), method, asked)
        torch.testing.assert_close(ours.maps, explain(target_of(net), method, asked).maps, equal_nan=True)
