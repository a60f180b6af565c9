"""Run a net so that each of its functions is called through a module of its own, which a package can hook.

Captum's rules are hooks on modules. A rectifier that is called as a function has none; a module that is used twice
keeps one memory for both uses; an exported program has no modules at all. While a :class:`StandIns` runs, every call
of the functions concerned, by whatever way the net makes it, goes through a module made for this one call. The net's
own modules are never hooked.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from ...core.errors import TargetError


def _max_pool(
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> nn.Module:
    return nn.MaxPool2d(kernel_size, stride or None, padding, dilation, return_indices, ceil_mode)


ACTIVATIONS: Mapping[str, Callable[..., nn.Module]] = MappingProxyType(
    {
        "relu": lambda inplace=False: nn.ReLU(),
        "leaky_relu": lambda negative_slope=0.01, inplace=False: nn.LeakyReLU(negative_slope),
        "elu": lambda alpha=1.0, inplace=False: nn.ELU(alpha),
        "sigmoid": nn.Sigmoid,
        "tanh": nn.Tanh,
        "max_pool2d": _max_pool,
    }
)
"""Functions that are not linear, each with the module that does the same."""

RELU: Mapping[str, Callable[..., nn.Module]] = MappingProxyType({"relu": ACTIVATIONS["relu"]})

LINEAR = frozenset(
    {
        "conv1d",
        "conv2d",
        "linear",
        "batch_norm",
        "add",
        "sub",
        "mul",
        "div",
        "mean",
        "sum",
        "avg_pool2d",
        "adaptive_avg_pool2d",
        "max_pool2d",
        "interpolate",
        "addmm",
        "matmul",
        "mm",
    }
)
"""Functions through which LRP shares out relevance by the parts of a sum; of a maximum one part is all."""


class Applied(nn.Module):
    """Calls a function; the values that depend on the net's input are its inputs, all else belongs to the call."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name
        self.call: Callable[..., Tensor] | None = None

    def extra_repr(self) -> str:
        """Tell calls of different functions apart."""
        return self.name

    def forward(self, *values: Tensor) -> Tensor:
        """Call the function as the net calls it now."""
        assert self.call is not None
        return self.call(*values)


class StandIns(nn.Module):
    """A net whose functions run through modules, one for each call.

    Args:
        run: calls the net.
        example: what it takes, for finding the calls.
        activations: functions that are replaced by a module of the same kind.
        linear: functions that are wrapped.

    Raises:
        TargetError: later, if a run calls other functions than the example did.
    """

    def __init__(
        self,
        run: Callable[[Tensor], Tensor],
        example: Tensor,
        activations: Mapping[str, Callable[..., nn.Module]],
        linear: frozenset[str] = frozenset(),
    ) -> None:
        super().__init__()
        self.training = False
        self._run = run
        self._activations = activations
        self._linear = linear
        self._found: list[nn.Module] | None = []
        self._at = 0
        self(example.detach().clone().requires_grad_() * 1.0)
        self.calls = nn.ModuleList(self._found or ())
        self._found = None
        for module in self.calls:
            module.training = False

    def forward(self, values: Tensor) -> Tensor:
        """Run the net."""
        self._at = 0
        with _Redirecting(self._through):
            return self._run(values)

    def released(self) -> None:
        """Forget the values of the last run."""
        for module in self.calls:
            if isinstance(module, Applied):
                module.call = None

    def _through(self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        """Call a function through its module, if it is one of those concerned."""
        name, in_place = _name(function, kwargs)
        inputs = [value for value in (*args, *kwargs.values()) if isinstance(value, Tensor) and value.requires_grad]
        if not inputs or name not in (*self._activations, *self._linear):
            return function(*args, **kwargs)
        module = self._module(name, args, kwargs)
        if isinstance(module, Applied):
            module.call = _bound(function, args, kwargs, in_place)
        result = module(*inputs) if isinstance(module, Applied) else module(inputs[0])
        # What was written over is written over too; what follows sees the module's result all the same.
        return inputs[0].copy_(result) if in_place else result

    def _module(self, name: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> nn.Module:
        settings = {key: value for key, value in kwargs.items() if key != "input"}
        rest = args[1:] if "input" not in kwargs else args
        wanted = Applied(name) if name in self._linear else self._activations[name](*rest, **settings)
        if self._found is not None:
            self._found.append(wanted)
            return wanted
        place, self._at = self._at, self._at + 1
        known = self.calls[place] if place < len(self.calls) else None
        if known is None or repr(known) != repr(wanted):
            raise TargetError(f"the model calls other functions than before ({name}): it cannot be hooked call by call")
        return known


class _Redirecting(TorchFunctionMode):
    def __init__(self, through: Callable[..., Any]) -> None:
        super().__init__()
        self._through = through

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return self._through(func, args, kwargs or {})


def _name(function: Callable[..., Any], kwargs: Mapping[str, Any]) -> tuple[str, bool]:
    """Return the bare name of a function, method or operator, and whether it works in place."""
    if isinstance(function, torch._ops.OpOverload):
        name = str(function._schema.name).rpartition("::")[2]
    else:
        name = str(getattr(function, "__name__", ""))
    name = _OPERATORS.get(name, name)
    in_place = name.endswith("_") or kwargs.get("inplace") is True
    return name.removesuffix("_"), in_place


_OPERATORS = MappingProxyType(
    {
        "__add__": "add",
        "__radd__": "add",
        "__iadd__": "add_",
        "__sub__": "sub",
        "__rsub__": "sub",
        "__isub__": "sub_",
        "rsub": "sub",
        "__mul__": "mul",
        "__rmul__": "mul",
        "__imul__": "mul_",
        "__truediv__": "div",
        "__itruediv__": "div_",
        "__matmul__": "matmul",
        "true_divide": "div",
        "subtract": "sub",
        "multiply": "mul",
    }
)


def _bound(
    function: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any], in_place: bool
) -> Callable[..., Tensor]:
    """Return the call as a function of those of its values that depend on the net's input, in their order."""

    def depends(value: object) -> bool:
        return isinstance(value, Tensor) and value.requires_grad

    places = [depends(value) for value in args]
    names = [name for name, value in kwargs.items() if depends(value)]
    fixed_args: list[Any] = [None if taken else value for taken, value in zip(places, args, strict=True)]
    fixed_kwargs = {name: value for name, value in kwargs.items() if name not in names}

    def call(*values: Tensor) -> Tensor:
        given = iter(values)
        own = [next(given) if taken else value for taken, value in zip(places, fixed_args, strict=True)]
        if in_place:
            own[0] = own[0].clone()
        result: Tensor = function(*own, **fixed_kwargs, **{name: next(given) for name in names})
        return result

    return call
