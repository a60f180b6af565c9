"""How often is a leak found that was planted in an embedding, and how often one that is not there?"""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass

import numpy as np
import pandas as pd

from countenance.audit.fairness.leakage.features import FaceFeatures
from countenance.audit.fairness.leakage.params import LeakageParams
from countenance.audit.fairness.leakage.probe import read_all
from countenance.core.faces import Faces
from countenance.core.plan import AttributeSpec
from countenance.core.predictions import Predictions
from countenance.core.probes import ProbeContext
from countenance.core.results import Estimate, Finding, Measurement
from countenance.core.statistics.rules import StatisticsRules

from .people import Floats
from .runner import Outcome, Row, Study

DIMS, NETS = 24, 3
SHARES = {2: (0.5, 0.5), 3: (0.6, 0.25, 0.15)}
FINDING, CHANCE, HOLDS = "finding", "p at most .05", "interval of the difference to random nets holds 0"


@dataclass(frozen=True)
class Design:
    """How embedding and controls are drawn.

    Attributes:
        people: how many, with four pictures each: two sessions of two.
        groups: 2 even or 3 uneven ones.
        of_group: distance of the groups' means, in standard deviations of a picture's noise.
        of_person: standard deviation of what pictures of a person share.
        alike: whether the controls hold as much; else they hold nothing.
        of_session: standard deviation of what pictures of one session share.
    """

    people: int
    groups: int
    of_group: float
    of_person: float
    alike: bool = False
    of_session: float = 0.0

    def __str__(self) -> str:
        if not (self.of_group or self.of_person):
            told = "sessions alone are alike" if self.of_session else "nothing planted"
        else:
            told = "planted, in the controls too" if self.alike else "planted"
        return f"{self.people} people, {self.groups} groups, {told}"


DESIGNS = tuple(
    Design(people, groups, *strength)
    for people, groups in ((40, 2), (60, 3), (120, 3))
    for strength in ((0.0, 0.0), (0.0, 0.0, False, 1.5), (1.8, 0.7, True), (3.0, 1.2))
)


def draw(rng: np.random.Generator, design: Design) -> tuple[pd.DataFrame, FaceFeatures]:
    """Return the faces, and features of embedding and controls."""
    person = np.repeat(np.arange(design.people), 4)
    session = np.tile([0, 0, 1, 1], design.people)
    sizes = np.round(np.cumsum(SHARES[design.groups]) * design.people).astype(int)
    group = rng.permutation(np.searchsorted(sizes, np.arange(design.people), side="right"))[person]
    frame = pd.DataFrame(
        {
            "face_id": np.arange(len(person)).astype(str),
            "path": "",
            "subject": person.astype(str),
            "label": np.where(session == 0, "neutral", "happy"),
            "split": "",
            "may_publish": False,
            "group": np.asarray(["a", "b", "c"], dtype=object)[group],
        }
    )

    def features(of_group: float, of_person: float) -> Floats:
        values = rng.normal(size=(len(person), DIMS))
        values += of_person * rng.normal(size=(design.people, DIMS))[person]
        values += design.of_session * rng.normal(size=(2 * design.people, DIMS))[2 * person + session]
        values[:, : design.groups] += of_group * np.eye(design.groups)[group]
        return values

    planted = (design.of_group, design.of_person)
    control = planted if design.alike else (0.0, 0.0)
    nets = [features(*control) for _ in range(NETS)]
    return frame, FaceFeatures(np.arange(len(person)), features(*planted), nets, features(*control), place="it")


def judge(seed: int, design: Design) -> dict[tuple[str, str], float]:
    """Return what came of one data set by question and method, 0 or 1."""
    rng = np.random.default_rng([seed, *str(design).encode()])
    frame, found = draw(rng, design)
    context = ProbeContext(
        probe_id="leakage",
        faces=Faces(frame, has_subjects=True, attributes={"group": AttributeSpec(assigned_by="annotator")}),
        predictions=Predictions(
            "expression", ("neutral", "happy"), np.full((len(frame), 2), 0.5), np.full(len(frame), -1.0)
        ),
        target=None,
        rules=StatisticsRules(),
        seed=seed,
        batch_size=8,
        progress=lambda unit, total: nullcontext(lambda count=1: None),
    )
    told: dict[tuple[str, str], float] = {}
    settings = LeakageParams(session="label", permutations=99)
    for output in read_all(context, settings, found):
        if isinstance(output, Finding):
            question = "identity" if output.id.endswith("identity") else "group"
            told[question, FINDING] = float(output.severity == "medium")
        if isinstance(output, Measurement):
            question = "identity" if output.metric.startswith("identity") else "group"
            if output.metric.endswith("accuracy.p"):
                told[question, CHANCE] = float(_value(output.estimate) <= 0.05)
            if output.metric.endswith("over_random_net"):
                estimate = output.estimate
                assert estimate.low is not None
                assert estimate.high is not None
                told[question, HOLDS] = float(estimate.low <= 0 <= estimate.high)
    return told


def _value(estimate: Estimate) -> float:
    assert estimate.value is not None
    return estimate.value


def simulate(seed: int) -> Row:
    """Return what came of one data set per design."""
    row: dict[Outcome, float] = {}
    for design in DESIGNS:
        even = design.alike or not (design.of_group or design.of_person)
        for (question, method), value in judge(seed, design).items():
            if method != HOLDS or even:  # elsewhere the true difference is not known
                row[Outcome(f"{question}: {design}", method)] = value
    return row


STUDY = Study(
    name="leakage",
    version=1,
    title="Leaks planted in embeddings",
    about="Embeddings of 24 values, four pictures of each person in two sessions. Planted: groups 3 standard deviations"
    " apart, pictures of a person alike by 1.2. In the controls too: 1.8 and 0.7 in the embedding and in all "
    "controls, each drawn anew. Groups have shares .5 .5 or .6 .25 .15. A finding is one beyond chance and both "
    "controls, adjusted for the two questions.",
    simulate=simulate,
)
