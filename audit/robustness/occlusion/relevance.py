"""Where a model's answer to a face comes from, by an attribution method: what guided patches hide first."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from ....core.faces import FaceBatch
from ....core.target import Target
from ....explain.attribution.method import Explainer, Request, face_seeds
from ....explain.attribution.registry import METHODS, build_explainers
from .patches import relevance_of_patches

NOT_ONE_ANSWER = "a map explains one class, and the model's answer to a face is not one class"


@dataclass(frozen=True)
class Guide:
    """Explains the class that the model answers, face by face.

    Attributes:
        target: the model.
        explainer: of the method.
        method: its name.
        seed: of methods that draw at random.
    """

    target: Target
    explainer: Explainer
    method: str
    seed: int

    @property
    def title(self) -> str:
        """The method's name in words."""
        return METHODS[self.method].title

    def relevance(self, batch: FaceBatch, grid: int) -> NDArray[np.float64]:
        """Return the mean relevance of each patch, (n, grid * grid), NaN for a face without a usable map."""
        with torch.no_grad():
            classes = self.target.scores(batch.pixels).argmax(1)
        request = Request(batch.pixels, classes, face_seeds(self.seed, [str(row) for row in batch.rows.tolist()]))
        with torch.enable_grad():
            found = self.explainer.explain(request)[self.method]
        usable = np.array([problem is None for problem in found.problems])
        means = relevance_of_patches(found.maps.detach(), grid)
        means[~usable] = np.nan
        return means


def find_guide(
    target: Target, method: str, layer: str | None, *, batch_size: int, seed: int
) -> tuple[Guide | None, str]:
    """Return a guide, or None and why there is none.

    Raises:
        LayerError: if a layer was named and the target has none such.
    """
    if target.task not in ("expression", "forgery"):
        return None, NOT_ONE_ANSWER
    built = build_explainers(target, [method], layer=layer, batch_size=batch_size)
    if not built.explainers:
        reason = built.unavailable[method]
        black_box = ", ".join(name for name, info in METHODS.items() if info.family == "black_box")
        return (
            None,
            f"{METHODS[method].title} cannot explain this model: {reason} (methods that only ask it: {black_box})",
        )
    return Guide(target, built.explainers[0], method, seed), ""
