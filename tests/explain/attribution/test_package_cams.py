"""The package's methods: equal to calling it directly, and to loops from the papers; the net is left as it was."""

from __future__ import annotations

import importlib.util
from copy import deepcopy
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from countenance.core.plan import InputSpec, TargetSpec
from countenance.core.target import Target
from countenance.core.torchvision_compat import ensure_torchvision_importable
from countenance.explain.attribution.cam import RULES
from countenance.explain.attribution.method import AttributionSettings, Built, MapBatch, Request
from countenance.explain.attribution.package_cams import FLAT, METHODS, NO_PACKAGE, NOT_FINITE, build
from countenance.explain.attribution.package_engine import CLASSES
from countenance.explain.attribution.source import LayerError

SIZE = 24
LEFT_OUT = {
    "RefineCAM",  # of several layers
    "EigenCAM",
    "EigenGradCAM",
    "GradCAM",
    "GradCAMPlusPlus",
    "HiResCAM",
    "LayerCAM",
    "XGradCAM",
}


class Net(nn.Module):
    """Batch norm, a residual sum, and an operation in place right after the last map."""

    def __init__(self, classes: int = 5) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.stem = nn.Sequential(nn.Conv2d(3, 6, 3, 2, 1), nn.BatchNorm2d(6), nn.ReLU())
        self.body = nn.Conv2d(6, 8, 3, padding=1)
        self.hidden, self.fc = nn.Linear(8, 12), nn.Linear(12, classes)
        with torch.no_grad():
            self.stem[1].running_mean.uniform_(-0.2, 0.2)
            self.stem[1].bias.uniform_(-0.2, 0.2)

    def forward(self, x: Tensor) -> Tensor:
        features = self.body(self.stem(x))
        return self.fc(torch.tanh(self.hidden(features.relu().mean((2, 3)))))


class InPlace(Net):
    def forward(self, x: Tensor) -> Tensor:
        features = self.body(self.stem(x)).relu_()
        return self.fc(torch.tanh(self.hidden(features.mean((2, 3)))))


