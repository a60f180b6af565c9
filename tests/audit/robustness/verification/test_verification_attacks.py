"""The probe ``verification_attacks`` on small nets: what it must find, and what it must not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from torch import Tensor

from countenance.audit.robustness.verification.probe import VerificationAttacksParams
from countenance.audit.robustness.verification.search import CosineAscent, Moved
from countenance.audit.verification import Comparisons, threshold_at

FAILURES = {"out_of_bounds", "no_gradient", "unstable", "weaker_than_noise"}


def failures(outcome: Any) -> set[str]:
    return {name.rpartition(".")[2] for name in outcome.findings} & FAILURES


def test_an_ordinary_net_is_impersonated_and_dodged_far_more_than_under_noise(plain: Any) -> None:
    for goal in ("impersonation", "dodging"):
        for photo in ("given", "other"):
            attacked = plain.measurements[f"{goal}@attack=pgd,eps=16/255,photo={photo}"].estimate
            noise = plain.measurements[f"{goal}@attack=noise,eps=16/255,photo={photo}"].estimate
            assert attacked.low > 0.5 > 0.2 > noise.high
    assert plain.share("impersonation", "pgd", "8/255", "other") < plain.share("impersonation", "pgd", "8/255")
    assert plain.findings["impersonation"].severity in {"medium", "high"}
    assert "could pass as another person" in plain.findings["impersonation"].claim
    assert plain.findings["dodging"].severity == "high"
    assert failures(plain) == set()


def test_an_eps_too_small_to_matter_gives_the_clean_rate(plain: Any) -> None:
    for goal in ("impersonation", "dodging"):
        for photo in ("given", "other"):
            clean = plain.share(goal, "none", "0", photo)
            assert abs(plain.share(goal, "pgd", "1/5100", photo) - clean) <= 1 / 120
            assert plain.share(goal, "noise", "1/5100", photo) == clean


def test_the_threshold_is_that_of_the_impostor_pairs_and_clean_rates_stand_beside(plain: Any) -> None:
    comparisons = Comparisons.of(plain.context.faces, plain.context.predictions)
    threshold = threshold_at(comparisons.similarity[~comparisons.same], 0.01)
    assert plain.measurements["threshold@far=0.01"].estimate.value == threshold
    matches = comparisons.similarity >= threshold
    assert plain.measurements["fmr@far=0.01"].estimate.value == matches[~comparisons.same].mean() <= 0.01
    assert plain.measurements["fnmr@far=0.01"].estimate.value == (~matches)[comparisons.same].mean()


def test_losses_are_counted_among_pairs_told_rightly_as_they_are(plain: Any) -> None:
    clean = plain.share("impersonation", "none", "0")
    attacked = plain.share("impersonation", "pgd", "8/255")
    lost = plain.measurements["lost@attack=pgd,eps=8/255,goal=impersonation"].estimate
    assert lost.n == round(120 * (1 - clean))
    assert lost.value == pytest.approx((attacked - clean) / (1 - clean))  # the attack loses no success it began with


def test_equal_groups_show_no_gap(plain: Any) -> None:
    assert not [name for name in plain.findings if "gap" in name or "worst" in name]
    adjusted = plain.measurements["lost.gap.p_adjusted[attribute=group]@attack=pgd,eps=8/255,goal=impersonation"]
    assert adjusted.estimate.value > 0.05


def test_scores_hold_the_similarity_of_every_attempt_and_the_table_every_rate(plain: Any) -> None:
    before, after = (plain.scores("impersonation_similarity", attack) for attack in ("none", "pgd"))
    assert len(before) == 120
    assert (after >= before).all()  # the photo itself is among the points the attack may return
    assert (plain.scores("dodging_similarity", "pgd") <= plain.scores("dodging_similarity", "none")).all()
    assert len(plain.table) == 2 * (1 + 3 + 3) * 2


def test_results_do_not_depend_on_the_batch_size(run_probe: Any, net: Any, photos: Any) -> None:
    pixels, people = photos(30, 3, seed=2)
    one, other = (run_probe(net, pixels, people, batch_size=size, eps="8/255") for size in (7, 64))
    np.testing.assert_allclose(
        one.scores("dodging_similarity", "pgd"), other.scores("dodging_similarity", "pgd"), atol=1e-4
    )


def test_a_group_that_alone_can_be_attacked_is_exposed(run_probe: Any, net: Any, photos: Any) -> None:
    """A net that sees the marked half of the people in coarse steps of brightness only, which small changes keep."""
    pixels, people = photos(60, 3, seed=8)
    marked = people % 2 == 0
    pixels[marked, :, :2, :2], pixels[~marked, :, :2, :2] = 1.0, 0.0

    def model(shown: Tensor) -> Tensor:
        plain = net(shown)
        coarse = net((shown * 2).round() / 2)
        return torch.where((shown[:, 0, 0, 0] > 0.5)[:, None], coarse, plain)

    groups = np.where(marked, "sheltered", "exposed")
    outcome = run_probe(model, pixels, people, groups=groups, eps="8/255", attempts=180)
    gaps = [finding for name, finding in outcome.findings.items() if "gap" in name]
    assert any("dodging" in finding.claim and "higher for exposed" in finding.claim for finding in gaps)


def test_a_net_whose_gradients_are_cut_is_caught(run_probe: Any, net: Any, photos: Any) -> None:
    pixels, people = photos(30, 3, seed=3)
    outcome = run_probe(lambda shown: net((shown * 8).round() / 8), pixels, people, eps="8/255")
    assert failures(outcome) >= {"no_gradient"}
    assert outcome.findings["dodging.no_gradient"].severity == "high"


def test_square_needs_no_gradients_and_breaks_what_pgd_cannot(run_probe: Any, net: Any, photos: Any) -> None:
    pixels, people = photos(30, 3, seed=3)

    def model(shown: Tensor) -> Tensor:
        return net((shown * 32).round() / 32).detach()

    found = run_probe(model, pixels, people, attack="square", queries=150, eps="16/255", attempts=40)
    assert found.share("dodging", "square", "16/255") > 0.5 > 0.1 > found.share("dodging", "noise", "16/255")
    assert failures(found) == set()


def test_a_random_model_is_told(run_probe: Any, net: Any, photos: Any) -> None:
    pixels, people = photos(30, 3, seed=3)
    torch.manual_seed(0)
    outcome = run_probe(
        lambda shown: net((shown + 0.15 * torch.randn_like(shown)).clamp(0, 1)), pixels, people, eps="1/255"
    )
    assert outcome.findings["impersonation.unstable"].severity == "high"


def planted(change: Callable[[Tensor, float], Tensor]) -> Any:
    def attack(self: Any, embed: Any, pixels: Tensor, reference: Any, sign: float, rows: Any, eps: float) -> Moved:
        return Moved(change(pixels, eps), np.zeros(len(pixels), dtype=bool))

    return attack


def test_pixels_out_of_bounds_prove_nothing(
    run_probe: Any, net: Any, photos: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    pixels, people = photos(30, 3, seed=3)
    monkeypatch.setattr(CosineAscent, "__call__", planted(lambda pixels, eps: (pixels + 2 * eps).clamp(0, 1)))
    outcome = run_probe(net, pixels, people, eps="64/255")
    assert outcome.findings["dodging.out_of_bounds"].severity == "high"
    assert outcome.share("dodging", "pgd", "64/255") == outcome.share("dodging", "none", "0")


def test_changed_photos_without_an_answer_count_as_unchanged_and_are_told(
    run_probe: Any, net: Any, photos: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    pixels, people = photos(30, 3, seed=3)
    monkeypatch.setattr(CosineAscent, "__call__", planted(lambda pixels, eps: (pixels + 0.9 * eps).clamp(0, 1)))

    def model(shown: Tensor) -> Tensor:
        asked_of_changed = (shown.flatten(1) * 255).frac().sub(0.5).abs().amin(1) < 0.45  # off the 8-bit grid
        return torch.where(asked_of_changed[:, None], torch.nan, net(shown))

    outcome = run_probe(model, (pixels * 255).round() / 255, people, eps="64/255")
    assert outcome.findings["dodging.no_answer"].severity == "high"
    assert outcome.share("dodging", "pgd", "64/255") == outcome.share("dodging", "none", "0")


def test_an_attack_that_does_less_than_noise_is_told(
    run_probe: Any, net: Any, photos: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    pixels, people = photos(30, 3, seed=3)
    monkeypatch.setattr(CosineAscent, "__call__", planted(lambda pixels, eps: pixels))
    outcome = run_probe(net, pixels, people, eps="100/255")
    assert "dodging.weaker_than_noise" in outcome.findings
    assert outcome.findings["impersonation"].severity == "note"


def test_too_few_impostor_pairs_measure_nothing_and_say_how_many_are_needed(
    run_probe: Any, net: Any, photos: Any
) -> None:
    pixels, people = photos(12, 2, seed=3)
    outcome = run_probe(net, pixels, people, eps="8/255")
    reason = "264 impostor pairs; 1,000 are needed to set a threshold at a FAR of 0.01"
    for key in ("threshold@far=0.01", "impersonation@attack=pgd,eps=8/255,photo=given"):
        assert outcome.measurements[key].estimate.value is None
        assert outcome.measurements[key].estimate.reason == reason
    assert not outcome.findings
    assert run_probe(net, pixels, people, eps="8/255", far=0.05).measurements["threshold@far=0.05"].estimate.value


def test_without_an_impostor_pair_nothing_is_measured(run_probe: Any, net: Any, photos: Any) -> None:
    pixels, _ = photos(6, 2, seed=3)
    outcome = run_probe(net, pixels, np.zeros(12, dtype=int), eps="8/255")
    assert (outcome.measurements["dodging@attack=none,eps=0,photo=given"].estimate.reason or "").startswith(
        "0 impostor"
    )


def test_a_person_with_two_photos_is_judged_by_the_one_the_attack_was_given(
    run_probe: Any, net: Any, photos: Any
) -> None:
    pixels, people = photos(30, 2, seed=4)
    outcome = run_probe(net, pixels, people, eps="8/255")
    reason = outcome.measurements["dodging@attack=pgd,eps=8/255,photo=other"].estimate.reason
    assert reason == "nobody who is attacked has another photo to be judged by"
    assert any("was not measured" in caveat for caveat in outcome.findings["dodging"].caveats)
    assert outcome.share("impersonation", "pgd", "8/255", "other") >= 0  # the person passed for has another one


def test_faces_of_one_photo_each_leave_dodging_unmeasured(run_probe: Any, net: Any, photos: Any) -> None:
    pixels, people = photos(60, 1, seed=4)
    outcome = run_probe(net, pixels, people, eps="8/255")
    assert outcome.measurements["dodging@attack=pgd,eps=8/255,photo=given"].estimate.reason == (
        "there is no pair of one person"
    )
    assert outcome.share("impersonation", "pgd", "8/255") > 0


def test_a_model_at_chance_is_not_attacked(run_probe: Any, photos: Any) -> None:
    pixels, people = photos(40, 3, seed=4)

    def model(shown: Tensor) -> Tensor:
        blank = shown.mean((1, 2, 3))  # every person's patterns have the same mean, but for chance
        return torch.stack([blank * 0 + 1, (blank * 1e4).sin()], 1)

    outcome = run_probe(model, pixels, people, eps="8/255")
    assert (outcome.measurements["impersonation@attack=pgd,eps=8/255,photo=given"].estimate.reason or "").startswith(
        "the model is at chance"
    )
    assert not outcome.findings


@pytest.mark.parametrize(
    ("params", "told"),
    [
        ({"eps": 0}, "expected each eps above 0 and at most 1"),
        ({"eps": "-1/255"}, "expected each eps above 0 and at most 1"),
        ({"eps": [0.1, 1.5]}, "but got 1.5"),
        ({"eps": [0.1, "1/10"]}, "expected each eps once"),
        ({"far": 0}, "expected a far above 0 and below 1, a share of the impostor pairs, but got 0"),
        ({"far": 1.0}, "but got 1"),
        ({"far": -3}, "but got -3"),
        ({"step_size": 2}, "expected a step_size above 0 and at most 1"),
        ({"attack": "square", "steps": 3}, "square has no setting steps"),
        ({"queries": 3}, "pgd has no setting queries"),
        ({"attempts": 0}, "greater than or equal to 1"),
        ({"attack": "fab"}, "'pgd' or 'square'"),
    ],
)
def test_settings_out_of_range_are_refused(params: dict[str, Any], told: str) -> None:
    with pytest.raises(ValidationError, match=told.replace("(", r"\(")):
        VerificationAttacksParams(**params)


def test_gradients_are_needed_by_pgd_alone() -> None:
    assert VerificationAttacksParams().further_needs() == {"gradients"}
    assert VerificationAttacksParams(attack="square").further_needs() == frozenset()
    assert "square" in VerificationAttacksParams().without_gradients()
