"""What the card says of triggers, poisoned data and backdoors: what was measured, at which power, and what is open.

That nothing was flagged is told only beside the false alarms or the power, and with what is not covered.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from ..core.results import Finding, Measurement, ProbeResult
from .absent import reasons_in_short
from .conditions import size_of
from .forgery import find, known
from .tables import NOTHING, ref
from .tree import Block, BulletList, Paragraph, Part, TableBlock
from .wording import metric_title, plural

OPEN = "That nothing is flagged does not show that there is no backdoor."
MOST_ROWS = 8
VERDICTS: Mapping[str, str] = {
    "suspicious": "suspicious",
    "inconclusive": "inconclusive",
    "not_suspicious": "not suspicious at this power",
}
"""What a finding on triggers says, by the last part of its id."""
SUCCESS, EXCESS = "attack_success", "attack_success.excess"
_DRILLED = ("bd_auc", "attack_success", "clean_auroc")
_FLAGS = ("flagged", "false_alarms", "stamped_found", "flags_right_at_most")


def data_scan_blocks(probe: ProbeResult) -> Iterator[Block]:
    """Yield how many images each way of scanning flags, beside its false alarms, its power and what a flag is worth."""
    flagged = [item for item in probe.measurements if item.metric == "flagged" and not item.slice]
    told = []
    for item in flagged:
        method = item.condition.get("method", "")
        if item.estimate.value is None:
            told.append(Paragraph.of(f"{method}: not measured ({item.estimate.reason})."))
            continue
        parts: list[Part] = [f"{method}: {metric_title('flagged', probe.probe)} ", ref(item)]
        for metric in _FLAGS[1:]:
            for other in known(_of_method(probe, metric, method))[:1]:
                parts += [f"; {metric_title(metric, probe.probe)} ", ref(other)]
        silent = [m for m in _of_method(probe, "false_alarms", method) if m.estimate.value is None]
        parts.append(f"; false alarms not measured ({' · '.join(reasons_in_short(silent))})." if silent else ".")
        told.append(Paragraph(tuple(parts)))
    if told:
        yield BulletList((*told, Paragraph.of(f"A flag is no proof of poison. {OPEN}")))


def _of_method(probe: ProbeResult, metric: str, method: str) -> list[Measurement]:
    return [
        item
        for item in probe.measurements
        if item.metric == metric and not item.slice and item.condition.get("method") == method
    ]


def scan_blocks(probe: ProbeResult) -> Iterator[Block]:
    """Yield the smallest adjusted p, how many clean nets would be flagged, and what lies farthest below them."""
    least = find(probe, "smallest_p_adjusted")
    if least is None:
        return
    title = metric_title("smallest_p_adjusted", probe.probe)
    if least.estimate.value is None:
        yield Paragraph.of(f"Not measured: {title} ({least.estimate.reason}).")
        return
    alpha = probe.params.get("alpha")
    level = float(alpha) if isinstance(alpha, (int, float)) else 0.05
    flagged = least.estimate.value < level
    parts: list[Part] = [f"{title[:1].upper()}{title[1:]} over classes and families: ", ref(least)]
    parts.append(f", {'below' if flagged else 'not below'} {level:g}")
    alarms = find(probe, "references_flagged")
    if alarms is not None and alarms.estimate.value is not None:
        parts += [
            "; share of the clean reference nets that would be flagged, each judged by the others: ",
            ref(alarms),
        ]
    rank = find(probe, "rank_p")
    if rank is not None and rank.estimate.value is not None:
        parts += [f"; {metric_title('rank_p', probe.probe)} ", ref(rank)]
    sentences = [Paragraph((*parts, "."))]
    if not flagged:
        sentences.append(Paragraph.of(OPEN))
    hides = (probe.hides or "").strip()
    if hides:
        sentences.append(Paragraph.of(f"Not covered: {hides}"))
    yield BulletList(tuple(sentences))
    yield from _farthest(probe)


def _farthest(probe: ProbeResult) -> Iterator[TableBlock]:
    found = [item for item in probe.measurements if item.metric == "below_references" and not item.slice]
    ranked = sorted(known(found), key=lambda item: -(item.estimate.value or 0.0))
    if not ranked:
        return
    rows = tuple(
        (item.condition.get("towards", ""), item.condition.get("family", "").replace("_", " "), ref(item))
        for item in ranked[:MOST_ROWS]
    )
    left = len(found) - len(rows)
    more = f" ({left} more stand in results.json)" if left else ""
    title = metric_title("below_references", probe.probe)
    yield TableBlock(("class", "family", title), rows, f"Farthest below the reference nets{more}")


def replayed_blocks(probe: ProbeResult) -> Iterator[Block]:
    """Yield which class follows a known trigger most beyond random marks, and how sure that is."""
    least = find(probe, "smallest_p_adjusted")
    if least is not None and least.estimate.value is None:
        yield Paragraph.of(
            f"Not measured: {metric_title('smallest_p_adjusted', probe.probe)} ({least.estimate.reason})."
        )
        return
    found = known([item for item in probe.measurements if item.metric == EXCESS and not item.slice])
    if not found:
        return
    ranked = sorted(found, key=lambda item: -(item.estimate.value or 0.0))
    rows: list[tuple[Part, ...]] = []
    for item in ranked[:MOST_ROWS]:
        cells = [find(probe, metric, {}, item.condition) for metric in (SUCCESS, f"{SUCCESS}.null")]
        names = (item.condition.get("trigger", "").replace("_", " "), item.condition.get("class", ""))
        rows.append((*names, *(NOTHING if cell is None else ref(cell) for cell in cells), ref(item)))
    triggers = len({item.condition.get("trigger") for item in found})
    parts: list[Part] = [f"{plural(triggers, 'known trigger')} replayed beside random marks of the same kind and size"]
    if least is not None:
        parts += [f"; {metric_title('smallest_p_adjusted', probe.probe)} ", ref(least)]
    yield BulletList((Paragraph((*parts, ".")), Paragraph.of(f"That says nothing of other triggers. {OPEN}")))
    heads = (metric_title(SUCCESS, probe.probe), "random marks", metric_title(EXCESS, probe.probe))
    left = len(found) - len(rows)
    more = f" ({left} more stand in results.json)" if left else ""
    yield TableBlock(("trigger", "class", *heads), tuple(rows), f"Farthest beyond random marks{more}")


def verdict_on_triggers(probe: ProbeResult) -> str:
    """Return what a probe of triggers concludes, in words; empty where it has no such finding."""
    found = _finding_on_triggers(probe)
    return "" if found is None else VERDICTS[found.id.rpartition(".")[2]]


def _finding_on_triggers(probe: ProbeResult) -> Finding | None:
    return next((each for each in probe.findings if each.id.rpartition(".")[2] in VERDICTS), None)


def sensitivity_blocks(probe: ProbeResult) -> Iterator[Block]:
    """Yield the margin of the bank of triggers over the controls, the verdict, and the rates of that verdict."""
    margin = find(probe, "trigger_margin")
    if margin is None:
        return
    title = metric_title("trigger_margin", probe.probe)
    if margin.estimate.value is None:
        yield Paragraph.of(f"Not measured: {title} ({margin.estimate.reason}).")
        return
    found, said = _finding_on_triggers(probe), verdict_on_triggers(probe)
    verdict = f": {said}" if said else ""
    told = [Paragraph((f"{title[:1].upper()}{title[1:]} ", ref(margin), f"{verdict}."))]
    area = known([find(probe, "forged_auroc")])
    if area:
        told.append(Paragraph(("The faces that were stamped are told from genuine ones at ", ref(area[0]), ".")))
    told += [Paragraph.of(caveat) for caveat in (found.caveats if found is not None else ())]
    if found is None or not found.id.endswith(".suspicious"):
        told.append(Paragraph.of(OPEN))
    yield BulletList(tuple(told))
    patterns = [item for item in probe.measurements if item.metric == "bd_auc" and set(item.condition) == {"pattern"}]
    rows = tuple((item.condition["pattern"], ref(item)) for item in patterns)
    if rows:
        yield TableBlock(
            ("pattern", metric_title("bd_auc", probe.probe)), rows, "Each pattern of the bank and controls"
        )


def drill_blocks(probe: ProbeResult) -> Iterator[Block]:
    """Yield what training on poisoned data did to nets, setting by setting, and what defences left of it."""
    settings = [
        item
        for item in probe.measurements
        if item.metric == "bd_auc" and "poisoned" in item.condition and "control" not in item.condition
    ]
    if not settings:
        return
    metrics = [name for name in _DRILLED if any(item.metric == name for item in probe.measurements)]
    rows: list[tuple[Part, ...]] = []
    for item in settings:
        cells = [find(probe, metric, {}, item.condition) for metric in metrics]
        rows.append((_setting(item), *(NOTHING if cell is None else ref(cell) for cell in cells)))
    yield Paragraph.of(
        "Nets trained here by the user's own trainer on data with a hidden stamp: it says what this training takes up, "
        "and nothing of whether the audited checkpoint holds a backdoor."
    )
    heads = (metric_title(metric, probe.probe) for metric in metrics)
    yield TableBlock(("trained on", *heads), tuple(rows), "Poisoned on purpose")


def _setting(item: Measurement) -> str:
    """Write what nets were trained on: share of people stamped, how, and behind which defence."""
    share = size_of(item.condition["poisoned"])
    if not share:
        name = "clean data"
    else:
        way = item.condition.get("embedding", "")
        name = f"{share:.0%} of the people stamped{f' ({way})' if way else ''}".replace("_", " ")
    defence = item.condition.get("defence", "none").replace("_", " ")
    return name if defence == "none" else f"{name}; {defence}"


BACKDOOR_BLOCKS: Mapping[str, Callable[[ProbeResult], Iterator[Block]]] = {
    "data_scan": data_scan_blocks,
    "backdoor_scan": scan_blocks,
    "trigger_sensitivity": sensitivity_blocks,
    "poison_drill": drill_blocks,
    "known_triggers": replayed_blocks,
}
"""What is told of a probe over all faces, by its name."""
