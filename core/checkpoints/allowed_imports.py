"""What a pickle of plain tensors may import: a list, since all else may run code."""

from __future__ import annotations

from .text import words

_DTYPES = words(
    "bfloat16 bool complex128 complex32 complex64 float16 float32 float64 int16 int32 int64 int8 uint16 uint32 "
    "uint64 uint8 float8_e4m3fn float8_e5m2 qint32 qint8 quint8"
)
_STORAGES = words(
    "BFloat16Storage BoolStorage ByteStorage CharStorage ComplexDoubleStorage ComplexFloatStorage DoubleStorage "
    "FloatStorage HalfStorage IntStorage LongStorage QInt32Storage QInt8Storage QUInt8Storage ShortStorage"
)
_REBUILDERS = words(
    "_rebuild_device_tensor_from_cpu_tensor _rebuild_device_tensor_from_numpy _rebuild_parameter "
    "_rebuild_parameter_with_state _rebuild_qtensor _rebuild_sparse_tensor _rebuild_tensor _rebuild_tensor_v2 "
    "_rebuild_tensor_v3"
)

ALLOWED_GLOBALS: frozenset[str] = frozenset(
    [
        "_codecs.encode",
        "builtins.bytearray",
        "builtins.complex",
        "builtins.set",
        "collections.Counter",
        "collections.OrderedDict",
        "torch.Size",
        "torch.Tensor",
        "torch._tensor._rebuild_from_type_v2",
        "torch.device",
        "torch.nn.parameter.Parameter",
        "torch.per_channel_affine",
        "torch.per_tensor_affine",
        "torch.serialization._get_layout",
        "torch.storage.TypedStorage",
        "torch.storage.UntypedStorage",
        *(f"torch.{name}" for name in (*_DTYPES, *_STORAGES)),
        *(f"torch._utils.{name}" for name in _REBUILDERS),
    ]
)
"""Imports a state dict needs: a subset of torch's ``weights_only`` list (a test compares the two)."""
