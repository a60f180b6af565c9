"""The parts against slow rules: readings, gains, orders, differences, and targets of other tasks."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from scipy.stats import ttest_rel
from torch import nn

from countenance.audit.integrity.class_order import best_order
from countenance.audit.integrity.differences import measure
from countenance.audit.integrity.fit import Labelled, fit_of, gain_of, information_gain
from countenance.audit.integrity.material import Material, relative_change
from countenance.audit.integrity.params import IntegrityParams
from countenance.audit.integrity.precision import device, on_device
from countenance.audit.integrity.readings import readings, swapped
from countenance.core.plan import InputSpec, TargetSpec
from countenance.core.target import Target

LUMA = torch.tensor([0.299, 0.587, 0.114]).reshape(1, 3, 1, 1)
DECLARED = (
    InputSpec(size=8, mean=[0.48, 0.46, 0.41], std=[0.2, 0.3, 0.4]),
    InputSpec(size=8, channels="bgr", mean=[0.48, 0.46, 0.41], std=[0.2, 0.3, 0.4]),
    InputSpec(size=8, channels="grey", mean=[0.5], std=[0.25]),
)


def target_of(given: InputSpec) -> Target:
    spec = TargetSpec(checkpoint="x", task="expression", classes=["a", "b"], input=given, output="logits")
    return Target(nn.Flatten(), spec, format="module")


@pytest.mark.parametrize("given", DECLARED, ids=["rgb", "bgr", "grey"])
def test_a_reading_gives_the_net_what_its_own_preparation_would(given):
    pixels = torch.rand((2, 3, 8, 8), generator=torch.Generator().manual_seed(0))
    target = target_of(given)
    tried = readings(given)
    assert len({reading.title for reading in tried}) == len(tried)
    for reading in tried:
        seen = target.prepare(reading.change(given)(pixels))
        if reading.mean is None:
            shown = (pixels * LUMA).sum(1, keepdim=True) if given.channels == "grey" else pixels
            wanted = (shown - shown.mean((1, 2, 3), keepdim=True)) / shown.std((1, 2, 3), keepdim=True, correction=0)
            wanted = wanted.flip(1) if reading.channels == "bgr" else wanted
        elif reading.channels == "grey":
            grey = (pixels * LUMA).sum(1, keepdim=True)
            wanted = (grey - torch.tensor(given.mean).reshape(1, -1, 1, 1)) / torch.tensor(given.std).reshape(
                1, -1, 1, 1
            )
            if given.channels == "grey":
                wanted = (grey - reading.mean[0]) / reading.std[0]
        else:
            turned = slice(None, None, -1) if reading.channels == "bgr" else slice(None)
            mean, std = list(reading.mean[turned]), list(reading.std[turned])
            wanted = target_of(InputSpec(size=8, channels=reading.channels, mean=mean, std=std)).prepare(pixels)
        torch.testing.assert_close(seen, wanted, rtol=1e-4, atol=1e-3 * float(wanted.abs().max()))


def test_exchanged_channels_keep_the_numbers_by_the_place_of_the_channel():
    reading = swapped(DECLARED[0])
    assert reading is not None
    assert (
        reading.in_plan(DECLARED[0]) == "target.input {channels: bgr, mean: [0.48, 0.46, 0.41], std: [0.2, 0.3, 0.4]}"
    )
    assert swapped(DECLARED[2]) is None


def labelled_of(labels: np.ndarray, person: np.ndarray) -> Labelled:
    people = int(person.max()) + 1
    counted = np.bincount(labels)
    weights = 1 / (len(np.unique(labels)) * counted[labels])
    second = np.arange(people) % 2 == 0
    return Labelled(np.arange(len(labels)), labels, weights, person, people, second[person], np.unique(labels))


def test_a_gain_is_a_paired_t_test_over_people():
    rng = np.random.default_rng(0)
    person = np.repeat(np.arange(30), 2)
    given = labelled_of(np.tile([0, 1], 30), person)
    one, other = rng.normal(size=60), rng.normal(0.3, 1, size=60)
    gain = gain_of(other - one, given)
    means = [values.reshape(30, 2).mean(1) for values in (one, other)]
    assert gain.value == pytest.approx(means[1].mean() - means[0].mean())
    assert gain.p_value == pytest.approx(ttest_rel(means[1], means[0], alternative="greater").pvalue)
    assert gain.estimate.low < gain.bound(0.95) < gain.value


def test_a_gain_of_every_person_alike_is_no_division_by_zero():
    given = labelled_of(np.tile([0, 1], 10), np.repeat(np.arange(10), 2))
    assert gain_of(np.ones(20), given).p_value == pytest.approx(0.5**10)
    assert gain_of(np.zeros(20), given).p_value == 1.0


def test_information_does_not_change_with_threshold_or_temperature_and_falls_with_noise():
    rng = np.random.default_rng(1)
    labels, person = rng.integers(0, 3, 600), np.repeat(np.arange(300), 2)
    given = labelled_of(labels, person)
    logits = 2.0 * np.eye(3)[labels] + rng.normal(size=(600, 3))
    train = given.second

    def fit(values):
        return fit_of(values - np.log(np.exp(values).sum(1, keepdims=True)), labels)

    moved = information_gain(fit(logits), fit(3 * logits + np.array([2.0, 0.0, -1.0])), train, given)
    assert float(np.abs(moved).max()) < 0.05
    assert (moved[train] == 0).all()
    worse = information_gain(fit(logits), fit(logits + 3 * rng.normal(size=(600, 3))), train, given)
    assert gain_of(-worse, given).p_value < 1e-6


def test_outputs_that_are_no_numbers_are_wrong_and_not_an_error():
    logs = np.log(np.array([[0.9, 0.1], [np.nan, np.nan], [0.2, 0.8]]))
    fit = fit_of(logs, np.array([0, 0, 1]))
    assert fit.right.tolist() == [1, 0, 1]
    assert np.isfinite(fit.log_probability).all()


def test_the_best_order_is_that_of_all_permutations():
    from itertools import permutations

    rng = np.random.default_rng(2)
    labels = rng.integers(0, 4, 200)
    shuffled = np.array([2, 0, 3, 1])
    logits = 1.5 * np.eye(4)[shuffled[labels]] + rng.normal(size=(200, 4))
    given = labelled_of(labels, np.arange(200))
    fit = fit_of(logits, labels)
    found = best_order(fit, given, np.ones(200, dtype=bool))
    answers = logits.argmax(1)
    slow = max(permutations(range(4)), key=lambda order: given.weights[np.array(order)[labels] == answers].sum())
    assert tuple(found[label] for label in range(4)) == slow == tuple(shuffled)


def test_a_change_hidden_by_saturation_counts_and_nan_is_beyond_measure():
    before, after = np.array([[100.0, 0.0], [1.0, 0.0]]), np.array([[90.0, 0.0], [np.nan, 0.0]])
    assert relative_change(before, after).tolist() == [0.1, np.inf]


class Units(nn.Module):
    def forward(self, x):
        return x.mean((2, 3))


@pytest.mark.parametrize(("task", "output"), [("action_units", "logits"), ("valence_arousal", "values")])
def test_units_and_values_are_checked_as_far_as_it_makes_sense(drawn, task, output):
    names = ["AU1", "AU12", "AU25"] if task == "action_units" else []
    net = Units().eval() if names else nn.Sequential(Units(), nn.Linear(3, 2)).eval()
    spec = TargetSpec(
        checkpoint="x", task=task, classes=names, input=InputSpec(size=96, mean=[0.5], std=[0.25]), output=output
    )
    seen = type(drawn)(net, spec, drawn.faces, drawn.labels).audit(params={"faces": 30})
    assert seen.findings == {}
    assert seen.line("order of the classes").verdict == "not checked"
    assert "has no classes" in seen.line("pixel range, mean and deviation").seen
    assert seen.line("picture alone or in a batch").verdict == "holds"


def test_faces_without_labels_leave_the_orders_unchecked(drawn):
    bare = type(drawn)(drawn.net, drawn.spec, drawn.faces, np.full(len(drawn.labels), -1))
    seen = bare.audit(params={"faces": 30})
    assert seen.findings == {}
    assert seen.line("order of the classes").seen == "the faces have no labels"
    assert seen.measured["class_order_gain"].estimate.reason == "the faces have no labels"


def test_a_net_without_modules_says_what_cannot_be_looked_at(drawn):
    seen = drawn.audit(lambda x: drawn.net(x), format="onnx", params={"faces": 30})
    assert seen.findings == {}
    assert seen.line("train mode left on").verdict == "not checked"
    assert "onnx graph" in seen.line("float32 or bfloat16").seen
    assert seen.line("saved as PNG and read back").verdict == "holds"


def test_sick_outputs_are_named(drawn):
    def sick(x):
        inner = drawn.net(x)
        return inner / x.std((1, 2, 3), correction=0)[:, None]  # nothing to divide by on a picture of one colour

    found = drawn.audit(sick, params={"faces": 24}).findings
    assert found["finite_on_plain_pictures"].severity == "medium"
    assert "black" in found["finite_on_plain_pictures"].claim
    found = drawn.audit(lambda x: torch.zeros(len(x), 7), params={"faces": 24}).findings
    assert found["outputs_vary"].severity == "high"


def test_another_device_is_compared(drawn):
    material = Material.read(drawn.context(), 16, lambda count=1: None)
    check = on_device(material, "cpu_or_gpu", "CPU or GPU", "cpu")
    assert check.verdict == "holds"
    assert "identical" in check.seen
    if not torch.cuda.is_available():
        assert device(material, random=False).verdict == "not checked"


def test_difference_is_measured_with_an_interval_over_people(drawn):
    material = Material.read(drawn.context(), 48, lambda count=1: None)
    places = np.arange(len(material))
    other = material.outputs[:, [1, 0, 2, 3, 4, 5, 6]]
    found = measure(material, "turned", places, material.outputs, other)
    assert found.count == int(material.changed(material.outputs, other).sum()) > 0
    assert found.share.low < found.share.value < found.share.high
    assert [item.key for item in found.measurements] == [
        "integrity/answers_changed[check=turned]",
        "integrity/largest_change[check=turned]",
    ]


@pytest.mark.parametrize(
    "given", [{"faces": 0}, {"faces": 10**6}, {"same_as": 3}, {"same_as": ["a/net.onnx", "b/net.onnx"]}, {"files": "x"}]
)
def test_parameters_out_of_range_are_refused(given):
    with pytest.raises(ValidationError):
        IntegrityParams.model_validate(given)
