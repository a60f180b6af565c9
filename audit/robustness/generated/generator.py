"""The user's generator: vectors to faces, with what can be wished for of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ....core.checkpoints import FactoryReference, load_checkpoint
from ....core.checkpoints.factory import make
from ....core.errors import AuditError, CountenanceError
from ....core.predictions import class_places

Latents = NDArray[np.float64]
PROGRAMS = (".pt2", ".onnx")


class Generator:
    """A generator as the search uses it.

    The user's object takes vectors (n, d) as a float32 tensor and returns faces (n, 3, h, w), RGB in 0..1. It may say
    more of itself: ``attributes`` (name to values), ``sample(count, random, **wanted)``, ``free`` (d,) bool,
    ``labels(latents)``. What it does not say comes from the plan: vectors are standard normal, all entries are free.

    Args:
        net: the user's object.
        size: length of a vector, where the object has no ``latent_size``.
        label: the class of every face, where the object has no ``labels``.
        scale: standard deviation of the vectors (below 1: the truncation of a generative model).
        height_width: size of the crops to return; pictures of other sizes are resized with antialiasing.
        device: where to compute.
    """

    def __init__(
        self,
        net: Callable[[Tensor], Any],
        *,
        size: int | None,
        label: str | None,
        scale: float,
        height_width: tuple[int, int],
        device: torch.device,
    ) -> None:
        self.net = net
        found = getattr(net, "latent_size", None) or size
        if found is None:
            raise AuditError("the generator does not say how long its vectors are: give `latent_size`")
        self.size = int(found)
        self.attributes: Mapping[str, Sequence[str]] = getattr(net, "attributes", None) or {}
        free = np.asarray(getattr(net, "free", np.ones(self.size, dtype=np.bool_)), dtype=np.bool_)
        if free.shape != (self.size,):
            raise AuditError(f"expected `free` of the generator to have shape ({self.size},), but got {free.shape}")
        self.free: NDArray[np.bool_] = free
        self._label = label
        self._scale = scale
        self._height_width = height_width
        self._device = device
        if isinstance(net, nn.Module):
            net.eval()
            net.to(device)
            for parameter in net.parameters():
                parameter.requires_grad_(False)

    def sample(self, count: int, random: np.random.Generator, wanted: Mapping[str, str]) -> Latents:
        """Return vectors (count, size) of faces that have the wanted attributes."""
        draw = getattr(self.net, "sample", None)
        if draw is None:
            return self._scale * random.standard_normal((count, self.size))
        found = np.asarray(_of_user("sample()", lambda: draw(count, random, **wanted)), dtype=np.float64)
        if found.shape != (count, self.size):
            raise AuditError(f"expected sample() to return shape ({count}, {self.size}), but got {found.shape}")
        return found

    def labels(self, latents: Latents, classes: Sequence[str]) -> NDArray[np.int64]:
        """Return the place among the classes of what each vector draws, shape (n,)."""
        tell = getattr(self.net, "labels", None)
        names = [self._label] * len(latents)
        if tell is not None:
            names = _of_user("labels()", lambda: list(tell(latents)))
        if None in names:
            raise AuditError("the generator does not say what its faces show: give `label`")
        import pandas as pd

        places = class_places(pd.Series(names), classes).astype(np.int64)
        unknown = sorted({str(name) for name, place in zip(names, places, strict=True) if place < 0})
        if unknown:
            raise AuditError(
                f"the generator draws {', '.join(unknown)}, but the model's classes are {', '.join(classes)}: "
                "say with `label`, or in the generator's own arguments, what to draw"
            )
        return places

    def __call__(self, latents: Tensor) -> Tensor:
        """Return faces (n, 3, h, w) at the target's size, 0..1; differentiable where the user's object is.

        Raises:
            AuditError: when what comes back is no picture.
        """
        try:
            pixels = self.net(latents.to(self._device, torch.float32))
        except CountenanceError:
            raise
        except (Exception, SystemExit) as error:  # a user's generator may raise anything; its message is passed on
            first = " ".join(str(error).strip().split("\n")[0].split())[:300]
            raise AuditError(
                f"the generator failed on {len(latents)} vectors of {self.size}: {type(error).__name__}: {first}"
            ) from error
        self._check(pixels, len(latents))
        if tuple(pixels.shape[2:]) != self._height_width:
            pixels = nn.functional.interpolate(
                pixels, self._height_width, mode="bilinear", antialias=True, align_corners=False
            )
        faces: Tensor = pixels.clamp(0, 1)
        return faces

    @staticmethod
    def _check(pixels: Any, count: int) -> None:
        wanted = f"expected the generator to return pictures, a tensor ({count}, 3, h, w) of RGB values from 0 to 1"
        if not isinstance(pixels, Tensor):
            raise AuditError(f"{wanted}, but got a {type(pixels).__name__}")
        if pixels.ndim != 4 or len(pixels) != count or pixels.shape[1] != 3 or min(pixels.shape[2:]) < 8:
            raise AuditError(f"{wanted} of at least 8 pixels a side, but got shape {tuple(pixels.shape)}")
        if not pixels.is_floating_point():
            raise AuditError(f"{wanted}, but got {pixels.dtype}: divide bytes by 255")
        low, high = float(pixels.detach().min()), float(pixels.detach().max())
        if not (np.isfinite(low) and np.isfinite(high)):
            raise AuditError(f"{wanted}, but some are NaN or infinite")
        if low < -0.01 or high > 1.01:
            raise AuditError(
                f"{wanted}, but they range from {low:.3g} to {high:.3g}: bring -1..1 to 0..1 with x / 2 + 0.5"
            )


def _of_user(name: str, call: Callable[[], Any]) -> Any:
    """Return what the user's code returns; what it raises is told as its fault."""
    try:
        return call()
    except CountenanceError:
        raise
    except (Exception, SystemExit) as error:  # a user's code may raise anything; its message is passed on
        first = " ".join(str(error).strip().split("\n")[0].split())[:300]
        raise AuditError(f"{name} of the generator failed: {type(error).__name__}: {first}") from error


