from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from benchmarks.studies.planted_forgeries import (
    PATCH,
    SIDE,
    Detector,
    Forgeries,
    audit,
    plant,
    train_detector,
    write_faces,
)
from PIL import Image

from countenance.audit.forgery.localisation.masks import OUTSIDE_BOX, WHOLE, picture_size
from countenance.audit.forgery.localisation.measuring import FLAT, Explained, Explaining
from countenance.audit.forgery.localisation.params import LocalisationParams
from countenance.audit.forgery.localisation.scoring import (
    AT_AREA,
    AUROC,
    ENERGY,
    IOU,
    blank_scores,
    centre_spot,
    holds_change,
    scores_of,
    with_nulls,
)
from countenance.audit.forgery.sources import source_photos
from countenance.core.faces import Faces
from countenance.core.probes import ProbeContext

PROBE = "forgery_localisation"


@pytest.fixture(scope="module")
def seer() -> Detector:
    """A detector that learned a planted local mark."""
    return train_detector(0, mark=True, cast=False)


@pytest.fixture(scope="module")
def blind() -> Detector:
    """A detector that learned a cast of the whole picture."""
    return train_detector(0, mark=False, cast=True)


def status(results: Any) -> str:
    return str(results.probes[0].status) + str(results.probes[0].reason or "")


def test_a_detector_that_learned_a_local_mark_is_shown_to_see_it(seer: Detector, tmp_path: Path) -> None:
    frame = write_faces(tmp_path, plant(40, 1, mark=True, cast=False))
    results = audit(seer, frame, tmp_path, out=tmp_path / "run", also=["layercam", "occlusion"])
    assert status(results) == "ok"
    assert results[f"{PROBE}/mask_iou"].estimate.value > 0.2
    assert results[f"{PROBE}/mask_iou.null_ones"].estimate.value == pytest.approx((PATCH / SIDE) ** 2)
    assert results[f"{PROBE}/mask_iou.over_ones"].estimate.low > 0.1
    assert results[f"{PROBE}/pixel_auroc"].estimate.low > 0.9
    assert results[f"{PROBE}/pixel_auroc.null_genuine"].estimate.high < 0.6
    assert results[f"{PROBE}/pixel_auroc.over_other_masks"].estimate.low > 0.2
    assert results[f"{PROBE}/pixel_auroc[kind=odd]"].estimate.reason is not None  # 20 people are too few for it
    assert results[f"{PROBE}/mask_iou@explained_by=layercam"].estimate.value > 0.2
    assert results[f"{PROBE}/mask_holds_change"].estimate.value == pytest.approx(1)
    found = {finding.id: finding for finding in results.findings()}
    told = found[f"{PROBE}.localisation.marked"]
    assert told.severity == "note"
    assert "show where they were changed" in told.claim
    keys = {item.key for item in results.measurements()}
    assert set(told.evidence) <= keys
    assert f"{PROBE}.masks.marked" not in found
    table = pd.read_csv(tmp_path / "run" / "tables" / f"{PROBE}.methods.csv")
    assert table["faces"].tolist() == [40]


def test_a_detector_that_learned_something_of_the_whole_picture_is_not(blind: Detector, tmp_path: Path) -> None:
    frame = write_faces(tmp_path, plant(40, 1, mark=True, cast=True))
    results = audit(blind, frame, tmp_path)
    assert status(results) == "ok"
    assert results[f"{PROBE}/pixel_auroc"].estimate.value < 0.75
    told = {finding.id: finding for finding in results.findings()}[f"{PROBE}.localisation.marked"]
    assert told.severity == "low"
    assert "show where they were changed" not in told.claim
    assert "may be sent to places that were not changed" in told.claim


