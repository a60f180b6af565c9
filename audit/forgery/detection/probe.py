"""The probe ``forgery_detection``: how well a detector tells forged from genuine faces, of which kind, for whom."""

from __future__ import annotations

from collections.abc import Iterator

from ....core.probes import Note, Output, ProbeContext, probe
from ....core.results import Estimate
from ....core.statistics.detection_rates import equal_error
from .beside_chance import beside_chance
from .findings import genuine_with_method, lost_under, one_sided, same_scores, side_missing
from .losses import Loss, ladder_outputs
from .material import UNIT, Scored, has_videos, methods_of, scored_faces
from .measuring import Depth, Measuring
from .params import DetectionParams
from .sign import is_turned, turned_finding
from .tables import OfMethod, about, densities_table, methods_table, roc_table
from .videos import Units, units_of


@probe(
    "forgery_detection",
    version=1,
    title="Forged faces told from genuine ones",
    pillar="performance",
    params=DetectionParams,
    needs={"labels"},
    tasks={"forgery"},
    shows="How well the model ranks forged faces above genuine ones (AUROC, equal error rate, average precision), and "
    "how many forgeries pass (APCER) and genuine faces are called forged (BPCER) at the stated threshold: of each way "
    "of forging, for each group, of compressed and small pictures, of frames and videos.",
    hides="Forgeries of other kinds than those in these data, and detectors that know the data: whether these pictures "
    "were trained on cannot be seen. What a forgery was made with is taken from the data as it stands.",
    citation="Fawcett 2006, Pattern Recognition Letters 27:861; ISO/IEC 30107-3:2023; Obuchowski 1997, Biometrics "
    "53:567; Roessler et al. 2019, arXiv 1901.08971",
)
def forgery_detection(context: ProbeContext, params: DetectionParams) -> Iterator[Output]:
    """AUROC, EER, AP, APCER and BPCER of a forgery detector, by method, group, compression, size and video."""
    faces = scored_faces(context)
    yield from _remarks(context, faces, params)
    yield from side_missing(context, faces)
    yield from same_scores(context, faces)
    measuring = Measuring(context, params, faces)
    units = units_of(context, faces) if has_videos(context) else None
    decided = units is not None and units.videos is not None  # then it is videos that something is decided of
    yield from measuring.outputs(faces, Depth(gaps=not decided))
    yield from _nulls(context)
    whole = about(measuring, faces)
    yield from _where_errors_are_equal(measuring, faces)
    methods = [about(measuring, faces, name) for name in faces.names]
    yield from one_sided(measuring, faces)
    if is_turned(whole.auroc):
        yield turned_finding(context, whole.auroc)
    yield from beside_chance(measuring, faces, methods, whole)
    yield from genuine_with_method(context, faces, methods_of(context)[faces.rows].tolist())
    if units is not None:
        yield from _units(measuring, faces, units)
    losses: list[Loss] = []
    yield from ladder_outputs(measuring, faces, losses)
    yield from lost_under(context, losses)
    yield from _tables(measuring, faces, [whole, *methods])


def _remarks(context: ProbeContext, faces: Scored, params: DetectionParams) -> Iterator[Note]:
    """Say what the numbers are of."""
    unlabelled = len(context.predictions) - len(faces.rows)
    if unlabelled:
        yield Note(f"{unlabelled:,} of {len(context.predictions):,} faces have no label and are left out.")
    yield Note(
        f"A face is called forged from a probability of {params.threshold:g} on. Of {len(faces.rows):,} labelled faces "
        f"{int(faces.forged.sum()):,} are forged."
    )
    if not faces.names and faces.forged.any():
        yield Note("Nothing says how faces were forged (data.forgeries.method): methods were not measured.")
    donors = context.faces.frame.get("donor")
    if donors is not None and "donor" not in context.faces.attributes:
        given = donors.iloc[faces.rows[faces.forged]]
        counts = given[given != ""].value_counts()
        if len(counts) and counts.iloc[0] > 1:
            yield Note(
                f"{int((counts > 1).sum()):,} of {len(counts):,} donors gave their face to several forgeries (at most "
                f"{int(counts.iloc[0])}). Intervals count the person in the picture, not the donor."
            )


def _nulls(context: ProbeContext) -> Iterator[Output]:
    """Yield what a score that knows nothing reaches, whoever the faces are."""
    for metric in ("auroc.null", "eer.null"):
        yield context.measurement(metric, Estimate(value=0.5, method="definition"))


def _where_errors_are_equal(measuring: Measuring, faces: Scored) -> Iterator[Output]:
    """Yield the threshold of the equal error rate on these faces."""
    if measuring.ranking("eer", faces).value is None:
        return
    found = equal_error(faces.scores, faces.forged)
    estimate = Estimate(value=found.threshold, method="definition", n=len(faces.rows))
    yield measuring.context.measurement("eer.threshold", estimate)


def _units(measuring: Measuring, faces: Scored, units: Units) -> Iterator[Output]:
    """Yield the measures of frames and videos."""
    if units.reason:
        none = faces.under(faces.scores, {UNIT: "video"})
        yield measuring.measurement("auroc", Estimate.not_measured(units.reason, n=len(faces.rows)), {}, none)
        yield Note(f"Videos were not scored: {units.reason}.")
        return
    for text in units.notes:
        yield Note(text)
    if not measuring.context.faces.has_subjects:
        yield Note(
            "Nobody is named, so the frames of one video count as one in intervals, and gaps between groups are tested "
            "for videos and for faces that name none."
        )
    if units.frames is not None:
        yield from measuring.outputs(units.frames, Depth(by_group=False, gaps=False))
    if units.videos is not None:
        yield from measuring.outputs(units.videos, Depth())


def _tables(measuring: Measuring, faces: Scored, methods: list[OfMethod]) -> Iterator[Output]:
    """Yield what figures are drawn from."""
    yield methods_table(methods)
    yield from roc_table(measuring, faces)
    yield from densities_table(measuring.context, faces)
