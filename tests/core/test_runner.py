from __future__ import annotations

import dataclasses
import errno
import json
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from countenance.core.errors import AuditError, ManifestError, UsageError
from countenance.core.probes import (
    Advance,
    ArrayOutput,
    JsonOutput,
    Note,
    Output,
    ProbeContext,
    ProbeParams,
    Scores,
    TableOutput,
)
from countenance.core.results import AuditResults, Estimate, Measurement, ProbeResult
from countenance.core.results_file import load_results


class CountParams(ProbeParams):
    """A number to measure."""

    number: int = 3


class Told:
    """A reporter that keeps what it is told."""

    def __init__(self) -> None:
        self.messages: list[str] = []
        self.bars: list[tuple[str, str, int, int]] = []
        self.results: list[tuple[str, str]] = []

    def message(self, text: str) -> None:
        self.messages.append(text)

    @contextmanager
    def _bar(self, title: str, unit: str, total: int) -> Iterator[Advance]:
        done = [0]

        def advance(count: int = 1) -> None:
            done[0] += count

        yield advance
        self.bars.append((title, unit, total, done[0]))

    def progress(self, title: str, unit: str, total: int) -> AbstractContextManager[Advance]:
        return self._bar(title, unit, total)

    def finished(self, result: ProbeResult) -> None:
        self.results.append((result.id, result.status))


@pytest.fixture
def probes(add_probe: Callable[..., None]) -> dict[str, Any]:
    """Throw-away probes ``first``, ``second``, ``third``; ``calls`` lists which ran, ``during`` may break one."""
    state: dict[str, Any] = {"calls": [], "during": {}}

    def make(name: str) -> Any:
        def function(context: ProbeContext, params: CountParams) -> Iterator[Output]:
            state["calls"].append(name)
            rows = np.arange(len(context.faces))
            yield Scores("score", rows, np.full(len(rows), params.number / 10.0), bounds=(0, 1), direction="higher")
            yield context.measurement("number", Estimate(value=params.number))
            yield Note(f"a note of {name}")
            yield TableOutput("table", pd.DataFrame({"a": [params.number]}), "A table")
            yield context.finding("found", "note", "a claim", evidence=[f"{name}/number"])
            if name in state["during"]:
                state["during"][name]()
            yield ArrayOutput("array", {"x": np.arange(3)}, "An array")
            yield JsonOutput("document", {"a": 1}, "A document")

        return function

    for name in ("first", "second", "third"):
        add_probe(name, make(name), CountParams)
    return state


@pytest.fixture
def three(study: Any, probes: dict[str, Any]) -> Any:
    """A study with the three probes."""
    study.plan["probes"] = ["first", "second", "third"]
    return study


def raises(error: BaseException) -> Callable[[], None]:
    def throw() -> None:
        raise error

    return throw


def statuses(results: AuditResults) -> dict[str, str]:
    return {probe.id: probe.status for probe in results.probes}


