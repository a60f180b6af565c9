from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from pydantic import ValidationError

from countenance.core import results_file as module
from countenance.core.errors import ResultsError
from countenance.core.results import (
    Artifact,
    AttributeSummary,
    AuditResults,
    DataSummary,
    Estimate,
    Finding,
    GateOutcome,
    GroupCount,
    Measurement,
    ProbeResult,
    Quarantined,
    TargetSummary,
)
from countenance.core.results_file import changed_artifacts, load_results, write_results

BAD = (math.nan, math.inf, -math.inf)


def measure(metric: str, value: float | None, probe: str = "group_metrics", **slice: str) -> Measurement:
    if value is None:
        estimate = Estimate.not_measured("3 people; 10 are needed", n=3, subjects=3)
    else:
        estimate = Estimate(value=value, low=value - 0.1, high=value + 0.1, level=0.95, method="wilson", n=20)
    return Measurement.of(probe, metric, estimate, slice=slice, direction="higher")


def probe(*measurements: Measurement, id: str = "group_metrics", **more: Any) -> ProbeResult:
    return ProbeResult(id=id, probe=id, version=1, status="ok", measurements=list(measurements), **more)


def results(*probes: ProbeResult, **more: Any) -> AuditResults:
    attributes = {
        name: AttributeSummary(assigned_by="annotator", groups={"f": GroupCount(faces=2, subjects=1)})
        for name in ("gender", "light")
    }
    return AuditResults(
        name=more.pop("name", "tiny"),
        tool={"countenance": "0.1.0"},
        started="2026-01-01T00:00:00Z",
        seconds=1.5,
        target=TargetSummary(name="net", task="expression"),
        data=DataSummary(faces=4, attributes=attributes),
        plan={"name": "tiny"},
        probes=list(probes),
        **more,
    )


