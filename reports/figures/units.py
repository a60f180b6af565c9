"""The model by action units: how much of its evidence lies in the region of each, against the codebook."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from ...cards.absent import short_reason
from ...cards.tables import ref
from ...cards.tree import Part, TableBlock
from ...cards.wording import number
from ...core.results import Measurement, ProbeResult
from .panel import FigureGroup, Panel
from .picture import Picture
from .theme import BLUE, INK, MUTED, Drawing, plain

_ROW = 34
_CAPTION = (
    "Share of the map's energy on the face that lies in the region of each action unit. Blue frame: the codebook "
    "counts the unit to this expression, one contested account. The tint grows with what it has beyond an even map; "
    "regions differ in size and overlap, so shares neither compare across rows by themselves nor add up to one. Bold: "
    "the interval lies above that of the comparison, the maps of the other classes."
)


@dataclass(frozen=True)
class _Cell:
    """One action unit of one class."""

    label: str
    unit: str
    name: str
    own: bool
    energy: float | None
    low: float | None
    high: float | None
    null: float | None
    null_low: float | None
    null_high: float | None
    even: float | None
    reason: str

    @property
    def above(self) -> bool:
        """Whether the interval lies above the comparison's."""
        end = self.null_high if self.null_high is not None else self.null
        return self.low is not None and end is not None and self.low > end

    @property
    def strength(self) -> float:
        """How strongly the cell is tinted, 0..1: from as much as an even map has to three times that."""
        usual = self.even if self.even else self.null
        if self.energy is None or not usual:
            return 0.0
        return min(1.0, max(0.0, (self.energy / usual - 1) / 2))


def unit_figures(probe: ProbeResult, table: Sequence[Sequence[str]]) -> Iterator[FigureGroup]:
    """Yield the grid of units by classes, and a drawing with intervals for each class.

    Args:
        probe: that wrote it; its measurements ``energy`` by ``label`` and ``unit`` are quoted.
        table: ``units.csv``, header first: ``label, unit, name, in_codebook, energy, low, high, null, null_low,
            null_high``, and where known ``even`` and ``reason``.
    """
    cells = _read(table)
    if not any(cell.energy is not None for cell in cells):
        return
    labels = list(dict.fromkeys(cell.label for cell in cells))
    measured = [label for label in labels if any(c.energy is not None for c in cells if c.label == label)]
    panels = [_grid(probe, cells, measured)]
    panels += [_of_label(probe, label, [cell for cell in cells if cell.label == label]) for label in measured]
    silent = [label for label in labels if label not in measured]
    why = next((cell.reason for cell in cells if cell.label in silent and cell.reason), "")
    missing = f"Not measured: {', '.join(silent)}{f' ({short_reason(why)})' if why else ''}." if silent else ""
    yield FigureGroup("Action units against the codebook", tuple(panels), missing)


def _grid(probe: ProbeResult, cells: Sequence[_Cell], labels: Sequence[str]) -> Panel:
    units = list(dict.fromkeys(cell.unit for cell in cells))
    at = {(cell.unit, cell.label): cell for cell in cells}
    names = {cell.unit: cell.name for cell in cells}
    body, rows = [], []
    for unit in units:
        found = [at.get((unit, label)) for label in labels]
        head = Markup('<th scope="row">{}<span class="sub">{}</span></th>').format(unit, names[unit])
        body.append(Markup("<tr>{}{}</tr>").format(head, Markup("").join(map(_shown, found))))
        rows.append((f"{unit} {names[unit]}", *(_quoted(probe, cell) for cell in found)))
    head = Markup("").join(Markup('<th scope="col">{}</th>').format(label) for label in labels)
    markup = Markup(
        '<div class="table units" role="group" tabindex="0" aria-label="Action units by class"><table><thead><tr>'
        '<th scope="col">unit</th>{}</tr></thead><tbody>{}</tbody></table></div>'
    ).format(head, Markup("").join(body))
    columns = ("action unit", *labels)
    alt = f"Share of the map's energy in the regions of {len(units)} action units (rows) for {', '.join(labels)}."
    return Panel("all classes", Picture(markup), TableBlock(columns, tuple(rows), "Energy by unit"), alt, _CAPTION)


def _shown(cell: _Cell | None) -> Markup:
    if cell is None or cell.energy is None:
        return Markup('<td class="{}"><span class="none">–</span></td>').format("own" if cell and cell.own else "")
    kind = " ".join(name for name, holds in (("own", cell.own), ("above", cell.above)) if holds)
    beside = "" if cell.null is None else f"others {_percent(cell.null)}"
    mark = Markup('<span class="unseen"> in the codebook</span>') if cell.own else Markup("")
    return Markup('<td class="{}" style="--strength:{}%">{}{}<span class="sub">{}</span></td>').format(
        kind, round(100 * cell.strength), Markup("<span>{}</span>").format(_percent(cell.energy)), mark, beside
    )


