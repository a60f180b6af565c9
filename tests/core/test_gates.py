from __future__ import annotations

from typing import Any

import pytest
from scipy.stats import norm

from countenance.core.errors import UsageError
from countenance.core.gates import judge, judge_all, matching
from countenance.core.plan import GateSpec
from countenance.core.results import AuditResults, DataSummary, Estimate, Measurement, ProbeResult, TargetSummary

Interval = tuple[float, float, float] | tuple[float] | None


def estimate(interval: Interval, level: float | None = 0.95) -> Estimate:
    if interval is None:
        return Estimate.not_measured("3 people; 10 are needed", n=3)
    if len(interval) == 1:
        return Estimate(value=interval[0])
    low, value, high = interval
    return Estimate(value=value, low=low, high=high, level=level)


def run(groups: dict[str, Interval] | None = None, **plain: Interval) -> AuditResults:
    """Results of a probe ``p`` with ``p/NAME`` for each plain one and ``p/recall[gender=GROUP,label=happy]``."""
    measured = [Measurement.of("p", name, estimate(interval)) for name, interval in plain.items()]
    for group, interval in (groups or {}).items():
        place = {"gender": group, "label": "happy"}
        measured.append(Measurement.of("p", "recall", estimate(interval), slice=place))
    probes = [
        ProbeResult(id="p", probe="p", version=1, status="ok", measurements=measured),
        ProbeResult(id="none", probe="none", version=1, status="skipped", reason="the target gives no gradients"),
    ]
    return AuditResults(
        name="x",
        tool={},
        started="",
        seconds=0,
        target=TargetSummary(name="t", task="expression"),
        data=DataSummary(faces=1),
        plan={},
        probes=probes,
    )


def gate(measure: str = "p/accuracy", **fields: Any) -> GateSpec:
    return GateSpec.model_validate({"measure": measure, **fields})


EVERY = {"gender": "*", "label": "happy"}


@pytest.mark.parametrize(
    ("limit", "interval", "verdict"),
    [
        ({"at_least": 0.8}, (0.81, 0.9, 0.95), "pass"),
        ({"at_least": 0.8}, (0.80, 0.9, 0.95), "pass"),
        ({"at_least": 0.8}, (0.79, 0.9, 0.95), "inconclusive"),
        ({"at_least": 0.8}, (0.60, 0.7, 0.81), "inconclusive"),
        ({"at_least": 0.8}, (0.60, 0.7, 0.80), "inconclusive"),
        ({"at_least": 0.8}, (0.60, 0.7, 0.79), "fail"),
        ({"at_most": 0.05}, (0.01, 0.02, 0.04), "pass"),
        ({"at_most": 0.05}, (0.01, 0.02, 0.05), "pass"),
        ({"at_most": 0.05}, (0.01, 0.02, 0.06), "inconclusive"),
        ({"at_most": 0.05}, (0.04, 0.07, 0.09), "inconclusive"),
        ({"at_most": 0.05}, (0.05, 0.07, 0.09), "inconclusive"),
        ({"at_most": 0.05}, (0.06, 0.07, 0.09), "fail"),
        ({"at_least": 0.8}, (0.9,), "inconclusive"),
        ({"at_least": 0.8}, (0.1,), "inconclusive"),
        ({"at_most": 0.8}, (0.9,), "inconclusive"),
        ({"at_least": 0.8}, None, "not measured"),
        ({"at_most": 0.8}, None, "not measured"),
    ],
)
def test_a_gate_tests_a_bound_and_not_the_estimate(limit: dict[str, float], interval: Interval, verdict: str) -> None:
    outcome = judge(gate(**limit), run(accuracy=interval))
    assert outcome.verdict == verdict
    assert outcome.evidence == ["p/accuracy"]
    assert outcome.gate == {"measure": "p/accuracy", **limit}


