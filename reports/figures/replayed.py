"""Known triggers put on the audited faces: which class each attracts, beside random marks of the same kind and size."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from markupsafe import Markup

from ...cards.tree import Part, TableBlock
from ...cards.wording import estimate_text, metric_title, number
from ...core.results import ProbeResult
from .cells import Row, drawn_as, estimate_of, quoted, rows_of, value_of
from .forest import ForestRow, forest
from .panel import FigureGroup, Panel
from .picture import Picture

NEEDED = ("trigger", "class", "success", "low", "high", "null")
SUCCESS = "attack_success"
ALPHA = 0.05
_CAPTION = (
    "How often faces with the trigger are answered with the class, of those that are not without it, beside random "
    "marks of the same kind and size. A class that random marks attract as much has no backdoor to show for it, and "
    "that none follows these triggers says nothing of others."
)


def replayed_figures(probe: ProbeResult, table: Sequence[Sequence[str]]) -> Iterator[FigureGroup]:
    """Draw a table with a row for each known trigger and class, whose first row names the columns of ``NEEDED``."""
    rows = rows_of(table, NEEDED)
    if not rows:
        return
    names = list(dict.fromkeys(row["trigger"] for row in rows))
    panels = [_every(probe, rows)] if len(names) > 1 else []
    for name in names:
        here = [row for row in rows if row["trigger"] == name]
        panels.append(_of_trigger(probe, name, sorted(here, key=lambda row: -(value_of(row, "success") or 0.0))))
    yield FigureGroup("Known triggers, replayed", tuple(panels), _CAPTION)


def _words(name: str) -> str:
    return name.replace("_", " ")


def _alpha(probe: ProbeResult) -> float:
    found = probe.params.get("alpha")
    return float(found) if isinstance(found, (int, float)) else ALPHA


def _small(row: Row, alpha: float) -> bool:
    p = value_of(row, "p_adjusted")
    return p is not None and p < alpha


def _every(probe: ProbeResult, rows: Sequence[Row]) -> Panel:
    """Tabulate every trigger and class: how often the answer follows, darker the farther beyond random marks."""
    alpha = _alpha(probe)
    classes = list(dict.fromkeys(row["class"] for row in rows))
    found = {(row["trigger"], row["class"]): row for row in rows}
    head = Markup("").join(Markup('<th scope="col">{}</th>').format(name) for name in classes)
    body = Markup("").join(
        Markup('<tr><th scope="row">{}</th>{}</tr>').format(
            _words(name), Markup("").join(_cell(found.get((name, each)), alpha) for each in classes)
        )
        for name in dict.fromkeys(row["trigger"] for row in rows)
    )
    title = metric_title(SUCCESS, probe.probe)
    markup = Markup(
        '<div class="table units" role="group" tabindex="0" aria-label="{0} by trigger and class"><table><thead><tr>'
        '<th scope="col">{0}</th>{1}</tr></thead><tbody>{2}</tbody></table></div>'
    ).format(title, head, body)
    small = [f"{_words(row['trigger'])} to {row['class']}" for row in rows if _small(row, alpha)]
    told = "darker: farther beyond random marks."
    if any("p_adjusted" in row for row in rows):
        told += f" Framed: adjusted p below {alpha:g} ({', '.join(small) or 'none'})."
    alt = f"{title} of each trigger (rows) towards each class (columns). {told}"
    return Panel("every trigger", Picture(markup), _table(probe, rows, True), alt, f"{title}; {told}")


def _cell(row: Row | None, alpha: float) -> Markup:
    value = None if row is None else value_of(row, "success")
    if row is None or value is None:
        why = "" if row is None else row.get("reason") or ""
        return Markup('<td><span class="none" title="{}">–</span></td>').format(why)
    beyond = max(0.0, value - (value_of(row, "null") or 0.0))
    return Markup('<td class="{}" style="--strength:{}%" title="{}"><span>{}</span></td>').format(
        "own above" if _small(row, alpha) else "",
        round(100 * min(1.0, beyond)),
        f"{estimate_text(estimate_of(row, 'success'))}; random marks {_number(row, 'null')}",
        f"{value:.2f}",
    )


def _number(row: Row, name: str) -> str:
    value = value_of(row, name)
    return "–" if value is None else number(value)


def _of_trigger(probe: ProbeResult, name: str, rows: Sequence[Row]) -> Panel:
    series = (metric_title(SUCCESS, probe.probe), "random marks")
    drawn = [
        ForestRow(
            row["class"],
            "class",
            (
                drawn_as(estimate_of(row, "success"), SUCCESS),
                drawn_as(estimate_of(row, "null", "null_low", "null_high"), f"{SUCCESS}.null"),
            ),
        )
        for row in rows
    ]
    title = next((row["title"] for row in rows if row.get("title")), "")
    alt = f"How often faces with the trigger {_words(name)} are answered with each class, beside random marks."
    panel = forest(_words(name), drawn, series, alt, caption=f"{title[:1].upper()}{title[1:]}." if title else "")
    return replace(panel, table=_table(probe, rows, False))


def _table(probe: ProbeResult, rows: Sequence[Row], several: bool) -> TableBlock:
    body: list[tuple[Part, ...]] = []
    for row in rows:
        place = {"trigger": row["trigger"], "class": row["class"]}
        found = (
            quoted(probe, SUCCESS, place, estimate_of(row, "success")),
            quoted(probe, f"{SUCCESS}.null", place, estimate_of(row, "null", "null_low", "null_high")),
            quoted(probe, f"{SUCCESS}.excess", place, estimate_of(row, "excess", "excess_low", "excess_high")),
        )
        body.append((*((_words(row["trigger"]),) if several else ()), row["class"], *found, _number(row, "p_adjusted")))
    heads = (metric_title(SUCCESS, probe.probe), "random marks", "beyond random marks", "adjusted p")
    return TableBlock((*(("trigger",) if several else ()), "class", *heads), tuple(body), "Known triggers, replayed")
