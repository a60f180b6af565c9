"""Single faces for the report, chosen by rule: the most typical and the most wrong of each class."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...core.probes import ArrayOutput, JsonOutput, ProbeContext
from .agreement import stretch
from .class_maps import FaceExplainer
from .explained_label import ExplainedLabel

TYPICAL, WRONG = "most typical", "most wrong"
RULE = (
    "Chosen by rule, not by hand. Most typical: the face whose map is most like the mean map of its class. Most wrong: "
    "the face of another label that the model calls so with the highest probability."
)


@dataclass(frozen=True)
class _Chosen:
    """One face to show: of which class, why, and what is said of it."""

    label: str
    place: int
    kind: str
    row: int
    text: str


def examples(
    context: ProbeContext,
    explainer: FaceExplainer,
    method: str,
    found: Sequence[ExplainedLabel],
) -> Iterator[ArrayOutput | JsonOutput]:
    """Yield maps of single faces: on the canonical face, and on the face itself only where it may be shown.

    ``examples.npz`` holds ``LABEL/KIND/map`` (uint8, canonical canvas) and, of faces that plan and row permit to
    show, ``LABEL/KIND/crop`` (uint8, (h, w, 3)) and ``LABEL/KIND/crop_map``. ``examples.json`` says what they are.

    Args:
        context: of the probe.
        explainer: makes the maps.
        method: whose maps are shown.
        found: the explained classes.
    """
    arrays: dict[str, NDArray[np.generic]] = {}
    told = []
    shown = context.may_show
    for chosen in _choose(context, found):
        rows = np.array([chosen.row], dtype=np.int64)
        left_out: dict[str, Counter[str]] = {name: Counter() for name in explainer.methods}
        for face in explainer.maps(rows, chosen.place, lambda _: None, left_out):
            if method not in face.maps:
                continue
            name = f"{chosen.label}/{chosen.kind}"
            arrays[f"{name}/map"] = stretch(face.maps[method])
            permitted = bool(shown[chosen.row])
            if permitted:
                arrays[f"{name}/crop"] = np.ascontiguousarray(face.crop.transpose(1, 2, 0))
                arrays[f"{name}/crop_map"] = stretch(face.crop_maps[method])
            told.append({**_about(context, chosen), "permitted": permitted})
    if arrays:
        yield ArrayOutput("examples", arrays, "Maps of single faces")
        yield JsonOutput("examples", {"rule": RULE, "method": method, "examples": told}, "Single faces, how chosen")


def _choose(context: ProbeContext, found: Sequence[ExplainedLabel]) -> Iterator[_Chosen]:
    predictions = context.predictions
    for explained in found:
        if explained.typical is None:
            continue
        place = predictions.classes.index(explained.name)
        row, likeness = explained.typical
        text = f"correlation {likeness:.2f} with the mean map of {explained.name}"
        yield _Chosen(explained.name, place, TYPICAL, row, text)
        wrong = np.flatnonzero(
            (predictions.predicted == place) & (predictions.labels != place) & (predictions.labels >= 0)
        )
        if len(wrong):
            worst = int(wrong[np.argmax(predictions.probabilities[wrong, place])])
            sure = float(predictions.probabilities[worst, place])
            yield _Chosen(explained.name, place, WRONG, worst, f"called {explained.name} with probability {sure:.2f}")


def _about(context: ProbeContext, chosen: _Chosen) -> dict[str, str]:
    predictions = context.predictions
    label = int(predictions.labels[chosen.row])
    return {
        "label": chosen.label,
        "kind": chosen.kind,
        "text": chosen.text,
        "predicted": predictions.classes[int(predictions.predicted[chosen.row])],
        "labelled": predictions.classes[label] if label >= 0 else "",
    }