class Tokens(nn.Module):
    """A patch embedding, and tokens without a class token."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.patches, self.mix = nn.Conv2d(3, 8, 4, 4), nn.Linear(8, 8)
        self.norm, self.fc = nn.LayerNorm(8), nn.Linear(8, 5)

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.patches(x).flatten(2).transpose(1, 2)
        return self.fc(self.norm(tokens + self.mix(tokens).tanh()).tanh().mean(1))


def target_of(net: nn.Module, classes: int = 5, size: int | tuple[int, int] = SIZE) -> Target:
    spec = TargetSpec(
        checkpoint="net.safetensors",
        task="expression",
        classes=[f"c{place}" for place in range(classes)],
        input=InputSpec(size=size, channels="rgb", mean=(0.5, 0.4, 0.3), std=(0.2, 0.2, 0.2)),
        output="logits",
    )
    return Target(net, spec, format="module")


def request(faces: int = 3, size: tuple[int, int] = (SIZE, SIZE)) -> Request:
    rough = torch.rand((faces, 3, 6, 6), generator=torch.Generator().manual_seed(0))
    pixels = nn.functional.interpolate(rough, size=size, mode="bilinear")
    return Request(pixels, torch.arange(faces) + 1, tuple(range(7, 7 + faces)))


def built(target: Target, *methods: str, layer: str | None = None) -> Built:
    return build(target, methods, layer=layer, batch_size=4, settings=AttributionSettings())


def maps_of(target: Target, method: str, asked: Request | None = None, layer: str | None = None) -> MapBatch:
    made = built(target, method, layer=layer)
    assert not made.unavailable, made.unavailable
    return made.explainers[0].explain(asked or request())[method]


def directly(net: nn.Module, layer: nn.Module, net_input: Tensor, classes: list[int], method: str, **more: Any) -> Any:
    """Call the package as its own guide does, one face at a time."""
    ensure_torchvision_importable()
    import pytorch_grad_cam
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget, FinerWeightedTarget

    found = []
    for face, place in enumerate(classes):
        target: Any = ClassifierOutputTarget(place)
        if method == "finercam":
            order = np.argsort(np.abs((net(net_input)[face] - net(net_input)[face, place]).detach().numpy()))
            target = FinerWeightedTarget(place, [int(other) for other in order[1:4]], 1)
        layers = [] if method == "fullgrad" else [layer]
        cam = getattr(pytorch_grad_cam, CLASSES[method])(net, layers, **more)
        np.random.seed(7 + face)
        found.append(cam(input_tensor=net_input[face : face + 1], targets=[target])[0])
        getattr(cam, "base_cam", cam).activations_and_grads.release()
    return np.stack(found)


@pytest.mark.parametrize("method", METHODS)
def test_equals_the_package_called_directly(method: str) -> None:
    net = Net().eval()
    plain = deepcopy(net)
    found = maps_of(target_of(net), method)
    asked = request()
    net_input = target_of(deepcopy(net)).prepare(asked.pixels)
    expected = directly(plain, plain.body, net_input, asked.classes.tolist(), method)
    assert found.maps.shape == (3, SIZE, SIZE)
    assert found.maps.dtype == torch.float32
    assert found.problems == (None, None, None)
    np.testing.assert_allclose(found.maps.numpy(), expected, atol=2e-5)
    assert expected.std() > 0.05, "equal because both are empty"


def test_every_method_of_the_package_is_here_or_left_out_for_a_reason() -> None:
    ensure_torchvision_importable()
    import pytorch_grad_cam
    from pytorch_grad_cam.base_cam import BaseCAM

    exported = {name: value for name, value in vars(pytorch_grad_cam).items() if isinstance(value, type)}
    cams = {name for name, value in exported.items() if issubclass(value, BaseCAM)}
    metas = {
        name for name, value in exported.items() if "base_method" in getattr(value.__init__, "__annotations__", {})
    }
    assert {"GradCAM", "ScoreCAM"} <= cams
    assert (cams | metas | {"FinerCAM", "SESS", "RefineCAM"}) == set(CLASSES.values()) | LEFT_OUT
    assert set(METHODS) == set(CLASSES)
    assert not set(METHODS) & set(RULES)
    assert all(info.citation and info.about and info.family == "package_cam" for info in METHODS.values())


def seen_through(net: nn.Module, features: Tensor, x: Tensor) -> tuple[list[Tensor], Tensor]:
    """ScoreCAM's input for each channel of one face, equations 6 and 7 of Wang et al. (2020)."""
    copies = []
    for channel in features:
        large = nn.functional.interpolate(channel[None, None], size=x.shape[-2:], mode="bilinear", align_corners=True)
        low, high = float(large.min()), float(large.max())
        copies.append(x * (large[0] - low) / (high - low))
    return copies, features


def upright(raw: Tensor) -> np.ndarray:
    """Rectify, stretch, enlarge, stretch."""
    rectified = raw.clamp_min(0)
    small = (rectified - rectified.min()) / (rectified.max() - rectified.min())
    large = nn.functional.interpolate(small[None, None], size=(SIZE, SIZE), mode="bilinear", align_corners=False)[0, 0]
    return ((large - large.min()) / (large.max() - large.min())).numpy()


def test_scorecam_equals_the_paper() -> None:
    net, asked = Net().eval(), request()
    found = maps_of(target_of(net), "scorecam").maps.numpy()
    x = target_of(net).prepare(asked.pixels)
    with torch.no_grad():
        for face, place in enumerate(asked.classes.tolist()):
            features = net.body(net.stem(x[face : face + 1]))[0]
            copies, _ = seen_through(net, features, x[face])
            scores = torch.stack([net(copy[None])[0, place] for copy in copies])
            weights = scores.exp() / scores.exp().sum()
            raw = sum(weight * channel for weight, channel in zip(weights, features, strict=True))
            assert isinstance(raw, Tensor)
            np.testing.assert_allclose(found[face], upright(raw), atol=1e-4)


