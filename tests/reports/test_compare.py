"""The comparison page and the summary by probe."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest

from countenance.core.compare import ComparedRow, Comparison, compare
from countenance.core.results import AuditResults, Estimate
from countenance.core.results_file import load_results
from countenance.reports import render_comparison, summary_lines, write_comparison
from countenance.reports.compare import kind_of


@pytest.fixture(scope="module")
def runs(made_run: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> list[AuditResults]:
    folder = tmp_path_factory.mktemp("runs")
    return [made_run.make_run(folder / str(seed), seed=seed, name=f"net {seed}") for seed in (1, 9)]


def test_a_page_holds_every_kind_of_row(runs: list[AuditResults], tmp_path: Path) -> None:
    comparison = compare(*runs)
    path = write_comparison(comparison, tmp_path / "deep" / "comparison.html")
    text = path.read_text(encoding="utf-8")
    assert path.stat().st_size < 8_000_000
    assert "net 9 on London" in text
    assert "net 1 on London" in text
    for kind in {kind_of(row) for row in comparison.rows}:
        assert f'id="{kind.replace(" ", "-")}"' in text
    assert render_comparison(comparison) == text


def made(direction: str, before: float, after: float, verdict: str = "apart") -> ComparedRow:
    estimates = [Estimate(value=v, low=v - 0.01, high=v + 0.01, n=9) for v in (before, after)]
    return ComparedRow("p/m", direction, list(estimates), verdict, after - before)  # type: ignore[arg-type]


def test_apart_is_split_by_which_way_is_better() -> None:
    assert kind_of(made("higher", 0.9, 0.5)) == "worse"
    assert kind_of(made("lower", 0.9, 0.5)) == "better"
    assert kind_of(made("none", 0.9, 0.5)) == "apart"
    assert kind_of(made("higher", 0.9, 0.5, "overlapping")) == "overlapping"


def test_hostile_names_and_keys_stay_text() -> None:
    row = made("higher", 0.9, 0.5)
    bad = ComparedRow("p/m[g=<script>alert(1)</script>]", row.direction, row.estimates, row.verdict, row.change)
    name = "<script>alert(2)</script>"
    text = render_comparison(Comparison(names=[name, "b"], rows=[bad], same_data=False, notes=["<b>note</b>"]))
    assert "<script>alert" not in text
    assert "<b>note</b>" not in text
    assert "&lt;script&gt;alert(2)" in text


def test_runs_without_measurements() -> None:
    text = render_comparison(Comparison(names=["a", "b"], rows=[], same_data=True, notes=[]))
    assert "The runs have no measurement." in text


def test_summary_has_a_line_for_each_probe(run_folder: Path) -> None:
    results = load_results(run_folder)
    lines = {line.probe_id: line for line in summary_lines(results)}
    assert list(lines) == ["performance", "group_metrics", "global_heatmaps", "pgd", "mirror", "shortcut"]
    assert lines["performance"].headline == "accuracy"
    assert lines["performance"].estimate is not None
    assert lines["performance"].estimate.key == "performance/accuracy"
    frame = results.metric_frame()
    measured = int(frame.notna().any(axis=1).sum())
    assert lines["group_metrics"].headline == f"{measured} of {len(frame)} groups large enough to measure"
    assert lines["global_heatmaps"].headline == "IoU of happy"
    assert lines["pgd"].headline == "accuracy under PGD, eps 8/255"
    assert (lines["mirror"].status, lines["mirror"].pillar) == ("skipped", "Robustness")
    assert "gives no model" in lines["mirror"].headline
