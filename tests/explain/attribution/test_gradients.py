"""Gradients and propagation: against Captum called directly, and against slow re-implementations of the papers."""

from __future__ import annotations

import importlib.util
import warnings
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from countenance.core.errors import TargetError, UsageError
from countenance.core.plan import TargetSpec
from countenance.core.target import Target
from countenance.explain.attribution.cam import normalise
from countenance.explain.attribution.method import AttributionSettings, Explainer, MapBatch, Request
from countenance.explain.attribution.propagation import PropagationExplainer
from countenance.explain.attribution.registry import build_explainers
from countenance.synth.nets import DrawnFaceNet

SMALL = {"size": [8, 10], "mean": [0.4, 0.5, 0.3], "std": [0.5, 0.6, 0.7]}
GRADIENT = ("saliency", "input_x_gradient", "integrated_gradients", "smoothgrad")
MODULES = ("deeplift", "guided_backprop", "lrp")
SETTINGS = AttributionSettings(integration_steps=12, noisy_copies=5, noise=0.2)


REAL = {
    "face_expression": ("FaceExpressionNet", {"size": 112, "mean": [0.48150, 0.45883, 0.40901]}),
    "mini_xception": ("MiniXception", {"size": 64, "channels": "grey", "mean": [0.5], "std": [0.5]}),
}
SEVEN: dict[str, Any] = {"classes": list("abcdefg")}


