"""Do answers hang on how numbers are computed: in another floating-point type, on another device?"""

from __future__ import annotations

import copy
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor, nn

from ...core.target import Target
from .differences import measure, not_measured
from .material import Integers, Material
from .verdicts import Check, not_checked

FEW = 24
TYPES: tuple[tuple[torch.dtype, str, bool], ...] = (
    (torch.bfloat16, "bfloat16", True),
    (torch.float16, "float16", False),
    (torch.float64, "float64", False),
)
"""Type, name, and whether all faces are asked about (16-bit and 64-bit floats are slow on many processors)."""
REFUSED = (RuntimeError, TypeError, ValueError, NotImplementedError)
"""What torch and users' nets raise when they cannot be copied to, or run in, another type or on another device."""


class _Cast(nn.Module):
    """A net that computes in another type between its input and its output."""

    def __init__(self, net: nn.Module, dtype: torch.dtype) -> None:
        super().__init__()
        self.net = net.to(dtype)
        self.dtype = dtype

    def forward(self, prepared: Tensor) -> Tensor:
        outputs = self.net(prepared.to(self.dtype))
        if isinstance(outputs, (tuple, list)) and len(outputs) == 1:
            outputs = outputs[0]
        result: Tensor = outputs.to(torch.float64 if self.dtype == torch.float64 else torch.float32)
        return result


def types(material: Material, *, random: bool) -> Iterator[Check]:
    """Compare float32 with bfloat16, float16 and float64."""
    for dtype, name, all_faces in TYPES:
        check, title = f"float32_or_{name}", f"float32 or {name}"
        why = _reason(material, random)
        if why:
            yield not_checked(check, title, why, not_measured(material, check, why))
            continue
        places = np.arange(len(material), dtype=np.int64) if all_faces else material.some(FEW)
        try:
            net = _Cast(copy.deepcopy(_module(material)), dtype)
            other = _retargeted(material.target, net, str(material.target.device))
            after = material.ask(places, target=other)
        except REFUSED as error:
            why = f"the net does not run in {name}: {_first_line(error)}"
            yield not_checked(check, title, why, not_measured(material, check, why))
            continue
        yield _sensitivity(material, check, title, places, after, f"Serve the model in float32, or audit it in {name}")


def device(material: Material, *, random: bool) -> Check:
    """Compare the run's device with the other kind, CPU or GPU, where there is one."""
    check, title = "cpu_or_gpu", "CPU or GPU"
    on_gpu = material.target.device.type != "cpu"
    why = _reason(material, random)
    if not why and not on_gpu and not torch.cuda.is_available():
        why = "there is no GPU that torch can use here"
    if why:
        return not_checked(check, title, why, not_measured(material, check, why))
    return on_device(material, check, title, "cpu" if on_gpu else "cuda")


def on_device(material: Material, check: str, title: str, name: str) -> Check:
    """Compare the run's device with the one called ``name``."""
    places = np.arange(len(material), dtype=np.int64)
    try:
        other = _retargeted(material.target, copy.deepcopy(_module(material)), name)
        after = material.ask(places, target=other)
    except REFUSED as error:
        why = f"the net does not run on {name}: {_first_line(error)}"
        return not_checked(check, title, why, not_measured(material, check, why))
    advice = f"Audit the model on the device it is served on; here {material.target.device} and {name} were compared"
    return _sensitivity(material, check, title, places, after, advice)


def _sensitivity(material: Material, check: str, title: str, places: Integers, after: np.ndarray, advice: str) -> Check:
    found = measure(material, check, places, material.outputs[places], after)
    broken = not np.isfinite(found.relative)
    if not (found.many or broken):
        return Check(check, title, "holds", found.words, measurements=found.measurements)
    return Check(check, title, "differs", found.words, advice, severity="low", measurements=found.measurements)


def _reason(material: Material, random: bool) -> str:
    if random:
        return "answers to the same picture differ already"
    if not isinstance(material.target.net, nn.Module):
        return f"an {material.target.format} graph computes in the types and on the device it was made for"
    return ""


def _module(material: Material) -> nn.Module:
    net = material.target.net
    assert isinstance(net, nn.Module)
    return net


def _retargeted(target: Target, net: nn.Module, device: str) -> Target:
    return Target(net, target.spec, format=target.format, device=device, fixed_batch=target.fixed_batch)


def _first_line(error: Exception) -> str:
    return " ".join((str(error).strip() or type(error).__name__).split("\n")[0].split())[:160]
