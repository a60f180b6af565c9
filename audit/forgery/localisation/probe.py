"""The probe ``forgery_localisation``: do a detector's heatmaps show where the face was changed?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Generator, Iterator, Mapping, Set
from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ....core.plan import FORGED, GENUINE
from ....core.probes import Note, Output, ProbeContext, Scores, TableOutput, probe
from ....core.results import Estimate
from ....core.statistics.auroc import auroc
from ....core.statistics.slicing import slice_scores
from ....explain.attribution.method import Built
from ....explain.attribution.registry import METHODS, build_explainers
from ....explain.attribution.source import LayerError
from ....explain.heatmaps.selection import draw_faces
from ..detection.material import UNSAID, methods_of
from ..sources import source_photos
from .examples import examples
from .findings import HALF, Told, findings_of, masks_finding
from .masks import read_masks
from .measuring import Explaining, MapScores, score_maps
from .params import LocalisationParams
from .scoring import AT_AREA, AUROC, BLANK, ENERGY, HOLDS, IOU, ONES, SHARE, SPREAD
from .scoring import GENUINE as GENUINE_NULL

TITLES: Mapping[str, str] = {
    f"{IOU}.over_{ONES}": "overlap of the heatmap with the changed region, beyond that of a white map",
    AUROC: "probability that a changed pixel is brighter in the heatmap than another",
}
"""Scores whose gap between groups is measured, and what a sentence calls them.

Bare overlap is none of them: it hangs on how large the masks are, and they may differ between groups."""
_BY_GROUP = (IOU, AUROC, f"{IOU}.over_{ONES}", f"{AUROC}.over_{GENUINE_NULL}")
_NO_MASKS = "no forged face names a mask: name their column with data.forgeries.mask in the plan"


@probe(
    "forgery_localisation",
    version=1,
    title="Where the detector sees the forgery",
    pillar="explanation",
    params=LocalisationParams,
    needs={"model", "images", "labels"},
    tasks={"forgery"},
    shows="Whether heatmaps of forged faces for the class forged lie where the faces were changed: overlap with the "
    "mask, and how often a changed pixel is brighter than another, beside a map that is white everywhere, a spot in "
    "the middle, the masks of other people's forgeries, and the same detector's maps of genuine photos.",
    hides="Whether the forgery is detected (forgery_detection). Evidence finer than the layer's grid. Forgeries "
    "without a mask. A forgery may leave traces outside its mask, such as a codec's, which a detector may well use.",
    citation="Selvaraju et al. 2017 (Grad-CAM); Otsu 1979, IEEE Transactions on Systems, Man, and Cybernetics 9(1)",
)
def forgery_localisation(context: ProbeContext, params: LocalisationParams) -> Iterator[Output]:
    """Heatmaps of forged faces against the masks of what was changed."""
    labels, classes = context.predictions.labels, context.predictions.classes
    everyone = np.flatnonzero(labels == classes.index(FORGED)).astype(np.int64)
    genuine = np.flatnonzero(labels == classes.index(GENUINE)).astype(np.int64)
    if "mask" not in context.faces.frame or "mask" in context.faces.attributes:
        yield from _nothing(context, _NO_MASKS, len(everyone))
        return
    named = (context.faces.frame["mask"] != "").to_numpy()
    forged = _forged_as(context, everyone)
    wanted = [
        rows for kind in _kinds(forged, everyone) if len(rows := everyone[named[everyone] & (forged[everyone] == kind)])
    ]
    if not wanted:
        yield from _nothing(context, _NO_MASKS, len(everyone))
        return
    built = build_explainers(
        context.model, params.methods, layer=params.layer, batch_size=context.batch_size, settings=params.settings
    )
    if params.method in built.unavailable:
        if params.layer is not None:
            raise LayerError(built.unavailable[params.method])
        yield from _nothing(context, built.unavailable[params.method], len(everyone))
        return
    people = context.faces.subject_codes
    drawn = [draw_faces(rows, people[rows], params.faces, context.random("faces", forged[rows[0]])) for rows in wanted]
    rows = np.sort(np.concatenate(drawn))
    masks = read_masks(context.faces, rows)
    scored = np.array([row for row in rows.tolist() if row in masks.packed], dtype=np.int64)
    sources = source_photos(context.faces, scored, genuine)
    partners = _partners(context, scored, genuine, sources)
    explaining = Explaining(
        context.faces,
        context.model,
        built.explainers,
        classes.index(FORGED),
        context.batch_size,
        int(context.random("maps").integers(2**62)),
    )
    with context.progress("faces", len(scored)) as advance:
        draw = _others(context, scored, params.other_masks)
        found, truth = score_maps(explaining, masks, scored, partners, sources.keys(), draw, advance)
    wrong = yield from _masks_true(context, truth, forged)
    yield from _measured(context, params, found, forged, genuine, wrong)
    yield from _further(context, params, built, found)
    yield from examples(context, explaining, params.method, masks, found[params.method], forged)
    yield Note(_how(context, params, explaining, found[params.method], len(scored), partners))
    yield from _left_out(masks.left_out, found[params.method], int((~named[everyone]).sum()), int(named[genuine].sum()))


def _forged_as(context: ProbeContext, rows: NDArray[np.int64]) -> NDArray[np.object_]:
    """Return how each face was forged, (n,); empty texts where no forged face says it.

    Args:
        context: of the probe.
        rows: the forged faces.
    """
    told = methods_of(context)
    return told if set(told[rows].tolist()) - {UNSAID} else np.full(len(told), "", dtype=object)


def _kinds(forged: NDArray[np.object_], rows: NDArray[np.int64]) -> list[str]:
    return sorted(set(forged[rows].tolist()))


def _partners(
    context: ProbeContext, rows: NDArray[np.int64], genuine: NDArray[np.int64], sources: Mapping[int, int]
) -> dict[int, int]:
    """Give each forged face a genuine photo: the one it may be made of, where its person has any, or anyone's."""
    if not len(genuine):
        return {}
    names = context.faces.frame["face_id"].to_numpy(dtype=object)
    found = {}
    for row in rows.tolist():
        anyone = int(context.random("genuine", str(names[row])).integers(len(genuine)))
        found[row] = sources.get(row, int(genuine[anyone]))
    return found


