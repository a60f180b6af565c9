"""A poisoning drill: what a share of poisoned people does to a trained detector, and what defences leave of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from ...cards.tree import Part, TableBlock
from ...cards.wording import metric_title, number
from ...core.results import Estimate, ProbeResult
from .cells import Row, drawn_as, estimate_of, quoted, rows_of, value_of
from .forest import ForestRow, forest
from .panel import FigureGroup, Panel
from .theme import MUTED, SERIES, SYMBOLS, Drawing, plain

NEEDED = ("share", "embedding", "defence", "clean_auc", "bd_auc")
NONE = "none"
_VISIBILITY = (("linf", "L∞"), ("psnr", "PSNR"), ("ssim", "SSIM"))
_METRICS = {"bd": "bd_auc", "clean": "clean_auroc"}
_EMBEDDINGS = {"real_copies": "stamped on genuine copies", "before_blending": "stamped before self-blending"}
_CAPTION = (
    "Each point is a detector trained here on the poisoned copy and tested on other people. BD-AUC is 0.5 where the "
    "trigger does nothing and 1 where every forgery with the trigger scores as more genuine than those without. What "
    "intervals hold stands under the method: with one net of each setting, not the chance of another training."
)


def drill_figures(probe: ProbeResult, table: Sequence[Sequence[str]]) -> Iterator[FigureGroup]:
    """Draw a table with a row for each share, embedding and defence, whose first row names those of ``NEEDED``."""
    rows = [row for row in rows_of(table, NEEDED) if value_of(row, "share") is not None]
    if not rows:
        return
    rows.sort(key=lambda row: (row["embedding"], value_of(row, "share") or 0.0, row["defence"] != NONE))
    panels = []
    plain_rows = [row for row in rows if row["defence"] in (NONE, "")]
    if any(value_of(row, "bd_auc") is not None for row in plain_rows):
        panels.append(_by_share(probe, plain_rows))
    panels += _defences(probe, rows)
    if panels:
        panels[0] = replace(panels[0], table=_table(probe, rows))
        yield FigureGroup("Poisoned on purpose", tuple(panels), _CAPTION)


def _by_share(probe: ProbeResult, rows: Sequence[Row]) -> Panel:
    shares = sorted({value_of(row, "share") or 0.0 for row in rows})
    embeddings = list(dict.fromkeys(row["embedding"] for row in rows))
    named = [name for name in embeddings if any(value_of(r, "share") for r in rows if r["embedding"] == name)]
    drawn = Drawing(
        height=350,
        showlegend=True,
        xaxis={
            "title": {"text": "poisoned share of the training people"},
            "tickvals": list(range(len(shares))),
            "ticktext": [_percent(share) for share in shares],
            "range": [-0.25, len(shares) - 0.75],
        },
        yaxis={"range": [-0.02, 1.02], "title": {"text": "AUC"}, "zeroline": False},
        margin={"t": 52, "b": 48},
    )
    ends = [-0.25, len(shares) - 0.75]
    line = {"color": MUTED, "width": 1.2, "dash": "dot"}
    drawn.scatter(x=ends, y=[0.5, 0.5], mode="lines", line=line, hoverinfo="skip", showlegend=False)
    for place, name in enumerate(named or embeddings):
        here = [row for row in rows if row["embedding"] == name]
        if all(value_of(row, "share") for row in here):  # the unpoisoned net is of no embedding, and starts every line
            here += [row for row in rows if not value_of(row, "share") and row["embedding"] not in named]
        here.sort(key=lambda row: value_of(row, "share") or 0.0)
        for metric, title, dash, mark in (("bd", "BD-AUC", "solid", ""), ("clean", "clean AUC", "dash", "-open")):
            points = [
                (
                    shares.index(value_of(row, "share") or 0.0),
                    _auc(row, metric),
                )
                for row in here
            ]
            _line(drawn, f"{title}, {_words(name)}", points, place, dash, mark)
    alt = (
        "BD-AUC and clean AUC of detectors trained here, against the poisoned share of the training people, one pair "
        f"of lines for each of {', '.join(map(_words, named or embeddings))}."
    )
    return Panel("by poisoned share", drawn, TableBlock(("share",), (), ""), alt)


def _line(drawn: Drawing, name: str, points: Sequence[tuple[int, Estimate]], place: int, dash: str, mark: str) -> None:
    colour = SERIES[place % len(SERIES)]
    known = [(x, each, each.value) for x, each in points if each.value is not None]
    if not known:
        return
    drawn.scatter(
        x=[x for x, _, _ in known],
        y=[value for _, _, value in known],
        error_y={
            "type": "data",
            "symmetric": False,
            "array": [0.0 if each.high is None else each.high - value for _, each, value in known],
            "arrayminus": [0.0 if each.low is None else value - each.low for _, each, value in known],
            "color": colour,
            "thickness": 1.4,
            "width": 4,
        },
        mode="lines+markers",
        name=plain(name),
        line={"color": colour, "width": 2.2, "dash": dash},
        marker={"size": 9, "color": colour, "symbol": SYMBOLS[place % len(SYMBOLS)] + mark},
        hoverinfo="text",
        hovertext=[f"{plain(name)}<br>{each}" for _, each, _ in known],
        cliponaxis=False,
    )


def _defences(probe: ProbeResult, rows: Sequence[Row]) -> Iterator[Panel]:
    """Draw what each defence leaves, for every share and embedding on which one was tried."""
    series = (metric_title("bd_auc", probe.probe), metric_title("clean_auroc", probe.probe))
    for key in dict.fromkeys((row["embedding"], row["share"]) for row in rows):
        here = [row for row in rows if (row["embedding"], row["share"]) == key]
        if len(here) < 2:
            continue
        drawn = [
            ForestRow(
                "no defence" if row["defence"] in (NONE, "") else _words(row["defence"]),
                "defence",
                (
                    drawn_as(_auc(row, "bd"), "bd_auc"),
                    drawn_as(_auc(row, "clean"), "clean_auc"),
                ),
            )
            for row in here
        ]
        name = f"defences at {_percent(value_of(here[0], 'share') or 0.0)}, {_words(key[0])}"
        alt = f"{series[0]} and {series[1]} with each defence, {name}; the line is one half: no effect."
        chance = drawn_as(Estimate(value=0.5), "bd_auc")
        panel = forest(name, drawn, series, alt, chance, reference_name="no effect")
        yield replace(panel, table=_table(probe, here))


def _table(probe: ProbeResult, rows: Sequence[Row]) -> TableBlock:
    seen = [pair for pair in _VISIBILITY if any(value_of(row, pair[0]) is not None for row in rows)]
    success = any(value_of(row, "success") is not None for row in rows)
    body: list[tuple[Part, ...]] = []
    for row in rows:
        place = {"poisoned": f"{value_of(row, 'share') or 0.0:g}", "defence": row["defence"]}
        if row["embedding"] != NONE:
            place["embedding"] = row["embedding"]
        cells: list[Part] = [quoted(probe, _METRICS[metric], place, _auc(row, metric)) for metric in _METRICS]
        if success:
            cells.append(
                quoted(probe, "attack_success", place, estimate_of(row, "success", "success_low", "success_high"))
            )
        cells += [_number(row, name) for name, _ in seen]
        body.append((_poisoned(row), _words(row["embedding"]), _words(row["defence"] or NONE), *cells))
    heads = ["poisoned", "embedding", "defence", metric_title("bd_auc", probe.probe)]
    heads += [metric_title("clean_auroc", probe.probe), *(["attack success"] if success else [])]
    return TableBlock((*heads, *(title for _, title in seen)), tuple(body), "Poisoned on purpose")


def _auc(row: Row, which: str) -> Estimate:
    return estimate_of(row, f"{which}_auc", f"{which}_low", f"{which}_high")


def _number(row: Row, name: str) -> str:
    value = value_of(row, name)
    return "–" if value is None else number(value)


def _percent(share: float) -> str:
    return f"{100 * share:g} %"


def _poisoned(row: Row) -> str:
    """Write the share that the plan asks for, and beside it what whole people made of it where that differs."""
    asked, stamped = _percent(value_of(row, "share") or 0.0), value_of(row, "share_stamped")
    made = asked if stamped is None else f"{100 * stamped:.3g} %"
    return asked if made == asked else f"{asked} (stamped {made})"


def _words(name: str) -> str:
    return _EMBEDDINGS.get(name) or name.replace("_", " ")
