"""How long the probe ``group_indices`` takes on one core: ``python -m benchmarks.group_indices [PEOPLE] [GROUPS]``."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pandas as pd

from countenance.audit.fairness.group_indices import GroupIndicesParams, group_indices
from countenance.core.faces import Faces
from countenance.core.plan import AttributeSpec
from countenance.core.predictions import Predictions
from countenance.core.probes import Advance, ProbeContext, TableOutput
from countenance.core.statistics.rules import StatisticsRules

CLASSES = 7


@contextmanager
def _quiet(unit: str, total: int) -> Iterator[Advance]:
    yield lambda count=1: None


def context(people: int, groups: int) -> ProbeContext:
    """Return faces of people with 2 to 20 each, in groups of about one size, and answers right in 70 %."""
    rng = np.random.default_rng(0)
    faces = np.clip(np.round(rng.lognormal(np.log(7), 0.5, people)), 2, 20).astype(np.int64)
    person = np.repeat(np.arange(people), faces)
    truth = rng.choice(CLASSES, len(person))
    right = rng.random(len(person)) < rng.beta(7, 3, people)[person]
    answer = np.where(right, truth, rng.integers(0, CLASSES, len(person)))
    group = rng.choice(groups, people)[person].astype(str)
    frame = pd.DataFrame({"face_id": np.arange(len(person)).astype(str), "subject": person, "group": group})
    return ProbeContext(
        probe_id="group_indices",
        faces=Faces(frame, has_subjects=True, attributes={"group": AttributeSpec(assigned_by="annotator")}),
        predictions=Predictions(
            "expression", tuple(f"c{place}" for place in range(CLASSES)), np.eye(CLASSES)[answer], truth.astype(float)
        ),
        target=None,
        rules=StatisticsRules(),
        seed=0,
        batch_size=1,
        progress=_quiet,
    )


def main(arguments: list[str]) -> None:
    """Print the time of one run."""
    people = int(arguments[0]) if arguments else 6144
    groups = int(arguments[1]) if len(arguments) > 1 else 126
    made = context(people, groups)
    wall, cpu = time.perf_counter(), time.process_time()
    outputs = list(group_indices(made, GroupIndicesParams()))
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    table = next(each for each in outputs if isinstance(each, TableOutput)).frame
    measured = int(table["value"].notna().sum())
    print(f"{len(made.faces):,} faces of {people:,} people in {groups} groups, {measured} of {len(table)} indices:")
    print(f"{wall:.1f} s, {cpu:.1f} s of processor time")


if __name__ == "__main__":
    main(sys.argv[1:])
