"""Runs a study seed by seed, keeping every row, and goes on where a broken-off run stopped."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import pandas as pd

from countenance.core.errors import UsageError

SEED = "seed"
OURS = "this package"


@dataclass(frozen=True, order=True)
class Outcome:
    """What a column of a study holds.

    Attributes:
        cell: the design, e.g. ``20 groups, 10 people, rate 0.9``: a row of the table.
        method: the method judged: a column of the table.
        quantity: ``rate`` (0, 1 or a share of several; ``covered`` and the like) or ``mean`` (a width).
    """

    cell: str
    method: str
    quantity: str = "rate"

    def __str__(self) -> str:
        return " | ".join((self.cell, self.method, self.quantity))

    @classmethod
    def parse(cls, text: str) -> Outcome:
        """Read what ``str`` wrote."""
        return cls(*text.split(" | "))


Row = Mapping[Outcome, float]


@dataclass(frozen=True)
class Study:
    """One question put to many simulated data sets.

    Attributes:
        name: what it is called on the command line.
        version: raised when the design changes, so that old rows are not mixed with new ones.
        title: heading of the table.
        about: what was simulated, in a sentence or two.
        simulate: from a seed to the outcomes; NaN where a method gave no answer. Depends on the seed alone, and
            always has the same outcomes. A function of a module, so that another process can run it.
    """

    name: str
    version: int
    title: str
    about: str
    simulate: Callable[[int], Row]

    def file(self, folder: Path) -> Path:
        """Return where the rows are kept."""
        return folder / f"{self.name}-v{self.version}.csv"


def run_study(
    study: Study, runs: int, workers: int, folder: Path, tell: Callable[[int], None] = lambda done: None
) -> pd.DataFrame:
    """Simulate the seeds 0 to ``runs - 1`` that are not yet in the file, and return all rows of these seeds.

    Raises:
        UsageError: when the file holds other columns: the design was changed without raising its version.
    """
    file = study.file(folder)
    folder.mkdir(parents=True, exist_ok=True)
    done = set(read_rows(file)[SEED]) if _repair(file) else set()
    missing = [seed for seed in range(runs) if seed not in done]
    with file.open("a", newline="", encoding="utf-8") as stream:
        for count, (seed, row) in enumerate(_simulate(study, missing, workers), start=1):
            _append(file, stream, seed, row)
            tell(len(done) + count)
    rows = read_rows(file) if missing or done else pd.DataFrame(columns=[SEED])
    return rows[rows[SEED] < runs].sort_values(SEED, ignore_index=True)


def read_rows(file: Path) -> pd.DataFrame:
    """Read the rows of a study: the column ``seed``, then one column per outcome."""
    return pd.read_csv(file)


def _simulate(study: Study, seeds: list[int], workers: int) -> Iterator[tuple[int, Row]]:
    if workers <= 1:
        yield from ((seed, study.simulate(seed)) for seed in seeds)
        return
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        waiting = {pool.submit(study.simulate, seed): seed for seed in seeds}
        for future in as_completed(waiting):
            yield waiting[future], future.result()


def _append(file: Path, stream: io.TextIOWrapper, seed: int, row: Row) -> None:
    """Write one row whole, and the header before the first."""
    columns = [SEED, *map(str, sorted(row))]
    if stream.tell() == 0:
        stream.write(_line(columns))
    else:
        with file.open(newline="", encoding="utf-8") as before:
            known = next(csv.reader(before))
        if known != columns:
            raise UsageError(f"{file} holds rows of another design: raise the study's version, or use another folder")
    values = ["" if math.isnan(row[name]) else f"{row[name]:.6g}" for name in sorted(row)]
    stream.write(_line([str(seed), *values]))
    stream.flush()


def _line(cells: list[str]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(cells)
    return text.getvalue()


def _repair(file: Path) -> bool:
    """Cut off a last line that was not written whole; return whether any row is left."""
    if not file.is_file():
        return False
    content = file.read_bytes()
    whole = content[: content.rfind(b"\n") + 1]
    if whole.count(b"\n") < 2:
        file.unlink()  # at most a header: nothing to go on from
        return False
    if whole != content:
        file.write_bytes(whole)
    return True
