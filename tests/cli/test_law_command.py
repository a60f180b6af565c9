"""``countenance law``: what it lists, what it tells of one row, and what a run holds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from countenance.cards.law import provisions
from countenance.core.results import AuditResults, DataSummary, TargetSummary


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run folder whose plan states a use at work."""
    results = AuditResults(
        name="x",
        tool={},
        started="2026-11-20T10:00:00Z",
        seconds=0,
        target=TargetSummary(name="t", task="expression", classes=["happy", "sad"]),
        data=DataSummary(faces=1),
        plan={"deployment": {"context": ["workplace"]}},
    )
    (tmp_path / "results.json").write_text(json.dumps(results.model_dump(mode="json")))
    return tmp_path


def told(done: Any) -> str:
    return " ".join(done.out.split())


def test_every_row_is_listed(command: Any) -> None:
    done = command("law")
    assert done.code == 0
    for row in provisions():
        assert row.id in done.out
    assert "not legal advice" in done.out


def test_one_row_is_told_with_its_date_and_that_nobody_verified_it(command: Any) -> None:
    done = command("law", "aia-15-5")
    assert done.code == 0
    for text in ("AIA-15-5: EU AI Act, Article 15(5)", "adversarial", "as of 2026-11-20, not verified by a person"):
        assert text in told(done)
    assert "A text to start from" not in done.out


def test_the_duty_to_tell_people_comes_with_a_text(command: Any) -> None:
    assert "[who operates it]" in told(command("law", "AIA-50-3"))


def test_a_run_says_what_it_holds(command: Any, run: Path) -> None:
    done = command("law", "AIA-5-1-f", "--run", str(run))
    assert done.code == 0
    assert "severity high" in told(done)
    every = command("law", "--run", str(run))
    assert "RMF-MEASURE-2.7" in every.out


def test_what_does_not_exist_is_a_fault_of_the_command(command: Any, tmp_path: Path) -> None:
    done = command("law", "AIA-5-1-ff")
    assert done.code == 2
    assert "did you mean 'AIA-5-1-f'" in told(done) + " ".join(done.err.split())
    assert command("law", "--run", str(tmp_path / "none")).code == 2