def test_ablationcam_equals_the_paper_on_a_rectified_map() -> None:
    """Equation 3 of Desai and Ramaswamy (2020): the fall of the score without a channel, as a share of the score."""

    class Rectified(Net):
        def __init__(self) -> None:
            super().__init__()
            self.body = nn.Sequential(nn.Conv2d(6, 8, 3, padding=1), nn.ReLU())  # type: ignore[assignment]

    net, asked = Rectified().eval(), request()
    found = maps_of(target_of(net), "ablationcam").maps.numpy()
    x = target_of(net).prepare(asked.pixels)
    rest = lambda features: net.fc(torch.tanh(net.hidden(features.mean((2, 3)))))  # noqa: E731
    with torch.no_grad():
        for face, place in enumerate(asked.classes.tolist()):
            features = net.body(net.stem(x[face : face + 1]))
            score = rest(features)[0, place]
            raw = torch.zeros(features.shape[2:])
            for channel in range(features.shape[1]):
                without = features.clone()
                without[:, channel] = 0
                raw += (score - rest(without)[0, place]) / score * features[0, channel]
            np.testing.assert_allclose(found[face], upright(raw), atol=1e-4)


@pytest.mark.parametrize("method", METHODS)
def test_an_operation_in_place_after_the_layer_changes_nothing(method: str) -> None:
    """The package called directly would explain the map after it, with gradients from before it."""
    same, in_place = (maps_of(target_of(kind().eval()), method, layer="body") for kind in (Net, InPlace))
    torch.testing.assert_close(in_place.maps, same.maps, equal_nan=True)
    assert in_place.problems == same.problems


def state_of(net: nn.Module) -> tuple[object, ...]:
    return (
        [(name, id(module)) for name, module in net.named_modules()],
        [
            len(module._forward_hooks) + len(module._forward_pre_hooks) + len(module._backward_hooks)
            for module in net.modules()
        ],
        [module.training for module in net.modules()],
        [parameter.requires_grad for parameter in net.parameters()],
        [None if parameter.grad is None else parameter.grad.tolist() for parameter in net.parameters()],
        [tensor.tolist() for tensor in net.state_dict().values()],
        [sorted(vars(module)) for module in net.modules()],
    )


class Failing:
    """A hook that raises at the n-th call of a module, if ever."""

    def __init__(self, error: Exception) -> None:
        self.error, self.left = error, -1

    def __call__(self, module: nn.Module, inputs: object) -> None:
        self.left -= 1
        if self.left == 0:
            raise self.error


@pytest.fixture
def marked() -> Net:
    """A net in a state of its own: mixed modes, a gradient that somebody wants, a parameter that takes none."""
    net = Net()
    net.stem.eval()
    net.fc.bias.grad = torch.ones(5)
    net.body.bias.requires_grad_(False)
    return net


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("call", [1, 2])
def test_a_net_is_left_as_it_was(method: str, call: int, marked: Net) -> None:
    target = target_of(marked)
    for parameter in marked.stem.parameters():
        parameter.requires_grad_(True)
    failing = Failing(ZeroDivisionError("in the net"))
    marked.fc.register_forward_pre_hook(failing)
    before, random = state_of(marked), np.random.get_state()[1].tolist()  # type: ignore[union-attr]
    (explainer,) = built(target, method).explainers
    asked = request(1)
    explainer.explain(asked)
    assert state_of(marked) == before
    failing.left = call
    if call == 1 or method in {"scorecam", "ablationcam", "sess", "finercam"}:
        with pytest.raises(ZeroDivisionError):
            explainer.explain(asked)
    else:
        explainer.explain(asked)
    assert state_of(marked) == before
    assert np.random.get_state()[1].tolist() == random  # type: ignore[union-attr]


