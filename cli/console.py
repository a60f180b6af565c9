"""What the terminal shows: messages, progress bars, tables."""

from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from ..core.log_file import PlainFormatter
from ..core.plain_text import plain_text

if TYPE_CHECKING:
    from rich.console import Console

    from ..core.probes import Advance
    from ..core.results import GateOutcome, ProbeResult

_state = {"verbose": False}
NOT_A_TERMINAL = 160  # columns where the output goes into a file, so that keys are not broken
STYLES = {"pass": "green", "fail": "bold red", "inconclusive": "yellow", "not measured": "yellow"}
STATUS_STYLES = {"ok": "green", "skipped": "yellow", "failed": "bold red"}


def set_verbose(verbose: bool) -> None:
    """Show the log on the terminal, or do not."""
    _state["verbose"] = verbose
    logger = logging.getLogger("countenance")
    if verbose and not logger.handlers:
        handler = logging.StreamHandler()
        handler.setFormatter(PlainFormatter("%(levelname)s %(message)s"))
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)
    logger.propagate = False
    if not logger.handlers:
        logger.addHandler(logging.NullHandler())


def is_verbose() -> bool:
    """Whether the user asked for the log."""
    return _state["verbose"]


@cache
def console(stderr: bool = False) -> Console:
    """Return the terminal; text from data is printed with ``markup=False`` or as :class:`rich.text.Text`."""
    from rich.console import Console

    class Terminal(Console):
        """A terminal that whoever reads it may close: an audit goes on without it."""

        def on_broken_pipe(self) -> None:
            """Print into nothing from here on."""
            self.file = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 - until the process ends

    width = None if (sys.stderr if stderr else sys.stdout).isatty() else NOT_A_TERMINAL
    return Terminal(stderr=stderr, highlight=False, soft_wrap=False, width=width)


def say(text: str) -> None:
    """Print a plain line."""
    console().print(plain_text(text), markup=False, soft_wrap=True)


def complain(text: str) -> None:
    """Print an error."""
    from rich.text import Text

    console(stderr=True).print(Text.assemble(("error: ", "bold red"), plain_text(text)), soft_wrap=True)


def print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]], styles: Sequence[str] = ()) -> None:
    """Print a table; ``styles`` colours the first column row by row."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(
        title=Text(plain_text(title)) if title else None, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False
    )
    for place, column in enumerate(columns):
        table.add_column(Text(plain_text(column)), no_wrap=place == 0, overflow="fold")
    for place, row in enumerate(rows):
        style = styles[place] if place < len(styles) else ""
        table.add_row(*(Text(plain_text(cell), style=style if column == 0 else "") for column, cell in enumerate(row)))
    console().print(table)


def print_gates(outcomes: Sequence[GateOutcome]) -> None:
    """Print the gates with their verdicts, each as the scenario that it guards against."""
    if outcomes:
        from ..core.gates import outcome_ids, told_verdict

        rows = [
            [told_verdict(outcome), _named(name, outcome), "\n".join([outcome.why, *_scenario(outcome)])]
            for name, outcome in zip(outcome_ids(outcomes), outcomes, strict=True)
        ]
        print_table("Gates", ["verdict", "gate", "why"], rows, [STYLES[outcome.verdict] for outcome in outcomes])


def _named(name: str, outcome: GateOutcome) -> str:
    """Return the name of a gate, and below it what it measures where it has an id of its own."""
    return f"{name}\n{outcome.gate.get('measure', '')}" if outcome.gate.get("id") else name


def _scenario(outcome: GateOutcome) -> list[str]:
    """Return the lines of a gate that say whom it is for, against what, and who answers for it."""
    named = {"group": "group", "hazard": "hazard", "mitigation": "mitigation", "review_by": "review by"}
    lines = [f"{words}: {outcome.gate[name]}" for name, words in named.items() if outcome.gate.get(name)]
    if outcome.waiver is not None:
        lines.append(f"waived: {outcome.waiver.get('reason', '')}")
    return lines


class TerminalReporter:
    """Draws the progress of a run: a bar for each probe with images per second and the time left."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def message(self, text: str) -> None:
        """Print one line, and remember it."""
        self.said.append(text)
        say(text)

    @contextmanager
    def progress(self, title: str, unit: str, total: int) -> Iterator[Advance]:
        """Draw a bar on a terminal; elsewhere print nothing but the end."""
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        speed = TextColumn("{task.fields[rate]}")
        columns = (
            TextColumn("{task.description:<18}"),
            BarColumn(),
            TextColumn("{task.completed}/{task.total}"),
            speed,
        )
        terminal = console(stderr=True)
        bars = Progress(
            *columns, TimeRemainingColumn(), console=terminal, transient=True, disable=not terminal.is_terminal
        )
        start, done = time.monotonic(), 0
        with bars:
            task = bars.add_task(title, total=total, rate="")

            def advance(count: int = 1) -> None:
                nonlocal done
                done += count
                rate = done / max(time.monotonic() - start, 1e-6)
                bars.update(task, advance=count, rate=f"{rate:.0f} {unit}/s")

            yield advance

    def finished(self, result: ProbeResult) -> None:
        """Print how a probe ended."""
        from rich.text import Text

        told = (
            f"{len(result.measurements)} measurements, {result.seconds:.1f} s"
            if result.status == "ok"
            else result.reason
        )
        status = Text(f"{result.status:<8}", style=STATUS_STYLES[result.status])
        console().print(Text.assemble(status, f" {result.id:<18} ", plain_text(told or "")))
