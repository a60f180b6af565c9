"""The probe ``data_scan``: which images of the data look poisoned, and how often such a flag is wrong."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd

from ....core.keys import format_key
from ....core.probes import Note, Output, ProbeContext, Scores, TableOutput, probe
from ....core.results import Estimate, Finding
from .judging import NO_CLEAN
from .material import HULLS, Material, read_material
from .measuring import Outcome, outcome_of
from .params import DataScanParams

ALPHA = 0.05
TITLES = {
    "laplacian": "fine detail in the face",
    "spectral": "spectral signatures",
    "clustering": "clusters of activations",
}
NOT_POISON = (
    "Another camera, size, sharpening or compression than the clean images' raises such flags, too, and so does darker "
    "skin, since fine detail is taken relative to the brightness: look at the flagged images before anything is thrown "
    "away."
)


@probe(
    "data_scan",
    version=1,
    title="Poisoned training images",
    pillar="integrity",
    params=DataScanParams,
    needs={"model", "images"},
    tasks={"expression", "forgery", "action_units", "valence_arousal"},
    shows="Which images carry more fine detail in the face than clean ones do, which lie far out or in a cluster of "
    "their own among the embeddings of their class; how many clean images are flagged, how many stamped by the audit "
    "itself are found, and how many flags would be right at an assumed poisoned share.",
    hides="Triggers that add no fine detail and that the model's embedding does not show, such as patches, warps and "
    "sums of low frequencies. Whether a flagged image is poisoned: at most the printed share of them is.",
    citation="Liang et al. 2024, arXiv 2402.11473; Tran et al. 2018, arXiv 1811.00636; Chen et al. 2018, arXiv "
    "1811.03728",
)
def data_scan(context: ProbeContext, params: DataScanParams) -> Iterator[Output]:
    """Flags of training images by three methods, each with its false-alarm rate, power, and share of right flags."""
    material = read_material(context, params)
    yield from _remarks(context, params, material)
    outcomes = [outcome_of(context, params, material, method) for method in params.methods]
    scanned = material.scanned
    known = np.isfinite(scanned.detail)
    if known.any():
        yield Scores("fine_detail", scanned.rows[known], scanned.detail[known], title="fine detail in the face")
    tested = [outcome for outcome in outcomes if outcome.p is not None]
    for outcome in outcomes:
        yield from _outputs(context, params, material, outcome, len(tested))
    yield TableOutput("scan", _table(params, outcomes), "Images that look poisoned, by method")


def _remarks(context: ProbeContext, params: DataScanParams, material: Material) -> Iterator[Note]:
    scanned, clean = material.scanned, material.clean
    against = "no photos known to be clean were named: thresholds come from the data themselves by a robust rule, and "
    against += "their false-alarm rate is nominal, not measured"
    if clean is not None:
        people = len(np.unique(clean.people))
        against = f"thresholds come from {len(clean):,} photos of {people:,} people named as clean"
        shared = len(np.intersect1d(clean.people, scanned.people))
        if shared:
            against += f", {shared:,} of whom are among the scanned, too, and are not judged by photos of themselves"
    yield Note(f"{len(scanned):,} images of {len(np.unique(scanned.people)):,} people were scanned; {against}.")
    ovals = scanned.ovals + (clean.ovals if clean is not None else 0)
    if context.faces.landmarks_kind not in HULLS:
        yield Note("There are no 68 or 478 landmarks: a central oval stands in for the hull of the face.")
    elif ovals:
        yield Note(f"{ovals:,} images have no landmarks: a central oval stands in for the hull of their face.")
    if material.embedding:
        yield Note(f"Embeddings are {material.embedding}.")
    most = 100 * params.assumed_share
    yield Note(
        f"Power was measured with the audit's own translation-sensitive stamp, alpha {params.alpha:g}, on "
        f"{'clean' if clean is not None else 'scanned'} images for fine detail and on {most:g} % of the scanned people "
        "for embeddings, by this model, which need not have learned that stamp."
    )


def _outputs(
    context: ProbeContext, params: DataScanParams, material: Material, outcome: Outcome, tests: int
) -> Iterator[Output]:
    where: dict[str, str] = {"method": outcome.method}
    scanned = material.scanned
    title = TITLES[outcome.method]
    if outcome.share.value is None:
        yield context.measurement("flagged", outcome.share, condition=where, direction="lower")
        return
    judged = outcome.scanned.judged
    yield Scores(
        "flagged",
        scanned.rows[judged],
        outcome.scanned.flagged[judged].astype(np.float64),
        kind="rate",
        bounds=(0.0, 1.0),
        direction="lower",
        condition=where,
        gaps=True,
        tolerance=params.tolerance,
        title=f"share of images flagged by {title}",
        exact=True,
    )
    yield context.measurement("false_alarms", outcome.false_alarms, condition=where, direction="lower")
    stamp = {**where, "alpha": f"{params.alpha:g}"}
    yield context.measurement("stamped_found", outcome.found, condition=stamp, direction="higher")
    yield context.measurement("stamped_auroc", outcome.auroc, condition=stamp, direction="higher")
    assumed = {**where, "poisoned": f"{params.assumed_share:g}"}
    yield context.measurement("flags_right_at_most", outcome.right_at_most, condition=assumed, direction="higher")
    yield context.measurement("flags_right", outcome.right, condition=assumed, direction="higher")
    for name, reason in outcome.scanned.reasons.items():
        yield Note(f"{title.capitalize()}: {name or 'all images'} not judged: {reason}.")
    if outcome.p is None:
        reason = f"{NO_CLEAN}: whether more is flagged than chance explains cannot be told"
        unknown = Estimate.not_measured(reason, n=outcome.people)
        yield context.measurement("flags_beyond_chance.p", unknown, condition=where)
        return
    p = min(1.0, outcome.p * tests)
    yield context.measurement("flags_beyond_chance.p", Estimate(value=p, n=outcome.people), condition=where)
    if p <= ALPHA and outcome.scanned.flagged.any():
        yield _finding(context, params, outcome, p)


def _finding(context: ProbeContext, params: DataScanParams, outcome: Outcome, p: float) -> Finding:
    where: dict[str, str] = {"method": outcome.method}
    flagged, judged = int(outcome.scanned.flagged.sum()), int(outcome.scanned.judged.sum())
    right = outcome.right_at_most.value or 0.0
    share = (
        f"at {params.assumed_share:.0%} poisoned images at most {right:.0%} of the flags would be right"
        if outcome.method != "clustering"
        else "how many of them are poisoned is not known"
    )
    if outcome.people_flagged is None:
        what = (
            f"{flagged:,} of {judged:,} images lie in a cluster of their own within their class, further off than in "
            "clean photos of as many people (one image each)"
        )
    else:
        what = (
            f"{outcome.people_flagged:,} of {outcome.people:,} people (one image each, against one of each clean "
            f"person) are flagged by {TITLES[outcome.method]}, more than false alarms at "
            f"{params.false_alarm_rate:.0%} explain"
        )
    caveats = [NOT_POISON]
    if outcome.method != "laplacian":
        caveats.append(
            "Embeddings also differ by pose, light and group; a stamp that the net did not learn hardly shows in them "
            "(the power measured beside)."
        )
    evidence = [
        format_key(context.probe_id, "flagged", None, where),
        format_key(context.probe_id, "flags_beyond_chance.p", None, where),
    ]
    return context.finding(
        f"flagged_{outcome.method}",
        "medium" if outcome.method == "laplacian" else "low",
        f"{what}; {share}.",
        evidence=evidence,
        caveats=caveats,
        p_adjusted=p,
    )


def _table(params: DataScanParams, outcomes: Sequence[Outcome]) -> pd.DataFrame:
    lines = []
    for outcome in outcomes:
        measured = outcome.share.value is not None
        line: dict[str, object] = {
            "method": outcome.method,
            "flagged": int(outcome.scanned.flagged.sum()) if measured else None,
            "faces": int(outcome.scanned.judged.sum()),
            "people": outcome.people,
            "false_alarm_rate": params.false_alarm_rate,
            "calibration": "clean photos" if outcome.calibrated else "robust rule",
            "assumed_share": params.assumed_share,
            "expected_right_at_most": outcome.right_at_most.value,
            "expected_right": outcome.right.value,
            "alpha": params.alpha,
            "p": outcome.p,
            "reason": outcome.share.reason or "",
        }
        for name in ("share", "false_alarms", "found", "auroc"):
            estimate: Estimate = getattr(outcome, name)
            line |= {name: estimate.value, f"{name}_low": estimate.low, f"{name}_high": estimate.high}
        lines.append(line)
    return pd.DataFrame(lines)
