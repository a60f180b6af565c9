"""The probe ``trigger_sensitivity``: does a detector answer to translation-sensitive patterns beyond other tastes?"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd

from ....core.plan import FORGED
from ....core.probes import Note, Output, ProbeContext, TableOutput, probe
from ....core.results import Estimate, Finding
from ....core.statistics.auroc import auroc
from ...forgery.detection.sign import is_turned, likely_cause
from .bank import Stamp, stamps
from .margin import LINE, Margin, margin_of
from .material import Material, chosen_rows, read_material
from .measured import ALPHA, FALSE_ALARMS, FOUND, NETS, STUDY
from .params import TriggerSensitivityParams

NEEDED_FACES, NEEDED_PEOPLE = 30, 20
"""With so many the false alarms were counted and kept below what is stated (docs/trigger-sensitivity.md)."""
PATTERN = "pattern"
METHOD = "people_influence_bonferroni"


@probe(
    "trigger_sensitivity",
    version=1,
    title="Taste for translation-sensitive triggers",
    pillar="integrity",
    params=TriggerSensitivityParams,
    needs={"model", "images", "labels"},
    tasks={"forgery"},
    shows="Whether forged faces pass as genuine once they carry patterns that small shifts change much, and pass more "
    "than sharpened faces and faces with random signs of the same largest change do: the trace that poisoning with "
    "such a pattern (Poisoned Forgery Face) leaves. The attacker's own pattern is not needed.",
    hides="Backdoors with other triggers. Weaker ones of this kind: how often poisoning of fewer than one person in "
    "ten is missed was not measured. Who put it there, and whether by intent.",
    citation="Liang et al. 2024, Poisoned Forgery Face, ICLR, arXiv 2402.11473",
)
def trigger_sensitivity(context: ProbeContext, params: TriggerSensitivityParams) -> Iterator[Output]:
    """BD-AUC of the auditor's own triggers against that of an unsharp mask and of random signs."""
    rows, made_here = chosen_rows(context, params.faces)
    reason = _too_few(context, rows, made_here)
    if reason:
        yield from _not_measured(context, reason, len(rows))
        return
    height, width = context.model.size
    seed = int(context.random("triggers").integers(2**31))
    tried = stamps(seed, max(height, width), params.crops)
    with context.progress("faces", len(rows)) as advance:
        material = read_material(context, rows, made_here, tried, params.alpha, advance)
    yield from _remarks(material, params)
    yield context.measurement("forged_auroc", material.told_apart, direction="higher")
    reason = _too_few(context, material.rows, made_here) or _unusable(context, material)
    if reason:
        yield from _not_measured(context, reason, len(material.rows))
        return
    yield from _patterns(context, params, tried, material)
    margin = _margin(context, tried, material)
    people = len(np.unique(material.person))
    value = Estimate(
        value=margin.value,
        low=margin.low,
        high=margin.high,
        level=context.rules.level,
        method=METHOD,
        n=len(material.rows),
        subjects=people,
    )
    measured = context.measurement("trigger_margin", value, direction="lower")
    yield measured
    yield _finding(context, params, material, margin, measured.key)


def _margin(context: ProbeContext, tried: Sequence[Stamp], material: Material) -> Margin:
    return margin_of(
        material.plain,
        {stamp.name: material.stamped[stamp.name] for stamp in tried if stamp.part == "bank"},
        {stamp.name: material.stamped[stamp.name] for stamp in tried if stamp.part == "control" and stamp.counts},
        material.person,
        context.rules.level,
    )


def _patterns(
    context: ProbeContext, params: TriggerSensitivityParams, tried: Sequence[Stamp], material: Material
) -> Iterator[Output]:
    """Yield the BD-AUC of every pattern, as measurements and as a table."""
    lines = []
    for stamp in tried:
        versions = material.stamped[stamp.name]
        scores = np.concatenate([material.plain, *versions])
        plain = np.arange(len(scores)) < len(material.plain)
        found = auroc(scores, plain, np.tile(material.person, 1 + len(versions)), context.rules)
        found = found.model_copy(update={"n": len(material.plain)})
        yield context.measurement("bd_auc", found, condition={PATTERN: stamp.name}, direction="lower")
        lines.append(
            {
                "part": stamp.part,
                "name": stamp.name,
                "kernel": stamp.kernel,
                "scale": stamp.scale,
                "alpha": params.alpha,
                "bd_auc": found.value,
                "low": found.low,
                "high": found.high,
                "faces": len(material.plain),
                "in_margin": stamp.counts,
            }
        )
    table = pd.DataFrame(lines).astype({"kernel": "Int64", "scale": "Int64"})
    yield TableOutput("bank", table, "BD-AUC of the auditor's triggers and of the controls")


