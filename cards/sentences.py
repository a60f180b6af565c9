"""Sentences that follow from measurements: each number with its interval, beside what chance gives.

They compare a number with a null only by whether its interval lies clear of it (of its whole range, where chance
gives a range and not one number), and claim nothing of groups: extremes of many groups differ by chance, and
differences between groups are tested by probes that yield findings.
"""

from __future__ import annotations

from collections.abc import Container, Iterator

from ..core.pair_tables import ACROSS
from ..core.results import AuditResults, Measurement, ProbeResult
from .conditions import under
from .slices import Grouped, by_grouping, group_name, is_detail
from .tables import ref
from .tree import Paragraph, Part
from .wording import measured_by, measurement_title, metric_title, plural, probe_title

NULL = ".null"
SPREADS = frozenset({"every_shift", "calibrated_null"})
"""Methods whose ends are what chance gives, and not the sampling error of one number."""


def is_null(metric: str) -> bool:
    """Whether a metric is what chance or a blank map gives: ``NAME.null`` or ``NAME.null_SOMETHING``."""
    _, dot, kind = metric.rpartition(".")
    return dot == "." and (kind == "null" or kind.startswith("null_"))


def nulls_of(measurement: Measurement, probe: ProbeResult) -> list[Measurement]:
    """Return the nulls of a measurement: the same slice and condition, metric ``NAME.null_…``."""
    return [
        other
        for other in probe.measurements
        if is_null(other.metric)
        and other.metric.startswith(measurement.metric + NULL)
        and other.slice == measurement.slice
        and other.condition == measurement.condition
    ]


def against_nulls(measurement: Measurement, probe: ProbeResult) -> Paragraph | None:
    """Set a measurement beside its nulls and say which of them its interval leaves out."""
    nulls = [null for null in nulls_of(measurement, probe) if null.estimate.value is not None]
    if measurement.estimate.value is None or not nulls:
        return None
    parts: list[Part] = [
        f"{_capital(measurement_title(measurement, probe.probe))}: ",
        ref(measurement),
        "; by comparison ",
    ]
    for position, null in enumerate(nulls):
        parts += ["; " if position else "", f"{metric_title(null.metric, probe.probe)} ", ref(null)]
    parts.append(_verdict(measurement, nulls, probe.probe))
    return Paragraph(tuple(parts))


def _verdict(measurement: Measurement, nulls: list[Measurement], probe: str) -> str:
    estimate = measurement.estimate
    if estimate.low is None or estimate.high is None:
        return ". No interval was computed, so whether it differs from these is open."
    higher = [null for null in nulls if _ends(null)[0] > estimate.high]
    lower = [null for null in nulls if _ends(null)[1] < estimate.low]
    inside = [null for null in nulls if null not in higher and null not in lower]
    spread = [null for null in inside if null.estimate.method in SPREADS]
    sampled = [null for null in inside if null not in spread and null.estimate.low is not None]
    level = [null for null in inside if null not in spread and null not in sampled]
    told = []
    if lower:
        told.append(f"it exceeds {_names(lower, probe)}")
    if higher:
        told.append(f"it falls short of {_names(higher, probe)}")
    if spread:
        told.append(f"it lies within the range of {_names(spread, probe)}")
    if sampled:
        told.append(f"it overlaps with the interval of {_names(sampled, probe)}, which is no test of the two")
    if level:
        told.append(f"it does not differ from {_names(level, probe)} beyond the sampling error")
    return ". By its interval " + "; ".join(told) + "."


def _ends(null: Measurement) -> tuple[float, float]:
    """Return the range of a null; one without a range is a single number."""
    estimate = null.estimate
    assert estimate.value is not None  # against_nulls leaves out the others
    low = estimate.value if estimate.low is None else estimate.low
    return low, estimate.value if estimate.high is None else estimate.high


def _names(measurements: list[Measurement], probe: str) -> str:
    names = [metric_title(item.metric, probe) for item in measurements]
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def overall_sentences(results: AuditResults, told: Container[str] = ()) -> Iterator[Paragraph]:
    """Yield a sentence for each measurement over all faces that has a null.

    Args:
        results: of the audit.
        told: names of probes that are told in words of their own.
    """
    for probe in results.probes:
        for measurement in probe.measurements if probe.probe not in told else ():
            over_all = not set(measurement.slice) & set(results.data.attributes)
            if over_all and not is_null(measurement.metric) and not is_detail(measurement, results.data.attributes):
                sentence = against_nulls(measurement, probe)
                if sentence is not None:
                    yield sentence


def robustness_sentences(results: AuditResults) -> Iterator[Paragraph]:
    """Yield, for each probe that attacks, how its numbers are to be read."""
    for probe in results.probes:
        attacks = [done for item in probe.measurements if (done := under(item.condition)) and done.kind == "attack"]
        named = dict.fromkeys(done.named for done in attacks if not (done.clean or done.control or done.whole))
        if named:
            controls = any(done.control for done in attacks)
            noise = " Random changes of the same size are the control: what they do needs no attacker."
            yield Paragraph.of(
                f"{probe_title(probe, results)}: {metric_title('accuracy')} under {', '.join(named)} is an upper "
                f"bound: a stronger attack may find more.{noise if controls else ''}"
            )


def group_sentences(results: AuditResults, intersectional: bool) -> Iterator[Paragraph]:
    """Yield the range of accuracy over the measured groups of each attribute, and how to read it."""
    probes = measured_by("group_metrics", results)
    found = False
    for probe in probes:
        place = f"{probe_title(probe, results)}: of" if len(probes) > 1 else "Of"
        for grouped in by_grouping(probe, results.data.attributes):
            if grouped.attributes and (len(grouped.attributes) > 1) == intersectional:
                told = _range(grouped, place)
                if told is not None:
                    found = True
                    yield told
    if found:
        yield Paragraph.of(
            "These are ranges and not tests. The lowest and the highest of several groups lie apart by chance alone; "
            "where a probe tests a difference, a finding tells it."
        )


def _range(grouped: Grouped, place: str) -> Paragraph | None:
    """Tell the lowest and the highest accuracy of the measured groups; None for fewer than two."""
    cells = [
        (cell.estimate.value, group, cell)
        for (group, column), cell in grouped.cells.items()
        if column.metric == "accuracy"
        and not column.rest
        and cell.estimate.value is not None
        and ACROSS not in group  # pairs of two groups are no group of people
    ]
    if len(cells) < 2:
        return None
    low, high = min(cells, key=lambda cell: cell[0]), max(cells, key=lambda cell: cell[0])
    head = f"{place} {len(cells)} measured groups by {grouped.title}, accuracy is "
    if low[0] == high[0]:
        return Paragraph.of(f"{head}all alike, such as that for {group_name(low[1])}: ", ref(low[2]), ".")
    return Paragraph.of(
        f"{head}lowest for {group_name(low[1])}{_alike(low[0], cells)}: ",
        ref(low[2]),
        f", and highest for {group_name(high[1])}{_alike(high[0], cells)}: ",
        ref(high[2]),
        ".",
    )


def _alike(value: float, cells: list[tuple[float, tuple[str, ...], Measurement]]) -> str:
    """Say that other groups have the same number."""
    others = sum(cell[0] == value for cell in cells) - 1
    return f" and {plural(others, 'more group')} alike" if others else ""
