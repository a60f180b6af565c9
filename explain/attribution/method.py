"""What every attribution method has in common: what it is asked, what it answers, and what is said of it.

A method belongs to a family. Methods of one family share their passes through the net, so they are built together:
each family's module has ``METHODS`` (by name) and ``build``, and :mod:`.registry` puts the families together.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol

from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor

if TYPE_CHECKING:
    from ...core.target import Target

Family = Literal["cam", "package_cam", "gradient", "attention", "black_box"]


@dataclass(frozen=True)
class MethodInfo:
    """What is said of a method.

    Attributes:
        name: by which a plan names it, e.g. ``gradcam``.
        title: in a report, e.g. ``GradCAM``.
        family: whose passes it shares.
        citation: the paper.
        needs: of ``gradients`` and ``layers`` what a target has to give; empty for a black box.
        random: whether its map depends on a seed.
        about: one sentence: what its map shows.
    """

    name: str
    title: str
    family: Family
    citation: str
    needs: frozenset[str]
    about: str
    random: bool = False


@dataclass(frozen=True)
class Request:
    """Faces to explain.

    Attributes:
        pixels: ``(n, 3, h, w)`` RGB 0..1 at the target's input size, on the target's device.
        classes: ``(n,)`` int64, the class to explain for each face, an index into the target's classes.
        seeds: one for each face, so that its map does not depend on which others are in the batch.
    """

    pixels: Tensor
    classes: Tensor
    seeds: tuple[int, ...]


PEAK = "peak"
"""Name of the fact that gives a map's scale: how far it rose, rectified, above its lowest value before stretching."""


@dataclass(frozen=True)
class MapBatch:
    """Maps of a batch of faces by one method.

    Attributes:
        maps: ``(n, h, w)`` float32 at the input's size, each stretched to 0..1, larger where the evidence *for* the
            class lies; NaN throughout where a face has no usable map.
        problems: for each face None, or why it has no usable map.
        facts: numbers ``(n,)`` that a method reports of its own maps, e.g. ``completeness_error``; :data:`PEAK` where
            the method has a scale.
    """

    maps: Tensor
    problems: tuple[str | None, ...]
    facts: Mapping[str, Tensor] = field(default_factory=dict)


class Explainer(Protocol):
    """Makes the maps of one or several methods that share their passes.

    The net is left as it was: hooks gone, parameters and modes restored, also after an exception.
    """

    @property
    def methods(self) -> tuple[str, ...]:
        """Names of the methods whose maps it makes."""
        ...

    @property
    def layer_name(self) -> str | None:
        """Name of the layer that is explained, None for methods that use none."""
        ...

    def explain(self, request: Request) -> dict[str, MapBatch]:
        """Return the maps by method."""
        ...


class AttributionSettings(BaseModel):
    """How the methods are run; a method reads what concerns it."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    integration_steps: int = Field(default=64, ge=4, le=1000, description="integrated gradients: steps of the path")
    noisy_copies: int = Field(default=16, ge=2, le=500, description="SmoothGrad: noisy copies of each face")
    noise: float = Field(default=0.1, gt=0, le=1, description="SmoothGrad: sd of the noise, as a share of 0..1")
    segments: int = Field(default=30, ge=4, le=500, description="LIME and KernelSHAP: superpixels of a face, about")
    lime_samples: int = Field(default=300, ge=20, le=20_000, description="LIME: perturbed copies of each face")
    shap_samples: int = Field(default=300, ge=20, le=20_000, description="KernelSHAP: coalitions of each face")
    rise_masks: int = Field(default=500, ge=20, le=20_000, description="RISE: random masks of each face")
    rise_grid: int = Field(default=7, ge=2, le=32, description="RISE: cells of a mask along a side")
    window: float = Field(default=0.2, gt=0.02, le=0.6, description="occlusion: side of the window, share of the face")
    stride: float = Field(default=0.1, gt=0.01, le=0.6, description="occlusion: step of the window, share of the face")


@dataclass(frozen=True)
class Built:
    """What a family could build for a net.

    Attributes:
        explainers: ready to use.
        unavailable: for each method that cannot explain this net, why; a sentence without a full stop.
    """

    explainers: tuple[Explainer, ...]
    unavailable: Mapping[str, str]


class Build(Protocol):
    """Builds the explainers of one family for a target."""

    def __call__(
        self,
        target: Target,
        methods: Sequence[str],
        *,
        layer: str | None,
        batch_size: int,
        settings: AttributionSettings,
    ) -> Built:
        """Return explainers for these methods, and the reasons where there is none.

        Raises:
            LayerError: if a layer was named and there is no such one; with ``layer=None`` the reason goes to
                ``unavailable`` instead.
        """
        ...


def face_seeds(base: int, face_ids: Sequence[str]) -> tuple[int, ...]:
    """Return a seed for each face that depends on ``base`` and its id alone, 0..2^63 - 1."""
    return tuple(
        int.from_bytes(hashlib.sha256(f"{base}\x1f{name}".encode()).digest()[:8], "little") >> 1 for name in face_ids
    )
