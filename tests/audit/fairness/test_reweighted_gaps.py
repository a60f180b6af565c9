from __future__ import annotations

from contextlib import nullcontext

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from countenance.audit.fairness.reweighted_gaps import ReweightedGapsParams, reweighted_gaps
from countenance.core.errors import AuditError
from countenance.core.faces import Faces
from countenance.core.plan import AttributeSpec
from countenance.core.predictions import Predictions
from countenance.core.probes import Note, ProbeContext, TableOutput
from countenance.core.results import Finding, Measurement
from countenance.core.statistics.reweighting import common_support, explained, weigh
from countenance.core.statistics.rules import StatisticsRules

CLASSES = ("neutral", "happy", "sad")
CONFUSION = np.array([[0.9, 0.08, 0.02], [0.25, 0.7, 0.05], [0.35, 0.05, 0.6]])  # label by answer, for every group


def context_of(label, predicted, columns, subjects=None, controls=(), rules=None):
    faces = len(label)
    frame = pd.DataFrame({"face_id": [str(face) for face in range(faces)], **columns})
    frame["subject"] = range(faces) if subjects is None else subjects
    return ProbeContext(
        probe_id="reweighted_gaps",
        faces=Faces(
            frame,
            has_subjects=subjects is not None,
            attributes={
                name: AttributeSpec(assigned_by="annotator", role="control" if name in controls else "group")
                for name in columns
            },
        ),
        predictions=Predictions("expression", CLASSES, np.eye(3)[np.asarray(predicted)], np.asarray(label, float)),
        target=None,
        rules=rules or StatisticsRules(),
        seed=3,
        batch_size=8,
        progress=lambda unit, total: nullcontext(lambda count=1: None),
    )


def alike(seed, mixes, faces=1500, lower=0.0):
    """Groups with other mixes of labels and one confusion of labels; the last is right less often by ``lower``."""
    rng = np.random.default_rng(seed)
    group = rng.integers(0, len(mixes), faces)
    label = (rng.random(faces)[:, None] > np.cumsum(mixes, axis=1)[group]).sum(axis=1).clip(0, 2)
    answers = (rng.random(faces)[:, None] > CONFUSION.cumsum(axis=1)[label]).sum(axis=1).clip(0, 2)
    worse = (group == len(mixes) - 1) & (rng.random(faces) < lower)
    return group, label, np.where(worse, (label + 1) % 3, answers)


MIXES = np.array([[0.7, 0.2, 0.1], [0.2, 0.4, 0.4]])


def run(context, **params):
    outputs = list(reweighted_gaps(context, ReweightedGapsParams(**params)))
    measured = {item.key.split("/")[1]: item.estimate for item in outputs if isinstance(item, Measurement)}
    return measured, outputs


def test_reweighted_values_by_hand():
    # group x: 3 of 4 neutral right, 1 of 2 happy; group y: 1 of 2 neutral right, 3 of 4 happy
    group = np.array([0] * 6 + [1] * 6)
    cell = np.array([0, 0, 0, 0, 1, 1, 0, 0, 1, 1, 1, 1])
    right = np.array([1, 1, 1, 0, 1, 0, 1, 0, 1, 1, 1, 0.0])
    found = weigh(np.arange(12), group, cell, (12, 2, 2), right, np.ones(12))
    assert found.observed == pytest.approx([4 / 6, 4 / 6])
    assert found.reweighted == pytest.approx([0.5 * 0.75 + 0.5 * 0.5, 0.5 * 0.5 + 0.5 * 0.75])
    assert found.faces.tolist() == [6, 6]
    assert found.of_observed.sum(axis=0) == pytest.approx([0, 0])
    assert found.of_reweighted.sum(axis=0) == pytest.approx([0, 0])


def test_precision_is_a_ratio_of_weighed_means():
    group, cell = np.array([0] * 6 + [1] * 6), np.array([0, 0, 0, 1, 1, 1] * 2)
    answered = np.array([1, 1, 0, 1, 0, 0, 1, 0, 0, 1, 1, 0.0])
    hit = answered * (cell == 1)
    found = weigh(np.arange(12), group, cell, (12, 2, 2), hit, answered)
    assert found.observed == pytest.approx([1 / 3, 2 / 3])
    assert found.reweighted == pytest.approx([(1 / 3) / (2 / 3 + 1 / 3), (2 / 3) / (1 / 3 + 2 / 3)])
    assert weigh(np.arange(12), group, cell, (12, 2, 2), hit * group, answered * group) is None


