"""Small nets of timm with random weights, for tests of transformers."""

from __future__ import annotations

import functools
import io
import warnings
from typing import Any

import pytest
import torch
from torch import Tensor, fx, nn

from countenance.core.plan import InputSpec, TargetSpec
from countenance.core.target import Target
from countenance.core.torchvision_compat import ensure_torchvision_importable

NAMES = ["neutral", "happy", "sad", "angry", "fearful", "disgusted", "surprised"]
SMALL = {
    "vit": ("vit_tiny_patch16_224", {"img_size": 64, "depth": 3}),
    "deit": ("deit_tiny_distilled_patch16_224", {"img_size": 64, "depth": 3}),
    "registers": ("vit_tiny_patch16_224", {"img_size": 64, "depth": 2, "reg_tokens": 4}),
    "mean": ("vit_tiny_patch16_224", {"img_size": 64, "depth": 2, "global_pool": "avg", "class_token": False}),
    "oblong": ("vit_tiny_patch16_224", {"img_size": (96, 64), "depth": 2}),
    "cait": ("cait_xxs24_224", {"img_size": 64, "depth": 2}),
    "swin": ("swin_tiny_patch4_window7_224", {"img_size": 64, "window_size": 4, "depths": (1, 1, 2, 1)}),
    "levit": ("levit_128s", {}),
    "pvt": ("pvt_v2_b0", {}),
    "convnext": ("convnext_atto", {}),
    "resnet": ("resnet18", {}),
    "coatnet": ("coatnet_nano_rw_224", {"img_size": 64}),
}


def timm_net(name: str, **more: Any) -> nn.Module:
    """Make a net of the table above, or any other of timm, always with the same random weights."""
    ensure_torchvision_importable()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what timm says of its own imports is not under test
        timm = pytest.importorskip("timm", reason="timm, which makes the transformers under test, is not installed")
    model, settings = SMALL.get(name, (name, {}))
    torch.manual_seed(0)
    net: nn.Module = timm.create_model(model, pretrained=False, num_classes=len(NAMES), **(settings | more))
    return net.eval()


def side(name: str) -> tuple[int, int]:
    """Return height and width of the net's input."""
    if name == "oblong":
        return 96, 64
    return (224, 224) if name == "levit" else (64, 64)


def pixels(name: str, count: int = 3) -> Tensor:
    """Return random pictures ``(n, 3, h, w)`` in 0..1."""
    return torch.rand((count, 3, *side(name)), generator=torch.Generator().manual_seed(1))


def exported(net: nn.Module, x: Tensor, decomposed: bool = False, dynamic: bool = True) -> fx.GraphModule:
    """Export, write, read: as a user's file would come."""
    shapes = ({0: torch.export.Dim("n")},) if dynamic else None
    program = torch.export.export(net, (x[:2],), dynamic_shapes=shapes)
    if decomposed:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # torch 2.13 warns about itself
            program = program.run_decompositions()
    buffer = io.BytesIO()
    torch.export.save(program, buffer)
    buffer.seek(0)
    module = torch.export.load(buffer).module()
    assert isinstance(module, fx.GraphModule)
    return module


@functools.cache
def program(name: str) -> fx.GraphModule:
    """Return a net of the table as an exported program; made once, for it takes seconds."""
    return exported(timm_net(name), pixels(name))


def target_of(net: nn.Module, size: tuple[int, int], format: str = "module", fixed_batch: int | None = None) -> Target:
    """Make a target of a net that takes pixels less 0.5 over 0.5."""
    spec = TargetSpec(
        task="expression",
        checkpoint="net.safetensors",
        classes=NAMES,
        input=InputSpec(size=list(size), channels="rgb", mean=[0.5] * 3, std=[0.5] * 3),
        output="logits",
    )
    return Target(net, spec, format=format, fixed_batch=fixed_batch)


def state_of(net: nn.Module) -> tuple[object, ...]:
    """Return what an explanation must leave as it was."""
    hooks = [
        len(module._forward_hooks) + len(module._forward_pre_hooks) + len(module._backward_hooks)
        for module in net.modules()
    ]
    return (
        hooks,
        [module.training for module in net.modules()],
        [parameter.requires_grad for parameter in net.parameters()],
        [parameter.grad is None for parameter in net.parameters()],
        [float(tensor.double().sum()) for tensor in net.state_dict().values()],
    )