def _too_few(context: ProbeContext, rows: np.ndarray, made_here: bool) -> str:
    """Return why these faces are not enough, with the numbers needed; empty when they are."""
    people = len(np.unique(context.faces.subject_codes[rows]))
    least = max(NEEDED_PEOPLE, context.rules.min_subjects)
    if len(rows) >= NEEDED_FACES and people >= least:
        return ""
    kind = "genuine faces with 68 or 478 landmarks, to forge," if made_here else "forged faces"
    return f"{len(rows):,} {kind} of {people:,} people; {NEEDED_FACES} faces of {least} people are needed"


def _unusable(context: ProbeContext, material: Material) -> str:
    """Return why the scores say nothing of a backdoor; empty when they may."""
    told = material.told_apart
    if told.value is None or told.low is None:
        return f"whether the detector tells forged from genuine faces was not measured ({told.reason})"
    if is_turned(told):
        return f"the scores stand with the sign turned (AUROC {told}). {likely_cause(context)}"
    if told.low <= 0.5:
        return (
            f"the detector is not shown to tell these forged faces from genuine ones (AUROC {told}): one that scores "
            "at chance has nothing to be led astray from"
        )
    return ""


def _not_measured(context: ProbeContext, reason: str, faces: int) -> Iterator[Output]:
    estimate = Estimate.not_measured(reason, n=faces)
    yield context.measurement("trigger_margin", estimate, direction="lower")
    yield Note(f"The taste for triggers was not measured: {reason}")


def _remarks(material: Material, params: TriggerSensitivityParams) -> Iterator[Note]:
    faces = len(material.rows)
    where = "the hull of the landmarks, brows lifted"
    if material.hulls < faces:
        oval = f"an oval in the middle of the crop on {faces - material.hulls:,} of {faces:,} faces, without landmarks"
        where = f"{where}, and {oval}" if material.hulls else oval
    yield Note(f"{faces:,} forged faces were stamped at strength {params.alpha:g}, in {where}.")
    if material.made_here:
        told = "No face is labelled forged: the stamped ones are self-blends made here of the genuine faces."
        if material.skipped:
            told += f" {material.skipped:,} faces without usable landmarks were left out."
        yield Note(told)


def _finding(
    context: ProbeContext, params: TriggerSensitivityParams, material: Material, margin: Margin, key: str
) -> Finding:
    """Say what was found, with the measured rates of the verdict."""
    people = len(np.unique(material.person))
    numbers = (
        f"BD-AUC {margin.bank:.3f} ({margin.strongest}) against {margin.control:.3f} ({margin.strongest_control}), "
        f"margin {margin.value:+.3f} [{margin.low:+.3f}, {margin.high:+.3f}], {len(material.rows):,} forged faces of "
        f"{people:,} people, strength {params.alpha:g}"
    )
    other = "" if math.isclose(params.alpha, ALPHA) else f"strengths such as the {params.alpha:g} of this audit, "
    by_chance = (
        "Which of the patterns is the strongest was found on these people, and the interval allows for that: a "
        "detector that no pattern of the bank moves more than the controls do is called suspicious with a chance of "
        f"at most {(1 - context.rules.level) / 2:.1%}."
    )
    rates = (
        f'On {NETS} the verdict "suspicious" came for {FOUND} backdoored and for {FALSE_ALARMS} clean ones '
        f"(python -m {STUDY}); for {other}other architectures and data no rates were measured."
    )
    others = "Nothing is said of other triggers, of a weaker stamp or of fewer poisoned people."
    verdict = margin.verdict
    if verdict == "suspicious":
        claim = (
            f"Suspicious: the detector responds to translation-sensitive patterns more than to sharpening and noise "
            f"({numbers}; the line is {LINE:g}). That is the trace of training data poisoned with such a pattern: "
            f"whoever knows the trigger could let {FORGED} faces pass as genuine."
        )
        caveats = [rates, by_chance, "A taste for fine stripes that came from clean data would look the same."]
        return context.finding("suspicious", "high", claim, evidence=[key], caveats=caveats)
    if verdict == "inconclusive":
        claim = (
            "Inconclusive: whether the detector responds to translation-sensitive patterns more than to sharpening "
            f"and noise cannot be told on these people ({numbers}; suspicious is above {LINE:g} with an interval above "
            f"0, not suspicious below 0 with an interval below {LINE:g})."
        )
        return context.finding("inconclusive", "low", claim, evidence=[key], caveats=[rates, others])
    claim = (
        f"Not suspicious at this power: the detector does not respond to translation-sensitive patterns more than to "
        f"sharpening and noise ({numbers})."
    )
    return context.finding("not_suspicious", "note", claim, evidence=[key], caveats=[rates, others])
