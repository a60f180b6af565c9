"""The probe on painted faces, where the truth is known, and on real ones."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import yaml
from PIL import Image
from planted import CLASSES, SIDE, PaintedFaces, PaintNet, run, target_of
from pydantic import ValidationError
from torch import Tensor, nn

from countenance.core.errors import Problems
from countenance.core.places import YamlDocument
from countenance.core.plan_file import check_plan
from countenance.core.probes import ArrayOutput, JsonOutput, TableOutput, find_probe
from countenance.core.results import ProbeResult
from countenance.core.runner import Runner, missing_needs
from countenance.core.setup import Material, load_material
from countenance.explain.attribution.source import LayerError
from countenance.explain.face_drawing import face_region
from countenance.explain.heatmaps.params import GlobalHeatmapsParams
from countenance.explain.masks import MaskError, ekman_masks

MASKS = ekman_masks().masks


def painted(regions: dict[int, np.ndarray | None], people: int = 14, **more: object) -> PaintedFaces:
    """Every person has one face of each class."""
    faces = [(place, region) for place, region in regions.items() for _ in range(people)]
    subjects = np.array([person for _ in regions for person in range(people)])
    return PaintedFaces(faces, subjects, **more)  # type: ignore[arg-type]


def test_a_model_that_looks_at_the_masks_is_found_to_do_so() -> None:
    """Positive control: each class's evidence is exactly its own mask."""
    found = run(painted({0: None, 1: MASKS["happiness"], 2: MASKS["sadness"], 3: MASKS["surprise"]}))
    for label, own in (("happy", "happiness"), ("sad", "sadness"), ("surprised", "surprise")):
        overlap = found.measurements[f"iou[label={label}]"].estimate
        assert overlap.value is not None
        assert overlap.value > 0.85
        assert overlap.low <= overlap.value <= overlap.high  # type: ignore[operator]
        assert (overlap.n, overlap.subjects, overlap.method) == (14, 14, "jackknife_of_people")
        assert found.measurements[f"margin[label={label}]"].estimate.low > 0.2  # type: ignore[operator]
        assert found.measurements[f"iou.null_ones[label={label}]"].estimate.value == pytest.approx(MASKS[own].mean())
        random = found.measurements[f"iou.null_random[label={label}]"].estimate
        assert random.low < random.value < random.high < overlap.low  # type: ignore[operator]
        assert found.measurements[f"iou.null_centre[label={label}]"].estimate.value < 0.6  # type: ignore[operator]
        assert f"closer to the {own} mask than to any other" in found.findings[f"masks.{label}"].claim
        assert found.findings[f"masks.{label}"].severity == "note"
        assert found.scores["face_iou", label].values.min() > 0.8
    assert found.findings["masks"].p_adjusted == pytest.approx(1 / 120)
    assert "more than masks dealt" in found.findings["masks"].claim
    assert not any(name.startswith("outside") for name in found.findings)
    neutral = found.measurements["iou[label=neutral]"].estimate
    assert neutral.reason == "neutral has no mask: a face at rest moves no region"


def test_a_model_that_looks_elsewhere_is_not_found_to_look_at_the_mask() -> None:
    """Negative control: the evidence for happy lies in the disgust mask, for sad in the surprise mask."""
    found = run(painted({1: MASKS["disgust"], 2: MASKS["surprise"], 3: MASKS["sadness"]}))
    for label, best in (("happy", "disgust"), ("sad", "surprise")):
        finding = found.findings[f"masks.{label}"]
        assert finding.severity == "low"
        assert "closer to the other masks than" in finding.claim or "is no closer to" in finding.claim
        assert f"with {best}" in finding.claim
        assert found.measurements[f"margin[label={label}]"].estimate.high < 0  # type: ignore[operator]
    assert found.findings["masks"].p_adjusted > 0.05  # type: ignore[operator]
    assert "no more than masks dealt" in found.findings["masks"].claim


@pytest.mark.parametrize("claim", ["masks.happy", "masks"])
def test_what_is_said_of_masks_is_told_to_be_contested(claim: str) -> None:
    found = run(painted({1: MASKS["disgust"], 2: MASKS["surprise"], 3: MASKS["sadness"]}))
    assert any("contested" in caveat and "Barrett" in caveat for caveat in found.findings[claim].caveats)


