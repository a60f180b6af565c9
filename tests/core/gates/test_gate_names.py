from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from countenance.core.gates import gate_id, gate_ids, judge_all, outcome_ids
from countenance.core.plan import GateSpec
from countenance.core.results import AuditResults, DataSummary, TargetSummary


def gate(measure: str = "performance/accuracy", **fields: Any) -> GateSpec:
    return GateSpec.model_validate({"measure": measure, **(fields if fields else {"at_least": 0.8})})


@pytest.mark.parametrize(
    ("spec", "name"),
    [
        (gate(), "performance/accuracy>=0.8"),
        (gate(at_most=0.05), "performance/accuracy<=0.05"),
        (gate(at_least="1/3"), "performance/accuracy>=0.3333333333333333"),
        (gate(at_least=0.8, id="main"), "main"),
        (gate("g/recall[label=happy]", where={"gender": "*"}, at_least=0.6), "g/recall[gender=*,label=happy]>=0.6"),
        (gate("pgd/accuracy@eps=8/255", at_least=0.1), "pgd/accuracy@eps=8/255>=0.1"),
        (gate("g/recall[a=b%2Cc]", at_least=0.6), "g/recall[a=b%2Cc]>=0.6"),
        (gate(at_least=-0.02, change="absolute"), "performance/accuracy>=-0.02;change=absolute"),
        (gate(at_most=0.1, across="difference", min_n=30), "performance/accuracy<=0.1;across=difference;min_n=30"),
        (
            gate(at_least=0.8, confidence=0.99, correction="none", require="all"),
            "performance/accuracy>=0.8;confidence=0.99;correction=none;require=all",
        ),
        (gate("no key", at_least=1), "no key>=1"),
    ],
)
def test_a_name_reads_as_what_the_gate_asks(spec: GateSpec, name: str) -> None:
    assert gate_id(spec) == name


def test_a_name_does_not_hang_on_what_does_not_decide() -> None:
    assert gate_id(gate(at_least=0.8, hazard="harm", group="women", review_by="2027-05-01")) == gate_id(gate())


def test_gates_of_one_name_are_numbered() -> None:
    same = [gate(), gate(at_least=0.8, hazard="harm"), gate(at_least=0.8, id="x"), gate(at_most=0.1, id="x")]
    assert gate_ids(same) == ["performance/accuracy>=0.8", "performance/accuracy>=0.8#2", "x", "x#2"]


@given(st.lists(st.sampled_from(["a", "a#2", "b", "a#3"]), max_size=8))
def test_names_of_a_list_are_all_different(ids: list[str]) -> None:
    found = gate_ids([gate(at_least=0.8, id=name) for name in ids])
    assert len(set(found)) == len(ids)
    assert all(new.startswith(old) for new, old in zip(found, ids, strict=True))
    assert found == gate_ids([gate(at_least=0.8, id=name) for name in ids])


def test_a_judged_gate_keeps_its_name() -> None:
    gates = [gate(), gate(), gate("g/recall", where={"gender": "*"}, at_least="1/3"), gate(at_most=1, id="y")]
    results = AuditResults(
        name="x", tool={}, started="", seconds=0, target=TargetSummary(name="t", task="expression"),
        data=DataSummary(faces=1), plan={},
    )  # fmt: skip
    assert outcome_ids(judge_all(gates, results)) == gate_ids(gates)
