"""The family ``package_cam``: methods that the grad-cam package alone has, most of which need many passes.

The package explains one target layer, which is found as for :mod:`.cams`; classes are explained by their logits as
the target defines them. Left out of its list are the seven that :mod:`.cam` makes from one pass, RefineCAM (of
several layers; of one it is GradCAM++) and DeepFeatureFactorization (of no class). :mod:`.package_engine` runs it.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping, Sequence
from types import MappingProxyType

import torch
from torch import Tensor, nn

from ...core.target import Target
from .cams import example_input
from .capture import ModuleSource
from .method import AttributionSettings, Built, Explainer, MapBatch, MethodInfo, Request
from .package_engine import PackageCam, PackageFailure
from .pixel_maps import check_request
from .program import is_program
from .source import LayerError

_LAYERS = frozenset({"layers"})
_GRADIENTS = frozenset({"gradients", "layers"})

METHODS: Mapping[str, MethodInfo] = MappingProxyType(
    {
        name: MethodInfo(name, title, "package_cam", citation, needs, about, random=name == "randomcam")
        for name, title, citation, needs, about in (
            (
                "scorecam",
                "ScoreCAM",
                "Wang et al. 2020, CVPR workshops",
                _LAYERS,
                "Channels weighted by the class score of the face seen through them alone.",
            ),
            (
                "ablationcam",
                "AblationCAM",
                "Desai and Ramaswamy 2020, WACV",
                _LAYERS,
                "Channels weighted by how much the class score falls without them (where a map has negative values, "
                "when they are pushed far below, as the package does it).",
            ),
            (
                "shapleycam",
                "ShapleyCAM",
                "Cai 2025, arXiv 2501.06261",
                _GRADIENTS,
                "Channels weighted by their mean gradient, corrected by the curvature of the score.",
            ),
            (
                "finercam",
                "Finer-CAM",
                "Zhang et al. 2025, CVPR",
                _GRADIENTS,
                "GradCAM of what sets the class apart from the three that score most alike.",
            ),
            (
                "gradcam_elementwise",
                "GradCAM element-wise",
                "Gildenblat et al. 2021, pytorch-grad-cam",
                _GRADIENTS,
                "Gradient times activation at each position, the positive products only.",
            ),
            (
                "kpcacam",
                "KPCA-CAM",
                "Karmani et al. 2024, arXiv 2410.00267",
                _LAYERS,
                "First kernel principal component of the activations, its sign as it comes; the class plays no part.",
            ),
            (
                "segeigencam",
                "Seg-Eigen-CAM",
                "Chung and Ying 2025, Applied Sciences 15(13)",
                _GRADIENTS,
                "First principal component of the activations times the size of their gradients.",
            ),
            (
                "fem",
                "FEM",
                "Fuad et al. 2020, IPTA",
                _LAYERS,
                "Channels weighted by the share of their positions that stand out; the class plays no part in it.",
            ),
            (
                "fullgrad",
                "FullGrad",
                "Srinivas and Fleuret 2019, NeurIPS",
                _GRADIENTS,
                "Input and biases times their gradients, over all convolutions and batch norms; size, not sign.",
            ),
            (
                "sess",
                "SESS",
                "Tursun et al. 2022, ECCV",
                _GRADIENTS,
                "GradCAM of patches of the face at twelve sizes, weighted by the class probability of each.",
            ),
            (
                "randomcam",
                "RandomCAM",
                "Gildenblat et al. 2021, pytorch-grad-cam",
                _GRADIENTS,
                "Channels weighted at random: a null for every method that weighs channels.",
            ),
        )
    }
)
"""Methods of this family by name."""

TRIED = ("shapleycam", "finercam", "fullgrad")
"""Methods that not every net suits, which the package does not say before it runs; they are tried on one picture."""

NO_PACKAGE = 'it needs the package grad-cam, which is not installed: pip install "countenance[explain]"'
NOT_FINITE = "the map holds NaN or infinite values"
FLAT = "the grad-cam package's map is zero or the same everywhere"


class PackageCamExplainer:
    """Makes the maps of one method of the package.

    Args:
        target: the model under audit.
        cam: the method, ready for the target's net.
        batch_size: faces at once.
    """

    def __init__(self, target: Target, cam: PackageCam, batch_size: int) -> None:
        self._target = target
        self._cam = cam
        self._batch_size = batch_size
        self.methods: tuple[str, ...] = (cam.method,)

    @property
    def layer_name(self) -> str | None:
        """Name of the layer, None where all biases of the net are explained."""
        return self._cam.layer_name

    def explain(self, request: Request) -> dict[str, MapBatch]:
        """Return the maps; where the package fails on a face, that face has none and the package's words beside it.

        Raises:
            UsageError: if the shapes do not fit, or a class does not exist.
        """
        check_request(self._target, request)
        size = self._batch_size if self._cam.takes_batches else 1
        parts = [
            self._part(request.pixels[at : at + size], request.classes[at : at + size], request.seeds[at : at + size])
            for at in range(0, len(request.pixels), size)
        ]
        maps = torch.cat([part.maps for part in parts])
        return {self._cam.method: MapBatch(maps, tuple(problem for part in parts for problem in part.problems))}

    def _part(self, pixels: Tensor, classes: Tensor, seeds: tuple[int, ...]) -> MapBatch:
        try:
            raw = self._cam(self._target.prepare(pixels), classes.tolist(), seeds)
        except PackageFailure as failure:
            if len(pixels) == 1:
                empty = torch.full((1, *pixels.shape[-2:]), torch.nan, device=pixels.device)
                return MapBatch(empty, (str(failure),))
            # One face that the package cannot explain shall cost no other.
            alone = [
                self._part(pixels[at : at + 1], classes[at : at + 1], seeds[at : at + 1]) for at in range(len(pixels))
            ]
            return MapBatch(torch.cat([one.maps for one in alone]), tuple(one.problems[0] for one in alone))
        seen = torch.isfinite(pixels).flatten(1).all(dim=1)
        return _stretched(raw.to(pixels.device), seen)


def _stretched(maps: Tensor, seen: Tensor) -> MapBatch:
    """Stretch the package's maps ``(n, h, w)`` to 0..1; say of each face without a usable one why."""
    finite = torch.isfinite(maps).flatten(1).all(dim=1) & seen
    maps = torch.where(finite[:, None, None], maps, torch.zeros_like(maps))
    low, high = maps.amin(dim=(1, 2), keepdim=True), maps.amax(dim=(1, 2), keepdim=True)
    good = (high > low)[:, 0, 0]
    extent = torch.where(good[:, None, None], high - low, torch.ones_like(high))
    maps = torch.where(good[:, None, None], (maps - low) / extent, torch.full_like(maps, torch.nan))
    told = torch.stack([finite, good], dim=1).tolist()
    return MapBatch(maps, tuple(NOT_FINITE if not known else None if varies else FLAT for known, varies in told))


def build(
    target: Target, methods: Sequence[str], *, layer: str | None, batch_size: int, settings: AttributionSettings
) -> Built:
    """Build an explainer for each method."""
    if importlib.util.find_spec("pytorch_grad_cam") is None:
        return Built((), dict.fromkeys(methods, NO_PACKAGE))
    net = target.net
    if is_program(net) or not isinstance(net, nn.Module):
        why = f"the grad-cam package hooks the layers of a module, and there are none ({target.format})"
        return Built((), dict.fromkeys(methods, why))
    example = example_input(target)
    try:
        source = ModuleSource(net, example, layer)
    except LayerError as error:
        if layer is not None:
            raise
        return Built((), dict.fromkeys(methods, str(error)))
    explainers: list[Explainer] = []
    unavailable: dict[str, str] = {}
    for name in methods:
        try:
            cam = PackageCam(name, target, source, batch_size)
            if name in TRIED:
                cam(example[:1], [0], (0,))
        except PackageFailure as failure:
            unavailable[name] = str(failure)
        else:
            explainers.append(PackageCamExplainer(target, cam, batch_size))
    return Built(tuple(explainers), unavailable)
