"""The probe ``integrity``: whether the model was asked as it wants to be asked, and answers for the face alone."""

from __future__ import annotations

from collections.abc import Iterator

from ...core.probes import CLASSIFICATION, Note, Output, ProbeContext, probe
from ...core.results import Estimate
from .class_order import class_order
from .fit import labelled
from .formats import formats
from .material import Material
from .modes import mode, modes_of
from .params import IntegrityParams
from .precision import device, types
from .preprocessing import preprocessing
from .readback import resized, saved
from .repetition import alone_or_in_batch, batch_order, same_twice, threads
from .sanity import sanity
from .verdicts import Check, checklist

PASSES = 16
"""About how many times each face is asked about, for the progress display."""


@probe(
    "integrity",
    version=1,
    title="Integrity of the audit itself",
    pillar="integrity",
    params=IntegrityParams,
    needs={"model"},
    tasks=CLASSIFICATION | {"action_units", "valence_arousal"},
    shows="Whether an answer depends on the face alone (not on chance, on the batch, on how numbers are computed or "
    "files are kept), and whether the labels say that classes, channels or normalisation stand otherwise in the plan "
    "than in the net.",
    hides="Mistakes of preparation that change few answers, or that these labels cannot show; whether the labels are "
    "right. What was not checked is listed with the reason.",
    citation="Kuhn 1955, Naval Research Logistics 2:83; Guo et al. 2017, arXiv 1706.04599",
)
def integrity(context: ProbeContext, params: IntegrityParams) -> Iterator[Output]:
    """Twenty-odd cheap checks of target, faces and labels against each other, as a checklist."""
    rows = min(params.faces, len(context.faces))
    with context.progress("answers", rows * PASSES) as advance:
        material = Material.read(context, params.faces, advance)
        checks = list(_checks(material, params))
    yield Note(
        f"Checked on {len(material):,} of {len(context.faces):,} faces"
        + (", spread over people." if len(material) < len(context.faces) else ".")
    )
    differing = [check for check in checks if check.verdict == "differs"]
    judged = [check for check in checks if check.verdict != "not checked"]
    number = float(len(differing))
    # The number is known and not sampled: its limits are itself, so that a gate can judge it.
    count = Estimate(
        value=number, low=number, high=number, level=context.rules.level, method="counted", n=len(judged), unit="checks"
    )
    yield context.measurement("checks_that_differ", count, direction="lower")
    for check in checks:
        yield from check.measurements
        yield from check.further
        finding = check.finding(context)
        if finding is not None:
            yield finding
    yield checklist(checks)


def _checks(material: Material, params: IntegrityParams) -> Iterator[Check]:
    """Yield the checks in the order of the checklist; those that a random net makes pointless say so."""
    modes = modes_of(material.target)
    twice = same_twice(material, modes)
    random = twice.verdict == "differs"
    yield twice
    yield alone_or_in_batch(material, modes, random=random)
    yield batch_order(material, modes, random=random)
    yield mode(material, modes)
    given = labelled(material)
    order_check, order = class_order(material, given)
    yield order_check
    yield from preprocessing(material, given, order)
    yield from saved(material, random=random)
    yield from resized(material, random=random)
    yield from types(material, random=random)
    yield device(material, random=random)
    yield threads(material, random=random)
    yield from formats(material, params.same_as, params.folder, random=random)
    yield from sanity(material)
