"""The comparison page and the summary by probe."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from countenance.core.compare import ComparedRow, Comparison, RunChange, compare
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


def made(key: str = "p/m", direction: str = "higher", after: float = 0.5, **change: Any) -> ComparedRow:
    estimates = [Estimate(value=v, low=v - 0.01, high=v + 0.01, n=9) for v in (0.9, after)]
    found = RunChange(**{"verdict": "apart", "value": after - 0.9, "worse_side": direction == "higher", **change})
    return ComparedRow(key, direction, list(estimates), [found])  # type: ignore[arg-type]


def test_apart_on_the_worse_side_stands_by_itself() -> None:
    assert kind_of(made()) == "apart-worse"
    assert kind_of(made(direction="lower")) == "apart"
    assert kind_of(made(verdict="worse")) == "worse"
    assert kind_of(made(verdict="overlapping")) == "overlapping"


def test_hostile_names_and_keys_stay_text() -> None:
    row = made("p/m[g=<script>alert(1)</script>]")
    name = "<script>alert(2)</script>"
    text = render_comparison(Comparison(names=[name, "b"], rows=[row], same_data=False, notes=["<b>note</b>"]))
    assert "<script>alert" not in text
    assert "<b>note</b>" not in text
    assert "&lt;script&gt;alert(2)" in text


def test_the_first_screen_says_what_got_worse_in_five_lines_at_most() -> None:
    change = {"verdict": "worse", "low": -0.45, "high": -0.35, "p": 1e-6, "p_adjusted": 1e-5, "paired": True}
    rows = [made(f"p/m{place}[g=a]", faces=1234, **change) for place in range(7)] + [made("p/m0[g=b]", **change)]
    text = render_comparison(Comparison(names=["a", "b"], rows=rows, same_data=True, notes=["same"]))
    worries = text[text.index('<ol class="worries">') : text.index("</ol>", text.index('<ol class="worries">'))]
    assert worries.count("<li") == 5
    assert "-0.400 [-0.450, -0.350]" in worries
    assert "face by face on 1,234 faces; and 1 more of this metric" in worries
    assert "And 2 more metrics" in text


def test_nothing_worse_says_what_would_have_been_shown() -> None:
    row = made("p/m", after=0.89, verdict="no difference shown", detectable=0.07, paired=True)
    text = render_comparison(Comparison(names=["a", "b"], rows=[row], same_data=True, notes=["same"]))
    assert "No measurement is shown to be worse. That is no proof of equality" in text
    assert "by 0.070 or more would have been shown in 4 of 5" in text


def test_runs_without_measurements() -> None:
    text = render_comparison(Comparison(names=["a", "b"], rows=[], same_data=True, notes=["same"]))
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