def test_the_influence_of_people_is_that_of_leaving_them_out():
    rng = np.random.default_rng(0)
    person = np.repeat(np.arange(120), 4)
    group, cell = (np.arange(120) % 2)[person], rng.integers(0, 3, 480)
    right = (rng.random(480) < 0.6).astype(float)
    whole = weigh(person, group, cell, (120, 2, 3), right, np.ones(480))
    mix = np.bincount(cell) / 480
    moved = []
    for one in range(40):
        keep = person != one
        means = [[right[keep & (group == g) & (cell == c)].mean() for c in range(3)] for g in range(2)]
        moved.append((whole.reweighted - np.asarray(means) @ mix)[one % 2])
    expected = whole.of_reweighted[np.arange(40), np.arange(40) % 2]
    assert np.corrcoef(moved, expected)[0, 1] > 0.99
    assert np.std(moved) == pytest.approx(np.std(expected), rel=0.08)


def test_support_leaves_out_groups_and_cells_with_their_reason():
    people = np.array([[9, 9, 9], [9, 9, 1], [9, 0, 0], [2, 2, 2]])
    own = np.array([12, 12, 12, 6])
    found = common_support(people, people * 2, own, ["a", "b", "c"], least_people=3, least_kept=0.6, least=10)
    assert found.groups.tolist() == [0, 1]
    assert found.cells.tolist() == [True, True, False]
    assert found.left_out[2] == "fewer than 3 people with b; c: it has 48% of the common mix, 60% are needed"
    assert found.left_out[3] == "6 people; 10 are needed"
    assert found.kept == pytest.approx(72 / 92)
    assert found.reason is None
    both = people[[0, 2]]
    alone = common_support(both, both, own[:2], ["a", "b", "c"], least_people=3, least_kept=0.6, least=9)
    assert alone.reason == "fewer than two groups have enough of the common mix of labels and controls"
    apart = common_support(
        np.array([[20, 5, 0], [20, 0, 5]]), np.array([[20, 50, 0], [20, 0, 50]]), own[:2], "abc",
        least_people=3, least_kept=0.5, least=9,
    )  # fmt: skip
    assert apart.reason == "the groups share cells that hold 29% of their faces; 50% are needed"


def test_gaps_of_other_mixes_go_away_and_are_told_as_such():
    group, label, predicted = alike(0, MIXES, 4000)
    measured, outputs = run(context_of(label, predicted, {"g": np.array(["x", "y"])[group]}))
    seen = measured["precision.observed.gap[attribute=g,label=neutral]"]
    left = measured["precision.reweighted.gap[attribute=g,label=neutral]"]
    gone = measured["precision.explained[attribute=g,label=neutral]"]
    assert seen.value > 0.3
    assert left.low == 0
    assert gone.low > 0.2
    assert gone.value == pytest.approx(seen.value - left.value, abs=0.05)
    assert measured["precision.reweighted.gap.p_adjusted[attribute=g,label=neutral]"].value > 0.05
    findings = [item for item in outputs if isinstance(item, Finding)]
    assert [item.id for item in findings] == ["reweighted_gaps.mix.g"]
    assert findings[0].severity == "note"
    assert "x and y differs by" in findings[0].claim.replace("y and x", "x and y")
    assert not any(name.startswith("recall") for name in measured)


def test_a_gap_that_the_mix_does_not_explain_is_left():
    group, label, predicted = alike(1, MIXES, 4000, lower=0.3)
    measured, outputs = run(context_of(label, predicted, {"g": np.array(["x", "y"])[group]}))
    assert measured["accuracy.reweighted.gap[attribute=g]"].low > 0.1
    assert measured["accuracy.reweighted.gap.p_adjusted[attribute=g]"].value <= 0.05
    ids = [item.id for item in outputs if isinstance(item, Finding)]
    assert any(name.startswith("reweighted_gaps.accuracy.reweighted.gap") or "reweighted" in name for name in ids)


