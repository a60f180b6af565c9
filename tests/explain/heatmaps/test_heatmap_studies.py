"""The designs of the studies of heatmap intervals; the rates in the docs come from the studies themselves."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from countenance.core.errors import UsageError


@pytest.fixture(scope="module")
def studies(root: Path) -> Iterator[SimpleNamespace]:
    """The modules of ``benchmarks/studies``, which are not installed."""
    sys.path.insert(0, str(root))
    try:
        names = ("heatmap_coverage", "heatmaps_drawn", "heatmaps_london", "runner")
        yield SimpleNamespace(**{name: import_module(f"benchmarks.studies.{name}") for name in names})
    finally:
        sys.path.remove(str(root))


def test_the_truth_of_drawn_maps_is_the_mean_of_many(studies: SimpleNamespace) -> None:
    rng = np.random.default_rng(0)
    for design in studies.heatmaps_drawn.DESIGNS.values():
        total = sum(design.draw(100, rng).sum(axis=0, dtype=np.float64) for _ in range(20))
        expected = design.mean_of_all()
        assert np.abs(total / 2000 - expected).max() < 0.08 * expected.max()


def test_both_spots_of_a_map_hold_as_much(studies: SimpleNamespace) -> None:
    for design in studies.heatmaps_drawn.DESIGNS.values():
        common, own = (studies.heatmaps_drawn.spot(112, 137, size).sum() for size in (design.common[1], design.own[1]))
        # The canvas cuts off a little of the wide ones.
        assert design.weight * own == pytest.approx(common, rel=0.06)


def test_a_row_depends_on_its_seed_alone(studies: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(studies.heatmaps_drawn, "PEOPLE", (10,))
    first, again, other = (studies.heatmaps_drawn.simulate(seed) for seed in (1, 1, 2))
    assert first == again
    assert first != other
    assert first.keys() == other.keys()
    rates = [value for outcome, value in first.items() if outcome.quantity == "rate"]
    assert len(rates) == 2 * 4 * 3
    assert set(rates) <= {0.0, 1.0}


def test_without_real_faces_the_study_of_them_says_so(
    studies: SimpleNamespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(studies.heatmaps_london, "ROOT", tmp_path / "repository")
    with pytest.raises(UsageError, match="run heatmaps_drawn, which needs nothing"):
        studies.heatmaps_london.maps_of_people.__wrapped__("face_expression")


def test_london_maps_are_those_of_the_page(studies: SimpleNamespace, shared: Path) -> None:
    maps = studies.heatmaps_london.maps_of_people("mini_xception")
    assert maps.shape == (50, 275, 224)
    scores = studies.heatmap_coverage.scorer()(maps.mean(axis=0, dtype=np.float64).astype(np.float32))
    assert scores["iou"] == pytest.approx(0.421, abs=0.003)
