"""Which operators a graph in a ``.pt2`` file may call.

torch looks an operator's name up by attribute access from the modules ``torch``, ``operator`` and ``math``,
and a graph may call whatever that finds: ``torch.hub.load``, ``torch.os.system``. So names are matched whole:

- ``torch.ops.aten.NAME.OVERLOAD`` when torch knows this overload and it computes tensors and numbers from
  tensors and numbers; text only where the operator is known to take it (a rounding mode, a padding mode, an
  equation), so ``aten.from_file`` and the file and string functions of TorchScript stay out;
- a few ``torch.ops.prims``, and the two higher-order operators that ``torch.no_grad()`` and autocast leave
  behind;
- size arithmetic: a few functions of ``operator`` and ``math``, and ``torch.sym_*``.
"""

from __future__ import annotations

import functools
import re
from typing import Any

from .text import printable, words

ARITHMETIC: frozenset[str] = frozenset(
    [
        *(
            f"_operator.{name}"
            for name in words("add and_ eq floordiv ge getitem gt le lt mod mul ne neg or_ pos pow sub truediv")
        ),
        *(f"math.{name}" for name in words("ceil floor trunc")),
        *(f"torch.sym_{name}" for name in words("float int ite max min not sum")),
    ]
)
SIZE_CHECKS: frozenset[str] = frozenset(
    f"torch.ops.aten.{name}.default"
    for name in words("_assert_scalar sym_constrain_range sym_constrain_range_for_size")
)
HIGHER_ORDER: frozenset[str] = frozenset(
    f"torch.ops.higher_order.{name}" for name in ("wrap_with_set_grad_enabled", "wrap_with_autocast")
)
PRIMS: frozenset[str] = frozenset(
    f"torch.ops.prims.{name}.default" for name in words("broadcast_in_dim convert_element_type fma iota sum var")
)
# Operators with a text argument that chooses a mode; every other operator that takes text is refused.
TEXT_ARGUMENTS: frozenset[str] = words(
    "_assert_async _convolution_mode _functional_assert_async "
    "conv1d conv2d conv3d div div_ divide divide_ einsum fft_fft fft_fft2 fft_fftn fft_ifft fft_ifft2 fft_ifftn "
    "fft_irfft fft_irfft2 fft_irfftn fft_rfft fft_rfft2 fft_rfftn gelu gelu_ index_reduce linalg_matrix_norm "
    "linalg_norm meshgrid nanquantile pad quantile scatter scatter_reduce searchsorted"
)
# They swap or resize the memory behind a tensor: no net needs that, and unwritten memory must not become an input.
# (So do the operators with "resize" in their name.)
REFUSED: frozenset[str] = words("set_ set set_data")

_ATEN = re.compile(r"torch\.ops\.aten\.([A-Za-z_][A-Za-z0-9_]*)\.([A-Za-z_][A-Za-z0-9_]*)")
_PLAIN_TYPES = words("Tensor int bool float number complex Device Generator NoneType str")


def check_operator(target: str) -> str | None:
    """Return why an operator is refused, or ``None`` when a graph may call it."""
    if target in ARITHMETIC | SIZE_CHECKS | HIGHER_ORDER | PRIMS:
        return None
    match = _ATEN.fullmatch(target)
    if match and _computes(*match.groups()):
        return None
    return f"it calls {printable(target)!r}, which is not one of the operators a net needs"


def training_argument(target: str) -> str | None:
    """Return the name of the argument that switches an operator to training behaviour, if it has one."""
    match = _ATEN.fullmatch(target)
    schema = _schemas(match[1]).get(match[2]) if match else None
    names = [argument.name for argument in schema.arguments] if schema else []
    return next((name for name in ("training", "train", "dropout_p") if name in names), None)


def draws_random_numbers(target: str) -> bool:
    """Whether torch marks the (allowed) operator as depending on the random seed by itself, as ``rand`` does."""
    import torch

    match = _ATEN.fullmatch(target)
    if not match or training_argument(target):
        return False
    overload = getattr(getattr(torch.ops.aten, match[1]), match[2])
    return torch.Tag.nondeterministic_seeded in overload.tags


def _computes(name: str, overload: str) -> bool:
    """Whether ``aten::name.overload`` exists and works on tensors and numbers only."""
    schema = _schemas(name).get(overload)
    if schema is None or "resize" in name or name in REFUSED or name.startswith("_test"):
        return False
    types = [_core(str(value.type)) for value in (*schema.arguments, *schema.returns)]
    if not set(types) <= _PLAIN_TYPES or "Tensor" not in types:
        return False
    return "str" not in types or name in TEXT_ARGUMENTS


@functools.cache
def _schemas(name: str) -> dict[str, Any]:
    """Return torch's own record of the operator's overloads; nothing is resolved or run."""
    import torch

    found = torch._C._jit_get_schemas_for_operator(f"aten::{name}")
    return {schema.overload_name or "default": schema for schema in found}


def _core(kind: str) -> str:
    """Strip ``Optional[...]`` and ``List[...]`` from the name of a type."""
    while match := re.fullmatch(r"(?:Optional|List)\[(.*)\]", kind):
        kind = match[1]
    return kind
