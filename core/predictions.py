"""What the model said of each face, and what the label says: one record for every task."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from .faces import Faces
from .label_errors import second_column

CLEAN = "clean"
CLASSIFICATION_TASKS = frozenset({"expression", "forgery"})


@dataclass(frozen=True, eq=False)
class Predictions:
    """Predictions under one condition, aligned row by row with ``faces.frame``.

    Attributes:
        task: the target's task.
        classes: names of the columns of ``values``: classes, action units, or valence and arousal; for pairs the
            single column ``similarity``.
        values: (n, k). Class probabilities; each unit's probability; values; or similarities.
        truth: classification: index of the label, -1 where there is none, shape (n,); action units: 0, 1 or NaN,
            (n, k); values: (n, 2), NaN where there is none; pairs: 1 for the same person, 0 otherwise, (n,).
        condition: ``clean``, or what was done to the faces.
        notes: what was done to the numbers on reading them.
    """

    task: str
    classes: tuple[str, ...]
    values: NDArray[np.float64]
    truth: NDArray[np.float64]
    condition: str = CLEAN
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.values)

    @property
    def probabilities(self) -> NDArray[np.float64]:
        """Class probabilities, shape (n, k)."""
        return self.values

    @property
    def labels(self) -> NDArray[np.int64]:
        """Index of each face's label into ``classes``, -1 where it has none, shape (n,)."""
        if self.task not in CLASSIFICATION_TASKS:
            raise ValueError(f"a {self.task} target has no single label per face")
        labels: NDArray[np.int64] = self.truth.astype(np.int64)
        return labels

    @property
    def predicted(self) -> NDArray[np.int64]:
        """Index of the most probable class, shape (n,); the first one of equals."""
        places: NDArray[np.int64] = np.argmax(self.values, axis=1)
        return places

    @property
    def labelled(self) -> bool:
        """Whether any row has a label."""
        if self.task in CLASSIFICATION_TASKS:
            return bool((self.truth >= 0).any())
        return bool(np.isfinite(self.truth).any())

    def take(self, rows: NDArray[np.int64]) -> Predictions:
        """Return the predictions of these rows."""
        return Predictions(self.task, self.classes, self.values[rows], self.truth[rows], self.condition, self.notes)


def truth_of(faces: Faces, task: str, classes: tuple[str, ...]) -> NDArray[np.float64]:
    """Return the truth of each face as :class:`Predictions` wants it, from ``label`` or ``y_NAME`` columns."""
    if task in CLASSIFICATION_TASKS:
        return class_places(faces.frame["label"], classes)
    columns = [faces.frame.get(f"y_{name}", pd.Series(np.nan, index=faces.frame.index)) for name in classes]
    return np.stack([pd.to_numeric(column, errors="coerce").to_numpy(float) for column in columns], axis=1)


def class_places(labels: pd.Series[Any], classes: Sequence[str]) -> NDArray[np.float64]:
    """Return the place of each label among the classes, -1 where there is none, shape (n,)."""
    places = {name: place for place, name in enumerate(classes)}
    return np.array([places.get(label, -1) for label in labels.tolist()], dtype=np.float64)


def to_table(predictions: Predictions, faces: Faces) -> pd.DataFrame:
    """Lay predictions out as ``predictions.parquet`` holds them.

    Columns: ``face_id``, ``subject, condition``, the attributes, then the task's own: ``label, p_CLASS``; ``y_AU,
    p_AU``; or ``y_valence, y_arousal, v_valence, v_arousal``. Of pairs: ``pair_id, face_a, face_b``, ``subject_a,
    subject_b`` where people are named, ``condition``, the attributes of both as ``NAME_a, NAME_b``, ``same,
    similarity``.
    """
    frame = faces.frame
    if predictions.task == "verification":
        return _pairs_table(predictions, faces)
    table = pd.DataFrame({"face_id": frame["face_id"], "subject": frame["subject"], "condition": predictions.condition})
    for name, spec in faces.attributes.items():
        table[name] = frame[name].astype(str)
        if spec.second is not None:  # so that the table can be read again with the same plan
            table[spec.second] = frame[second_column(name)].astype(str)
    if predictions.task in CLASSIFICATION_TASKS:
        table["label"] = frame["label"]
    if predictions.task == "forgery":
        for column in ("method", "video", "frame", "donor"):
            if column in frame and column not in faces.attributes:
                table[column] = frame[column]
        return table.assign(p_forged=predictions.values[:, predictions.classes.index("forged")])
    letter = "v" if predictions.task == "valence_arousal" else "p"
    for place, name in enumerate(predictions.classes):
        if predictions.task not in CLASSIFICATION_TASKS:
            table[f"y_{name}"] = predictions.truth[:, place]
        table[f"{letter}_{name}"] = predictions.values[:, place]
    return table


def _pairs_table(predictions: Predictions, faces: Faces) -> pd.DataFrame:
    frame = faces.frame
    table = pd.DataFrame({"pair_id": frame["face_id"]})
    people = ("subject_a", "subject_b") if faces.has_subjects else ()
    for column in ("face_a", "face_b", *people):
        table[column] = frame[column]
    table["condition"] = predictions.condition
    for name in faces.attributes:
        table[f"{name}_a"], table[f"{name}_b"] = frame[f"{name}_a"].astype(str), frame[f"{name}_b"].astype(str)
    return table.assign(same=predictions.truth.astype(int), similarity=predictions.values[:, 0])