@pytest.mark.parametrize(
    ("limit", "verdict"),
    [
        ({"at_least": 0.8}, "pass"),
        ({"at_least": 0.9}, "pass"),
        ({"at_least": 0.91}, "fail"),
        ({"at_most": 0.8}, "fail"),
    ],
)
def test_a_counted_number_is_its_own_bound(limit: dict[str, float], verdict: str) -> None:
    results = run()
    counted = Measurement.of("p", "accuracy", Estimate(value=0.9, method="exact"))
    probe = results.probes[0].model_copy(update={"measurements": [counted]})
    outcome = judge(gate(**limit), results.model_copy(update={"probes": [probe]}))
    assert outcome.verdict == verdict


def test_a_limit_may_be_a_fraction_and_a_group_a_number() -> None:
    assert gate(at_least="1/3").model_dump(mode="json")["at_least"] == 1 / 3
    outcome = judge(gate(where={"age": 30}, at_least="4/5"), run(accuracy=(0.81, 0.9, 0.95)))
    assert outcome.gate["where"] == {"age": "30"}
    assert gate(where={"eps": 0.03, "k": "8/255"}, at_least=1).where == {"eps": "0.03", "k": "8/255"}


def test_the_reason_is_told_in_words() -> None:
    def why(interval: Interval, **limit: float) -> str:
        return judge(gate(**limit), run(accuracy=interval)).why

    assert why((0.81, 0.9, 0.95), at_least=0.8) == "p/accuracy is 0.900 [0.810, 0.950]; the limit is at least 0.8"
    assert "the limit lies inside the interval, so these faces cannot settle it" in why((0.7, 0.9, 0.95), at_least=0.8)
    assert "it has no interval, so no bound can be tested" in why((0.9,), at_least=0.8)
    assert why(None, at_least=0.8) == "1 measurement matched and none was measured: 3 people; 10 are needed"


@pytest.mark.parametrize(
    ("groups", "require", "verdict"),
    [
        ({"f": (0.81, 0.9, 0.95), "m": (0.82, 0.9, 0.95)}, "measured", "pass"),
        ({"f": (0.81, 0.9, 0.95), "m": (0.70, 0.9, 0.95)}, "measured", "inconclusive"),
        ({"f": (0.10, 0.2, 0.30), "m": (0.70, 0.9, 0.95)}, "measured", "fail"),
        ({"f": (0.10, 0.2, 0.30), "m": (0.90, 0.9, 0.95)}, "measured", "fail"),
        ({"f": (0.81, 0.9, 0.95), "m": None}, "measured", "pass"),
        ({"f": (0.81, 0.9, 0.95), "m": None}, "all", "inconclusive"),
        ({"f": (0.10, 0.2, 0.30), "m": None}, "all", "fail"),
        ({"f": None, "m": None}, "measured", "not measured"),
        ({"f": None, "m": None}, "all", "not measured"),
        ({"f": (0.81, 0.9, 0.95), "m": (0.9,)}, "measured", "inconclusive"),
    ],
)
def test_every_group_has_to_pass_and_any_may_fail(groups: dict[str, Interval], require: str, verdict: str) -> None:
    outcome = judge(gate("p/recall", where=EVERY, at_least=0.8, require=require), run(groups))
    assert outcome.verdict == verdict


def test_what_was_not_measured_is_counted_and_named() -> None:
    groups: dict[str, Interval] = {"f": (0.81, 0.9, 0.95), "m": None, "x": None}
    why = judge(gate("p/recall", where=EVERY, at_least=0.8), run(groups)).why
    assert "(2 measurements not measured, e.g. p/recall[gender=m,label=happy]: 3 people; 10 are needed)" in why
    why = judge(gate("p/recall", where=EVERY, at_least=0.8, require="all"), run(groups)).why
    assert "the gate requires every group to be measured" in why


