"""The probe ``reachable_attacks``: attacks that stay where a face can really be touched."""

from __future__ import annotations

from collections.abc import Iterator

from ....core.probes import Note, Output, ProbeContext, probe
from ..conditions import Condition, at_chance, measure, measured_rows
from ..losses import Summary, nothing_to_lose, robustness_outputs
from ..strip import MOST_CONDITIONS, strip
from . import account
from .params import ReachableParams
from .reach import KIND, RANDOM, Reach, pairs

CLEAN = {KIND: "none"}


@probe(
    "reachable_attacks",
    version=1,
    title="Attacks where a face can be touched",
    pillar="robustness",
    params=ReachableParams,
    needs={"model", "images", "labels"},
    shows="How often makeup, the frame of glasses, a sticker or a smooth change of light, with colours searched for "
    "against this model, change a right answer, overall and by group, beside random colours in the same place; and how "
    "many of these flips outlast a camera.",
    hides="Whether a person could wear it: printing, light, pose and distance are not simulated. Attackers who search "
    "longer; patterns made for many pictures at once. An attack that fails proves nothing.",
    citation="Sharif et al. 2016, doi:10.1145/2976749.2978392; Brown et al. 2017, arXiv 1712.09665; Guo et al. 2019, "
    "arXiv 1809.08758; Andriushchenko et al. 2020, arXiv 1912.00049",
)
def reachable_attacks(context: ProbeContext, params: ReachableParams) -> Iterator[Output]:
    """Right answers lost to makeup, glasses, stickers and smooth changes, beside random colours."""
    rows = measured_rows(context, params.faces)
    tried, impossible = _split(context, params)
    for condition, reason in impossible:
        yield from nothing_to_lose(context, [condition.values], ("accuracy", "lost"), reason, len(rows))
    reason = at_chance(context, rows)
    if reason:
        unmeasured = [each.values for pair in tried for each in pair]
        yield from nothing_to_lose(context, unmeasured, ("accuracy", "lost"), reason, len(rows))
        return
    if not tried:
        return
    reach = Reach(context, params)
    landmarks = any(attack.name != "low_frequency" for attack, _ in tried)
    conditions = [each for pair in tried for each in pair]
    outcomes = measure(
        context, rows, conditions, reach, landmarks=landmarks, only_right=True, possible_to=reach.possible_to
    )
    yield Note(_settings(params, len(rows)))
    yield from account.notes(reach, tried)
    summaries = [
        Summary(each.values, (place,), each.title, by_group=searched, gaps=searched and each == _largest(tried, each))
        for place, each in enumerate(conditions)
        for searched in [not each.name.startswith(RANDOM)]
    ]
    yield from robustness_outputs(context, outcomes, summaries, tolerance=params.tolerance, clean=CLEAN)
    yield from account.survival_scores(reach, [attack for attack, _ in tried])
    compared = account.compare(context, outcomes, reach, tried)
    if compared:
        yield account.table(compared)
    yield from account.findings(context, compared, params.search)
    shown = [each for pair in tried for each in pair][:MOST_CONDITIONS]
    yield from strip(context, shown, reach, landmarks=landmarks, title="Faces under each attack and its control")


def _split(
    context: ProbeContext, params: ReachableParams
) -> tuple[list[tuple[Condition, Condition]], list[tuple[Condition, str]]]:
    """Return the attacks that this model's input has room for, and the others with the reason."""
    tried, impossible = [], []
    side = min(context.model.size)
    for pair in pairs(params):
        reason = ""
        if pair[0].name != "low_frequency" and context.faces.landmarks_kind == "none":
            reason = "the faces have no landmarks (data.landmarks in the plan)"
        elif pair[0].name == "low_frequency" and params.frequencies > side:
            reason = f"a crop of {side} pixels has {side} frequencies, and {params.frequencies} are asked for"
        if reason:
            impossible += [(each, reason) for each in pair]
        else:
            tried.append(pair)
    return tried, impossible


def _largest(tried: list[tuple[Condition, Condition]], condition: Condition) -> Condition:
    """Return the attack of the same name at its largest size; groups are compared there."""
    return [attack for attack, _ in tried if attack.name == condition.name][-1]


def _settings(params: ReachableParams, used: int) -> str:
    if params.search == "gradient":
        starts = "a random start" if params.restarts == 1 else f"up to {params.restarts} random starts"
        how = f"{params.steps} steps along the sign of the gradient from {starts}"
    else:
        how = f"the Square Attack with {params.queries} answers of the model" + (
            " for each place of a sticker" if "patch" in params.attacks and len(params.patch_places) > 1 else ""
        )
    return (
        f"Searched with {how}, until the answer changes; {used:,} labelled faces, of which those answered rightly are "
        "attacked. A face counts as right under an attack only if it is right without one too."
    )
