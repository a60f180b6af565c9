from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from countenance.core.plan import InputSpec, TargetSpec
from countenance.core.target import Target
from countenance.explain.attribution.cam import RULES
from countenance.explain.attribution.cams import METHODS
from countenance.explain.attribution.engine import CamEngine
from countenance.explain.attribution.method import Request
from countenance.explain.attribution.registry import build_explainers
from countenance.explain.attribution.source import LayerError

SIZE = 16
CLASSES = ["happy", "sad", "angry"]


class Probabilities(nn.Module):
    """A small net that returns probabilities, of which the target makes logits."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(2)
        self.features = nn.Sequential(nn.Conv2d(3, 6, 3, 2, 1), nn.ReLU(), nn.Conv2d(6, 8, 3, padding=1), nn.ReLU())
        self.fc = nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.features(x).mean((2, 3))).softmax(1)


def target(net: nn.Module, output: str = "probabilities", format: str = "module") -> Target:
    spec = TargetSpec(
        task="expression",
        checkpoint="net.safetensors",
        classes=CLASSES,
        input=InputSpec(size=SIZE, channels="rgb", mean=[0.5, 0.4, 0.3], std=[0.2, 0.2, 0.2]),
        output=output,
    )
    return Target(net.eval(), spec, format=format)


def request(faces: int = 4) -> Request:
    pixels = torch.rand((faces, 3, SIZE, SIZE), generator=torch.Generator().manual_seed(0))
    return Request(pixels, torch.arange(faces) % len(CLASSES), tuple(range(faces)))


def test_every_rule_is_a_method_with_its_citation() -> None:
    assert tuple(METHODS) == tuple(RULES)
    assert all(info.citation and info.about and info.family == "cam" for info in METHODS.values())


def test_one_explainer_makes_all_maps_of_the_class_score_that_the_target_declares() -> None:
    model = target(Probabilities())
    built = build_explainers(model, list(METHODS))
    (explainer,) = built.explainers
    assert not built.unavailable
    assert explainer.methods == tuple(METHODS)
    assert explainer.layer_name == "features"
    asked = request()
    found = explainer.explain(asked)
    net_input = model.prepare(asked.pixels)
    for name, batch in found.items():
        engine = CamEngine(model.net, net_input[:1], method=name, scores=lambda outputs: outputs.log())
        expected = engine.explain(net_input, asked.classes)
        torch.testing.assert_close(batch.maps, expected.maps, atol=1e-5, rtol=0, equal_nan=True)
        assert batch.problems == expected.problems
        assert batch.maps.dtype == torch.float32
        assert batch.maps.shape == (4, SIZE, SIZE)
    assert torch.isfinite(found["layercam"].maps).all()


def test_a_face_is_explained_the_same_in_any_batch() -> None:
    (explainer,) = build_explainers(target(Probabilities()), list(METHODS)).explainers
    asked = request()
    together = explainer.explain(asked)
    alone = explainer.explain(Request(asked.pixels[2:3], asked.classes[2:3], asked.seeds[2:3]))
    for name, batch in alone.items():
        torch.testing.assert_close(batch.maps[0], together[name].maps[2], atol=1e-5, rtol=0, equal_nan=True)


def test_a_net_without_a_feature_map_has_the_reason_beside_every_method() -> None:
    flat = target(nn.Sequential(nn.Flatten(), nn.Linear(3 * SIZE * SIZE, 3)), output="logits")
    built = build_explainers(flat, ["gradcam", "eigencam"])
    assert not built.explainers
    assert set(built.unavailable) == {"gradcam", "eigencam"}
    assert all("found no feature map" in reason for reason in built.unavailable.values())


def test_a_layer_that_the_user_named_must_exist() -> None:
    with pytest.raises(LayerError, match="did you mean 'features'"):
        build_explainers(target(Probabilities()), ["gradcam"], layer="feature")


def test_a_model_without_gradients_is_told_so() -> None:
    built = build_explainers(target(Probabilities(), format="onnx"), ["layercam"])
    assert built.unavailable == {"layercam": "the model gives no gradients and no layers (onnx)"}
