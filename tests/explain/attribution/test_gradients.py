"""Gradients: against Captum called directly and slow re-implementations; what all methods of the family share."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from pixel_nets import (
    GRADIENT,
    MODULES,
    REAL,
    SETTINGS,
    SEVEN,
    assert_same,
    captum_attributions,
    explain,
    explainer,
    faces,
    load_nets,
    reason,
    request,
    slow_gradient,
    small_net,
    target_of,
    to_map,
)
from torch import Tensor, nn

from countenance.core.errors import UsageError
from countenance.explain.attribution.method import AttributionSettings, Request
from countenance.explain.attribution.registry import build_explainers
from countenance.synth.nets import DrawnFaceNet


@pytest.fixture(scope="module")
def nets(shared: Path) -> ModuleType:
    return load_nets(shared)


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
