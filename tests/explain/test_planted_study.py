"""The study of planted explanations: what it keeps, and how it reads an audit. Its rates stand in the documentation."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from countenance.synth.expression import EXPRESSIONS
from countenance.synth.held_out import Truth
from countenance.synth.nets import DrawnFaceNet
from countenance.synth.shortcut_nets import NETS


@pytest.fixture(scope="module")
def studies(root: Path) -> Iterator[SimpleNamespace]:
    """Modules of ``benchmarks/studies``, which are not installed."""
    sys.path.insert(0, str(root))
    try:
        names = ("planted_nets", "planted_explanations", "runner", "tables")
        yield SimpleNamespace(**{name: import_module(f"benchmarks.studies.{name}") for name in names})
    finally:
        sys.path.remove(str(root))


def test_the_nets_of_a_seed_are_trained_once(
    studies: SimpleNamespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def train_nets(seed: int) -> dict[str, DrawnFaceNet]:
        asked.append(seed)
        return {name: DrawnFaceNet() for name in NETS}

    monkeypatch.setattr(studies.planted_nets, "train_nets", train_nets)
    monkeypatch.setenv("STUDY_NETS", str(tmp_path / "nets"))
    first, again, other = (studies.planted_nets.nets_of(seed) for seed in (3, 3, 4))
    assert asked == [3, 4]
    assert not any(net.training for net in again.values())
    for name in NETS:
        for key, value in first[name].state_dict().items():
            assert torch.equal(value, again[name].state_dict()[key])
    assert not torch.equal(first["normal"].head.weight, other["normal"].head.weight)
    assert not torch.equal(first["normal"].head.weight, first["mouth"].head.weight)


def audit_with(*findings: str) -> SimpleNamespace:
    """An audit of which one measurement and these findings are known."""

    def measurement(label: str, value: float | None) -> SimpleNamespace:
        return SimpleNamespace(metric="iou", slice={"label": label}, estimate=SimpleNamespace(value=value))

    measured = [measurement("happy", 0.2), measurement("sad", 0.4), measurement("neutral", None)]
    return SimpleNamespace(
        probes=[
            SimpleNamespace(
                id=probe,
                measurements=measured if probe == "global_heatmaps" else [],
                findings=[SimpleNamespace(id=name) for name in findings if name.startswith(probe)],
            )
            for probe in ("global_heatmaps", "au_alignment")
        ]
    )


def test_a_finding_counts_where_the_audit_raises_it(studies: SimpleNamespace) -> None:
    truth = Truth(1.0, 1.0, 1.0, 0.0, 1.0)
    flagged = audit_with("global_heatmaps.outside.happy", "global_heatmaps.outside.sad", "au_alignment.mouth_only")
    row = studies.planted_explanations.outcomes("corner", flagged, truth, "upper left")
    cells = {outcome.cell: value for outcome, value in row.items()}
    assert {outcome.method for outcome in row} == {"corner net"}
    assert cells["true: uses what was planted"] == 1
    assert cells["finding: outside the face (global_heatmaps)"] == 1
    assert cells["finding: outside the face (au_alignment)"] == 0
    assert cells["finding: outside the face (either)"] == 1
    assert cells["finding: on the mouth only (au_alignment)"] == 1
    assert cells["finding: outside the face, patch in an upper corner (global_heatmaps)"] == 1
    assert cells["classes found to be outside the face (global_heatmaps)"] == 2 / len(EXPRESSIONS)
    assert cells["map: IoU with the own mask (global_heatmaps)"] == pytest.approx(0.3)
    clear = studies.planted_explanations.outcomes(
        "normal", audit_with("global_heatmaps.masks.sad"), truth, "lower left"
    )
    assert clear.keys() == {studies.runner.Outcome(cell, "normal net") for cell in cells}
    assert all(value == 0 for outcome, value in clear.items() if outcome.cell.startswith("finding") and value == value)


def test_only_the_corner_of_the_seed_counts(studies: SimpleNamespace) -> None:
    row = studies.planted_explanations.outcomes("corner", audit_with(), Truth(1.0, 1.0, 1.0, 0.0, 1.0), "lower right")
    missing = {outcome.cell for outcome, value in row.items() if value != value and "finding" in outcome.cell}
    assert missing == {
        f"finding: outside the face, patch in an upper corner ({probe})"
        for probe in ("global_heatmaps", "au_alignment")
    }
