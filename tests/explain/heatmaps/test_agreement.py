from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from skimage.filters import threshold_otsu
from sklearn.metrics import precision_recall_fscore_support, roc_auc_score

from countenance.explain.heatmaps.agreement import (
    agreement,
    area_threshold,
    auroc,
    energy_in_mask,
    iou,
    otsu_threshold,
    stretch,
)
from countenance.explain.heatmaps.nulls import all_ones_iou, other_masks_iou, random_area_iou, random_placement
from countenance.explain.heatmaps.score_folder import score_folder
from countenance.explain.masks import MaskError


def noise(seed: int, shape: tuple[int, int] = (40, 30)) -> np.ndarray:
    random = np.random.default_rng(seed)
    return np.clip(random.normal(120, 50, shape) + 60 * (random.random(shape) < 0.3), 0, 255).astype(np.uint8)


@settings(max_examples=80, deadline=None)
@given(st.lists(st.integers(0, 255), min_size=2, max_size=60).filter(lambda values: len(set(values)) > 1))
def test_otsu_splits_as_opencv_and_scikit_image_do(values: list[int]) -> None:
    """Levels may differ where two splits are equally good, so compare the objective."""
    heatmap = np.array(values, dtype=np.uint8).reshape(1, -1)
    ours = heatmap > otsu_threshold(heatmap)
    for level in (cv2.threshold(heatmap, 0, 255, cv2.THRESH_OTSU)[0], threshold_otsu(heatmap)):
        theirs = heatmap > level
        assert between_variance(heatmap, ours) >= between_variance(heatmap, theirs) * (1 - 1e-6)


def between_variance(heatmap: np.ndarray, above: np.ndarray) -> float:
    if above.all() or not above.any():
        return 0.0
    share, gap = above.mean(), heatmap[above].mean() - heatmap[~above].mean()
    return float(share * (1 - share) * gap**2)


@pytest.mark.parametrize("seed", range(20))
def test_otsu_gives_the_same_regions_on_pictures(seed: int) -> None:
    heatmap = noise(seed)
    level, _ = cv2.threshold(heatmap, 0, 255, cv2.THRESH_OTSU)
    np.testing.assert_array_equal(heatmap > otsu_threshold(heatmap), heatmap > level)
    np.testing.assert_array_equal(heatmap > otsu_threshold(heatmap), heatmap > threshold_otsu(heatmap))


def test_area_threshold_is_the_nearest_that_the_levels_allow() -> None:
    heatmap = noise(1)
    for share in (0.05, 0.25, 0.6):
        shares = [np.mean(heatmap > level) for level in range(int(heatmap.min()), int(heatmap.max()))]
        best = min(abs(value - share) for value in shares)
        assert abs(np.mean(heatmap > area_threshold(heatmap, share)) - share) == pytest.approx(best)


@pytest.mark.parametrize("function", [otsu_threshold, lambda heatmap: area_threshold(heatmap, 0.3)])
def test_constant_or_float_maps_have_no_threshold(function) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ValueError, match="same everywhere"):
        function(np.full((5, 5), 7, dtype=np.uint8))
    with pytest.raises(ValueError, match="uint8"):
        function(np.zeros((5, 5)))


def test_stretch_spans_the_grey_levels() -> None:
    grey = stretch(np.array([[-1.0, 0.0], [0.5, 3.0]]))
    assert grey.tolist() == [[0, 64], [96, 255]]
    for bad in (np.ones((3, 3)), np.array([[0, np.nan]]), np.array([[0, np.inf]])):
        with pytest.raises(ValueError, match="finite and not constant"):
            stretch(bad)


@pytest.mark.parametrize("seed", range(5))
def test_scores_equal_scikit_learns(seed: int) -> None:
    heatmap, mask = noise(seed), noise(seed + 100) > 130
    scores = agreement(heatmap, mask)
    evidence = heatmap > scores.threshold
    precision, recall, f1, _ = precision_recall_fscore_support(mask.ravel(), evidence.ravel(), average="binary")
    assert (scores.precision, scores.recall, scores.f1) == pytest.approx((precision, recall, f1))
    assert scores.auroc == pytest.approx(roc_auc_score(mask.ravel(), heatmap.ravel()))
    assert auroc(heatmap.astype(float), mask) == pytest.approx(scores.auroc)
    assert scores.energy_in_mask == pytest.approx((heatmap * 1.0 * mask).sum() / heatmap.sum())
    assert (scores.area, scores.mask_area) == (evidence.mean(), mask.mean())
    assert scores.iou == pytest.approx(scores.f1 / (2 - scores.f1))


def test_regions_without_overlap_score_zero_and_equal_ones_one() -> None:
    heatmap = np.zeros((10, 10), dtype=np.uint8)
    heatmap[:3] = 200
    apart = agreement(heatmap, np.arange(100).reshape(10, 10) >= 60)
    assert (apart.iou, apart.f1, apart.auroc, apart.energy_in_mask) == (0, 0, pytest.approx(0.25), 0)
    same = agreement(heatmap, heatmap > 0)
    assert (same.iou, same.f1, same.auroc, same.energy_in_mask) == (1, 1, 1, 1)