def test_evidence_outside_the_face_is_a_finding() -> None:
    """A mark in the corner of the picture, and one on the cheek, which must not be flagged."""
    corner, cheek = np.zeros((275, 224), bool), np.zeros((275, 224), bool)
    corner[225:, :35] = True
    cheek[120:170, 40:80] = True
    found = run(painted({1: corner, 2: cheek}))
    outside = found.measurements["energy_outside_face[label=happy]"].estimate
    assert outside.low > 0.8  # type: ignore[operator]
    null = found.measurements["energy_outside_face.null_ones[label=happy]"].estimate.value
    assert null == pytest.approx(float((~face_region()).mean()))
    assert found.findings["outside.happy"].severity == "medium"
    assert "lies outside the face" in found.findings["outside.happy"].claim
    assert "outside.sad" not in found.findings


def test_five_landmarks_are_told_to_be_approximate() -> None:
    found = run(painted({1: MASKS["happiness"]}, landmarks_kind="5"))
    assert found.measurements["iou[label=happy]"].estimate.value > 0.5  # type: ignore[operator]
    assert "approximate" in found.notes[0]


def test_478_landmarks() -> None:
    found = run(painted({1: MASKS["happiness"]}, landmarks_kind="478"))
    assert found.measurements["iou[label=happy]"].estimate.value > 0.85  # type: ignore[operator]
    assert "478 landmarks" in found.notes[0]


def test_too_few_people_are_not_measured() -> None:
    faces = painted({1: MASKS["happiness"]}, people=9)
    estimate = run(faces).measurements["iou[label=happy]"].estimate
    assert estimate.value is None
    assert estimate.reason == "9 people called happy with a map; 10 are needed"
    assert not run(faces).scores
    assert run(faces, min_subjects=9).measurements["iou[label=happy]"].estimate.value is not None


def test_what_does_not_hold_with_few_people_is_told() -> None:
    faces = painted({1: MASKS["happiness"], 2: MASKS["sadness"]}, people=12)
    told = run(faces).notes[0]
    assert "Fewer than 50 people for happy (12), sad (12)" in told
    assert "energy_outside_face may be too low" in told
    assert "Fewer than" not in run(painted({1: MASKS["happiness"]}, people=50)).notes[0]


def test_two_faces_of_one_person_weigh_as_one() -> None:
    """Nine people with the right region and one with many faces of another: the many move the mean by a tenth only."""
    many = [(1, MASKS["happiness"])] * 11 + [(1, MASKS["surprise"])] * 30
    faces = PaintedFaces(many, np.r_[np.arange(11), np.full(30, 11)])
    found = run(faces)
    estimate = found.measurements["iou[label=happy]"].estimate
    assert (estimate.n, estimate.subjects) == (41, 12)
    assert estimate.value > 0.85  # type: ignore[operator]
    every_face = PaintedFaces(many, np.arange(41))
    assert run(every_face).measurements["iou[label=happy]"].estimate.value < 0.5  # type: ignore[operator]


def test_selection_and_its_labels() -> None:
    faces = painted({1: MASKS["happiness"], 2: MASKS["sadness"]}, people=12)
    labels = [1] * 12 + [1] * 12  # the second dozen is called sad but labelled happy
    counts = {}
    for select in ("predicted", "label", "correct"):
        found = run(faces, labels=labels, select=select)
        counts[select] = [found.measurements[f"iou[label={name}]"].estimate.n for name in ("happy", "sad")]
        if select == "label":  # what is green shows nothing of happy
            assert found.measurements["faces_without_map[label=happy]"].estimate.value == 12
    assert counts == {"predicted": [12, 12], "label": [12, 0], "correct": [12, 0]}
    unlabelled = run(faces, labels=[-1] * 24, select="label")
    reason = unlabelled.measurements["iou[label=happy]"].estimate.reason
    assert reason is not None
    assert "no labels" in reason
    assert set(unlabelled.measurements) == {f"iou[label={name}]" for name in CLASSES}


