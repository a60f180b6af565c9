"""Transformers and convolutional nets of timm, explained without naming a layer."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from timm_nets import exported, pixels, program, side, state_of, target_of, timm_net
from torch import nn

from countenance.core.torchvision_compat import ensure_torchvision_importable
from countenance.explain.attribution.capture import ModuleSource, read_modules
from countenance.explain.attribution.engine import CamEngine
from countenance.explain.attribution.method import Request
from countenance.explain.attribution.program import ProgramSource
from countenance.explain.attribution.registry import build_explainers
from countenance.explain.attribution.source import LayerError
from countenance.explain.attribution.stages import StageReader, features_at, stage_layers
from countenance.explain.attribution.tokens import Layout

FOUND = {
    "vit": ("blocks.2.norm1", Layout("tokens", (4, 4), 1)),
    "deit": ("blocks.2.norm1", Layout("tokens", (4, 4), 2)),
    "registers": ("blocks.1.norm1", Layout("tokens", (4, 4), 5)),
    "mean": ("blocks", Layout("tokens", (4, 4))),
    "oblong": ("blocks.1.norm1", Layout("tokens", (6, 4), 1)),
    "cait": ("blocks_token_only.1.norm1", Layout("tokens", (4, 4), 1)),
    "swin": ("norm", Layout("channels last", (2, 2))),
    "levit": ("stages", Layout("tokens", (4, 4))),
    "pvt": ("stages", Layout("channels first", (2, 2))),
    "convnext": ("stages", Layout("channels first", (2, 2))),
    "resnet": ("layer4", Layout("channels first", (2, 2))),
    "coatnet": ("norm", Layout("channels first", (2, 2))),
}
CLASSES = torch.tensor([0, 3, 6])


@pytest.mark.parametrize("name", FOUND)
def test_layer_grid_and_prefix_are_found(name: str) -> None:
    net = timm_net(name)
    before = state_of(net)
    source = ModuleSource(net, pixels(name, 2))
    assert (source.layer_name, source.layout) == FOUND[name]
    assert state_of(net) == before
    captured = source.capture(pixels(name), lambda outputs: outputs[:, 1].sum())
    assert captured.features.shape == captured.gradients.shape
    assert captured.features.shape[2:] == source.layout.grid
    assert state_of(net) == before


@pytest.mark.parametrize("name", ["vit", "swin", "convnext"])
def test_a_program_has_the_same_layer_and_the_same_map(name: str) -> None:
    net, x = timm_net(name), pixels(name)
    module, graph = ModuleSource(net, x[:2]), ProgramSource(program(name))
    assert (graph.layer_name, graph.layout) == FOUND[name]
    ours, expected = (source.capture(x, lambda y: y.gather(1, CLASSES[:, None]).sum()) for source in (graph, module))
    assert float((ours.features - expected.features).abs().max()) <= 1e-6
    assert float((ours.gradients - expected.gradients).abs().max()) <= 1e-6
    torch.testing.assert_close(ours.outputs, expected.outputs)


def test_a_decomposed_program_of_one_batch_size_too() -> None:
    net, x = timm_net("vit"), pixels("vit")
    expected = CamEngine(net, x[:2]).explain(x, CLASSES)
    for graph in (exported(net, x, decomposed=True), exported(net, x, dynamic=False)):
        engine = CamEngine(graph, x[:2])
        found = engine.explain(x, CLASSES)
        assert engine.layer_name == "blocks.2.norm1"
        torch.testing.assert_close(found.maps, expected.maps, atol=1e-5, rtol=0, equal_nan=True)


@pytest.mark.parametrize("name", ["vit", "deit", "registers", "swin"])
def test_maps_equal_the_grad_cam_packages_with_its_reshape_transform(name: str) -> None:
    net, x = timm_net(name), pixels(name)
    pytest.importorskip("pytorch_grad_cam", reason="grad-cam, to compare with, is not installed")
    import pytorch_grad_cam
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    layer, layout = FOUND[name]
    targets = [ClassifierOutputTarget(int(index)) for index in CLASSES]
    compared = 0
    for method, rule in {"gradcam": "GradCAM", "layercam": "LayerCAM", "hirescam": "HiResCAM"}.items():
        found = CamEngine(net, x[:2], method=method).explain(x, CLASSES)
        package = getattr(pytorch_grad_cam, rule)(
            model=net, target_layers=[net.get_submodule(layer)], reshape_transform=layout.as_map
        )
        with package as cam:
            expected = cam(input_tensor=x, targets=targets)
        for ours, theirs, problem in zip(found.maps.numpy(), expected, found.problems, strict=True):
            if problem is None:
                np.testing.assert_allclose(ours, theirs, atol=1e-5)
                compared += 1
            else:
                assert not theirs.any(), "where there is no map here, theirs is zero everywhere"
    assert compared >= 5


@pytest.mark.parametrize("name", ["vit", "deit", "registers", "oblong"])
def test_one_patch_changes_exactly_its_own_token(name: str) -> None:
    net, x = timm_net(name), pixels(name, 1)
    layout = FOUND[name][1]
    patch = 16
    before = read_modules(net, x, ["blocks.0.norm1"])["blocks.0.norm1"]
    for row, column in ((0, 0), (1, 3), (layout.grid[0] - 1, 2)):
        other = x.clone()
        other[:, :, row * patch : (row + 1) * patch, column * patch : (column + 1) * patch] += 0.3
        after = read_modules(net, other, ["blocks.0.norm1"])["blocks.0.norm1"]
        changed = torch.nonzero((after != before).any(2)[0]).flatten().tolist()
        assert changed == [layout.prefix + row * layout.grid[1] + column]


@pytest.mark.parametrize("layer", ["blocks.0", "blocks.1.mlp", "patch_embed.proj", "blocks.1.attn.proj", "patch_embed"])
def test_named_layers_that_return_tokens_work(layer: str) -> None:
    net, x = timm_net("vit"), pixels("vit")
    source = ModuleSource(net, x[:2], layer)
    assert source.layer_name == layer
    assert source.layout.grid == (4, 4)
    graph = ProgramSource(program("vit"), layer)
    assert graph.layout == source.layout
    ours, expected = (one.capture(x, lambda outputs: outputs[:, 2].sum()) for one in (graph, source))
    torch.testing.assert_close(ours.features, expected.features)
    torch.testing.assert_close(ours.gradients, expected.gradients)


@pytest.mark.parametrize(("name", "form"), [("vit", "module"), ("vit", "program"), ("resnet", "module")])
def test_a_net_whose_last_layer_holds_zeros_is_told_so(name: str, form: str) -> None:
    net, x = timm_net(name), pixels(name)
    last = net.get_submodule("head" if name == "vit" else "fc")
    for parameter in last.parameters():
        nn.init.zeros_(parameter)
    with pytest.raises(LayerError, match="zero at every layer"):
        CamEngine(net if form == "module" else exported(net, x), x[:2])


def test_a_net_is_left_as_it_was_after_an_exception() -> None:
    net, x = timm_net("vit").train(), pixels("vit")
    source = ModuleSource(net, x[:2])
    before = state_of(net)
    broken = net.get_submodule("head").register_forward_pre_hook(
        lambda module, inputs: (_ for _ in ()).throw(ZeroDivisionError("in the net"))
    )
    for action in (
        lambda: source.capture(x, lambda outputs: outputs.sum()),
        lambda: ModuleSource(net, x[:2]),
        lambda: ModuleSource(net, x[:2], "blocks.0"),
        lambda: read_modules(net, x, ["blocks.0"]),
    ):
        with pytest.raises(ZeroDivisionError):
            action()
    broken.remove()
    assert state_of(net) == before


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("vit", ["blocks.0", "blocks.1", "blocks.2"]),
        ("swin", ["layers.0", "layers.1", "layers.2", "norm"]),
        ("convnext", ["stages.0", "stages.1", "stages.2", "stages"]),
        ("resnet", ["act1", "layer1", "layer2", "layer3", "layer4"]),
    ],
)
def test_stages_are_the_last_maps_of_each_resolution_or_blocks_over_depth(name: str, expected: list[str]) -> None:
    net, x = timm_net(name), pixels(name)
    assert stage_layers(net, x[:2]) == expected
    before = state_of(net)
    found = features_at(target_of(net, side(name)), x, expected)
    assert state_of(net)[:2] == before[:2], "no hook remains, and modes are as they were"
    raw = read_modules(net, (x - 0.5) / 0.5, expected)
    for layer in expected:
        assert found[layer].shape[0] == 3
        assert float(found[layer].sum()) == pytest.approx(float(_without_prefix(name, raw[layer]).sum()), rel=1e-4)
    sides = [found[layer].shape[-1] for layer in expected]
    assert sides == ([4, 4, 4] if name == "vit" else sorted(sides, reverse=True))


@pytest.mark.parametrize("name", ["vit", "swin"])
def test_stages_of_a_program_are_those_of_the_module(name: str) -> None:
    net, x = timm_net(name), pixels(name)
    names = stage_layers(program(name), x[:2])
    assert names == stage_layers(net, x[:2])
    found = features_at(target_of(program(name), side(name), "pt2"), x, names)
    for layer, expected in features_at(target_of(net, side(name)), x, names).items():
        torch.testing.assert_close(found[layer], expected, atol=1e-6, rtol=1e-6)


def _without_prefix(name: str, raw: torch.Tensor) -> torch.Tensor:
    return raw[:, 1:] if name == "vit" else raw


def test_four_blocks_of_twelve_are_taken_at_equal_steps() -> None:
    net = timm_net("vit", depth=12)
    assert stage_layers(net, pixels("vit", 2)) == ["blocks.2", "blocks.5", "blocks.8", "blocks.11"]


def test_stages_of_a_program_for_two_faces_are_read_in_parts() -> None:
    net, x = timm_net("vit"), pixels("vit")
    graph = exported(net, x, dynamic=False)
    expected = StageReader(net, x[:2], ["blocks.1"]).read(x)["blocks.1"]
    target = target_of(graph, side("vit"), "pt2", fixed_batch=2)
    torch.testing.assert_close(features_at(target, x / 2 + 0.5, ["blocks.1"])["blocks.1"], expected, atol=1e-5, rtol=0)
    with pytest.raises(LayerError, match=r"no layer 'blocks\.7' .*did you mean 'blocks\.[0-2]'"):
        features_at(target, x, ["blocks.7"])


@pytest.mark.parametrize("name", ["vit", "swin"])
def test_a_target_is_explained_through_the_registry(name: str) -> None:
    net, x = timm_net(name), pixels(name)
    target = target_of(net, side(name))
    built = build_explainers(target, ["gradcam", "layercam", "attention_rollout"])
    found = {key: maps for one in built.explainers for key, maps in one.explain(Request(x, CLASSES, (0, 1, 2))).items()}
    assert set(found) == {"gradcam", "layercam"} | ({"attention_rollout"} if name == "vit" else set())
    assert next(one.layer_name for one in built.explainers) == FOUND[name][0]
    for batch in found.values():
        assert batch.maps.shape == (3, *side(name))
        for face, problem in zip(batch.maps, batch.problems, strict=True):
            assert bool(torch.isfinite(face).all()) == (problem is None)
    assert any(problem is None for batch in found.values() for problem in batch.problems)
    if name == "swin":
        assert "windows" in built.unavailable["attention_rollout"]


def test_torchvision_nets_are_found() -> None:
    ensure_torchvision_importable()
    models = pytest.importorskip("torchvision", reason="torchvision is not installed").models
    torch.manual_seed(0)
    vit = models.vision_transformer.VisionTransformer(64, 16, 2, 2, 32, 64, num_classes=7).eval()
    nn.init.normal_(vit.heads.head.weight)
    source = ModuleSource(vit, pixels("vit", 2))
    assert (source.layer_name, source.layout) == ("encoder.layers.encoder_layer_1.ln_1", Layout("tokens", (4, 4), 1))
