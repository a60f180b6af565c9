"""What the tests of gates may ask for: results made of counts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
from scipy.stats import norm

from countenance.core.plan import GateSpec
from countenance.core.results import (
    AuditResults,
    DataSummary,
    Direction,
    Estimate,
    Measurement,
    ProbeResult,
    TargetSummary,
)
from countenance.core.statistics.intervals import wilson

Z = float(norm.ppf(0.975))


def _rate(count: float, n: int) -> Estimate:
    low, high = wilson(np.array(count / n), np.array(float(n)), Z)
    return Estimate(value=count / n, low=float(low), high=float(high), level=0.95, method="wilson", n=n, count=count)


def _results(
    counts: Mapping[str, tuple[float, int] | Estimate],
    *,
    direction: Direction = "higher",
    sha256: str = "one",
    task: str = "expression",
    classes: tuple[str, ...] = ("happy", "sad"),
    probe: str = "p",
    name: str = "now",
    plan: dict[str, Any] | None = None,
) -> AuditResults:
    measured = []
    for group, told in counts.items():
        estimate = told if isinstance(told, Estimate) else _rate(*told)
        place = {"group": group} if group else {}
        measured.append(Measurement.of("p", "rate", estimate, slice=place, direction=direction))
    return AuditResults(
        name=name, tool={}, started="2026-11-20T10:00:00Z", seconds=0,
        target=TargetSummary(name="t", task=task, classes=list(classes)),
        data=DataSummary(faces=1, sha256=sha256), plan=plan or {},
        probes=[ProbeResult(id="p", probe=probe, version=1, status="ok", measurements=measured)],
    )  # fmt: skip


@pytest.fixture(scope="session")
def results_of() -> Callable[..., AuditResults]:
    """Results of ``p/rate[group=NAME]`` from (count, n) or an estimate; of ``p/rate`` for an empty name."""
    return _results


@pytest.fixture(scope="session")
def gate_of() -> Callable[..., GateSpec]:
    """A gate on ``p/rate``; on every group with ``every=True``."""

    def make(*, every: bool = False, **fields: Any) -> GateSpec:
        where = {"where": {"group": "*"}} if every else {}
        return GateSpec.model_validate({"measure": "p/rate", **where, **fields})

    return make
