"""The probe as the runner runs it: planted nets, unusable targets, parameters, and what reports read."""

from __future__ import annotations

import json
from contextlib import nullcontext
from importlib.resources import files

import numpy as np
import pytest
import torch
from checks.audited import DrawnFaces, Edges, Outcome, drawn_target, run_checks
from pydantic import ValidationError
from torch import Tensor, nn

from countenance.core.plan import InputSpec, TargetSpec
from countenance.core.predictions import Predictions
from countenance.core.probes import JsonOutput, Note, ProbeContext, TableOutput
from countenance.core.statistics.rules import StatisticsRules
from countenance.core.target import Target
from countenance.explain.attribution.method import Built
from countenance.explain.attribution.registry import METHODS
from countenance.explain.checks import explanation_checks as module
from countenance.explain.checks.check_findings import method_findings
from countenance.explain.checks.check_outputs import MethodChecks
from countenance.explain.checks.explanation_checks import ExplanationChecksParams
from countenance.explain.checks.face_checks import MethodScores
from countenance.synth.nets import DrawnFaceNet, load_net

FEW = {"faces": 10, "percentiles": [30, 70], "steps": 4, "draws": 3, "randomised_faces": 6, "cascade": 2}


@pytest.fixture(scope="module")
def faces() -> DrawnFaces:
    return DrawnFaces.draw(5)


@pytest.fixture(scope="module")
def outcome(faces: DrawnFaces) -> Outcome:
    net = load_net(files("countenance.synth").joinpath("data/twin.safetensors").read_bytes())
    return run_checks(drawn_target(net), faces, methods=["gradcam", "hirescam", "saliency"], **FEW)


def test_every_score_stands_beside_its_null(outcome: Outcome) -> None:
    for metric in ("road", "deletion", "insertion"):
        for name in ("gradcam", "saliency"):
            own, null = outcome.scores[metric, name], outcome.scores[f"{metric}.null_random", name]
            gain = outcome.scores[f"{metric}_gain", name]
            assert len(own.rows) == 10
            assert np.array_equal(own.rows, null.rows)
            sign = -1 if metric == "deletion" else 1
            np.testing.assert_allclose(gain.values, sign * (own.values - null.values), atol=1e-6)
            assert not own.by_group
    assert outcome.scores["deletion", "gradcam"].direction == "lower"
    assert float(outcome.scores["insertion_gain", "gradcam"].values.mean()) > 0
    assert float(outcome.scores["stability", "gradcam"].values.max()) < 0.1


def test_randomisation_is_measured_with_an_interval_over_nets(outcome: Outcome) -> None:
    found = outcome.measurements["randomisation@method=gradcam"].estimate
    assert found.method == "t_of_random_nets"
    assert found.low is not None
    assert found.n == 6
    assert outcome.measurements["randomisation_kept@method=gradcam"].estimate.value == pytest.approx(0, abs=0.3)
    assert not [name for name in outcome.findings if name.startswith("randomisation")]


def test_twins_are_counted_once_and_said_why(outcome: Outcome) -> None:
    assert list(outcome.named(JsonOutput, "checks").content["methods"]["gradcam"]["same_as"]) == ["hirescam"]
    pairs = [key for key in outcome.measurements if key.startswith("agreement")]
    assert pairs == ["agreement[other=saliency]@method=gradcam"]
    notes = [item.text for item in outcome.outputs if isinstance(item, Note)]
    assert any("GradCAM, HiResCAM give the same maps" in text for text in notes)


def test_the_artifact_holds_what_reports_read(outcome: Outcome) -> None:
    content = outcome.named(JsonOutput, "checks").content
    assert json.loads(json.dumps(content, allow_nan=False)) == content
    one = content["methods"]["saliency"]
    assert one["title"]
    assert one["randomisation"] in ("passes", "fails", "not measured")
    assert one["reason"]
    for metric in ("road", "deletion", "insertion", "stability"):
        assert isinstance(one[metric], float)
    cascade = outcome.named(TableOutput, "cascade").frame
    assert set(cascade["mode"]) == {"cascading", "independent"}
    assert len(cascade) == 2 * 2 * 3
    assert list(outcome.named(TableOutput, "methods").frame["method"]) == ["gradcam", "hirescam", "saliency"]


def test_the_same_seed_gives_the_same_and_the_net_is_left_alone(faces: DrawnFaces) -> None:
    torch.manual_seed(3)
    target = drawn_target(DrawnFaceNet().eval())
    before = {name: tensor.clone() for name, tensor in target.net.state_dict().items()}
    first, second = (run_checks(target, faces, **FEW) for _ in range(2))
    assert [str(one.estimate) for one in first.measurements.values()] == [
        str(one.estimate) for one in second.measurements.values()
    ]
    for key, one in first.scores.items():
        assert np.array_equal(one.values, second.scores[key].values)
    for name, tensor in target.net.state_dict().items():
        assert torch.equal(tensor, before[name])


