"""A small version of the study of planted faults; the table in docs/integrity.md comes from a long one."""

from __future__ import annotations

import sys
from importlib import import_module

import numpy as np
import pytest
import torch

PEOPLE, SEEDS = 24, 6


@pytest.fixture(scope="module")
def study(root):
    """The module of ``benchmarks/studies``, which is not installed."""
    sys.path.insert(0, str(root))
    try:
        yield import_module("benchmarks.studies.integrity_faults")
    finally:
        sys.path.remove(str(root))


@pytest.fixture
def world(study, drawn, tmp_path, monkeypatch):
    """The drawn faces of the tests as the study holds them."""
    monkeypatch.setenv("STUDY_NETS", str(tmp_path))
    pixels = torch.cat([batch.pixels for batch in drawn.faces.batches(32)])
    return study.World(drawn.net, drawn.spec, pixels, drawn.labels, drawn.faces.subject_codes, "tests")


def judged(study, world, declared, order, seed):
    rows, person = study._drawn_anew(world, PEOPLE, np.random.default_rng(seed))
    return study._by_labels(world, declared, order, rows, person, seed)


def test_people_drawn_anew_raise_nothing_and_a_fault_is_named_each_time(study, world):
    right, straight = world.spec.input, list(range(7))
    for seed in range(SEEDS):
        assert not [each for each in judged(study, world, right, straight, seed) if each.verdict == "differs"]
    wrong, name = study._inputs(right)["BGR for RGB"]
    for seed in range(SEEDS):
        found = {each.name: each for each in judged(study, world, wrong, straight, seed) if each.verdict == "differs"}
        assert set(found) == {name}
    for seed in range(SEEDS):
        for order in study._orders(world, np.random.default_rng(seed)).values():
            found = [each for each in judged(study, world, right, order, seed) if each.verdict == "differs"]
            assert [each.name for each in found] == ["class_order"]


def test_the_outputs_a_study_keeps_are_those_of_the_target(study, world):
    right = world.spec.input
    reading = study.Reading("BGR", "bgr", (0.5,) * 3, (0.25,) * 3, True, False)
    declared_otherwise = right.model_copy(update={"channels": "bgr"})
    exchanged = world.outputs(right, reading)
    assert study._key(right, reading) == study._key(declared_otherwise, None)
    fresh = study.World(world.net, world.spec, world.pixels, world.labels, world.people, "fresh")
    np.testing.assert_allclose(fresh.outputs(declared_otherwise, None), exchanged, atol=1e-4)
    again = study.World(world.net, world.spec, world.pixels, world.labels, world.people, "tests")
    assert again.outputs(right, reading).tolist() == exchanged.tolist()  # read from where they are kept


@pytest.mark.slow
def test_hit_and_false_alarm_rates_on_real_and_drawn_faces(study, shared, tmp_path, monkeypatch):
    """Few seeds of the whole study: no alarm of a sound target, and every fault named on 102 or 60 people."""
    monkeypatch.setenv("STUDY_NETS", str(tmp_path))
    for seed in range(3):
        row = study.simulate(seed)
        assert not [cell for cell, value in row.items() if cell.method == study.ALARM and value]
        largest = {name: f"{name}, {sizes[0]} people: " for name, sizes in study.PEOPLE.items()}
        sure = ("BGR for RGB", "0 to 255 taken for 0 to 1", "every class at another's place", "two classes exchanged")
        drawn = largest[study.DRAWN]
        for fault in sure:
            assert row[study.Outcome(drawn + fault, study.NAMED)] == 1, fault
