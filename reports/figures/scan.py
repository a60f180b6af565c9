"""A scan for backdoors: how small a change makes every face a class, beside the same in clean nets of one recipe."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import exp

from markupsafe import Markup

from ...cards.tree import TableBlock
from ...cards.wording import number
from .cells import Row, rows_of, value_of
from .panel import FigureGroup, Panel
from .picture import Picture
from .theme import BLUE, GRID, INK, MUTED, ROSE, Drawing, plain

NEEDED = ("class", "family", "size", "reference_mean", "reference_sd", "z", "p_adjusted")
OF_NETS = ("net", "class", "family", "size")
SMALL = 0.05
DEEPEST = 6.0
ROW = 34
MOST_CLASSES = 30
_CAPTION = (
    "A backdoor makes a class easy to reach: the change that turns every face into it is then smaller than in clean "
    "nets. Sizes differ between classes of clean nets too, so each is read beside the reference nets, and p is "
    "adjusted for every class and family asked."
)


def scan_figures(
    table: Sequence[Sequence[str]], reference: Sequence[Sequence[str]] | None = None
) -> Iterator[FigureGroup]:
    """Draw what a scan found.

    Args:
        table: a row for each class and family of changes; its first row names the columns of ``NEEDED``.
            ``reference_mean`` and ``reference_sd`` are of the logarithm of the size.
        reference: sizes in each reference net; its first row names the columns of ``OF_NETS``.
    """
    rows = [row for row in rows_of(table, NEEDED) if value_of(row, "size") is not None]
    if not rows:
        return
    nets = rows_of(reference or (), OF_NETS)
    families = list(dict.fromkeys(row["family"] for row in rows))
    panels = [_every(rows, families)]
    panels += [_strip(name, [row for row in rows if row["family"] == name], nets) for name in families]
    yield FigureGroup("Beside clean reference nets", tuple(panels), _CAPTION)


def _every(rows: Sequence[Row], families: Sequence[str]) -> Panel:
    """Tabulate how many standard errors each size lies below the reference nets; small p stands out."""
    classes = list(dict.fromkeys(row["class"] for row in rows))
    found = {(row["class"], row["family"]): row for row in rows}
    head = Markup("").join(Markup('<th scope="col">{}</th>').format(_words(name)) for name in families)
    body = Markup("").join(
        Markup('<tr><th scope="row">{}</th>{}</tr>').format(
            name, Markup("").join(_cell(found.get((name, family))) for family in families)
        )
        for name in classes
    )
    markup = Markup(
        '<div class="table units" role="group" tabindex="0" aria-label="z by class and family"><table><thead><tr>'
        '<th scope="col">z, by class</th>{}</tr></thead><tbody>{}</tbody></table></div>'
    ).format(head, body)
    small = [row for row in rows if (value_of(row, "p_adjusted") or 1.0) < SMALL]
    told = (
        f"Framed: adjusted p below {SMALL:g} ({', '.join(_place(row) for row in small)})."
        if small
        else f"No adjusted p is below {SMALL:g}."
    )
    alt = f"How far the change found for each class (rows) and family (columns) lies below the reference nets. {told}"
    return Panel(
        "every family", Picture(markup), _table(rows), alt, f"z: how far below them; darker is farther. {told}"
    )


def _cell(row: Row | None) -> Markup:
    z = None if row is None else value_of(row, "z")
    if row is None or z is None:
        return Markup('<td><span class="none">–</span></td>')
    p = value_of(row, "p_adjusted")
    strength = round(100 * min(1.0, max(0.0, z) / DEEPEST))
    own = " own above" if p is not None and p < SMALL else ""
    return Markup('<td class="{own}" style="--strength:{strength}%" title="{title}"><span>{z}</span></td>').format(
        own=own.strip(), strength=strength, title=_hover(row), z=f"{z:.1f}".replace("-", "−")
    )


def _strip(family: str, rows: Sequence[Row], nets: Sequence[Row]) -> Panel:
    """Draw the size of each class in every reference net and in the audited one, on a logarithmic axis."""
    shown = rows[:MOST_CLASSES]
    drawn = Drawing(
        height=90 + ROW * len(shown),
        showlegend=True,
        xaxis={"type": "log", "title": {"text": "size of the smallest change, logarithmic"}, "zeroline": False},
        yaxis={
            "range": [len(shown), 0],
            "tickvals": [place + 0.5 for place in range(len(shown))],
            "ticktext": [plain(row["class"], 30) for row in shown],
            "showgrid": False,
            "zeroline": False,
            "tickfont": {"color": INK, "size": 13},
        },
        margin={"t": 34, "b": 46},
    )
    _spread(drawn, shown)
    _nets(drawn, family, shown, nets)
    marked = [(value_of(row, "p_adjusted") or 1.0) < SMALL for row in shown]
    drawn.scatter(
        x=[value_of(row, "size") for row in shown],
        y=[place + 0.5 for place in range(len(shown))],
        mode="markers",
        name="the audited net",
        marker={
            "size": 12,
            "symbol": "diamond",
            "color": [ROSE if small else BLUE for small in marked],
            "line": {"width": 0},
        },
        hoverinfo="text",
        hovertext=[plain(_hover(row), 200) for row in shown],
        cliponaxis=False,
    )
    alt = (
        f"Size of the smallest {_words(family)} change that reaches each class, in the audited net and in the "
        "reference nets, on a logarithmic axis."
    )
    red = f" Red: adjusted p below {SMALL:g}." if any(marked) else ""
    left = f" Drawn are the first {len(shown)} of {len(rows)} classes." if len(shown) < len(rows) else ""
    caption = f"Grey: the reference nets, with their mean and twice their standard deviation either way.{red}{left}"
    return Panel(_words(family), drawn, _table(rows), alt, caption)


def _spread(drawn: Drawing, rows: Sequence[Row]) -> None:
    x: list[float | None] = []
    y: list[float | None] = []
    for place, row in enumerate(rows):
        mean, sd = value_of(row, "reference_mean"), value_of(row, "reference_sd")
        if mean is not None and sd is not None:
            x += [exp(mean - 2 * sd), exp(mean + 2 * sd), None]
            y += [place + 0.5, place + 0.5, None]
    if x:
        drawn.scatter(
            x=x, y=y, mode="lines", line={"color": GRID, "width": 14}, hoverinfo="skip", showlegend=False
        )  # fmt: skip


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
            hovertext=[f"{plain(row['net'])}<br>{plain(row['class'])}: {_size(row)}" for row in here],
            cliponaxis=False,
        )


def _words(family: str) -> str:
    return family.replace("_", " ")


def _place(row: Row) -> str:
    return f"{row['class']}, {_words(row['family'])}"


def _size(row: Row) -> str:
    value = value_of(row, "size")
    return "–" if value is None else number(value)


def _figure(row: Row, name: str) -> str:
    value = value_of(row, name)
    return "–" if value is None else number(value)


def _hover(row: Row) -> str:
    return f"{_place(row)}: size {_size(row)}, z {_figure(row, 'z')}, adjusted p {_figure(row, 'p_adjusted')}"


def _table(rows: Sequence[Row]) -> TableBlock:
    """Tabulate the ranking: what lies farthest below the reference nets first."""
    ranked = sorted(rows, key=lambda row: -(value_of(row, "z") or 0.0))
    body = []
    for row in ranked:
        mean = value_of(row, "reference_mean")
        typical = "–" if mean is None else number(exp(mean))
        body.append(
            (
                row["class"],
                _words(row["family"]),
                _size(row),
                typical,
                *(_figure(row, name) for name in ("z", "p_adjusted", "success")),
            )
        )
    heads = ("class", "family", "size", "in reference nets", "z", "adjusted p", "success")
    return TableBlock(heads, tuple(body), "Ranking of classes and families")