def _others(context: ProbeContext, rows: NDArray[np.int64], count: int) -> Callable[[int], NDArray[np.int64]]:
    """Return what draws forged faces of other people than a face's own."""
    people = context.faces.subject_codes
    names = context.faces.frame["face_id"].to_numpy(dtype=object)

    def draw(row: int) -> NDArray[np.int64]:
        others = rows[people[rows] != people[row]]
        random = context.random("other masks", str(names[row]))
        return random.choice(others, min(count, len(others)), replace=False) if len(others) else others

    return draw


def _measured(
    context: ProbeContext,
    params: LocalisationParams,
    found: Mapping[str, MapScores],
    forged: NDArray[np.object_],
    genuine: NDArray[np.int64],
    wrong: Set[str],
) -> Iterator[Output]:
    """Yield the scores of the method spoken of, over all forged faces and by way of forging, with findings.

    Of ways of forging whose masks are wrong nothing is claimed.
    """
    rows, columns = found[params.method].columns()
    if not len(rows):
        reason = "no forged face has a mask to score against"
        yield from _nothing(context, reason, 0)
        return
    kinds = _kinds(forged, rows)
    several = len(kinds) > 1
    # Every way of forging has a claim of its own, so each is held to a stricter level.
    strict = replace(context.rules, level=1 - (1 - context.rules.level) / max(1, len(kinds)))
    lines = []
    for kind in ["", *kinds] if several else [""]:
        of = forged[rows] == kind if kind else np.ones(len(rows), dtype=np.bool_)
        slice = {"method": kind} if kind else {}
        scores = {name: _score(name, rows[of], values[of], slice, params.tolerance) for name, values in columns.items()}
        yield from scores.values()
        detection = _detection(context, rows[of], genuine)
        people = context.faces.subject_codes
        told = {
            name: slice_scores(each, people, (), strict, context.probe_id)[0].estimate for name, each in scores.items()
        }
        named = kind or kinds[0]
        if (kind or not several) and named not in wrong:
            yield from findings_of(context, Told(named, slice, METHODS[params.method].title, told, detection, wrong))
        usual = {
            name: slice_scores(each, people, (), context.rules, context.probe_id)[0].estimate
            for name, each in scores.items()
        }
        lines.append(_line(kind or "all", int(of.sum()), len(np.unique(people[rows[of]])), usual, detection))
    yield TableOutput("methods", pd.DataFrame(lines), "Heatmaps against what was changed, by way of forging")


def _masks_true(
    context: ProbeContext, truth: MapScores, forged: NDArray[np.object_]
) -> Generator[Output, None, frozenset[str]]:
    """Yield how far the masks mark what was changed; return the ways of forging whose masks mark something else."""
    rows, columns = truth.columns()
    kinds = _kinds(forged, rows)
    wrong = set()
    for kind in kinds:
        of = forged[rows] == kind
        slice = {"method": kind} if len(kinds) > 1 else {}
        scores = {name: _score(name, rows[of], values[of], slice, 0.0) for name, values in columns.items()}
        yield from scores.values()
        people = context.faces.subject_codes
        strict = replace(context.rules, level=1 - (1 - context.rules.level) / len(kinds))
        told = {
            name: slice_scores(each, people, (), strict, context.probe_id)[0].estimate for name, each in scores.items()
        }
        half = columns[HOLDS][of] - columns[f"{HOLDS}.null_{SHARE}"][of] / 2
        told[HALF] = slice_scores(
            Scores(HALF, rows[of], half, bounds=(-0.5, 1.0)), people, (), strict, context.probe_id
        )[0].estimate
        finding = masks_finding(context, kind, slice, told)
        if finding is not None:
            wrong.add(kind)
            yield finding
    return frozenset(wrong)


