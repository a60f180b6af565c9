"""The probe of indices over groups: values, nulls, what is planted and what is not."""

from __future__ import annotations

from contextlib import nullcontext

import numpy as np
import pandas as pd
import pytest
from fairlearn import metrics as fairlearn
from pydantic import ValidationError

from countenance.audit.fairness.group_indices import GroupIndicesParams, group_indices
from countenance.audit.fairness.index_catalogue import INDICES
from countenance.cards.wording import method_title, metric_meaning
from countenance.core.errors import AuditError
from countenance.core.faces import Faces
from countenance.core.plan import AttributeSpec
from countenance.core.predictions import Predictions
from countenance.core.probes import Note, ProbeContext, TableOutput
from countenance.core.results import Finding, Measurement
from countenance.core.statistics import indices
from countenance.core.statistics.rules import StatisticsRules

EXPRESSIONS = ("neutral", "happy", "sad")
OVERALL = [name for name, what in INDICES.items() if not what.per_label]
PER_LABEL = [name for name, what in INDICES.items() if what.per_label]
FEW = {"permutations": 199}


def context_of(values, truth, attributes, *, task="expression", classes=EXPRESSIONS, subjects=None, seed=1, **more):
    faces = len(truth)
    frame = pd.DataFrame({"face_id": [str(face) for face in range(faces)], **attributes})
    frame["subject"] = range(faces) if subjects is None else subjects
    specs = {name: AttributeSpec(assigned_by="self-reported", **more.get(name, {})) for name in attributes}
    return ProbeContext(
        probe_id="group_indices",
        faces=Faces(
            frame, has_subjects=subjects is not None, attributes=specs, intersections=more.get("intersections", [])
        ),
        predictions=Predictions(task, classes, np.asarray(values, float), np.asarray(truth, float)),
        target=None,
        rules=StatisticsRules(),
        seed=seed,
        batch_size=8,
        progress=lambda unit, total: nullcontext(lambda count=1: None),
    )


def model(seed=0, people=400, groups=3, planted=0.0, classes=3):
    """Return answers, truths and attributes of people with three faces; ``planted`` lowers the accuracy of group b."""
    rng = np.random.default_rng(seed)
    person = np.repeat(np.arange(people), 3)
    tone = rng.choice(groups, people)[person]
    truth = rng.choice(classes, len(person))
    ability = rng.beta(8, 2, people)[person] - planted * (tone == 1)
    answer = np.where(rng.random(len(person)) < ability, truth, rng.choice(classes, len(person)))
    return answer, truth, {"tone": np.array(list("abcdef"))[tone]}, person


def outcomes(context, **params):
    outputs = list(group_indices(context, GroupIndicesParams(**{**FEW, **params})))
    return {item.key: item for item in outputs if isinstance(item, Measurement)}, outputs


def rate(counts, of, group):
    return np.array([counts[of & (group == each)].mean() for each in np.unique(group)])


def test_values_are_those_of_the_definitions():
    answer, truth, attributes, person = model(groups=4)
    found, _ = outcomes(context_of(np.eye(3)[answer], truth, attributes, subjects=person), alpha=0.3)
    group, everyone = attributes["tone"], np.ones(len(truth), bool)
    accuracy = rate(answer == truth, everyone, group)
    recalls = [rate(answer == k, truth == k, group) for k in range(3)]
    fprs = [rate(answer == k, truth != k, group) for k in range(3)]
    chosen = [rate(answer == k, everyone, group) for k in range(3)]
    expected = {
        "accuracy_difference": np.ptp(accuracy),
        "accuracy_ratio": accuracy.min() / accuracy.max(),
        "accuracy_deviation": indices.mean_absolute_deviation(accuracy),
        "accuracy_std": accuracy.std(ddof=1),
        "skewed_error_ratio": (1 - accuracy.min()) / (1 - accuracy.max()),
        "equalized_odds_difference": max(np.ptp(each) for each in recalls + fprs),
        "demographic_parity_difference": max(np.ptp(each) for each in chosen),
        "demographic_parity_ratio": min(each.min() / each.max() for each in chosen),
    }
    for name in OVERALL:
        assert found[f"group_indices/{name}[attribute=tone]"].estimate.value == pytest.approx(expected[name]), name
    for k, label in enumerate(EXPRESSIONS):
        misses, alarms = 1 - recalls[k], fprs[k]
        per_label = {
            "fnr_gini": indices.gini(misses),
            "fpr_to_geometric_mean": alarms.max() / np.exp(np.log(alarms).mean()),
            "garbe": indices.garbe(alarms, misses, 0.3),
            "fairness_discrepancy_rate": indices.fairness_discrepancy_rate(alarms, misses, 0.3),
            "inequity_ratio": indices.inequity_ratio(alarms, misses, 0.3),
            "sum_of_error_differences": indices.sum_of_error_differences(alarms, misses),
        }
        for name in PER_LABEL:
            value = found[f"group_indices/{name}[attribute=tone,label={label}]"].estimate.value
            assert value == pytest.approx(float(per_label[name])), (name, label)


