"""Several attacks in turn, the black box beside them, and the early stop."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from countenance.audit.robustness.attacks import APGD, FAB
from countenance.audit.robustness.attacks.square import Square
from countenance.audit.robustness.tiers import Ensemble, Staged, tier, told
from countenance.core.gates import floors
from countenance.core.plan import GateSpec
from countenance.core.probes import Note, TableOutput

EPS = ["2/255", "8/255", "24/255"]


def test_a_tier_names_its_attacks_and_leaves_out_what_does_not_fit() -> None:
    full, left_out = tier("full", "linf", 0, classes=7)
    assert [attack.name for attack in full.stages] == ["apgd_ce", "apgd_t", "fab_t", "square"]
    assert left_out == []
    assert told(full.stages) == (
        "apgd_ce (100 steps), then apgd_t (100 steps towards up to 9 classes), then fab_t (100 steps towards up to 9 "
        "classes), then square (5000 queries)"
    )
    two, left_out = tier("standard", "l2", 0, classes=2)
    assert [attack.name for attack in two.stages] == ["apgd_ce", "square"]
    assert "compares 4 outputs, the model has 2" in left_out[0]
    assert two.norm == "l2"


def test_each_attack_is_given_what_still_stands(case: Any) -> None:
    given: list[int] = []

    class Counting(APGD):
        def __call__(self, scores: Any, pixels: Tensor, labels: Tensor, rows: Any, eps: float) -> Any:
            given.append(len(pixels))
            return super().__call__(scores, pixels, labels, rows, eps)

    labels = torch.from_numpy(case.labels)
    rows = np.arange(len(labels))
    ensemble = Ensemble("two", (Counting(steps=2), Counting(steps=20), FAB(steps=10), Square(queries=200)))
    found = ensemble(case.net, case.pixels, labels, rows, 4 / 255)
    assert isinstance(found, Staged)
    first = int((found.stage == 0).sum())
    assert given == [80, 80 - first]
    assert torch.equal(found.flipped, found.stage >= 0)
    with torch.no_grad():
        assert torch.equal(case.net(found.pixels).argmax(1) != labels, found.flipped)
    alone = APGD(steps=20)(case.net, case.pixels, labels, rows, 4 / 255).flipped
    assert not (alone & ~found.flipped).any()  # what one attack flips, the row of them flips


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_a_tier_is_at_least_as_strong_as_pgd(run_probe: Any, make_case: Any, norm: str) -> None:
    resisting = make_case(3, steps=120, resist=8 / 255)
    eps = ["4/255", "12/255"] if norm == "linf" else ["1/4", "1"]
    arguments = {"subjects": resisting.subjects, "eps": eps, "norm": norm}
    tiers = [
        run_probe(resisting.net, resisting.pixels, resisting.labels, attack=name, **arguments)
        for name in ("quick", "standard")
    ]
    pgd = run_probe(resisting.net, resisting.pixels, resisting.labels, attack="pgd", **arguments)
    for each in eps:
        quick, standard = (found.accuracy(name, each) for found, name in zip(tiers, ("quick", "standard"), strict=True))
        assert standard <= quick <= pgd.accuracy("pgd", each) + 1 / 80
    assert all(found.failures == set() for found in (*tiers, pgd))


def test_what_a_smaller_eps_flipped_is_not_attacked_again(run_probe: Any, case: Any) -> None:
    found = run_probe(case.net, case.pixels, case.labels, subjects=case.subjects, attack="standard", eps=EPS)
    tables = {out.name: out.frame for out in found.outputs if isinstance(out, TableOutput)}
    stages = tables["stages"].set_index("eps")
    assert stages.loc[EPS[1], "attacked"] == stages.loc[EPS[0], "stood"]
    for each in EPS:
        assert stages.loc[each, ["apgd_ce", "square", "stood"]].sum() == stages.loc[each, "attacked"]
    lost = found.scores("lost", attack="standard", eps=EPS[-1])
    assert lost.gaps
    clean = found.accuracy("none", "0")
    under = found.accuracy("standard", EPS[-1])
    assert lost.values.mean() == pytest.approx((clean - under) / clean)


def test_a_tier_does_not_depend_on_the_batches(run_probe: Any, case: Any) -> None:
    net = case.net.double()
    outcomes = [
        run_probe(net, case.pixels.double(), case.labels, batch_size=size, attack="standard", eps=EPS[:2])
        for size in (7, 80)
    ]
    case.net.float()
    for each in EPS[:2]:
        first, second = (found.scores("accuracy", attack="standard", eps=each).values for found in outcomes)
        assert np.array_equal(first, second)


def test_square_asks_for_answers_only(run_probe: Any, case: Any) -> None:
    def no_gradients(pixels: Tensor) -> Tensor:
        with torch.no_grad():
            return case.net(pixels)

    found = run_probe(no_gradients, case.pixels, case.labels, attack="square", queries=150, eps=EPS)
    assert found.accuracy("square", EPS[-1]) < 0.5
    assert found.failures == set()


@pytest.mark.parametrize("attack", ["quick", "apgd_ce", "standard"])
def test_gradients_that_mislead_are_found_by_the_black_box(run_probe: Any, case: Any, attack: str) -> None:
    def turned(pixels: Tensor) -> Tensor:
        logits = case.net(pixels)
        return 2 * logits.detach() - logits

    found = run_probe(turned, case.pixels, case.labels, attack=attack, eps=EPS)
    assert "black_box_stronger" in found.failures
    finding = found.findings["black_box_stronger"]
    assert finding.severity == "high"


def test_an_attack_that_needs_more_classes_than_there_are_is_refused(run_probe: Any, case: Any) -> None:
    from countenance.core.errors import AuditError

    with pytest.raises(AuditError, match="compares 4 outputs, but the model has 3 classes: ask for apgd_ce"):
        run_probe(case.net, case.pixels, case.labels, attack="apgd_t", eps=EPS)
    found = run_probe(case.net, case.pixels, case.labels, attack="quick", eps=EPS[:1])
    assert any(isinstance(out, Note) and "apgd_t was left out" in out.text for out in found.outputs)


def test_the_search_stops_when_its_gate_is_decided(run_probe: Any, case: Any) -> None:
    key = f"adversarial/accuracy@attack=quick,eps={EPS[-1]}"
    arguments = {"subjects": case.subjects, "attack": "quick", "eps": EPS, "batch_size": 8}
    whole = run_probe(case.net, case.pixels, case.labels, **arguments)
    stopped = run_probe(case.net, case.pixels, case.labels, floors={key: 0.8}, **arguments)
    asked_for = run_probe(case.net, case.pixels, case.labels, floors={key: 0.8}, stop_when_decided=False, **arguments)
    bound = stopped.scores("accuracy", attack="quick", eps=EPS[-1])
    assert whole.accuracy("quick", EPS[-1]) < bound.values.mean() < 0.8
    assert not bound.by_group
    upper = next(item.estimate.high for item in stopped.measurements() if item.key == key)
    assert upper < 0.8  # the gate fails on what is told
    assert any(isinstance(out, Note) and "fails whatever becomes of the others" in out.text for out in stopped.outputs)
    assert asked_for.accuracy("quick", EPS[-1]) == whole.accuracy("quick", EPS[-1])
    for each in EPS[:-1]:  # other eps go on
        assert stopped.accuracy("quick", each) == whole.accuracy("quick", each)
    # a gate that may still be passed stops nothing
    open_yet = run_probe(case.net, case.pixels, case.labels, floors={key: 0.01}, **arguments)
    assert open_yet.accuracy("quick", EPS[-1]) == whole.accuracy("quick", EPS[-1])


@pytest.mark.parametrize("attack", ["quick", "pgd"])
def test_faces_left_out_by_a_stopped_search_are_no_sign_of_a_bad_attack(run_probe: Any, case: Any, attack: str) -> None:
    sizes = ["20/255", "24/255"]
    key = f"adversarial/accuracy@attack={attack},eps={sizes[-1]}"
    arguments = {"subjects": case.subjects, "attack": attack, "eps": sizes, "batch_size": 8}
    found = run_probe(case.net, case.pixels, case.labels, floors={key: 0.9}, **arguments)
    notes = [out.text for out in found.outputs if isinstance(out, Note)]
    assert any("stopped after" in text for text in notes)
    assert found.failures == set()


def test_which_gates_may_stop_a_search() -> None:
    measure = "adversarial/accuracy@attack=standard,eps=8/255"
    gates = [
        GateSpec(measure=measure, at_least=0.5),
        GateSpec(measure="adversarial/accuracy", where={"attack": "standard", "eps": "8/255"}, at_least=0.6),
        GateSpec(measure="adversarial/accuracy", where={"attack": "standard", "eps": "*"}, at_least=0.9),
        GateSpec(measure="adversarial/accuracy[gender=female]@attack=standard,eps=8/255", at_least=0.9),
        GateSpec(measure="adversarial/lost@attack=standard,eps=8/255", at_most=0.1),
        GateSpec(measure="other/accuracy@attack=standard,eps=8/255", at_least=0.9),
    ]
    assert floors(gates, "adversarial") == {measure: 0.6}