# Estimates -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["value", "low", "high", "n_effective", "count"])
@pytest.mark.parametrize("bad", BAD)
def test_an_estimate_holds_finite_numbers(name: str, bad: float) -> None:
    with pytest.raises(ValidationError, match="finite"):
        Estimate.model_validate({"value": 0.5, name: bad})


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"value": None}, "needs a reason"),
        ({"value": None, "reason": ""}, "needs a reason"),
        ({"value": None, "reason": "x", "low": 0.1}, "no interval"),
        ({"value": 0.5, "low": 0.6, "high": 0.4}, "reversed"),
        ({"value": 0.5, "hihg": 0.6}, "not permitted"),
    ],
)
def test_an_estimate_that_cannot_be(fields: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        Estimate.model_validate(fields)


def test_an_estimate_in_words() -> None:
    assert str(Estimate(value=0.5)) == "0.500"
    assert str(Estimate(value=0.5, low=0.25, high=0.75, n=1200)) == "0.500 [0.250, 0.750], n = 1,200"
    assert str(Estimate.not_measured("1 person; 10 are needed")) == "not measured: 1 person; 10 are needed"


def test_a_null_stands_with_its_reason_when_written() -> None:
    written = Estimate.not_measured("why", n=3).model_dump(mode="json")
    assert written == {"value": None, "n": 3, "reason": "why"}


def test_records_are_frozen() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Estimate(value=0.5).value = 1  # type: ignore[misc]


def test_a_finding_has_a_probability_that_is_one() -> None:
    with pytest.raises(ValidationError):
        Finding(id="a", severity="high", claim="x", p_adjusted=1.5)
    with pytest.raises(ValidationError):
        Finding(id="a", severity="dreadful", claim="x")  # type: ignore[arg-type]


@pytest.mark.parametrize("status", ["skipped", "failed"])
def test_a_probe_that_did_not_run_says_why(status: Any) -> None:
    with pytest.raises(ValidationError, match="needs a reason"):
        ProbeResult(id="a", probe="a", version=1, status=status)


@pytest.mark.parametrize(
    "path", ["/etc/passwd", "../x", "tables/../../x", "C:\\x", "a\\b", "", "a//b", "./a", "tables/", "a\0b"]
)
def test_an_artifact_lies_in_the_run_folder(path: str) -> None:
    with pytest.raises(ValidationError, match="inside the run folder"):
        Artifact(path=path, sha256="")
    assert Artifact(path="tables/performance.confusion.csv", sha256="").path


# The whole -----------------------------------------------------------------------------------------------------------


def test_a_key_stands_once_in_a_run() -> None:
    with pytest.raises(ValidationError, match=r"the key group_metrics/recall\[gender=f\] stands twice"):
        results(probe(measure("recall", 0.5, gender="f"), measure("recall", 0.6, gender="f")))


def test_measurements_are_found_by_key_with_the_nearest_for_a_wrong_one() -> None:
    run = results(probe(measure("accuracy", 0.5), measure("recall", None, gender="f")))
    assert run["group_metrics/accuracy"].estimate.value == 0.5
    assert run.get("group_metrics/nothing") is None
    with pytest.raises(KeyError, match="did you mean 'group_metrics/accuracy'"):
        run["group_metrics/acuracy"]
    assert run.probe("nothing") is None


def test_findings_come_the_most_severe_first() -> None:
    def found(severity: Any) -> Finding:
        return Finding(id=severity, severity=severity, claim=severity)

    run = results(
        probe(id="a", findings=[found("note"), found("high")]), probe(id="b", findings=[found("medium"), found("low")])
    )
    assert [finding.severity for finding in run.findings()] == ["high", "medium", "low", "note"]


def test_the_frame_has_a_row_for_each_measurement() -> None:
    frame = results(probe(measure("accuracy", 0.5), measure("recall", None, gender="f"))).to_frame()
    assert frame["key"].tolist() == ["group_metrics/accuracy", "group_metrics/recall[gender=f]"]
    assert frame["value"].tolist()[0] == 0.5
    assert pd.isna(frame["value"][1])
    assert frame["reason"][1] == "3 people; 10 are needed"
    assert frame["slice"][1] == {"gender": "f"}


def test_the_metric_frame_is_groups_by_metrics() -> None:
    made = [
        measure("accuracy", 0.5),
        measure("accuracy", 0.4, gender="f"),
        measure("accuracy", 0.6, gender="m"),
        measure("recall", 0.3, gender="f", label="happy"),
        measure("recall", None, gender="m", label="happy"),
        measure("accuracy", 0.2, gender="f", light="dim"),
        measure("recall", 0.9, label="happy"),
    ]
    run = results(probe(*made))
    frame = run.metric_frame()
    assert frame.index.names == ["attribute", "group"]
    assert frame.loc[("gender", "f"), "accuracy"] == 0.4
    assert frame.loc[("gender", "f"), "recall[happy]"] == 0.3
    assert pd.isna(frame.loc[("gender", "m"), "recall[happy]"])
    assert frame.loc[("gender&light", "f & dim"), "accuracy"] == 0.2
    assert len(frame) == 3
    assert len(run.metric_frame(attribute="gender")) == 2
    assert len(run.metric_frame(attribute="light&gender")) == 1
    with pytest.raises(ResultsError, match="no measurement by group of 'age'"):
        run.metric_frame(attribute="age")
    with pytest.raises(ResultsError, match="'performance' has no measurement by group"):
        run.metric_frame("performance")


def test_a_notebook_shows_escaped_text() -> None:
    hostile = "<script>alert('x')</script>"
    run = results(
        probe(measure(hostile, 0.5), findings=[Finding(id="a", severity="high", claim=hostile)]),
        name=hostile,
        gates=[GateOutcome(gate={}, verdict="fail", why=hostile)],
    )
    page = run._repr_html_()
    assert "<script>" not in page
    assert page.count("&lt;script&gt;") == 4
    assert "0.500 [0.400, 0.600], n = 20" in page


# The file ------------------------------------------------------------------------------------------------------------


def full() -> AuditResults:
    return results(
        probe(measure("accuracy", 0.5), measure("recall", None, gender="f"), notes=["é"], params={"eps": ["8/255"]}),
        ProbeResult(id="x", probe="x", version=2, status="skipped", reason="no gradients"),
        gates=[GateOutcome(gate={"measure": "a/b"}, verdict="pass", why="so")],
    )


def test_what_is_written_is_read_back_equal(tmp_path: Path) -> None:
    run = full()
    path = write_results(run, tmp_path)
    assert load_results(tmp_path) == load_results(path) == load_results(str(path)) == run
    assert run.to_json() == load_results(path).to_json()
    assert "é" in path.read_text(encoding="utf-8")


def test_a_file_too_large_for_a_report_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SIZE_LIMIT", 100)
    with pytest.raises(ResultsError, match=r"expected at most 100: audit fewer intersections or labels"):
        write_results(full(), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ResultsError, match=r"expected results at .*results\.json, but there is no such file"):
        load_results(tmp_path)
    with pytest.raises(ResultsError, match="no such file"):
        load_results(tmp_path / "elsewhere")


@pytest.mark.parametrize("content", ["", "{", "[" * 100_000, "1" * 5000, "\x00", full().to_json()[:-30], b"\xff\xfe"])
def test_a_file_cut_short_or_no_json(tmp_path: Path, content: str | bytes) -> None:
    (tmp_path / "results.json").write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(ResultsError, match="cannot be read as results"):
        load_results(tmp_path)


@pytest.mark.parametrize("version", [0, "1", None, True, 1.0, -1])
def test_another_schema_says_what_to_do(tmp_path: Path, version: object) -> None:
    content = json.loads(full().to_json()) | {"schema_version": version}
    (tmp_path / "results.json").write_text(json.dumps(content))
    with pytest.raises(ResultsError, match=r"results schema .*reads 1: read it with the version that wrote it"):
        load_results(tmp_path)


def test_a_newer_schema_says_who_wrote_it_and_what_to_update(tmp_path: Path) -> None:
    content = json.loads(full().to_json()) | {"schema_version": 2, "tool": {"countenance": "9.1.0"}}
    (tmp_path / "results.json").write_text(json.dumps(content))
    with pytest.raises(ResultsError, match=r"written by countenance 9\.1\.0, .*the file is newer; update countenance"):
        load_results(tmp_path)


@pytest.mark.parametrize("content", ["[]", "1", '"x"', "null", "{}"])
def test_json_that_is_no_results(tmp_path: Path, content: str) -> None:
    (tmp_path / "results.json").write_text(content)
    with pytest.raises(ResultsError, match="holds no results: expected a record with schema_version"):
        load_results(tmp_path)


def test_a_file_cut_short_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "results.json").write_text(full().to_json()[:-30])
    with pytest.raises(ResultsError, match=r"cut short .*: copy it whole .*--resume"):
        load_results(tmp_path)


