"""From the rows of a study to rates with intervals, and to a Markdown table."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import t

from countenance.core.statistics.intervals import clopper_pearson

from .runner import OURS, SEED, Outcome, Study

LEVEL = 0.95


@dataclass(frozen=True)
class Rate:
    """A rate or mean over seeds with its Monte Carlo interval at 95 %."""

    value: float
    low: float
    high: float
    seeds: int

    def in_percent(self) -> str:
        """Return ``94.8 (94.2-95.3)``."""
        low, high = max(self.low, 0.0), min(self.high, 1.0)
        return f"{100 * self.value:.1f} ({100 * low:.1f}-{100 * high:.1f})"


def rate_of(values: pd.Series) -> Rate | None:
    """Return the mean over seeds: Clopper-Pearson limits of 0/1 outcomes, else t limits; ``None`` without any."""
    known = values.dropna().to_numpy(float)
    count = len(known)
    if count == 0:
        return None
    mean = float(known.mean())
    if np.isin(known, (0.0, 1.0)).all():
        low, high = clopper_pearson(np.asarray([known.sum()]), np.asarray([float(count)]), LEVEL)
        return Rate(mean, float(low[0]), float(high[0]), count)
    half = float(t.ppf(0.5 + LEVEL / 2, count - 1) * known.std(ddof=1) / np.sqrt(count)) if count > 1 else np.inf
    return Rate(mean, mean - half, mean + half, count)


def rates(rows: pd.DataFrame) -> dict[Outcome, Rate]:
    """Return the rate of every outcome that has an answer in some seed."""
    found = {Outcome.parse(name): rate_of(rows[name]) for name in rows.columns if name != SEED}
    return {outcome: rate for outcome, rate in found.items() if rate is not None}


def markdown(study: Study, rows: pd.DataFrame, command: str) -> str:
    """Return the study as a section of a page: what was simulated, how to repeat it, cells by methods."""
    found = rates(rows)
    cells = list(dict.fromkeys(outcome.cell for outcome in found))
    methods = sorted({outcome.method for outcome in found}, key=lambda method: (method != OURS, method))
    widths = ", mean widths after `w`" if any(outcome.quantity == "mean" for outcome in found) else ""
    lines = [
        f"### {study.title}",
        "",
        study.about,
        f"{len(rows):,} seeds; rates in % with their 95 % Monte Carlo interval{widths}.",
        "",
        f"    {command}",
        "",
        "| design | " + " | ".join(methods) + " |",
        "|---" * (len(methods) + 1) + "|",
    ]
    for cell in sorted(cells, key=_natural):
        lines.append("| " + " | ".join([cell, *(_told(found, cell, method) for method in methods)]) + " |")
    return "\n".join(lines) + "\n"


def _told(found: dict[Outcome, Rate], cell: str, method: str) -> str:
    rate, width = found.get(Outcome(cell, method)), found.get(Outcome(cell, method, "mean"))
    if rate is None:
        return ""
    return rate.in_percent() + (f" w {width.value:.3f}" if width else "")


def _natural(text: str) -> list[tuple[int, float, str]]:
    parts = pd.Series([text]).str.findall(r"\d+(?:\.\d+)?|[^\d]+").iloc[0]
    return [(0, float(part), "") if part[0].isdigit() else (1, 0.0, part) for part in parts]
