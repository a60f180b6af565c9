"""The study of the alignment loss, small: drawn faces, a few steps, with and without the loss."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

from countenance.synth.dataset import draw_crops
from countenance.synth.expression import EXPRESSIONS


@pytest.fixture(scope="module")
def study(root: Path) -> Iterator[ModuleType]:
    """The module of ``benchmarks/studies``, which is not installed."""
    sys.path.insert(0, str(root))
    try:
        yield import_module("benchmarks.studies.alignment_loss")
    finally:
        sys.path.remove(str(root))


def test_training_on_drawn_faces_raises_likeness(study: ModuleType) -> None:
    """Too few steps for an accuracy worth comparing; that is what the study itself is for."""
    material = study.Material.of(draw_crops(8, 7, 11, 64, size=80))
    assert material.valid.tolist() == [name != "neutral" for name in EXPRESSIONS] * 8
    without, with_loss = (study.judge(study.train(material, 0, weight), material) for weight in (0.0, study.WEIGHT))
    assert with_loss["ATT-COS"] > without["ATT-COS"] + 0.05
    assert with_loss["CAM-COS"] > without["CAM-COS"]
    assert with_loss["Pearson"] > without["Pearson"]
    assert without["CAM-COS of a constant map"] == with_loss["CAM-COS of a constant map"]


def test_the_same_seed_trains_the_same_net(study: ModuleType) -> None:
    material = study.Material.of(draw_crops(2, 7, 3, 64, size=80))
    one, two = (study.judge(study.train(material, 5, study.WEIGHT), material) for _ in range(2))
    assert one == two
