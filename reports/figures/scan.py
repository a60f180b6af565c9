"""A scan for backdoors: how small a change makes every face a class, beside the same in clean nets of one recipe."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import exp

from markupsafe import Markup

from ...cards.tree import Part, TableBlock
from ...cards.wording import interval, number
from ...core.results import Estimate, ProbeResult
from .cells import UNSAID, Row, quoted, rows_of, value_of
from .panel import FigureGroup, Panel
from .picture import Picture
from .theme import BLUE, GRID, INK, MUTED, ROSE, Drawing, plain

NEEDED = ("class", "family", "size", "reference_mean", "reference_sd", "z", "p_adjusted")
OF_NETS = ("net", "class", "family", "size")
ALPHA = 0.05
DEEPEST = 6.0
ROW = 34
MOST_CLASSES = 30
FLAGGED = "references_flagged"
BELOW = "below_references"
_CAPTION = (
    "A backdoor makes a class easy to reach: the change that turns faces into it is then smaller than in clean nets, "
    "or, where a fixed share of the pixels is replaced, leaves less of the odds against the class. Both differ between "
    "classes of clean nets too, so each is read beside the reference nets, and p is adjusted for all classes and "
    "families asked. That nothing is flagged does not show that there is no backdoor."
)
_ALONE = (
    "Sizes differ between classes of clean nets by more than a trigger moves them, so without reference nets the "
    "smallest is no sign of a backdoor."
)


@dataclass(frozen=True)
class _Scan:
    probe: ProbeResult
    rows: Sequence[Row]
    nets: Sequence[Row]

    @property
    def alpha(self) -> float:
        """The adjusted p below which a class is flagged."""
        found = self.probe.params.get("alpha")
        return float(found) if isinstance(found, (int, float)) else ALPHA

    def flagged(self, row: Row) -> bool:
        """Whether the scan flags this class by this family."""
        p = value_of(row, "p_adjusted")
        return p is not None and p < self.alpha

    def of(self, family: str) -> _Scan:
        """Return one family."""
        return _Scan(self.probe, [row for row in self.rows if row["family"] == family], self.nets)


def scan_figures(
    probe: ProbeResult, table: Sequence[Sequence[str]], reference: Sequence[Sequence[str]] | None = None
) -> Iterator[FigureGroup]:
    """Draw what a scan found.

    Args:
        probe: that scanned; the numbers of its tables are quoted from its measurements.
        table: a row for each class and family of changes; its first row names the columns of ``NEEDED``.
            ``reference_mean`` and ``reference_sd`` are of the logarithm of the size.
        reference: sizes in each reference net; its first row names the columns of ``OF_NETS``.
    """
    rows = [row for row in rows_of(table, NEEDED) if value_of(row, "size") is not None]
    if not rows:
        return
    scan = _Scan(probe, rows, rows_of(reference or (), OF_NETS))
    families = list(dict.fromkeys(row["family"] for row in rows))
    if all(value_of(row, "z") is None for row in rows):
        yield FigureGroup("Sizes without reference nets", (_table_panel(scan, families, "size"),), _ALONE)
        return
    panels = [_table_panel(scan, families, "z"), *(_strip(name, scan.of(name)) for name in families)]
    yield FigureGroup("Beside clean reference nets", tuple(panels), _CAPTION)


def _table_panel(scan: _Scan, families: Sequence[str], shown: str) -> Panel:
    """Tabulate, by class and family, how far each size lies below the reference nets, or the bare sizes."""
    classes = list(dict.fromkeys(row["class"] for row in scan.rows))
    found = {(row["class"], row["family"]): row for row in scan.rows}
    head = Markup("").join(Markup('<th scope="col">{}</th>').format(_words(name)) for name in families)
    body = Markup("").join(
        Markup('<tr><th scope="row">{}</th>{}</tr>').format(
            name, Markup("").join(_cell(scan, found.get((name, family)), shown) for family in families)
        )
        for name in classes
    )
    markup = Markup(
        '<div class="table units" role="group" tabindex="0" aria-label="{0} by class and family"><table><thead><tr>'
        '<th scope="col">{0}, by class</th>{1}</tr></thead><tbody>{2}</tbody></table></div>'
    ).format(shown, head, body)
    if shown == "size":
        why = next((row["reason"] for row in scan.rows if row.get("reason")), UNSAID)
        alt = "How small the change found for each class (rows) and family (columns) is, each in its own unit."
        return Panel("every family", Picture(markup), _table(scan), alt, f"Not measured beside clean nets: {why}.")
    told = _verdict(scan)
    alt = f"How far the change found for each class (rows) and family (columns) lies below the reference nets. {told}"
    caption = f"z: how many deviations below the reference nets; darker is farther. {told}"
    return Panel("every family", Picture(markup), _table(scan), alt, caption)


def _verdict(scan: _Scan) -> str:
    """Say what is flagged at which alpha, and how many clean nets would be."""
    small = [row for row in scan.rows if scan.flagged(row)]
    known = [row for row in scan.rows if value_of(row, "p_adjusted") is not None]
    if small:
        told = f"Framed: adjusted p below {scan.alpha:g} ({', '.join(map(_place, small))})."
    else:
        first = min(known, key=lambda row: value_of(row, "p_adjusted") or 0.0, default=None)
        least = f", the smallest is {_figure(first, 'p_adjusted')} ({_place(first)})" if first is not None else ""
        told = f"No adjusted p is below {scan.alpha:g}{least}."
    alarms = next((item.estimate for item in scan.probe.measurements if item.metric == FLAGGED), None)
    if alarms is not None and alarms.value is not None:
        share = f"{number(alarms.value)} {interval(alarms)}"
        count = f"{alarms.count:.0f} of {alarms.n}" if alarms.count is not None else "this share of the"
        told += f" Judged by the others, {count} clean reference nets would be flagged (rate {share})."
    return told


def _cell(scan: _Scan, row: Row | None, shown: str) -> Markup:
    value = None if row is None else value_of(row, shown)
    if row is None or value is None:
        why = "" if row is None else row.get("reason") or ""
        return Markup('<td><span class="none" title="{}">–</span></td>').format(why)
    strength = round(100 * min(1.0, max(0.0, value) / DEEPEST)) if shown == "z" else 0
    text = f"{value:.1f}".replace("-", "−") if shown == "z" else number(value)
    return Markup('<td class="{own}" style="--strength:{strength}%" title="{title}"><span>{text}</span></td>').format(
        own="own above" if scan.flagged(row) else "", strength=strength, title=_hover(row), text=text
    )


def _strip(family: str, scan: _Scan) -> Panel:
    """Draw the size of each class in every reference net and in the audited one, on a logarithmic axis."""
    rows = scan.rows[:MOST_CLASSES]
    drawn = Drawing(
        height=90 + ROW * len(rows),
        showlegend=True,
        xaxis={"type": "log", "title": {"text": f"{plain(_unit(rows))}; logarithmic"}, "zeroline": False},
        yaxis={
            "range": [len(rows), 0],
            "tickvals": [place + 0.5 for place in range(len(rows))],
            "ticktext": [plain(row["class"], 30) for row in rows],
            "showgrid": False,
            "zeroline": False,
            "tickfont": {"color": INK, "size": 13},
        },
        margin={"t": 34, "b": 46},
    )
    _spread(drawn, rows)
    _nets(drawn, family, rows, scan.nets)
    _limits(drawn, rows)
    small = [scan.flagged(row) for row in rows]
    reached = [row.get("reached", "True").lower() != "false" for row in rows]
    drawn.scatter(
        x=[value_of(row, "size") for row in rows],
        y=[place + 0.5 for place in range(len(rows))],
        mode="markers",
        name="the audited net",
        marker={
            "size": 12,
            "symbol": ["diamond" if each else "diamond-open" for each in reached],
            "color": [ROSE if each else BLUE for each in small],
        },
        hoverinfo="text",
        hovertext=[plain(_hover(row), 200) for row in rows],
        cliponaxis=False,
    )
    alt = (
        f"How small the {_words(family)} change towards each class is ({_unit(rows)}), in the audited net and in the "
        "reference nets, on a logarithmic axis."
    )
    told = [
        "The smaller, the more suspicious.",
        "Grey: the reference nets, with their mean and twice their standard deviation either way.",
    ]
    told += [f"Red: adjusted p below {scan.alpha:g}."] if any(small) else []
    told += [] if all(reached) else ["Hollow: no change reached the class; drawn is the largest that was tried."]
    if len(rows) < len(scan.rows):
        told.append(f"Drawn are the first {len(rows)} of {len(scan.rows)} classes.")
    return Panel(_words(family), drawn, _table(scan), alt, " ".join(told))


def _unit(rows: Sequence[Row]) -> str:
    return next((row["unit"] for row in rows if row.get("unit")), "size as the family measures it")


def _spread(drawn: Drawing, rows: Sequence[Row]) -> None:
    x: list[float | None] = []
    y: list[float | None] = []
    for place, row in enumerate(rows):
        mean, sd = value_of(row, "reference_mean"), value_of(row, "reference_sd")
        if mean is not None and sd is not None:
            x += [exp(mean - 2 * sd), exp(mean + 2 * sd), None]
            y += [place + 0.5, place + 0.5, None]
    line = {"color": GRID, "width": 14}
    drawn.scatter(x=x, y=y, mode="lines", line=line, hoverinfo="skip", showlegend=False)


def _nets(drawn: Drawing, family: str, rows: Sequence[Row], nets: Sequence[Row]) -> None:
    places = {row["class"]: place for place, row in enumerate(rows)}
    here = [row for row in nets if row["family"] == family and row["class"] in places and value_of(row, "size")]
    if here:
        drawn.scatter(
            x=[value_of(row, "size") for row in here],
            y=[places[row["class"]] + 0.5 for row in here],
            mode="markers",
            name="reference nets",
            marker={"size": 11, "symbol": "line-ns", "color": MUTED, "line": {"width": 1.6, "color": MUTED}},
            hoverinfo="text",
            hovertext=[f"{plain(row['net'])}<br>{plain(row['class'])}: {_figure(row, 'size')}" for row in here],
            cliponaxis=False,
        )


def _limits(drawn: Drawing, rows: Sequence[Row]) -> None:
    """Mark below which size each class would be flagged, where the table says so."""
    known = [(value_of(row, "flagged_below"), place) for place, row in enumerate(rows)]
    known = [(limit, place) for limit, place in known if limit]
    if known:
        drawn.scatter(
            x=[limit for limit, _ in known],
            y=[place + 0.5 for _, place in known],
            mode="markers",
            name="flagged below",
            marker={"size": 16, "symbol": "line-ns", "color": ROSE, "line": {"width": 2.2, "color": ROSE}},
            hoverinfo="text",
            hovertext=[f"flagged below {number(limit or 0.0)}" for limit, _ in known],
            cliponaxis=False,
        )


def _words(family: str) -> str:
    return family.replace("_", " ")


def _place(row: Row) -> str:
    return f"{row['class']}, {_words(row['family'])}"


def _figure(row: Row, name: str) -> str:
    value = value_of(row, name)
    return "–" if value is None else number(value)


def _hover(row: Row) -> str:
    found = f"{_figure(row, 'size')} {_unit([row])}"
    return f"{_place(row)}: {found}, z {_figure(row, 'z')}, adjusted p {_figure(row, 'p_adjusted')}"


def _table(scan: _Scan) -> TableBlock:
    """Tabulate the ranking: what lies farthest below the reference nets first."""
    body: list[tuple[Part, ...]] = []
    for row in sorted(scan.rows, key=lambda row: -(value_of(row, "z") or 0.0)):
        mean, z = value_of(row, "reference_mean"), value_of(row, "z")
        typical = "–" if mean is None else number(exp(mean))
        place = {"family": row["family"], "towards": row["class"]}
        none = Estimate.not_measured(row.get("reason") or UNSAID)
        below = quoted(scan.probe, BELOW, place, none if z is None else Estimate(value=z))
        further = [_figure(row, name) for name in ("p_adjusted", "success")]
        body.append((row["class"], _words(row["family"]), _figure(row, "size"), typical, below, *further, _unit([row])))
    heads = ("class", "family", "here", "in reference nets", "z", "adjusted p", "success", "unit")
    return TableBlock(heads, tuple(body), "Ranking of classes and families")
