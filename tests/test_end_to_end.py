"""The main job, end to end: the demonstration exposes what was planted; real checkpoints on real faces."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pandas as pd
import pytest
import yaml

from countenance.cli import execute as command
from countenance.core.api import run_plan
from countenance.core.compare import compare
from countenance.core.errors import Problems
from countenance.core.places import YamlDocument
from countenance.core.plan_file import LoadedPlan, check_plan, load_plan
from countenance.core.results import AuditResults
from countenance.core.results_file import load_results
from countenance.reports import write_report
from countenance.synth.demo import prepare_demo

FEW_PEOPLE = 30


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("demo") / "demo"
    assert command(["demo", "--out", str(out)]) == 0
    return out


@pytest.fixture(scope="module")
def browsing(root: Path) -> ModuleType:
    """How the tests of reports visit pages."""
    spec = importlib.util.spec_from_file_location("browsing", root / "tests" / "reports" / "browsing.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def browser(browsing: ModuleType) -> Iterator[Any]:
    yield from browsing.started_browser()


def times_left_out(results: AuditResults) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(results.to_json())
    content.pop("started")
    content.pop("seconds")
    for probe in content["probes"]:
        probe.pop("seconds")
    return content


def test_the_demonstration_ends_at_reports_cards_and_a_comparison(demo: Path) -> None:
    for name in ("flawed", "twin"):
        for file in (
            "report.html",
            "MODEL_CARD.md",
            "results.json",
            "predictions.parquet",
            "scores.parquet",
            "log.txt",
        ):
            assert (demo / name / file).stat().st_size > 0, f"{name}/{file}"
    assert (demo / "comparison.html").stat().st_size > 0


def test_the_flawed_net_fails_its_gates_and_the_twin_passes_them(demo: Path) -> None:
    flawed, twin = load_results(demo / "flawed"), load_results(demo / "twin")
    assert {gate.verdict for gate in flawed.gates} == {"fail"}
    assert {gate.verdict for gate in twin.gates} == {"pass"}
    assert command(["gate", str(demo / "flawed")]) == 1
    assert command(["gate", str(demo / "twin")]) == 0


@pytest.mark.browser
def test_the_reports_of_the_demonstration_stand_every_check(demo: Path, browsing: ModuleType, browser: Any) -> None:
    assert (demo / "flawed" / "report.html").stat().st_size < 8_000_000
    browsing.stands_every_check(browser, demo / "flawed" / "report.html")


def test_the_planted_gap_shows_in_the_flawed_net_and_not_in_the_twin(demo: Path) -> None:
    rows = {row.key: row for row in compare(demo / "twin", demo / "flawed").rows}
    assert rows["group_metrics/recall[label=happy,skin_tone=dark]"].worse
    assert not rows["group_metrics/recall[label=happy,skin_tone=light]"].worse
    assert not rows["group_metrics/recall[label=happy,skin_tone=medium]"].worse


def test_the_planted_shortcut_shows_in_the_heatmaps_of_the_flawed_net_only(demo: Path) -> None:
    outside = {}
    for name in ("flawed", "twin"):
        results = load_results(demo / name)
        outside[name] = [item.claim for item in results.findings() if "outside the face" in item.claim]
    assert any("angry" in claim for claim in outside["flawed"])
    assert not any("angry" in claim for claim in outside["twin"])


def test_the_same_plan_twice_gives_the_same_results_but_for_times(tmp_path: Path) -> None:
    plan = prepare_demo(tmp_path / "material", FEW_PEOPLE * 7).twin
    runs = [tmp_path / "first", tmp_path / "second"]
    for out in runs:
        run_plan(load_plan(plan), out)
    first, second = (times_left_out(load_results(out)) for out in runs)
    assert first == second
    for file in ("predictions.parquet", "scores.parquet"):
        pd.testing.assert_frame_equal(pd.read_parquet(runs[0] / file), pd.read_parquet(runs[1] / file))


def test_a_second_demonstration_does_not_overwrite_the_first_unasked(demo: Path) -> None:
    assert command(["demo", "--out", str(demo)]) == 2
    assert load_results(demo / "twin").name


def london(root: Path, net: str, suffix: str = "safetensors") -> LoadedPlan:
    """The plan in tests/plans with fewer attacks, for a checkpoint of any format."""
    folder = root / "tests" / "plans"
    content = yaml.safe_load((folder / f"london_{net}.yaml").read_text(encoding="utf-8"))
    content["target"]["checkpoint"] = content["target"]["checkpoint"].replace("safetensors", suffix)
    if suffix in {"pt2", "onnx"}:
        content["target"].pop("factory")
    attack = {"probe": "adversarial", "id": "pgd", "attack": "pgd", "eps": ["2/255"], "steps": 3, "faces": 60}
    content["probes"] = ["performance", "group_metrics", {"probe": "global_heatmaps", "per_class": 100}, attack]
    return check_plan(YamlDocument(content), folder, Problems(net))


@pytest.mark.usefixtures("shared")
@pytest.mark.parametrize(
    ("net", "neutral", "happy", "tolerance"), [("face_expression", 101, 69, 0), ("mini_xception", 100, 50, 2)]
)
def test_a_real_checkpoint_on_real_faces(
    root: Path, tmp_path: Path, net: str, neutral: int, happy: int, tolerance: int
) -> None:
    results = run_plan(london(root, net), tmp_path / "run")
    assert [probe.status for probe in results.probes] == ["ok"] * 4
    confusion = pd.read_csv(tmp_path / "run" / "tables" / "performance.confusion.csv", index_col="label")
    assert abs(confusion.loc["neutral", "neutral"] - neutral) <= tolerance
    assert abs(confusion.loc["happy", "happy"] - happy) <= tolerance
    assert results["group_metrics/recall[gender=female,label=happy]"].estimate.subjects == 49
    assert results["group_metrics/accuracy[ethnicity=east_asian]"].estimate.value is None
    assert "10 are needed" in str(results["group_metrics/accuracy[ethnicity=east_asian]"].estimate.reason)
    assert {"gender", "ethnicity", "ita_group"} <= set(results.data.attributes)
    assert results["global_heatmaps/iou[label=happy]"].estimate.value is not None
    assert results["global_heatmaps/iou.null_ones[label=happy]"].estimate.value is not None


@pytest.mark.usefixtures("shared")
def test_onnx_is_audited_and_says_what_it_cannot_give(root: Path, tmp_path: Path) -> None:
    results = run_plan(london(root, "face_expression", "onnx"), tmp_path / "run")
    status = {probe.id: (probe.status, probe.reason or "") for probe in results.probes}
    assert status["performance"][0] == status["group_metrics"][0] == "ok"
    for probe in ("global_heatmaps", "pgd"):
        assert status[probe][0] == "skipped"
        assert "no gradients" in status[probe][1]
    assert results["performance/accuracy"].estimate.count == 170


@pytest.mark.browser
@pytest.mark.usefixtures("shared")
def test_the_report_of_london_stands_every_check(
    root: Path, tmp_path: Path, browsing: ModuleType, browser: Any
) -> None:
    run_plan(london(root, "mini_xception"), tmp_path / "run")
    browsing.stands_every_check(browser, write_report(tmp_path / "run"))
