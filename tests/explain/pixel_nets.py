"""Nets, requests and comparisons for the tests of gradients and propagation."""

from __future__ import annotations

import importlib.util
import warnings
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from countenance.core.plan import TargetSpec
from countenance.core.target import Target
from countenance.explain.attribution.cam import normalise
from countenance.explain.attribution.method import AttributionSettings, Explainer, MapBatch, Request
from countenance.explain.attribution.registry import build_explainers

SMALL = {"size": [8, 10], "mean": [0.4, 0.5, 0.3], "std": [0.5, 0.6, 0.7]}
GRADIENT = ("saliency", "input_x_gradient", "integrated_gradients", "smoothgrad")
MODULES = ("deeplift", "guided_backprop", "lrp")
SETTINGS = AttributionSettings(integration_steps=12, noisy_copies=5, noise=0.2)


REAL = {
    "face_expression": ("FaceExpressionNet", {"size": 112, "mean": [0.48150, 0.45883, 0.40901]}),
    "mini_xception": ("MiniXception", {"size": 64, "channels": "grey", "mean": [0.5], "std": [0.5]}),
}
SEVEN: dict[str, Any] = {"classes": list("abcdefg")}


def load_nets(shared: Path) -> ModuleType:
    """The module that holds the architectures of the real checkpoints."""
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
