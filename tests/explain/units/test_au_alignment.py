"""The probe on painted faces, where the truth is known, and on real ones."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from planted import CLASSES, Outcome, PaintedFaces, PaintNet, target_of
from pydantic import ValidationError
from torch import Tensor, nn

from countenance.core.errors import Problems
from countenance.core.places import read_yaml
from countenance.core.plan_file import check_plan
from countenance.core.predictions import Predictions
from countenance.core.probes import JsonOutput, ProbeContext, Scores, TableOutput, find_probe
from countenance.core.results import ProbeResult
from countenance.core.runner import Runner
from countenance.core.setup import load_material
from countenance.core.statistics.rules import StatisticsRules
from countenance.core.statistics.slicing import Slicer
from countenance.core.target import Target
from countenance.explain.attribution.source import LayerError
from countenance.explain.units.alignment_params import AuAlignmentParams
from countenance.explain.units.au_alignment import au_alignment
from countenance.explain.units.codebook import published_codebook
from countenance.explain.units.unit_maps import canonical_regions

BOOK = published_codebook("belharbi2024")
OWN = {"happy": "happiness", "sad": "sadness", "surprised": "surprise"}


def painted_units(*units: int) -> np.ndarray:
    return canonical_regions(units).max(axis=0) > 0


def own_units(label: str) -> np.ndarray:
    return painted_units(*BOOK.units_of(label))


def painted(regions: dict[int, np.ndarray | None], people: int = 12, **more: Any) -> PaintedFaces:
    faces = [(place, region) for place, region in regions.items() for _ in range(people)]
    return PaintedFaces(faces, np.array([person for _ in regions for person in range(people)]), **more)


class Told(Outcome):
    """What a run yielded, with the estimates that the runner would make of the scores."""

    def __init__(self, outputs: list[Any], faces: PaintedFaces, rules: StatisticsRules) -> None:
        super().__init__(outputs)
        slicer = Slicer(faces.subject_codes, (), rules)
        self.estimates = {key: item.estimate for key, item in self.measurements.items()}
        for scores in (item for item in outputs if isinstance(item, Scores)):
            (measured,) = slicer.measure(scores, "au_alignment")
            key = measured.key.partition("/")[2]
            assert key not in self.estimates
            self.estimates[key] = measured.estimate

    def value(self, key: str) -> float:
        found = self.estimates[key].value
        assert found is not None, self.estimates[key].reason
        return found


def run(
    faces: PaintedFaces,
    net: nn.Module | None = None,
    labels: Sequence[int] | None = None,
    min_subjects: int = 10,
    seed: int = 1,
    format: str = "module",
    **params: Any,
) -> Told:
    made = target_of(net or PaintNet().eval())
    target = Target(made.net, made.spec, format=format)
    with torch.no_grad():
        probabilities = torch.cat([target.probabilities(target(batch.pixels)) for batch in faces.batches(16)])
    truth = np.array([place for place, _ in faces.painted] if labels is None else labels, dtype=np.float64)
    rules = StatisticsRules(min_subjects=min_subjects)
    context = ProbeContext(
        probe_id="au_alignment",
        faces=faces,  # type: ignore[arg-type]
        predictions=Predictions("expression", CLASSES, probabilities.double().numpy(), truth),
        target=target,
        rules=rules,
        seed=seed,
        batch_size=7,
        progress=lambda unit, total: nullcontext(lambda count=1: None),  # type: ignore[arg-type, return-value]
    )
    return Told(list(au_alignment(context, AuAlignmentParams(**params))), faces, rules)


def test_a_model_that_looks_at_the_units_is_found_to_do_so() -> None:
    """Positive control: each class's evidence lies in the regions of its own units."""
    found = run(painted({0: None, **{place + 1: own_units(name) for place, name in enumerate(OWN)}}))
    for label in OWN:
        own = found.value(f"cam_cos[label={label}]")
        assert own > 0.75
        for null in ("constant", "centre", "mean_map", "other_expressions"):
            assert found.value(f"cam_cos.null_{null}[label={label}]") < own
        assert found.estimates[f"cam_cos.specificity[label={label}]"].low > 0.1  # type: ignore[operator]
        assert found.value(f"cam_pearson[label={label}]") > found.value(f"cam_pearson.null_mean_map[label={label}]")
        assert found.value(f"cam_cos.specificity.p[label={label}]") <= 0.01
        finding = found.findings[f"units.{label}"]
        assert finding.severity == "note"
        assert f"closer to the {label} units than to those of any other expression" in finding.claim
        assert any("contested" in caveat for caveat in finding.caveats)
        assert set(finding.evidence) <= {f"au_alignment/{key}" for key in found.estimates}
    assert found.findings["units"].p_adjusted == pytest.approx(1 / 120)
    assert "neutral has no action units" in str(found.estimates["cam_cos[label=neutral]"].reason)
    assert "mouth_only" not in found.findings
    assert not [name for name in found.findings if name.startswith(("outside", "sides"))]


