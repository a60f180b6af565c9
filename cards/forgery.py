"""What the card says of forged faces: which kinds a detector tells from genuine ones, at which threshold, how small."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from ..core.results import Measurement, ProbeResult
from .absent import reasons_in_short
from .conditions import Under, size_of, under
from .tables import NOTHING, ref
from .tree import Block, BulletList, Paragraph, Part, TableBlock
from .wording import metric_title, number

METHOD = "method"
CHANCE = 0.5
NEAR_CHANCE = 0.65
"""An AUROC whose whole interval lies between chance and this is told to be above it by little."""
_RATES = ("apcer", "bpcer", "accuracy")
_BY_METHOD = ("auroc", "apcer")
_OF_MADE = ("auroc", "apcer", "above_own_photo")
_LADDERS = ({"compression", "quality"}, {"size"})


def find(
    probe: ProbeResult, metric: str, slice: Mapping[str, str] | None = None, condition: Mapping[str, str] | None = None
) -> Measurement | None:
    """Return the measurement with exactly this slice and condition, or ``None``."""
    for item in probe.measurements:
        if item.metric == metric and item.slice == dict(slice or {}) and item.condition == dict(condition or {}):
            return item
    return None


def known(items: Sequence[Measurement | None]) -> list[Measurement]:
    """Return those that are there and have a value."""
    return [item for item in items if item is not None and item.estimate.value is not None]


def detection_blocks(probe: ProbeResult) -> Iterator[Block]:
    """Yield how well a detector tells forged from genuine faces, over all of them, by method and compressed."""
    told = [
        *_overall(probe),
        *_of_units(probe),
        *_at_threshold(probe),
        *_methods(probe),
        *_compressed(probe),
    ]
    if told:
        yield BulletList(tuple(told))
    yield from _table_of_methods(probe)


def _overall(probe: ProbeResult) -> Iterator[Paragraph]:
    area = find(probe, "auroc")
    if area is None:
        return
    if area.estimate.value is None:
        yield Paragraph.of(f"Not measured: {metric_title('auroc', probe.probe)} ({area.estimate.reason}).")
        return
    parts: list[Part] = [f"{_title('auroc', probe)} of all forgeries against genuine faces: ", ref(area)]
    for metric in ("eer", "ap"):
        item = find(probe, metric)
        if item is not None and item.estimate.value is not None:
            parts += [f"; {metric_title(metric, probe.probe)} ", ref(item)]
        null = find(probe, f"{metric}.null")
        if metric == "ap" and null is not None and null.estimate.value is not None:
            parts += [", where labels dealt out at random give ", ref(null)]
    yield Paragraph((*parts, f". {_beside_chance(area)}"))


def _of_units(probe: ProbeResult) -> Iterator[Paragraph]:
    """Tell the AUROC of frames and of videos, where faces say which video they are of."""
    parts: list[Part] = []
    silent = []
    for unit in ("frame", "video"):
        item = find(probe, "auroc", {}, {"unit": unit})
        if item is not None and item.estimate.value is not None:
            parts += ["; " if parts else f"{_title('auroc', probe)} ", f"by {unit} ", ref(item)]
        elif item is not None:
            silent.append(f"Not measured by {unit}: {item.estimate.reason}.")
    if parts:
        yield Paragraph((*parts, "."))
    yield from (Paragraph.of(text) for text in silent)


def _beside_chance(area: Measurement) -> str:
    """Say on which side of one half an AUROC lies by its interval."""
    low, high = area.estimate.low, area.estimate.high
    if low is None or high is None:
        return "No interval was computed, so whether it differs from chance (0.5) is open."
    if low > CHANCE:
        little = f", by little: the whole interval lies below {NEAR_CHANCE:g}" if high <= NEAR_CHANCE else ""
        return f"By its interval it exceeds chance (0.5){little}."
    if high < CHANCE:
        return (
            "By its interval it falls short of chance (0.5): genuine faces score higher than forged ones, as where the "
            "sign of the scores is turned."
        )
    return "It does not differ from chance (0.5) beyond the sampling error."


def _at_threshold(probe: ProbeResult) -> Iterator[Paragraph]:
    rates = known([find(probe, metric) for metric in _RATES])
    if not rates:
        return
    threshold = probe.params.get("threshold")
    at = f"At a threshold of {number(float(threshold))}" if isinstance(threshold, (int, float)) else "At the threshold"
    parts: list[Part] = [f"{at}: "]
    for place, item in enumerate(rates):
        parts += ["; " if place else "", f"{metric_title(item.metric, probe.probe)} ", ref(item)]
    yield Paragraph((*parts, "."))


def _of_methods(probe: ProbeResult, metric: str = "auroc") -> list[Measurement]:
    return [
        item
        for item in probe.measurements
        if item.metric == metric and set(item.slice) == {METHOD} and not item.condition
    ]


def _methods(probe: ProbeResult) -> Iterator[Paragraph]:
    """Tell which ways of forging are told from genuine faces beyond chance, and which are not shown to be."""
    named = [(item.slice[METHOD], item) for item in _of_methods(probe)]
    return _beyond_chance(named, "genuine faces", "ways of forging")


def _beyond_chance(named: Sequence[tuple[str, Measurement]], others: str, kinds: str) -> Iterator[Paragraph]:
    """Sort AUROCs by whether their intervals lie above chance, by little or more, cross it, or lie below it.

    Args:
        named: each with the name it is told by.
        others: what forgeries are told from.
        kinds: what many of them are called.
    """
    measured = [(name, item) for name, item in named if item.estimate.value is not None]
    shown = [(name, item) for name, item in measured if (item.estimate.low or 0.0) > CHANCE]
    below = [(name, item) for name, item in measured if item.estimate.high is not None and item.estimate.high < CHANCE]
    left = [pair for pair in measured if pair not in shown and pair not in below]
    if measured:
        head = f"Told from {others} by more than chance: {len(shown)} of {len(named)} {kinds}"
        barely = [(name, item) for name, item in shown if (item.estimate.high or 1.0) <= NEAR_CHANCE]
        parts: list[Part] = [head, *_listed(shown)]
        if barely:
            names = ", ".join(name for name, _ in barely)
            parts.append(f"; by little, the whole interval below {NEAR_CHANCE:g}: {names}")
        if left:
            parts += ["; not shown to be", *_listed(left)]
        if below:
            parts += [f"; below chance, scored as more genuine than {others}", *_listed(below)]
        parts.append(". Each interval is of one kind alone, not adjusted for their number.")
        yield Paragraph(tuple(parts))
    silent = [(name, item) for name, item in named if item.estimate.value is None]
    if silent:
        names = ", ".join(name for name, _ in silent)
        yield Paragraph.of(f"Not measured: {names} ({' · '.join(reasons_in_short(item for _, item in silent))}).")


def _listed(items: Sequence[tuple[str, Measurement]]) -> list[Part]:
    parts: list[Part] = []
    for place, (name, item) in enumerate(sorted(items, key=lambda pair: -(pair[1].estimate.value or 0.0))):
        parts += [" · " if place else " (", f"{name} ", ref(item)]
    return [*parts, ")"] if parts else []


def _compressed(probe: ProbeResult) -> Iterator[Paragraph]:
    """Tell the lowest step of each ladder: strongest compression, smallest size."""
    items = [item for item in probe.measurements if item.metric == "auroc" and not item.slice]
    parts: list[Part] = []
    silent = [item for item in items if item.estimate.value is None and set(item.condition) in _LADDERS]
    for ladder in _LADDERS:
        here = [item for item in known(items) if set(item.condition) == ladder]
        here.sort(key=lambda item: min(size_of(value) or 1e9 for value in item.condition.values() if size_of(value)))
        for item in here[:1]:
            what = (
                f"at JPEG quality {item.condition['quality']}"
                if item.condition.get("compression") == "jpeg"
                else f"at {item.condition['size']} of the size"
                if "size" in item.condition
                else f"under {item.condition['compression']}, quality {item.condition['quality']}"
            )
            lost = find(probe, "auroc_lost", {}, item.condition)
            parts += ["; " if parts else "", f"{what} ", ref(item)]
            if lost is not None and lost.estimate.value is not None:
                parts += [", lost ", ref(lost)]
    if parts:
        head = f"{_title('auroc', probe)} of faces made worse, genuine and forged alike, at the last step tried: "
        yield Paragraph((head, *parts, "."))
    if silent:
        yield Paragraph.of(f"Not measured of compressed and small faces: {' · '.join(reasons_in_short(silent))}.")


def _title(metric: str, probe: ProbeResult) -> str:
    title = metric_title(metric, probe.probe)
    return title[:1].upper() + title[1:]


def _table_of_methods(probe: ProbeResult) -> Iterator[TableBlock]:
    methods = list(dict.fromkeys(item.slice[METHOD] for metric in _BY_METHOD for item in _of_methods(probe, metric)))
    if not methods:
        return
    rows: list[tuple[Part, ...]] = []
    for name in methods:
        cells = [find(probe, metric, {METHOD: name}) for metric in _BY_METHOD]
        rows.append((name, *(NOTHING if cell is None else ref(cell) for cell in cells)))
    heads = (metric_title(metric, probe.probe) for metric in _BY_METHOD)
    yield TableBlock(("method", *heads), tuple(rows), "By way of forging, against all genuine faces")


def made_blocks(probe: ProbeResult) -> Iterator[Block]:
    """Yield which forgeries made here are told from the photos they were made of, and how many pass."""
    kinds: list[tuple[Under, Measurement]] = []
    for item in probe.measurements:
        done = under(item.condition)
        if item.metric == "auroc" and not item.slice and done is not None and not done.control:
            kinds.append((done, item))
    if not kinds:
        return
    named = [(done.named, item) for done, item in kinds]
    told = list(_beyond_chance(named, "the photos they were made of", "kinds of forgery made here"))
    photos = next((m for m in probe.measurements if m.metric == "bpcer" and not m.slice), None)
    if photos is not None and photos.estimate.value is not None:
        told.append(Paragraph((f"Of the photos: {metric_title('bpcer', probe.probe)} ", ref(photos), ".")))
    told.append(Paragraph.of("They are made without a generator, and say nothing of forgeries that a generator made."))
    yield BulletList(tuple(told))
    rows: list[tuple[Part, ...]] = []
    for done, item in kinds:
        cells = [find(probe, metric, {}, item.condition) for metric in _OF_MADE]
        rows.append((done.named, *(NOTHING if cell is None else ref(cell) for cell in cells)))
    heads = (metric_title(metric, probe.probe) for metric in _OF_MADE)
    yield TableBlock(("forgery", *heads), tuple(rows), "Forgeries made here, by kind")


FORGERY_BLOCKS: Mapping[str, Callable[[ProbeResult], Iterator[Block]]] = {
    "forgery_detection": detection_blocks,
    "made_forgeries": made_blocks,
}
"""What is told of a probe over all faces, by its name."""
