from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from countenance.core.errors import ResultsError
from countenance.core.gates import judge_all
from countenance.core.gates.suggest import gates_from
from countenance.core.plan_file import load_gates
from countenance.core.results import (
    AttributeSummary,
    AuditResults,
    DataSummary,
    Estimate,
    GroupCount,
    Measurement,
    ProbeResult,
    TargetSummary,
)


def rate(value: float, half: float = 0.05, n: int = 200, **more: Any) -> Estimate:
    return Estimate(value=value, low=max(0.0, value - half), high=min(1.0, value + half), level=0.95, n=n, **more)


def probe(name: str, pillar: str, *measured: Measurement, status: str = "ok") -> ProbeResult:
    reason = None if status == "ok" else "for the test"
    return ProbeResult.model_validate(
        {"id": name, "probe": name, "version": 1, "status": status, "reason": reason, "pillar": pillar}
    ).model_copy(update={"measurements": list(measured)})


def made(*probes: ProbeResult, name: str = "a run") -> AuditResults:
    gender = AttributeSummary(assigned_by="annotator", groups={"f": GroupCount(faces=1, subjects=1)})
    return AuditResults(
        name=name, tool={}, started="2026-11-20T10:00:00Z", seconds=0,
        target=TargetSummary(name="t", task="expression"),
        data=DataSummary(faces=204, attributes={"gender": gender}), plan={}, probes=list(probes),
    )  # fmt: skip


def of(probe_id: str, metric: str, estimate: Estimate, direction: Any = "higher", **slice_of: str) -> Measurement:
    return Measurement.of(probe_id, metric, estimate, slice=slice_of, direction=direction)


def gap(high: float, left_out: int = 0) -> Estimate:
    return rate(0.05, bound_low=0.01, bound_high=high, groups=2, groups_left_out=left_out)


PERFORMANCE = probe(
    "performance",
    "performance",
    of("performance", "accuracy", rate(0.8337)),
    of("performance", "recall", rate(0.7), label="happy"),
    of("performance", "recall", rate(0.65), label="sad"),
    of("performance", "recall", Estimate.not_measured("no face"), label="angry"),
    of("performance", "precision", rate(0.6), label="sad"),
    of("performance", "ece", rate(0.0412, 0.02), "lower"),
    of("performance", "ece.null", rate(0.01, 0.0), "none"),
    of("performance", "selection_rate", rate(0.3), "none"),
)
GROUPS = probe(
    "group_metrics",
    "fairness",
    of("group_metrics", "accuracy", rate(0.9), gender="f"),
    of("group_metrics", "accuracy", rate(0.8), gender="m"),
    of("group_metrics", "brier", rate(0.2), "lower", gender="m"),
    of("group_metrics", "accuracy.worst_vs_rest", gap(0.0871), "lower", attribute="gender"),
)
CORRUPTED = [
    Measurement.of("corruptions", "accuracy", rate(value), condition={"corruption": name}, direction="higher")
    for name, value in (("fog", 0.5), ("noise", 0.4))
]
SEVERE = Measurement.of(
    "corruptions", "accuracy", rate(0.1), condition={"corruption": "fog", "severity": "5"}, direction="higher"
)
MASKS = probe("global_heatmaps", "explanation", of("global_heatmaps", "iou", rate(0.4)))


def asked(text: str) -> dict[str, float]:
    content = yaml.safe_load(text)
    return {
        f"{gate['measure']} {gate.get('where', '')}".strip(): gate.get("at_least", gate.get("at_most"))
        for gate in content["gates"]
    }


def test_what_a_decision_hangs_on_is_asked_for_at_what_the_run_showed() -> None:
    corruptions = probe("corruptions", "robustness", *CORRUPTED, SEVERE)
    text = gates_from(made(PERFORMANCE, GROUPS, corruptions, MASKS), "../runs/main")
    assert asked(text) == {
        "performance/accuracy": 0.78,
        "performance/recall {'label': '*'}": 0.6,
        "performance/ece": 0.062,
        "group_metrics/accuracy {'gender': '*'}": 0.75,
        "group_metrics/accuracy.worst_vs_rest {'attribute': '*'}": 0.088,
        "corruptions/accuracy {'corruption': '*'}": 0.35,
    }
    assert "# performance/accuracy is 0.834 [0.784, 0.884], n = 200" in text
    assert "# of 2 measured the worst: group_metrics/accuracy[gender=m] is 0.800" in text
    assert text.count("hazard:     # what harm does this gate guard against?") == 6
    assert "# baseline: ../runs/main" in text
    assert "# - {measure: performance/accuracy, change: absolute, at_least: -0.02}" in text


def test_the_run_passes_the_gates_that_are_read_back(tmp_path: Path) -> None:
    random = np.random.default_rng(2)
    file = tmp_path / "gates.yaml"
    for _ in range(10):
        performance = [
            of("performance", f"m{i}", rate(float(random.random()), float(random.random() / 5)), direction)
            for i, direction in enumerate(["higher", "lower"] * 4)
        ]
        results = made(probe("performance", "performance", *performance))
        file.write_text(gates_from(results))
        gates = load_gates(file)
        assert len(gates) > 2
        assert {outcome.verdict for outcome in judge_all(gates, results)} == {"pass"}


def test_a_gate_the_run_would_not_pass_is_a_comment_that_says_why(tmp_path: Path) -> None:
    groups = probe(
        "group_metrics",
        "fairness",
        of("group_metrics", "accuracy", rate(0.9), gender="f"),
        of("group_metrics", "accuracy.worst_vs_rest", gap(0.03, left_out=2), "lower", attribute="gender"),
    )
    text = gates_from(made(groups))
    assert list(asked(text)) == ["group_metrics/accuracy {'gender': '*'}"]
    assert "# No gate this run would pass: inconclusive: group_metrics/accuracy.worst_vs_rest" in text
    assert "  # - measure: group_metrics/accuracy.worst_vs_rest\n  #   where: {attribute: '*'}" in text


def test_a_limit_that_says_nothing_is_left_out() -> None:
    nothing = of("performance", "recall", rate(0.02), label="sad")
    text = gates_from(made(probe("performance", "performance", of("performance", "accuracy", rate(0.9)), nothing)))
    assert list(asked(text)) == ["performance/accuracy"]


def test_a_run_without_anything_to_ask_for_says_so() -> None:
    empty = probe("performance", "performance", of("performance", "accuracy", Estimate.not_measured("no labels")))
    for probes in ([empty], [MASKS], [probe("performance", "performance", status="failed")]):
        with pytest.raises(ResultsError, match="no measurement over all faces or by group"):
            gates_from(made(*probes))


@pytest.mark.parametrize("text", ["x\ngates: []", "x\x85y", "a: b # c", "\x1b[31mred", "x\u2028- y", "'\"%*&!"])
def test_text_of_the_run_cannot_break_the_file(text: str, tmp_path: Path) -> None:
    groups = probe(
        "group_metrics",
        "fairness",
        *(Measurement.of("group_metrics", "accuracy", rate(0.9), slice={"gender": text}, direction="higher"),),
    )
    file = tmp_path / "gates.yaml"
    file.write_text(gates_from(made(PERFORMANCE, groups, name=text), baseline=f"../{text}"), encoding="utf-8")
    assert len(load_gates(file)) == 4
