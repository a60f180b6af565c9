"""Label randomisation on a small net: a small version of the study whose rates stand in the documentation."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture(scope="module")
def study(root: Path) -> Iterator[ModuleType]:
    """The study, which is not installed."""
    sys.path.insert(0, str(root))
    try:
        yield import_module("benchmarks.studies.label_randomisation")
    finally:
        sys.path.remove(str(root))


def test_gradcam_tells_learnt_expressions_from_labels_learnt_by_heart_and_edges_do_not(study: ModuleType) -> None:
    row = {str(outcome): value for outcome, value in study.simulate(1, people=18, epochs=11).items()}
    same, permuted = study.SAME, study.PERMUTED
    assert row[f"accuracy on the faces trained on | {same} | rate"] > 0.85
    assert row[f"accuracy on other people, true labels | {permuted} | rate"] < 0.4
    alike = {name: row[f"GradCAM: rank correlation of maps | {name} | rate"] for name in (same, permuted)}
    assert alike[same] > alike[permuted] + 0.15
    kept = "share of the picture's own that is kept"
    assert abs(row[f"GradCAM: {kept} | {permuted} | rate"]) < 0.2
    for name in (same, permuted):
        assert row[f"{study.EDGES}: {kept} | {name} | rate"] == pytest.approx(1)