def test_two_classes_as_fairlearn():
    answer, truth, attributes, person = model(classes=2, groups=4)
    context = context_of(
        np.eye(2)[answer], truth, attributes, task="forgery", classes=("genuine", "forged"), subjects=person
    )
    found, _ = outcomes(context)
    kept = {"y_true": truth, "y_pred": answer, "sensitive_features": attributes["tone"]}
    for name in ("demographic_parity_difference", "demographic_parity_ratio", "equalized_odds_difference"):
        value = found[f"group_indices/{name}[attribute=tone]"].estimate.value
        assert value == pytest.approx(getattr(fairlearn, name)(**kept)), name
    assert {item.slice.get("label") for item in found.values()} == {None, "forged"}


def test_no_number_stands_alone():
    answer, truth, attributes, person = model()
    found, outputs = outcomes(context_of(np.eye(3)[answer], truth, attributes, subjects=person))
    table = next(each for each in outputs if isinstance(each, TableOutput)).frame
    assert len(table) == len(OVERALL) + 3 * len(PER_LABEL)
    for key, item in found.items():
        if "." in item.metric:
            continue
        assert item.estimate.low <= item.estimate.value <= item.estimate.high, key
        place = key.partition("[")[2]
        null = found[f"group_indices/{item.metric}.null_permuted[{place}"].estimate
        assert null.low <= null.value <= null.high
        p, joint = (found[f"group_indices/{item.metric}.{name}[{place}"].estimate.value for name in ("p", "p_adjusted"))
        assert 1 / 200 <= p <= 1
        assert joint >= p - 0.05  # a larger one but for the scale on which indices are compared
        line = table[(table["index"] == item.metric) & (table["label"] == item.slice.get("label", ""))].iloc[0]
        assert line["excess"] == pytest.approx(item.estimate.value - null.value)
        assert item.direction == INDICES[item.metric].direction


def test_planted_gap_is_found_and_an_even_model_shows_none():
    answer, truth, attributes, person = model(seed=3, planted=0.35)
    found, outputs = outcomes(context_of(np.eye(3)[answer], truth, attributes, subjects=person))
    (finding,) = (each for each in outputs if isinstance(each, Finding))
    assert finding.id == "group_indices.beyond_chance.tone"
    assert finding.p_adjusted <= 0.05
    assert set(finding.evidence) <= set(found)
    assert found["group_indices/equalized_odds_difference[attribute=tone]"].estimate.low > 0
    assert found["group_indices/accuracy_difference.corrected[attribute=tone]"].estimate.value > 0.2
    flagged = 0
    for seed in range(8):
        answer, truth, attributes, person = model(seed=100 + seed)
        context = context_of(np.eye(3)[answer], truth, attributes, subjects=person, seed=seed)
        flagged += any(isinstance(each, Finding) for each in outcomes(context)[1])
    assert flagged <= 2


def test_the_same_seed_gives_the_same():
    answer, truth, attributes, person = model()
    first, second = (
        outcomes(context_of(np.eye(3)[answer], truth, attributes, subjects=person), indices=["garbe"])[0]
        for _ in range(2)
    )
    assert {key: item.estimate for key, item in first.items()} == {key: item.estimate for key, item in second.items()}


def test_groups_too_small_are_named_and_block():
    answer, truth, attributes, person = model(groups=3)
    tone = attributes["tone"].astype(object)
    tone[person < 4] = "d"
    found, outputs = outcomes(context_of(np.eye(3)[answer], truth, {"tone": tone}, subjects=person))
    estimate = found["group_indices/accuracy_difference[attribute=tone]"].estimate
    assert (estimate.groups, estimate.groups_left_out) == (3, 1)
    assert any(isinstance(each, Note) and "too small: d" in each.text for each in outputs)
    outside = context_of(np.eye(3)[answer], truth, {"tone": tone}, subjects=person, tone={"out_of_scope": ["d"]})
    found, _ = outcomes(outside)
    assert found["group_indices/accuracy_difference[attribute=tone]"].estimate.groups_left_out == 0


def test_one_group_is_not_measured():
    answer, truth, _, person = model()
    found, _ = outcomes(context_of(np.eye(3)[answer], truth, {"tone": ["a"] * len(truth)}, subjects=person))
    assert all("fewer than two of 1 groups" in item.estimate.reason for item in found.values())


def test_a_class_without_faces_is_left_out_of_equalised_odds():
    answer, truth, attributes, person = model()
    keep = truth != 2
    context = context_of(
        np.eye(3)[answer[keep]], truth[keep], {"tone": attributes["tone"][keep]}, subjects=person[keep]
    )
    found, outputs = outcomes(context)
    estimate = found["group_indices/equalized_odds_difference[attribute=tone]"].estimate
    assert estimate.value is not None
    assert estimate.groups_left_out == 0
    assert not any("label=sad" in key and "fpr_to_geometric_mean" not in key for key in found)
    assert "group_indices/fpr_to_geometric_mean[attribute=tone,label=sad]" in found
    assert any(isinstance(each, Note) and "No face is labelled sad" in each.text for each in outputs)


