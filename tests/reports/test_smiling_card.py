"""The card of the smiling detector of Mitchell et al., rebuilt from predictions with the published rates."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

SEEDS = 8


@pytest.fixture(scope="module")
def study(root: Path) -> Iterator[Any]:
    """The modules of ``benchmarks/studies``, which are not installed."""
    if not (root / "benchmarks" / "studies").is_dir():
        pytest.skip("the benchmarks are in the repository, not in the package")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(root))
        names = ("smiling_card", "smiling_rates")
        yield SimpleNamespace(**{name: import_module(f"benchmarks.studies.{name}") for name in names})
    for name in [name for name in sys.modules if name.startswith("benchmarks")]:
        del sys.modules[name]


@pytest.fixture(scope="module")
def results(study: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    return study.smiling_card.audit(study.smiling_card.simulate(0), tmp_path_factory.mktemp("smiling"))


def test_the_published_rates_agree_with_each_other(study: Any) -> None:
    for row in study.smiling_rates.ROWS:
        fdr, omission = row.implied
        assert fdr == pytest.approx(row.fdr, abs=0.0015), row.name
        assert omission == pytest.approx(row.omission, abs=0.0015), row.name
    shares, rows = study.smiling_rates.SHARES, study.smiling_rates.BY_NAME
    assert sum(shares.values()) == pytest.approx(1)
    for name, row in rows.items():
        parts = [part for part in shares if set(name.split("-")) <= set(part.split("-")) or name == "all"]
        prevalence = sum(shares[part] * rows[part].prevalence for part in parts) / sum(shares[part] for part in parts)
        assert prevalence == pytest.approx(row.prevalence, abs=0.002), name


def faces_of(name: str, table: pd.DataFrame) -> pd.DataFrame:
    for part in set(name.split("-")) - {"all"}:
        table = table[(table["age"] == part) | (table["gender"] == part)]
    return table


def rates_of(table: pd.DataFrame) -> dict[str, tuple[float, int]]:
    smiling, said = table["label"] == "smiling", table["p_smiling"] > 0.5
    parts = {"fpr": (said, ~smiling), "fnr": (~said, smiling), "fdr": (~smiling, said), "for": (smiling, ~said)}
    return {metric: (float(counted[of].mean()), int(of.sum())) for metric, (counted, of) in parts.items()}


def test_simulated_rates_are_the_published_ones_within_monte_carlo_error(study: Any) -> None:
    tables = [study.smiling_card.simulate(seed) for seed in range(SEEDS)]
    for row in study.smiling_rates.ROWS:
        found = [rates_of(faces_of(row.name, table)) for table in tables]
        for metric in study.smiling_rates.METRICS:
            p = row.rate(metric)
            mean = np.mean([each[metric][0] for each in found])
            faces = np.mean([each[metric][1] for each in found])
            effect = 1 + study.smiling_card.ALIKE * 20  # at most 20 faces of a person count towards a rate on average
            error = np.sqrt(p * (1 - p) * effect / faces / SEEDS)
            assert abs(mean - p) < 3.5 * error + 0.001, (row.name, metric)


def test_the_audit_tells_all_nine_rows_in_four_panels(study: Any, results: Any) -> None:
    card, rates = study.smiling_card, study.smiling_rates
    table = card.simulate(0)
    for row in rates.ROWS:
        for metric, (value, n) in rates_of(faces_of(row.name, table)).items():
            estimate = card.measured(results, metric, row).estimate
            assert (estimate.value, estimate.n) == (pytest.approx(value), n)
            width = estimate.high - estimate.low
            assert row.width / 2 < width < 3 * row.width, (row.name, metric)
    text = card.comparison(results)
    assert text.count("\n") == 10
    assert "| all | 19,963 | 1,000 |" in text


def test_intervals_differ_from_panel_to_panel(study: Any, results: Any) -> None:
    """The published ones do not: they are of one length in all four panels."""
    for row in study.smiling_rates.ROWS:
        found = [study.smiling_card.measured(results, metric, row).estimate for metric in study.smiling_rates.METRICS]
        widths = [estimate.high - estimate.low for estimate in found]
        assert max(widths) > 1.05 * min(widths), row.name


def test_the_page_holds_the_four_panels(study: Any, results: Any) -> None:
    html = study.smiling_card.page(results)
    assert all(title in html for title in study.smiling_card.NAMES.values())
    assert html.count("<figure>") == 4
    assert "old-female" in html
    assert "published" in html
    assert "FPR" in study.smiling_card.gaps(results)
