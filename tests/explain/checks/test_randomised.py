"""Weights are shuffled in place, module by module, and are back bit for bit, whatever happens in between."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from countenance.core.errors import TargetError
from countenance.core.plan import InputSpec, TargetSpec
from countenance.core.target import Target
from countenance.explain.checks.randomised import module_of, owners, randomised
from countenance.synth.nets import DrawnFaceNet


class Branching(nn.Module):
    """Tied weights, a buffer that is no weight, batch norm, and an integer counter."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU())
        self.one, self.two = nn.Linear(8, 8), nn.Linear(8, 8)
        self.two.weight = self.one.weight
        self.scale = nn.Parameter(torch.tensor([0.3, 0.7]))
        self.register_buffer("positions", torch.linspace(0, 1, 9))

    def forward(self, x: Tensor) -> Tensor:
        pooled = self.stem(x).mean((2, 3))
        return self.scale[0] * self.one(pooled) + self.scale[1] * self.two(pooled)


def trained(net: nn.Module) -> nn.Module:
    """Give batch norms statistics worth shuffling."""
    torch.manual_seed(0)
    net.train()
    with torch.no_grad():
        for _ in range(3):
            net(torch.rand(4, 3, 32, 32) * 3)
    return net.eval()


def exported(net: nn.Module) -> nn.Module:
    batch = torch.export.Dim("batch")
    program = torch.export.export(net, (torch.rand(2, 3, 32, 32),), dynamic_shapes=({0: batch},))
    return program.module()


def bits(net: nn.Module) -> dict[str, bytes]:
    return {name: tensor.detach().numpy().tobytes() for name, tensor in net.state_dict().items()}


@pytest.mark.parametrize("make", [lambda net: net, exported], ids=["module", "program"])
def test_weights_are_back_bit_for_bit_also_after_an_exception(make: object) -> None:
    assert callable(make)
    net = make(trained(Branching()))
    faces = torch.rand(3, 3, 32, 32)
    before, answer = bits(net), net(faces)
    with randomised(net, owners(net), 1):
        assert bits(net) != before
        assert not torch.allclose(net(faces), answer)
    assert bits(net) == before
    with pytest.raises(RuntimeError, match="on purpose"), randomised(net, owners(net), 2):
        raise RuntimeError("on purpose")
    assert bits(net) == before
    torch.testing.assert_close(net(faces), answer, rtol=0, atol=0)


def test_every_weight_is_shuffled_and_nothing_else() -> None:
    net = trained(Branching())
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    with randomised(net, owners(net), 3):
        after = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    for name, old in before.items():
        if name in ("positions", "stem.1.num_batches_tracked"):
            assert torch.equal(after[name], old)
            continue
        assert torch.equal(after[name].flatten().sort().values, old.flatten().sort().values), name
        if len(old.unique()) > 2:
            assert not torch.equal(after[name], old), name
    assert torch.equal(after["one.weight"], after["two.weight"])  # tied, shuffled once


def test_owners_come_from_the_output_to_the_input() -> None:
    assert owners(DrawnFaceNet())[0] == "head"
    assert owners(DrawnFaceNet())[-1] == "features.0"
    assert len(owners(DrawnFaceNet())) == 11
    names = owners(exported(trained(DrawnFaceNet())))
    assert names[0] == "head"
    assert names[-1] == "features.0"


def test_only_the_named_modules_change_and_each_alike_in_any_company() -> None:
    net = trained(DrawnFaceNet())
    before = bits(net)
    with randomised(net, ["head"], 5):
        alone = bits(net)
    with randomised(net, owners(net), 5):
        together = bits(net)
    assert {name for name in before if alone[name] != before[name]} == {"head.weight", "head.bias"}
    assert alone["head.weight"] == together["head.weight"]
    with randomised(net, ["head"], 6):
        assert bits(net)["head.weight"] != alone["head.weight"]


def test_a_model_without_weights_to_reach_is_told_so() -> None:
    spec = TargetSpec(
        checkpoint="x.onnx",
        task="expression",
        classes=["happy", "sad"],
        input=InputSpec(size=32, channels="rgb", mean=(0.0,), std=(1.0,)),
        output="logits",
    )
    with pytest.raises(TargetError, match="onnx cannot be replaced"):
        module_of(Target(lambda x: x.mean((2, 3))[:, :2], spec, format="onnx"))
    with pytest.raises(TargetError, match="no weights"):
        module_of(Target(nn.Flatten(), spec, format="module"))
