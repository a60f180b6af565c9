"""Do the intervals of AUROC, CCC, PCC, RMSE and calibration error hold the truth, and would a bootstrap's?"""

from __future__ import annotations

import numpy as np

from countenance.core.probes import StatisticName
from countenance.core.statistics.bootstrap import cluster_bootstrap
from countenance.core.statistics.ece import bin_of
from countenance.core.statistics.paired import PAIRED
from countenance.core.statistics.paired.agreement import Agreement
from countenance.core.statistics.paired.calibration import BINS
from countenance.core.statistics.rules import StatisticsRules

from .paired_gaps import END, EVEN, LEVELS, Design, draw, truth
from .people import Floats, Integers
from .runner import OURS, Outcome, Row, Study

PEOPLE = (10, 20, 50, 200)
BOOTSTRAP = "cluster bootstrap, percentile"
REPLICATES = 499


def designs() -> list[Design]:
    """Return every design: each statistic, at a usual value and near the end of its range."""
    return [
        Design(statistic, people, 2, kind)  # the groups are not told apart here
        for statistic in LEVELS
        for kind in (EVEN, END)
        for people in PEOPLE
        if statistic != "auroc" or people > 10  # ten people hardly ever have ten of each kind among them
    ]


def bootstrapped(
    statistic: StatisticName, first: Floats, second: Floats, person: Integers, rng: np.random.Generator
) -> tuple[float, float] | None:
    """Return percentile limits when people are drawn anew; none of an AUROC, which is not made of sums."""
    method = PAIRED[statistic]
    if isinstance(method, Agreement):
        columns = method.columns(first, second)

        def value(sums: Floats) -> Floats:
            return method.value_of(sums / sums[..., :1])[0]
    elif statistic == "ece":
        columns = np.zeros((len(first), BINS + 1))
        columns[:, 0] = 1
        columns[np.arange(len(first)), 1 + bin_of(second, BINS)] = second - first

        def value(sums: Floats) -> Floats:
            return np.asarray(np.abs(sums[..., 1:]).sum(axis=-1) / sums[..., 0])
    else:
        return None
    everyone = np.zeros_like(person)
    found = cluster_bootstrap(columns, person, everyone, 1, rng, statistic=value, replicates=REPLICATES)
    return float(found.low[0]), float(found.high[0])


def simulate(seed: int) -> Row:
    """Return whether the intervals of one data set per design hold the truth, and their widths."""
    row: dict[Outcome, float] = {}
    for design in designs():
        rng = np.random.default_rng([seed, *str(design).encode()])
        person, _, first, second = draw(rng, design)
        true = truth(design.statistic, design.level_of(0))
        cell = f"{design.statistic} {true:.2f}, {design.people} people"
        estimate = PAIRED[design.statistic].estimate(first, second, person, StatisticsRules())
        known = estimate.low is not None and estimate.high is not None
        limits: dict[str, tuple[float, float] | None] = {
            OURS: (float(estimate.low or 0.0), float(estimate.high or 0.0)) if known else None
        }
        if design.statistic != "auroc":
            limits[BOOTSTRAP] = bootstrapped(design.statistic, first, second, person, rng)
        for method, pair in limits.items():
            low, high = pair if pair is not None else (np.nan, np.nan)
            row[Outcome(cell, method)] = float(low <= true <= high) if pair is not None else np.nan
            row[Outcome(cell, method, "mean")] = high - low
    return row


STUDY = Study(
    name="paired_intervals",
    version=1,
    title="Intervals of AUROC, CCC, PCC, RMSE and calibration error",
    about="How often the 95 % interval of one set of faces holds the truth. People have 2 to 20 faces (log-normal, "
    "mean about 8), alike within a person by a Gaussian copula of 0.3; data as in `paired_gaps`. AUROC: in the data "
    "sets with ten people of either kind.",
    simulate=simulate,
)
