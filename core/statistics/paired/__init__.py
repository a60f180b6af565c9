"""Statistics of two numbers per face that are no means: AUROC, CCC, PCC, RMSE and ECE, by name."""

from __future__ import annotations

from .agreement import Concordance, Correlation, RootMeanSquareError
from .auroc import RankingArea
from .calibration import CalibrationGap
from .statistic import Labelled, PairedStatistic

PAIRED: dict[str, PairedStatistic] = {
    each.name: each for each in (RankingArea(), Concordance(), Correlation(), RootMeanSquareError(), CalibrationGap())
}

__all__ = ["PAIRED", "Labelled", "PairedStatistic"]