@pytest.mark.parametrize("method", METHODS)
def test_what_fails_in_the_package_is_told_of_the_face_and_leaves_the_net(method: str) -> None:
    net = Net().eval()
    (explainer,) = built(target_of(net), method).explainers
    failing = Failing(RuntimeError("out of\n memory"))
    net.fc.register_forward_pre_hook(failing)
    before = state_of(net)
    failing.left = 2 if method in {"ablationcam", "finercam"} else 1
    found = explainer.explain(request(1))[method]
    assert found.problems == (f"the grad-cam package's {CLASSES[method]} fails: out of memory",)
    assert torch.isnan(found.maps).all()
    assert state_of(net) == before
    assert explainer.explain(request(1))[method].problems == (None,)


@pytest.mark.parametrize("method", METHODS)
def test_a_broken_face_costs_no_other(method: str) -> None:
    target, asked = target_of(Net().eval()), request()
    expected = maps_of(target, method, asked)
    pixels = asked.pixels.clone()
    pixels[1] = torch.nan
    found = maps_of(target, method, Request(pixels, asked.classes, asked.seeds))
    assert torch.isnan(found.maps[1]).all()
    assert found.problems[1] is not None
    torch.testing.assert_close(found.maps[::2], expected.maps[::2], atol=1e-5, rtol=0)
    assert found.problems[::2] == (None, None)


def test_problems_say_what_is_wrong() -> None:
    class Pointwise(Net):
        """Sees each position by itself, so that a face of one colour has one value everywhere."""

        def __init__(self) -> None:
            super().__init__()
            self.stem[0], self.body = nn.Conv2d(3, 6, 1, 2), nn.Conv2d(6, 8, 1)

    asked = request()
    asked.pixels[1] = 0.3
    found = maps_of(target_of(Pointwise().eval()), "gradcam_elementwise", asked)
    assert found.problems == (None, FLAT, None)
    assert torch.isnan(found.maps[1]).all()
    assert float(found.maps[::2].amin()) == 0
    assert float(found.maps[::2].amax()) == 1
    pixels = request().pixels.clone()
    pixels[0, 0, 0, 0] = torch.nan
    one = maps_of(target_of(Net().eval()), "gradcam_elementwise", Request(pixels, torch.tensor([0, 1, 2]), (0, 0, 0)))
    assert one.problems == (NOT_FINITE, None, None)


def test_random_weights_depend_on_the_faces_own_seed_alone() -> None:
    target, asked = target_of(Net().eval()), request()
    together = maps_of(target, "randomcam", asked).maps
    alone = maps_of(target, "randomcam", Request(asked.pixels[2:], asked.classes[2:], asked.seeds[2:])).maps
    other = maps_of(target, "randomcam", Request(asked.pixels[2:], asked.classes[2:], (99,))).maps
    torch.testing.assert_close(alone[0], together[2])
    assert float((other[0] - together[2]).abs().max()) > 0.1


def test_progress_bars_stay_off_the_terminal(capfd: pytest.CaptureFixture[str]) -> None:
    for method in ("scorecam", "ablationcam", "fullgrad"):
        maps_of(target_of(Net().eval()), method, request(1))
    assert capfd.readouterr() == ("", "")
    from pytorch_grad_cam import score_cam

    assert score_cam.tqdm.__name__ == "tqdm"


@pytest.mark.parametrize("method", [name for name in METHODS if name not in {"fullgrad", "shapleycam"}])
def test_tokens_are_put_back_on_the_picture(method: str) -> None:
    net, asked = Tokens().eval(), request()
    found = maps_of(target_of(net), method, asked, layer="norm")
    plain = deepcopy(net)
    for parameter in plain.parameters():
        parameter.requires_grad_(True)
    more: dict[str, Any] = {"reshape_transform": lambda v: v.transpose(1, 2).reshape(len(v), 8, 6, 6).contiguous()}
    if method == "ablationcam":
        from pytorch_grad_cam import AblationLayerVit

        more["ablation_layer"] = AblationLayerVit()
    net_input = target_of(net).prepare(asked.pixels)
    expected = directly(plain, plain.norm, net_input, asked.classes.tolist(), method, **more)
    np.testing.assert_allclose(found.maps.numpy(), expected, atol=2e-5)


