"""A net in ONNX form, run by onnxruntime on the CPU. It gives no gradients."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import CheckpointError, MissingExtraError
from .scan_onnx import OnnxFile, read_external

if TYPE_CHECKING:
    from torch import Tensor

_QUIET = 3


class OnnxNet:
    """Calls an ONNX model as a function of one float32 tensor.

    Attributes:
        input_name: name of the model's input.
        input_shape: its shape; ``None`` where any size will do.
        batch_size: the fixed number of faces per call, or ``None``.
        output_names: names of the outputs; the first is returned.
    """

    def __init__(self, data: bytes, external: dict[str, bytes], what: str, threads: int = 1) -> None:
        runtime = _runtime()
        options = runtime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = _QUIET
        options.add_session_config_entry("session.load_model_format", "ONNX")
        if external:
            names = sorted(external)
            buffers = [external[name] for name in names]
            options.add_external_initializers_from_files_in_memory(names, buffers, [len(each) for each in buffers])
        try:
            self._session: Any = runtime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
        except Exception as error:
            raise CheckpointError(f"{what} cannot be opened by onnxruntime: {_first_line(error)}") from error
        inputs = self._session.get_inputs()
        if len(inputs) != 1 or inputs[0].type != "tensor(float)":
            given = ", ".join(f"{each.name}: {each.type}" for each in inputs)
            raise CheckpointError(f"{what}: expected one float32 input, got {given or 'none'}")
        self.input_name: str = inputs[0].name
        self.input_shape = tuple(size if isinstance(size, int) and size > 0 else None for size in inputs[0].shape)
        self.batch_size = self.input_shape[0] if self.input_shape else None
        self.output_names: tuple[str, ...] = tuple(each.name for each in self._session.get_outputs())

    def __call__(self, pixels: Tensor) -> Tensor:
        """Run the model on ``(n, c, h, w)`` float32 pixels, normalised as the model expects.

        Raises:
            CheckpointError: when onnxruntime refuses the input, with its message.
        """
        import torch

        values = pixels.detach().to("cpu", torch.float32).contiguous().numpy()
        try:
            (output,) = self._session.run(self.output_names[:1], {self.input_name: values})
        except Exception as error:
            raise CheckpointError(
                f"onnxruntime cannot run the model on an input of {tuple(values.shape)}; "
                f"it expects {self.input_shape}: {_first_line(error)}"
            ) from error
        return torch.from_numpy(output).to(torch.float32)

    def __repr__(self) -> str:
        return f"OnnxNet({self.input_name}: {self.input_shape} -> {self.output_names[0]})"


def open_onnx(data: bytes, found: OnnxFile, path: Path, threads: int) -> tuple[OnnxNet, dict[str, bytes]]:
    """Open a checked model; return it with the contents of the external files it uses.

    Raises:
        CheckpointError: when an external file lies outside the model's folder, or onnxruntime cannot open the
        model. MissingExtraError: when onnxruntime is not installed.
    """
    external = read_external(found, path.parent, path.name)
    return OnnxNet(data, external, path.name, threads), external


def _runtime() -> Any:
    try:
        return importlib.import_module("onnxruntime")
    except ImportError as error:
        raise MissingExtraError("onnxruntime", "onnx", "An .onnx checkpoint") from error


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
