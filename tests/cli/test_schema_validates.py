"""The schemas that editors use accept the files that are shipped and written, and refuse what the readers refuse."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from countenance.cards.statements import template
from countenance.cli.schema import KINDS, schema_of
from countenance.core.results import AuditResults, DataSummary, TargetSummary

jsonschema = pytest.importorskip("jsonschema", reason="jsonschema is not installed")
CARD = {
    "model_details": {"license": "mit", "developers": ["A", "B"]},
    "intended_use": {"deployment_context": "research"},
}


def faults(kind: str, content: Any) -> list[str]:
    checker = jsonschema.validators.validator_for(schema_of(kind), default=jsonschema.Draft202012Validator)
    return [fault.message for fault in checker(schema_of(kind)).iter_errors(content)]


@pytest.mark.parametrize("kind", KINDS)
def test_each_is_a_schema(kind: str) -> None:
    jsonschema.Draft202012Validator.check_schema(schema_of(kind))


def test_a_card_yaml(tmp_path: Path) -> None:
    assert faults("card", CARD) == []
    assert faults("card", yaml.safe_load(template())) == []
    assert faults("card", {"model_details": {"licence": "mit"}})
    assert faults("card", {"intended_use": {"deployment_context": "office"}})


def test_results() -> None:
    results = AuditResults(
        name="x",
        tool={},
        started="2026-11-20T10:00:00Z",
        seconds=1.0,
        target=TargetSummary(name="net", task="expression"),
        data=DataSummary(name="d", faces=1),
        plan={},
    )
    written = json.loads(results.to_json())
    assert faults("results", written) == []
    assert faults("results", written | {"extra": 1})