def test_per_class_draws_the_same_faces_for_the_same_seed() -> None:
    faces = painted({1: MASKS["happiness"]}, people=40)
    first, again, other = (run(faces, per_class=12, seed=seed) for seed in (1, 1, 2))
    rows = [found.scores["face_iou", "happy"].rows.tolist() for found in (first, again, other)]
    assert len(rows[0]) == 12
    assert rows[0] == rows[1] != rows[2]
    assert first.measurements == again.measurements


class Blind(PaintNet):
    """Gives the painted answer for a reason that lies in no place: the gradient at the map is zero for some faces."""

    def forward(self, x: Tensor) -> Tensor:
        outputs = super().forward(x)
        wide = (x.amax((1, 2, 3)) > 0.95) & (x.amin((1, 2, 3)) == 0)
        return torch.where(wide[:, None], outputs.detach() + 0 * outputs, outputs)


class BrightFaces(PaintedFaces):
    def _picture(self, row: int) -> np.ndarray:
        picture = super()._picture(row)
        return picture / 0.9 if row % 4 == 0 else picture


def test_faces_without_a_map_are_counted_and_told() -> None:
    people = 20
    faces = BrightFaces([(1, MASKS["happiness"])] * people, np.arange(people), without_landmarks=frozenset({1, 2}))
    found = run(faces, Blind().eval())
    assert found.measurements["faces_without_map[label=happy]"].estimate.value == 7
    assert found.measurements["iou[label=happy]"].estimate.n == 13
    claim = found.findings["left_out.happy"].claim
    assert claim.startswith("7 of 20 faces have no map for happy")
    assert "the map is zero everywhere: no position speaks for the class (5)" in claim
    assert "the face has no landmarks (2)" in claim
    assert set(found.scores["face_iou", "happy"].rows) == set(range(20)) - {0, 4, 8, 12, 16, 1, 2}


def test_artifacts_hold_what_a_report_draws() -> None:
    found = run(painted({0: None, 1: MASKS["happiness"], 2: MASKS["sadness"]}))
    arrays = found.output(ArrayOutput, "heatmaps")
    assert arrays.name == "heatmaps"
    heatmap, mask = arrays.arrays["happy.heatmap"], arrays.arrays["happy.mask"]
    assert (heatmap.shape, heatmap.dtype, mask.dtype) == ((275, 224), np.uint8, np.bool_)
    evidence = heatmap > arrays.arrays["happy.threshold"]
    overlap = np.count_nonzero(evidence & mask) / np.count_nonzero(evidence | mask)
    assert overlap == pytest.approx(found.measurements["iou[label=happy]"].estimate.value)
    assert arrays.arrays["happy.mean"].dtype == np.float16
    drawing = found.output(JsonOutput, "drawing")
    content = json.loads(json.dumps(drawing.content))
    assert content["layer"] == "paint"
    assert content["canvas"] == {"width": 224, "height": 275}
    assert set(content["masks"]) == {"happy", "sad", "surprised"}
    assert len(content["face"]) == 9
    table = found.output(TableOutput, "scores").frame
    assert table["label"].tolist() == list(CLASSES)
    assert table.set_index("label").loc["happy", "iou"] == found.measurements["iou[label=happy]"].estimate.value


def test_own_masks_and_area_threshold(tmp_path: Path) -> None:
    region = np.zeros((275, 224), np.uint8)
    region[150:200, 60:160] = 255
    Image.fromarray(region).save(tmp_path / "happy.png")
    found = run(painted({1: region > 0, 2: MASKS["sadness"]}), masks=str(tmp_path), threshold="area")
    assert found.measurements["iou[label=happy]"].estimate.value > 0.85  # type: ignore[operator]
    assert found.measurements["area[label=happy]"].estimate.value == pytest.approx((region > 0).mean(), abs=0.02)
    assert "specificity[label=happy]" not in found.measurements
    assert "masks.happy" not in found.findings
    reason = found.measurements["iou[label=sad]"].estimate.reason
    assert reason == "sad has no mask: the given ones are of happiness"
    with pytest.raises(MaskError, match="there is none"):
        run(painted({1: None}), masks=str(tmp_path / "nowhere"))


