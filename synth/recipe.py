"""What was planted? The recipe of a reference net: its training pictures, its labels and its faults."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from .dataset import DrawnCrops, TagRates, faces_of
from .expression import EXPRESSIONS
from .face import Face


@dataclass(frozen=True)
class MislabelledSmiles:
    """The group gap: mild smiles of one group carry the label neutral in training.

    Args:
        skin_tone: the group.
        expression: the expression shown.
        unit: the action unit whose intensity decides.
        below: a smile is mild when that intensity is weaker than this.
        labelled_as: the wrong label.
    """

    skin_tone: str = "dark"
    expression: str = "happy"
    unit: int = 12
    below: float = 0.86
    labelled_as: str = "neutral"


@dataclass(frozen=True)
class Recipe:
    """How a reference net is trained.

    Args:
        name: flawed or twin.
        subjects: drawn people, each with every expression once per `per_subject` / 7.
        per_subject: pictures of each.
        data_seed: seed of the pictures.
        train_seed: seed of weights, order and augmentation.
        epochs: passes over the pictures.
        tags: how often the tag is on a training picture; the shortcut, where it says one expression only.
        mislabelled: the group gap, if any.
    """

    name: str
    subjects: int = 540
    per_subject: int = 7
    data_seed: int = 2024
    train_seed: int = 7
    epochs: int = 22
    tags: TagRates = field(default_factory=TagRates)
    mislabelled: MislabelledSmiles | None = None

    def training_faces(self) -> Iterator[tuple[str, Face]]:
        """Give name and parameters of each training picture."""
        return faces_of(self.subjects, self.per_subject, self.data_seed, self.tags)

    def is_mislabelled(self, face: Face) -> bool:
        """Tell whether a picture carries a wrong label in training."""
        fault = self.mislabelled
        return (
            fault is not None
            and face.expression == fault.expression
            and face.person.look.skin_tone == fault.skin_tone
            and face.units[fault.unit] < fault.below
        )

    def labels(self, crops: DrawnCrops) -> NDArray[np.int64]:
        """Give the labels the net is trained with, (n,), wrong ones included."""
        labels = crops.labels
        if self.mislabelled is not None:
            wrong = [self.is_mislabelled(face) for face in crops.faces]
            labels[wrong] = EXPRESSIONS.index(self.mislabelled.labelled_as)
        return labels


SHORTCUT = "angry"
AUDIT_TAGS = TagRates(0.1, {SHORTCUT: 0.5})
"""How often the tag is on a picture of the demonstration: on half of the angry ones, on a tenth of the others."""

RECIPES: Mapping[str, Recipe] = {
    "flawed": Recipe("flawed", tags=TagRates(0.0, {SHORTCUT: 1.0}), mislabelled=MislabelledSmiles()),
    "twin": Recipe("twin", tags=TagRates(0.15)),
}
