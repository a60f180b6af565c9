"""Correlation of heatmaps and the tree it grows, against published heatmaps and SciPy used directly."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.cluster.hierarchy import average
from scipy.spatial.distance import pdist

from countenance.core.heatmap_similarity import correlations, heatmap_tree, normalised_correlation

# Merge heights of the six networks whose heatmaps are among the fixtures (Gaya-Morey et al. 2024; recomputed).
HEIGHTS = {
    "anger": (0.103, 0.184, 0.230, 0.513, 0.733),
    "disgust": (0.054, 0.096, 0.148, 0.197, 0.436),
    "fear": (0.057, 0.103, 0.164, 0.412, 0.459),
    "happiness": (0.034, 0.039, 0.041, 0.146, 0.399),
    "sadness": (0.069, 0.119, 0.197, 0.200, 0.572),
    "surprise": (0.132, 0.164, 0.212, 0.345, 0.505),
}


@pytest.mark.parametrize("expression", HEIGHTS)
def test_the_six_published_networks_join_at_the_published_heights(shared: Path, expression: str) -> None:
    files = sorted((shared / "fixtures" / "ekman_heatmaps").glob(f"*_{expression}.png"))
    maps = {
        file.stem.rpartition("_")[0]: np.asarray(Image.open(file).convert("L"))
        for file in files
        if not file.stem.startswith("mask_")
    }
    assert len(maps) == 6
    assert heatmap_tree(expression, maps).heights == pytest.approx(HEIGHTS[expression], abs=5e-4)


def test_correlation_is_that_of_the_pixels() -> None:
    random = np.random.default_rng(0)
    maps = [random.random((9, 7)) for _ in range(4)]
    assert correlations(maps) == pytest.approx(np.corrcoef([each.ravel() for each in maps]))
    assert normalised_correlation(maps[0], 5 * maps[0] + 3) == pytest.approx(1)
    assert normalised_correlation(maps[0], -maps[0]) == pytest.approx(-1)


def test_tree_is_that_of_scipy_and_its_order_has_no_crossing_lines() -> None:
    random = np.random.default_rng(1)
    maps = {f"net {number}": random.random((6, 5)) for number in range(7)}
    tree = heatmap_tree("happy", maps)
    expected = average(pdist(np.stack([each.ravel() for each in maps.values()]), "correlation"))
    assert np.array(tree.merges) == pytest.approx(expected)
    assert sorted(tree.order) == list(range(7))
    place = {network: position for position, network in enumerate(tree.order)}
    members = {number: {number} for number in range(7)}
    for number, (first, second, _, _) in enumerate(tree.merges, start=7):
        members[number] = members[first] | members[second]
        positions = sorted(place[network] for network in members[number])
        assert positions == list(range(positions[0], positions[0] + len(positions)))


def test_what_cannot_be_compared_is_left_out_with_the_reason() -> None:
    broken = np.full((4, 4), np.nan)
    maps = {"flat": np.ones((4, 4)), "broken": broken, "one": np.eye(4)}
    tree = heatmap_tree("sad", maps, {"absent": "no heatmap of sad"})
    assert tree.names == ("one",)
    assert tree.merges == ()
    assert set(tree.left_out) == {"flat", "broken", "absent"}
    with pytest.raises(ValueError, match="one shape"):
        heatmap_tree("sad", {"small": np.eye(3), "large": np.eye(4)})
    with pytest.raises(ValueError, match="constant"):
        normalised_correlation(np.ones((3, 3)), np.eye(3))