def test_methods_that_a_net_cannot_have_say_why() -> None:
    tokens = built(target_of(Tokens().eval()), "fullgrad", "shapleycam", "fem", layer="norm")
    assert [explainer.methods for explainer in tokens.explainers] == [("fem",)]
    assert "tokens" in tokens.unavailable["fullgrad"]
    assert "tokens" in tokens.unavailable["shapleycam"]

    wide = built(target_of(Net().eval(), size=(24, 32)), "sess", "fem")
    assert wide.unavailable == {"sess": "SESS cuts square patches, and the model takes 32 x 24"}

    flat = target_of(nn.Sequential(nn.Flatten(), nn.Linear(3 * SIZE * SIZE, 5)))
    assert "found no feature map" in built(flat, "scorecam").unavailable["scorecam"]
    with pytest.raises(LayerError, match="did you mean 'body'"):
        built(target_of(Net()), "scorecam", layer="bodi")


def test_a_net_with_one_output_is_explained_for_either_side() -> None:
    """The target makes two logits of it, one the negative of the other; Finer-CAM has one class to compare with."""
    spec = TargetSpec(
        checkpoint="net.safetensors",
        task="forgery",
        positive="forged",
        input=InputSpec(size=SIZE, channels="rgb", mean=(0.5,), std=(0.2,)),
        output="logits",
    )
    target = Target(Net(1).eval(), spec, format="module")
    made = built(target, *METHODS)
    assert not made.unavailable
    asked = request(2)
    asked = Request(asked.pixels, torch.tensor([0, 1]), asked.seeds)
    for explainer in made.explainers:
        (found,) = explainer.explain(asked).values()
        for problem, map in zip(found.problems, found.maps, strict=True):
            assert (problem is None) == bool(torch.isfinite(map).all()), explainer.methods
        assert None in found.problems, explainer.methods


def test_finer_cam_needs_a_class_to_compare_with() -> None:
    spec = TargetSpec(
        checkpoint="net.safetensors",
        task="action_units",
        classes=["AU12"],
        input=InputSpec(size=SIZE, channels="rgb", mean=(0.5,), std=(0.2,)),
        output="logits",
    )
    made = built(Target(Net(1).eval(), spec, format="module"), "finercam", "fem")
    assert made.unavailable == {"finercam": "Finer-CAM sets a class apart from others, and the model has one output"}


def test_a_gradient_that_is_a_view_can_be_let_go() -> None:
    """The package's own release detaches it in place, which torch refuses."""

    class Viewed(Net):
        def forward(self, x: Tensor) -> Tensor:
            features = self.body(self.stem(x)).transpose(2, 3).flatten(2).transpose(1, 2)
            return self.fc(torch.tanh(self.hidden(features.relu()[:, :100].mean(1))))

    assert maps_of(target_of(Viewed().eval()), "shapleycam", layer="body").problems == (None, None, None)


def test_a_net_whose_batch_norm_keeps_no_running_means_has_no_fullgrad() -> None:
    net = Net()
    net.stem[1] = nn.BatchNorm2d(6, track_running_stats=False)
    before = state_of(net.eval())
    assert built(target_of(net), "fullgrad").unavailable["fullgrad"].startswith("the grad-cam package's FullGrad fails")
    assert state_of(net)[1] == before[1]


def test_a_program_has_no_modules_to_hook() -> None:
    program = torch.export.export(Net().eval(), (torch.zeros(2, 3, SIZE, SIZE),)).module()
    for net in (program, lambda x: x):
        made = built(target_of(net), "scorecam")  # type: ignore[arg-type]
        assert "hooks the layers of a module" in made.unavailable["scorecam"]


def test_without_the_package_the_reason_names_the_install_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert built(target_of(Net().eval()), "fem", "sess").unavailable == {"fem": NO_PACKAGE, "sess": NO_PACKAGE}
    assert 'pip install "countenance[explain]"' in NO_PACKAGE
