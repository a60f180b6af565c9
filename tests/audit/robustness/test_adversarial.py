from __future__ import annotations

import weakref
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from torch import Tensor

from countenance.audit.robustness import adversarial as probe_module
from countenance.audit.robustness.adversarial import AdversarialParams
from countenance.audit.robustness.attacks import PGD, Attacked, LinfBall
from countenance.audit.robustness.noise import uniform_noise
from countenance.core.probes import Note, find_probe
from countenance.core.results import Finding, Measurement

EPS = ["2/255", "8/255", "24/255"]


def test_it_is_registered_with_what_it_needs() -> None:
    probe = find_probe("adversarial")
    assert probe.needs == {"model", "images", "labels"}
    assert AdversarialParams().further_needs() == {"gradients"}
    assert AdversarialParams(attack="square").further_needs() == frozenset()
    assert "square" in AdversarialParams().without_gradients()
    assert probe.tasks == {"expression", "forgery"}
    assert probe.pillar == "robustness"


def test_params_take_numbers_as_people_write_them() -> None:
    params = AdversarialParams.model_validate({"eps": ["8/255", 0.01, "2/255"], "step_size": "1/255", "attack": "pgd"})
    assert [str(eps) for eps in params.eps] == ["2/255", "0.01", "8/255"]
    assert float(params.eps[2]) == 8 / 255
    assert params.model_dump(mode="json")["eps"] == ["2/255", "0.01", "8/255"]
    assert [str(eps) for eps in AdversarialParams.model_validate({"eps": "4/255"}).eps] == ["4/255"]
    assert [str(eps) for eps in AdversarialParams(norm="l2").eps] == ["1/8", "1/4", "1/2", "1", "2"]


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"eps": [0]}, "above 0 and at most 1"),
        ({"eps": ["-2/255"]}, "above 0 and at most 1"),
        ({"eps": [8]}, "above 0 and at most 1"),
        ({"eps": []}, "at least 1"),
        ({"eps": ["8/255", "16/510"]}, "each eps once"),
        ({"eps": ["eight"]}, "a number such as 0.03 or 8/255"),
        ({"step_size": 0}, "step_size above 0"),
        ({"steps": 0}, "greater than or equal to 1"),
        ({"restarts": 0}, "greater than or equal to 1"),
        ({"attack": "fgsm", "steps": 10}, "leave out steps"),
        ({"attack": "cw"}, "pgd"),
        ({"norm": "l1"}, "linf"),
        ({"norm": "l2", "eps": 2000}, "at most 1000"),
        ({"attack": "standard", "steps": 10}, "standard has no setting steps"),
        ({"attack": "square", "restarts": 2}, "square has no setting restarts"),
        ({"queries": 0, "attack": "square"}, "greater than or equal to 1"),
        ({"stepps": 3}, "Extra inputs"),
    ],
)
def test_params_that_make_no_sense_are_refused(wrong: dict[str, Any], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        AdversarialParams.model_validate(wrong)


@pytest.mark.parametrize("attack", ["pgd", "fgsm"])
def test_what_it_measures(run_probe: Any, case: Any, attack: str) -> None:
    found = run_probe(case.net, case.pixels, case.labels, subjects=case.subjects, attack=attack, eps=EPS)
    with torch.no_grad():
        right = case.net(case.pixels).argmax(1).numpy() == case.labels
    clean = found.scores("accuracy", attack="none", eps="0")
    assert np.array_equal(clean.values, right.astype(float))
    assert np.array_equal(clean.rows, np.arange(80))
    curve = [found.accuracy("none", "0"), *(found.accuracy(attack, eps) for eps in EPS)]
    noise = [found.accuracy("noise", eps) for eps in EPS]
    assert curve == sorted(curve, reverse=True)
    assert curve[0] > 0.9
    assert curve[-1] < 0.3
    assert all(under_attack <= under_noise for under_attack, under_noise in zip(curve[1:], noise, strict=True))
    for eps in EPS:  # a face is never right under a perturbation that was wrong without
        assert (found.scores("accuracy", attack=attack, eps=eps).values <= clean.values).all()
    table = found.table
    assert table["faces"].sum() == 80
    assert table["smallest_eps"].tolist() == ["wrong without perturbation", *EPS, "none up to 24/255"]
    smallest = found.scores("smallest_eps", attack=attack)
    assert not smallest.overall
    assert not smallest.by_group
    assert len(smallest.rows) == 80 - table["faces"].iloc[-1]
    assert any(
        attack in out.text and "all 80 labelled faces" in out.text for out in found.outputs if isinstance(out, Note)
    )
    assert found.failures == set()


def test_the_headline_is_worded_as_an_upper_bound(run_probe: Any, case: Any) -> None:
    found = run_probe(case.net, case.pixels, case.labels, subjects=case.subjects, eps=EPS)
    finding = found.findings["accuracy"]
    assert finding.severity == "medium"
    assert "upper bound" in finding.caveats[0]
    measured = {item.key: item for item in found.measurements()}
    assert set(finding.evidence) <= set(measured)
    told = next(key for key in finding.evidence if "attack=pgd" in key)
    assert str(measured[told].estimate.model_copy(update={"n": None})) in finding.claim
    assert "on 80 faces" in finding.claim
    weak = run_probe(case.net, case.pixels, case.labels, subjects=case.subjects, eps="1/2550")
    assert weak.findings["accuracy"].severity == "note"


def test_every_key_is_unique_and_every_finding_rests_on_measurements(run_probe: Any, case: Any) -> None:
    def quantised(pixels: Tensor) -> Tensor:
        return case.net((pixels * 8).round() / 8)

    for scores in (case.net, quantised):
        found = run_probe(scores, case.pixels, case.labels, subjects=case.subjects, eps=EPS)
        keys = [item.key for item in found.measurements()]
        assert len(keys) == len(set(keys))
        for finding in found.findings.values():
            assert set(finding.evidence) <= set(keys), finding.id


def test_results_do_not_depend_on_the_batch_size(run_probe: Any, case: Any) -> None:
    runs = [
        run_probe(case.net.double(), case.pixels.double(), case.labels, batch_size=size, eps=EPS, steps=8, restarts=2)
        for size in (3, 80)
    ]
    case.net.float()
    for other in runs[1:]:
        for eps in EPS:
            for attack in ("pgd", "noise"):
                first = runs[0].scores("accuracy", attack=attack, eps=eps)
                assert np.array_equal(first.values, other.scores("accuracy", attack=attack, eps=eps).values)


def test_the_same_seed_gives_the_same_results(run_probe: Any, case: Any) -> None:
    def values(seed: int) -> list[list[float]]:
        found = run_probe(case.net, case.pixels, case.labels, seed=seed, eps=EPS, faces=20)
        return [out.rows.tolist() + out.values.tolist() for out in found.outputs if hasattr(out, "values")]

    assert values(1) == values(1)
    assert values(1) != values(2)


def test_a_sample_is_stated_and_spread_over_people(run_probe: Any, case: Any) -> None:
    found = run_probe(case.net, case.pixels, case.labels, subjects=case.subjects, eps="8/255", faces=30)
    rows = found.scores("accuracy", attack="pgd", eps="8/255").rows
    assert len(rows) == 30
    assert len(set(case.subjects[rows].tolist())) == 30
    assert any("30 of 80 labelled faces" in out.text for out in found.outputs if isinstance(out, Note))


def test_every_use_of_the_probe_is_given_the_same_faces_and_noise(run_probe: Any, case: Any) -> None:
    uses = [
        run_probe(case.net, case.pixels, case.labels, probe_id=name, attack=name, eps="80/255", faces=40)
        for name in ("pgd", "fgsm")
    ]
    noise = [found.scores("accuracy", attack="noise", eps="80/255") for found in uses]
    assert np.array_equal(noise[0].rows, noise[1].rows)
    assert np.array_equal(noise[0].values, noise[1].values)
    assert 0 < noise[0].values.mean() < 1


def test_faces_without_label_are_left_out(run_probe: Any, case: Any) -> None:
    labels = case.labels.copy()
    labels[::3] = -1
    found = run_probe(case.net, case.pixels, labels, eps="8/255")
    rows = found.scores("accuracy", attack="pgd", eps="8/255").rows
    assert np.array_equal(rows, np.flatnonzero(labels >= 0))


def test_a_model_that_is_never_right_is_not_measured(run_probe: Any, case: Any) -> None:
    with torch.no_grad():
        wrong = (case.net(case.pixels).argmax(1).numpy() + 1) % 3
    found = run_probe(case.net, case.pixels, wrong, eps=EPS)
    assert found.accuracy("none", "0") == 0
    unmeasured = [out for out in found.outputs if isinstance(out, Measurement)]
    assert len(unmeasured) == 3 * len(EPS)
    assert all("none of the 80 faces" in (item.estimate.reason or "") for item in unmeasured)
    assert not found.findings


def test_a_model_with_one_answer_for_all_is_not_measured(run_probe: Any, case: Any) -> None:
    def constant(pixels: Tensor) -> Tensor:
        return 0 * case.net(pixels) + torch.tensor([0.0, 1.0, 0.5])

    found = run_probe(constant, case.pixels, case.labels, eps=EPS)
    assert found.accuracy("none", "0") == pytest.approx((case.labels == 1).mean())
    unmeasured = [out for out in found.outputs if isinstance(out, Measurement)]
    assert len(unmeasured) == 3 * len(EPS)
    assert all("one and the same answer" in (item.estimate.reason or "") for item in unmeasured)
    assert not found.findings
    happy = case.labels == 1  # faces of one label, all answered so, are measured
    assert run_probe(case.net, case.pixels[happy], case.labels[happy], eps="8/255").accuracy("pgd", "8/255") < 1


def test_batches_are_not_held(run_probe: Any, case: Any) -> None:
    """When a batch is read at most the one before is still in memory, and no perturbed copy of any other."""
    held: list[weakref.ref[Tensor]] = []
    alive: list[int] = []

    def scores(pixels: Tensor) -> Tensor:
        alive.append(sum(kept() is not None for kept in held))
        held.append(weakref.ref(pixels))
        return case.net(pixels)

    run_probe(scores, case.pixels, case.labels, batch_size=4, eps=EPS)
    assert len(held) > 20 * 20
    assert max(alive) <= 7  # the batch, its faces answered right, the points of the step; at the end the strip


# What must be found: one planted fault each, and the check that names it.


def test_a_quantised_input_has_no_gradient(run_probe: Any, case: Any) -> None:
    def quantised(pixels: Tensor) -> Tensor:
        return case.net((pixels * 16).round() / 16)

    pgd = run_probe(quantised, case.pixels, case.labels, eps=EPS)
    assert {"no_gradient", "withstands_without_limit"} <= pgd.failures
    assert pgd.findings["no_gradient"].severity == "high"
    assert "no_gradient" in pgd.findings["accuracy"].caveats[1]
    assert pgd.scores("check.no_gradient", attack="pgd", eps="8/255").values.mean() == 1
    fgsm = run_probe(quantised, case.pixels, case.labels, eps=EPS, attack="fgsm")
    assert {"no_gradient", "unchanged", "not_rising"} <= fgsm.failures


def test_saturated_probabilities_have_no_gradient(run_probe: Any, case: Any) -> None:
    def saturated(pixels: Tensor) -> Tensor:
        return (50 * case.net(pixels)).softmax(1).clamp_min(1e-12).log()

    found = run_probe(saturated, case.pixels, case.labels, eps=EPS)
    assert "no_gradient" in found.failures
    scaled = run_probe(lambda pixels: 50 * case.net(pixels), case.pixels, case.labels, eps=EPS)
    assert scaled.failures == set()  # as large, but given as logits: nothing is lost
    assert scaled.accuracy("pgd", "8/255") <= found.accuracy("pgd", "8/255")


def test_a_gradient_that_points_the_wrong_way_is_found(run_probe: Any, case: Any) -> None:
    def turned(pixels: Tensor) -> Tensor:
        logits = case.net(pixels)
        return 2 * logits.detach() - logits  # the same values, the opposite gradient

    found = run_probe(turned, case.pixels, case.labels, eps=EPS)
    assert {"not_rising", "withstands_without_limit", "black_box_stronger"} <= found.failures


def test_a_random_model_is_found(run_probe: Any, case: Any) -> None:
    def random(pixels: Tensor) -> Tensor:
        return case.net(pixels + 0.05 * torch.randn_like(pixels))

    torch.manual_seed(0)
    assert "unstable" in run_probe(random, case.pixels, case.labels, eps=EPS).failures


def test_outputs_that_break_under_attack_are_found_and_not_robust(run_probe: Any, case: Any) -> None:
    def fragile(pixels: Tensor) -> Tensor:
        logits = case.net(pixels)
        off_grid = ((pixels * 255).frac() - 0.5).abs() < 0.45  # pixels as they come from a file are on the grid
        return torch.where(off_grid.flatten(1).any(1)[:, None], torch.nan, logits)

    pixels = (case.pixels * 255).round() / 255
    found = run_probe(fragile, pixels, case.labels, eps=EPS)
    assert "no_answer" in found.failures
    assert found.accuracy("pgd", "2/255") == 0
    assert found.accuracy("none", "0") > 0.9


class _Stub:
    """An attack that does as it is told."""

    name = "pgd"
    norm = "linf"

    def __init__(self, how: Any) -> None:
        self.how = how

    def __call__(self, scores: Any, pixels: Tensor, labels: Tensor, rows: Any, eps: float) -> Attacked:
        moved = self.how(scores, pixels, labels, rows, eps)
        count = len(pixels)
        with torch.no_grad():
            flipped = scores(moved).argmax(1) != labels
        start = torch.zeros(count)
        return Attacked(moved, flipped, start, start + 1, torch.zeros(count, dtype=torch.bool))


def _noise(scores: Any, pixels: Tensor, labels: Tensor, rows: Any, eps: float) -> Tensor:
    return LinfBall(pixels, eps).at(0.2 * uniform_noise(9, rows, pixels, stream=1))


def _too_far(scores: Any, pixels: Tensor, labels: Tensor, rows: Any, eps: float) -> Tensor:
    return LinfBall(pixels, 2 * eps).at(uniform_noise(9, rows, pixels, stream=1))


def _nothing(scores: Any, pixels: Tensor, labels: Tensor, rows: Any, eps: float) -> Tensor:
    return pixels


def _only_at_small_eps(scores: Any, pixels: Tensor, labels: Tensor, rows: Any, eps: float) -> Tensor:
    if eps > 0.05:
        return LinfBall(pixels, eps).at(0.01 * uniform_noise(9, rows, pixels, stream=1))
    return PGD(steps=10)(scores, pixels, labels, rows, eps).pixels


NOISY = ["8/255", "80/255", "200/255"]  # noise of these sizes changes answers of the small nets
QUIET = ["8/255", "20/255"]  # noise of these changes hardly any


@pytest.mark.parametrize(
    ("how", "eps", "named"),
    [
        (_noise, NOISY, {"weaker_than_noise", "black_box_stronger"}),
        (_too_far, QUIET, {"out_of_bounds", "black_box_stronger"}),
        (_nothing, NOISY, {"unchanged", "weaker_than_noise", "black_box_stronger"}),
        (_only_at_small_eps, QUIET, {"not_monotone", "black_box_stronger"}),
    ],
)
def test_a_broken_attack_is_found(
    run_probe: Any, case: Any, monkeypatch: pytest.MonkeyPatch, how: Any, eps: list[str], named: set[str]
) -> None:
    monkeypatch.setattr(probe_module, "_attack", lambda params, seed, classes: (_Stub(how), []))
    found = run_probe(case.net, case.pixels, case.labels, subjects=case.subjects, eps=eps)
    assert found.failures == named
    for name in named:
        finding = found.findings[name]
        assert isinstance(finding, Finding)
        assert finding.severity in ("high", "medium")


# What must not be found.


@pytest.mark.parametrize("seed", range(1, 7))
def test_ordinary_nets_are_not_flagged(run_probe: Any, make_case: Any, seed: int) -> None:
    ordinary = make_case(seed)
    for attack in ("pgd", "fgsm"):
        found = run_probe(
            ordinary.net, ordinary.pixels, ordinary.labels, subjects=ordinary.subjects, attack=attack, eps=EPS
        )
        assert found.failures == set()
