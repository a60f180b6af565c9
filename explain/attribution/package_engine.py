"""Run a method of the grad-cam package on a net, which is left as it was."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ...core.target import Target
from ...core.torchvision_compat import ensure_torchvision_importable
from .capture import ModuleSource
from .module_state import untouched
from .source import differentiable, evaluating, frozen, one_output, plain

CLASSES = {
    "scorecam": "ScoreCAM",
    "ablationcam": "AblationCAM",
    "shapleycam": "ShapleyCAM",
    "finercam": "FinerCAM",
    "gradcam_elementwise": "GradCAMElementWise",
    "kpcacam": "KPCA_CAM",
    "segeigencam": "SegEigenCAM",
    "fem": "FEM",
    "fullgrad": "FullGrad",
    "sess": "SESS",
    "randomcam": "RandomCAM",
}
"""The package's class for each method."""

_NO_TOKENS = {
    "fullgrad": "FullGrad counts biases of convolutions and batch norms alone, and the net has tokens",
    "shapleycam": "the grad-cam package's ShapleyCAM takes maps with channels first alone, and the net has tokens",
}

COMPARED = 3
"""Finer-CAM: classes that a class is set apart from, the package's default."""


class PackageFailure(Exception):
    """The package cannot explain this net, or this face; the message is a sentence without a full stop."""