def _blank_for(monkeypatch: pytest.MonkeyPatch, every: int) -> None:
    """Take the heatmap from every second, third, ... forged face."""
    maps = Explaining.maps

    def some(self: Explaining, rows: np.ndarray) -> Explained:
        found = maps(self, rows)
        for of_method in found.maps.values():
            of_method.update({row: FLAT for row in of_method if row % 2 and row // 2 % every == 0})
        return found

    monkeypatch.setattr(Explaining, "maps", some)


@pytest.mark.parametrize(("every", "said"), [(10, "show where"), (2, "Most heatmaps"), (1, "All heatmaps")])
def test_blank_heatmaps_are_scores_of_chance(
    seer: Detector, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, every: int, said: str
) -> None:
    """A detector whose maps are right where there are any, and blank for one face in `every`."""
    frame = write_faces(tmp_path, plant(40, 1, mark=True, cast=False))
    _blank_for(monkeypatch, every)
    monkeypatch.setattr(ProbeContext, "may_show", np.ones(len(frame), dtype=np.bool_))  # a live run shows nobody
    results = audit(seer, frame, tmp_path, out=tmp_path / "run")
    blank = results[f"{PROBE}/blank_map"].estimate
    assert (blank.n, blank.value) == (40, 1 / every)
    area = results[f"{PROBE}/pixel_auroc"].estimate
    assert area.n == 40
    assert area.value == pytest.approx(0.5 / every + 0.95 * (1 - 1 / every), abs=0.04)
    told = {finding.id: finding for finding in results.findings()}[f"{PROBE}.localisation.marked"]
    assert said in told.claim
    assert "of the heatmaps are blank" in told.claim
    assert told.severity == ("note" if every == 10 else "low")
    assert f"{PROBE}/blank_map" in told.evidence
    assert f"Of 40 forged faces {40 // every} have a blank heatmap: {FLAT} ({40 // every})" in " ".join(
        results.probes[0].notes
    )
    shown = json.loads((tmp_path / "run" / "artifacts" / f"{PROBE}.localisation.json").read_text())
    assert not shown["stand_in"]
    blanks = ["the heatmap is blank" in face["title"] for face in shown["faces"]]
    assert any(blanks)  # the lowest is one
    assert all(blanks) == (every == 1)
    maps = np.load(tmp_path / "run" / "artifacts" / f"{PROBE}.localisation.npz")["maps"]
    assert [not map.any() for map in maps] == blanks


def test_a_column_that_makes_groups_names_no_way_of_forging(seer: Detector, tmp_path: Path) -> None:
    frame = write_faces(tmp_path, plant(40, 1, mark=True, cast=False))
    frame["method"] = np.where(frame["kind"] == "odd", "first", "second")
    attributes = {"method": {"assigned_by": "annotator"}}
    results = audit(seer, frame, tmp_path, data={"forgeries": {"mask": "mask"}, "attributes": attributes})
    assert status(results) == "ok"
    assert f"{PROBE}.localisation" in {finding.id for finding in results.findings()}


def test_ways_of_forging_with_reserved_names(seer: Detector, tmp_path: Path) -> None:
    frame = write_faces(tmp_path, plant(40, 1, mark=True, cast=False))
    forged = frame["method"] != ""
    frame.loc[forged, "method"] = np.where(np.arange(forged.sum()) % 2, "all", "")
    results = audit(seer, frame, tmp_path, out=tmp_path / "run")
    table = pd.read_csv(tmp_path / "run" / "tables" / f"{PROBE}.methods.csv")
    assert table["method"].tolist() == ["all", "(not said)", "all (method)"]
    assert results[f"{PROBE}/pixel_auroc"].estimate.n == 40


def test_masks_that_mark_what_was_left_alone_are_told_of(seer: Detector, tmp_path: Path) -> None:
    planted = plant(30, 1, mark=True, cast=False)
    frame = write_faces(tmp_path, Forgeries(planted.genuine, planted.forged, ~planted.masks))
    results = audit(seer, frame, tmp_path)
    found = {finding.id: finding for finding in results.findings()}
    assert found[f"{PROBE}.masks.marked"].severity == "high"
    assert f"{PROBE}.localisation.marked" not in found  # nothing is claimed of the detector by such masks


def test_faults_of_masks_are_told_all_at_once(seer: Detector, tmp_path: Path) -> None:
    frame = write_faces(tmp_path, plant(12, 1, mark=True, cast=False))
    Image.new("L", (SIDE, SIDE)).save(tmp_path / "0_mask.png")
    Image.new("L", (SIDE // 2, SIDE // 2), 255).save(tmp_path / "1_mask.png")
    (tmp_path / "2_mask.png").unlink()
    (tmp_path / "3_mask.png").write_text("no picture")
    reason = status(audit(seer, frame, tmp_path))
    assert reason.startswith("failed")
    assert "4 of 12 at fault" in reason
    assert "is empty: row 2" in reason
    assert "row 4 (32 x 32 for a picture of 64 x 64)" in reason
    assert "row 6 (the file is missing), row 8 (not an image" in reason
    assert "leave the cell empty" in reason
    assert "_mask.png" not in reason


def test_what_cannot_be_measured_is_told(seer: Detector, tmp_path: Path) -> None:
    frame = write_faces(tmp_path, plant(12, 1, mark=True, cast=False))
    for unnamed in (frame.assign(mask=""), frame.drop(columns="mask")):
        columns = {name: name for name in ("method", "mask") if name in unnamed}
        results = audit(seer, unnamed, tmp_path, data={"forgeries": columns})
        assert results[f"{PROBE}/mask_iou"].estimate.value is None
        assert "data.forgeries.mask" in results[f"{PROBE}/mask_iou"].estimate.reason
    few = frame.copy()
    few.loc[few.index[5::2], "mask"] = ""
    few.loc[0, "mask"] = "0_mask.png"
    results = audit(seer, few, tmp_path)
    notes = " ".join(results.probes[0].notes)
    assert "names no mask (10)" in notes
    assert "1 genuine faces" in notes
    assert "people" in results[f"{PROBE}/mask_iou"].estimate.reason  # 2 are left


def test_masks_are_cut_as_the_faces_are(seer: Detector, tmp_path: Path) -> None:
    frame = write_faces(tmp_path, plant(12, 1, mark=True, cast=False))
    frame[["x0", "y0", "x1", "y1"]] = [0, 0, SIDE, SIDE]
    inside = np.zeros((SIDE, SIDE), dtype=np.uint8)
    inside[:8, :8] = 255
    for person in range(6):
        Image.fromarray(inside).save(tmp_path / f"{person}_mask.png")
        frame.loc[2 * person + 1, ["x0", "y0"]] = 32 if person < 3 else 0
        if person >= 3:
            frame.loc[2 * person + 1, ["x1", "y1"]] = 8
    results = audit(seer, frame, tmp_path, data={"box": ["x0", "y0", "x1", "y1"]})
    notes = " ".join(results.probes[0].notes)
    assert f"{OUTSIDE_BOX} (3)" in notes
    assert f"{WHOLE} (3)" in notes


def test_examples_are_drawn_unless_faces_may_be_shown(seer: Detector, tmp_path: Path) -> None:
    frame = write_faces(tmp_path, plant(12, 1, mark=True, cast=False))
    audit(seer, frame, tmp_path, out=tmp_path / "run")
    told = json.loads((tmp_path / "run" / "artifacts" / f"{PROBE}.localisation.json").read_text())
    arrays = np.load(tmp_path / "run" / "artifacts" / f"{PROBE}.localisation.npz")
    assert told["stand_in"] is True
    assert all("made here" in face["title"] for face in told["faces"])
    shape = arrays["faces"].shape
    assert (len(told["faces"]), SIDE, SIDE) == shape[:3]
    assert arrays["maps"].dtype == arrays["masks"].dtype == np.float16
    assert arrays["maps"].shape == arrays["masks"].shape == shape[:3]
    assert 0 <= arrays["maps"].min() < arrays["maps"].max() == 1


def test_scores_and_nulls() -> None:
    mask = np.zeros((40, 40), dtype=np.bool_)
    mask[:10, :10] = True
    grey = np.where(mask, 200, 10).astype(np.uint8)
    assert scores_of(grey, mask) == pytest.approx({IOU: 1, AT_AREA: 1, AUROC: 1, ENERGY: 20000 / 35000})
    spot = centre_spot(40, 40)
    other = mask[::-1]
    told = with_nulls(grey, mask, [mask, other], "blank", spot)
    assert told[f"{IOU}.over_ones"] == pytest.approx(1 - 1 / 16)
    assert told[f"{IOU}.null_other_masks"] == pytest.approx(0.5)
    assert told[f"{AUROC}.null_genuine"] == 0.5
    assert told[f"{AUROC}.null_centre"] == scores_of(spot, mask)[AUROC] < 0.2
    assert not [name for name in with_nulls(grey, mask, [], None, spot) if "other" in name or "genuine" in name]
    assert blank_scores(mask)[AT_AREA] == 1 / 16


def test_what_a_mask_holds_of_the_change() -> None:
    genuine = np.full((20, 20, 3), 100, dtype=np.uint8)
    mask = np.zeros((20, 20), dtype=np.bool_)
    mask[:5] = True
    forged = genuine.copy()
    forged[:5] += 10
    forged[19] += 5
    told = holds_change(forged, genuine, mask)
    assert told["mask_holds_change"] == pytest.approx(10000 / (10000 + 500))
    assert told["mask_holds_change.over_share"] == pytest.approx(told["mask_holds_change"] - 0.25)
    assert holds_change(genuine, genuine, mask) == {}
    assert holds_change(genuine + 30, genuine, mask) == {}  # not made of this photo


def test_a_forgery_is_given_the_photo_it_was_made_of(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    photos = random.integers(0, 255, (4, 32, 32, 3), dtype=np.uint8)
    forged = photos.copy()
    forged[:, 8:20, 8:20] = random.integers(0, 255, (4, 12, 12, 3), dtype=np.uint8)
    for name, pictures in (("g", photos), ("f", forged)):
        for at, picture in enumerate(pictures):
            Image.fromarray(picture).save(tmp_path / f"{name}{at}.png")
    paths = [f"g{at}.png" for at in range(4)] + [f"f{at}.png" for at in range(4)] + ["f0.png"]
    subjects = ["a", "a", "a", "b", "a", "a", "a", "b", "c"]
    faces = Faces(frame=pd.DataFrame({"path": paths, "subject": subjects}), folder=tmp_path, height_width=(32, 32))
    found = source_photos(faces, np.arange(4, 9), np.arange(4))
    assert found == {4: 0, 5: 1, 6: 2, 7: 3}  # nobody knows person c


def test_the_size_of_a_picture_that_is_stored_sideways(tmp_path: Path) -> None:
    picture = Image.new("RGB", (30, 20))
    exif = picture.getexif()
    exif[0x0112] = 6
    picture.save(tmp_path / "a.jpg", exif=exif)
    assert picture_size(tmp_path / "a.jpg") == (20, 30)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"method": "gradcan"}, "did you mean 'gradcam'"),
        ({"also": "camm"}, "camm"),
        ({"faces": 1}, "greater than or equal to 2"),
        ({"other_masks": 0}, "greater than or equal to 1"),
        ({"masks": "x"}, "masks"),
    ],
)
def test_settings_that_cannot_be(given: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        LocalisationParams(**given)


def test_what_a_target_without_gradients_is_told() -> None:
    assert LocalisationParams().further_needs() == {"gradients", "layers"}
    assert LocalisationParams(method="rise").further_needs() == frozenset()
    assert "occlusion" in LocalisationParams().without_gradients()


def test_london_masks_are_found_to_mark_the_rim(shared: Path, tmp_path: Path) -> None:
    """The masks of this set are white around what was changed, inside its bounding box."""
    folder = shared / "data" / "london_forged"
    frame = pd.read_csv(folder / "manifest.csv", dtype=str, keep_default_na=False)
    people = sorted(frame["subject"].unique())[:14]
    chosen = frame[frame["subject"].isin(people) & frame["method"].isin(["none", "mouth_splice"])]
    torch.manual_seed(0)
    results = audit(Detector(), chosen.reset_index(drop=True).assign(kind="any"), folder)
    found = {finding.id: finding for finding in results.findings()}
    assert f"{PROBE}.masks.mouth_splice" in found
    assert results[f"{PROBE}/mask_holds_change"].estimate.high < 0.02