def test_a_record_that_does_not_fit_is_told_with_its_place(tmp_path: Path) -> None:
    content = json.loads(full().to_json())
    content["probes"][0]["measurements"][0]["estimate"]["value"] = None
    content["extra"] = 1
    (tmp_path / "results.json").write_text(json.dumps(content))
    with pytest.raises(ResultsError, match=r"probes\.0\.measurements\.0\.estimate: .*needs a reason; extra: "):
        load_results(tmp_path)
    many = json.loads(full().to_json()) | {f"x{n}": 1 for n in range(9)}
    (tmp_path / "results.json").write_text(json.dumps(many))
    with pytest.raises(ResultsError, match=r"; and more$"):
        load_results(tmp_path)


def test_nan_in_the_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "results.json").write_text(full().to_json().replace("0.5,", "NaN,", 1))
    with pytest.raises(ResultsError, match="finite"):
        load_results(tmp_path)


def test_changed_and_lost_artifacts_are_listed(tmp_path: Path) -> None:
    (tmp_path / "tables").mkdir()
    for name in "abc":
        (tmp_path / "tables" / f"{name}.csv").write_text(name)
    listed = [
        Artifact(path=f"tables/{n}.csv", sha256=module.sha256_of_file(tmp_path / f"tables/{n}.csv")) for n in "abc"
    ]
    run = results(probe(artifacts=listed))
    assert changed_artifacts(run, tmp_path) == []
    (tmp_path / "tables" / "a.csv").write_text("b")
    (tmp_path / "tables" / "c.csv").unlink()
    assert changed_artifacts(run, tmp_path) == ["tables/a.csv", "tables/c.csv"]
    assert run.probes[0].artifact("a.csv") == listed[0]
    assert run.probes[0].artifact("z.csv") is None


def test_what_was_set_aside_is_counted_by_row() -> None:
    data = DataSummary(faces=1, quarantined=[Quarantined(row=3, face_id="a", reason="the file is empty")])
    assert data.model_dump(mode="json")["quarantined"] == [{"row": 3, "face_id": "a", "reason": "the file is empty"}]
