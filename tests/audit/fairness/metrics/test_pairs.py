from __future__ import annotations

from contextlib import nullcontext

import numpy as np
import pandas as pd
import pytest

from countenance.audit.fairness.group_metrics import GroupMetricsParams, group_metrics
from countenance.audit.fairness.metrics.spread import INDICES, GroupRate, index_estimates
from countenance.core.errors import AuditError
from countenance.core.faces import Faces
from countenance.core.pair_tables import ACROSS
from countenance.core.plan import AttributeSpec
from countenance.core.predictions import Predictions
from countenance.core.probes import Note, ProbeContext, TableOutput
from countenance.core.results import Finding, Measurement
from countenance.core.statistics.rules import StatisticsRules


def context_of(seed=0, people=160, shift=None, impostors=16_000, level=0.0, groups=("x", "y"), pose=False, rules=None):
    """Pairs of people in groups; ``shift`` raises the similarity of impostor pairs within a group."""
    rng = np.random.default_rng(seed)
    group = rng.choice(groups, people)
    genuine = np.repeat(np.arange(people), 6)
    one = rng.integers(0, people, impostors)
    other = (one + rng.integers(1, people, impostors)) % people
    first, second = np.r_[genuine, one], np.r_[genuine, other]
    same = np.r_[np.ones(len(genuine)), np.zeros(impostors)]
    own = rng.normal(0, 0.3, people)
    similarity = rng.normal(0, 1, len(same)) + np.where(same == 1, 3.0 + own[first], own[first] / 2 + own[second] / 2)
    inside = group[first] == group[second]
    for name, by in (shift or {}).items():
        similarity += by * ((group[first] == name) & inside & (same == 0))
    frame = pd.DataFrame(
        {"face_id": [f"q{k}" for k in range(len(same))], "group": np.where(inside, group[first], ACROSS)}
    )
    attributes = {"group": AttributeSpec(assigned_by="annotator")}
    if pose:
        frame["pose"] = np.where(rng.random(len(same)) < 0.5, "frontal", "side")
        attributes["pose"] = AttributeSpec(assigned_by="derived", of="image", role="control")
    for side, codes in (("a", first), ("b", second)):
        frame[f"subject_{side}"] = codes.astype(str)
    frame["subject"] = frame["subject_a"]
    return ProbeContext(
        probe_id="group_metrics",
        faces=Faces(frame, has_subjects=True, attributes=attributes),
        predictions=Predictions("verification", ("similarity",), similarity[:, None] + level, same),
        target=None,
        rules=rules or StatisticsRules(),
        seed=1,
        batch_size=8,
        progress=lambda unit, total: nullcontext(lambda count=1: None),
    )


def measure(context, **params):
    outputs = list(group_metrics(context, GroupMetricsParams(**params)))
    items = [output for output in outputs if isinstance(output, Measurement)]
    assert len({item.key for item in items}) == len(items)
    return {item.key.removeprefix("group_metrics/"): item.estimate for item in items}, outputs


def notes(outputs):
    return " ".join(output.text for output in outputs if isinstance(output, Note))


def test_rates_of_groups_at_one_threshold():
    context = context_of()
    found, outputs = measure(context, fmr=0.01)
    group = context.faces.frame["group"].to_numpy()
    similarity, same = context.predictions.values[:, 0], context.predictions.truth == 1
    threshold = np.sort(similarity[~same])[::-1][160]
    for name in ("x", "y", ACROSS):
        of = group == name
        key = f"[group={name}]" if name != ACROSS else "[group=(across groups)]"
        match = similarity > threshold
        expected = {
            "fmr": match[of & ~same].mean(),
            "accuracy": (match == same)[of].mean(),
            "base_rate": same[of].mean(),
        }
        for metric, value in expected.items():
            estimate = found[f"{metric}{key}"]
            assert estimate.value == pytest.approx(value), metric
            assert estimate.low <= value <= estimate.high
        if name != ACROSS:
            assert found[f"fnmr{key}"].value == pytest.approx((~match)[of & same].mean())
            assert found[f"fmr{key}"].n == (of & ~same).sum()
            assert found[f"fmr{key}"].method == "korn_graubard"
    assert found["fnmr[group=(across groups)]"].reason == "no genuine pair here"
    assert "160 of all 16,000 impostor pairs do" in notes(outputs)
    assert "A tolerance of 0.05 says little of gaps in FMR, which is 0.01 over all" in notes(outputs)
    assert {"fmr.gap[attribute=group]", "fnmr.gap[attribute=group]", "skewed_error_ratio[attribute=group]"} <= set(
        found
    )
    (table,) = [output.frame for output in outputs if isinstance(output, TableOutput)]
    row = table[table["group"] == "x"].iloc[0]
    assert (row["pairs"], row["genuine"]) == ((group == "x").sum(), ((group == "x") & same).sum())


