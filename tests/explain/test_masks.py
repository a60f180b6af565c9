from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from countenance.core.expressions import EKMAN_EXPRESSIONS, expression_of, no_mask_reason
from countenance.explain.heatmaps.agreement import iou
from countenance.explain.masks import MaskError, ekman_mask_data, ekman_masks, ekman_polygons, load_masks


def save(path: Path, size: tuple[int, int] = (224, 275), box: tuple[int, int, int, int] = (50, 60, 150, 200)) -> None:
    picture = Image.new("L", size)
    picture.paste(255, box)
    picture.save(path)


def test_six_masks_on_the_canvas() -> None:
    masks = ekman_masks()
    assert tuple(masks.masks) == EKMAN_EXPRESSIONS
    assert masks.size == (275, 224)
    assert masks.version == ekman_mask_data()["version"] == 1
    assert all(0.15 < mask.mean() < 0.35 for mask in masks.masks.values())


def test_masks_are_symmetric() -> None:
    """The face is symmetric about x = 111.5, the middle of the canvas, and so is every drawing."""
    for mask in ekman_masks().masks.values():
        assert iou(mask, mask[:, ::-1]) > 0.98


def test_own_masks_agree_with_the_published_ones(shared: Path) -> None:
    published = load_masks(shared / "fixtures" / "ekman_heatmaps")
    overlap = {name: iou(mask, published.masks[name]) for name, mask in ekman_masks().masks.items()}
    assert np.mean(list(overlap.values())) >= 0.85
    assert min(overlap.values()) >= 0.80
    stated = {name: entry["iou_with_published"] for name, entry in ekman_mask_data()["masks"].items()}
    assert stated == pytest.approx(overlap, abs=0.001)


def test_every_mask_states_region_source_and_disagreement() -> None:
    data = ekman_mask_data()
    assert len(data["sources"]) >= 2
    assert "Barrett" in data["what"]
    for entry in data["masks"].values():
        assert len(entry["region"]) > 20
        assert len(entry["disagreement"]) > 20


def test_polygons_rasterise_to_the_mask_and_outlines_enclose_it() -> None:
    masks = ekman_masks()
    for name in EKMAN_EXPRESSIONS:
        assert all(polygon.shape[1] == 2 for polygon in ekman_polygons(name))
        for line in masks.outline(name):
            assert (line[0] == line[-1]).all()
            assert line.min() >= -0.5
            assert line[:, 0].max() <= 223.5
            assert line[:, 1].max() <= 274.5


@pytest.mark.parametrize(
    ("name", "expression"),
    [
        ("happy", "happiness"),
        ("Sad", "sadness"),
        ("ANGRY", "anger"),
        ("fearful", "fear"),
        ("disgusted", "disgust"),
    ],
)
def test_any_name_of_an_expression_finds_its_mask(name: str, expression: str) -> None:
    assert expression_of(name) == expression
    assert ekman_masks().get(name) is ekman_masks().masks[expression]


@pytest.mark.parametrize("name", ["neutral", "contempt", "boredom"])
def test_without_a_mask_there_is_a_reason(name: str) -> None:
    assert ekman_masks().get(name) is None
    assert name in no_mask_reason(name)


def test_own_masks_from_a_folder(tmp_path: Path) -> None:
    save(tmp_path / "happy.png")
    save(tmp_path / "Boredom.png", box=(0, 0, 10, 10))
    (tmp_path / "README.txt").write_text("not a mask")
    masks = load_masks(tmp_path)
    assert set(masks.masks) == {"happiness", "boredom"}
    assert masks.masks["boredom"].sum() == 100
    assert masks.name == tmp_path.name
    assert masks.version == 0


def test_grey_127_is_outside_and_128_inside(tmp_path: Path) -> None:
    picture = np.zeros((275, 224), dtype=np.uint8)
    picture[0], picture[1] = 127, 128
    Image.fromarray(picture).save(tmp_path / "fear.png")
    mask = load_masks(tmp_path).masks["fear"]
    assert not mask[0].any()
    assert mask[1].all()


def test_every_bad_mask_is_named_at_once(tmp_path: Path) -> None:
    save(tmp_path / "happy.png")
    save(tmp_path / "happiness.png")
    save(tmp_path / "anger.png", size=(100, 100), box=(0, 0, 5, 5))
    save(tmp_path / "fear.png", box=(0, 0, 0, 0))
    save(tmp_path / "sadness.png", box=(0, 0, 224, 275))
    (tmp_path / "disgust.png").write_bytes(b"\x89PNG not really")
    (tmp_path / "surprise.png").write_bytes(b"")
    with pytest.raises(MaskError) as caught:
        load_masks(tmp_path)
    message = str(caught.value)
    assert "6 problems" in message
    for part in (
        "happy.png: happiness.png is a mask of happiness already",
        "anger.png: expected 224 x 275",
        "fear.png: expected a region",
        "all of it is white",
        "disgust.png: expected a readable PNG",
        "surprise.png: expected a readable PNG",
    ):
        assert part in message


def test_no_folder_and_no_masks(tmp_path: Path) -> None:
    with pytest.raises(MaskError, match="there is none"):
        load_masks(tmp_path / "nowhere")
    with pytest.raises(MaskError, match=r"no \.png"):
        load_masks(tmp_path)