def test_the_worst_group_is_told() -> None:
    groups: dict[str, Interval] = {"f": (0.1, 0.2, 0.3), "m": (0.4, 0.5, 0.6), "x": (0.9, 0.95, 0.99)}
    outcome = judge(gate("p/recall", where=EVERY, at_least=0.8), run(groups))
    assert outcome.why.startswith("of 3 judged, the worst: p/recall[gender=f,label=happy] is 0.200")
    assert [key.partition("gender=")[2][0] for key in outcome.evidence] == ["f", "m", "x"]
    passed = judge(gate("p/recall", where=EVERY, at_least=0.05), run(groups))
    assert passed.why.startswith("of 3 judged, the nearest to the limit: p/recall[gender=f")
    most = judge(gate("p/recall", where=EVERY, at_most=0.7), run(groups))
    assert "gender=x" in most.why


def test_the_failing_bound_is_widened_for_the_number_of_groups() -> None:
    """One of ten groups may lie below the limit by chance: the bound that fails is Bonferroni's."""
    low, value, high = 0.5, 0.7, 0.79
    alone = run({"a": (low, value, high)})
    ten = run({"a": (low, value, high)} | {str(n): (0.81, 0.9, 0.95) for n in range(9)})
    checked = gate("p/recall", where=EVERY, at_least=0.8)
    assert judge(checked, alone).verdict == "fail"
    assert judge(checked, ten).verdict == "inconclusive"
    widened = value + (high - value) * norm.ppf(1 - 0.025 / 10) / norm.ppf(1 - 0.025)
    just_above = gate("p/recall", where=EVERY, at_least=widened + 1e-9)
    just_below = gate("p/recall", where=EVERY, at_least=widened - 1e-9)
    assert judge(just_above, ten).verdict == "fail"
    assert judge(just_below, ten).verdict == "inconclusive"


def test_the_widening_is_the_same_on_the_other_side() -> None:
    value, low = 0.3, 0.21
    ten = run({"a": (low, value, 0.5)} | {str(n): (0.05, 0.1, 0.15) for n in range(9)})
    widened = value - (value - low) * norm.ppf(1 - 0.0025) / norm.ppf(1 - 0.025)
    assert judge(gate("p/recall", where=EVERY, at_most=widened - 1e-9), ten).verdict == "fail"
    assert judge(gate("p/recall", where=EVERY, at_most=widened + 1e-9), ten).verdict == "inconclusive"


def test_passing_needs_no_widening() -> None:
    many: dict[str, Interval] = {str(n): (0.8, 0.9, 0.95) for n in range(50)}
    assert judge(gate("p/recall", where=EVERY, at_least=0.8), run(many)).verdict == "pass"


# What a gate is about ------------------------------------------------------------------------------------------------


def test_where_names_the_whole_place() -> None:
    made = run({"f": (0.1, 0.2, 0.3), "m": (0.4, 0.5, 0.6)}, accuracy=(0.1, 0.2, 0.3))
    assert len(matching(gate("p/recall", where=EVERY, at_least=0), made)) == 2
    assert len(matching(gate("p/recall", where={"gender": "f", "label": "happy"}, at_least=0), made)) == 1
    assert matching(gate("p/recall", where={"gender": "*"}, at_least=0), made) == []
    assert matching(gate("p/recall", at_least=0), made) == []
    assert matching(gate("p/accuracy", where={"gender": "*"}, at_least=0), made) == []


def test_a_key_may_hold_the_place_itself_and_a_wildcard() -> None:
    made = run({"f": (0.1, 0.2, 0.3), "m": (0.4, 0.5, 0.6)})
    assert len(matching(gate("p/recall[gender=f,label=happy]", at_least=0), made)) == 1
    assert len(matching(gate("p/recall[gender=*,label=happy]", at_least=0), made)) == 2
    assert len(matching(gate("p/recall[label=happy]", where={"gender": "m"}, at_least=0), made)) == 1


def test_a_condition_is_part_of_the_place() -> None:
    item = Measurement.of("p", "accuracy", estimate((0.1, 0.2, 0.3)), condition={"eps": "8/255"})
    made = run()
    made.probes[0].measurements.append(item)
    assert matching(gate("p/accuracy@eps=8/255", at_least=0), made) == [item]
    assert matching(gate("p/accuracy", where={"eps": "*"}, at_least=0), made) == [item]
    assert matching(gate("p/accuracy", at_least=0), made) == []