def without_times(folder: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((folder / "results.json").read_text())
    for record in (content, *content["probes"]):
        record.pop("seconds")
    content.pop("started")
    return content


# A whole run ---------------------------------------------------------------------------------------------------------


def test_a_run_writes_everything_the_run_folder_promises(three: Any) -> None:
    told = Told()
    results = three.run("run", reporter=told)
    folder = three.folder / "run"
    assert load_results(folder) == results
    assert statuses(results) == {"first": "ok", "second": "ok", "third": "ok"}
    assert told.results == [("first", "ok"), ("second", "ok"), ("third", "ok")]
    assert told.bars == [("predictions", "faces", 24, 24)]
    assert sorted(item.name for item in folder.iterdir()) == [
        ".countenance-run",
        "NOTICE.txt",
        "artifacts",
        "log.txt",
        "plan.yaml",
        "predictions.parquet",
        "results.json",
        "results.json.sha256",
        "scores.parquet",
        "tables",
    ]
    assert (folder / "plan.yaml").read_text() == three.plan_file.read_text()
    first = results.probes[0]
    assert [item.path for item in first.artifacts] == [
        "tables/first.table.csv",
        "artifacts/first.array.npz",
        "artifacts/first.document.json",
    ]
    assert first.notes == ["a note of first"]
    assert first.findings[0].id == "first.found"
    assert first.params == {"number": 3}
    assert results["first/score"].estimate.value == pytest.approx(0.3)
    assert results["first/score[gender=f]"].estimate.n == 12
    log = (folder / "log.txt").read_text()
    assert "24 faces predicted (run now), batch size 5, 0 unusable images" in log
    assert "first starts" in log


def test_predictions_and_scores_have_a_row_for_each_face(three: Any) -> None:
    three.run("run")
    predictions = pd.read_parquet(three.folder / "run" / "predictions.parquet")
    columns = ["face_id", "subject", "condition", "gender", "label", "p_dark", "p_bright"]
    assert list(predictions.columns) == columns
    assert predictions["face_id"].tolist() == three.table["path"].tolist()
    scores = pd.read_parquet(three.folder / "run" / "scores.parquet")
    assert list(scores.columns) == ["face_id", "probe_id", "score", "condition", "value", "weight"]
    assert scores["probe_id"].unique().tolist() == ["first", "second", "third"]
    assert len(scores) == 72


def test_the_same_plan_twice_gives_the_same_results_but_for_times(study: Any) -> None:
    attack = {"probe": "adversarial", "id": "pgd", "attack": "pgd", "steps": 2}
    study.plan["probes"] = ["performance", "group_metrics", attack]
    study.plan["run"]["batch_size"] = "auto"
    study.run("a")
    study.run("b")
    assert without_times(study.folder / "a") == without_times(study.folder / "b")
    for name in ("scores.parquet", "predictions.parquet"):
        pd.testing.assert_frame_equal(
            pd.read_parquet(study.folder / "a" / name), pd.read_parquet(study.folder / "b" / name)
        )
    chosen = json.loads((study.folder / "a" / "results.json").read_text())["plan"]["run"]["batch_size"]
    assert isinstance(chosen, int)


def test_the_resolved_plan_is_a_plan_again(study: Any) -> None:
    results = study.run("run")
    again = dict(results.plan)
    study.plan = again
    assert study.run()["performance/accuracy"] == results["performance/accuracy"]


def test_without_a_folder_nothing_is_written(three: Any) -> None:
    before = {item.name for item in three.folder.iterdir()}
    results = three.run()
    assert statuses(results) == {"first": "ok", "second": "ok", "third": "ok"}
    assert results.probes[0].artifacts == []
    assert {item.name for item in three.folder.iterdir()} == before | {"__pycache__"} - (
        set() if (three.folder / "__pycache__").exists() else {"__pycache__"}
    )


def test_what_the_probe_is_given(study: Any, add_probe: Any) -> None:
    seen: dict[str, Any] = {}

    def look(context: ProbeContext, params: ProbeParams) -> Iterator[Output]:
        seen.update(vars(context))
        seen["draws"] = [
            context.random("a", 1).random(),
            context.random("a", 1).random(),
            context.random("a", 2).random(),
        ]
        with context.progress("things", 5) as advance:
            advance(2)
            advance()
        yield Note("seen")

    add_probe("look", look)
    study.plan["probes"] = [{"probe": "look", "id": "x"}]
    told = Told()
    study.run(reporter=told)
    assert (seen["probe_id"], seen["seed"], seen["batch_size"], len(seen["faces"])) == ("x", 3, 5, 24)
    assert seen["rules"].min_subjects == 2
    assert seen["target"].gives == {"gradients", "layers"}
    assert len(seen["predictions"]) == 24
    assert seen["draws"][0] == seen["draws"][1] != seen["draws"][2]
    assert told.bars[1] == ("x", "things", 5, 3)


# Probes that do not run, or fail -------------------------------------------------------------------------------------


def test_a_failing_probe_is_recorded_and_the_others_go_on(three: Any, probes: dict[str, Any], log: list[str]) -> None:
    probes["during"]["second"] = raises(ZeroDivisionError("by nought"))
    results = three.run("run")
    assert statuses(results) == {"first": "ok", "second": "failed", "third": "ok"}
    second = results.probe("second")
    assert second is not None
    assert second.reason == "ZeroDivisionError: by nought"
    assert second.measurements == []
    assert any("Traceback" in line and "by nought" in line for line in log)
    assert "by nought" in (three.folder / "run" / "log.txt").read_text()
    scores = pd.read_parquet(three.folder / "run" / "scores.parquet")
    assert scores["probe_id"].unique().tolist() == ["first", "third"]


def test_why_a_probe_failed_names_no_picture_but_the_log_does(three: Any, probes: dict[str, Any]) -> None:
    probes["during"]["second"] = raises(FileNotFoundError(2, "No such file", "/data/ann/1.png"))
    second = three.run("run").probe("second")
    assert second.reason == "FileNotFoundError: [Errno 2] No such file: '…'"
    assert "/data/ann/1.png" not in (three.folder / "run" / "results.json").read_text()
    assert "/data/ann/1.png" in (three.folder / "run" / "log.txt").read_text()


def test_an_error_for_the_user_is_told_without_its_type(three: Any, probes: dict[str, Any]) -> None:
    probes["during"]["second"] = raises(AuditError("row 3 became unusable"))
    second = three.run().probe("second")
    assert (second.status, second.reason) == ("failed", "row 3 became unusable")


@pytest.mark.parametrize(
    ("needs", "tasks", "change", "reason"),
    [
        ({"landmarks"}, ["expression"], {}, "the faces have no landmarks (data.landmarks in the plan)"),
        ({"labels"}, ["expression"], {"data": {"label": None}}, "the faces have no labels"),
        (set(), ["forgery"], {}, "it measures forgery targets, this one's task is expression"),
        (
            {"labels", "landmarks"},
            ["expression"],
            {"data": {"label": None}},
            "the faces have no labels; the faces have",
        ),
    ],
)
def test_a_probe_that_cannot_run_is_skipped_with_the_reason(
    three: Any, add_probe: Any, needs: set[str], tasks: list[str], change: dict[str, Any], reason: str
) -> None:
    def never(context: ProbeContext, params: ProbeParams) -> Iterator[Output]:
        raise AssertionError
        yield Note("")

    add_probe("picky", never, needs=needs, tasks=tasks)
    results = three.run(plan=three.changed(probes=["picky", "first"], **change))
    assert statuses(results) == {"picky": "skipped", "first": "ok"}
    assert results.probes[0].reason.startswith(reason)


def test_a_probe_that_yields_what_it_may_not_fails_and_only_it(study: Any, add_probe: Any, probes: Any) -> None:
    def odd(context: ProbeContext, params: ProbeParams) -> Iterator[Any]:
        yield 3

    def wrong_rows(context: ProbeContext, params: ProbeParams) -> Iterator[Output]:
        yield Scores("s", np.array([99]), np.array([0.5]))

    def not_finite(context: ProbeContext, params: ProbeParams) -> Iterator[Output]:
        yield Scores("s", np.array([0]), np.array([np.nan]))

    def twice(context: ProbeContext, params: ProbeParams) -> Iterator[Output]:
        yield context.measurement("m", Estimate(value=1))
        yield context.measurement("m", Estimate(value=2))

    def another(context: ProbeContext, params: ProbeParams) -> Iterator[Output]:
        yield Measurement.of("first", "number", Estimate(value=1))

    faulty = {"odd": odd, "wrong_rows": wrong_rows, "not_finite": not_finite, "twice": twice, "another": another}
    for name, function in faulty.items():
        add_probe(name, function)
    study.plan["probes"] = [*faulty, "first"]
    results = study.run("run")
    assert statuses(results) == {**dict.fromkeys(faulty, "failed"), "first": "ok"}
    reasons = {probe.id: probe.reason or "" for probe in results.probes}
    assert "a probe may not yield int" in reasons["odd"]
    assert "finite" in reasons["not_finite"]
    assert "the key twice/m stands twice" in reasons["twice"]
    assert "another probe" in reasons["another"]


def test_what_a_probe_sets_it_sets_for_itself_only(three: Any, probes: dict[str, Any]) -> None:
    """The settings of the run are restored, also when a probe changes them and when it fails."""
    before = torch.get_num_threads()
    three.run()
    assert torch.get_num_threads() == before
    probes["during"]["first"] = lambda: torch.set_num_threads(3)
    probes["during"]["second"] = raises(KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        three.run()
    assert torch.get_num_threads() == before


# Breaking off and going on -------------------------------------------------------------------------------------------


def test_what_was_measured_is_kept_when_the_user_breaks_off(three: Any, probes: dict[str, Any]) -> None:
    probes["during"]["second"] = raises(KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        three.run("run")
    results = load_results(three.folder / "run")
    assert statuses(results) == {"first": "ok"}
    assert results["first/number"].estimate.value == 3
    assert (three.folder / "run" / "tables" / "first.table.csv").is_file()
    assert "stopped: KeyboardInterrupt" in (three.folder / "run" / "log.txt").read_text()


def test_resume_goes_on_without_running_finished_probes_again(three: Any, probes: dict[str, Any]) -> None:
    probes["during"]["second"] = raises(KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        three.run("run")
    del probes["during"]["second"]
    probes["calls"].clear()
    results = three.run("run", resume=True)
    assert probes["calls"] == ["second", "third"]
    assert statuses(results) == {"first": "ok", "second": "ok", "third": "ok"}
    three.run("whole")
    assert without_times(three.folder / "run") == without_times(three.folder / "whole")
    parts = [pd.read_parquet(three.folder / name / "scores.parquet") for name in ("run", "whole")]
    pd.testing.assert_frame_equal(*parts)


def test_breaking_off_before_the_first_probe_loses_nothing_and_needs_no_word(
    three: Any, probes: dict[str, Any]
) -> None:
    probes["during"]["first"] = raises(KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        three.run("run")
    assert load_results(three.folder / "run").probes == []
    del probes["during"]["first"]
    assert len(three.run("run", resume=True).probes) == 3


def test_resume_runs_a_failed_probe_again_and_keeps_the_scores_of_the_others(
    three: Any, probes: dict[str, Any]
) -> None:
    probes["during"]["second"] = raises(RuntimeError("for once"))
    assert statuses(three.run("run"))["second"] == "failed"
    del probes["during"]["second"]
    probes["calls"].clear()
    assert statuses(three.run("run", resume=True)) == {"first": "ok", "second": "ok", "third": "ok"}
    assert probes["calls"] == ["second"]
    scores = pd.read_parquet(three.folder / "run" / "scores.parquet")
    assert scores["probe_id"].value_counts().to_dict() == {"first": 24, "second": 24, "third": 24}


def add_a_gate(study: Any) -> None:
    study.plan["gates"] = [{"measure": "first/number", "at_least": 1}]


def another_parameter(study: Any) -> None:
    study.plan["probes"] = [{"probe": "first", "number": 5}, "second", "third"]


def another_label(study: Any) -> None:
    study.table.loc[0, "label"] = "bright"
    study.write_manifest()


def another_image(study: Any) -> None:
    path = study.folder / study.table["path"][0]
    path.write_bytes(path.read_bytes() + b"\0")


def another_factory(study: Any) -> None:
    file = study.folder / "nets.py"
    file.write_text(file.read_text().replace("self.slope *", "1.5 * self.slope *"))


def other_landmarks(study: Any) -> None:
    np.savez(study.folder / "points.npz", **{"images/dark_000": np.ones((5, 2))})


@pytest.fixture
def broken_off(three: Any, probes: dict[str, Any]) -> Any:
    """A run that stopped in its third probe."""
    np.savez(three.folder / "points.npz", **{"images/dark_000": np.zeros((5, 2))})
    three.plan["data"]["landmarks"] = "points.npz"
    probes["during"]["third"] = raises(KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        three.run("run")
    probes["during"].clear()
    probes["calls"].clear()
    return three


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (another_label, "the data"),
        (another_image, "the data"),
        (another_factory, "the target"),
        (other_landmarks, "the data"),
    ],
)
def test_resume_of_another_audit_is_refused_and_costs_nothing(
    broken_off: Any, probes: dict[str, Any], change: Callable[[Any], None], named: str
) -> None:
    before = (broken_off.folder / "run" / "results.json").read_bytes()
    change(broken_off)
    with pytest.raises(UsageError, match=f"{named} changed since the run .*say --overwrite"):
        broken_off.run("run", resume=True)
    assert probes["calls"] == []
    assert (broken_off.folder / "run" / "results.json").read_bytes() == before


def test_resume_with_another_gate_measures_nothing_again(broken_off: Any, probes: dict[str, Any]) -> None:
    add_a_gate(broken_off)
    results = broken_off.run("run", resume=True)
    assert probes["calls"] == ["third"]
    assert [gate.verdict for gate in results.gates] == ["inconclusive"]


def test_resume_with_another_parameter_runs_that_probe_again(broken_off: Any, probes: dict[str, Any]) -> None:
    another_parameter(broken_off)
    results = broken_off.run("run", resume=True)
    assert probes["calls"] == ["first", "third"]
    assert results["first/number"].estimate.value == 5


def test_breaking_off_again_loses_no_probe_that_is_to_be_taken_over(broken_off: Any, probes: dict[str, Any]) -> None:
    another_parameter(broken_off)
    probes["during"]["first"] = raises(KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        broken_off.run("run", resume=True)
    assert statuses(load_results(broken_off.folder / "run")) == {"second": "ok"}
    probes["during"].clear()
    probes["calls"].clear()
    assert statuses(broken_off.run("run", resume=True)) == {"first": "ok", "second": "ok", "third": "ok"}
    assert probes["calls"] == ["first", "third"]


def test_resume_after_another_version_of_a_probe_runs_it_again(
    broken_off: Any, probes: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    from countenance.core import probes as registry

    newer = dataclasses.replace(registry._registered["second"], version=2)
    monkeypatch.setitem(registry._registered, "second", newer)
    broken_off.run("run", resume=True)
    assert probes["calls"] == ["second", "third"]


def test_starting_again_keeps_the_old_run_until_the_new_one_can_begin(three: Any) -> None:
    three.run("run")
    before = (three.folder / "run" / "results.json").read_bytes()
    three.table.loc[0, "label"] = "misspelt"
    three.write_manifest()
    with pytest.raises(ManifestError):
        three.run("run", overwrite=True)
    assert (three.folder / "run" / "results.json").read_bytes() == before


def test_a_probe_that_leaves_python_is_recorded_as_failed(three: Any, probes: dict[str, Any]) -> None:
    probes["during"]["second"] = raises(SystemExit(0))
    assert statuses(three.run("run")) == {"first": "ok", "second": "failed", "third": "ok"}


def test_a_probe_whose_measurements_do_not_fit_the_file_fails_alone(
    three: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from countenance.core import results_file

    three.plan["probes"] = ["first"]
    three.run("small")
    size = len((three.folder / "small" / "results.json").read_bytes())
    three.plan["probes"] = ["first", "second", "third"]
    monkeypatch.setattr(results_file, "SIZE_LIMIT", size + 1500)
    results = three.run("run")
    assert statuses(results)["first"] == "ok"
    assert "failed" in statuses(results).values()
    assert load_results(three.folder / "run").probes == results.probes


def test_resume_keeps_the_batch_size_although_another_would_be_chosen_now(
    three: Any, probes: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    from countenance.core import batch_size

    three.plan["run"]["batch_size"] = "auto"
    monkeypatch.setattr(batch_size, "fastest_batch_size", lambda target: 8)
    probes["during"]["second"] = raises(KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        three.run("run")
    probes["during"].clear()
    for file in (three.folder / ".countenance-cache").iterdir():
        file.unlink()
    monkeypatch.setattr(batch_size, "fastest_batch_size", lambda target: 32)
    probes["calls"].clear()
    results = three.run("run", resume=True)
    assert results.plan["run"]["batch_size"] == 8
    assert probes["calls"] == ["second", "third"]


def test_a_folder_that_exists_is_an_error_of_the_user(three: Any) -> None:
    three.run("run")
    before = (three.folder / "run" / "results.json").read_bytes()
    with pytest.raises(UsageError, match="exists: say --resume") as raised:
        three.run("run")
    assert raised.value.exit_code == 2
    assert (three.folder / "run" / "results.json").read_bytes() == before
    three.run("run", overwrite=True)


def test_resume_of_a_complete_run_runs_nothing(three: Any, probes: dict[str, Any]) -> None:
    three.run("run")
    probes["calls"].clear()
    three.run("run", resume=True)
    assert probes["calls"] == []
    assert len(pd.read_parquet(three.folder / "run" / "scores.parquet")) == 72


def test_resume_without_a_folder_is_an_error_of_the_user(three: Any) -> None:
    with pytest.raises(UsageError, match="need a run folder"):
        three.run(resume=True)


# A full disk ---------------------------------------------------------------------------------------------------------


class Disk:
    """Full for files whose path holds a text, as long as it is set."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.full_for: str | None = None
        write = Path.write_bytes

        def write_bytes(path: Path, content: bytes) -> int:
            if self.full_for is not None and self.full_for in str(path):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return write(path, content)

        monkeypatch.setattr(Path, "write_bytes", write_bytes)


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    return Disk(monkeypatch)


def test_a_disk_that_is_full_for_one_probe_fails_that_probe(three: Any, probes: dict[str, Any], disk: Disk) -> None:
    disk.full_for = "second.array"
    results = three.run("run")
    assert statuses(results) == {"first": "ok", "second": "failed", "third": "ok"}
    assert "No space left on device" in results.probes[1].reason
    assert load_results(three.folder / "run") == results
    assert not list((three.folder / "run").rglob(".*.npz*"))


def test_a_disk_that_fills_up_breaks_the_audit_off_and_keeps_what_was_measured(
    three: Any, probes: dict[str, Any], disk: Disk
) -> None:
    def fill() -> None:
        disk.full_for = ""

    probes["during"]["second"] = fill
    with pytest.raises(AuditError, match=r"cannot write .*results\.json: No space left on device") as raised:
        three.run("run")
    assert raised.value.exit_code == 3
    results = load_results(three.folder / "run")
    assert statuses(results) == {"first": "ok"}
    disk.full_for = None
    probes["during"].clear()
    probes["calls"].clear()
    assert len(three.run("run", resume=True).probes) == 3
    assert probes["calls"] == ["second", "third"]


# Data ----------------------------------------------------------------------------------------------------------------


def test_unusable_images_are_counted_by_row_and_the_audit_goes_on(study: Any) -> None:
    images = [study.folder / path for path in study.table["path"]]
    images[1].write_bytes(b"")
    images[4].write_bytes(images[4].read_bytes()[:60])
    images[6].unlink()
    study.table.loc[8, ["x0", "x1"]] = [90, 95]
    study.table.loc[10, "x0"] = -2
    study.write_manifest()
    results = study.run("run")
    aside = {item.row: item for item in results.data.quarantined}
    assert sorted(aside) == [2, 5, 7, 9]
    assert aside[2].face_id == study.table["path"][1]
    assert aside[2].reason == "the file is empty"
    assert "damaged or cut short" in aside[5].reason
    assert "missing" in aside[7].reason
    assert "lies outside the image" in aside[9].reason
    assert (results.data.faces, results.data.boxes_padded) == (20, 1)
    assert results["performance/accuracy"].estimate.n == 20
    assert len(pd.read_parquet(study.folder / "run" / "predictions.parquet")) == 20


def test_when_every_image_is_bad_the_audit_says_why(study: Any) -> None:
    for path in study.table["path"]:
        (study.folder / path).unlink()
    with pytest.raises(AuditError, match="none of the 24 images could be used: the file is missing") as raised:
        study.run("run")
    assert raised.value.exit_code == 3
    study.plan["data"].pop("box")
    with pytest.raises(AuditError):
        study.run("run")  # nothing was measured, so the folder may be used again


def test_what_these_data_cannot_tell_is_said(study: Any) -> None:
    data = {"subject": None, "attributes": {}, "label": None}
    results = study.run(plan=study.changed(data=data, probes=["performance", "group_metrics"]))
    told = " ".join(results.data.not_measured)
    for expected in ("no labels", "No column names the person", "No attribute of the people", "No landmarks"):
        assert expected in told
    assert results.data.subjects is None
    assert statuses(results)["performance"] == "skipped"
    aligned = study.run(plan=study.changed(data={"landmarks": "aligned"}))
    assert any("assumed to be aligned" in note for note in aligned.data.not_measured)
    assert aligned.data.landmarks == "aligned"


def test_a_person_in_two_groups_is_told_in_the_results(study: Any) -> None:
    study.table.loc[0, "gender"] = "m"
    study.write_manifest()
    assert any("1 person stands in more than one group of gender" in note for note in study.run().data.notes)


def test_the_data_and_the_target_are_described(study: Any) -> None:
    results = study.run()
    assert results.data.labels == {"bright": 12, "dark": 12}
    assert (results.data.faces, results.data.subjects, results.data.landmarks) == (24, 12, "none")
    assert {name: count.faces for name, count in results.data.attributes["gender"].groups.items()} == {"f": 12, "m": 12}
    assert (results.target.name, results.target.format, results.target.parameters) == ("net", "safetensors", 8)
    assert results.target.factory == "nets.py:Brightness"
    assert len(results.target.sha256) == len(results.data.sha256) == 64
    assert results.tool["torch"] == torch.__version__.partition("+")[0] or results.tool["torch"] == torch.__version__
    assert results.tool["device"] == "cpu"


def test_gates_are_judged_at_the_end(three: Any) -> None:
    three.plan["gates"] = [
        {"measure": "first/score", "at_least": 0},
        {"measure": "first/score", "at_most": 0.01},
        {"measure": "first/number", "at_least": 1},
        {"measure": "first/nothing", "at_least": 1},
        {"measure": "first/score", "where": {"gender": "*"}, "at_most": 0.01},
    ]
    outcomes = three.run("run").gates
    assert [outcome.verdict for outcome in outcomes] == ["pass", "fail", "inconclusive", "not measured", "not measured"]
    assert load_results(three.folder / "run").gates == outcomes


# Predictions made elsewhere ------------------------------------------------------------------------------------------


def test_a_predictions_only_audit(study: Any, add_probe: Any, probes: Any) -> None:
    study.run("run", plan=study.changed(probes=["performance", "group_metrics"]))
    plan = study.changed(probes=["performance", "group_metrics", "pictures", "first"])
    plan["target"] = {"predictions": "run/predictions.parquet", "task": "expression", "classes": ["dark", "bright"]}
    plan["data"] = {"attributes": plan["data"]["attributes"], "subject": "subject", "min_subjects": 2}

    def pictures(context: ProbeContext, params: ProbeParams) -> Iterator[Output]:
        yield Note("never")

    add_probe("pictures", pictures, needs={"images"})
    results = study.run("again", plan=plan)
    assert statuses(results) == {"performance": "ok", "group_metrics": "ok", "pictures": "skipped", "first": "ok"}
    assert results.probe("pictures").reason == "the target is a table of predictions: there is no model to run"
    first = load_results(study.folder / "run")
    for item in first.measurements():
        assert results[item.key] == item
    assert (results.target.format, results.target.name) == ("predictions", "predictions")
    assert len(results.target.sha256) == 64
    a, b = (pd.read_parquet(study.folder / name / "predictions.parquet") for name in ("run", "again"))
    pd.testing.assert_frame_equal(a, b)
    again = study.run("again", plan=plan, resume=True)
    assert again.probes == results.probes


@pytest.mark.parametrize("task", ["action_units", "valence_arousal", "verification", "forgery"])
def test_a_table_of_any_task_runs_and_says_what_is_not_measured(study: Any, task: str) -> None:
    table = pd.DataFrame({"face_id": list("abcd"), "subject": list("ppqr")})
    classes: list[str] = []
    if task == "action_units":
        table, classes = table.assign(y_AU1=[0, 1, 1, 0], p_AU1=[0.1, 0.9, 0.4, 0.2]), ["AU1"]
    elif task == "valence_arousal":
        table = table.assign(y_valence=0.1, y_arousal=0.2, v_valence=0.3, v_arousal=0.4)
    elif task == "verification":
        table = table[["face_id"]].rename(columns={"face_id": "pair_id"})
        table = table.assign(face_a=list("abde"), face_b=list("cdfg"), same=[0, 1, 1, 0])
        table = table.assign(similarity=[0.1, 0.9, 0.8, 0.3])
    else:
        table = table.assign(label=["genuine", "forged", "forged", "genuine"], p_forged=[0.1, 0.9, 0.8, 0.3])
    table.to_csv(study.folder / "p.csv", index=False)
    plan = study.changed(probes=["performance"])
    plan["target"] = {"predictions": "p.csv", "task": task, "classes": classes}
    plan["data"] = {}
    results = study.run("run", plan=plan)
    assert results.target.task == task
    assert results.data.faces == 4
    (probe,) = results.probes
    assert probe.status == "ok"
    reasons = [item.estimate.reason for item in probe.measurements if item.estimate.value is None]
    assert any("are needed" in (reason or "") for reason in reasons)  # of four faces nothing can be told


def test_a_device_that_is_not_there_says_so(study: Any) -> None:
    with pytest.raises(AuditError, match=r"run\.device is 'cuda:7', which cannot be used here") as raised:
        study.run(plan=study.changed(run={"device": "cuda:7"}))
    assert raised.value.exit_code == 3
