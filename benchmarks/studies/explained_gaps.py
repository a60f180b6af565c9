"""How often do the measures of what explains gaps hold, and the probes call honest data and models uneven?"""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

import countenance
from countenance.core.statistics.groups import build_groups
from countenance.core.statistics.label_excess import labels_of_groups
from countenance.core.statistics.representation import group_evenness, normalised_deviation
from countenance.core.statistics.reweighting import explained, weigh
from countenance.core.statistics.rules import StatisticsRules
from countenance.synth.planted_gaps import Effort, planted_table, write_planted

from .people import Integers, draw_people
from .runner import Outcome, Row, Study

PROBES = ("representation", "reweighted_gaps", "hidden_slices")
BIAS = {0.0: 0.0, 0.3: 0.001679, 0.7: 0.010768}
"""NMI of group and label by the share of one group's label 1 that is called 0, from 200,000 people (seed 1)."""
SHARES = ((0.5, 0.5), (0.7, 0.3), (0.25, 0.25, 0.25, 0.25), (0.4, 0.3, 0.2, 0.1))
MIXES = np.array([[0.6, 0.3, 0.1], [0.4, 0.3, 0.3], [0.2, 0.3, 0.5]])
RIGHT = np.array([0.9, 0.7, 0.6])
LIMITS, TEST = "limits hold", "finding, where there is nothing"


def labelled(rng: np.random.Generator, people: int, bias: float) -> tuple[Integers, Integers, Integers]:
    """Return person, group and label of each face; people are alike in their labels."""
    person = draw_people(rng, people)
    group = rng.choice(3, people, p=[0.5, 0.3, 0.2])[person]
    shares = rng.dirichlet(np.array([0.4, 0.3, 0.2, 0.1]) * 4, people)
    label = (rng.random(len(person))[:, None] > shares[person].cumsum(axis=1)).sum(axis=1).clip(0, 3)
    return person, group, np.where((group == 2) & (label == 1) & (rng.random(len(person)) < bias), 0, label)


def holds(low: float, truth: float, high: float) -> float:
    """Return 1 when the limits hold the truth."""
    return float(low <= truth + 1e-9 and truth <= high + 1e-9)


def measures(seed: int) -> Row:
    """Return whether limits of NMI, NSD and of what goes away at one mix hold."""
    row: dict[Outcome, float] = {}
    rng = np.random.default_rng([seed, 2])
    for bias, truth in BIAS.items():
        person, group, label = labelled(rng, 200, bias)
        groups = build_groups({"group": group.astype(str)}, ["group"])
        found = labels_of_groups(person, label, 4, [groups], [groups.codes], StatisticsRules(), seed, 299)[0]
        cell = f"NMI of 3 groups and 4 labels, {bias:.0%} of one label called another in one group"
        row[Outcome(cell, LIMITS)] = holds(found.information.low, truth, found.information.high)
        if not bias:
            row[Outcome(cell, TEST)] = float(np.nanmin(found.p_adjusted) <= 0.05)
    for shares in SHARES:
        person = draw_people(rng, 100)
        codes = rng.choice(len(shares), 100, p=shares)[person]
        even = group_evenness(person, codes, len(shares), 0.95, rng, draws=500)
        truth = float(normalised_deviation(np.asarray(shares)))
        row[Outcome(f"NSD of shares {' '.join(map(str, shares))}", LIMITS)] = holds(even.low, truth, even.high)
    for people in (100, 400):
        person = draw_people(rng, people)
        group = (np.arange(people) % 3)[person]
        label = (rng.random(len(person))[:, None] > MIXES.cumsum(axis=1)[group]).sum(axis=1).clip(0, 2)
        right = (rng.random(len(person)) < RIGHT[label]).astype(float)
        weighed = weigh(person, group, label, (people, 3, 3), right, np.ones(len(person)))
        if weighed is not None:
            gone = explained(weighed, 0.95, rng)
            truth = float((MIXES[gone.upper] - MIXES[gone.lower]) @ RIGHT)
            cell = f"what goes away of a gap in accuracy, 3 groups of other mixes, {people} people"
            row[Outcome(cell, LIMITS)] = holds(gone.low, truth, gone.high)
    return row


def simulate(seed: int) -> Row:
    """Return whether limits hold, and which probes raise a finding at tables with nothing in them."""
    row = dict(measures(seed))
    for people in (200, 600):
        with TemporaryDirectory() as folder:
            table = planted_table("nothing", 10_000 + seed, Effort(people=people))
            results = countenance.run(write_planted(table, Path(folder), PROBES, seed=seed))
        for probe in results.probes:
            if probe.status != "ok":
                raise RuntimeError(f"{probe.id}, seed {seed}: {probe.reason}")
            raised = any(one.severity != "note" for one in probe.findings)
            row[Outcome(f"{probe.id}, {people} people, 5 attributes", TEST)] = float(raised)
    return row


STUDY = Study(
    name="explained_gaps",
    version=1,
    title="What explains gaps: limits, and findings where there is nothing",
    about="People have 2 to 20 faces (log-normal, mean about 8) and are alike in their labels (Dirichlet, of "
    "concentration 4). Limits at 95 %. The tables with nothing in them are those of `planted_gaps` of other seeds; a "
    "finding counts when its severity is above a note.",
    simulate=simulate,
)