def load_generator(written: str, arguments: Mapping[str, Any], folder: Path) -> Callable[[Tensor], Any]:
    """Return what a plan names: ``FILE.py:NAME``, ``PACKAGE.MODULE:NAME``, or an exported program (.pt2, .onnx).

    Code named in the plan runs, as a factory does; a program is loaded without trust.

    Raises:
        CheckpointError: when it cannot be found or loaded.
        AuditError: when what comes back cannot be called.
    """
    if Path(written).suffix.lower() in PROGRAMS:
        return load_checkpoint(folder / written, None, folder=folder).net
    made, _ = make(FactoryReference.parse(written, arguments), folder)
    if not callable(made):
        raise AuditError(
            f"expected {written} to return a generator to call with vectors, but got a {type(made).__name__}"
        )
    found: Callable[[Tensor], Any] = made
    return found


def load_judge(written: str, folder: Path) -> Callable[[Tensor], Tensor]:
    """Return the function that says of pictures (n, 3, h, w) how surely they have an attribute, (n,) in 0..1."""
    made, _ = make(FactoryReference.parse(written, {}), folder)
    if not callable(made):
        raise AuditError(f"expected {written}() to return a function of pictures, but got a {type(made).__name__}")

    def judge(pixels: Tensor) -> Tensor:
        found = _of_user(written, lambda: made(pixels))
        wanted = f"expected {written} to return a tensor ({len(pixels)},) of numbers from 0 to 1"
        if not isinstance(found, Tensor) or found.shape != (len(pixels),):
            raise AuditError(wanted)
        low, high = float(found.detach().min()), float(found.detach().max())
        if not (low >= 0 and high <= 1):  # NaN is neither
            raise AuditError(f"{wanted}, but they range from {low:.3g} to {high:.3g}")
        return found

    return judge