def test_a_model_that_looks_at_other_units_is_not_found_to_look_at_its_own() -> None:
    """Negative control: the evidence for happy lies in the units of sadness and the other way round."""
    found = run(painted({1: own_units("sad"), 2: own_units("happy"), 3: own_units("surprised")}))
    for label in ("happy", "sad"):
        claim = found.findings[f"units.{label}"].claim
        assert f"closer to the units of other expressions than to the {label} units" in claim or "no closer" in claim
        assert found.findings[f"units.{label}"].severity == "low"
    assert "any other expression" in found.findings["units.surprised"].claim


def test_one_place_for_all_classes_is_not_taken_for_their_units() -> None:
    """Evidence on mouth and cheeks whatever the class: near the units of happiness, but not because of the class."""
    place = own_units("happy")
    found = run(painted({1: place, 2: place, 3: place}))
    assert found.estimates["cam_cos.specificity[label=happy]"].low > 0.1  # type: ignore[operator]
    assert found.value("cam_cos.specificity.p[label=happy]") > 0.05
    assert "no closer" in found.findings["units.happy"].claim


def test_energy_tells_which_units_are_used() -> None:
    found = run(painted({1: painted_units(12), 2: painted_units(4), 3: painted_units(1, 2)}))
    assert found.value("energy[label=happy,unit=AU12]") > 0.9
    assert found.value("energy[label=happy,unit=AU1]") < 0.02
    assert found.value("energy[label=sad,unit=AU4]") > 0.6
    assert found.value("part_energy[label=surprised,part=brows]") > 0.9
    even = found.value("energy.null_even[label=happy,unit=AU12]")
    assert 0.03 < even < 0.12
    assert found.value("energy.null_other_classes[label=happy,unit=AU12]") < even
    table = found.output(TableOutput, "units").frame
    row = table[(table["label"] == "happy") & (table["unit"] == "AU12")].iloc[0]
    assert list(table.columns[:10]) == [
        *("label", "unit", "name", "in_codebook", "energy", "low", "high", "null", "null_low", "null_high")
    ]
    assert (row["name"], row["in_codebook"], row["of"]) == ("lip corner puller", 1, "predicted")
    assert row["density"] == pytest.approx(row["energy"] / even)
    assert row["low"] <= row["energy"] <= row["high"]
    assert row["null_high"] < row["low"]
    assert set(table.loc[(table["label"] == "sad") & (table["in_codebook"] == 1), "unit"]) == {
        *("AU1", "AU4", "AU6", "AU15", "AU17")
    }
    drawing = found.output(JsonOutput, "units_drawing").content
    assert len(drawing["units"]["AU12"]["lines"]) == 2
    assert drawing["codebook"]["expressions"]["happiness"] == ["AU6", "AU12", "AU25"]


def test_the_mouth_alone_is_told_and_a_model_that_uses_the_brows_once_is_not_flagged() -> None:
    mouth = painted_units(25, 26, 12)
    found = run(painted({1: mouth, 2: mouth, 3: mouth}, people=24))
    # Fear, anger and others with upper units are no classes of this model: sad and surprised are all it is asked of.
    finding = found.findings["mouth_only"]
    assert finding.severity == "medium"
    assert "for sad and surprised" in finding.claim
    assert "AU1, AU2, AU4, AU5" in finding.claim
    assert "the model shows evidence on the mouth only" in finding.claim
    assert set(finding.evidence) <= {f"au_alignment/{key}" for key in found.estimates}
    for regions in (
        {1: mouth, 2: mouth, 3: mouth | painted_units(1, 2)},
        {1: mouth, 2: painted_units(6), 3: mouth},  # neither mouth nor brows
        {1: mouth, 3: mouth},  # nobody called sad: not known
    ):
        assert "mouth_only" not in run(painted(regions, people=24)).findings


def test_evidence_outside_the_face_is_a_finding() -> None:
    corner = np.zeros((275, 224), dtype=np.bool_)
    corner[225:, :35] = True
    found = run(painted({1: corner, 2: painted_units(12)}))
    assert found.estimates["outside_face[label=happy]"].low > 0.7  # type: ignore[operator]
    assert found.findings["outside.happy"].severity == "medium"
    assert 0.1 < found.value("outside_face.null_even[label=happy]") < 0.6
    assert "outside.sad" not in found.findings
    assert found.value("outside_face[label=sad]") < 0.1


