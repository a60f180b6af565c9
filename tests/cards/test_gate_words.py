"""Gates in words: what is measured between whom, whatever the data calls its groups, and keys nobody knows."""

from __future__ import annotations

import pytest

from countenance.cards.gate_words import gate_title, in_words, key_in_words
from countenance.cards.unfinished import gate_reason
from countenance.core.results import (
    AuditResults,
    DataSummary,
    Estimate,
    GateOutcome,
    Measurement,
    ProbeResult,
    TargetSummary,
)

KEY = "by_group/recall.worst_vs_rest[attribute=age&gender,label=happy]"


def results(*ids: str) -> AuditResults:
    gap = Measurement(
        key=KEY, metric="recall.worst_vs_rest", slice={"attribute": "age&gender", "label": "happy"},
        estimate=Estimate(value=0.2, n=100, about="30 to 45, male"),
    )  # fmt: skip
    probes = [
        ProbeResult(id=name, probe="group_metrics", version=1, status="ok", title="Metrics by group", measurements=own)
        for name, own in zip(ids, ([gap], []), strict=False)
    ]
    return AuditResults(
        name="x", tool={}, plan={}, started="2026-01-01T00:00:00Z", seconds=1.0, probes=probes,
        target=TargetSummary(name="x", task="expression"), data=DataSummary(faces=100),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("key", "where", "told"),
    [
        (KEY, {}, "recall of happy, worst group against all others by age × gender"),
        ("by_group/accuracy.gap", {"attribute": "*"}, "accuracy, largest gap by every attribute"),
        ("by_group/recall", {"gender": "*", "label": "*"}, "recall of every class (gender = every value)"),
        ("by_group/recall[gender=female,label=happy]", {}, "recall of happy (gender = female)"),
        ("elsewhere/recall", {"gender": "f"}, "elsewhere/recall (gender = f)"),
        ("no key", {}, "no key"),
    ],
)
def test_a_key_is_written_in_words(key, where, told):
    assert key_in_words(key, results("by_group"), where) == told


def test_two_uses_of_a_probe_are_told_apart():
    told = key_in_words("b/recall[label=sad]", results("a", "b"))
    assert told == "recall of sad (Metrics by group (b))"


def test_a_gate_is_named_by_what_it_measures_and_its_limit():
    gate = GateOutcome(
        gate={"measure": "by_group/recall.gap", "where": {"attribute": "gender", "label": "sad"}, "at_most": 0.05},
        verdict="pass", why="",
    )  # fmt: skip
    assert gate_title(gate, results("by_group")) == "recall of sad, largest gap by gender: at most 0.05"
    bare = GateOutcome(gate={"measure": "p/m", "where": None, "at_least": None}, verdict="pass", why="")
    assert gate_title(bare, results("by_group")) == "p/m"


def test_a_reason_says_which_group_it_is_about():
    gate = GateOutcome(gate={}, verdict="fail", why=f"{KEY} is 0.200", evidence=[KEY])
    told = "recall of happy, worst group (30 to 45, male) against all others by age × gender is 0.200"
    assert in_words(gate.why, gate, results("by_group")) == told
    assert gate_reason(gate, results("by_group")) == told
