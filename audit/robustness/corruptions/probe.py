"""The probe ``corruptions``: how often the model is still right when the picture went bad."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from ....core.faces import FaceBatch
from ....core.probes import Note, Output, ProbeContext, probe
from ..conditions import NONE, Condition, Perturbed, at_chance, measure, measured_rows
from ..losses import nothing_to_lose, robustness_outputs
from ..quality import quality_of
from ..strip import strip
from .catalogue import GROUPS, corrupt
from .errors import findings, mean_errors
from .lengths import PUBLISHED_SIDE
from .params import CorruptionParams
from .told import KIND, STRENGTH, conditions_of, summaries_of

CLEAN = {KIND: NONE, STRENGTH: "0"}


@probe(
    "corruptions",
    version=1,
    title="Natural corruptions",
    pillar="robustness",
    params=CorruptionParams,
    needs={"model", "images"},
    tasks={"expression", "forgery", "action_units", "valence_arousal"},
    shows="How many right answers are lost when the picture is noisy, blurred, snowed on, compressed, dark or "
    "otherwise bad, at up to five severities, overall and by group, and which group loses most.",
    hides="Corruptions other than these, several at once, and what happens to the detector before the crop. How often "
    "each is met in use. Whether an answer that stays the same is right.",
    citation="Hendrycks and Dietterich 2019, arXiv 1903.12261; Michaelis et al. 2019, arXiv 1907.07484",
)
def corruptions(context: ProbeContext, params: CorruptionParams) -> Iterator[Output]:
    """Answers to the same faces under noise, blur, weather, compression, bad light and few pixels."""
    rows = measured_rows(context, params.faces)
    conditions = conditions_of(params.names, params.severities)
    reason = at_chance(context, rows)
    if reason:
        keys = [condition.values for condition in conditions]
        yield from nothing_to_lose(context, keys, [quality_of(context.predictions).metric], reason, len(rows))
        return
    # Every use of the probe in a plan corrupts a face alike.
    seed = int(replace(context, probe_id="corruptions").random("draws").integers(2**63))

    def perturb(condition: Condition, batch: FaceBatch) -> Perturbed:
        return Perturbed(corrupt(condition.name, batch.pixels, batch.rows, int(condition.size), seed))

    outcomes = measure(context, rows, conditions, perturb)
    yield Note(_settings(context, params, len(rows)))
    summaries = list(summaries_of(outcomes, params.names, params.severities))
    yield from robustness_outputs(context, outcomes, summaries, tolerance=params.tolerance, clean=CLEAN)
    yield from mean_errors(outcomes, params.names)
    yield from findings(context, outcomes, params.names, params.severities)
    shown = str(params.severities[len(params.severities) // 2])
    telling = [condition for condition in conditions if condition.size == shown]
    yield from strip(context, telling, perturb, title=f"Every corruption at severity {shown}")


def _settings(context: ProbeContext, params: CorruptionParams, count: int) -> str:
    height, width = context.model.size
    share = min(height, width) / PUBLISHED_SIDE
    lengths = ""
    if share != 1:
        lengths = (
            f" Radii and other lengths of the tables, which are for {PUBLISHED_SIDE} pixels, are multiplied by "
            f"{share:.3g}: a severity hides the same share of a face. Noise and JPEG blocks are those of this crop."
        )
    pane = " The frozen pane of `frost` is made, not photographed." if "frost" in params.names else ""
    own = " The sizes of the family `face` are set here." if set(params.names) & set(GROUPS["face"]) else ""
    return (
        f"{len(params.names)} corruptions at severities {', '.join(map(str, params.severities))} on {count:,} faces, "
        f"on the crop of {width} x {height} pixels as the model is given it.{lengths}{pane}{own} What chance decides "
        "of a face depends on the plan's seed and the face alone, and is the same at every severity."
    )
