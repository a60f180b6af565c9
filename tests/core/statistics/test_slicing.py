from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binomtest

from countenance.core.errors import UsageError
from countenance.core.probes import Scores
from countenance.core.statistics.groups import plan_groups
from countenance.core.statistics.rules import StatisticsRules
from countenance.core.statistics.slicing import Slicer, slice_scores

RULES = StatisticsRules()


def by_key(measurements):
    return {item.key: item.estimate for item in measurements}


def accuracy(values, **more):
    values = np.asarray(values, dtype=float)
    return Scores("accuracy", np.arange(len(values)), values, kind="rate", bounds=(0, 1), direction="higher", **more)


def test_overall_and_by_group_with_faces_of_different_people():
    frame = pd.DataFrame({"gender": ["f"] * 40 + ["m"] * 60, "tone": ["dark"] * 97 + [None] * 3})
    values = np.r_[np.arange(40) < 30, np.arange(60) < 50]
    groups = plan_groups(frame, ["gender", "tone"], [["gender", "tone"]])
    found = slice_scores(accuracy(values), np.arange(100), groups, RULES, "performance")
    assert [item.key for item in found] == [
        "performance/accuracy",
        "performance/accuracy[gender=f]",
        "performance/accuracy[gender=m]",
        "performance/accuracy[tone=dark]",
        "performance/accuracy[tone=(missing)]",
        "performance/accuracy[gender=f,tone=dark]",
        "performance/accuracy[gender=m,tone=dark]",
        "performance/accuracy[gender=m,tone=(missing)]",
    ]
    women = by_key(found)["performance/accuracy[gender=f]"]
    limits = binomtest(30, 40).proportion_ci(method="wilson")
    assert (women.value, women.n, women.subjects, women.count, women.n_effective) == (0.75, 40, 40, 30, 40)
    assert (women.low, women.high) == pytest.approx((limits.low, limits.high))
    assert (women.method, women.level) == ("wilson", 0.95)
    few = by_key(found)["performance/accuracy[tone=(missing)]"]
    assert (few.value, few.n, few.reason) == (None, 3, "3 faces; 10 are needed")
    assert all(item.direction == "higher" for item in found)


def test_small_groups_say_how_many_more_people_would_do():
    people = np.repeat(np.arange(100), 2)
    group = np.where(people < 82, "large", np.where(people < 94, "middle", np.where(people < 99, "small", "one")))
    right = np.random.default_rng(0).random(200) < 0.7
    groups = plan_groups({"g": group}, ["g"])
    told = by_key(slice_scores(accuracy(right), people, groups, RULES, "p"))
    assert told["p/accuracy[g=large]"].value is not None
    assert told["p/accuracy[g=one]"].reason == "1 person; 10 are needed"
    assert told["p/accuracy[g=small]"].reason == "5 people; 10 are needed"
    middle = told["p/accuracy[g=middle]"]
    p = right.mean()
    needed = int(np.ceil(p * (1 - p) * (1.959964 / 0.15) ** 2))
    assert middle.value is None
    assert (middle.n, middle.subjects) == (24, 12)
    assert f"of {needed} needed: about" in middle.reason
    assert middle.reason.endswith("more people")


def test_the_number_that_would_do_does():
    values = np.tile([1.0, 1.0, 0.0, 1.0, 0.0], 80)
    size = 30
    told = by_key(slice_scores(accuracy(values), np.arange(400), groups_of(size), RULES, "p"))
    reason = told["p/accuracy[g=small]"].reason
    more = int(reason.split("about ")[1].split(" ")[0])
    assert reason == f"n_eff 30 of 41 needed: about {more} more faces"
    again = by_key(slice_scores(accuracy(values), np.arange(400), groups_of(size + more), RULES, "p"))
    assert again["p/accuracy[g=small]"].value is not None
    almost = by_key(slice_scores(accuracy(values), np.arange(400), groups_of(size + more - 1), RULES, "p"))
    assert almost["p/accuracy[g=small]"].value is None


def groups_of(size):
    return plan_groups({"g": ["small"] * size + ["large"] * (400 - size)}, ["g"])


def test_all_faces_together_need_ten_people_but_no_narrow_interval():
    assert by_key(slice_scores(accuracy(np.arange(9) < 5), np.arange(9), (), RULES, "p"))["p/accuracy"].value is None
    assert by_key(slice_scores(accuracy(np.arange(10) < 5), np.arange(10), (), RULES, "p"))["p/accuracy"].value == 0.5


def test_rules_are_the_plans():
    rules = StatisticsRules(min_subjects=2, min_effective=1, half_width=0.5, level=0.5)
    estimate = slice_scores(accuracy([1, 1, 0]), np.arange(3), (), rules, "p")[0].estimate
    assert estimate.value == pytest.approx(2 / 3)
    assert estimate.level == 0.5


def test_a_score_of_some_faces_only():
    scores = Scores("recall", np.arange(0, 100, 2), np.ones(50), kind="rate", slice={"label": "happy"})
    groups = plan_groups({"g": np.where(np.arange(100) % 2, "odd", "even")}, ["g"])
    told = by_key(slice_scores(scores, np.arange(100), groups, RULES, "p"))
    assert told["p/recall[label=happy]"].n == 50
    assert told["p/recall[g=even,label=happy]"].value == 1.0
    assert told["p/recall[g=odd,label=happy]"].value is None
    assert told["p/recall[g=odd,label=happy]"].reason == "no face here counts towards recall of label happy"


