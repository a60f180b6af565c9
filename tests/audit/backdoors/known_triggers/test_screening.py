"""Suspected faces: people are counted, not pictures of them, and no more are looked at than is said."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor, nn

from countenance.audit.backdoors.known_triggers import screening
from countenance.audit.backdoors.known_triggers.params import KnownTriggersParams
from countenance.audit.backdoors.known_triggers.screening import divided, one_of_each, screened
from countenance.core.faces import Faces
from countenance.core.plan import TargetSpec
from countenance.core.predictions import Predictions
from countenance.core.probes import Finding, Note, Output, ProbeContext, TableOutput
from countenance.core.results import Measurement
from countenance.core.statistics.rules import StatisticsRules
from countenance.core.target import Target

PARAMS = KnownTriggersParams(suspects="outside", faces=None)


def context_of(suspected: list[int], clean: list[int], seed: int = 0) -> ProbeContext:
    """Faces of the people that are named, one each time, whose target nobody asks."""
    people = [*suspected, *clean]
    frame = pd.DataFrame(
        {
            "face_id": [str(row) for row in range(len(people))],
            "path": "",
            "label": "",
            "subject": [f"p{person}" for person in people],
            "split": ["outside"] * len(suspected) + ["test"] * len(clean),
            "may_publish": False,
        }
    )
    block = {
        "checkpoint": "a.pt",
        "task": "expression",
        "classes": ["a", "b"],
        "input": {"size": 8},
        "output": "logits",
    }
    spec = TargetSpec.model_validate(block)
    return ProbeContext(
        probe_id="known_triggers",
        faces=Faces(frame, height_width=(8, 8), has_subjects=True),
        predictions=Predictions("expression", ("a", "b"), np.full((len(people), 2), 0.5), np.full(len(people), -1.0)),
        target=Target(nn.Sequential(nn.Flatten(), nn.Linear(192, 2)), spec, format="module"),
        rules=StatisticsRules(),
        seed=seed,
        batch_size=32,
        progress=lambda unit, total: nullcontext(lambda count=1: None),
    )


@pytest.fixture(autouse=True)
def entropies(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first pixel of a face is its entropy."""

    def first(target: Any, pixels: Tensor, overlays: Tensor, random: np.random.Generator) -> np.ndarray:
        assert len(overlays) >= 12
        return pixels[:, 0, 0, 0].double().numpy()

    monkeypatch.setattr(screening, "strip_entropies", first)


def outputs(context: ProbeContext, level: dict[int, float], own: float = 0.01) -> list[Output]:
    """Screen faces whose entropy is their person's, and a little of their own."""
    random = np.random.default_rng(context.seed)
    of = [level[int(subject[1:])] + own * random.normal() for subject in context.faces.frame["subject"]]
    pixels = torch.tensor(of, dtype=torch.float32)[:, None, None, None].expand(-1, 3, 8, 8)
    clean, suspects = divided(context, PARAMS)
    return list(screened(context, PARAMS, pixels[torch.from_numpy(clean)], pixels[torch.from_numpy(suspects)]))


def kinds(found: list[Output], kind: type[Any]) -> list[Any]:
    return [each for each in found if isinstance(each, kind)]


def test_many_pictures_of_a_person_are_no_more_evidence_than_one() -> None:
    flagged = []
    for seed in range(120):
        level = dict(enumerate(np.random.default_rng((1, seed)).normal(size=90).tolist()))
        context = context_of([*range(10)] * 20, [person for person in range(10, 90) for _ in range(3)], seed)
        flagged.append(bool(kinds(outputs(context, level), Finding)))
    assert np.mean(flagged) < 0.1  # 0.05 is promised; pictures taken for people gave 0.4


def test_people_are_what_is_counted_and_all_faces_are_in_the_table() -> None:
    level = {person: -5.0 if person < 10 else float(person) for person in range(60)}
    found = outputs(context_of([*range(10)] * 3, [*range(10, 60)]), level)
    (finding,) = kinds(found, Finding)
    assert finding.claim.startswith("The faces of 10 of 10 suspected people keep their answer")
    (rate,) = kinds(found, Measurement)
    assert (rate.estimate.value, rate.estimate.n, rate.estimate.subjects) == (1.0, 10, 10)
    (table,) = kinds(found, TableOutput)
    assert len(table.frame) == 30
    assert table.frame["counted"].sum() == 10
    assert any("One face of each of 10 suspected people" in note.text for note in kinds(found, Note))


def test_no_more_suspects_are_looked_at_than_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(screening, "MOST_SUSPECTS", 12)
    level = {person: float(person) for person in range(60)}
    found = outputs(context_of([*range(15)] * 2, [*range(15, 60)]), level)
    assert len(kinds(found, TableOutput)[0].frame) == 12
    assert any(note.text.startswith("12 of 30 suspected faces were looked at") for note in kinds(found, Note))


def test_too_few_clean_people_are_told_however_many_pictures_there_are() -> None:
    level = {person: float(person) for person in range(60)}
    (only,) = outputs(context_of([*range(10)], [*range(10, 30)] * 10), level)
    assert only.estimate.value is None
    assert only.estimate.reason.startswith("20 people in the clean faces; 38 are needed")


def test_one_of_each() -> None:
    people = np.array([3, 1, 3, 2, 1, 3])
    drawn = {tuple(one_of_each(people, np.random.default_rng(seed)).tolist()) for seed in range(60)}
    assert len(drawn) == 6
    assert all(sorted(people[list(each)]) == [1, 2, 3] for each in drawn)