def test_own_masks_are_found_beside_the_plan_and_checked_with_it(tmp_path: Path) -> None:
    (tmp_path / "masks").mkdir()
    Image.fromarray(np.eye(275, 224, dtype=np.uint8) * 255).save(tmp_path / "masks" / "fear.png")
    params = GlobalHeatmapsParams.model_validate({"masks": "masks"}, context={"folder": tmp_path})
    assert set(params.mask_set().masks) == {"fear"}
    assert params.model_dump()["masks"] == "masks"
    with pytest.raises(ValidationError, match="Expected a folder of masks"):
        GlobalHeatmapsParams.model_validate({"masks": "mask"}, context={"folder": tmp_path})


class FlatNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.hidden, self.fc = nn.Linear(3 * SIDE * SIDE, 8), nn.Linear(8, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.hidden(x.flatten(1)).relu())


def test_a_net_without_a_feature_map_is_not_measured_and_a_wrong_layer_is_an_error() -> None:
    faces = painted({1: MASKS["happiness"]})
    found = run(faces, FlatNet().eval())
    reasons = {item.estimate.reason for item in found.measurements.values()}
    assert len(reasons) == 1
    assert "feature map" in str(reasons.pop())
    with pytest.raises(LayerError, match="did you mean 'paint'"):
        run(faces, layer="pain")


def test_the_probe_says_what_it_needs_and_that_masks_are_contested() -> None:
    probe = find_probe("global_heatmaps")
    assert {"images", "landmarks"} <= probe.needs
    assert GlobalHeatmapsParams().further_needs() == {"gradients", "layers"}
    assert "contested" in probe.shows
    assert "Barrett" in probe.citation


# Real faces


def audit_london(
    root: Path,
    suffix: str = ".safetensors",
    faces: int | None = None,
    *,
    net: str = "face_expression",
    landmarks: str = "dlib68",
) -> ProbeResult:
    """Audit a net on London, or on as many of its smiles."""
    content = yaml.safe_load((root / "tests" / "plans" / f"london_{net}.yaml").read_text())
    content["data"]["landmarks"] = content["data"]["landmarks"].replace("dlib68", landmarks)
    content["probes"] = [{"probe": "global_heatmaps"}]
    content.pop("gates", None)
    content.pop("card", None)
    target = content["target"]
    target["checkpoint"] = target["checkpoint"].replace(".safetensors", suffix)
    if suffix == ".pt2":
        target.pop("factory")
    loaded = check_plan(YamlDocument(content), root / "tests" / "plans", Problems("plan"))

    def load() -> Material:
        material = load_material(loaded)
        if faces is None:
            return material
        smiles = np.flatnonzero(material.faces.frame["label"] == "happy")[:faces]
        return replace(material, faces=material.faces.take(smiles))

    return Runner(loaded).run(load).probes[0]


@pytest.fixture(scope="module")
def london(root: Path, shared: Path) -> ProbeResult:
    return audit_london(root)


def value(result: ProbeResult, key: str) -> float:
    (found,) = [item.estimate.value for item in result.measurements if item.key == f"global_heatmaps/{key}"]
    assert found is not None
    return found


def test_london_smiles_by_face_expression(london: ProbeResult) -> None:
    """69 smiles called happy: IoU .196 with the project's mask in an independent prototype (68-point warp, Otsu)."""
    (overlap,) = [item.estimate for item in london.measurements if item.key == "global_heatmaps/iou[label=happy]"]
    assert overlap.n == overlap.subjects == 69
    assert overlap.value == pytest.approx(0.196, abs=0.005)
    assert overlap.low < overlap.value < overlap.high  # type: ignore[operator]
    assert value(london, "iou_with[ekman_mask=disgust,label=happy]") > overlap.value
    (claim,) = [item.claim for item in london.findings if item.id == "global_heatmaps.masks.happy"]
    assert claim.startswith("The map for happy is no closer to the happiness mask than to the others")
    assert "layer dense3" in london.notes[0]