def _of_label(probe: ProbeResult, label: str, cells: Sequence[_Cell]) -> Panel:
    """Draw the units of one class with intervals, those of the codebook first."""
    known = sorted((cell for cell in cells if cell.energy is not None), key=lambda cell: not cell.own)
    ends = [value for c in known for value in (c.energy, c.high, c.null, c.null_high) if value is not None]
    drawn = Drawing(
        height=95 + _ROW * len(known),
        xaxis={"range": [0, min(1.02, 1.08 * max(ends))], "tickformat": ".0%", "zeroline": True, "nticks": 6},
        yaxis={
            "range": [len(known) - 0.4, -0.6],
            "tickvals": list(range(len(known))),
            "ticktext": [_tick(cell) for cell in known],
            "tickfont": {"color": INK, "size": 13},
            "showgrid": False,
            "zeroline": False,
        },
    )
    places = range(len(known))
    _points(
        drawn,
        "maps of the other classes",
        MUTED,
        "line-ns-open",
        [(place + 0.17, cell.null, cell.null_low, cell.null_high) for place, cell in zip(places, known, strict=True)],
    )
    _points(
        drawn,
        f"maps of {label}",
        BLUE,
        "circle",
        [(place - 0.17, cell.energy, cell.low, cell.high) for place, cell in zip(places, known, strict=True)],
    )
    rows = tuple(
        (
            f"{cell.unit} {cell.name}",
            "yes" if cell.own else "no",
            _quoted(probe, cell),
            _interval(cell.null, cell.null_low, cell.null_high),
            "–" if cell.even is None else _percent(cell.even),
        )
        for cell in known
    )
    own = [cell.unit for cell in known if cell.own]
    book = f"The codebook counts {', '.join(own)} to it" if own else "The codebook names no unit for it"
    alt = f"Share of energy of {label} in the region of each action unit, with intervals, beside the other classes."
    table = TableBlock(
        ("action unit", "in the codebook", "energy", "other classes", "even map"), rows, f"{label}: energy"
    )
    return Panel(label, drawn, table, alt, f"{book}; its units stand above, in bold.")


def _points(
    drawn: Drawing,
    name: str,
    colour: str,
    symbol: str,
    found: Sequence[tuple[float, float | None, float | None, float | None]],
) -> None:
    known = [(place, value, low, high) for place, value, low, high in found if value is not None]
    if not known:
        return
    drawn.scatter(
        x=[value for _, value, _, _ in known],
        y=[place for place, _, _, _ in known],
        error_x={
            "type": "data",
            "symmetric": False,
            "array": [max(0.0, (high if high is not None else value) - value) for _, value, _, high in known],
            "arrayminus": [max(0.0, value - (low if low is not None else value)) for _, value, low, _ in known],
            "color": colour,
            "thickness": 1.8,
            "width": 4,
        },
        mode="markers",
        name=plain(name),
        marker={"size": 10, "color": colour, "symbol": symbol, "line": {"color": colour, "width": 2}},
        hoverinfo="text",
        hovertext=[f"{plain(name)}: {_interval(value, low, high)}" for _, value, low, high in known],
        cliponaxis=False,
    )


def _tick(cell: _Cell) -> str:
    text = plain(f"{cell.unit} {cell.name}", 34)
    return f"<b>{text}</b>" if cell.own else text


def _quoted(probe: ProbeResult, cell: _Cell | None) -> Part:
    if cell is None:
        return "–"
    found = _measured(probe, cell)
    if found is not None:
        return ref(found)
    return _interval(cell.energy, cell.low, cell.high) if cell.energy is not None else cell.reason or "not measured"


def _measured(probe: ProbeResult, cell: _Cell) -> Measurement | None:
    place = {"label": cell.label, "unit": cell.unit}
    return next((item for item in probe.measurements if item.metric == "energy" and item.slice == place), None)


def _interval(value: float | None, low: float | None, high: float | None) -> str:
    if value is None:
        return "–"
    return number(value) if low is None or high is None else f"{number(value)} [{number(low)}, {number(high)}]"


def _percent(value: float) -> str:
    return f"{100 * value:.0f} %" if value >= 0.0995 or value == 0 else f"{100 * value:.1f} %"


def _read(table: Sequence[Sequence[str]]) -> list[_Cell]:
    if not table:
        return []
    found = []
    for row in table[1:]:
        entry = dict(zip(table[0], row, strict=False))

        def value(name: str, entry: dict[str, str] = entry) -> float | None:
            text = entry.get(name, "")
            return float(text) if text not in ("", "nan") else None

        found.append(
            _Cell(
                label=entry.get("label", ""),
                unit=entry.get("unit", ""),
                name=entry.get("name", ""),
                own=entry.get("in_codebook", "") in ("1", "1.0", "True"),
                energy=value("energy"),
                low=value("low"),
                high=value("high"),
                null=value("null"),
                null_low=value("null_low"),
                null_high=value("null_high"),
                even=value("even"),
                reason=entry.get("reason", ""),
            )
        )
    return found
