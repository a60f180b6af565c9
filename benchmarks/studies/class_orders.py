"""How often is a wrong order of classes found, and how often is one found where there is none?"""

from __future__ import annotations

import numpy as np

from countenance.core.statistics.class_order import class_order

from .people import draw_people
from .runner import Outcome, Row, Study

METHOD = "found"
SWAPPED = [0, 1, 2, 3, 5, 4, 6]


def _answers(rng: np.random.Generator, people: int, accuracy: float) -> tuple[np.ndarray, np.ndarray]:
    """Labels of seven classes, and answers that are right by this share and otherwise the person's favourite."""
    subjects = draw_people(rng, people)
    labels = rng.integers(0, 7, len(subjects))
    favourite = rng.integers(0, 7, people)[subjects]
    random = np.where(rng.random(len(subjects)) < 0.5, favourite, rng.integers(0, 7, len(subjects)))
    return labels, np.where(rng.random(len(subjects)) < accuracy, labels, random)


def simulate(seed: int) -> Row:
    """Return whether an order was suggested, for right and wrong orders."""
    rng = np.random.default_rng([seed, 3])
    row: dict[Outcome, float] = {}
    for people in (10, 50):
        for accuracy in (0.0, 0.1, 0.4, 0.8):
            labels, answers = _answers(rng, people, accuracy)
            orders = {"right order": answers}
            if accuracy >= 0.4:
                orders |= {"all classes moved": (answers + 1) % 7, "two classes swapped": np.take(SWAPPED, answers)}
            for name, given in orders.items():
                table = np.zeros((7, 7), dtype=np.int64)
                np.add.at(table, (labels, given), 1)
                cell = f"{name}, {people} people, right in {accuracy} besides chance"
                row[Outcome(cell, METHOD)] = float(class_order(table, rng) is not None)
    return row


STUDY = Study(
    name="class_orders",
    version=1,
    title="How often another order of classes is suggested",
    about="Seven classes; answers that are not right are half a person's favourite class, half any class.",
    simulate=simulate,
)