def test_misuse_is_refused() -> None:
    heatmap, mask = noise(0), noise(1) > 100
    with pytest.raises(ValueError, match="one shape"):
        agreement(heatmap, mask[1:])
    with pytest.raises(ValueError, match="one shape"):
        iou(mask, mask[1:])
    with pytest.raises(ValueError, match="both are empty"):
        iou(mask & False, mask & False)
    with pytest.raises(ValueError, match="inside and outside"):
        auroc(heatmap, mask | True)


def test_placement_null_counts_every_shift() -> None:
    random = np.random.default_rng(5)
    evidence, mask = random.random((9, 7)) < 0.3, random.random((9, 7)) < 0.4
    slow = [iou(np.roll(evidence, (dy, dx), (0, 1)), mask) for dy in range(9) for dx in range(7)]
    null = random_placement(evidence, mask)
    assert null.mean == pytest.approx(np.mean(slow))
    assert (null.low, null.high) == pytest.approx(tuple(np.quantile(slow, (0.025, 0.975))))
    assert null.share_at_least == pytest.approx(np.mean(np.array(slow) >= slow[0] - 1e-12))
    a, g = evidence.mean(), mask.mean()
    assert null.analytic == pytest.approx(a * g / (a + g - a * g)) == random_area_iou(float(a), float(g))


def test_all_ones_null_is_the_iou_of_a_white_map() -> None:
    mask = noise(4) > 150
    assert all_ones_iou(mask) == pytest.approx(iou(np.ones_like(mask), mask))


def test_energy_of_a_white_map_is_the_masks_area() -> None:
    mask = noise(4) > 150
    assert energy_in_mask(np.ones(mask.shape), mask) == pytest.approx(mask.mean())


def test_other_masks_leave_out_the_own_one() -> None:
    masks = {"fear": noise(1) > 100, "anger": noise(2) > 100}
    assert other_masks_iou(masks["fear"], masks, "fear") == {"anger": iou(masks["fear"], masks["anger"])}


def test_published_table_to_four_decimals(shared: Path) -> None:
    """36 of 36 cells of the table by Gaya-Morey et al., and the nulls beside them."""
    folder = shared / "fixtures" / "ekman_heatmaps"
    table = score_folder(folder, folder)
    published = json.loads((folder / "published_iou.json").read_text())
    expected = {
        (network, expression): value
        for network, row in published["iou"].items()
        for expression, value in zip(published["expressions"], row, strict=True)
    }
    found = {(row.network, row.expression): round(row.iou, 4) for row in table.itertuples()}
    assert len(found) == 36
    assert found == expected
    assert table.iou.mean() == pytest.approx(0.2766, abs=5e-5)
    assert table.null_ones.mean() == pytest.approx(0.2575, abs=5e-5)
    assert table.null_wrong.mean() == pytest.approx(0.2646, abs=5e-5)
    assert (table.best_mask == table.expression).sum() == 8


def test_folder_of_bare_expression_names(tmp_path: Path) -> None:
    heatmaps, masks = tmp_path / "heatmaps", tmp_path / "masks"
    heatmaps.mkdir()
    masks.mkdir()
    Image.fromarray(noise(1)).save(heatmaps / "happy.png")
    Image.fromarray(((noise(2) > 120) * 255).astype(np.uint8)).save(masks / "happiness.png")
    (row,) = score_folder(heatmaps, masks, threshold="area").to_dict("records")
    assert (row["network"], row["expression"], row["best_mask"]) == ("", "happiness", "happiness")
    assert row["area"] == pytest.approx(row["mask_area"], abs=0.01)
    assert np.isnan(row["null_wrong"])


def test_two_heatmaps_of_one_expression_are_named(tmp_path: Path) -> None:
    heatmaps, masks = tmp_path / "heatmaps", tmp_path / "masks"
    heatmaps.mkdir()
    masks.mkdir()
    Image.fromarray(((noise(2) > 120) * 255).astype(np.uint8)).save(masks / "happiness.png")
    for number, name in enumerate(("net_happy", "net_happiness", "other_happy")):
        Image.fromarray(noise(number)).save(heatmaps / f"{name}.png")
    with pytest.raises(MaskError, match=r"net_happy.png: net_happiness.png is a heatmap of happiness already"):
        score_folder(heatmaps, masks)


def test_every_bad_heatmap_is_named_at_once(tmp_path: Path) -> None:
    heatmaps, masks = tmp_path / "heatmaps", tmp_path / "masks"
    heatmaps.mkdir()
    masks.mkdir()
    Image.fromarray(((noise(2) > 120) * 255).astype(np.uint8)).save(masks / "fear.png")
    with pytest.raises(MaskError, match="there is none"):
        score_folder(heatmaps, masks)
    Image.fromarray(noise(1)).save(heatmaps / "NetA_anger.png")
    Image.fromarray(noise(1)[:9]).save(heatmaps / "NetB_fear.png")
    Image.fromarray(np.full((40, 30), 9, dtype=np.uint8)).save(heatmaps / "NetC_fear.png")
    (heatmaps / "NetD_fear.png").write_bytes(b"nothing")
    with pytest.raises(MaskError) as caught:
        score_folder(heatmaps, masks)
    message = str(caught.value)
    assert "4 problems" in message
    for part in (
        "'anger' has none",
        "NetB_fear.png: expected 30 x 40",
        "same everywhere (grey 9)",
        "readable PNG",
    ):
        assert part in message