def test_pairs_across_groups_take_no_part_in_gaps():
    context = context_of()
    found, _ = measure(context, fmr=0.01)
    gap = found["fmr.gap[attribute=group]"]
    expected = abs(found["fmr[group=x]"].value - found["fmr[group=y]"].value)
    assert gap.value == pytest.approx(expected)
    assert (gap.groups, gap.groups_left_out) == (2, 0)
    assert gap.n == found["fmr[group=x]"].n + found["fmr[group=y]"].n


def test_a_planted_difference_in_false_matches_is_found_and_the_twin_is_quiet():
    planted, quiet = [], []
    for seed in range(6):
        _, outputs = measure(context_of(seed, shift={"y": 1.0}), fmr=0.02, tolerance=0.02)
        planted.append([output for output in outputs if isinstance(output, Finding) and "fmr.gap" in output.id])
        _, outputs = measure(context_of(seed), fmr=0.02, tolerance=0.02)
        quiet.append([output for output in outputs if isinstance(output, Finding) and ".gap" in output.id])
    assert all(planted)
    assert sum(map(bool, quiet)) <= 1
    assert "the FMR is higher for y" in planted[0][0].claim
    assert planted[0][0].severity in {"medium", "high"}


def test_the_threshold_may_be_given_and_may_be_out_of_reach():
    found, outputs = measure(context_of(), threshold=50.0)
    assert found["fmr[group=x]"].value == 0
    assert found["fmr[group=x]"].high > 0
    assert found["fnmr[group=x]"].value == 1
    assert "as the plan says: 0 of 16,000 impostor pairs do" in notes(outputs)
    assert "an FMR of 0 of 16,000 is not an FMR of 0; read the upper limit" in notes(outputs)
    assert "no pair of any group is wrong" in found["fmr.gap[attribute=group]"].reason
    assert found["skewed_error_ratio[attribute=group]"].value > 0


def test_too_few_impostor_pairs_are_told_with_the_number_needed():
    found, outputs = measure(context_of(impostors=900))
    assert "10,000 impostor pairs would be needed" in notes(outputs)
    assert "10,000 are needed for a TPR at an FPR of 0.001" in found["tpr_at_fpr[group=x]@fpr=0.001"].reason
    found, _ = measure(context_of(), fmr=0.01)
    assert found["tpr_at_fpr[group=x]@fpr=0.01"].value is not None


def test_without_impostor_pairs_there_is_no_threshold():
    context = context_of(impostors=1)
    one = np.flatnonzero(context.predictions.truth == 1)
    only = ProbeContext(
        **{**vars(context), "faces": context.faces.take(one), "predictions": context.predictions.take(one)}
    )
    found, outputs = measure(only)
    assert found == {}
    assert "no impostor pair to set the threshold by" in notes(outputs)
    found, _ = measure(only, threshold=1.0)
    assert found["fmr[group=x]"].reason == "no impostor pair here"
    reason = found["fmr.gap[attribute=group]"].reason
    assert reason.startswith("none of 2 groups has enough pairs; two are needed")
    assert found["fnmr.gap[attribute=group]"].value is not None


def test_one_group_only_has_no_gap_and_says_so():
    found, _ = measure(context_of(groups=("x",)), fmr=0.01)
    assert found["fmr.gap[attribute=group]"].reason == "there is one group only, x"
    assert found["skewed_error_ratio[attribute=group]"].reason == "1 group is large enough; two are needed"


def test_small_groups_are_left_out_of_gaps_with_their_reason():
    context = context_of(groups=("x", "y", "z"))
    frame = context.faces.frame
    rare = set(map(str, range(6)))
    inside = frame["subject_a"].isin(rare) & frame["subject_b"].isin(rare)
    frame["group"] = np.where(inside, "rare", np.where(frame["group"] == "z", ACROSS, frame["group"]))
    found, outputs = measure(context, fmr=0.01)
    assert "people in impostor pairs; 10 are needed" in found["fmr[group=rare]"].reason
    assert found["fmr.gap[attribute=group]"].groups_left_out == 1
    assert found["garbe[attribute=group]"].groups_left_out == 1
    assert "leave out, in all or some scores, groups too small: rare" in notes(outputs)


def test_groups_are_compared_within_a_control():
    found, _ = measure(context_of(pose=True), fmr=0.01)
    for level in ("frontal", "side"):
        assert found[f"fmr.gap[attribute=group,pose={level}]"].value is not None
        assert found[f"fmr[pose={level}]"].value is not None
        assert found[f"fnmr[group=x,pose={level}]"].value is not None
    assert not any("accuracy" in key and "pose" in key for key in found)


