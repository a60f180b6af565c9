"""The target: the model under audit, and the only place that knows its normalisation.

A target is called with pixels, so that every attack and every corruption is in pixel units.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from .errors import TargetError
from .files import sha256_of_bytes
from .plan import FORGED, GENUINE, InputSpec, TargetSpec
from .results import TargetSummary

LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601, as Pillow's mode L
SMALLEST_PROBABILITY = 1e-12
SUM_TOLERANCE = 1e-3


class Target:
    """A model that is called with pixels, float32 RGB 0 to 1 of shape (n, 3, h, w), and gives outputs (n, k).

    Args:
        net: takes the normalised input and returns the raw outputs.
        spec: the plan's target block.
        format: ``safetensors``, ``pt``, ``pt2``, ``onnx`` or ``module``.
        device: where to compute.
        sha256: hash of the checkpoint, empty for a live module.
        factory_sha256: hash of the factory's source.
        fixed_batch: the only batch size the net takes, if it takes only one.
        notes: remarks for the results.

    Attributes:
        gives: of ``gradients`` and ``layers`` those the target can give.
    """

    def __init__(
        self,
        net: Callable[[Tensor], Any],
        spec: TargetSpec,
        *,
        format: str,
        device: str = "cpu",
        sha256: str = "",
        factory_sha256: str = "",
        fixed_batch: int | None = None,
        notes: tuple[str, ...] = (),
        name: str = "",
    ) -> None:
        if spec.input is None or spec.output is None:
            raise TargetError("a model needs `input` and `output` in the plan's target block")
        self.net = net
        self.spec = spec
        self.task = spec.task
        self.classes = spec.class_names
        self.format = format
        self.device = torch.device(device)
        self.sha256 = sha256
        self.factory_sha256 = factory_sha256
        self.response_sha256 = ""
        self.fixed_batch = fixed_batch
        self.notes = notes
        self.name = spec.name or name or "model"
        self.input: InputSpec = spec.input
        self.size = spec.input.height_width
        differentiable = format != "onnx"
        self.gives = frozenset({"gradients", "layers"} if differentiable else set())
        if isinstance(net, nn.Module):
            net.to(self.device)
            for parameter in net.parameters():
                parameter.requires_grad_(False)
        channels = spec.input.channel_count
        shape = (1, channels, 1, 1)
        self._mean = torch.tensor(spec.input.mean).expand(channels).reshape(shape).to(self.device)
        self._std = torch.tensor(spec.input.std).expand(channels).reshape(shape).to(self.device)
        self._luma = torch.tensor(LUMA, device=self.device).reshape(1, 3, 1, 1)

    def prepare(self, pixels: Tensor) -> Tensor:
        """Return the net's input for pixels (n, 3, h, w): channels as declared, minus mean, over std."""
        pixels = pixels.to(self.device)
        if self.input.channels == "grey":
            pixels = (pixels * self._luma).sum(1, keepdim=True)
        elif self.input.channels == "bgr":
            pixels = pixels.flip(1)
        return (pixels - self._mean) / self._std

    def __call__(self, pixels: Tensor) -> Tensor:
        """Return the raw outputs (n, k) for pixels (n, 3, h, w); differentiable where ``gives`` says so."""
        prepared = self.prepare(pixels)
        count = len(prepared)
        if self.fixed_batch is None or count == self.fixed_batch:
            return self._run(prepared)
        if count > self.fixed_batch:
            return torch.cat([self(part) for part in torch.split(pixels, self.fixed_batch)])
        filler = prepared[-1:].expand(self.fixed_batch - count, -1, -1, -1)
        return self._run(torch.cat([prepared, filler]))[:count]

    def _run(self, prepared: Tensor) -> Tensor:
        outputs: Any = self.net(prepared)
        if isinstance(outputs, (tuple, list)) and len(outputs) == 1:
            outputs = outputs[0]
        if not isinstance(outputs, Tensor):
            raise TargetError(f"expected the model to return one tensor (n, k), but got {type(outputs).__name__}")
        if not outputs.is_floating_point():
            raise TargetError(
                f"expected floating-point outputs (n, k), but got {outputs.dtype}: "
                "a model that returns the chosen class itself gives no probabilities"
            )
        return outputs if outputs.ndim != 1 else outputs[:, None]

    def logits(self, outputs: Tensor) -> Tensor:
        """Return class logits (n, classes) for raw outputs; of probabilities their logarithm, floored at log 1e-12."""
        if self.spec.output == "logits":
            if self._is_single(outputs):
                return self._two_sided(outputs / 2, -outputs / 2)  # a constant zero would give one class no gradient
            return outputs
        floored = outputs.clamp_min(SMALLEST_PROBABILITY)
        if self._is_single(outputs):
            return self._two_sided(floored.log(), (1 - outputs).clamp_min(SMALLEST_PROBABILITY).log())
        return floored.log()

    def probabilities(self, outputs: Tensor) -> Tensor:
        """Return class probabilities (n, classes); for action units each unit's own probability."""
        if self.spec.output == "values" or self.spec.output == "embedding":
            return outputs
        if self.task == "action_units":
            return outputs.sigmoid() if self.spec.output == "logits" else outputs
        if self.spec.output == "logits":
            return self.logits(outputs).softmax(1)
        return self._two_sided(outputs, 1 - outputs) if self._is_single(outputs) else outputs

    def scores(self, pixels: Tensor) -> Tensor:
        """Return class logits (n, classes) for pixels: what attacks and attributions differentiate."""
        return self.logits(self(pixels))

    def _is_single(self, outputs: Tensor) -> bool:
        return outputs.shape[1] == 1 and len(self.classes) == 2

    def _two_sided(self, positive: Tensor, other: Tensor) -> Tensor:
        """Put the single output's class and the other one in the order of the classes."""
        place = self.classes.index(self.spec.positive or FORGED)
        columns = [other, other]
        columns[place] = positive
        return torch.cat(columns, 1)

    def verify(self) -> None:
        """Run the model once and check what it gives against the plan.

        Raises:
            TargetError: when it does not accept the declared input, the output width differs from the number of
                classes, outputs are not finite, declared probabilities are none, or declared logits are probabilities.
        """
        height, width = self.size
        generator = torch.Generator().manual_seed(0)
        pixels = torch.rand((2, 3, height, width), generator=generator)
        try:
            with torch.no_grad():
                outputs = self(pixels)
        except TargetError:
            raise
        except (Exception, SystemExit) as error:  # a user's net may raise anything; its message is passed on
            first = " ".join(str(error).strip().split("\n")[0].split())
            raise TargetError(
                f"the model does not take input of {self.input.channel_count} x {height} x {width} "
                f"(target.input size {self.input.size}, channels {self.input.channels}): {first[:300]}"
            ) from error
        self._check_width(outputs)
        self.check_outputs(outputs)
        self.response_sha256 = sha256_of_bytes(outputs.detach().float().cpu().numpy().tobytes())
        if self.spec.output == "logits":
            self._check_logits(outputs)

    def _check_width(self, outputs: Tensor) -> None:
        if outputs.ndim != 2 or outputs.shape[0] != 2:
            raise TargetError(f"expected outputs of shape (2, k) for 2 faces, but got {tuple(outputs.shape)}")
        got, wanted = outputs.shape[1], len(self.classes)
        if self.task == "forgery" and got == wanted:
            self._check_two_sides()
        if self.task == "verification" or got == wanted:
            return
        if self.task == "forgery" and got == 1:
            if self.spec.positive is None:
                raise TargetError(
                    f"the model gives one output: say which side it speaks for with `positive: {GENUINE}` or "
                    f"`positive: {FORGED}` in the target block"
                )
            return
        raise TargetError(
            f"the plan lists {wanted} classes ({', '.join(self.classes)}), but the model gives {got} outputs: "
            "list one class for each output, in their order"
        )

    def _check_two_sides(self) -> None:
        if self.spec.positive is not None:
            raise TargetError(
                f"the model gives two outputs, and `positive: {self.spec.positive}` is for a single one: leave it out "
                f"and say their order with `classes: [{GENUINE}, {FORGED}]` or `classes: [{FORGED}, {GENUINE}]`"
            )
        if not self.spec.classes:
            raise TargetError(
                f"the model gives two outputs: say their order with `classes: [{GENUINE}, {FORGED}]` or "
                f"`classes: [{FORGED}, {GENUINE}]` in the target block"
            )

    def check_outputs(self, outputs: Tensor) -> None:
        """Check one batch of raw outputs (n, k): finite and, where declared, probabilities; cheap beside the model.

        Raises:
            TargetError: when they are not.
        """
        self.check_finite(outputs)
        if self.spec.output == "probabilities":
            self._check_probabilities(outputs)

    def check_finite(self, outputs: Tensor) -> None:
        """Raise :class:`TargetError` when an output is NaN or infinite."""
        broken = ~torch.isfinite(outputs).all(1)
        if bool(broken.any()):
            raise TargetError(
                f"the model gives NaN or infinite outputs for {int(broken.sum())} of {len(outputs)} faces: "
                "check the checkpoint and target.input (mean, std, size)"
            )

    def _check_probabilities(self, outputs: Tensor) -> None:
        if float(outputs.min()) < -1e-4 or float(outputs.max()) > 1 + 1e-4:
            raise TargetError(
                f"outputs range from {float(outputs.min()):.3g} to {float(outputs.max()):.3g}, but the plan declares "
                "probabilities: declare `output: logits`?"
            )
        off = (outputs.double().sum(1) - 1).abs()
        if self._one_of_many(outputs) and float(off.max()) > SUM_TOLERANCE:
            total = float(outputs[int(off.argmax())].double().sum())
            raise TargetError(f"declared probabilities sum to {total:.4g}, expected 1: declare `output: logits`?")

    def _check_logits(self, outputs: Tensor) -> None:
        """Refuse logits that are probabilities: a second softmax would leave the classes right and every size wrong."""
        off = (outputs.double().sum(1) - 1).abs()
        if self._one_of_many(outputs) and float(outputs.min()) >= 0 and float(off.max()) <= SUM_TOLERANCE:
            raise TargetError(
                "the plan declares logits, but the outputs of every face are at least 0 and sum to 1: "
                "declare `output: probabilities`?"
            )

    def _one_of_many(self, outputs: Tensor) -> bool:
        return outputs.shape[1] > 1 and self.task in {"expression", "forgery"}

    def summary(self) -> TargetSummary:
        """Describe the target for the results."""
        parameters = None
        if isinstance(self.net, nn.Module):
            parameters = sum(parameter.numel() for parameter in self.net.parameters())
        return TargetSummary(
            name=self.name,
            task=self.task,
            classes=list(self.classes),
            format=self.format,
            sha256=self.sha256,
            factory=self.spec.factory,
            factory_sha256=self.factory_sha256 or None,
            response_sha256=self.response_sha256 or None,
            input=self.input.model_dump(mode="json"),
            output=self.spec.output or "",
            parameters=parameters,
            gives=sorted(self.gives),
            notes=list(self.notes),
        )

    def fingerprint(self) -> dict[str, Any]:
        """Return what predictions depend on through the target.

        Bytes of the checkpoint, source of the factory, the resolved target block, and what the model answers to the
        fixed input of :meth:`verify`: code or settings that the factory reads from elsewhere change that answer.
        """
        block = self.spec.model_dump(mode="json", exclude={"name"})
        return {
            "checkpoint": self.sha256,
            "factory": self.factory_sha256,
            "response": self.response_sha256,
            "block": block,
            "device": str(self.device),
        }

    def __repr__(self) -> str:
        return f"Target({self.name!r}, {self.task}, {self.format}, {self.size[1]}x{self.size[0]})"
