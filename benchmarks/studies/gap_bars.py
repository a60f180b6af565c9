"""The bars that the study ``gap_verdicts`` is held to: ``python -m benchmarks.studies.gap_bars [FOLDER]``."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pandas as pd

from .gap_verdicts import DESIGNS, GATES, PLACES, STUDY
from .runner import SEED, Outcome, read_rows


@dataclass(frozen=True)
class Bar:
    """What the rows must show.

    Attributes:
        told: the bar in words.
        methods: names of outcomes must hold this text.
        least: whether the value must be at least the limit, otherwise at most.
        limit: of each cell and of the average over cells, both give or take 2.6 of their standard errors.
            cells: whether every cell has to hold, not only the average.
    """

    told: str
    methods: tuple[str, ...]
    least: bool
    limit: float
    cells: bool = True


BARS = (
    Bar("wrong fail, fair model: at most 5 %", (": fails, fair",), False, 0.05),
    Bar("wrong fail, one group off by the tolerance: at most 5 %", (": fails, one group low",), False, 0.05),
    Bar("wrong fail, half off by the tolerance: at most 5 %", (": fails, half the groups",), False, 0.05),
    Bar("lower bound above 0, fair model: at most 5 %", (": bound above 0",), False, 0.05),
    Bar("lower bound above 0, fair model: at least 3 % on average", (": bound above 0",), True, 0.03, cells=False),
    Bar("coverage of gap intervals: at least 93 %", (": covered",), True, 0.93),
    Bar("coverage of group rates: at least 93 % on average", ("rates covered",), True, 0.93, cells=False),
    Bar("power at the stated size: at least 80 %", (": shown",), True, 0.8),
    Bar("wrong pass at a gap of the tolerance: at most 5 %", (": passes, one group",), False, 0.05),
    Bar("fair models pass at the sizes that take it: at least 80 %", (": passes, fair",), True, 0.8),
    Bar("stated size over Bonferroni's, equal groups: at most 1.15", (": stated size",), False, 1.15),
)


def bars(rows: pd.DataFrame) -> Iterator[tuple[str, str, str, str, bool]]:
    """Yield each bar: in words, the worst cell, the average, over how many cells and seeds, and whether it holds."""
    columns = {Outcome.parse(name): rows[name].dropna() for name in rows.columns if name != SEED}
    for bar in BARS:
        wanted = "mean" if "stated size" in bar.methods[0] else "rate"
        chosen = {
            outcome: values
            for outcome, values in columns.items()
            if outcome.quantity == wanted and len(values) > 1 and any(text in outcome.method for text in bar.methods)
        }
        if not chosen:
            continue
        sign = 1 if bar.least else -1
        slack = {
            outcome: sign * (float(values.mean()) - bar.limit) + 2.6 * _error(values, bar.limit)
            for outcome, values in chosen.items()
        }
        worst = min(slack, key=lambda outcome: slack[outcome])
        average, error = _average(chosen)
        holds = sign * (average - bar.limit) + 2.6 * error >= 0 and (not bar.cells or slack[worst] >= 0)
        value = f"{chosen[worst].mean():.3f} ({worst.cell}; {worst.method}; {len(chosen[worst])} runs)"
        yield bar.told, value, f"{average:.3f} ± {error:.3f}", f"{len(chosen)}", bool(holds)
    for gate in GATES:
        yield _bias(gate, columns)


def _average(chosen: dict[Outcome, pd.Series]) -> tuple[float, float]:
    """Return the mean over cells and its standard error: cells share the seeds, and gates the data."""
    cells = pd.concat(list(chosen.values()), axis=1)
    of_seed = (cells - cells.mean()).mean(axis=1).dropna()
    return float(cells.mean().mean()), float(of_seed.std() / np.sqrt(len(of_seed)))


def _error(values: pd.Series, limit: float) -> float:
    """Return the standard error of a rate that lies at the limit, or of a mean."""
    if values.isin([0.0, 1.0]).all():
        return float(np.sqrt(limit * (1 - limit) / len(values)))
    return float(values.std() / np.sqrt(len(values)))


def _bias(gate: str, columns: dict[Outcome, pd.Series]) -> tuple[str, str, str, str, bool]:
    mean = {
        how: {
            outcome: float(values.mean())
            for outcome, values in columns.items()
            if outcome.method.startswith(f"{gate}: {how} less true") and len(values) > 1
        }
        for how in ("naive", "corrected")
    }
    size = {how: float(np.abs(list(found.values())).mean()) if found else np.nan for how, found in mean.items()}
    corrected = mean["corrected"]
    worst = max(corrected, key=lambda outcome: abs(corrected[outcome])) if corrected else None
    told = "" if worst is None else f"{corrected[worst]:+.3f} ({worst.cell}; {worst.method.partition(', ')[2]})"
    ratio = size["corrected"] / size["naive"]
    return (
        f"bias of the corrected {'gap' if gate == 'gap' else 'gap of the worst group'}: at most a third of the naive",
        told,
        f"{size['corrected']:.3f} of {size['naive']:.3f}: {ratio:.2f}",
        f"{len(corrected)}",
        bool(ratio <= 1 / 3),
    )


def table_of_bars(rows: pd.DataFrame) -> str:
    """Return the bars as a Markdown table."""
    lines = ["| bar | worst cell | average ± standard error | cells | holds |", "|---|---|---|---|---|"]
    for told, worst, average, cells, holds in bars(rows):
        lines.append(f"| {told} | {worst} | {average} | {cells} | {'yes' if holds else '**no**'} |")
    return "\n".join(lines) + "\n"


def table_of_designs(rows: pd.DataFrame) -> str:
    """Return the designs as a Markdown table: both gates, gap and worst group against the rest."""
    found = {Outcome.parse(name): rows[name].dropna() for name in rows.columns if name != SEED}

    def both(cell: str, text: str, quantity: str = "rate") -> str:
        values = [found.get(Outcome(cell, f"{gate}: {text}", quantity), pd.Series(dtype=float)) for gate in GATES]
        return " / ".join(f"{each.mean():.3f}" if len(each) else "" for each in values)

    def pooled(cell: str, text: str) -> str:
        told = []
        for gate in GATES:
            of = [each for at, each in found.items() if (at.cell, at.quantity) == (cell, "rate") and len(each)
                  and at.method.startswith(f"{gate}: {text}")]  # fmt: skip
            told.append(f"{np.mean([each.mean() for each in of]):.2f}" if of else "")
        return " / ".join(told)

    columns = ["design", "gap seen, fair", "fails, fair", "fails, one off .02", "fails, half off .02"]
    columns += ["bound above 0, fair", "covered", "shown", "stated size: best", "median", "worst group"]
    lines = ["| " + " | ".join(columns) + " |", "|---" * len(columns) + "|"]
    for cell in map(str, DESIGNS):
        shown = [
            both(cell, "naive less true, fair", "mean"),
            both(cell, "fails, fair"),
            both(cell, "fails, one group low by .02"),
            both(cell, "fails, half the groups low by .02"),
            both(cell, "bound above 0, fair"),
            pooled(cell, "covered"),
            pooled(cell, "shown"),
            *(both(cell, f"shown, {place} group", "mean") for place in PLACES),
        ]
        lines.append("| " + " | ".join([cell, *shown]) + " |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Print what the rows that there are say of the bars."""
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "studies")
    rows = read_rows(STUDY.file(folder))
    print(f"{len(rows):,} seeds\n\n{table_of_bars(rows)}\n{table_of_designs(rows)}")


if __name__ == "__main__":
    main()
