"""The study of the backdoor scan: rows to rates, going on after a break, and what kinds of nets it has."""

from __future__ import annotations

import json
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from countenance.synth.quick_faces import quick_faces

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))  # benchmarks are not installed
try:
    study = import_module("benchmarks.studies.backdoor_scan_rates")
    judging = import_module("benchmarks.studies.backdoor_scan_judging")
    kinds = import_module("benchmarks.studies.backdoor_scan_nets")
finally:
    sys.path.pop(0)
Net, tables, references_of = judging.Net, judging.tables, judging.references_of
by_calibration, by_median = judging.by_calibration, judging.by_median
KINDS, REFERENCE, CLEAN, TRIGGERS, FURTHER = (
    getattr(kinds, name) for name in ("KINDS", "REFERENCE", "CLEAN", "TRIGGERS", "FURTHER")
)

FAMILIES = ["mask", "additive"]


def row(kind: str, seed: int, target: int | None = None, smaller: float = 0.0) -> dict[str, Any]:
    sizes = np.random.default_rng(seed).normal(3.0, 0.2, (7, 2))
    if target is not None:
        sizes[target, 1] -= smaller
    return {
        "kind": kind, "seed": seed, "target": target, "accuracy": 0.9, "success": None if target is None else 1.0,
        "families": FAMILIES, "log_sizes": sizes.tolist(), "train_seconds": 1.0, "scan_seconds": 2.0,
    }  # fmt: skip


@pytest.fixture
def nets() -> list[Any]:
    rows = [row(REFERENCE, seed) for seed in range(40)] + [row(CLEAN, 1000 + seed) for seed in range(20)]
    rows += [row("patch", 2000 + seed, seed % 7, 2.0) for seed in range(10)]
    return [Net.parse(each) for each in rows]


def test_planted_sizes_are_flagged_and_clean_ones_are_not(nets: list[Any]) -> None:
    references = references_of(nets)
    assert references.shape == (40, 7, 2)
    patched = [by_calibration(net, references) for net in nets if net.kind == "patch"]
    assert all(each.flagged and each.rightly and each.first for each in patched)
    clean = [by_calibration(net, references) for net in nets if net.kind == CLEAN]
    assert sum(each.flagged for each in clean) <= 3
    assert not any(each.rightly for each in clean)


def test_the_rule_of_neural_cleanse_is_its_own() -> None:
    sizes = [[3.0, 3.0], [3.1, 3.0], [3.05, 3.0], [2.95, 3.0], [3.0, 3.0], [3.02, 3.0], [1.0, 3.0]]
    found = by_median(Net.parse(row("patch", 1, 6) | {"log_sizes": sizes}), "mask")
    assert found.flagged
    assert found.rightly
    assert found.first


def test_tables_have_every_kind_that_was_run(nets: list[Any]) -> None:
    text = tables(nets)
    assert "10 of 10, 100% (69.2-100.0)" in text
    assert "| 8 references | 12 references | 20 references | 40 references |" in text
    assert "warp" not in text
    assert "4 are needed" in tables(nets[:3])


def test_a_broken_off_run_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, int]] = []

    def simulated(job: tuple[str, int]) -> dict[str, Any]:
        asked.append(job)
        return row(job[0], job[1], None if job[0] == REFERENCE else 2)

    monkeypatch.setattr(study, "simulate", simulated)
    file = tmp_path / "nets.jsonl"
    study.run({REFERENCE: 3, "patch": 1}, 1, file)
    with file.open("a", encoding="utf-8") as stream:
        stream.write(json.dumps(row(REFERENCE, 3))[:40])
    study.run({REFERENCE: 4, "patch": 2}, 1, file)
    assert sorted(asked) == [("patch", 7200), ("patch", 7201), *((REFERENCE, 4000 + seed) for seed in range(4))]
    assert len(study.read(file)) == 6


def test_seeds_of_kinds_do_not_meet() -> None:
    seeds = [kind.first + place for name, kind in KINDS.items() for place in range(study.COUNTS[name])]
    assert len(set(seeds)) == len(seeds)
    assert study.COUNTS[CLEAN] >= 60
    assert set(TRIGGERS) | set(FURTHER) | {REFERENCE, CLEAN} == set(KINDS)


@pytest.mark.parametrize("name", [name for name in KINDS if name not in (REFERENCE, CLEAN, "pff")])
def test_every_poison_marks_faces(name: str) -> None:
    faces = quick_faces(70, 3)
    make = KINDS[name].poison
    assert make is not None
    poison = make(KINDS[name].first + 1)
    poisoned = poison.apply(faces, 1)
    assert not torch.equal(poisoned.pixels, faces.pixels)
    assert torch.equal(poisoned.labels, faces.labels) != poison.relabel
    attacked = poison.attacked(faces)
    assert float(attacked.min()) >= 0
    assert float(attacked.max()) <= 1