def _score(
    name: str,
    rows: NDArray[np.int64],
    values: NDArray[np.float64],
    slice: Mapping[str, str],
    tolerance: float,
    explained_by: Mapping[str, str] | None = None,
) -> Scores:
    known = np.isfinite(values)
    margin, null = ".over_" in name, ".null_" in name
    return Scores(
        name,
        rows[known],
        values[known],
        kind="rate" if name == BLANK else "mean",
        bounds=(-1.0, 1.0) if margin else (0.0, 1.0),
        direction="lower" if name == BLANK else "none" if null else "higher",
        slice=slice,
        condition=explained_by or {},
        by_group=name in _BY_GROUP and not explained_by,
        gaps=name in TITLES and not slice and not explained_by,
        title=TITLES.get(name, ""),
        tolerance=tolerance if name in TITLES else None,
        keep=name in _BY_GROUP and not slice and not explained_by,
    )


def _detection(context: ProbeContext, rows: NDArray[np.int64], genuine: NDArray[np.int64]) -> Estimate:
    """Return how well the detector's own scores tell these faces from the genuine ones."""
    both = np.concatenate([rows, genuine])
    place = context.predictions.classes.index(FORGED)
    positive = np.arange(len(both)) < len(rows)
    people = context.faces.subject_codes[both]
    return auroc(context.predictions.probabilities[both, place], positive, people, context.rules)


def _line(
    kind: str, faces: int, people: int, told: Mapping[str, Estimate], detection: Estimate
) -> dict[str, str | float | int | None]:
    line: dict[str, str | float | int | None] = {"method": kind, "faces": faces, "people": people}
    for name, each in told.items():
        line[name] = each.value
        if ".null_" not in name:
            line |= {f"{name}_low": each.low, f"{name}_high": each.high}
    line["detection_auroc"] = detection.value
    line["reason"] = next((each.reason for each in told.values() if each.reason), "")
    return line


def _further(
    context: ProbeContext, params: LocalisationParams, built: Built, found: Mapping[str, MapScores]
) -> Iterator[Output]:
    """Yield the scores of further methods of explanation, over all forged faces."""
    for method in params.methods[1:]:
        condition = {"explained_by": method}
        rows, columns = found[method].columns() if method in found else (np.empty(0, dtype=np.int64), {})
        if len(rows):
            for name, values in columns.items():
                yield _score(name, rows, values, {}, params.tolerance, condition)
        else:
            reason = built.unavailable.get(method) or "no forged face has a mask to score against"
            for name in (IOU, AT_AREA, AUROC, ENERGY):
                missing = Estimate.not_measured(reason)
                yield context.measurement(name, missing, condition=condition, direction="higher")


def _nothing(context: ProbeContext, reason: str, faces: int) -> Iterator[Output]:
    for name in (IOU, AT_AREA, AUROC, ENERGY):
        yield context.measurement(name, Estimate.not_measured(reason, n=faces), direction="higher")
    yield Note(f"No heatmap was scored: {reason}.")


def _how(
    context: ProbeContext,
    params: LocalisationParams,
    explaining: Explaining,
    found: MapScores,
    faces: int,
    partners: Mapping[int, int],
) -> str:
    layer = next((each.layer_name for each in explaining.explainers if params.method in each.methods), None)
    title = METHODS[params.method].title + (f" at the layer {layer}" if layer else "")
    told = (
        f"{title}, of the score of the class forged, on {faces:,} forged faces, at most {params.faces} of each way of "
        f"forging, each person once before anyone twice. Overlap at Otsu's threshold of each map ({IOU}) and of as "
        f"many of its brightest pixels as the mask has ({AT_AREA}). The spot in the middle has a standard deviation "
        f"of {SPREAD:g} of the crop's sides; each map is held against up to {params.other_masks} masks of other "
        "people's forgeries."
    )
    if not partners:
        return told + " There is no genuine photo to compare with."
    people = context.faces.subject_codes
    same = sum(bool(people[row] == people[other]) for row, other in partners.items())
    told += f" Beside each stands a genuine photo, of the same person for {same:,} of {len(partners):,}."
    if found.blank_genuine:
        told += (
            f" Of {found.blank_genuine:,} of these photos the map is blank, there being no evidence of a forgery: they "
            "count as maps that are the same everywhere."
        )
    return told


def _left_out(masks: Mapping[int, str], found: MapScores, unnamed: int, genuine: int) -> Iterator[Note]:
    """Say which forged faces were not scored, and why."""
    if found.blank:
        why = "; ".join(f"{reason} ({count:,})" for reason, count in found.blank.items())
        yield Note(
            f"Of {len(found.rows):,} forged faces {found.blank.total():,} have a blank heatmap: {why}. It counts as "
            "one that is the same everywhere, with what chance scores."
        )
    reasons = dict(Counter(masks.values()))
    if unnamed:
        reasons["the manifest names no mask"] = unnamed
    if reasons:
        told = "; ".join(f"{reason} ({count:,})" for reason, count in reasons.items())
        yield Note(f"Forged faces that were not scored: {told}.")
    if genuine:
        yield Note(f"The manifest names a mask for {genuine:,} genuine faces too; they were not looked at.")
