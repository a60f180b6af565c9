"""Mean heatmaps by every method for every class, each method with what was found of its faithfulness."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from markupsafe import Markup
from numpy.typing import NDArray

from ...cards.absent import short_reason
from ...cards.tables import ref
from ...cards.tree import Part, TableBlock
from ...cards.wording import number
from ...core.results import Measurement, ProbeResult
from .panel import FigureGroup, Panel
from .picture import FaceLines, Picture

FAMILIES: Mapping[str, str] = {
    "cam": "class activation map",
    "package_cam": "class activation map in many passes",
    "gradient": "gradient",
    "attention": "attention",
    "black_box": "black box",
}
FAITHFULNESS: Mapping[str, str] = {
    "road": "ROAD",
    "deletion": "deletion",
    "insertion": "insertion",
    "stability": "stability",
}
NULL = ".null_random"
OTHERS = "iou.null_other_masks"
FAILS = "fails the randomisation check"
_NO_MAP = "no map"
_WIDEST, _ROOM = 8.5, 40.0  # rem: of one map, and of all maps of a row on a wide page
_CAPTION = (
    "Rows are methods, columns what the model calls a face. Darker (brighter on a dark page): more of the evidence "
    "that this method sees for the class; the blue outline is the mask of the expression, one contested account of "
    "where it shows. IoU is the overlap with it; after the stroke stands the mean overlap with the other expressions' "
    "masks. Maps of different methods are stretched each by itself, so their colours compare places, not "
    "amounts."
)
_CHECKED = (
    " A method fails the randomisation check where its maps stay much the same after the model's weights were "
    "replaced by random ones: such maps show the picture, not the model; passing says that they depend on the weights, "
    "not that they are right. Of ROAD and insertion more is more faithful, of deletion less; after the stroke stands "
    "what the same maps score when they are moved to a random place."
)


def method_figures(
    probe: ProbeResult,
    arrays: Mapping[str, NDArray[Any]],
    told: Mapping[str, Any],
    drawing: Mapping[str, Any],
    checks: Mapping[str, Any],
) -> Iterator[FigureGroup]:
    """Yield the grid of methods by classes.

    Args:
        probe: its measurements ``iou`` are quoted: without a condition for the method it was told to score by, of
            others under the condition ``method``.
        arrays: ``METHOD/LABEL`` of shape (height, width), uint8.
        told: ``methods``: of each its ``title``, ``family``, ``layer`` and why it is ``unavailable``; ``labels``.
        drawing: the canonical face and the masks, see :class:`.picture.FaceLines`.
        checks: by method, ``randomisation``, ``reason`` and numbers of its faithfulness; may be empty.
    """
    main = main_method(probe, told)
    methods = _ordered(dict(told.get("methods") or {}), main, list(told.get("order") or ()))
    labels = [str(label) for label in told.get("labels") or () if any(f"{name}/{label}" in arrays for name in methods)]
    if not labels:
        return
    lines = FaceLines.of(f"{probe.id} methods", drawing)
    titles = {name: str(about.get("title") or name) for name, about in methods.items()}
    rows, table = [], []
    for name, about in methods.items():
        found = {label: _iou(probe, label, None if name == main else name) for label in labels}
        reason = about.get("unavailable")
        others = {label: _iou(probe, label, None if name == main else name, OTHERS) for label in labels}
        cells = (
            Markup('<td class="none" colspan="{}"><span>not used on this model: {}</span></td>').format(
                len(labels), short_reason(str(reason))
            )
            if reason
            else Markup("").join(
                _cell(lines, arrays, name, about, label, found[label], others[label]) for label in labels
            )
        )
        check = dict(checks.get(name) or {})
        rows.append(Markup("<tr>{}{}</tr>").format(_head(name, about, check, titles), cells))
        table.append(_table_row(name, about, check, [found[label] for label in labels], bool(checks)))
    head = Markup("").join(Markup('<th scope="col">{}</th>').format(label) for label in labels)
    markup = Markup(
        '{}<div class="table maps" role="group" tabindex="0" style="--side:{:.2f}rem" '
        'aria-label="Mean heatmaps by method and class">'
        '<table><thead><tr><th scope="col">method</th>{}</tr></thead><tbody>{}</tbody></table></div>'
    ).format(lines.definitions, min(_WIDEST, _ROOM / len(labels)), head, Markup("").join(rows))
    columns = ["method", *(f"IoU of {label}" for label in labels)]
    columns += ["randomisation check", *FAITHFULNESS.values()] if checks else []
    panel = Panel(
        "mean heatmaps by method",
        Picture(markup),
        TableBlock(tuple(columns), tuple(table), "Methods, the overlap of their maps with the masks, and checks"),
        f"Mean heatmaps on the canonical face by {len(methods)} methods (rows) for {', '.join(labels)} (columns).",
        (_CAPTION + _CHECKED) if checks else f"{_CAPTION} This run did not check whether the methods are faithful.",
    )
    yield FigureGroup("Every method side by side", (panel,))


def main_method(probe: ProbeResult, told: Mapping[str, Any]) -> str:
    """Return the method that a probe was told to use; its measurements stand without a condition.

    Args:
        probe: its parameter ``method``, where it has one.
        told: ``methods``, among which it is; the first one where the parameter does not say.
    """
    methods = list(told.get("methods") or ())
    asked = str(probe.params.get("method") or "")
    return asked if asked in methods or not methods else str(methods[0])


def _ordered(methods: Mapping[str, Mapping[str, Any]], main: str, order: Sequence[str]) -> dict[str, Mapping[str, Any]]:
    """Put the method of the other figures first, methods of one family together, and those without maps last."""
    families = list(FAMILIES)

    def place(name: str) -> tuple[bool, bool, int, int]:
        family = methods[name].get("family")
        return (
            name != main,
            bool(methods[name].get("unavailable")),
            families.index(family) if family in families else len(families),
            order.index(name) if name in order else len(order),
        )

    return {name: methods[name] for name in sorted(methods, key=place)}


def failed_check(method: str, checks: Mapping[str, Any]) -> str:
    """Return a sentence where a method fails the randomisation check, an empty string where it does not."""
    found = dict(checks.get(method) or {})
    if found.get("randomisation") != "fails":
        return ""
    reason = f": {found['reason']}" if found.get("reason") else ""
    return f"{found.get('title') or method} {FAILS}{reason}.".replace("..", ".")


def _head(name: str, about: Mapping[str, Any], check: Mapping[str, Any], titles: Mapping[str, str]) -> Markup:
    family = str(about.get("family") or "")
    under = [FAMILIES.get(family, family), f"layer {about['layer']}" if about.get("layer") else ""]
    sub = Markup('<span class="sub">{}</span>').format(" · ".join(filter(None, under)))
    return Markup('<th scope="row"><span class="method">{}</span>{}{}</th>').format(
        titles.get(name, name), sub, _checked(check, titles)
    )


def _checked(check: Mapping[str, Any], titles: Mapping[str, str]) -> Markup:
    if not check:
        return Markup("")
    outcome, reason = str(check.get("randomisation") or ""), str(check.get("reason") or "")
    told = {
        "fails": Markup('<span class="chip fail">{}</span>').format(FAILS),
        "passes": Markup('<span class="chip">passes the randomisation check</span>'),
    }.get(outcome, Markup('<span class="chip not-measured">randomisation not measured</span>'))
    if reason and outcome != "passes":
        told += Markup('<span class="sub">{}</span>').format(short_reason(reason))
    if check.get("same_as"):
        twins = ", ".join(titles.get(str(twin), str(twin)) for twin in check["same_as"])
        told += Markup('<span class="sub">the same maps as {}</span>').format(twins)
    known = [(key, title) for key, title in FAITHFULNESS.items() if check.get(key) is not None]
    numbers = Markup("").join(
        Markup("<div><dt>{}</dt><dd>{}</dd></div>").format(title, _beside_null(check, key, " / "))
        for key, title in known
    )
    return told + (Markup('<dl class="faithful">{}</dl>').format(numbers) if known else Markup(""))


def _cell(
    lines: FaceLines,
    arrays: Mapping[str, NDArray[Any]],
    name: str,
    about: Mapping[str, Any],
    label: str,
    iou: Measurement | None,
    others: Measurement | None,
) -> Markup:
    heat = arrays.get(f"{name}/{label}")
    shown = Markup('<span class="of">{}</span>').format(label)
    if heat is None:
        reason = iou.estimate.reason if iou is not None and iou.estimate.reason else _NO_MAP
        return Markup('<td class="empty">{}<span class="why">{}</span></td>').format(shown, short_reason(reason))
    under = ""
    if iou is not None and iou.estimate.value is not None:
        under = f"IoU {number(iou.estimate.value)}"
        if others is not None and others.estimate.value is not None:
            under += f" / {number(others.estimate.value)}"
    picture = lines.map(heat, f"{about.get('title') or name} for {label}. {under}".strip(), label)
    return Markup('<td>{}{}<span class="under">{}</span></td>').format(shown, picture, under)


def _iou(probe: ProbeResult, label: str, method: str | None, metric: str = "iou") -> Measurement | None:
    condition = {} if method is None else {"method": method}
    return next(
        (
            item
            for item in probe.measurements
            if item.metric == metric and item.slice == {"label": label} and item.condition == condition
        ),
        None,
    )


def _table_row(
    name: str,
    about: Mapping[str, Any],
    check: Mapping[str, Any],
    found: list[Measurement | None],
    checked: bool,
) -> tuple[Part, ...]:
    row: list[Part] = [str(about.get("title") or name)]
    reason = about.get("unavailable")
    row += [ref(item) if item is not None else "–" for item in found]
    if reason:
        row[0] = f"{row[0]} (not used: {short_reason(str(reason))})"
    if checked:
        outcome = str(check.get("randomisation") or "not measured")
        row += [f"{outcome}: {check['reason']}" if check.get("reason") else outcome]
        row += [_beside_null(check, key, ", moved at random ", whole=True) for key in FAITHFULNESS]
    return tuple(row)


def _beside_null(check: Mapping[str, Any], key: str, between: str, whole: bool = False) -> str:
    """Write a score and its null; with its interval only where all is to be told."""
    told = [_value(check.get(name)) for name in (key, key + NULL) if check.get(name) is not None]
    return between.join(told if whole else [one.partition(" [")[0] for one in told]) or "not measured"


def _value(value: object) -> str:
    """Write a number, or a number with its interval, or that there is none."""
    if isinstance(value, list | tuple) and len(value) == 3 and isinstance(value[0], int | float):
        low, high = value[1], value[2]
        bounds = f" [{number(low)}, {number(high)}]" if low is not None and high is not None else ""
        return f"{number(value[0])}{bounds}"
    if isinstance(value, bool) or not isinstance(value, int | float):
        return "not measured"
    return number(value)