@pytest.fixture(scope="module")
def nets(shared: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("shared_nets_of_gradients", shared / "models" / "nets.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def target_of(net: Callable[[Tensor], Any], *, fixed_batch: int | None = None, **changes: Any) -> Target:
    block: dict[str, Any] = {"checkpoint": "a.pt", "task": "expression", "classes": ["a", "b", "c"], "output": "logits"}
    if changes.get("task") == "forgery":
        block["classes"] = []
    spec = TargetSpec.model_validate({**block, "input": SMALL, **changes})
    return Target(net, spec, format="module", fixed_batch=fixed_batch)


def small_net(seed: int = 0, relu: Callable[[], nn.Module] = nn.ReLU, outputs: int = 3) -> nn.Sequential:
    """A net of modules alone, with parameters that are not symmetric."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        net = nn.Sequential(
            nn.Conv2d(3, 4, 3, padding=1),
            nn.BatchNorm2d(4),
            relu(),
            nn.MaxPool2d(2),
            nn.Conv2d(4, 5, 3),
            relu(),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(5, outputs),
        )
        for tensor in (net[1].running_mean, net[1].running_var, net[1].bias):
            assert isinstance(tensor, Tensor)
            tensor.data.uniform_(0.2, 1.0)
    return net.eval()


def faces(count: int = 5, size: tuple[int, int] = (8, 10), seed: int = 1) -> Tensor:
    return torch.rand((count, 3, *size), generator=torch.Generator().manual_seed(seed))


def request(pixels: Tensor, classes: list[int] | None = None) -> Request:
    count = len(pixels)
    chosen = [index % 3 for index in range(count)] if classes is None else classes
    return Request(pixels, torch.tensor(chosen), tuple(range(100, 100 + count)))


def explainer(target: Target, method: str, batch_size: int = 4) -> Explainer:
    built = build_explainers(target, [method], batch_size=batch_size, settings=SETTINGS)
    assert not built.unavailable
    (found,) = built.explainers
    assert found.methods == (method,)
    assert found.layer_name is None
    return found


def explain(target: Target, method: str, asked: Request, batch_size: int = 4) -> MapBatch:
    return explainer(target, method, batch_size).explain(asked)[method]


def reason(net: Callable[[Tensor], Any], method: str, **changes: Any) -> str:
    built = build_explainers(target_of(net, **changes), [method], batch_size=4)
    assert not built.explainers
    return built.unavailable[method]


def assert_same(batch: MapBatch, raw: Tensor, atol: float = 1e-5) -> None:
    """The maps are those of raw attributions ``(n, h, w)`` made pictures."""
    height, width = raw.shape[-2:]
    expected = normalise(raw.detach().float(), (height, width))
    assert batch.problems == expected.problems
    torch.testing.assert_close(batch.maps, expected.maps, atol=atol, rtol=0, equal_nan=True)
    assert batch.maps.dtype == torch.float32


def slow_gradient(target: Target, pixels: Tensor, classes: Tensor) -> Tensor:
    """One face at a time."""
    found = []
    for face, name in zip(pixels, classes.tolist(), strict=True):
        one = face[None].clone().requires_grad_()
        target.scores(one)[0, name].backward()  # type: ignore[no-untyped-call]
        assert one.grad is not None
        found.append(one.grad[0])
    return torch.stack(found)


# Gradients -----------------------------------------------------------------------------------------------------------


def test_saliency_is_the_largest_absolute_gradient_over_the_channels() -> None:
    target, asked = target_of(small_net()), request(faces())
    slow = slow_gradient(target, asked.pixels, asked.classes).abs().amax(dim=1)
    assert_same(explain(target, "saliency", asked), slow)


def test_input_x_gradient_is_signed_and_in_pixel_units() -> None:
    target, asked = target_of(small_net()), request(faces())
    slow = (slow_gradient(target, asked.pixels, asked.classes) * asked.pixels).sum(dim=1)
    batch = explain(target, "input_x_gradient", asked)
    assert_same(batch, slow)
    assert bool((slow < 0).any()), "the example has evidence against a class, which is shown as none"


def test_a_linear_score_is_shared_out_exactly() -> None:
    """Of a linear score every complete method is input times weight."""
    weight = torch.randn(3, 240, generator=torch.Generator().manual_seed(3))

    class Linear(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.head = nn.Linear(240, 3)
            self.head.weight.data = weight

        def forward(self, x: Tensor) -> Tensor:
            return self.head(x.flatten(1))  # type: ignore[no-any-return]

    target, asked = target_of(Linear(), input={"size": [8, 10]}), request(faces())
    expected = (asked.pixels * weight[asked.classes].reshape(-1, 3, 8, 10)).sum(dim=1)
    for method in ("input_x_gradient", "integrated_gradients", "deeplift"):
        batch = explain(target, method, asked)
        assert_same(batch, expected)
        if method != "input_x_gradient":
            assert float(batch.facts["completeness_error"].max()) < 1e-5


def test_integrated_gradients_equal_a_loop_over_the_path() -> None:
    target, asked = target_of(small_net()), request(faces())
    nodes, weights = np.polynomial.legendre.leggauss(SETTINGS.integration_steps)
    total = torch.zeros_like(asked.pixels)
    for node, weight in zip(nodes, weights, strict=True):
        total += weight / 2 * slow_gradient(target, (node + 1) / 2 * asked.pixels, asked.classes)
    attributions = total * asked.pixels
    batch = explain(target, "integrated_gradients", asked)
    assert_same(batch, attributions.sum(dim=1))

    with torch.no_grad():
        rise = (target.scores(asked.pixels) - target.scores(torch.zeros_like(asked.pixels)))[range(5), asked.classes]
    missed = ((attributions.sum(dim=(1, 2, 3)) - rise) / rise).abs()
    torch.testing.assert_close(batch.facts["completeness_error"], missed, atol=1e-5, rtol=1e-3)


def test_more_steps_miss_less_of_the_score() -> None:
    target, asked = target_of(small_net(seed=4)), request(faces(8))
    missed = []
    for steps in (4, 400):
        built = build_explainers(
            target, ["integrated_gradients"], settings=AttributionSettings(integration_steps=steps)
        )
        facts = built.explainers[0].explain(asked)["integrated_gradients"].facts
        missed.append(float(facts["completeness_error"].median()))
    assert missed[1] < missed[0] / 5


def test_nothing_to_share_out_has_no_completeness_error() -> None:
    target, black = target_of(small_net()), torch.zeros(2, 3, 8, 10)
    batch = explain(target, "integrated_gradients", request(black))
    assert bool(batch.facts["completeness_error"].isnan().all())
    assert batch.problems == ("the map is zero everywhere: no position speaks for the class",) * 2
    assert bool(batch.maps.isnan().all())


def test_smoothgrad_equals_a_loop_and_depends_on_each_faces_own_seed() -> None:
    target, asked = target_of(small_net()), request(faces())
    slow = []
    for face, name, seed in zip(asked.pixels, asked.classes, asked.seeds, strict=True):
        generator, total = torch.Generator().manual_seed(seed), torch.zeros(3, 8, 10)
        for _ in range(SETTINGS.noisy_copies):
            noisy = face + SETTINGS.noise * torch.randn(face.shape, generator=generator)
            total += slow_gradient(target, noisy[None], name[None])[0]
        slow.append((total / SETTINGS.noisy_copies).abs().amax(dim=0))
    batch = explain(target, "smoothgrad", asked)
    assert_same(batch, torch.stack(slow))

    alone = Request(asked.pixels[3:4], asked.classes[3:4], asked.seeds[3:4])
    torch.testing.assert_close(explain(target, "smoothgrad", alone, batch_size=2).maps[0], batch.maps[3])
    other = Request(asked.pixels[3:4], asked.classes[3:4], (7,))
    assert not torch.allclose(explain(target, "smoothgrad", other).maps[0], batch.maps[3], atol=1e-3)


def test_smoothgrad_gives_the_net_no_more_than_a_batch_at_once() -> None:
    seen: list[int] = []

    class Counting(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = small_net()

        def forward(self, x: Tensor) -> Tensor:
            seen.append(len(x))
            return self.net(x)  # type: ignore[no-any-return]

    target = target_of(Counting())
    for method in GRADIENT:
        explain(target, method, request(faces(5)), batch_size=4)
    assert max(seen) == 4


@pytest.mark.parametrize("method", [*GRADIENT, *MODULES])
def test_a_map_does_not_depend_on_the_rest_of_the_batch(method: str) -> None:
    target, asked = target_of(small_net(seed=2)), request(faces(7))
    together = explain(target, method, asked, batch_size=4)
    for index in range(7):
        alone = Request(asked.pixels[index : index + 1], asked.classes[index : index + 1], (asked.seeds[index],))
        batch = explain(target, method, alone)
        torch.testing.assert_close(batch.maps[0], together.maps[index], atol=1e-5, rtol=0)


# Against Captum ------------------------------------------------------------------------------------------------------


def captum_attributions(method: str, target: Target, net: nn.Module, pixels: Tensor, classes: Tensor) -> Tensor:
    """Captum as its manual has it, on a net that is called with pixels."""
    from captum import attr

    class Whole(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = net

        def forward(self, x: Tensor) -> Tensor:
            return self.net(target.prepare(x))  # type: ignore[no-any-return]

    x = pixels.clone().requires_grad_()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if method == "saliency":
            found = attr.Saliency(Whole()).attribute(x, target=classes)
        elif method == "input_x_gradient":
            found = attr.InputXGradient(Whole()).attribute(x, target=classes)
        elif method == "integrated_gradients":
            found = attr.IntegratedGradients(Whole()).attribute(
                x, baselines=0, target=classes, n_steps=SETTINGS.integration_steps
            )
        elif method == "deeplift":
            found = attr.DeepLift(Whole()).attribute(x, baselines=torch.zeros_like(x), target=classes)
        elif method == "guided_backprop":
            found = attr.GuidedBackprop(Whole()).attribute(x, target=classes)
        else:
            prepared = target.prepare(pixels).clone().requires_grad_()
            found = attr.LRP(net).attribute(prepared, target=classes)
    return found.detach()  # type: ignore[no-any-return]


def to_map(method: str, attributions: Tensor) -> Tensor:
    if method in ("saliency", "guided_backprop"):
        return attributions.abs().amax(dim=1)
    return attributions.sum(dim=1)


@pytest.mark.parametrize("method", ["saliency", "input_x_gradient", "integrated_gradients", *MODULES])
def test_equals_captum_called_directly(method: str) -> None:
    net = small_net(seed=5)
    net[3] = nn.Sequential(nn.Conv2d(4, 4, 1), nn.MaxPool2d(2))
    target, asked = target_of(net.eval()), request(faces())
    ours = explain(target, method, asked)
    if method == "lrp":
        # Captum itself has no rule for Flatten: give it the same net without one.
        class Flat(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.body, self.head = net[:7], net[8]

            def forward(self, x: Tensor) -> Tensor:
                return self.head(self.body(x).flatten(1))  # type: ignore[no-any-return]

        net = Flat().eval()  # type: ignore[assignment]
    assert_same(ours, to_map(method, captum_attributions(method, target, net, asked.pixels, asked.classes)))


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


class FunctionalRelu(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.act, self.head = nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.act(functional.relu(self.conv(x)) - 0.1).mean((2, 3)))  # type: ignore[no-any-return]


class Skip(nn.Module):
    """The rectifier's input goes on beside it too."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.act, self.head = nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x)
        return self.head((x + self.act(x)).mean((2, 3)))  # type: ignore[no-any-return]


class Rectified(nn.Module):
    """One net, written with modules, with functions, and with functions in place."""

    def __init__(self, way: str) -> None:
        super().__init__()
        net = small_net(seed=9)
        self.way, self.a, self.b, self.head = way, net[0], net[4], net[8]
        self.act, self.other, self.pool = nn.ReLU(), nn.ReLU(), nn.MaxPool2d(2)

    def forward(self, x: Tensor) -> Tensor:
        x = self.a(x)
        if self.way == "modules":
            x = self.other(self.b(self.pool(self.act(x))))
        elif self.way == "functions":
            x = torch.relu(self.b(functional.max_pool2d(functional.relu(x), 2)))
        else:
            x.relu_()  # what it returns is not used
            x = functional.relu(self.b(functional.max_pool2d(x, kernel_size=2, stride=2)), inplace=True)
        return self.head(x.mean((2, 3)))  # type: ignore[no-any-return]


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


def test_without_captum_the_install_line_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    built = build_explainers(target_of(small_net()), [*GRADIENT, *MODULES])
    assert not built.explainers
    assert set(built.unavailable) == {*GRADIENT, *MODULES}
    assert all('pip install "countenance[explain]"' in told for told in built.unavailable.values())


# The net is left as found --------------------------------------------------------------------------------------------


def state(net: nn.Module) -> list[Any]:
    """All that a pass could leave behind."""
    found: list[Any] = [(name, parameter.requires_grad) for name, parameter in net.named_parameters()]
    for name, module in net.named_modules():
        attributes = {key: value for key, value in vars(module).items() if not isinstance(value, dict)}
        hooks = {key: dict(value) for key, value in vars(module).items() if key.endswith("_hooks")}
        found.append((name, attributes, hooks))
    return found


def values(net: nn.Module) -> list[Tensor]:
    return [tensor.clone() for tensor in net.state_dict().values()]


@pytest.mark.parametrize("fails", [False, True])
@pytest.mark.parametrize("method", [*GRADIENT, *MODULES])
def test_nothing_remains(method: str, fails: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    net = small_net(relu=lambda: nn.ReLU(inplace=True))
    target = target_of(net)
    net.train()
    net[1].eval()
    net[2].output = "the net's own"  # type: ignore[assignment]
    net[4].activations = 7  # type: ignore[assignment]
    net[0].weight.requires_grad_(True)
    calls: list[int] = []
    net[4].register_forward_hook(lambda *_: calls.append(1))
    found = explainer(target, method)
    before, held = state(net), values(net)
    asked = request(faces())
    if fails:

        def broken(*_: object, **__: object) -> None:
            raise RuntimeError("broken")

        monkeypatch.setattr(torch.autograd, "grad", broken)
        with pytest.raises(RuntimeError, match="broken"):
            found.explain(asked)
        monkeypatch.undo()
    else:
        with torch.inference_mode():
            assert found.explain(asked)[method].maps.shape == (5, 8, 10)
    assert state(net) == before
    assert all(torch.equal(old, new) for old, new in zip(held, values(net), strict=True))
    assert calls, "the user's own hook ran"
    assert not asked.pixels.requires_grad


# Real and drawn-face nets ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", REAL)
def test_real_checkpoints(shared: Path, nets: ModuleType, name: str) -> None:
    builder, block = REAL[name]
    net = getattr(nets, builder)()
    net.load_state_dict(torch.load(shared / "models" / f"{name}.pt", weights_only=True))
    target = target_of(net.eval(), input=block, **SEVEN)
    asked = request(faces(3, target.size), [1, 3, 0])
    for method in ("saliency", "input_x_gradient", "integrated_gradients"):
        theirs = to_map(method, captum_attributions(method, target, net, asked.pixels, asked.classes))
        assert_same(explain(target, method, asked), theirs, atol=1e-4)
    for method in MODULES:
        if (name, method) == ("mini_xception", "deeplift"):
            assert "do not add up on this model" in reason(net, method, input=block, **SEVEN)  # its windows overlap
            continue
        batch = explain(target, method, asked)
        assert batch.problems == (None,) * 3
        if method == "deeplift":
            assert float(batch.facts["completeness_error"].max()) < 1e-3


def test_programs_are_explained_as_their_modules_are(shared: Path, nets: ModuleType) -> None:
    builder, block = REAL["face_expression"]
    net = getattr(nets, builder)()
    net.load_state_dict(torch.load(shared / "models" / "face_expression.pt", weights_only=True))
    program = torch.export.load(shared / "models" / "face_expression.pt2").module()
    one, two = target_of(net.eval(), input=block, **SEVEN), target_of(program, input=block, **SEVEN)
    asked = request(faces(3, one.size), [1, 3, 0])
    for method in (*GRADIENT, *MODULES):
        torch.testing.assert_close(
            explain(two, method, asked).maps, explain(one, method, asked).maps, atol=1e-4, rtol=0
        )


@pytest.mark.parametrize("method", GRADIENT)
def test_a_batch_size_of_its_own_is_kept_to(method: str) -> None:
    net, sizes = small_net(), []

    def fixed(x: Tensor) -> Tensor:
        sizes.append(len(x))
        return net(x)  # type: ignore[no-any-return]

    asked = request(faces(5))
    batch = explain(target_of(fixed, fixed_batch=3), method, asked)
    torch.testing.assert_close(batch.maps, explain(target_of(net), method, asked).maps, atol=1e-5, rtol=0)
    assert set(sizes) == {3}


def test_the_net_for_drawn_faces() -> None:
    torch.manual_seed(0)
    block = {"size": 96, "mean": [0.5], "std": [0.25]}
    target = target_of(DrawnFaceNet().eval(), input=block, **SEVEN)
    built = build_explainers(target, [*GRADIENT, *MODULES], batch_size=2, settings=SETTINGS)
    assert not built.unavailable
    asked = request(faces(3, (96, 96)))
    found = {name: batch for one in built.explainers for name, batch in one.explain(asked).items()}
    assert set(found) == {*GRADIENT, *MODULES}
    for batch in found.values():
        assert batch.maps.shape == (3, 96, 96)
        assert float(batch.maps.amin()) == 0
        assert float(batch.maps.amax()) == 1
    assert float(found["deeplift"].facts["completeness_error"].max()) < 1e-3


# Bad input -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", [*GRADIENT, *MODULES])
def test_bad_requests(method: str) -> None:
    found = explainer(target_of(small_net()), method)
    with pytest.raises(UsageError, match="expected classes from 0 to 2, but got 3"):
        found.explain(Request(faces(2), torch.tensor([0, 3]), (1, 2)))
    with pytest.raises(UsageError, match="expected pixels"):
        found.explain(Request(faces(2), torch.tensor([0]), (1, 2)))
    with pytest.raises(UsageError, match="one seed for each of 2 faces"):
        found.explain(Request(faces(2), torch.tensor([0, 1]), (1,)))


def test_a_map_with_nan_is_none() -> None:
    net = small_net()
    head = net[8]
    assert isinstance(head, nn.Linear)
    head.weight.data[1] = torch.nan
    target = target_of(net)
    for method in (*GRADIENT, "guided_backprop"):
        batch = explain(target, method, request(faces(2), [0, 1]))
        assert batch.problems == ("the map holds NaN or infinite values",) * 2
        assert bool(batch.maps.isnan().all())