def test_controls_are_held_equal_and_named():
    rng = np.random.default_rng(2)
    group = rng.integers(0, 2, 3000)
    dim = rng.random(3000) < np.where(group == 1, 0.7, 0.2)
    label = rng.integers(0, 3, 3000)
    predicted = np.where(rng.random(3000) < np.where(dim, 0.5, 0.9), label, (label + 1) % 3)
    columns = {"g": np.array(["x", "y"])[group], "light": np.where(dim, "dim", "bright")}
    measured, outputs = run(context_of(label, predicted, columns, controls=("light",)))
    assert measured["recall.observed.gap[attribute=g,label=sad]"].value > 0.1
    assert measured["accuracy.observed.gap[attribute=g]"].low > 0.1
    assert measured["accuracy.reweighted.gap[attribute=g]"].low == 0
    assert "Held equal: the label and light." in next(item.text for item in outputs if isinstance(item, Note))
    by_name, _ = run(context_of(label, predicted, columns), controls=("light",))
    assert by_name["accuracy.explained[attribute=g]"] == measured["accuracy.explained[attribute=g]"]
    with pytest.raises(AuditError, match=r"'ligth'.*did you mean 'light'"):
        run(context_of(label, predicted, columns), controls=("ligth",))


def test_what_was_not_measured_says_why():
    group, label, predicted = alike(3, MIXES, 600)
    label = np.where((group == 1) & (label == 2), 0, label)  # no sad face of y
    measured, outputs = run(context_of(label, predicted, {"g": np.array(["x", "y"])[group]}), least_kept=0.99)
    reason = measured["accuracy.explained[attribute=g]"].reason
    assert reason == "fewer than two groups have enough of the common mix of labels and controls"
    assert measured["accuracy.reweighted.gap[attribute=g]"].value is None
    assert measured["accuracy.reweighted.gap[attribute=g]"].groups_left_out == 1
    (table,) = [item.frame for item in outputs if isinstance(item, TableOutput)]
    row = table[table.metric == "accuracy"].iloc[0]
    assert "y (fewer than 3 people with sad" in row.groups_left_out
    tight, _ = run(
        context_of(label, predicted, {"g": np.array(["x", "y"])[group]}, rules=StatisticsRules(min_effective=5000))
    )
    assert "the weights leave an n_eff of" in tight["accuracy.explained[attribute=g]"].reason


def test_limits_of_what_goes_away_hold_for_the_pair_that_was_picked():
    group, label, predicted = alike(4, np.array([[0.6, 0.3, 0.1], [0.4, 0.3, 0.3], [0.2, 0.4, 0.4]]), 3000)
    right = (label == predicted).astype(float)
    weighed = weigh(np.arange(3000), group, label, (3000, 3, 3), right, np.ones(3000))
    found = explained(weighed, 0.95, np.random.default_rng(0))
    assert found.low < found.away < found.high
    assert found.away == pytest.approx(found.observed - found.reweighted)
    pairs = explained(weighed, 0.95, np.random.default_rng(0), draws=20_000)
    assert pairs.high - pairs.low == pytest.approx(found.high - found.low, rel=0.05)


def test_it_says_when_there_is_nothing_to_compare():
    measured, outputs = run(context_of([0, 1], [0, 1], {"light": ["a", "b"]}, controls=("light",)))
    assert measured == {}
    assert [type(item) for item in outputs] == [Note]
    with pytest.raises(ValidationError):
        ReweightedGapsParams(metrics=("f1",))


@pytest.mark.slow
def test_bounds_of_reweighted_gaps_hold_and_honest_models_are_seldom_called_uneven():
    wrong, held, gone = [], [], []
    for seed in range(200):
        group, label, predicted = alike(seed, MIXES, 1200)
        context = context_of(label, predicted, {"g": np.array(["x", "y"])[group]})
        measured, _ = run(context, metrics=("accuracy", "precision"))
        adjusted = [one.value for name, one in measured.items() if ".reweighted.gap.p_adjusted" in name]
        wrong.append(min(adjusted) <= 0.05)
        held += [one.low == 0 for name, one in measured.items() if "accuracy.reweighted.gap[" in name]
        truth = (MIXES[0] - MIXES[1]) @ np.diag(CONFUSION)
        one = measured["accuracy.explained[attribute=g]"]
        sign = np.sign(measured["accuracy.observed[g=x]"].value - measured["accuracy.observed[g=y]"].value)
        gone.append(one.low <= sign * truth <= one.high)
    limit = 2.6 * np.sqrt(0.05 * 0.95 / 200)
    assert np.mean(wrong) <= 0.05 + limit
    assert np.mean(held) >= 0.95 - limit
    assert np.mean(gone) >= 0.93 - limit
