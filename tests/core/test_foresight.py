"""Limits that no data of this size could pass are told before the run, with the faces that it takes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pandas as pd
import pytest

from countenance.core.probes import Advance
from countenance.core.results import ProbeResult

PREDICTIONS = {"checkpoint": None, "factory": None, "input": None, "output": None, "predictions": "p.csv"}


class Listening:
    """A reporter that keeps what it is told, in order."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    def message(self, text: str) -> None:
        self.heard.append(text)

    @contextmanager
    def progress(self, title: str, unit: str, total: int) -> Iterator[Advance]:
        self.heard.append(f"progress {title}")
        yield lambda count=1: None

    def finished(self, result: ProbeResult) -> None:
        self.heard.append(f"finished {result.id}")


def foreseen(study: Any, faces: int, gates: list[dict[str, Any]], *, probes: Any = None, groups: str = "ab") -> Any:
    """Notes of a run on a table of so many faces, each of another person, half dark and half bright."""
    rng = np.random.default_rng(0)
    right = rng.random(faces) < 0.9
    dark = np.where((np.arange(faces) // len(groups)) % 2 == 0, right, ~right)
    table = pd.DataFrame(
        {
            "face_id": [f"f{row}" for row in range(faces)],
            "label": np.where((np.arange(faces) // len(groups)) % 2 == 0, "dark", "bright"),
            "p_dark": np.where(dark, 0.8, 0.2),
            "p_bright": np.where(dark, 0.2, 0.8),
            "group": [groups[row % len(groups)] for row in range(faces)],
        }
    )
    table.to_csv(study.folder / "p.csv", index=False)
    attributes = {"group": {"assigned_by": "self-reported"}}
    data = {"manifest": None, "box": None, "subject": None, "attributes": attributes, "min_subjects": 10}
    probes = probes or [{"probe": "group_metrics", "gaps": [], "metrics": ["accuracy", "recall"]}]
    plan = study.changed(target=PREDICTIONS, data=data, probes=probes, gates=gates)
    reporter = Listening()
    results = study.run(plan=plan, reporter=reporter)
    return results.data.notes, reporter.heard


def gate(at_most: float, metric: str = "accuracy.worst_vs_rest", **where: str) -> dict[str, Any]:
    return {"measure": f"group_metrics/{metric}", "where": {"attribute": "group", **where}, "at_most": at_most}


def test_a_limit_that_can_never_be_passed_is_told_before_the_run(study: Any) -> None:
    notes, heard = foreseen(study, 80, [gate(0.05)])
    (note,) = [note for note in notes if note.startswith("The gate")]
    assert "accuracy by group: The limit of 0.05 can never be passed with these faces" in note
    assert "from the 40 faces of a; 52 are the least" in note
    assert heard.index(f"before the run: {note}") < heard.index("finished group_metrics")


def test_recall_counts_the_faces_of_its_label(study: Any) -> None:
    notes, _ = foreseen(study, 120, [gate(0.05, "recall.worst_vs_rest", label="dark")])
    assert any("recall of dark by group: The limit" in note and "from the 30 faces of a" in note for note in notes)
    notes, _ = foreseen(study, 120, [gate(0.05, "recall.worst_vs_rest", label="*")])
    assert any("2 of 2 differences have too few faces; recall of dark by group" in note for note in notes)


def test_a_limit_that_is_hardly_ever_passed_names_the_faces_it_takes(study: Any) -> None:
    notes, _ = foreseen(study, 400, [gate(0.05)])
    (note,) = [note for note in notes if note.startswith("The gate")]
    assert "to pass in 80 it takes about 620 faces in each of the 2 groups" in note
    assert "The smallest group has 200" in note


def test_enough_faces_or_a_wide_limit_are_not_told(study: Any) -> None:
    notes, heard = foreseen(study, 400, [gate(0.2)])
    assert not any("The gate" in note for note in notes)
    assert not any("before the run" in text for text in heard)
    notes, _ = foreseen(study, 4000, [gate(0.05, "accuracy.gap")])
    assert not any("The gate" in note for note in notes)


def test_a_group_too_small_is_told_unless_out_of_scope(study: Any) -> None:
    notes, _ = foreseen(study, 400, [gate(0.2)], groups="a" * 30 + "b" * 29 + "c")
    (note,) = [note for note in notes if note.startswith("The gate")]
    assert "1 of 3 groups has fewer than the 10 people that it takes to be measured: c (6)" in note


@pytest.mark.parametrize(
    "of",
    [
        {"measure": "group_metrics/accuracy", "where": {"group": "a"}, "at_least": 0.5},
        {"measure": "group_metrics/accuracy.gap", "where": {"attribute": "group"}, "at_least": 0.0},
    ],
)
def test_other_gates_are_left_alone(study: Any, of: dict[str, Any]) -> None:
    notes, _ = foreseen(study, 80, [of])
    assert not any("The gate" in note for note in notes)


def test_the_tolerance_of_the_probe_is_looked_at_too(study: Any) -> None:
    probe = {"probe": "group_metrics", "metrics": ["accuracy"], "gaps": ["accuracy"], "tolerance": 0.01}
    notes, _ = foreseen(study, 120, [], probes=[probe])
    (note,) = [note for note in notes if note.startswith("The tolerance")]
    assert note.startswith("The tolerance 0.01 of group_metrics, even if all faces count: accuracy by group: The limit")
    assert "can never be passed" in note


def test_action_units_count_the_faces_that_have_the_unit(study: Any) -> None:
    faces = 200
    table = pd.DataFrame({"face_id": [f"f{row}" for row in range(faces)], "group": ["a", "b"] * (faces // 2)})
    table["y_AU1"] = [1 if row < 60 else 0 for row in range(faces)]
    table["p_AU1"] = 0.5 + 0.4 * (table["y_AU1"] - 0.5)
    table.to_csv(study.folder / "p.csv", index=False)
    target = {**PREDICTIONS, "task": "action_units", "classes": ["AU1"]}
    data = {"manifest": None, "box": None, "subject": None, "attributes": {"group": {"assigned_by": "annotator"}}}
    probe = {"probe": "group_metrics", "metrics": ["recall"], "gaps": []}
    limits = [gate(0.05, "recall.gap", label="AU1")]
    results = study.run(plan=study.changed(target=target, data=data, probes=[probe], gates=limits))
    assert any("from the 30 faces of a" in note for note in results.data.notes)
