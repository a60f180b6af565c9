"""The probe ``corruptions``: what it says of a net on drawn faces, and what it refuses."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from countenance.audit.robustness.corruptions import CORRUPTIONS, GROUPS, CorruptionParams, corruptions
from countenance.core.probes import ArrayOutput, Note, ProbeContext, Scores
from countenance.core.results import Finding, Measurement
from countenance.synth.dataset import draw_crops
from countenance.synth.demo import shipped
from countenance.synth.nets import load_net


@pytest.fixture(scope="module")
def context(make_context: Callable[..., ProbeContext]) -> ProbeContext:
    """The demonstration's net without planted faults, and drawn people that it has not seen."""
    return make_context(load_net(shipped("twin.safetensors")), draw_crops(18, 7, 4711, 96, size=128))


@pytest.fixture(scope="module")
def everything(context: ProbeContext) -> list[Any]:
    return list(corruptions(context, CorruptionParams()))


def rate(outputs: list[Any], metric: str, **condition: str) -> float:
    found = [
        out for out in outputs if isinstance(out, Scores) and out.metric == metric and dict(out.condition) == condition
    ]
    assert len(found) == 1, f"{len(found)} scores {metric} {condition}"
    weights = len(found[0].rows) if found[0].weights is None else found[0].weights.sum()
    return float(found[0].values.sum() / weights)


def test_error_rises_with_severity_on_the_demo_net(everything: list[Any]) -> None:
    clean = rate(everything, "accuracy", corruption="none", severity="0")
    by_severity = [rate(everything, "accuracy", corruption="all", severity=str(level)) for level in range(1, 6)]
    assert clean > 0.9
    assert [clean, *by_severity] == sorted([clean, *by_severity], reverse=True)
    assert by_severity[0] - by_severity[4] > 0.1
    # corruption by corruption, up to the few faces that go either way
    for name in CORRUPTIONS:
        mild, severe = (rate(everything, "accuracy", corruption=name, severity=level) for level in "15")
        assert severe <= mild + 0.02, name


def test_means_are_means(everything: list[Any]) -> None:
    each = {
        name: np.mean([rate(everything, "accuracy", corruption=name, severity=str(level)) for level in range(1, 6)])
        for name in CORRUPTIONS
    }
    clean = rate(everything, "accuracy", corruption="none", severity="0")
    for name, accuracy in each.items():
        assert rate(everything, "accuracy", corruption=name) == pytest.approx(accuracy, abs=1e-6)
    for group in ("noise", "blur", "weather", "digital", "face", "imagenet_c", "all"):
        mean = np.mean([each[name] for name in GROUPS[group]])
        assert rate(everything, "accuracy", corruption=group) == pytest.approx(mean, abs=1e-6)
    for group in ("imagenet_c", "all"):
        error = 1 - np.mean([each[name] for name in GROUPS[group]])
        assert rate(everything, "mce", corruption=group) == pytest.approx(error, abs=1e-6)
        assert rate(everything, "relative_mce", corruption=group) == pytest.approx(error - (1 - clean), abs=1e-6)


def test_who_loses_most_is_asked_of_each_corruption_each_family_and_all(everything: list[Any]) -> None:
    asked = {out.condition["corruption"] for out in everything if isinstance(out, Scores) and out.gaps}
    assert asked == {*CORRUPTIONS, "noise", "blur", "weather", "digital", "face", "all"}
    assert all(out.tolerance == 0.10 for out in everything if isinstance(out, Scores) and out.gaps)
    curve = [
        out for out in everything if isinstance(out, Scores) and out.condition == {"corruption": "all", "severity": "3"}
    ]
    assert {out.metric for out in curve if out.by_group} == {"accuracy", "lost"}


def test_what_costs_most_is_told(everything: list[Any]) -> None:
    findings = {out.id: out for out in everything if isinstance(out, Finding)}
    cost = {name: rate(everything, "accuracy", corruption=name) for name in CORRUPTIONS}
    worst = min(cost, key=lambda name: cost[name])
    told = findings["corruptions.costliest"]
    assert f"corruptions/accuracy@corruption={worst}" in told.evidence
    assert f"{cost[worst]:.3f}" in told.claim
    assert "126 faces" in told.claim
    rises = findings["corruptions.severity"]
    assert "rose by" in rises.claim
    assert len(rises.evidence) == 5


def test_a_strip_shows_every_corruption_once(everything: list[Any]) -> None:
    strips = [out for out in everything if isinstance(out, ArrayOutput) and out.name == "strip"]
    assert len(strips) == 1
    assert strips[0].arrays["pictures"].shape[1] == len(CORRUPTIONS) + 1


def test_some_corruptions_at_one_severity(context: ProbeContext) -> None:
    params = CorruptionParams(corruptions=("blur", "contrast"), severities=(4,), faces=40)
    outputs = list(corruptions(context, params))
    told = {out.condition["corruption"] for out in outputs if isinstance(out, Scores)}
    assert told == {"none", "contrast", "blur", "all", *GROUPS["blur"]}
    assert not any(isinstance(out, Finding) and out.id.endswith("severity") for out in outputs)
    notes = " ".join(out.text for out in outputs if isinstance(out, Note))
    assert "5 corruptions at severities 4 on 40 faces" in notes
    assert "multiplied by 0.429" in notes
    again = list(corruptions(replace(context, probe_id="other", batch_size=7), params))
    assert rate(outputs, "accuracy", corruption="all") == rate(again, "accuracy", corruption="all")


def test_without_labels_changes_are_counted(context: ProbeContext) -> None:
    unlabelled = replace(context.predictions, truth=np.full(len(context.predictions), -1.0))
    params = CorruptionParams(corruptions="noise", severities=5)
    outputs = list(corruptions(replace(context, predictions=unlabelled), params))
    assert {out.metric for out in outputs if isinstance(out, Scores)} == {"changed"}
    assert not any(isinstance(out, Finding) for out in outputs)


def test_a_model_at_chance_is_not_asked(context: ProbeContext) -> None:
    shuffled = np.random.default_rng(0).permutation(context.predictions.truth)
    at_chance = replace(context, predictions=replace(context.predictions, truth=shuffled))
    outputs = list(corruptions(at_chance, CorruptionParams(corruptions=("fog",))))
    assert len(outputs) == 5
    assert all(isinstance(out, Measurement) and "nothing to lose" in (out.estimate.reason or "") for out in outputs)


@pytest.mark.parametrize(
    "given, message",
    [
        ({"severities": [0]}, "expected severities from 1 .mild. to 5 .severe., the five of the tables, but got 0"),
        ({"severities": 6}, "but got 6"),
        ({"severities": []}, "at least 1"),
        ({"severities": [2, 2]}, "expected each severity once"),
        ({"severities": 2.5}, "integer"),
        ({"corruptions": "motion_blurr"}, "but got 'motion_blurr'; did you mean 'motion_blur'"),
        ({"corruptions": []}, "at least 1"),
        ({"corruption": "fog"}, "Extra inputs"),
    ],
)
def test_what_cannot_be_done_is_refused(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        CorruptionParams(**given)


def test_names_and_groups_may_be_mixed() -> None:
    assert CorruptionParams(corruptions=["fog", "noise", "fog"]).names == (*GROUPS["noise"], "fog")
    assert CorruptionParams(severities=[5, 1]).severities == (1, 5)
