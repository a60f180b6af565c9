"""Attributes derived from pictures, through the product: groups, notes, refusals, tables of predictions."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image, ImageFilter

from countenance.core.attribute_spec import AttributeSpec
from countenance.core.derive.cutting import OUTSIDE, cut_by_bins, cut_by_thirds, cut_derived
from countenance.core.derive.skin_tone import BANDS, bands_of, ita_of_pixels
from countenance.core.errors import PlanError
from countenance.core.statistics.groups import MISSING
from countenance.explain.canonical import canonical_face

TONES = [(244, 208, 177), (224, 172, 125), (198, 134, 90), (141, 85, 54), (95, 60, 40), (60, 42, 34)]
SIDE = 120


@pytest.fixture
def toned(study: Any) -> Any:
    """The tiny audit with pictures of one skin tone a person, landmarks, and one picture in warmer light a person."""
    points = {}
    shape = canonical_face(68).shape * 30 + (SIDE / 2, SIDE * 0.35)
    for row, path in enumerate(study.table["path"]):
        person = row // 2
        warmer = np.array([1.0, 1.0, 0.85 if row % 2 else 1.0])
        pixels = np.array(TONES[person % len(TONES)]) * warmer + np.random.default_rng(row).normal(
            0, 4, (SIDE, SIDE, 3)
        )
        Image.fromarray(np.clip(pixels, 3, 250).astype(np.uint8)).save(study.folder / path)
        points[path.removesuffix(".png")] = shape
    study.points = points
    np.savez(study.folder / "points.npz", **points)
    study.table = study.table.assign(x0=10, y0=10, x1=110, y1=110)
    study.write_manifest()
    study.plan["data"]["landmarks"] = "points.npz"
    study.plan["data"]["attributes"] = {"skin_tone": {"assigned_by": "derived", "derive": "ita"}}
    return study


def prepared(study: Any, **data: Any) -> Any:
    """Faces and notes as the probes get them, without running a probe."""
    from countenance.core.foresight import prepared as prepare
    from countenance.core.progress import SilentReporter
    from countenance.core.setup import load_material
    from countenance.core.statistics.rules import StatisticsRules

    loaded = study.load(study.changed(data=data))
    return prepare(load_material(loaded), loaded, StatisticsRules(min_subjects=2), SilentReporter())


def test_skin_tone_is_derived_without_a_column(toned: Any) -> None:
    faces = prepared(toned).faces
    expected = [ita_of_pixels(np.array([TONES[row // 2 % 6]], dtype=np.uint8)) for row in range(0, 24, 2)]
    np.testing.assert_allclose(faces.measured["ita"][::2], expected, atol=3)
    assert faces.frame["skin_tone"].tolist() == [BANDS[place] for place in bands_of(faces.measured["ita"])]
    assert faces.attributes["skin_tone"].of == "image"
    (groups,) = faces.groupings
    named = [value["skin_tone"] for value in groups.values]
    assert named == sorted(named, key=BANDS.index)  # from light to dark, as the bands are
    assert faces.take(np.arange(5)).measured["ita"].shape == (5,)


def test_the_error_stands_with_every_use(toned: Any) -> None:
    results = toned.run(plan=toned.changed(probes=["performance", "group_metrics"]))
    about = results.data.attributes["skin_tone"]
    assert (about.assigned_by, about.derive, about.of) == ("derived", "ita", "image")
    assert "people stand in another group in another picture" in about.reliability
    (note,) = [note for note in results.data.notes if note.startswith("skin_tone was derived")]
    assert "no measured skin colour" in note
    assert about.reliability in note
    by_group = results.probe("group_metrics")
    assert any("skin_tone: " in note and about.reliability in note for note in by_group.notes)


def test_warmer_light_moves_the_angle_and_the_note_says_so(toned: Any) -> None:
    from countenance.core.derive.deriving import retest_of
    from countenance.core.statistics.rules import StatisticsRules

    faces = prepared(toned).faces
    ita = faces.measured["ita"]
    found = retest_of(faces, ita, faces.attributes["skin_tone"], StatisticsRules(min_subjects=2))
    moved = np.abs(ita[::2] - ita[1::2])
    assert found.largest.value == pytest.approx(moved.max())
    changed = (bands_of(ita[::2]) != bands_of(ita[1::2])).sum()
    assert 0 < changed < 12
    assert found.changed.count == changed


def test_of_subject_takes_the_median_of_the_person(toned: Any) -> None:
    attributes = {"skin_tone": {"assigned_by": "derived", "derive": "ita", "of": "subject"}}
    faces = prepared(toned, attributes=attributes).faces
    assert (faces.frame.groupby("subject")["skin_tone"].nunique() == 1).all()
    median = (faces.measured["ita"][::2] + faces.measured["ita"][1::2]) / 2
    assert faces.frame["skin_tone"].tolist()[::2] == [BANDS[place] for place in bands_of(median)]


def test_bins_of_the_plan_and_outside_them(toned: Any) -> None:
    attributes = {"skin_tone": {"assigned_by": "derived", "derive": "ita", "bins": [-30, 20, 50]}}
    groups = prepared(toned, attributes=attributes).faces.frame["skin_tone"]
    assert set(groups) == {"-30 to 20", "20 to 50", OUTSIDE}


def test_faces_without_landmarks_or_picture_are_missing_and_counted(toned: Any) -> None:
    paths = toned.table["path"].tolist()
    del toned.points[paths[0].removesuffix(".png")]
    np.savez(toned.folder / "points.npz", **toned.points)
    (toned.folder / paths[5]).write_bytes(b"no picture")
    Image.new("RGB", (SIDE, SIDE), (255, 255, 255)).save(toned.folder / paths[7])
    material = prepared(toned)
    groups = material.faces.frame["skin_tone"]
    assert [row for row, group in enumerate(groups) if group == MISSING] == [0, 5, 7]
    (note,) = [note for note in material.notes if "could not be derived" in note]
    assert "from 3 of 24 pictures" in note
    for reason in ("no landmarks: 1", "the picture cannot be used: 1", "over- or underexposed: 1", "3 faces are in"):
        assert reason in note


@pytest.mark.parametrize(
    ("landmarks", "told"), [("aligned", "`aligned`: a template"), (None, "the plan names none: give data.landmarks")]
)
def test_without_landmarks_it_is_refused_before_the_model_is_loaded(toned: Any, landmarks: Any, told: str) -> None:
    toned.plan["target"]["factory"] = "nets.py:NoSuchNet"  # would fail later
    with pytest.raises(PlanError, match=told):
        toned.run(plan=toned.changed(data={"landmarks": landmarks}))


def test_a_live_model_is_refused_and_served_alike(toned: Any, making: ModuleType) -> None:
    from countenance.core.api import run

    data = {key: toned.plan["data"][key] for key in ("subject", "box", "attributes", "min_subjects")}
    how = {
        "model": making.brightness_net(), "faces": toned.table, "folder": toned.folder, "classes": making.CLASSES,
        "input": toned.plan["target"]["input"], "probes": ["performance"],
    }  # fmt: skip
    with pytest.raises(PlanError, match="the plan names none"):
        run(data=data, **how)
    results = run(data={**data, "landmarks": "points.npz"}, **how)
    assert results.data.attributes["skin_tone"].derive == "ita"


def test_a_table_of_predictions_has_no_pictures(toned: Any) -> None:
    toned.run("run")
    predictions = pd.read_parquet(toned.folder / "run" / "predictions.parquet")
    target = {"checkpoint": None, "factory": None, "input": None, "output": None, "predictions": "p.csv"}
    plan = toned.changed(target=target, data={"manifest": None, "box": None, "landmarks": None})
    plan["probes"] = ["performance", "group_metrics", "skin_tone"]
    plan["data"]["intersections"] = [["skin_tone", "gender"]]
    plan["data"]["attributes"]["gender"] = {"assigned_by": "self-reported"}
    predictions["gender"] = "f"
    predictions.drop(columns="skin_tone").to_csv(toned.folder / "p.csv", index=False)
    results = toned.run(plan=plan)
    assert "skin_tone" not in results.data.attributes
    assert results.data.intersections == []
    (note,) = [note for note in results.data.notes if note.startswith("skin_tone was not derived")]
    assert "table of predictions, without pictures" in note
    assert results.probe("skin_tone").status == "skipped"

    predictions.to_csv(toned.folder / "p.csv", index=False)  # with the groups of an earlier run
    results = toned.run(plan=plan)
    about = results.data.attributes["skin_tone"]
    assert (about.derive, about.reliability) == (None, None)
    counted = predictions["skin_tone"].value_counts()
    assert {name: group.faces for name, group in about.groups.items()} == counted.to_dict()


def test_pairs_have_no_pictures(toned: Any) -> None:
    table = pd.DataFrame({"pair_id": [f"x{row}" for row in range(12)], "same": [1, 0] * 6, "similarity": 0.5})
    table["face_a"] = [f"a{row}" for row in range(12)]
    table["face_b"] = [f"b{row}" for row in range(12)]
    table.to_csv(toned.folder / "p.csv", index=False)
    target = {"predictions": "p.csv", "task": "verification"}
    plan = {**toned.plan, "target": target, "data": {"attributes": toned.plan["data"]["attributes"]}}
    results = toned.run(plan=plan)
    assert any(note.startswith("skin_tone was not derived") for note in results.data.notes)


def test_a_finding_on_derived_groups_tells_their_error(toned: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from countenance.core import collector
    from countenance.core.results import Finding

    def found(attribute: str) -> Finding:
        key = f"group_metrics/accuracy.gap[attribute={attribute}]"
        return Finding(id=attribute, severity="high", claim="x", evidence=[key], caveats=["first"])

    made = [found("skin_tone"), found("gender%26skin_tone"), found("gender")]
    monkeypatch.setattr(collector, "gap_findings", lambda questions: made)
    results = toned.run(plan=toned.changed(probes=["group_metrics"]))
    told = {finding.id: finding.caveats for finding in results.findings() if finding.claim == "x"}
    reliability = results.data.attributes["skin_tone"].reliability
    assert told["gender"] == ["first"]
    for name in ("skin_tone", "gender%26skin_tone"):
        assert told[name] == ["first", f"skin_tone: {reliability}."]


@pytest.mark.parametrize(
    ("attribute", "told"),
    [
        ({"assigned_by": "model", "derive": "ita"}, "derive: ita needs assigned_by: derived, but got model"),
        ({"assigned_by": "derived", "derive": "ita", "column": "x"}, "takes no column"),
        ({"assigned_by": "derived", "derive": "race"}, "'ita'"),
        ({"assigned_by": "derived", "derive": "gender"}, "'ita'"),
    ],
)
def test_what_may_not_be_derived(toned: Any, attribute: dict[str, Any], told: str) -> None:
    with pytest.raises(PlanError, match=told):
        toned.load(toned.changed(data={"attributes": {"tone": attribute}}))


def test_controls_from_the_picture(toned: Any) -> None:
    paths = toned.table["path"].tolist()
    for row, path in enumerate(paths):
        noise = np.random.default_rng(row).integers(0, 255, (SIDE, SIDE, 3), dtype=np.uint8)
        image = Image.fromarray(noise)
        (image.filter(ImageFilter.GaussianBlur(3)) if row < 8 else image).save(toned.folder / path)
    toned.table["x1"] = [60] * 12 + [110] * 12
    toned.write_manifest()
    names = ("sharpness", "brightness", "face_size", "yaw")
    attributes = {name: {"assigned_by": "derived", "derive": name, "role": "control"} for name in names}
    attributes["face_size"]["bins"] = [0, 80, 200]
    material = prepared(toned, attributes=attributes)
    measured = material.faces.measured
    assert measured["sharpness"][:8].max() < measured["sharpness"][8:].min()
    assert {group.split()[0] for group in material.faces.frame["sharpness"][:8]} == {"low"}
    np.testing.assert_allclose(measured["face_size"], np.sqrt(np.where(np.arange(24) < 12, 50, 100) * 100.0))
    assert material.faces.frame["face_size"].tolist() == ["0 to 80"] * 12 + ["80 to 200"] * 12
    np.testing.assert_allclose(measured["yaw"], 0, atol=1e-6)
    assert material.faces.groupings == ()  # controls divide no faces
    told = " ".join(material.notes)
    assert told.count("The plan gives no bins: it was cut into thirds of these faces, at ") == 3  # not face_size


def test_a_second_run_measures_no_picture_again(toned: Any, monkeypatch: pytest.MonkeyPatch, log: list[str]) -> None:
    from countenance.core.derive import deriving

    asked: list[int] = []
    measure = deriving.measure_pictures

    def counting(faces: Any, *rest: Any) -> Any:
        asked.append(len(faces))
        return measure(faces, *rest)

    monkeypatch.setattr(deriving, "measure_pictures", counting)
    first = toned.run("first")
    second = toned.run("second")
    assert asked == [24]
    assert first.data == second.data
    (kept,) = (toned.folder / ".countenance-cache").glob("pictures-*.npz")
    kept.write_bytes(kept.read_bytes()[:-40])  # damaged
    assert toned.run("third").data == first.data
    assert asked == [24, 24]
    assert any("cannot be read and are made again" in line for line in log)
    Image.new("RGB", (SIDE, SIDE), (150, 120, 100)).save(toned.folder / toned.table["path"][0])  # another picture
    toned.run("fourth")
    assert asked == [24, 24, 24]


def test_cutting_by_bins_and_by_thirds() -> None:
    cut = cut_by_bins(np.array([-1, 0, 29.9, 30, 200, 200.1, np.nan]), [0, 30, 200])
    assert cut.names == ("0 to 30", "30 to 200", OUTSIDE)
    assert cut.places.tolist() == [2, 0, 0, 1, 1, 2, -1]
    thirds = cut_by_thirds(np.arange(9.0))
    assert np.bincount(thirds.places).tolist() == [3, 3, 3]
    assert [name.split()[0] for name in thirds.names] == ["low", "middle", "high"]
    assert len(set(cut_by_thirds(np.array([5.0, 5, 5, np.nan])).places.tolist())) == 2  # one group, and none
    assert cut_by_thirds(np.full(3, np.nan)).places.tolist() == [-1, -1, -1]
    spec = AttributeSpec.model_validate({"assigned_by": "derived", "derive": "ita"})
    assert cut_derived(np.array([60.0, -40]), spec).places.tolist() == [0, 5]
