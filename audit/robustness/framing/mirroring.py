"""Does the model say the same of a face and of its mirror image?"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray

from ....core.probes import Note, Output, ProbeContext, Scores
from ..quality import quality_of

Floats = NDArray[np.float64]


def mirror_outputs(context: ProbeContext, rows: NDArray[np.int64], tolerance: float | None) -> Iterator[Output]:
    """Yield how often the answers to a face and to its mirror image agree, and how far the outputs lie apart.

    ``mirror_consistency`` is the share of a face's answers that are the same for its mirror image;
    ``mirror_consistency.null`` how often they would be if the mirror image were one of another person's face;
    ``mirror_distance`` half the sum of the absolute differences of the class probabilities (of action units and of
    values, the mean absolute difference). No labels are needed.

    Args:
        context: of the probe.
        rows: positions of the faces, shape (m,), ascending.
        tolerance: largest gap between groups that is accepted.
    """
    straight = context.predictions.values[rows]
    mirrored = _mirrored(context, rows)
    answered: NDArray[np.bool_] = np.asarray(np.isfinite(mirrored).all(axis=1))
    if not answered.all():
        yield Note(
            f"For the mirror images of {int((~answered).sum())} of {len(rows)} faces the model gave NaN or infinite "
            "outputs: they are left out of what is told of mirror images."
        )
    rows, straight, mirrored = rows[answered], straight[answered], mirrored[answered]
    if not len(rows):
        return
    quality = quality_of(context.predictions)
    apart = np.abs(mirrored - straight)
    one_of_many = context.predictions.task in ("expression", "forgery")
    distance = apart.sum(1) / 2 if one_of_many else apart.mean(1)
    if quality.counts:
        same = 1 - quality.judge(mirrored, rows).changed
        yield Scores(
            "mirror_consistency",
            rows,
            same,
            kind="rate" if one_of_many else "mean",
            bounds=(0.0, 1.0),
            direction="higher",
            gaps=True,
            title="agreement of the answers to a face and to its mirror image",
            tolerance=tolerance,
        )
        people = context.faces.subject_codes[rows]
        null, known = _agreement_with_others(_answers(straight, one_of_many), _answers(mirrored, one_of_many), people)
        if known.any():
            yield Scores(
                "mirror_consistency.null",
                rows[known],
                null[known],
                bounds=(0.0, 1.0),
                by_group=False,
                keep=False,
            )
    yield Scores(
        "mirror_distance",
        rows,
        distance,
        bounds=(0.0, 1.0) if quality.counts else None,
        direction="lower",
        title="distance between the outputs for a face and for its mirror image",
    )


def _mirrored(context: ProbeContext, rows: NDArray[np.int64]) -> Floats:
    """Return the outputs for the mirror images, as :attr:`Predictions.values`, shape (m, k)."""
    target, found = context.model, []
    with context.progress("mirror images", len(rows)) as advance, torch.no_grad():
        for batch in context.faces.batches(context.batch_size, rows):
            outputs = target(batch.pixels.to(target.device).flip(-1))
            found.append(target.probabilities(outputs.double()).cpu().numpy())
            advance(len(batch))
    return np.concatenate(found) if found else np.empty((0, context.predictions.values.shape[1]))


def _answers(values: Floats, one_of_many: bool) -> Floats:
    """Return the answers as marks: (m, k, kinds), 1 for the answer given; of action units, each is one of two."""
    if one_of_many:
        return np.asarray(np.eye(values.shape[1])[values.argmax(1)][:, None], dtype=np.float64)
    active = values >= 0.5
    return np.stack([active, ~active], axis=-1).astype(np.float64)


def _agreement_with_others(
    straight: Floats, mirrored: Floats, people: NDArray[np.int64]
) -> tuple[Floats, NDArray[np.bool_]]:
    """Return each face's mean agreement with the mirror images of other people's faces, and where there are any."""
    of_people = np.zeros((int(people.max()) + 1, *mirrored.shape[1:]))
    np.add.at(of_people, people, mirrored)
    own = np.bincount(people, minlength=len(of_people))
    others = mirrored.sum(0)[None] - of_people[people]
    count = len(people) - own[people]
    agreement = (straight * others).sum(-1).mean(-1) / np.maximum(count, 1)
    return agreement, count > 0