def test_errors_of_nobody_have_no_gini():
    _, truth, attributes, person = model()
    found, _ = outcomes(context_of(np.eye(3)[truth], truth, attributes, subjects=person))
    assert "not defined" in found["group_indices/garbe[attribute=tone,label=happy]"].estimate.reason
    assert found["group_indices/skewed_error_ratio[attribute=tone]"].estimate.value == pytest.approx(1, abs=0.5)
    assert found["group_indices/accuracy_difference[attribute=tone]"].estimate.high > 0


def test_action_units_where_they_are_known():
    rng = np.random.default_rng(0)
    _, _, attributes, person = model()
    truth = rng.choice([0.0, 1.0], (len(person), 2))
    truth[rng.random(truth.shape) < 0.2] = np.nan
    values = np.clip(np.where(np.nan_to_num(truth) == 1, 0.7, 0.3) + rng.normal(0, 0.3, truth.shape), 0, 1)
    context = context_of(values, truth, attributes, task="action_units", classes=("AU1", "AU12"), subjects=person)
    found, _ = outcomes(context)
    group, known = attributes["tone"], np.isfinite(truth)
    alarms = rate(values[:, 1] >= 0.5, truth[:, 1] == 0, group)
    misses = 1 - rate(values[:, 1] >= 0.5, truth[:, 1] == 1, group)
    value = found["group_indices/garbe[attribute=tone,label=AU12]"].estimate.value
    assert value == pytest.approx(float(indices.garbe(alarms, misses)))
    right = ((values >= 0.5) == (truth == 1)) & known
    accuracy = [right[group == each].sum() / known[group == each].sum() for each in np.unique(group)]
    assert found["group_indices/accuracy_difference[attribute=tone]"].estimate.value == pytest.approx(np.ptp(accuracy))


def test_intersections_and_choice_of_indices_and_labels():
    answer, truth, attributes, person = model()
    attributes["gender"] = np.where(person % 2 == 0, "f", "m")
    context = context_of(np.eye(3)[answer], truth, attributes, subjects=person, intersections=[["gender", "tone"]])
    found, _ = outcomes(context, indices=["garbe"], labels=["sad"])
    assert {(item.slice["attribute"], item.slice["label"]) for item in found.values()} == {
        (name, "sad") for name in ("tone", "gender", "gender&tone")
    }


def test_wrong_parameters():
    answer, truth, attributes, person = model()
    context = context_of(np.eye(3)[answer], truth, attributes, subjects=person)
    with pytest.raises(AuditError, match="did you mean"):
        outcomes(context, labels=["hapy"])
    with pytest.raises(ValidationError, match="there is no index"):
        GroupIndicesParams(indices=["gini"])
    with pytest.raises(ValidationError):
        GroupIndicesParams(permutations=10)
    none = context_of(np.eye(3)[answer], truth, {}, subjects=person)
    (note,) = outcomes(none)[1]
    assert "names no attribute" in note.text


def test_every_number_has_words():
    answer, truth, attributes, person = model()
    found, _ = outcomes(context_of(np.eye(3)[answer], truth, attributes, subjects=person))
    for item in found.values():
        assert metric_meaning(item.metric, "group_indices"), item.metric
        assert method_title(item.estimate.method) != item.estimate.method


def test_an_attribute_of_the_picture():
    answer, truth, _, person = model()
    light = np.random.default_rng(5).choice(["bright", "dim"], len(truth))
    context = context_of(np.eye(3)[answer], truth, {"light": light}, subjects=person, light={"of": "image"})
    found, outputs = outcomes(context, indices=["accuracy_difference", "equalized_odds_difference"])
    accuracy = rate(answer == truth, np.ones(len(truth), bool), light)
    estimate = found["group_indices/accuracy_difference[attribute=light]"].estimate
    assert estimate.value == pytest.approx(np.ptp(accuracy))
    assert estimate.low == 0
    assert not any(isinstance(each, Finding) for each in outputs)


@pytest.mark.slow
def test_findings_over_many_models():
    """What the page says of the whole probe: even models with a finding, models with a planted gap without one."""
    even, planted = 0, 0
    for seed in range(200):
        answer, truth, attributes, person = model(seed=9000 + seed, people=300, groups=4)
        context = context_of(np.eye(3)[answer], truth, attributes, subjects=person, seed=seed)
        even += any(isinstance(each, Finding) for each in outcomes(context)[1])
    for seed in range(100):
        answer, truth, attributes, person = model(seed=9000 + seed, people=300, groups=4, planted=0.2)
        context = context_of(np.eye(3)[answer], truth, attributes, subjects=person, seed=seed)
        planted += any(isinstance(each, Finding) for each in outcomes(context)[1])
    assert even / 200 <= 0.05 + 2.6 * np.sqrt(0.05 * 0.95 / 200)
    assert planted >= 80