class OneSidedNet(PaintNet):
    """Sees three times as much on the left of the picture, whatever is there."""

    def forward(self, x: Tensor) -> Tensor:
        ramp = torch.where(torch.arange(x.shape[-1]) < x.shape[-1] // 2, 1.5, 0.5).to(x)
        return self.fc(self.paint(x * ramp).relu().mean((2, 3)))


def test_a_one_sided_face_is_told_from_a_one_sided_net() -> None:
    left = painted_units(12)
    left[:, :112] = False
    found = run(painted({1: left, 2: painted_units(12)}))
    assert found.value("asymmetry[label=happy]") > 0.9  # the person's left is on the right of the picture
    assert found.value("asymmetry.null_mirrored[label=happy]") < -0.9
    assert found.value("asymmetry.of_faces[label=happy]") > 0.9
    assert abs(found.value("asymmetry[label=sad]")) < 0.1
    assert not [name for name in found.findings if name == "sides"]
    lopsided = run(painted({1: painted_units(12)}), OneSidedNet().eval())
    assert lopsided.value("asymmetry[label=happy]") < -0.3
    assert abs(lopsided.value("asymmetry.of_faces[label=happy]")) < 0.1
    assert "maps for happy lie on one side of the picture, whichever way" in lopsided.findings["sides"].claim
    assert "asymmetry.of_faces[label=happy]" not in run(painted({1: painted_units(12)}), mirrored=0).estimates


def test_attention_of_the_layer_is_compared_too() -> None:
    found = run(painted({1: own_units("happy"), 2: own_units("sad")}))
    assert found.value("att_cos[label=happy,layer=paint]") > found.value("cam_cos.null_constant[label=happy]")
    assert found.value("att_cos.null_constant[label=happy,layer=paint]") == pytest.approx(
        found.value("cam_cos.null_constant[label=happy]")
    )


def test_what_is_called_and_what_is_labelled() -> None:
    """Twelve people labelled happy whom the model calls sad."""
    regions = [(1, own_units("happy"))] * 12 + [(2, own_units("sad"))] * 24
    faces = PaintedFaces(regions, np.arange(36))
    labels = [1] * 24 + [2] * 12
    called = run(faces, labels=labels)
    assert called.estimates["cam_cos[label=happy]"].n == 12
    assert called.estimates["cam_cos[label=sad]"].n == 24
    by_label = run(faces, labels=labels, of="label")
    assert by_label.estimates["faces_without_map[label=happy]"].value == 12  # nothing speaks for happy in them
    assert "left_out.happy" in by_label.findings
    right = run(faces, labels=labels, select="correct")
    assert right.estimates["cam_cos[label=sad]"].n == 12
    assert set(by_label.output(TableOutput, "units").frame["of"]) == {"label"}
    unlabelled = run(faces, labels=[-1] * 36, of="label")
    assert "of: label needs" in str(unlabelled.estimates["cam_cos[label=happy]"].reason)


@pytest.mark.parametrize("kind", ["5", "aligned"])
def test_five_landmarks_are_not_enough(kind: str) -> None:
    found = run(painted({1: own_units("happy")}, landmarks_kind=kind))
    assert "five landmarks do not tell" in str(found.estimates["cam_cos[label=happy]"].reason)
    assert "No class was explained" in found.notes[0]


def test_478_landmarks() -> None:
    found = run(painted({1: own_units("happy"), 2: own_units("sad")}, landmarks_kind="478"))
    assert found.value("cam_cos[label=happy]") > 0.7


def test_faces_without_landmarks_and_too_few_people_are_told() -> None:
    faces = painted({1: own_units("happy"), 2: own_units("sad")}, without_landmarks=frozenset({0, 1, 2}))
    found = run(faces)
    assert found.estimates["cam_cos[label=happy]"].reason == "9 people called happy with a map; 10 are needed"
    assert found.estimates["faces_without_map[label=happy]"].value == 3
    assert "the face has no landmarks (3)" in found.findings["left_out.happy"].claim
    assert found.estimates["cam_cos[label=surprised]"].reason == "0 people called surprised with a map; 10 are needed"
    assert found.value("cam_cos[label=sad]") > 0.7
    assert run(faces, min_subjects=9).estimates["cam_cos[label=happy]"].value is not None


def test_landmarks_of_another_frame_are_left_out() -> None:
    faces = painted({1: own_units("happy")})
    faces._points = lambda row: np.full((68, 2), 0.3, dtype=np.float32)  # type: ignore[method-assign]
    found = run(faces)
    assert found.findings["landmarks"].severity == "high"
    assert found.estimates["cam_cos[label=happy]"].value is None


def test_the_same_seed_gives_the_same_numbers() -> None:
    faces = painted({1: own_units("happy"), 2: own_units("sad")})
    one, two = (run(faces, per_class=10, mirrored=4).estimates for _ in range(2))
    assert one == two


def test_a_layer_that_does_not_exist_is_an_error_and_a_method_that_does_not_exist_a_fault_of_the_plan() -> None:
    with pytest.raises(LayerError, match="did you mean 'paint'"):
        run(painted({1: own_units("happy")}), layer="pain")
    with pytest.raises(ValidationError, match="did you mean 'gradcam'"):
        AuAlignmentParams(method="gradcm")
    with pytest.raises(ValidationError, match="did you mean 'emfacs7'"):
        AuAlignmentParams(codebook="emfacs")
    assert AuAlignmentParams(method="gradcam").further_needs() == {"gradients", "layers"}


def test_the_users_own_codebook_is_found_beside_the_plan(tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text("expressions: {happy: [12], sad: [4], neutral: [43]}\n")
    params = find_probe("au_alignment").params.model_validate({"codebook": "own.yaml"}, context={"folder": tmp_path})
    assert isinstance(params, AuAlignmentParams)
    assert params.units().units == (4, 12, 43)
    before = params.digest_of_files()
    (tmp_path / "own.yaml").write_text("expressions: {happy: [12], sad: [1]}\n")
    assert params.digest_of_files() != before
    with pytest.raises(ValidationError, match="there is no such file"):
        find_probe("au_alignment").params.model_validate({"codebook": "gone.yaml"}, context={"folder": tmp_path})


def london_plan(shared: Path) -> dict[str, Any]:
    return {
        "version": 1,
        "name": "units",
        "seed": 3,
        "target": {
            "checkpoint": str(shared / "models" / "face_expression.safetensors"),
            "factory": f"{shared / 'models' / 'nets.py'}:FaceExpressionNet",
            "task": "expression",
            "classes": ["neutral", "happy", "sad", "angry", "fearful", "disgusted", "surprised"],
            "input": {"size": 112, "channels": "rgb", "mean": [0.48150, 0.45883, 0.40901], "std": [1, 1, 1]},
            "output": "logits",
        },
        "data": {
            "manifest": str(shared / "data" / "london" / "manifest.csv"),
            "label": "label",
            "subject": "subject",
            "box": ["face_x0", "face_y0", "face_x1", "face_y1"],
            "landmarks": str(shared / "data" / "london" / "landmarks_dlib68.npz"),
            "attributes": {"gender": {"assigned_by": "self-reported"}},
        },
        "probes": [{"probe": "au_alignment", "per_class": 24, "mirrored": 10}],
        "run": {"batch_size": 8, "workers": 1},
    }


def test_real_faces(shared: Path) -> None:
    """Smiles that a real net calls happy: less alike to the units of happiness than a constant map is."""
    text = yaml.safe_dump(london_plan(shared))
    problems = Problems("plan")
    loaded = check_plan(read_yaml(text), shared, problems, text)
    result: ProbeResult = Runner(loaded).run(lambda: load_material(loaded)).probes[0]
    assert result.status == "ok", result.reason
    found = {item.key.partition("/")[2]: item.estimate for item in result.measurements}

    def value(key: str) -> float:
        number = found[key].value
        assert number is not None
        return number

    assert 0.33 < value("cam_cos[label=happy]") < 0.48
    assert 0.41 < value("cam_cos.null_constant[label=happy]") < 0.46
    assert 0.65 < value("cam_cos.null_centre[label=happy]") < 0.75
    assert value("cam_cos[label=happy]") < value("cam_cos.null_centre[label=happy]")
    assert "cam_cos[gender=female,label=happy]" in found
    assert value("asymmetry[label=happy]") < -0.5
    assert value("asymmetry.null_mirrored[label=happy]") < -0.5
    assert abs(value("asymmetry.of_faces[label=happy]")) < 0.1
    claims = {item.id.partition(".")[2]: item.claim for item in result.findings}
    assert "no closer" in claims["units.happy"]
    assert "maps for neutral and happy lie on one side of the picture" in claims["sides"]


def test_a_black_box_is_explained_without_gradients() -> None:
    """As from an .onnx file: neither gradients nor layers; occlusion finds the painted corners of the mouth."""
    faces = painted({1: painted_units(12), 2: painted_units(4)}, people=3)
    net = PaintNet().eval()
    found = run(faces, net, min_subjects=3, format="onnx", method="occlusion", mirrored=0)
    assert found.value("energy[label=happy,unit=AU12]") > found.value("energy.null_even[label=happy,unit=AU12]")
    assert found.value("energy[label=happy,unit=AU12]") > found.value("energy[label=sad,unit=AU12]")
    assert not [key for key in found.estimates if key.startswith("att_cos")]
    assert "Attention of layers was not measured: the model gives no layers (onnx)" in found.notes[0]
    refused = run(faces, net, min_subjects=3, format="onnx", method="gradcam")
    assert "gives no gradients" in str(refused.estimates["cam_cos[label=happy]"].reason)
