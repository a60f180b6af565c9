"""The probe ``made_forgeries``: are simple forgeries of the audited faces told from the photos they are made of?"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ....core.probes import Note, Output, ProbeContext, probe
from ....core.results import Estimate
from ..making import METHODS, UNTOUCHED
from ..making.pool import Pool, read_pool, unusable_landmarks
from .asking import Asked, Asking, working_size
from .choosing import genuine_rows, sampled
from .findings import always_forged, control_apart, findings
from .measuring import AUROC, Pairs, control_outputs, outputs, overall, table
from .params import MadeForgeriesParams
from .showing import shown


@probe(
    "made_forgeries",
    version=2,
    title="Forgeries made of the audited faces",
    pillar="robustness",
    params=MadeForgeriesParams,
    needs={"model", "images", "landmarks"},
    tasks={"forgery"},
    shows="Whether the model tells self-blends, face swaps, morphs and spliced mouths or eyes, made here without a "
    "generator, from the very photos they are made of, saved by the same steps: of each kind, and for each group.",
    hides="Forgeries that a generator makes, that were worked on by hand, or sent through a messenger. Whether the "
    "photos themselves are genuine: that is the label's word.",
    citation="Shiohara and Yamasaki 2022, arXiv 2204.08376; Pérez et al. 2003, ACM TOG 22(3); ISO/IEC 30107-3:2023",
)
def made_forgeries(context: ProbeContext, params: MadeForgeriesParams) -> Iterator[Output]:
    """A detector's answers to forgeries of the faces it is audited on, beside those to the same photos unforged."""
    rows, labelled = genuine_rows(context)
    reason = unusable_landmarks(context.faces)
    if not reason and not len(rows):
        reason = "no face is labelled genuine, and forgeries are made of genuine faces"
    if reason:
        for name in params.methods:
            yield context.measurement(AUROC, Estimate.not_measured(reason, n=len(rows)), condition={"forgery": name})
        yield Note(f"No forgery was made: {reason}.")
        return
    chosen, read = sampled(context, rows, params.faces, params.methods)
    size = working_size(context.model.size)
    with context.progress("photos", len(read)) as advance:
        pool = read_pool(context.faces, read, size, advance)
    chosen = np.array([row for row in chosen.tolist() if row in pool.photos], dtype=np.int64)
    partners = pool.all_partners(params.methods, lambda kind: context.random("partners", kind))
    yield from _remarks(params, pool, len(chosen), labelled, size)
    asking, people = Asking(context, pool, params.quality), context.faces.subject_codes
    with context.progress("pictures", len(chosen) * (2 + len(params.methods))) as advance:
        plain, asked = asking.together(chosen, partners, advance)
        control = Pairs.of(UNTOUCHED, asking.control(chosen, advance), plain, people)
    yield from control_outputs(context, params, control)
    yield from _moved_by_path(context, plain)
    yield from control_apart(context, control)
    told = []
    for name, answers in asked.items():
        pairs = Pairs.of(name, answers, plain, people, partners[name])
        told.append(overall(context, params, pairs, len(params.methods)))
        if len(pairs.rows):
            yield from outputs(context, params, told[-1])
        else:
            yield context.measurement(AUROC, told[-1].auroc, condition=pairs.condition, direction="higher")
        yield from _left_out(name, len(chosen), answers)
    yield table(told)
    yield from always_forged(context, params, control)
    yield from findings(context, params, told)
    yield from shown(context, asking, partners, params.methods)


def _remarks(
    params: MadeForgeriesParams, pool: Pool, count: int, labelled: bool, size: tuple[int, int]
) -> Iterator[Note]:
    """Say what was made, of what, and what was left out."""
    yield Note(
        f"Forgeries were made of {count:,} faces at {size[0]} x {size[1]} pixels, saved as JPEG of quality "
        f"{params.quality} and resized to the input, and so were the photos themselves. They were held in memory only; "
        "none was kept but for the few of the report's strip, which shows people of the data only where that is "
        "permitted."
    )
    if not labelled:
        yield Note("No face has a label: all were taken for genuine.")
    for reason, faces in sorted(pool.skipped.items()):
        yield Note(f"{faces:,} faces were skipped: {reason}.")
    if any(METHODS[name].partner == "person" for name in params.methods):
        same = " of the same groups, as far as there is one," if pool.groups.shape[1] else ""
        yield Note(
            f"A swapped or mixed-in face is that of another person{same} drawn by lot from the five nearest in the "
            "mean colour of the face, in pose, and in how far the mouth is open. No photo is given to more than two "
            "faces, as long as others of the same groups are left. Intervals over all faces count both people of such "
            "a picture; those of groups count the one whose photo it is."
        )
    if any(METHODS[name].partner in ("mouth", "eyes") for name in params.methods):
        yield Note(
            "A spliced part is from the other photo of the same person in which its shape differs most; people with "
            "one photo are left out of splices."
        )


def _left_out(name: str, count: int, answers: Asked) -> Iterator[Note]:
    """Say of how many faces no forgery of a kind was made, or got no answer."""
    missing = count - len(answers.rows) - answers.unanswered - sum(answers.refused.values())
    if missing:
        lacking = "no other person" if METHODS[name].partner == "person" else "no other photo of the person"
        yield Note(f"{name}: {missing:,} of {count:,} faces were left out, since there is {lacking} among these faces.")
    for reason, faces in sorted(answers.refused.items()):
        yield Note(f"{name}: {faces:,} of {count:,} faces were left out: {reason}.")
    if answers.unanswered:
        yield Note(f"{name}: the model gave no number for {answers.unanswered:,} faces, which are left out.")


def _moved_by_path(context: ProbeContext, plain: Asked) -> Iterator[Output]:
    """Yield how far the steps alone move the answer: photos through them, beside the faces as the audit reads them."""
    if not len(plain.rows):
        return
    place = context.predictions.classes.index("forged")
    before = context.predictions.probabilities[plain.rows, place]
    moved = np.abs(before - plain.scores)
    moved = moved[np.isfinite(moved)]
    if len(moved):
        estimate = Estimate(value=float(moved.mean()), method="mean", n=len(moved))
        yield context.measurement("moved_by_saving", estimate)
