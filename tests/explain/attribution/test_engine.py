"""The engine on real checkpoints, against the grad-cam package, and on awkward nets."""

from __future__ import annotations

import importlib.util
import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from torch import Tensor, fx, nn

from countenance.core.errors import TargetError, UsageError
from countenance.core.torchvision_compat import ensure_torchvision_importable
from countenance.explain.attribution.cam import RULES, normalise
from countenance.explain.attribution.engine import CamEngine
from countenance.explain.attribution.program import is_program
from countenance.explain.attribution.source import Captured, LayerError

REAL = {
    "face_expression": ("FaceExpressionNet", 3, 112, "dense3"),
    "mini_xception": ("MiniXception", 1, 64, "blocks"),
}
METHODS = {
    "gradcam": "GradCAM",
    "gradcam++": "GradCAMPlusPlus",
    "xgradcam": "XGradCAM",
    "hirescam": "HiResCAM",
    "layercam": "LayerCAM",
}


@pytest.fixture(scope="module")
def nets(shared: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("shared_nets", shared / "models" / "nets.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def load(shared: Path, nets: ModuleType, name: str) -> nn.Module:
    net = getattr(nets, REAL[name][0])()
    net.load_state_dict(torch.load(shared / "models" / f"{name}.pt", weights_only=True))
    return net.eval()


def faces(channels: int, size: int, count: int = 5, seed: int = 0) -> Tensor:
    rough = torch.rand(count, channels, 14, 14, generator=torch.Generator().manual_seed(seed))
    return torch.nn.functional.interpolate(rough, size=size, mode="bilinear") - 0.4


@pytest.mark.parametrize("name", REAL)
def test_equals_the_grad_cam_package(shared: Path, nets: ModuleType, name: str) -> None:
    ensure_torchvision_importable()
    import pytorch_grad_cam
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    _, channels, size, layer = REAL[name]
    net, x = load(shared, nets, name), faces(channels, size)
    classes = torch.arange(len(x))
    targets = [ClassifierOutputTarget(int(index)) for index in classes]
    for method, rule in METHODS.items():
        engine = CamEngine(net, x[:1], method=method)
        assert engine.layer_name == layer
        maps, outputs = engine.maps(x, classes)
        torch.testing.assert_close(outputs, net(x).detach())
        with getattr(pytorch_grad_cam, rule)(model=net, target_layers=[net.get_submodule(layer)]) as package:
            expected = package(input_tensor=x, targets=targets)
        for ours, theirs in zip(maps.numpy(), expected, strict=True):
            assert np.corrcoef(ours.ravel(), theirs.ravel())[0, 1] > 0.999
        np.testing.assert_allclose(maps.numpy(), expected, atol=1e-4)


def test_a_random_residual_net_equals_the_grad_cam_package() -> None:
    ensure_torchvision_importable()
    import pytorch_grad_cam
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    net = small_net()
    found = CamEngine(net, X[:1], method=tuple(METHODS)).explain_all(X, CLASSES)
    for method, rule in METHODS.items():
        with getattr(pytorch_grad_cam, rule)(model=net, target_layers=[net.body]) as package:
            expected = package(input_tensor=X, targets=[ClassifierOutputTarget(int(index)) for index in CLASSES])
        usable = torch.isfinite(found[method].maps).all(2).all(1).numpy()
        assert usable.any()
        np.testing.assert_allclose(found[method].maps.numpy()[usable], expected[usable], atol=1e-4)
        assert not expected[~usable].any(), "where there is no map here, theirs is zero everywhere"


@pytest.mark.parametrize("name", REAL)
def test_components_equal_the_grad_cam_packages_up_to_the_sign_it_leaves_open(
    shared: Path, nets: ModuleType, name: str
) -> None:
    from pytorch_grad_cam.utils.svd_on_activations import get_2d_projection_with_sign_correction

    _, channels, size, _ = REAL[name]
    net, x = load(shared, nets, name), faces(channels, size)
    engine = CamEngine(net, x[:1], method=("eigencam", "eigengradcam"))
    captured = engine._source.capture(x, lambda outputs: outputs.diagonal().sum())
    found = engine.explain_all(x, torch.arange(len(x)))
    for method, features in (
        ("eigencam", captured.features),
        ("eigengradcam", captured.features * captured.gradients),
    ):
        projections = torch.from_numpy(get_2d_projection_with_sign_correction(features.numpy()))
        expected = normalise(projections, (size, size)).maps
        for ours, theirs in zip(found[method].maps.numpy(), expected.numpy(), strict=True):
            assert np.corrcoef(ours.ravel(), theirs.ravel())[0, 1] > 0.9999
        torch.testing.assert_close(found[method].maps, expected, atol=1e-3, rtol=0)


@pytest.mark.parametrize("name", REAL)
def test_program_equals_module(shared: Path, nets: ModuleType, name: str) -> None:
    _, channels, size, layer = REAL[name]
    x, classes = faces(channels, size), torch.arange(5)
    program = torch.export.load(shared / "models" / f"{name}.pt2").module()
    assert is_program(program)
    engine = CamEngine(program, x[:1])
    assert engine.layer_name == layer
    ours, expected = engine.explain(x, classes), CamEngine(load(shared, nets, name), x[:1]).explain(x, classes)
    assert float((ours.maps - expected.maps).abs().max()) < 1e-6
    assert float((ours.outputs - expected.outputs).abs().max()) < 1e-6


@pytest.mark.filterwarnings("ignore:.*LeafSpec.*:FutureWarning")  # torch 2.13 warns about itself
@pytest.mark.parametrize("name", ["forgery_deepfakes", "forgery_face2face"])
def test_forgery_nets_are_explained_at_one_layer_in_every_format(shared: Path, nets: ModuleType, name: str) -> None:
    """Their last pooling belongs to no module: a program has it, a hook does not."""
    net = nets.ForgeryNet()
    net.load_state_dict(torch.load(shared / "models" / f"{name}.pt", weights_only=True))
    program = torch.export.load(shared / "models" / f"{name}.pt2")
    x, classes = faces(3, 256, 2), torch.tensor([0, 1])
    found = []
    for source in (net.eval(), program.module(), program.run_decompositions().module()):
        engine = CamEngine(source, x[:1], scores=lambda p: torch.cat([p, 1 - p], 1))
        assert engine.layer_name == "norms.3"
        found.append(engine.maps(x, classes))
    assert found[0][0].shape == (2, 256, 256)
    assert found[0][1].shape == (2, 1)
    same_maps(found[1], found[0])
    same_maps(found[2], found[0])


class Joined(nn.Module):
    """Two branches joined by a function, which no module returns."""

    def __init__(self) -> None:
        super().__init__()
        self.left, self.right, self.fc = nn.Conv2d(3, 6, 3, 2), nn.Conv2d(3, 6, 5, 2, 1), nn.Linear(6, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc((self.left(x) + self.right(x)).relu().mean((2, 3)))


def test_what_a_function_joins_is_one_layer_in_a_program_only() -> None:
    """A hook sees the branches alone, of which it takes the last, and tells that the other goes past it."""
    net = Joined().eval()
    module, program = CamEngine(net, X[:1]), CamEngine(exported(net), X[:1])
    assert (module.layer_name, program.layer_name) == ("right", "relu")
    captured = program._source.capture(X, lambda outputs: outputs[:, 1].sum())
    torch.testing.assert_close(captured.features, (net.left(X) + net.right(X)).relu())
    assert module.bypassed(X)
    assert not program.bypassed(X)
    state = state_of(net)
    module.bypassed(X)
    assert state_of(net) == state


@pytest.mark.parametrize("program", [False, True])
def test_what_goes_past_a_layer_is_told(program: bool) -> None:
    net = exported(small_net()) if program else small_net()
    assert not CamEngine(net, X[:1]).bypassed(X)
    assert not CamEngine(net, X[:1], "stem").bypassed(X)
    assert CamEngine(net, X[:1], "body.1.first").bypassed(X), "the skip connection goes past it"


def test_probabilities_that_add_up_to_one_hide_no_second_way() -> None:
    class Probabilities(Joined):
        def forward(self, x: Tensor) -> Tensor:
            return super().forward(x).softmax(1)

    assert CamEngine(Probabilities().eval(), X[:1]).bypassed(X)


class Block(nn.Module):
    """A residual block with in-place operations, as in ResNet."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(width, width, 3, padding=1), nn.Conv2d(width, width, 3, padding=1)
        self.norm, self.relu = nn.BatchNorm2d(width), nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm(self.second(self.relu(self.first(x))))
        y += x
        return self.relu(y)


class Net(nn.Module):
    def __init__(self, classes: int = 4) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 6, 3, 2, 1), nn.BatchNorm2d(6), nn.ReLU(inplace=True))
        self.body = nn.Sequential(Block(6), Block(6))
        self.pool, self.drop = nn.AdaptiveAvgPool2d(1), nn.Dropout(0.5)
        self.fc = nn.Linear(6, classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.drop(self.pool(self.body(self.stem(x))).flatten(1)))


def small_net(classes: int = 4) -> Net:
    torch.manual_seed(0)
    net = Net(classes)
    with torch.no_grad():
        for module in net.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.running_mean.uniform_(-0.2, 0.2)  # type: ignore[union-attr]
    return net.eval()


def same_maps(found: tuple[Tensor, Tensor], expected: tuple[Tensor, Tensor]) -> None:
    """Compare maps and outputs; a face without a map has NaN, but not every face may."""
    assert torch.isfinite(expected[0]).any()
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5, equal_nan=True)


X, CLASSES = faces(3, 24, 3), torch.tensor([0, 1, 3])


def state_of(net: nn.Module) -> tuple[object, ...]:
    hooks = [len(module._forward_hooks) + len(module._backward_hooks) for module in net.modules()]
    return (
        hooks,
        [module.training for module in net.modules()],
        [parameter.requires_grad for parameter in net.parameters()],
        [tensor.clone().tolist() for tensor in net.state_dict().values()],
        [parameter.grad is None for parameter in net.parameters()],
    )


def full_backward(net: nn.Module, layer: str, x: Tensor, classes: Tensor) -> tuple[Tensor, Tensor]:
    """Features and gradients with the whole graph, no cut, no freezing."""
    kept: list[Tensor] = []
    handle = net.get_submodule(layer).register_forward_hook(lambda m, i, o: kept.append(o.clone()) or kept[-1].clone())
    outputs = net(x)
    handle.remove()
    (gradient,) = torch.autograd.grad(outputs.gather(1, classes[:, None]).sum(), kept[-1])
    return kept[-1].detach(), gradient


@pytest.mark.parametrize("layer", ["body.1", "body.0", "body.1.first", "stem.1"])
def test_capture_equals_a_full_backward(layer: str) -> None:
    net = small_net()
    engine = CamEngine(net, X[:1], layer)
    captured = engine._source.capture(X, lambda outputs: outputs.gather(1, CLASSES[:, None]).sum())
    features, gradients = full_backward(net, layer, X, CLASSES)
    torch.testing.assert_close(captured.features, features)
    torch.testing.assert_close(captured.gradients, gradients)


@pytest.mark.parametrize("training", [False, True])
def test_a_net_is_left_as_it_was(training: bool) -> None:
    net = small_net().train(training)
    net.body[0].eval()
    net.fc.bias.requires_grad_(False)
    before = state_of(net)
    engine = CamEngine(net, X[:1])
    first = engine.maps(X, CLASSES)
    assert state_of(net) == before
    same_maps(first, engine.maps(X, CLASSES))


def test_a_net_is_left_as_it_was_after_an_exception() -> None:
    net = small_net().train()
    engine = CamEngine(net, X[:1])
    before = state_of(net)
    broken = net.fc.register_forward_pre_hook(lambda m, i: (_ for _ in ()).throw(ZeroDivisionError("in the net")))
    with pytest.raises(ZeroDivisionError):
        engine.maps(X, CLASSES)
    with pytest.raises(ZeroDivisionError):
        CamEngine(net, X[:1])
    broken.remove()
    assert state_of(net) == before
    with pytest.raises(UsageError, match="classes from 0 to 3"):
        engine.maps(X, torch.tensor([0, 1, 4]))
    assert state_of(net) == before


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode, torch.enable_grad])
def test_works_in_any_grad_mode_and_leaves_it(mode: Callable[[], object]) -> None:
    net = small_net()
    for candidate in (net, exported(net)):
        expected = CamEngine(candidate, X[:1]).maps(X, CLASSES)
        with mode():  # type: ignore[attr-defined]
            flags = torch.is_grad_enabled(), torch.is_inference_mode_enabled()
            inside = X * 1.0
            found = CamEngine(candidate, inside[:1]).maps(inside, CLASSES)
            assert (torch.is_grad_enabled(), torch.is_inference_mode_enabled()) == flags
        same_maps(found, expected)


def exported(net: nn.Module, batch: int = 3, dynamic: bool = True, decomposed: bool = False) -> fx.GraphModule:
    """Export, write, read: as a user's file would come."""
    shapes = ({0: torch.export.Dim("n")},) if dynamic else None
    program = torch.export.export(net, (faces(3, 24, batch),), dynamic_shapes=shapes)
    if decomposed:
        program = program.run_decompositions()
    buffer = io.BytesIO()
    torch.export.save(program, buffer)
    buffer.seek(0)
    module = torch.export.load(buffer).module()
    assert isinstance(module, fx.GraphModule)
    return module


@pytest.mark.filterwarnings("ignore:.*LeafSpec.*:FutureWarning")  # torch 2.13 warns about itself
@pytest.mark.parametrize("decomposed", [False, True])
@pytest.mark.parametrize("layer", [None, "body.0", "stem"])
def test_program_with_inplace_operations_equals_module(layer: str | None, decomposed: bool) -> None:
    net = small_net()
    ours, expected = CamEngine(exported(net, decomposed=decomposed), X[:1], layer), CamEngine(net, X[:1], layer)
    assert ours.layer_name == expected.layer_name == (layer or "body")
    same_maps(ours.maps(X, CLASSES), expected.maps(X, CLASSES))


def test_program_inside_a_residual_branch() -> None:
    net = small_net()
    program = exported(net)
    captured = CamEngine(program, X[:1], "body.1.first")._source.capture(X, lambda y: y[:, 1].sum())
    features, gradients = full_backward(net, "body.1.first", X, torch.ones(3, dtype=torch.long))
    torch.testing.assert_close(captured.features, features)
    torch.testing.assert_close(captured.gradients, gradients)


def test_program_of_one_batch_size_is_filled_up() -> None:
    net = small_net()
    engine = CamEngine(exported(net, batch=2, dynamic=False), X[:1])
    expected = CamEngine(net, X[:1]).explain(X, CLASSES)
    found = engine.explain(X, CLASSES)
    same_maps((found.maps, found.outputs), (expected.maps, expected.outputs))
    assert found.problems == expected.problems


@pytest.mark.filterwarnings("ignore:.*training mode.*")
def test_program_exported_in_training_mode_is_refused() -> None:
    with pytest.raises(TargetError, match=r"training mode .* call eval\(\)"):
        CamEngine(exported(small_net().train()), X[:1])


def test_program_parameters_are_restored() -> None:
    program = exported(small_net())
    before = [parameter.requires_grad for parameter in program.parameters()]
    engine = CamEngine(program, X[:1])
    engine.maps(X, CLASSES)
    with pytest.raises(UsageError):
        engine.maps(X, CLASSES + 9)
    assert [parameter.requires_grad for parameter in program.parameters()] == before


class ClassMap(nn.Module):
    """Ends in a map of the classes, which is averaged."""

    def __init__(self, pooled: nn.Module) -> None:
        super().__init__()
        self.conv, self.head, self.pooled = nn.Conv2d(3, 5, 3, 2, 1), nn.Conv2d(5, 4, 1), pooled

    def forward(self, x: Tensor) -> Tensor:
        return self.pooled(self.head(self.conv(x).relu())).mean((2, 3))


@pytest.mark.parametrize("pooled", [nn.Identity(), nn.Dropout2d(), nn.ZeroPad2d(1)])
def test_a_class_map_is_no_feature_map(pooled: nn.Module) -> None:
    net = ClassMap(pooled).eval()
    # A program shows the rectifier too, which no module of its own computes; a hook cannot see it.
    for source in (net, exported(net)):
        engine = CamEngine(source, X[:1])
        assert engine.layer_name == "conv"
        same_maps(engine.maps(X, CLASSES), CamEngine(net, X[:1], "conv").maps(X, CLASSES))


def test_a_rectified_class_map_of_a_program_that_was_never_written_is_no_feature_map() -> None:
    """The output node of such a program knows no shape, so the number of classes comes from what it returns."""
    net = nn.Sequential(
        nn.Conv2d(3, 6, 3), nn.ReLU(), nn.Conv2d(6, 4, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()
    ).eval()
    program = torch.export.export(net, (X,)).module()
    assert program.graph.output_node().meta.get("val") is None
    assert CamEngine(program, X).layer_name == CamEngine(net, X).layer_name == "1"


class Tokens(nn.Module):
    """A patch embedding and attention over tokens, without a class token."""

    def __init__(self) -> None:
        super().__init__()
        self.patches, self.fc = nn.Conv2d(3, 8, 4, 4), nn.Linear(8, 4)
        self.norm = nn.LayerNorm(8)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.norm(self.patches(x).flatten(2).transpose(1, 2)).mean(1))


class Detached(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x).detach().mean((2, 3))


@pytest.mark.parametrize(
    ("net", "message"),
    [
        (Detached(), "no gradient flows"),
        (nn.Sequential(nn.Flatten(), nn.Linear(3 * 24 * 24, 4)), "found no feature map"),
        (nn.Sequential(nn.Conv2d(3, 8, 24), nn.Flatten(), nn.Linear(8, 4)), "found no feature map"),
    ],
)
def test_nets_without_a_feature_map_are_told_so(net: nn.Module, message: str) -> None:
    with pytest.raises(LayerError, match=message):
        CamEngine(net.eval(), X[:1])
    if not isinstance(net, Detached):
        with pytest.raises(LayerError, match=message):
            CamEngine(exported(net.eval()), X[:1])


def test_a_token_net_can_be_explained_by_a_named_layer() -> None:
    maps, _ = CamEngine(Tokens().eval(), X[:1], "patches").maps(X, CLASSES)
    assert torch.isfinite(maps).all()


@pytest.mark.parametrize("program", [False, True])
def test_a_wrong_layer_is_named_with_the_nearest_right_one(program: bool) -> None:
    net = exported(small_net()) if program else small_net()
    with pytest.raises(LayerError, match=r"no layer 'body\.2'; did you mean 'body\.[01]'"):
        CamEngine(net, X[:1], "body.2")
    with pytest.raises(LayerError, match=r"expected the layer 'fc' .* but it returns \(\d, 4\)"):
        CamEngine(net, X[:1], "fc")


@pytest.mark.parametrize("program", [False, True])
def test_several_methods_share_one_pass_and_equal_each_alone(program: bool) -> None:
    net = exported(small_net(), batch=2, dynamic=False) if program else small_net()
    engine = CamEngine(net, X[:1], method=tuple(RULES))
    with counted(engine) as passes:
        together = engine.explain_all(X, CLASSES)
    assert len(passes) == (2 if program else 1), "a program for two faces takes three in two passes"
    assert tuple(together) == engine.methods == tuple(RULES)
    for name, found in together.items():
        alone = CamEngine(net, X[:1], method=name).explain(X, CLASSES)
        torch.testing.assert_close((found.maps, found.outputs), (alone.maps, alone.outputs), equal_nan=True)
        assert found.problems == alone.problems
    first = engine.explain(X, CLASSES)
    torch.testing.assert_close(first.maps, together["gradcam"].maps, equal_nan=True)


@contextmanager
def counted(engine: CamEngine) -> Iterator[list[int]]:
    """Count the passes of an engine through its net."""
    passes: list[int] = []
    capture = engine._source.capture

    def counting(net_input: Tensor, objective: Callable[[Tensor], Tensor]) -> Captured:
        passes.append(len(net_input))
        return capture(net_input, objective)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engine._source, "capture", counting)
        yield passes


@pytest.mark.parametrize("method", RULES)
def test_no_hook_remains_of_any_method(method: str) -> None:
    net = small_net().train()
    before = state_of(net)
    engine = CamEngine(net, X[:1], method=method)
    engine.explain(X, CLASSES)
    assert state_of(net) == before
    broken = net.fc.register_forward_pre_hook(lambda m, i: (_ for _ in ()).throw(ZeroDivisionError("in the net")))
    with pytest.raises(ZeroDivisionError):
        engine.explain(X, CLASSES)
    broken.remove()
    with pytest.raises(UsageError):
        engine.explain(X, CLASSES + 9)
    assert state_of(net) == before


def test_a_net_with_one_output_is_explained_for_it() -> None:
    net = small_net(1)
    engine = CamEngine(net, X[:1], method=tuple(RULES))
    assert engine.layer_name == "body"
    found = engine.explain_all(X, torch.zeros(3, dtype=torch.long))
    features, gradients = full_backward(net, "body", X, torch.zeros(3, dtype=torch.long))
    for name, batch in found.items():
        assert batch.outputs.shape == (3, 1)
        expected = normalise(RULES[name](features, gradients), (24, 24))
        torch.testing.assert_close(batch.maps, expected.maps, atol=1e-4, rtol=0, equal_nan=True)
        assert batch.problems == expected.problems
    assert torch.isfinite(found["layercam"].maps).all()


def test_misuse_is_refused() -> None:
    net = small_net()
    with pytest.raises(UsageError, match="did you mean 'layercam'"):
        CamEngine(net, X[:1], method=("gradcam", "layer_cam"))
    with pytest.raises(UsageError, match="to be one of gradcam"):
        CamEngine(net, X[:1], method=())
    with pytest.raises(UsageError, match="at least 1"):
        CamEngine(net, X[:1]).maps(X[:0], CLASSES[:0])
    with pytest.raises(UsageError, match="did you mean 'gradcam'"):
        CamEngine(net, X[:1], method="grad_cam")
    with pytest.raises(LayerError, match="gives gradients"):
        CamEngine(lambda x: x, X[:1])
    with pytest.raises(UsageError, match=r"n classes"):
        CamEngine(net, X[:1]).maps(X, CLASSES[:2])


def test_a_dead_map_is_reported_for_its_face_alone() -> None:
    class Dead(nn.Module):
        """The first class is scored by nothing but a constant."""

        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 6, 3)

        def forward(self, x: Tensor) -> Tensor:
            pooled = self.conv(x).relu().mean((2, 3))
            return torch.stack([pooled.sum(1) * 0, pooled.sum(1)], 1)

    broken = X.clone()
    broken[2, 0, 5, 5] = torch.nan
    batch = CamEngine(Dead(), X[:1]).explain(broken, torch.tensor([0, 1, 1]))
    assert batch.problems[0] == "the map is zero everywhere: no position speaks for the class"
    assert batch.problems[1] is None
    assert batch.problems[2] == "the map holds NaN or infinite values"
    assert torch.isnan(batch.maps[0]).all()
    assert torch.isfinite(batch.maps[1]).all()


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