def test_parameters_that_do_not_fit_are_told():
    with pytest.raises(AuditError) as raised:
        measure(context_of(), metrics=("fmr", "recall"), labels=("x",), gaps=("tpr_at_fpr", "fnmr"))
    told = str(raised.value)
    assert "metrics names 'recall', which is not a metric of verification targets" in told
    assert "labels: a verification target has none" in told
    assert "gaps names 'tpr_at_fpr'" in told
    assert "gaps: 'fnmr' is tested only where metrics names it too" in told


def rate_of(values, n=6000.0, people=300):
    values = np.asarray(values)
    each = np.full(len(values), n)
    return GroupRate(
        values, np.diag(values * (1 - values) / each), each, each.astype(int), np.full(len(values), people)
    )


def test_indices_stand_beside_what_equal_groups_show():
    rng = np.random.default_rng(0)
    microsoft = [0.8760, 0.8283, 0.7967, 0.7583]  # published accuracies on RFW
    ratio = dict(index_estimates("skewed_error_ratio", [rate_of(microsoft)], rng, 0.95))
    assert ratio[""].value == pytest.approx(24.17 / 12.40)
    assert ratio[""].low < ratio[""].value < ratio[""].high
    assert 1 < ratio[".null_drawn"].value < ratio[".null_drawn"].high < ratio[""].low
    assert ratio[".p"].value < 0.01
    spread = dict(index_estimates("accuracy_std", [rate_of(microsoft)], rng, 0.95))
    assert spread[""].value == pytest.approx(np.std(microsoft, ddof=1))
    assert 0 < spread[".null_drawn"].value < spread[".null_drawn"].high < spread[""].low
    errors = [rate_of([0.001, 0.004, 0.002]), rate_of([0.05, 0.06, 0.10])]
    expected = {
        "inequity_ratio": np.sqrt(4 * 2),
        "fairness_discrepancy_rate": 1 - (0.003 + 0.05) / 2,
        "fmr_to_geometric_mean": 0.004 / 0.002,
    }
    for name, value in expected.items():
        rates = errors[: len(INDICES[name].rates)]
        found = dict(index_estimates(name, rates, rng, 0.95))
        assert found[""].value == pytest.approx(value), name
        assert found[""].low <= found[""].value <= found[""].high
        assert found[".null_drawn"].low <= found[".null_drawn"].value <= found[".null_drawn"].high
    ginis = [np.abs(np.subtract.outer(r.values, r.values)).sum() / (2 * 3 * 2 * r.values.mean()) for r in errors]
    assert dict(index_estimates("garbe", errors, rng, 0.95))[""].value == pytest.approx(np.mean(ginis))
    perfect = dict(index_estimates("skewed_error_ratio", [rate_of([1.0, 1.0])], rng, 0.95))
    assert "no pair of any group is wrong" in perfect[""].reason
    alone = dict(index_estimates("accuracy_std", [rate_of([0.9])], rng, 0.95))
    assert alone[""].reason == "1 group is large enough; two are needed"


def test_indices_of_very_rare_errors_have_a_null():
    rates = [rate_of([0.0, 0.001, 0.0], n=1000.0), rate_of([0.05, 0.06, 0.10], n=1000.0)]
    for name in ("garbe", "inequity_ratio", "fairness_discrepancy_rate", "fmr_to_geometric_mean"):
        found = dict(index_estimates(name, rates[: len(INDICES[name].rates)], np.random.default_rng(0), 0.95))
        assert found[""].low <= found[""].value <= found[""].high
        assert found[".null_drawn"].value is not None


def test_indices_of_equal_groups_hold_the_truth():
    rng = np.random.default_rng(1)
    n = np.asarray([400, 900, 2000, 700])
    truth = {"skewed_error_ratio": 1.0, "accuracy_std": 0.0, "inequity_ratio": 1.0, "garbe": 0.0}
    runs, held, chance = 120, dict.fromkeys(truth, 0), dict.fromkeys(truth, 0)
    for _ in range(runs):
        for name, value in truth.items():
            parts = []
            for metric in INDICES[name].rates:
                rates = rng.binomial(n, 0.9 if metric == "accuracy" else 0.1) / n
                parts.append(GroupRate(rates, np.diag(rates * (1 - rates) / n), n.astype(float), n, n // 2))
            found = dict(index_estimates(name, parts, rng, 0.95))
            held[name] += found[""].low <= value + 1e-9
            chance[name] += found[".p"].value <= 0.05
    for name in truth:
        assert held[name] / runs >= 0.93 - 2.6 * np.sqrt(0.93 * 0.07 / runs), name
        assert chance[name] / runs <= 0.05 + 2.6 * np.sqrt(0.05 * 0.95 / runs), name