class _Scored(nn.Module):
    """The net as the package is to see it: class logits for prepared input, with gradients back to the input.

    It shields the net from the package: ``zero_grad`` would drop gradients that the user has.
    """

    def __init__(self, net: nn.Module, target: Target) -> None:
        super().__init__()
        self.net = net
        self._logits = target.logits
        # The package asks the first parameter for the device, and a net may have none. And where the score is linear
        # in the layer's map, ShapleyCAM wants gradients that depend on something, as they would on weights not frozen.
        self.one = nn.Parameter(torch.ones((), device=target.device))

    def forward(self, net_input: Tensor) -> Tensor:
        if torch.is_grad_enabled() and not net_input.requires_grad:
            # With the parameters frozen it is the input that keeps the graph alive.
            net_input = net_input.detach().requires_grad_()
        return self._logits(one_output(self.net(net_input))) * self.one

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Leave gradients alone."""


class PackageCam:
    """One method of the package for one net.

    Args:
        method: a name in :data:`CLASSES`.
        target: the model under audit; its net is a module.
        source: the net with a layer chosen in it.
        batch_size: perturbed copies that the net is given at once.

    Raises:
        PackageFailure: if the method is not made for such a net.
    """

    def __init__(self, method: str, target: Target, source: ModuleSource, batch_size: int) -> None:
        assert isinstance(target.net, nn.Module)
        self.method = method
        self.layer_name = None if method == "fullgrad" else source.layer_name
        self._net: nn.Module = target.net
        self._target = target
        self._layer = self._net.get_submodule(source.layer_name)
        self._layout = source.layout
        self._batch_size = batch_size
        height, width = target.size
        if method == "sess" and height != width:
            raise PackageFailure(f"SESS cuts square patches, and the model takes {width} x {height}")
        if method in _NO_TOKENS and self._layout.kind != "channels first":
            raise PackageFailure(_NO_TOKENS[method])

    @property
    def takes_batches(self) -> bool:
        """Whether several faces are run at once; else the copies of one, or a face has its own seed."""
        return self.method not in {"scorecam", "ablationcam", "sess", "randomcam"}

    def __call__(self, net_input: Tensor, classes: Sequence[int], seeds: Sequence[int]) -> Tensor:
        """Return maps ``(n, h, w)`` as the package makes them, on the CPU.

        Args:
            net_input: ``(n, c, h, w)`` as the net takes it; one face where ``takes_batches`` is false.
            classes: the class to explain for each face.
            seeds: of each face.

        Raises:
            PackageFailure: if the package fails in a way it is known for.
        """
        scored = _Scored(self._net, self._target)
        with (
            untouched(self._net),
            _children_kept(self._net),
            frozen(self._net),
            evaluating(self._net),
            differentiable(),
            _silent_progress(),
            _seeded(seeds[0]),
            # A score of zero is divided by; such a map is told to hold NaN.
            np.errstate(all="ignore"),
        ):
            try:
                return self._run(scored, plain(net_input), classes)
            # The package's known ways to fail: RuntimeError of torch where a derivative does not exist or memory runs
            # out; ValueError for maps that are not 4-D or not finite; AssertionError and TypeError of FullGrad for
            # biases that do not run, and batch norms without running means.
            except (RuntimeError, ValueError, AssertionError, TypeError) as error:
                words = " ".join(str(error).split()) or type(error).__name__
                message = f"the grad-cam package's {CLASSES[self.method]} fails: {words[:200]}"
                raise PackageFailure(message) from error

    def _run(self, scored: _Scored, net_input: Tensor, classes: Sequence[int]) -> Tensor:
        cam = self._made(scored)
        # The rest of the net gets a copy: an operation in place right after the layer would change what was kept.
        handle = self._layer.register_forward_hook(lambda module, inputs, output: output.clone())
        try:
            maps = cam(input_tensor=net_input, targets=self._targets(scored, net_input, classes))
        finally:
            handle.remove()
            # Not its ``with``, which swallows an IndexError. Its release detaches what it kept, in place, which
            # torch refuses for a gradient that is a view; without anything kept it only takes its hooks away.
            kept = getattr(cam, "base_cam", cam).activations_and_grads
            kept.activations, kept.gradients = [], []
            kept.release()
        return torch.from_numpy(np.ascontiguousarray(maps, dtype=np.float32))

    def _as_map(self, values: Tensor) -> Tensor:
        return self._layout.as_map(values).contiguous()

    def _made(self, scored: _Scored) -> Any:
        ensure_torchvision_importable()
        import pytorch_grad_cam

        make = getattr(pytorch_grad_cam, CLASSES[self.method])
        if self.method == "fullgrad":
            return make(scored, [])
        tokens = self._layout.kind != "channels first"
        transform = self._as_map if tokens else None
        arguments: dict[str, Any] = {}
        if self.method in {"sess", "ablationcam"}:
            arguments["batch_size"] = self._batch_size
        if self.method == "ablationcam":
            layer = pytorch_grad_cam.AblationLayerVit if tokens else pytorch_grad_cam.AblationLayer
            arguments["ablation_layer"] = layer()
        cam = make(scored, [self._layer], transform, **arguments)
        if self.method == "scorecam":
            cam.batch_size = self._batch_size
        if self.method == "ablationcam":
            # Its hook comes after the one that hands the net a copy, so it needs a copy of its own.
            cam.save_activation = lambda module, inputs, output: setattr(cam, "activations", output.clone())
        return cam

    def _targets(self, scored: _Scored, net_input: Tensor, classes: Sequence[int]) -> list[Any]:
        from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget, FinerWeightedTarget

        if self.method != "finercam":
            return [ClassifierOutputTarget(place) for place in classes]
        with torch.no_grad():
            logits = scored(net_input)
        if logits.shape[1] < 2:
            raise PackageFailure("Finer-CAM sets a class apart from others, and the model has one output")
        # The package takes the classes most like the one that wins; here, like the one that is explained.
        found = []
        for place, of_face in zip(classes, logits, strict=True):
            nearest = (
                (of_face - of_face[place])
                .abs()
                .index_fill(0, torch.tensor(place, device=of_face.device), -1.0)
                .argsort()
            )
            found.append(FinerWeightedTarget(place, nearest[1 : 1 + COMPARED].tolist(), 1))
        return found


@contextmanager
def _children_kept(net: nn.Module) -> Iterator[None]:
    """Put every child module back in its place afterwards: AblationCAM swaps its layer, and an error leaves it."""
    children = [(module, dict(module._modules)) for module in net.modules()]
    try:
        yield
    finally:
        for module, before in children:
            module._modules.update(before)


@contextmanager
def _silent_progress() -> Iterator[None]:
    """Keep the package's progress bars off the terminal: two of its modules draw one for every face."""
    ensure_torchvision_importable()
    from pytorch_grad_cam import ablation_cam, score_cam

    silent = SimpleNamespace(tqdm=lambda steps: steps)
    modules = (ablation_cam, score_cam)
    bars = [module.tqdm for module in modules]
    try:
        for module in modules:
            module.tqdm = silent
        yield
    finally:
        for module, bar in zip(modules, bars, strict=True):
            module.tqdm = bar


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Seed numpy's global generator, from which RandomCAM draws; as it was afterwards."""
    state = np.random.get_state()
    try:
        np.random.seed(seed % 2**32)
        yield
    finally:
        np.random.set_state(state)
