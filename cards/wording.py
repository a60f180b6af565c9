"""How numbers, metrics and methods are written in cards and reports."""

from __future__ import annotations

from collections.abc import Mapping

from ..core.results import AuditResults, Estimate, Measurement, ProbeResult
from .conditions import under_text
from .metric_texts import BETWEEN_GROUPS, IN_PROBE, METHODS, METRICS, MetricText

ROUNDING = 1e-12


def _text(metric: str, probe: str) -> MetricText | None:
    known = IN_PROBE.get(probe, {}).get(metric) or METRICS.get(metric)
    if known is not None:
        return known
    for name, text in BETWEEN_GROUPS.items():
        score = metric.removesuffix(f".{name}")
        if score != metric:
            return MetricText(text.title.format(metric_title(score, probe)), text.meaning)
    return None


def metric_title(metric: str, probe: str = "") -> str:
    """Return the metric as shown, e.g. ``FPR``; an unknown one with spaces for underscores.

    Args:
        metric: its name in results.
        probe: name of the probe that measured it (not its id in a plan), for a name with two meanings.
    """
    known = _text(metric, probe)
    return known.title if known else metric.replace("_", " ")


def metric_meaning(metric: str, probe: str = "") -> str:
    """Return what the metric is in one clause, or an empty string for one this package does not know."""
    known = _text(metric, probe)
    return known.meaning if known else ""


def method_title(method: str) -> str:
    """Return how an interval was made, in words; an unknown method under its own name."""
    return METHODS.get(method, method.replace("_", " "))


def probe_title(probe: ProbeResult, results: AuditResults) -> str:
    """Name a probe; two uses of one probe are told apart by their ids."""
    title = probe.title or probe.id
    twice = sum((other.title or other.id) == title for other in results.probes) > 1
    return f"{title} ({probe.id})" if twice else title


def measured_by(name: str, results: AuditResults) -> list[ProbeResult]:
    """Return what a probe gave, by its name: a plan may use it more than once and under any id."""
    return [probe for probe in results.probes if probe.probe == name]


def pairs_text(pairs: Mapping[str, str]) -> str:
    """Write a slice or condition for readers: ``eps = 8/255, attack = pgd``."""
    return ", ".join(f"{name} = {value}" for name, value in sorted(pairs.items()))


def shown_attribute(attribute: str) -> str:
    """Write an attribute, or several that are crossed, for readers: ``ethnicity × gender``."""
    return attribute.replace("&", " × ")


def place_title(metric: str, rest: Mapping[str, str], condition: Mapping[str, str], probe: str = "") -> str:
    """Name a measurement apart from its group: ``recall of happy``, ``accuracy under fog``, ``ROAD by lime``."""
    title = metric_title(metric, probe)
    others = {name: value for name, value in rest.items() if name not in ("label", "dimension")}
    title += "".join(f" of {rest[name]}" for name in ("label", "dimension") if name in rest)
    if others:
        title += f" ({pairs_text(others)})"
    if set(condition) == {"method"}:
        title += f" by {condition['method']}"
    elif condition:
        title += under_text(condition) or f" at {pairs_text(condition)}"
    return title


def measurement_title(measurement: Measurement, probe: str = "") -> str:
    """Name a measurement with everything that places it; ``probe`` as in :func:`metric_title`."""
    return place_title(measurement.metric, measurement.slice, measurement.condition, probe)


def number(value: float, unit: str | None = None) -> str:
    """Write a number with three decimals, large ones with thousands separators, tiny ones with one figure.

    A whole number with a unit (``3 faces``) is written as such. What is 0 but for rounding has no sign.
    """
    if abs(value) < ROUNDING:
        value = 0.0
    if unit and float(value).is_integer():
        return f"{value:,.0f}"
    if value == 0 or 0.0005 <= abs(value) < 100:
        return f"{value:.3f}"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.1g}"


def interval(estimate: Estimate) -> str:
    """Write the interval as ``[low, high]``, or an empty string where there is none."""
    if estimate.low is None or estimate.high is None:
        return ""
    return f"[{number(estimate.low)}, {number(estimate.high)}]"


def sample(estimate: Estimate) -> str:
    """Write the sample as ``n = 204``, or an empty string where it is not known."""
    return "" if estimate.n is None else f"n = {estimate.n:,}"


def estimate_text(estimate: Estimate) -> str:
    """Write an estimate in one line: value, unit, interval and n, or why it was not measured."""
    if estimate.value is None:
        return f"not measured: {estimate.reason}"
    words = [number(estimate.value, estimate.unit), estimate.unit or "", interval(estimate)]
    text = " ".join(word for word in words if word)
    return ", ".join(part for part in (text, sample(estimate)) if part)


def plural(count: int, one: str, many: str | None = None) -> str:
    """Write a count with its noun: ``1 face``, ``1,204 faces``."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"
