"""The same few faces under each condition, with the model's answers: what a reader of the report looks at.

Faces of the data are shown only where plan and row permit it; drawn faces stand in for them otherwise.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from importlib.resources import files
from io import BytesIO
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from ...core.faces import FaceBatch
from ...core.predictions import CLASSIFICATION_TASKS
from ...core.probes import ArrayOutput, JsonOutput, ProbeContext
from ...core.target import Target
from .answer_texts import answers_of
from .conditions import Condition, Perturb, Perturbed

SHOWN = 3
LARGEST_SIDE = 128
MOST_CONDITIONS = 24
FIRST_STAND_IN = 2**40
"""Row of the first drawn face: no manifest is as long, and what is random of a face hangs on its row."""
AS_IT_IS = "as it is"
_DRAWN_RULE = "No face may be shown, so drawn faces stand in. They are of nobody, and were not measured."
_PERMITTED_RULE = (
    "Chosen by rule, not by hand: of the faces that plan and row permit to show, at most three, of different labels "
    "and people where there are, those answered rightly first, and by the plan's seed among equals."
)


def strip(
    context: ProbeContext,
    conditions: Sequence[Condition],
    perturb: Perturb,
    *,
    landmarks: bool = False,
    title: str = "",
) -> Iterator[ArrayOutput | JsonOutput]:
    """Yield a few faces under each condition with the model's answers, for the report.

    ``strip.npz`` holds ``pictures``, uint8 (faces, conditions + 1, h, w, 3), as they are first and at most 128 pixels a
    side. ``strip.json`` holds ``title``; ``drawn``, whether drawn faces stand in; ``rule``, how they were chosen;
    ``size``, (h, w) of what the model is given; ``grey``, whether it reads that in grey; ``conditions``, each with
    ``values`` and ``title``; and ``faces``, each with what it ``shows`` and its ``answers``: ``text``, whether it
    ``changed`` (null where answers are numbers) and whether the condition was ``possible``.

    Args:
        context: of the probe.
        conditions: what to show, a telling selection of at most 24.
        perturb: does it; is also given rows that are no positions in ``context.faces`` (from 2**40 on).
        landmarks: whether it is given landmarks; of drawn faces as many as the faces of the data have.
        title: of the strip.
    """
    if not conditions:
        return
    if len(conditions) > MOST_CONDITIONS:
        raise ValueError(f"expected at most {MOST_CONDITIONS} conditions in a strip, but got {len(conditions)}")
    rows = permitted_rows(context)
    drawn = not len(rows)
    batch, shows = _stand_ins(context, landmarks) if drawn else _faces(context, rows, landmarks)
    target = context.model
    whole = FaceBatch(batch.rows, batch.pixels.to(target.device), batch.landmarks)
    done = [Perturbed(whole.pixels), *(perturb(condition, whole) for condition in conditions)]
    clean = _values(target, whole.pixels)
    answers = [answers_of(clean, target.task, target.classes)]
    answers += [answers_of(_values(target, each.pixels), target.task, target.classes, clean) for each in done[1:]]
    pictures = np.stack([_small(each.pixels) for each in done], axis=1)
    told = [
        {
            "shows": what,
            "answers": [
                {
                    "text": found.texts[place],
                    "changed": found.changed(place, answers[0]),
                    "possible": bool(each.possible is None or each.possible[place]),
                }
                for found, each in zip(answers, done, strict=True)
            ],
        }
        for place, what in enumerate(shows)
    ]
    first: list[dict[str, Any]] = [{"values": {}, "title": AS_IT_IS}]
    content = {
        "title": title,
        "drawn": drawn,
        "rule": _DRAWN_RULE if drawn else _PERMITTED_RULE,
        "size": list(target.size),
        "grey": target.input.channels == "grey",
        "conditions": first + [{"values": each.values, "title": each.title or each.name} for each in conditions],
        "faces": told,
    }
    yield ArrayOutput("strip", {"pictures": pictures}, "Faces under each condition")
    yield JsonOutput("strip", content, "Faces under each condition, and the model's answers")


def permitted_rows(context: ProbeContext) -> NDArray[np.int64]:
    """Choose at most three faces that may be shown, shape (k,): of different labels and people where there are.

    Every probe of a plan chooses the same ones. Of pairs of faces none is chosen.
    """
    if not context.faces_permitted or context.predictions.task == "verification":
        return np.empty(0, dtype=np.int64)
    rows = np.flatnonzero(context.may_show).astype(np.int64)
    random = replace(context, probe_id="robustness").random("strip")
    rows = rows[random.permutation(len(rows))]
    labels = np.zeros(len(rows), dtype=np.int64)
    if context.predictions.task in CLASSIFICATION_TASKS:
        labels = context.predictions.labels[rows]
        wrong = context.predictions.predicted[rows] != labels
        rows, labels = rows[np.argsort(wrong, kind="stable")], labels[np.argsort(wrong, kind="stable")]
    people = context.faces.subject_codes[rows]
    chosen: list[int] = []
    while len(chosen) < min(SHOWN, len(rows)):
        known_labels, known_people = labels[chosen], people[chosen]
        repeats = np.isin(labels, known_labels) + 2.0 * np.isin(people, known_people)
        repeats[chosen] = np.inf
        chosen.append(int(np.argmin(repeats)))
    return np.sort(rows[chosen])


def _faces(context: ProbeContext, rows: NDArray[np.int64], landmarks: bool) -> tuple[FaceBatch, list[str]]:
    known = landmarks and context.faces.landmarks_kind != "none"
    batch = next(iter(context.faces.batches(len(rows), rows, landmarks=known)))
    if context.predictions.task not in CLASSIFICATION_TASKS:
        return batch, ["a face of the data"] * len(batch)
    places = context.predictions.labels[batch.rows]
    names = [context.predictions.classes[place] if place >= 0 else "" for place in places.tolist()]
    return batch, [f"a face labelled {name}" if name else "a face without a label" for name in names]


def _stand_ins(context: ProbeContext, landmarks: bool) -> tuple[FaceBatch, list[str]]:
    kind = context.faces.landmarks_kind if landmarks else "none"
    batch, expressions = stand_ins(context.model.size, None if kind == "none" else "5" if kind == "aligned" else kind)
    return batch, [f"a drawn face, {name}" for name in expressions]


def stand_ins(size: tuple[int, int], points: str | None = None) -> tuple[FaceBatch, list[str]]:
    """Return the drawn faces, resized as faces of the data are, and the expression of each.

    Args:
        size: (h, w) in pixels.
        points: which landmarks to add, ``5``, ``68`` or ``478``.
    """
    folder = files(__package__) / "data"
    told = json.loads((folder / "stand_ins.json").read_text(encoding="utf-8"))
    sheet, side = Image.open(BytesIO((folder / "stand_ins.png").read_bytes())), int(told["side"])
    height, width = size
    crops = [
        sheet.crop((place * side, 0, (place + 1) * side, side)).resize((width, height), Image.Resampling.BILINEAR)
        for place in range(len(told["faces"]))
    ]
    pixels = torch.from_numpy(np.stack([np.asarray(crop) for crop in crops])).permute(0, 3, 1, 2).float().div(255)
    found = None
    if points is not None:
        placed = np.array([face["landmarks"][points] for face in told["faces"]])
        found = (placed * (width / side, height / side)).astype(np.float32)
    rows = FIRST_STAND_IN + np.arange(len(crops), dtype=np.int64)
    return FaceBatch(rows, pixels.contiguous(), found), [str(face["expression"]) for face in told["faces"]]


def _values(target: Target, pixels: torch.Tensor) -> NDArray[np.float64]:
    with torch.no_grad():
        values: NDArray[np.float64] = target.probabilities(target(pixels).double()).cpu().numpy()
    return values


def _small(pixels: torch.Tensor) -> NDArray[np.uint8]:
    """Return pictures as bytes, (n, h, w, 3), reduced to at most 128 pixels a side."""
    whole = pixels.detach().float().clamp(0, 1).mul(255).round().byte().permute(0, 2, 3, 1).cpu().numpy()
    height, width = whole.shape[1:3]
    factor = min(1.0, LARGEST_SIDE / max(height, width))
    if factor == 1.0:
        return np.ascontiguousarray(whole)
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    return np.stack([np.asarray(Image.fromarray(each).resize(size, Image.Resampling.BOX)) for each in whole])