@pytest.mark.parametrize(
    ("measure", "where", "said"),
    [
        ("q/accuracy", {}, "no probe has the id 'q'"),
        ("none/accuracy", {}, "the probe none was skipped: the target gives no gradients"),
        ("p/acuracy", {}, "p has no metric 'acuracy'; did you mean 'accuracy'?; it has accuracy, recall"),
        ("p/recall", {"gender": "*"}, "there is p/recall[gender=...,label=...]"),
        ("p/recall", {"gender": "x", "label": "happy"}, "no measurement matches where = {'gender': 'x'"),
        ("p/recall", {}, "no measurement matches where = nothing"),
    ],
)
def test_a_gate_that_matches_nothing_is_not_measured_and_says_what_there_is(
    measure: str, where: dict[str, str], said: str
) -> None:
    made = run({"f": (0.1, 0.2, 0.3)}, accuracy=(0.1, 0.2, 0.3))
    outcome = judge(gate(measure, where=where, at_least=0), made)
    assert outcome.verdict == "not measured"
    assert said in outcome.why
    assert outcome.evidence == []


def test_a_measure_that_is_no_key_is_an_error_of_the_user() -> None:
    with pytest.raises(UsageError, match="measurement key"):
        judge(gate("accuracy", at_least=0), run())


def test_gates_are_judged_in_their_order_and_keep_what_was_written() -> None:
    gates = [gate(at_least=0.1, hazard="harm", review_by="2027-05-01"), gate(at_most=0.1)]
    outcomes = judge_all(gates, run(accuracy=(0.2, 0.3, 0.4)))
    assert [outcome.verdict for outcome in outcomes] == ["pass", "fail"]
    assert outcomes[0].gate == {"measure": "p/accuracy", "at_least": 0.1, "hazard": "harm", "review_by": "2027-05-01"}


def gap_run(
    value: float | None = 0.1,
    bounds: tuple[float, float] | None = (0.0, 0.2),
    left_out: int = 0,
    detectable: float | str | None = None,
    attribute: str = "gender",
) -> AuditResults:
    """Results of a probe ``p`` with ``p/recall.gap[attribute=gender]``, its bounds and its detectable size."""
    if value is None:
        none = Estimate.not_measured("only one of 3 groups has enough")
        estimate_of = none.model_copy(update={"groups_left_out": left_out or None})
    else:
        low, high = bounds or (None, None)
        estimate_of = Estimate(
            value=value, low=0.0, high=0.9, level=0.95, n=400, bound_low=low, bound_high=high, groups=3,
            groups_left_out=left_out, about="a below b",
        )  # fmt: skip
    place = {"attribute": attribute}
    measured = [Measurement.of("p", "recall.gap", estimate_of, slice=place)]
    if detectable is not None:
        text = isinstance(detectable, str)
        size = Estimate.not_measured(str(detectable)) if text else Estimate(value=float(detectable))
        measured.append(Measurement.of("p", "recall.gap.detectable", size, slice=place))
        measured.append(Measurement.of("p", "recall.gap.detectable", Estimate(value=0.77), slice={"attribute": "age"}))
    results = run()
    probes = [ProbeResult(id="p", probe="p", version=1, status="ok", measurements=measured)]
    return results.model_copy(update={"probes": probes})


GAP = {"measure": "p/recall.gap", "where": {"attribute": "gender"}, "at_most": 0.05}


@pytest.mark.parametrize(
    ("bounds", "left_out", "verdict"),
    [
        ((0.051, 0.2), 0, "fail"),
        ((0.051, 0.2), 2, "fail"),  # a group that is too small does not undo a gap that is shown
        ((0.05, 0.2), 0, "inconclusive"),
        ((0.0, 0.05), 0, "pass"),
        ((0.0, 0.05), 1, "inconclusive"),
        ((0.0, 0.051), 0, "inconclusive"),
    ],
)
def test_a_gap_is_judged_by_its_one_sided_bounds_and_small_groups_block_a_pass(bounds, left_out, verdict):
    assert judge(gate(**GAP), gap_run(0.04, bounds, left_out)).verdict == verdict


