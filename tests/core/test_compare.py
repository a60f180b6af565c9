from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from countenance.core.compare import Comparison, compare
from countenance.core.errors import ResultsError, UsageError
from countenance.core.results import (
    AuditResults,
    DataSummary,
    Direction,
    Estimate,
    Measurement,
    ProbeResult,
    TargetSummary,
)
from countenance.core.results_file import write_results

Interval = tuple[float, float, float] | tuple[float] | None


def run(name: str = "a", direction: Direction = "higher", sha256: str = "d", **measured: Interval) -> AuditResults:
    made = []
    for metric, interval in measured.items():
        if interval is None:
            estimate = Estimate.not_measured("too few people")
        elif len(interval) == 1:
            estimate = Estimate(value=interval[0])
        else:
            estimate = Estimate(low=interval[0], value=interval[1], high=interval[2])
        made.append(Measurement.of("p", metric, estimate, direction=direction))
    return AuditResults(
        name=name,
        tool={"countenance": "0.1.0"},
        started="",
        seconds=0,
        target=TargetSummary(name="t", task="expression"),
        data=DataSummary(faces=1, sha256=sha256),
        plan={},
        probes=[ProbeResult(id="p", probe="p", version=1, status="ok", measurements=made)],
    )


def only(comparison: Comparison) -> Any:
    (row,) = comparison.rows
    return row


@pytest.mark.parametrize(
    ("first", "last", "verdict", "change"),
    [
        ((0.1, 0.2, 0.3), (0.31, 0.4, 0.5), "apart", 0.2),
        ((0.1, 0.2, 0.3), (0.2, 0.3, 0.4), "overlapping", 0.1),
        ((0.1, 0.2, 0.3), (0.3, 0.4, 0.5), "apart", 0.2),
        ((0.31, 0.4, 0.5), (0.1, 0.2, 0.3), "apart", -0.2),
        ((0.1, 0.2, 0.3), (0.1, 0.2, 0.3), "overlapping", 0.0),
        ((0.2,), (0.1, 0.3, 0.4), "no interval", 0.1),
        ((0.2,), (0.5,), "no interval", 0.3),
        ((0.1, 0.2, 0.3), None, "not measured", None),
        (None, None, "not measured", None),
    ],
)
def test_two_estimates(first: Interval, last: Interval, verdict: str, change: float | None) -> None:
    row = only(compare(run(m=first), run(m=last)))
    assert row.verdict == verdict
    assert row.change == (None if change is None else pytest.approx(change))


@pytest.mark.parametrize(
    ("direction", "rises", "worse"),
    [
        ("higher", False, True),
        ("higher", True, False),
        ("lower", True, True),
        ("lower", False, False),
        ("none", True, False),
    ],
)
def test_worse_follows_the_direction(direction: Direction, rises: bool, worse: bool) -> None:
    low, high = (0.1, 0.2, 0.3), (0.6, 0.7, 0.8)
    pair = (low, high) if rises else (high, low)
    row = only(compare(run(direction=direction, m=pair[0]), run(direction=direction, m=pair[1])))
    assert row.worse is worse


def test_every_run_is_held_against_the_first() -> None:
    runs = [run(m=(0.5, 0.6, 0.7)), run(m=(0.1, 0.2, 0.3)), run(m=(0.45, 0.55, 0.65)), run(m=(0.85, 0.9, 0.95))]
    row = only(compare(*runs))
    assert [change.verdict for change in row.changes] == ["apart", "overlapping", "apart"]
    assert [change.worse for change in row.changes] == [True, False, False]
    assert (row.verdict, row.worse, row.leading.value) == ("apart", True, pytest.approx(-0.4))


def test_measurements_of_one_run_only() -> None:
    comparison = compare(run(a=(0.1, 0.2, 0.3), b=(0.1, 0.2, 0.3)), run(b=(0.1, 0.2, 0.3), c=(0.1, 0.2, 0.3)))
    verdicts = {row.key: row.verdict for row in comparison.rows}
    assert verdicts == {"p/a": "removed", "p/b": "overlapping", "p/c": "added"}
    assert {row.key: row.change for row in comparison.rows} == {"p/a": None, "p/b": 0.0, "p/c": None}


