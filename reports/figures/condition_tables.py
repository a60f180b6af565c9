"""What each thing done to the faces costs: all of it with intervals, and a table of all things by all strengths."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from markupsafe import Markup

from ...cards.conditions import Under, under
from ...cards.slices import Grouped, by_grouping
from ...cards.tables import ref
from ...cards.tree import Part, TableBlock
from ...cards.wording import estimate_text, metric_title, number
from ...core.results import AuditResults, Measurement, ProbeResult
from .curve_lines import LOSSES, VALUES, Line, alike, lines_of
from .forest import ForestRow, forest
from .panel import FigureGroup, Panel
from .picture import Picture

FEWEST_ROWS = 5
_HEAT = "Each cell is the {metric}; the darker its ground, the more was lost of the {clean} of faces as they are."


def condition_figures(probe: ProbeResult, results: AuditResults) -> Iterator[FigureGroup]:
    """Yield what each condition costs: over all its strengths with intervals, and strength by strength as a table."""
    table = next((found for found in by_grouping(probe, results.data.attributes) if not found.attributes), None)
    metric = None if table is None else _metric(table)
    if table is None or metric is None:
        return
    clean = _clean(table, metric)
    whole = _costs(table, metric, clean, probe)
    if whole is not None:
        done = [found for column in table.columns if (found := under(dict(column.condition))) is not None]
        over = ", over all strengths that were tried" if any(each.size and not each.clean for each in done) else ""
        yield FigureGroup("What costs most", (whole,), f"Points with intervals{over}.")
    lines = [line for line in lines_of(table, metric) if not line.done.whole]
    parts = [part for part in alike(lines) if len(part) >= FEWEST_ROWS and len(part[0].sizes) > 1]
    panels = tuple(_heat(part, metric, clean, probe, len(parts) > 1) for part in parts)
    if panels:
        yield FigureGroup(f"At every {lines[0].done.strength or 'strength'}", panels)


def _metric(table: Grouped) -> str | None:
    """Choose what is measured of faces as they are too; where nothing is labelled, what changed."""
    seen = {column.metric for column in table.columns if under(dict(column.condition)) is not None}
    return next((name for name in (*VALUES, *LOSSES) if name in seen), None)


def _clean(table: Grouped, metric: str) -> Measurement | None:
    cells = ((under(dict(column.condition)), cell) for (_, column), cell in table.cells.items())
    return next((cell for done, cell in cells if cell.metric == metric and done is not None and done.clean), None)


def _costs(table: Grouped, metric: str, clean: Measurement | None, probe: ProbeResult) -> Panel | None:
    """Draw what was measured over all strengths of a thing, and what has no strength; the worst first."""
    found: list[tuple[Under, Measurement]] = []
    for column in table.columns:
        done = under(dict(column.condition))
        if column.metric == metric and not column.rest and done is not None and not done.size and not done.clean:
            found.append((done, table.cells[(), column]))
    beside = {done.control_of: cell for done, cell in found if done.control_of}
    found = [(done, cell) for done, cell in found if not done.control_of]
    if len(found) < 2:
        return None
    sign = 1 if found[0][1].direction == "higher" else -1
    found.sort(key=lambda pair: (not pair[0].whole, sign * (pair[1].estimate.value or 0.0)))
    rows = [
        ForestRow(done.named, done.kind, (cell, *((beside.get(done.name),) if beside else ()))) for done, cell in found
    ]
    title = metric_title(metric, probe.probe)
    again = "with the photo itself" if found[0][0].kind == "forgery" else "moved elsewhere"
    series = (title, f"the same {again}") if beside else (title,)
    alt = f"{title} under each {found[0][0].kind}, with its interval, what costs most first."
    alt += " The line is faces as they are." if clean is not None else ""
    return forest(title, rows, series, alt, clean, reference_name="as they are")


def _heat(lines: Sequence[Line], metric: str, clean: Measurement | None, probe: ProbeResult, several: bool) -> Panel:
    sizes = lines[0].sizes
    ordered = sorted(lines, key=_mean_harm)
    start = None if clean is None else clean.estimate.value
    body, rows = [], []
    for line in ordered:
        cells = {point.size: point.cell for point in line.points}
        shown = Markup("").join(_cell(cells.get(size), start) for size in sizes)
        body.append(Markup('<tr><th scope="row">{}</th>{}</tr>').format(line.done.named, shown))
        row: list[Part] = [line.done.named, *(ref(cells[size]) if size in cells else "–" for size in sizes)]
        rows.append(tuple(row))
    strength, title = lines[0].done.strength, metric_title(metric, probe.probe)
    head = Markup("").join(
        Markup('<th scope="col"><span class="unseen">{} </span>{}</th>').format(strength, size) for size in sizes
    )
    markup = Markup(
        '<div class="table units sizes" role="group" tabindex="0" aria-label="{} by {}"><table><thead><tr>'
        '<th scope="col">{}, by {}</th>{}</tr></thead><tbody>{}</tbody></table></div>'
    ).format(title, strength, lines[0].done.kind, strength, head, Markup("").join(body))
    name = f"{strength} {sizes[0]} to {sizes[-1]}" if several else f"{title} by {strength}"
    columns = (lines[0].done.kind, *(f"{strength} {size}" for size in sizes))
    alt = f"{title} under each of {len(lines)} things done (rows) at each {strength} (columns)."
    told = _HEAT.format(metric=title, clean=number(start)) if start is not None else f"Each cell is the {title}."
    return Panel(name, Picture(markup), TableBlock(columns, tuple(rows), f"{title} by {strength}"), alt, told)


def _mean_harm(line: Line) -> float:
    values = [point.cell.estimate.value or 0.0 for point in line.known if point.amount > 0]
    mean = sum(values) / max(1, len(values))
    return mean if line.points[-1].cell.direction == "higher" else -mean


def _cell(cell: Measurement | None, clean: float | None) -> Markup:
    value = None if cell is None else cell.estimate.value
    if cell is None or value is None:
        why = "" if cell is None else cell.estimate.reason or ""
        return Markup('<td><span class="none" title="{}">–</span></td>').format(why)
    lost = abs((clean if clean is not None else 0.0) - value)
    worse = clean is None or (value < clean) == (cell.direction == "higher")
    share = min(1.0, lost / clean) if clean else min(1.0, lost)
    strength = round(100 * share) if worse else 0
    return Markup('<td style="--strength:{}%" title="{}"><span>{}</span></td>').format(
        strength, estimate_text(cell.estimate), f"{value:.2f}"
    )