def test_image_attributes_may_split_a_person():
    people = np.repeat(np.arange(50), 2)
    pose = np.tile(["front", "side"], 50)
    told = by_key(slice_scores(accuracy(pose == "front"), people, plan_groups({"pose": pose}, ["pose"]), RULES, "p"))
    assert told["p/accuracy[pose=front]"].subjects == 50
    assert told["p/accuracy[pose=front]"].value == 1.0
    assert told["p/accuracy[pose=side]"].value == 0.0
    assert told["p/accuracy"].subjects == 50
    assert told["p/accuracy"].n == 100


def test_one_value_attribute_is_all_faces():
    rng = np.random.default_rng(1)
    people = np.repeat(np.arange(40), 3)
    told = by_key(
        slice_scores(accuracy(rng.random(120) < 0.8), people, plan_groups({"g": ["x"] * 120}, ["g"]), RULES, "p")
    )
    assert told["p/accuracy[g=x]"] == told["p/accuracy"]


def test_means_have_sandwich_limits_and_no_count():
    rng = np.random.default_rng(2)
    scores = Scores("iou", np.arange(60), rng.random(60), bounds=(0, 1))
    estimate = slice_scores(scores, np.arange(60), (), RULES, "p")[0].estimate
    assert (estimate.method, estimate.count) == ("sandwich_t", None)
    assert estimate.low < scores.values.mean() < estimate.high


def test_a_mean_without_variation_or_bounds_has_no_interval():
    estimate = slice_scores(Scores("x", np.arange(20), np.full(20, 2.5)), np.arange(20), (), RULES, "p")[0].estimate
    assert (estimate.value, estimate.low, estimate.level, estimate.method) == (2.5, None, None, "no_variation")


@pytest.mark.parametrize("times", [1, 2, 3, 20])
def test_faces_asked_about_many_times_are_worth_no_more_than_faces(times: int):
    wrong = times * (np.arange(40) % 4 == 0)  # the same each time
    scores = Scores("lost", np.arange(40), wrong.astype(float), np.full(40, float(times)), kind="rate")
    estimate = slice_scores(scores, np.arange(40), (), RULES, "p")[0].estimate
    assert (estimate.value, estimate.n) == (0.25, 40)
    assert 38.9 < estimate.n_effective <= 40


def test_the_effective_faces_of_f1_say_how_far_it_scatters():
    random = np.random.default_rng(0)
    values, told = [], []
    for _ in range(300):
        labelled = random.random(300) < 0.3
        answered = np.where(random.random(300) < 0.8, labelled, ~labelled)
        weights = labelled.astype(float) + answered
        counts = np.flatnonzero(weights)
        scores = Scores("f1", counts, 2.0 * (labelled & answered)[counts], weights[counts], kind="rate")
        estimate = slice_scores(scores, np.arange(300), (), RULES, "p")[0].estimate
        values.append(estimate.value)
        told.append(estimate.n_effective)
    p = np.mean(values)
    assert np.mean(told) == pytest.approx(p * (1 - p) / np.var(values), rel=0.25)


def test_conditions_and_slices_stand_in_the_key():
    scores = accuracy(np.arange(20) < 9, condition={"eps": "8/255"}, slice={"label": "sad"}, by_group=False)
    assert slice_scores(scores, np.arange(20), (), RULES, "pgd")[0].key == "pgd/accuracy[label=sad]@eps=8/255"


def test_scores_that_do_not_fit_are_refused():
    slicer = Slicer(np.arange(10), plan_groups({"label": ["a"] * 10}, ["label"]), RULES)
    with pytest.raises(UsageError, match="of one length"):
        slicer.measure(Scores("x", np.arange(9), np.ones(10)), "p")
    with pytest.raises(UsageError, match="expected the rows of x to be 0 to 9"):
        slicer.measure(Scores("x", np.arange(1, 11), np.ones(10)), "p")
    with pytest.raises(UsageError, match="finite values"):
        slicer.measure(Scores("x", np.arange(10), np.full(10, np.nan)), "p")
    with pytest.raises(UsageError, match="finite weights"):
        slicer.measure(Scores("x", np.arange(10), np.ones(10), -np.ones(10)), "p")
    with pytest.raises(UsageError, match="the attribute 'label' has the name of a slice"):
        slicer.measure(Scores("x", np.arange(10), np.ones(10), slice={"label": "a"}), "p")


@pytest.mark.parametrize(("out_of_scope", "blocking"), [([], 2), (["small"], 1), (["small", "tiny"], None)])
def test_groups_too_small_to_leave_two_are_counted_unless_out_of_scope(out_of_scope, blocking):
    frame = pd.DataFrame({"tone": ["large"] * 80 + ["small"] * 8 + ["tiny"] * 2})
    groups = plan_groups(frame, ["tone"], [], {"tone": out_of_scope})
    question = Slicer(np.arange(90), groups, RULES).gaps(accuracy(np.arange(90) % 2, gaps=True), "p")[0]
    gap, worst = question.measurements()
    assert gap.estimate.reason.startswith("only one of 3 groups, large,")
    assert gap.estimate.groups_left_out == worst.estimate.groups_left_out == blocking


def test_a_score_of_no_face_is_not_measured():
    none = Scores("x", np.zeros(0, dtype=np.int64), np.zeros(0), kind="rate")
    told = slice_scores(none, np.arange(20), plan_groups({"g": ["a"] * 20}, ["g"]), RULES, "p")
    assert [item.estimate.reason for item in told] == ["no face here counts towards x"] * 2