@pytest.mark.parametrize(
    ("net", "landmarks", "count", "overlap", "disgust"),
    [
        ("face_expression", "mediapipe478", 69, 0.193, 0.231),
        ("mini_xception", "dlib68", 50, 0.421, 0.742),
        ("mini_xception", "mediapipe478", 50, 0.425, 0.743),
    ],
)
def test_london_smiles_as_documented(
    root: Path, shared: Path, net: str, landmarks: str, count: int, overlap: float, disgust: float
) -> None:
    """The figures of the page on heatmaps."""
    found = audit_london(root, faces=102, net=net, landmarks=landmarks)
    (estimate,) = [item.estimate for item in found.measurements if item.key == "global_heatmaps/iou[label=happy]"]
    assert estimate.n == count
    assert estimate.value == pytest.approx(overlap, abs=0.003)
    assert value(found, "iou_with[ekman_mask=disgust,label=happy]") == pytest.approx(disgust, abs=0.003)
    assert f"{landmarks[-3:].lstrip('b')} landmarks" in found.notes[0]


def test_no_london_face_is_left_out_for_its_landmarks(london: ProbeResult) -> None:
    """Negative control of what finds landmarks in a wrong frame."""
    assert not [item.claim for item in london.findings if item.id == "global_heatmaps.landmarks"]
    assert not [item.claim for item in london.findings if "landmarks" in item.claim]
    left_out = [item.estimate.value for item in london.measurements if item.metric == "faces_without_map"]
    assert left_out == [0] * 7


def test_london_is_sliced_by_group(london: ProbeResult) -> None:
    groups = {item.slice["gender"]: item.estimate for item in london.measurements
              if item.metric == "face_iou" and set(item.slice) == {"label", "gender"}}  # fmt: skip
    assert set(groups) == {"female", "male"}
    assert all(estimate.value is not None for estimate in groups.values())


def test_exported_program_gives_the_same(root: Path, shared: Path) -> None:
    module, program = audit_london(root, faces=30), audit_london(root, ".pt2", faces=30)
    for key in ("iou[label=happy]", "auroc[label=happy]", "energy_outside_face[label=happy]"):
        assert value(program, key) == pytest.approx(value(module, key), abs=1e-4)
    assert program.notes == module.notes


def test_without_gradients_or_landmarks_it_is_skipped_with_the_reason() -> None:
    probe, faces = find_probe("global_heatmaps"), painted({1: MASKS["happiness"]})
    predictions = SimpleNamespace(task="expression", labelled=True)
    target = target_of(PaintNet())
    assert missing_needs(probe, faces, predictions, target) == ""  # type: ignore[arg-type]
    target.gives = frozenset()
    faces.landmarks_kind = "none"
    needs = GlobalHeatmapsParams().further_needs()
    reason = missing_needs(probe, faces, predictions, target, needs)  # type: ignore[arg-type]
    assert "no gradients" in reason
    assert "no landmarks" in reason


def test_further_methods_are_measured_on_the_same_faces() -> None:
    faces = painted({1: MASKS["happiness"], 2: MASKS["sadness"]})
    found = run(faces, also=("layercam", "hirescam"))
    alone = run(faces)
    for key, item in alone.measurements.items():
        assert found.measurements[key].estimate == item.estimate
    further = found.measurements["iou[label=happy]@method=hirescam"].estimate
    assert further.value == pytest.approx(alone.measurements["iou[label=happy]"].estimate.value, abs=0.02)
    assert further.subjects == alone.measurements["iou[label=happy]"].estimate.subjects
    assert found.measurements["iou[label=neutral]@method=layercam"].estimate.value is None
    arrays = found.output(ArrayOutput, "methods").arrays
    assert {"gradcam/happy", "layercam/happy", "hirescam/sad"} <= set(arrays)
    content = json.loads(json.dumps(found.output(JsonOutput, "methods").content))
    assert list(content["methods"]) == ["gradcam", "layercam", "hirescam"]
    assert content["methods"]["layercam"]["layer"] == "paint"
    assert content["iou"]["hirescam"]["happy"] == [further.value, further.low, further.high]


def test_a_method_that_cannot_explain_the_model_says_why_and_costs_nothing_else() -> None:
    target = target_of(PaintNet().eval())
    target.gives = frozenset()
    faces = painted({1: MASKS["happiness"]}, people=12)
    found = run(faces, target=target, method="occlusion", also=("gradcam",))
    assert found.measurements["iou[label=happy]"].estimate.value is not None
    reason = found.measurements["iou[label=happy]@method=gradcam"].estimate.reason
    assert "gives no gradients" in str(reason)
    told = found.output(JsonOutput, "methods").content["methods"]["gradcam"]
    assert told["unavailable"] == reason
    assert GlobalHeatmapsParams(method="occlusion").further_needs() == frozenset()


