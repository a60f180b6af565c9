"""Are the outputs what outputs should be: finite on any picture, not constant, not saturated, summing to one?"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch

from ...core.results import Estimate
from .material import Floats, Material, as_array
from .verdicts import Check

SATURATED = 1e-6
MOSTLY = 0.95
SUM = 1e-3
CONSTANT = 1e-6
PLAIN = ("black", "grey", "white", "noise")


def sanity(material: Material) -> Iterator[Check]:
    """Look at the outputs for the faces, and for plain pictures."""
    yield _finite(material)
    values = material.probabilities(material.outputs)
    yield _constant(material, values)
    if material.target.task != "valence_arousal":
        yield _saturated(material, values)
    if material.classified:
        yield _sums(material, values)


def _finite(material: Material) -> Check:
    name, title = "finite_on_plain_pictures", "finite outputs on plain pictures"
    height, width = material.target.size
    noise = torch.rand((3, height, width), generator=torch.Generator().manual_seed(0))
    plain = [torch.zeros(3, height, width), torch.full((3, height, width), 0.5), torch.ones(3, height, width), noise]
    with torch.no_grad():
        outputs = as_array(material.target(torch.stack(plain)))
    broken = [what for what, each in zip(PLAIN, outputs, strict=True) if not np.isfinite(each).all()]
    count = Estimate(value=float(len(broken)), n=len(PLAIN), unit="pictures")
    told = (material.context.measurement("not_finite", count, direction="lower"),)
    if not broken:
        return Check(name, title, "holds", f"finite on a {', '.join(PLAIN)} picture", measurements=told)
    return Check(
        name,
        title,
        "differs",
        f"NaN or infinite on a {', '.join(broken)} picture",
        "Look for a division by a standard deviation or norm that can be 0, and add a small number to it",
        severity="medium",
        measurements=told,
    )


def _constant(material: Material, values: Floats) -> Check:
    name, title = "outputs_vary", "outputs vary from face to face"
    spread = float(np.ptp(values, axis=0).max())
    estimate = Estimate(value=spread, n=len(values), method="largest")
    told = (material.context.measurement("output_range", estimate, direction="none"),)
    if spread > CONSTANT:
        unit = "a value" if material.target.task == "valence_arousal" else "a probability"
        seen = f"{unit} ranges over {spread:.3f} on {len(values):,} faces"
        return Check(name, title, "holds", seen, measurements=told)
    return Check(
        name,
        title,
        "differs",
        f"all {len(values):,} faces get the same output",
        "The net does not see its input: look at the checkpoint's weights, and at mean and std of target.input",
        measurements=told,
    )


def _saturated(material: Material, values: Floats) -> Check:
    name, title = "not_saturated", "probabilities below certainty"
    certain = (values > 1 - SATURATED) | (values < SATURATED)
    marked = certain.all(1)
    share = float(marked.mean())
    estimate = Estimate(value=share, n=len(values), count=float(marked.sum()))
    told = (material.context.measurement("saturated", estimate, direction="lower"),)
    seen = f"{int(marked.sum()):,} of {len(values):,} faces are answered with a certainty of 1 to six digits"
    if share < MOSTLY:
        return Check(name, title, "holds", seen, measurements=told)
    return Check(
        name,
        title,
        "differs",
        seen,
        "Outputs so far from 0 often come of pixels of another range than the net was trained on (0 to 255 for "
        "0 to 1): look at mean and std of target.input",
        severity="low",
        measurements=told,
    )


def _sums(material: Material, values: Floats) -> Check:
    name, title = "sums_to_one", "probabilities sum to one"
    off = float(np.abs(values.sum(1) - 1).max())
    estimate = Estimate(value=off, n=len(values), method="largest")
    told = (material.context.measurement("sum_error", estimate, direction="lower"),)
    if off <= SUM:
        return Check(name, title, "holds", f"at most {off:.0e} from 1 on {len(values):,} faces", measurements=told)
    return Check(
        name, title, "differs", f"up to {off:.3f} from 1", "Declare output: logits, or end the net in a softmax",
        measurements=told,
    )  # fmt: skip
