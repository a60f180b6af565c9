"""``countenance slices``: group metrics of a Parquet table of predictions of any length."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_args

from pydantic import ValidationError

from ..core.errors import EXIT_OK, Problems, UsageError, nearest
from ..core.files import write_atomically
from ..core.plan import AttributeSpec, DataSpec, TargetSpec, Task
from ..core.results import Measurement
from ..core.statistics.streamed.slices import Slices, slice_table
from .console import TerminalReporter, print_table, say

MOST_ROWS = 60
FIRST = ("accuracy", "sagr", "recall")
HEADINGS = ["group", "metric", "estimate", "faces", "people"]


def slices(
    table: Path,
    task: str,
    classes: str,
    by: Sequence[str],
    cross: Sequence[str],
    bins: Sequence[str],
    subject: str | None,
    label: str,
    rename: Sequence[str],
    metrics: Sequence[str] | None,
    labels: Sequence[str] | None,
    min_people: int,
    out: Path | None,
) -> int:
    """Measure, print the metrics asked for (the first one otherwise), and write every number if asked."""
    if out is not None and out.suffix.lower() not in {".csv", ".md"}:
        raise UsageError(f"expected --out to end in .csv or .md, but got {out}")
    target, data = _specs(
        table, task, _names(classes) or _classes_of(table, task), by, cross, bins, subject, label, rename, min_people
    )
    rows = _rows_of(table)
    with TerminalReporter().progress("slices", "rows", rows) as advance:
        read = 0

        def progress(done: int) -> None:
            nonlocal read
            advance(done - read)
            read = done

        found = slice_table(table, target, data, metrics=metrics, labels=labels, progress=progress)
    if out is not None:
        frame = found.to_frame()
        write_atomically(out, frame.to_csv(index=False) if out.suffix.lower() == ".csv" else _markdown(frame))
    _print(found, metrics is not None)
    if out is not None:
        say(f"wrote {len(found.measurements):,} rows to {out}")
    return EXIT_OK


def _specs(
    table: Path,
    task: str,
    classes: list[str],
    by: Sequence[str],
    cross: Sequence[str],
    bins: Sequence[str],
    subject: str | None,
    label: str,
    rename: Sequence[str],
    min_people: int,
) -> tuple[TargetSpec, DataSpec]:
    """Return what a plan would say; every option that cannot be read is told at once."""
    problems = Problems("countenance slices")
    if task not in get_args(Task):
        problems.add(f"--task is {task!r}, expected one of {', '.join(get_args(Task))}{nearest(task, get_args(Task))}")
    edges = dict(_pair(text, "--bins", "age=0,30,45,200", problems) for text in bins)
    crossed = [_names(text) for text in cross]
    names = list(dict.fromkeys([*by, *(name for combined in crossed for name in combined)]))
    for name in edges:
        if name and name not in names:
            problems.add(f"--bins names {name!r}, which is not grouped by (--by {name}){nearest(name, names)}")
    for combined, text in zip(crossed, cross, strict=True):
        if len(set(combined)) < 2:
            problems.add(f"--cross is {text!r}, expected two different attributes or more, such as gender,ethnicity")
    renamed = dict(_pair(text, "--rename", "happiness=happy", problems) for text in rename)
    cuts = {name: _edges(name, text, problems) for name, text in edges.items() if name}
    if task == "expression" and len(classes) < 2:
        problems.add("expression needs two classes or more: --classes neutral,happy, or columns p_CLASS")
    problems.raise_as(UsageError)
    try:
        # who assigned the groups is not asked, because nothing here tells it
        attributes = {name: AttributeSpec(assigned_by="annotator", bins=cuts.get(name)) for name in names}
        target = TargetSpec(predictions=str(table), task=task, classes=classes)  # type: ignore[arg-type]
        data = DataSpec(
            label=label,
            subject=subject,
            attributes=attributes,
            intersections=crossed,
            rename_labels=renamed,
            min_subjects=min_people,
        )
    except ValidationError as error:
        for each in error.errors():
            problems.add(str(each["msg"]).removeprefix("Value error, "))
        problems.raise_as(UsageError)
    return target, data


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _classes_of(table: Path, task: str) -> list[str]:
    """Return the classes or units whose probabilities the table has; none where it cannot be read or needs none."""
    import pyarrow.parquet as pq

    if task not in ("expression", "action_units"):
        return []
    try:
        columns = pq.read_schema(table).names
    except (OSError, ValueError):  # told on reading the table
        return []
    named = [str(name).removeprefix("p_") for name in columns if str(name).startswith("p_")]
    return named if task == "expression" else [name for name in named if f"y_{name}" in columns]


def _pair(text: str, option: str, example: str, problems: Problems) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not (equals and name.strip() and value.strip()):
        problems.add(f"{option} is {text!r}, expected something like {example}")
        return "", ""
    return name.strip(), value.strip()


def _edges(name: str, text: str, problems: Problems) -> list[float] | None:
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        problems.add(f"--bins {name}={text} are no numbers")
        return None


def _rows_of(table: Path) -> int:
    """Return how many rows the table has, 0 where it cannot be read, which is told on reading it."""
    import pyarrow.parquet as pq

    try:
        return int(pq.read_metadata(table).num_rows)
    except (OSError, ValueError):
        return 0


def _print(found: Slices, all_shown: bool) -> None:
    say(f"{found.faces:,} faces of {found.people:,} people")
    known = [item.metric for item in found.measurements]
    first = next((name for name in FIRST if name in known), known[0])
    shown = [item for item in found.measurements if all_shown or item.metric == first]
    print_table("", HEADINGS, [_row(item) for item in shown[:MOST_ROWS]])
    more = len(shown) - MOST_ROWS
    if more > 0:
        say(f"and {more:,} more rows; --out table.csv writes them all")
    others = sorted(set(known) - {item.metric for item in shown})
    if others:
        say(f"Also measured: {', '.join(others)}; --metric NAME shows one, --out table.csv writes all.")
    lacking = sum(item.estimate.value is None for item in found.measurements)
    if lacking:
        say(f"{lacking:,} of {len(found.measurements):,} estimates were not measured; each says what it lacks.")
    reasons = dict.fromkeys(found.absent.values())
    for reason in reasons:
        names = [name for name, why in found.absent.items() if why == reason]
        say(f"{' and '.join(names)} {'is' if len(names) == 1 else 'are'} not measured in batches: {reason}.")
    for note in found.notes:
        say(note)
    say("Each row stands alone: whether two groups differ is not tested here (countenance run does it).")


def _row(item: Measurement) -> list[str]:
    label = item.slice.get("label", item.slice.get("dimension"))
    groups = {name: value for name, value in item.slice.items() if name not in {"label", "dimension"}}
    where = ", ".join(f"{name} {value}" for name, value in groups.items()) or "all"
    estimate = item.estimate
    told = f"not measured: {estimate.reason}"
    if estimate.value is not None:
        told = f"{estimate.value:.3f}"
        if estimate.low is not None and estimate.high is not None:  # nothing varies: no limits either
            told += f" [{estimate.low:.3f}, {estimate.high:.3f}]"
    metric = item.metric + (f" of {label}" if label else "")
    return [where, metric, told, f"{estimate.n or 0:,}", f"{estimate.subjects or 0:,}"]


def _markdown(frame: Any) -> str:
    """Return the table in Markdown."""
    lines = ["| " + " | ".join(frame.columns) + " |", "|---" * len(frame.columns) + "|"]
    for row in frame.itertuples(index=False):
        cells = [f"{cell:.4g}" if isinstance(cell, float) else str(cell) for cell in row]
        lines.append("| " + " | ".join("" if cell == "nan" else cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines) + "\n"
