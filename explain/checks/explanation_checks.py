"""The probe ``explanation_checks``: are the explanations themselves right, method by method?"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import combinations
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field, field_validator

from ...core.errors import TargetError, UsageError
from ...core.probes import Note, Output, ProbeContext, ProbeParams, probe
from ...core.results import Estimate, Measurement
from ..attribution.method import AttributionSettings, Built
from ..attribution.registry import METHODS, build_explainers, check_methods
from ..heatmaps.selection import draw_faces
from .check_findings import method_findings
from .check_outputs import (
    MethodChecks,
    artifact,
    face_scores,
    mean_over_people,
    method_measurements,
    not_scored,
    tables,
)
from .curves import Baseline
from .face_checks import CheckSettings, FaceChecks
from .method_agreement import Agreement
from .randomisation import Randomisation, judge
from .weight_checks import Step, WeightChecks


class ExplanationChecksParams(ProbeParams):
    """Which methods are checked, on how many faces, and how."""

    methods: tuple[str, ...] | Literal["all"] = Field(
        default=("gradcam",), description="attribution methods to check, or all of them"
    )
    layer: str | None = Field(
        default=None, description="dotted name of the layer to explain by; found in the net unless given"
    )
    faces: int = Field(default=64, ge=4, le=2_000, description="faces explained, each person once before anyone twice")
    percentiles: tuple[float, ...] = Field(
        default=(10, 30, 50, 70, 90), description="ROAD: percentiles of a map from which pixels are removed"
    )
    road_noise: float = Field(
        default=0.01, ge=0, le=1, description="ROAD: sd of the noise in filled pixels, in units of the model's input"
    )
    steps: int = Field(default=10, ge=2, le=200, description="deletion and insertion: steps of a curve")
    deletion_baseline: Baseline = Field(default="black", description="what deleted pixels become: black or blur")
    insertion_baseline: Baseline = Field(default="blur", description="what pixels are inserted into: black or blur")
    null_draws: int = Field(default=1, ge=1, le=20, description="how often each map is moved elsewhere for the null")
    noisy_copies: int = Field(default=2, ge=0, le=50, description="stability: noisy copies of each face; 0 for none")
    noise: float = Field(default=1 / 255, gt=0, le=0.1, description="stability: sd of that noise, in pixel values 0..1")
    draws: int = Field(default=5, ge=0, le=50, description="randomisation: random nets; 0 for no such check")
    randomised_faces: int = Field(default=16, ge=4, le=200, description="randomisation: of the faces so many, at most")
    cascade: int = Field(default=4, ge=0, le=50, description="randomisation: steps from output to input; 0 for none")
    settings: AttributionSettings = Field(default_factory=AttributionSettings, description="of the methods")

    @field_validator("methods")
    @classmethod
    def _known(cls, methods: tuple[str, ...] | str) -> tuple[str, ...] | str:
        if methods == "all":
            return methods
        if not methods:
            raise ValueError("name at least one method, or all")
        try:
            check_methods(methods)
        except UsageError as error:
            raise ValueError(str(error)) from error
        return tuple(dict.fromkeys(methods))

    @field_validator("percentiles")
    @classmethod
    def _inside(cls, percentiles: tuple[float, ...]) -> tuple[float, ...]:
        if not percentiles or not all(0 < one < 100 for one in percentiles):
            raise ValueError("expected percentiles between 0 and 100, both excluded")
        return percentiles

    @property
    def names(self) -> tuple[str, ...]:
        """The methods by name."""
        return tuple(METHODS) if self.methods == "all" else self.methods

    @property
    def checks(self) -> CheckSettings:
        """Settings of the checks of single faces."""
        return CheckSettings(
            percentiles=self.percentiles,
            road_noise=self.road_noise,
            steps=self.steps,
            deletion_baseline=self.deletion_baseline,
            insertion_baseline=self.insertion_baseline,
            null_draws=self.null_draws,
            noisy_copies=self.noisy_copies,
            noise=self.noise,
        )


@probe(
    "explanation_checks",
    version=1,
    title="Are the explanations themselves right?",
    pillar="explanation",
    params=ExplanationChecksParams,
    needs={"model", "images"},
    shows="Whether a method's heatmaps point at what the answer hangs on better than the same maps moved to a random "
    "place (ROAD, deletion, insertion), whether they change when the model's weights are replaced by random ones, "
    "whether they hold still under noise that cannot be seen, and which methods agree or are one and the same.",
    hides="Whether an explanation is complete or means to a person what it seems to say. Removing pixels makes "
    "pictures the model never saw; scores of different ways to remove them may disagree. Passing the randomisation "
    "check says that a map depends on the weights, not that it is right.",
    citation="Rong et al. 2022, ICML (ROAD); Petsiuk et al. 2018, BMVC (deletion, insertion); Adebayo et al. 2018, "
    "NeurIPS (randomisation); Alvarez-Melis and Jaakkola 2018, arXiv 1806.08049 (stability)",
)
def explanation_checks(context: ProbeContext, params: ExplanationChecksParams) -> Iterator[Output]:
    """Faithfulness, randomisation, stability and agreement of attribution methods."""

    def build() -> Built:
        return build_explainers(
            context.model, params.names, layer=params.layer, batch_size=context.batch_size, settings=params.settings
        )

    built = build()
    for name, reason in built.unavailable.items():
        yield from not_scored(context, name, reason)
    unavailable = {name: (METHODS[name].title, reason) for name, reason in built.unavailable.items()}
    if not built.explainers:
        yield artifact((), unavailable)
        yield Note("No method can explain this model: " + "; ".join(dict.fromkeys(built.unavailable.values())) + ".")
        return
    people = context.faces.subject_codes
    everyone = np.arange(len(people), dtype=np.int64)
    rows = draw_faces(everyone, people, params.faces, context.random("faces"))
    keep = draw_faces(rows, people[rows], params.randomised_faces, context.random("randomised faces"))
    classes = context.predictions.predicted
    checks = FaceChecks(
        context.faces,
        context.model,
        built.explainers,
        params.checks,
        batch_size=context.batch_size,
        seed=context.seed,
    )
    with context.progress("faces", len(rows)) as advance:
        checks.run(rows, classes[rows], keep, advance)
    weights, why_not = _weights(context, params, build, checks, keep, classes[keep])
    verdicts: dict[str, Randomisation] = {}
    cascade: list[Step] = []
    if weights is not None:
        passes = params.draws + 2 * params.cascade
        seeds = [int(seed) for seed in context.random("nets").integers(2**31, size=params.draws)]
        with context.progress("faces with random weights", passes * len(keep)) as advance:
            compared = weights.full(seeds, advance)
            verdicts = {name: judge(draws, context.rules.level) for name, draws in compared.items()}
            if params.cascade:
                cascade = weights.cascade(params.cascade, seeds[0], advance)
    layers = {name: explainer.layer_name for explainer in built.explainers for name in explainer.methods}
    groups = checks.agreement.groups()
    twins = {name: tuple(other for other in group if other != name) for group in groups for name in group}
    methods = [
        MethodChecks(METHODS[name], layers[name], scores, verdicts.get(name), why_not, twins[name])
        for name, scores in checks.scores.items()
    ]
    for method in methods:
        yield from face_scores(method)
        yield from method_measurements(context, method)
        yield from method_findings(context, method, people)
    yield from _agreement(context, checks.agreement, people[checks.rows], groups)
    yield from tables(methods, cascade)
    yield artifact(methods, unavailable)
    yield Note(_how(params, len(rows), len(keep), layers))


def _weights(
    context: ProbeContext,
    params: ExplanationChecksParams,
    build: Callable[[], Built],
    checks: FaceChecks,
    keep: NDArray[np.int64],
    classes: NDArray[np.int64],
) -> tuple[WeightChecks | None, str]:
    """Prepare the randomisation check; or None and why it cannot be done."""
    if params.draws == 0:
        return None, "no random nets were asked for (draws: 0)"
    height, width = context.model.size
    before = {}
    for name, scores in checks.scores.items():
        nothing = torch.full((height, width), torch.nan)
        before[name] = torch.stack([scores.kept_maps.get(int(row), nothing) for row in keep])
    try:
        weights = WeightChecks(
            context.faces,
            context.model,
            build,
            keep,
            classes,
            before,
            batch_size=context.batch_size,
            seed=context.seed,
        )
    except TargetError as error:
        return None, str(error)
    return weights, ""


def _agreement(
    context: ProbeContext, agreement: Agreement, people: NDArray[np.int64], groups: tuple[tuple[str, ...], ...]
) -> Iterator[Measurement | Note]:
    """Yield the mean correlation of each pair of methods, coinciding ones counted once."""
    leaders = [group[0] for group in groups]
    for first, second in combinations(leaders, 2):
        alike = agreement.correlations(first, second).double().numpy()
        known = np.isfinite(alike)
        if not known.any():
            estimate = Estimate.not_measured("no face has a map by both methods")
        else:
            estimate = mean_over_people(alike[known], people[known], context.rules.level)
        yield context.measurement("agreement", estimate, slice={"other": second}, condition={"method": first})
    for group in groups:
        if len(group) > 1:
            yield Note(
                f"{', '.join(METHODS[name].title for name in group)} give the same maps on every face, so they count "
                "as one in agreement. Class activation maps coincide by construction where the gradient is the same at "
                "every position of the layer, as in front of an average over positions and one linear layer."
            )


def _how(params: ExplanationChecksParams, faces: int, kept: int, layers: Mapping[str, str | None]) -> str:
    found = ", ".join(dict.fromkeys(layer for layer in layers.values() if layer)) or "none"
    removed, steps, noisy = len(params.percentiles) * 2, 2 * (params.steps + 1), params.noisy_copies
    each = (removed + steps) * (1 + params.null_draws)
    told = (
        f"The predicted class was explained on {faces:,} faces; layers: {found}. For each method and face the model "
        f"ran {each:,} times for faithfulness (ROAD {removed}, deletion and insertion {steps}, and the same for maps "
        f"moved elsewhere), and {noisy} noisy copies were explained."
    )
    if params.draws:
        told += (
            f" For randomisation {kept:,} faces were explained with {params.draws} random nets, the weights of each "
            "tensor in another order; the class explained stayed the model's own answer."
        )
    return told
