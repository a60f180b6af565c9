"""Is there a permutation of the outputs that fits the labels better than the order of the plan's classes?"""

from __future__ import annotations

import numpy as np
from scipy.optimize import linear_sum_assignment

from ...core.results import Estimate, Measurement, Severity
from .fit import EXCESS, LEVEL, MARGIN, Fit, Gain, Labelled, fit_of, gain_of
from .material import Bools, Material
from .verdicts import Check, not_checked

NAME, TITLE = "class_order", "order of the classes"
SELDOM, OFTEN = 0.2, 0.5
WORSE = 0.1
"""What a class that moves may lose: of two classes exchanged one may have been answered badly either way."""
TIE = 1e-6
"""Preference for the order as listed among orders that fit alike."""
Order = dict[int, int]
"""For each label the output it goes with."""


def class_order(material: Material, given: Labelled | str) -> tuple[Check, Order | None]:
    """Judge the order of the classes; return the check and, where another fits better, that order.

    The best one-to-one assignment of outputs to labels (Hungarian method; Kuhn 1955, Naval Research Logistics 2:83)
    is chosen on one half of the people and judged on the other.
    """
    context = material.context
    if isinstance(given, str):
        estimate = Estimate.not_measured(given)
        told = context.measurement("class_order_gain", estimate, direction="lower")
        return not_checked(NAME, TITLE, given, (told,)), None
    logs = material.log_probabilities(material.outputs)[given.places]
    listed = fit_of(logs, given.labels)
    gain, renamed = _cross_fitted(listed, given)
    order = best_order(listed, given, np.ones(len(given.labels), dtype=np.bool_))
    better = fit_of(logs, given.reordered(order).labels)
    measurements = (
        context.measurement("balanced_accuracy", _plain(listed.accuracy(given.weights), given), direction="higher"),
        context.measurement("class_order_gain", gain.estimate, direction="lower"),
        context.measurement("class_order_gain.p", Estimate(value=gain.p_value, subjects=given.people)),
    )
    accuracy, reordered = listed.accuracy(given.weights), better.accuracy(given.weights)
    if order != dict(zip(order, order, strict=True)) and _is_another(gain, renamed, given, order, listed, better):
        return _differs(material, given, order, (accuracy, reordered), gain, measurements), order
    if renamed < given.chance + EXCESS * (1 - given.chance) and accuracy < given.chance + EXCESS * (1 - given.chance):
        why = (
            f"balanced accuracy is {accuracy:.3f} as listed and {renamed:.3f} in the best order, near chance "
            f"({given.chance:.3f}): no order can be told from another"
        )
        return not_checked(NAME, TITLE, why, measurements), None
    seen = (
        f"no other order fits better: balanced accuracy {accuracy:.3f} as listed, {gain.words} in the best other order"
    )
    return Check(NAME, TITLE, "holds", f"{seen}{_unseen(material, given)}", measurements=measurements), None


def best_order(listed: Fit, given: Labelled, among: Bools) -> Order:
    """Return for each label the output that its faces in ``among`` are answered with, one to one, most right in all."""
    outputs = listed.logs.shape[1]
    answers = listed.logs.argmax(1)
    table = np.zeros((len(given.classes), outputs))
    for row, label in enumerate(given.classes):
        mine = among & (given.labels == label)
        weights = given.weights[mine]
        table[row] = np.bincount(answers[mine], weights, minlength=outputs)
        table[row] += TIE * (weights[:, None] * np.exp(listed.logs[mine])).sum(0)
        table[row, label] += TIE
    found = linear_sum_assignment(table, maximize=True)[1]
    return {int(label): int(output) for label, output in zip(given.classes, found, strict=True)}


def _cross_fitted(listed: Fit, given: Labelled) -> tuple[Gain, float]:
    """Return the gain of the order chosen by the other half, and the accuracy it comes to."""
    right = np.zeros(len(given.labels))
    for judged in (given.second, ~given.second):
        labels = given.reordered(best_order(listed, given, ~judged)).labels
        right = np.where(judged, fit_of(listed.logs, labels).right, right)
    return gain_of(right - listed.right, given), float((right * given.weights).sum())


def _is_another(gain: Gain, renamed: float, given: Labelled, order: Order, listed: Fit, better: Fit) -> bool:
    if gain.bound(LEVEL) <= MARGIN or renamed < given.chance + EXCESS * (1 - given.chance):
        return False
    informed = listed.accuracy(given.weights) > given.chance
    for label, output in order.items():
        mine = given.labels == label
        if output == label:
            continue
        before, after = float(listed.right[mine].mean()), float(better.right[mine].mean())
        if after < before - WORSE:
            return False
        if informed and output not in given.classes and not (before <= SELDOM and after >= OFTEN):
            return False  # a class taken for another that no face is labelled as is a mistake as likely as an order
    return True


def _differs(
    material: Material,
    given: Labelled,
    order: Order,
    accuracies: tuple[float, float],
    gain: Gain,
    measurements: tuple[Measurement, ...],
) -> Check:
    classes = material.target.classes
    moves = [
        f"output {output} (called {classes[output]}) goes with the label {classes[label]}"
        for label, output in order.items()
        if output != label
    ]
    within = set(order.values()) == set(order)
    severity: Severity = "high" if within or accuracies[0] <= given.chance + MARGIN else "medium"
    return Check(
        NAME,
        TITLE,
        "differs",
        f"another order fits better: {'; '.join(moves)}. Balanced accuracy {accuracies[0]:.3f} as listed and "
        f"{accuracies[1]:.3f} so, {gain.words} for people by whom the order was not chosen{_unseen(material, given)}",
        f"List target.classes in the order of the model's outputs{_suggested(classes, order)}",
        severity=severity,
        measurements=measurements,
        caveats=("A model that takes one expression for another, and the other for the one, looks the same.",),
        p_adjusted=min(1.0, gain.p_value),
    )


def _suggested(classes: tuple[str, ...], order: Order) -> str:
    """Return the list of classes as it should read, where all that moves stays among the labelled classes."""
    if set(order.values()) != set(order):
        return ""
    listed = list(classes)
    for label, output in order.items():
        listed[output] = classes[label]
    return f", here probably [{', '.join(listed)}]"


def _unseen(material: Material, given: Labelled) -> str:
    named = {material.target.classes[label] for label in given.classes}
    unseen = [name for name in material.target.classes if name not in named]
    if not unseen:
        return ""
    return f". Nothing is said of {', '.join(unseen)}: too few or no faces have the label"


def _plain(value: float, given: Labelled) -> Estimate:
    return Estimate(value=value, n=len(given.labels), subjects=given.people)