def test_a_method_that_ignores_the_model_is_found(faces: DrawnFaces, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    monkeypatch.setattr(module, "build_explainers", lambda *args, **kwargs: Built((Edges(("gradcam",)),), {}))
    found = run_checks(drawn_target(DrawnFaceNet().eval()), faces, **FEW)
    finding = found.findings["randomisation.gradcam"]
    assert finding.severity == "high"
    assert "they show the picture, not the model" in finding.claim
    assert set(finding.evidence) <= {f"explanation_checks/{key}" for key in found.measurements}
    assert found.named(JsonOutput, "checks").content["methods"]["gradcam"]["randomisation"] == "fails"


class MouthNet(nn.Module):
    """Reads the lower middle of the picture only; two classes."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 4, 5, 4, 2)
        self.head = nn.Linear(4, 7)
        mask = torch.zeros(1, 1, 24, 24)
        mask[..., 14:20, 8:16] = 1
        self.register_buffer("mask", mask)

    def forward(self, x: Tensor) -> Tensor:
        return self.head((self.first(x).relu() * self.mask).sum((2, 3)))


def test_maps_of_a_net_that_reads_one_region_beat_their_null(faces: DrawnFaces) -> None:
    torch.manual_seed(5)
    more = {"faces": 35, "steps": 12, "percentiles": [50, 70, 90], "null_draws": 3, "noisy_copies": 0, "draws": 0}
    found = run_checks(drawn_target(MouthNet().eval()), faces, methods=["saliency"], **more)
    assert float(found.scores["road_gain", "saliency"].values.mean()) > 0
    assert "faithfulness.saliency" not in found.findings
    assert "no random nets were asked for" in str(found.measurements["randomisation@method=saliency"].estimate.reason)


def test_a_model_without_gradients_says_why_nothing_was_measured(faces: DrawnFaces) -> None:
    spec = TargetSpec(
        checkpoint="x.onnx",
        task="expression",
        classes=["happy", "sad"],
        input=InputSpec(size=96, channels="rgb", mean=(0.0,), std=(1.0,)),
        output="logits",
    )
    target = Target(lambda x: x.mean((2, 3))[:, :2] * 5, spec, format="onnx")
    found = run_checks(target, faces, **FEW, methods=["gradcam"])
    assert "gives no gradients" in str(found.measurements["road@method=gradcam"].estimate.reason)
    assert found.named(JsonOutput, "checks").content["methods"]["gradcam"]["randomisation"] == "not measured"
    black_box = run_checks(target, faces, **FEW, methods=["occlusion"], settings={"window": 0.5, "stride": 0.25})
    assert len(black_box.scores["deletion", "occlusion"].rows) > 0
    reason = black_box.measurements["randomisation@method=occlusion"].estimate.reason
    assert "onnx cannot be replaced" in str(reason)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"methods": ["gradcamm"]}, "gradcam"),
        ({"methods": []}, "at least one"),
        ({"percentiles": [0, 50]}, "between 0 and 100"),
        ({"percentiles": []}, "between 0 and 100"),
        ({"deletion_baseline": "grey"}, "black"),
        ({"step": 3}, "step"),
    ],
)
def test_wrong_parameters_are_refused(given: dict[str, object], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        ExplanationChecksParams.model_validate(given)


def test_all_is_every_method() -> None:
    assert "gradcam" in ExplanationChecksParams(methods="all").names
    assert ExplanationChecksParams(methods=["saliency", "saliency"]).names == ("saliency",)


@pytest.mark.parametrize(("needed", "told"), [(2, True), (4, True), (5, False)])
def test_no_finding_stands_on_fewer_people_than_a_measurement_needs(needed: int, told: bool) -> None:
    """The runner leaves such scores out as not measured, so a sentence would quote what the results do not hold."""
    scores, rows = MethodScores(), np.arange(4)
    for metric in ("road_gain", "deletion_gain", "insertion_gain"):
        scores.add(metric, rows, torch.tensor([-0.1, -0.2, -0.1, -0.2]))
    scores.add("stability", rows, torch.tensor([0.8, 0.9, 0.8, 0.9]))
    context = ProbeContext(
        probe_id="explanation_checks",
        faces=DrawnFaces(torch.zeros(4, 3, 2, 2), per_person=1),  # type: ignore[arg-type]
        predictions=Predictions("expression", ("a", "b"), np.full((4, 2), 0.5), np.zeros(4)),
        target=None,
        rules=StatisticsRules(min_subjects=needed),
        seed=0,
        batch_size=4,
        progress=lambda unit, total: nullcontext(lambda count=1: None),  # type: ignore[arg-type, return-value]
    )
    checked = MethodChecks(METHODS["gradcam"], "features", scores, None, "not asked for")
    found = {item.id.split(".")[1] for item in method_findings(context, checked, np.arange(4))}
    assert found == ({"faithfulness", "stability"} if told else set())
