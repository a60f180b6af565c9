"""Do the intervals of balanced accuracy, macro F1, AUROC and calibration error cover?"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.special import ndtr

from countenance.core.results import Estimate
from countenance.core.statistics.auroc import auroc
from countenance.core.statistics.class_means import (
    ClassSums,
    balanced_accuracy,
    f1_sums,
    macro_f1,
    recall_sums,
)
from countenance.core.statistics.ece import calibration_error
from countenance.core.statistics.rules import StatisticsRules

from .people import Floats, Integers, alike_uniforms, bootstrap_weights, draw_people
from .runner import OURS, Outcome, Row, Study

RULES = StatisticsRules()
REPLICATES = 399
SHARES = {"even": np.full(5, 0.2), "uneven": np.asarray([0.45, 0.3, 0.15, 0.07, 0.03])}
RECALLS = {"middling": np.asarray([0.9, 0.8, 0.7, 0.6, 0.4]), "high": np.asarray([0.98, 0.97, 0.95, 0.9, 0.85])}
BOOTSTRAP = "bootstrap of people"
Add = Callable[[str, str, tuple[float, float] | None, float], None]


def confusion_of(shares: Floats, recalls: Floats) -> Floats:
    """Return P(answer | label), wrong answers in proportion to the shares of the other classes."""
    wrong = np.outer(1 - recalls, shares)
    np.fill_diagonal(wrong, 0)
    wrong *= ((1 - recalls) / wrong.sum(axis=1))[:, None]
    return wrong + np.diag(recalls)


def draw_answers(
    rng: np.random.Generator, subjects: Integers, shares: Floats, recalls: Floats
) -> tuple[Integers, Integers]:
    """Return labels and answers; whether an answer is right is alike within a person (correlation 0.3)."""
    labels = rng.choice(5, len(subjects), p=shares)
    right = alike_uniforms(rng, subjects, 0.3) < recalls[labels]
    wrong = confusion_of(shares, recalls)
    np.fill_diagonal(wrong, 0)
    steps = (wrong / wrong.sum(axis=1, keepdims=True)).cumsum(axis=1)[labels]
    other = (rng.random(len(labels))[:, None] > steps).sum(axis=1).clip(0, 4)
    return labels, np.where(right, labels, other)


def true_macro_f1(shares: Floats, recalls: Floats) -> float:
    """Return macro F1 of infinitely many faces."""
    joint = shares[:, None] * confusion_of(shares, recalls)
    return float((2 * np.diag(joint) / (joint.sum(axis=0) + joint.sum(axis=1))).mean())


def simulate(seed: int) -> Row:
    """Return coverage and width for one data set per design."""
    rng = np.random.default_rng([seed, 2])
    row: dict[Outcome, float] = {}

    def add(cell: str, method: str, limits: tuple[float, float] | None, truth: float) -> None:
        covered = float("nan") if limits is None else float(limits[0] <= truth <= limits[1])
        row[Outcome(cell, method)] = covered
        row[Outcome(cell, method, "mean")] = float("nan") if limits is None else limits[1] - limits[0]

    for people, alone in ((100, True), (400, True), (10, False), (20, False), (50, False), (200, False)):
        whose = f"{people} people" + (", one face each" if alone else "")
        for shares_name, shares in SHARES.items():
            for recalls_name, recalls in RECALLS.items():
                subjects = draw_people(rng, people, alone=alone)
                labels, answers = draw_answers(rng, subjects, shares, recalls)
                cell = f"{shares_name} classes, {recalls_name} recalls, {whose}"
                complete = len(np.unique(labels)) == 5  # else the truth is that of fewer classes
                for name, measure, sums_of, truth in (
                    ("balanced accuracy", balanced_accuracy, recall_sums, float(recalls.mean())),
                    ("macro F1", macro_f1, f1_sums, true_macro_f1(shares, recalls)),
                ):
                    ours = limits_of(measure(labels, answers, subjects, 5, RULES)) if complete else None
                    add(f"{name}: {cell}", OURS, ours, truth)
                    sums = sums_of(labels, answers, subjects, 5)
                    add(f"{name}: {cell}", BOOTSTRAP, bootstrap_mean(rng, sums) if complete else None, truth)
        if not alone:
            add_auroc(rng, people, add)
        add_calibration(rng, people, alone, whose, add)
    return row


def limits_of(estimate: Estimate) -> tuple[float, float] | None:
    """Return the limits of an estimate that has them."""
    return None if estimate.low is None or estimate.high is None else (estimate.low, estimate.high)


def bootstrap_mean(rng: np.random.Generator, sums: ClassSums) -> tuple[float, float]:
    """Return percentile limits of the mean ratio when people are drawn with replacement."""
    weights = bootstrap_weights(rng, len(sums.x), REPLICATES)
    x, n = weights @ sums.x, weights @ sums.n
    ratios = np.divide(x, n, out=np.full(x.shape, np.nan), where=n > 0)
    low, high = np.quantile(np.nanmean(ratios, axis=1), [0.025, 0.975])
    return float(low), float(high)


def add_auroc(rng: np.random.Generator, people: int, add: Add) -> None:
    """Scores that are normal for both kinds, half of their variance shared by a person."""
    for truth, distance in ((0.8, 1.190), (0.97, 2.660)):
        subjects = draw_people(rng, people)
        positive = rng.random(len(subjects)) < 0.4
        shared = rng.standard_normal(people)[subjects] * np.sqrt(0.5)
        scores = distance * positive + shared + rng.standard_normal(len(subjects)) * np.sqrt(0.5)
        limits = limits_of(auroc(scores, positive, subjects, RULES))
        add(f"AUROC {truth}, {people} people", OURS, limits, float(ndtr(distance / np.sqrt(2))))


def add_calibration(rng: np.random.Generator, people: int, alone: bool, whose: str, add: Add) -> None:
    """Confidence from 0.3 to 1, accuracy lower by a constant in every bin."""
    for truth in (0.0, 0.08):
        subjects = draw_people(rng, people, alone=alone)
        confidence = rng.uniform(0.3, 1, len(subjects))
        correct = (alike_uniforms(rng, subjects, 0.3) < confidence - truth).astype(float)
        found = calibration_error(confidence, correct, subjects, RULES).observed
        add(f"calibration error {truth}, {whose}", OURS, limits_of(found), truth)


STUDY = Study(
    name="score_intervals",
    version=1,
    title="Coverage of 95 % intervals of balanced accuracy, macro F1, AUROC and calibration error",
    about="Five classes of equal shares, or of shares .45 .30 .15 .07 .03 (uneven); recalls .9 .8 .7 .6 .4 (middling) "
    "or .98 .97 .95 .90 .85 (high). People have 2 to 20 faces (mean about 8) whose outcomes are alike (Gaussian "
    "copula, 0.3). Data sets in which a class has no face are left out for balanced accuracy and macro F1.",
    simulate=simulate,
)