def test_regressions_come_first_then_what_is_apart() -> None:
    first = run(same=(0.1, 0.2, 0.3), better=(0.1, 0.2, 0.3), worse=(0.7, 0.8, 0.9))
    last = run(same=(0.1, 0.2, 0.3), better=(0.7, 0.8, 0.9), worse=(0.1, 0.2, 0.3))
    assert [row.key for row in compare(first, last).rows] == ["p/worse", "p/better", "p/same"]


def test_runs_of_one_name_are_told_apart() -> None:
    assert compare(run("a"), run("a"), run("b"), run("a")).names == ["a", "a (2)", "b", "a (3)"]
    assert compare(run("a (2)"), run("a"), run("a")).names == ["a (2)", "a", "a (3)"]


def test_notes_say_what_limits_the_comparison() -> None:
    same = compare(run(), run())
    assert same.same_data
    assert "same faces" in same.notes[0]
    more = run(sha256="e")
    more = more.model_copy(update={"data": more.data.model_copy(update={"faces": 2})})
    other = compare(run(), more)
    assert not other.same_data
    assert "different data" in other.notes[0]
    alike = compare(run(), run(sha256="e"))
    assert not alike.same_data
    assert alike.notes[0].startswith("The audited data differ (faces, labels, attributes or landmarks")
    assert "as many faces of each label" in alike.notes[0]
    unknown = compare(run(sha256=""), run(sha256=""))
    assert not unknown.same_data
    assert "not known" in unknown.notes[0]
    newer = run().model_copy(update={"tool": {"countenance": "9"}})
    forgery = run().model_copy(update={"target": TargetSummary(name="t", task="forgery")})
    notes = " ".join(compare(run(), newer, forgery).notes)
    assert "different versions" in notes
    assert "different tasks" in notes


def with_probe(**changes: Any) -> AuditResults:
    made = run(m=(0.1, 0.2, 0.3))
    return made.model_copy(update={"probes": [made.probes[0].model_copy(update=changes)]})


@pytest.mark.parametrize(
    ("first", "last", "told"),
    [
        ({}, {"version": 2}, "the version of the probe differs (1, 2)"),
        ({"probe": "a"}, {"probe": "b"}, "it is another probe (a, b)"),
        ({"params": {"x": 1, "y": 2}}, {"params": {"x": 1, "y": 3}}, "the parameters differ (y)"),
        ({"params": {"x": None}}, {"params": {}}, "the parameters differ (x)"),
        (
            {"params": {"x": 1}},
            {"params": {"x": 2}, "version": 3},
            "the version of the probe differs (1, 3) and the parameters differ (x)",
        ),
    ],
)
def test_a_probe_that_changed_between_runs_is_told(first: dict[str, Any], last: dict[str, Any], told: str) -> None:
    notes = compare(with_probe(**first), with_probe(**last)).notes
    told = f"p did not measure the same in every run: {told}."
    assert told in notes
    assert not [
        note for note in compare(with_probe(**first), with_probe(**first)).notes if "did not measure the same" in note
    ]


def test_a_probe_of_one_run_only_needs_no_note() -> None:
    assert not any("did not measure" in note for note in compare(with_probe(), with_probe(id="q", version=2)).notes)


def test_a_frame_with_every_runs_interval() -> None:
    frame = compare(run("a", m=(0.1, 0.2, 0.3), x=(0.5,)), run("b", m=(0.4, 0.5, 0.6))).to_frame().set_index("key")
    assert frame.loc["p/m", ["a", "a low", "b high"]].tolist() == [0.2, 0.1, 0.6]
    assert frame.loc["p/x", "verdict"] == "removed"
    assert pd.isna(frame.loc["p/x", "b"])


def test_run_folders_are_loaded(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    path = write_results(run(m=(0.1, 0.2, 0.3)), tmp_path / "one")
    assert only(compare(tmp_path / "one", str(path))).verdict == "overlapping"
    with pytest.raises(ResultsError, match="no such file"):
        compare(tmp_path / "one", tmp_path / "two")


def test_one_run_is_nothing_to_compare() -> None:
    with pytest.raises(UsageError, match="two or more runs to compare, but got 1"):
        compare(run())