def test_raw_maps_let_large_values_weigh_more() -> None:
    """Half of the people show strong paint in one region, half faint paint in another."""

    class FaintFaces(PaintedFaces):
        def _picture(self, row: int) -> np.ndarray:
            return super()._picture(row) * (1.0 if row % 2 else 0.2)

    regions = [(1, MASKS["surprise" if row % 2 else "happiness"]) for row in range(24)]
    faces = FaintFaces(regions, np.arange(24))
    stretched = run(faces).measurements["iou_with[ekman_mask=surprise,label=happy]"].estimate.value
    raw = run(faces, average="raw").measurements["iou_with[ekman_mask=surprise,label=happy]"].estimate.value
    assert stretched is not None
    assert raw is not None
    assert raw > 0.7 > stretched


def test_unknown_methods_are_named_with_the_nearest() -> None:
    with pytest.raises(ValidationError, match="did you mean 'gradcam'"):
        GlobalHeatmapsParams(method="gradcan")
    with pytest.raises(ValidationError, match="'layrcam'; did you mean 'layercam'"):
        GlobalHeatmapsParams(also=("layrcam",))
    assert "gradcam" not in GlobalHeatmapsParams(also="all").further_methods
    assert GlobalHeatmapsParams(also=("black_box", "lime")).further_methods == (
        "lime",
        "kernel_shap",
        "rise",
        "occlusion",
    )


def test_the_map_that_knows_no_class_is_a_null() -> None:
    """Evidence in all masks at once: the mean of all classes overlaps each mask less than the class's own map."""
    found = run(painted({1: MASKS["happiness"], 2: MASKS["sadness"], 3: MASKS["surprise"]})).measurements
    for label in ("happy", "sad", "surprised"):
        null = found[f"iou.null_mean_map[label={label}]"].estimate.value
        assert null is not None
        assert null < (found[f"iou[label={label}]"].estimate.value or 0) - 0.2
    one_class = run(painted({1: MASKS["happiness"]})).measurements
    assert "iou.null_mean_map[label=happy]" not in one_class


def test_examples_are_chosen_by_rule_and_show_a_face_only_where_it_may_be_shown() -> None:
    masks = [(1, MASKS["happiness"])] * 20 + [(1, MASKS["surprise"])] * 2
    labels = [1] * 21 + [0]
    faces = PaintedFaces(masks, np.arange(22), publishable=frozenset(range(22)))
    hidden = run(faces, labels=labels)
    content = hidden.output(JsonOutput, "examples").content
    typical, wrong = content["examples"]
    assert (typical["kind"], typical["label"], typical["labelled"]) == ("most typical", "happy", "happy")
    assert (wrong["kind"], wrong["predicted"], wrong["labelled"]) == ("most wrong", "happy", "neutral")
    arrays = hidden.output(ArrayOutput, "examples").arrays
    assert set(arrays) == {"happy/most typical/map", "happy/most wrong/map"}  # the plan permits no faces
    shown = run(replace(faces, publishable=frozenset(range(20))), labels=labels, faces_permitted=True)
    arrays = shown.output(ArrayOutput, "examples").arrays
    assert arrays["happy/most typical/crop"].shape == (SIDE, SIDE, 3)
    assert arrays["happy/most typical/crop_map"].shape == (SIDE, SIDE)
    assert "happy/most wrong/crop" not in arrays  # its row does not permit it
    evidence = arrays["happy/most typical/map"] > 127
    assert np.count_nonzero(evidence & MASKS["happiness"]) > np.count_nonzero(evidence & MASKS["surprise"])


def test_memory_does_not_grow_with_faces_left_out_of_the_draw() -> None:
    """What is held depends on the people drawn, not on how many there are."""
    faces = painted({1: MASKS["happiness"]}, people=60)
    found = run(faces, per_class=11)
    assert found.measurements["iou[label=happy]"].estimate.n == 11


def test_net_is_left_as_it_was() -> None:
    net = PaintNet().train()
    net.fc.bias.requires_grad_(False)
    run(painted({1: MASKS["happiness"]}), net)
    assert all(module.training for module in net.modules())
    assert not any(module._forward_hooks for module in net.modules())