def test_the_lower_bound_of_a_gap_is_not_widened_for_several_attributes():
    one, other = gap_run(0.1, (0.0501, 0.2)), gap_run(0.1, (0.0, 0.04), attribute="age")
    both = [*one.probes[0].measurements, *other.probes[0].measurements]
    results = one.model_copy(update={"probes": [one.probes[0].model_copy(update={"measurements": both})]})
    outcome = judge(gate("p/recall.gap", where={"attribute": "*"}, at_most=0.05), results)
    assert outcome.verdict == "fail"
    assert outcome.evidence[0] == "p/recall.gap[attribute=gender]"


@pytest.mark.parametrize(("left_out", "verdict"), [(2, "inconclusive"), (0, "pass")])
def test_groups_too_small_block_a_pass_also_where_too_few_are_left_to_compare(left_out, verdict):
    one, other = gap_run(None, None, left_out), gap_run(0.01, (0.0, 0.04), attribute="age")
    both = [*one.probes[0].measurements, *other.probes[0].measurements]
    results = one.model_copy(update={"probes": [one.probes[0].model_copy(update={"measurements": both})]})
    outcome = judge(gate("p/recall.gap", where={"attribute": "*"}, at_most=0.05), results)
    assert outcome.verdict == verdict
    assert ("groups too small to be judged are part blocks a pass" in outcome.why) == (left_out > 0)


@pytest.mark.parametrize(("left_out", "verdict"), [(1, "inconclusive"), (0, "pass")])
def test_groups_too_small_block_a_pass_of_an_index_of_groups(left_out, verdict):
    index = Estimate(value=0.02, low=0.0, high=0.04, level=0.95, groups=2, groups_left_out=left_out)
    results = gap_run()
    measured = [Measurement.of("p", "garbe", index, slice={"attribute": "gender"})]
    results = results.model_copy(update={"probes": [results.probes[0].model_copy(update={"measurements": measured})]})
    outcome = judge(gate("p/garbe", where={"attribute": "gender"}, at_most=0.05), results)
    assert outcome.verdict == verdict
    assert ("1 group is too small to be judged, which blocks a pass" in outcome.why) == (left_out > 0)


def test_words_of_a_gap_say_what_would_have_been_shown():
    def why(*told, **more):
        return judge(gate(**GAP), gap_run(*told, **more)).why

    assert "no gap above 0.05 could be shown; 0.11 would have been; it may be as large as 0.200" in why(detectable=0.11)
    assert "none of any size would have been" in why(detectable="no difference would be shown")
    assert "above 0.05: it is at least 0.080" in why(0.1, (0.08, 0.2))
    assert "no gap above 0.05: it is at most 0.040 (95 %, n = 400)" in why(0.01, (0.0, 0.04))
    assert "between 3 groups, but 1 group is too small to be judged" in why(0.01, (0.0, 0.04), 1)
    assert "between 3 groups, but 2 groups are too small to be judged" in why(0.01, (0.0, 0.04), 2)
    assert "0.77" not in why(detectable=0.11)  # that of another attribute
    at_another = gap_run(detectable=0.14)
    probe = at_another.probes[0].model_copy(update={"params": {"tolerance": 0.08}})
    told = judge(gate(**GAP), at_another.model_copy(update={"probes": [probe]})).why
    assert "about 0.11 would have been" in told
    measured = at_another.probes[0].measurements
    needed = Measurement.of("p", "recall.gap.faces_to_pass", Estimate(value=1000), slice={"attribute": "gender"})
    probe = probe.model_copy(update={"measurements": [*measured, needed]})
    told = judge(gate(**GAP), at_another.model_copy(update={"probes": [probe]})).why
    assert told.endswith("a model without any gap would pass with about 2,600 independent faces a group")
    assert judge(gate(**GAP), gap_run(None)).verdict == "not measured"
    assert judge(gate(**GAP), gap_run(0.1, None)).verdict == "inconclusive"
