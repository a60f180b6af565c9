"""What was not stated and what was not measured, summed up so that a person can read it."""

from __future__ import annotations

import re
from collections.abc import Iterable

from ..core.results import AuditResults, Measurement
from .slices import by_grouping
from .tree import Item, Paragraph, Part, Section, TableBlock
from .unfinished import gates_not_judged, gates_text, not_run, reason_told
from .wording import plural, probe_title

_NUMBER = re.compile(r"\d+(?:,\d{3})*(?:\.\d+)?")
_NO_FACE = re.compile(r"no face (here counts towards|is labelled|is answered) .*", re.DOTALL)
_NO_FACE_IN_SHORT = {
    "here counts towards": "no face counts towards it",
    "is labelled": "no face has the label",
    "is answered": "no face got this answer",
}
# Where a reason names its class. Any other word of a reason may be equal to the name of a class or group by accident:
# "no" is the name of a group, and "10" that of a skin tone.
_NAMED = (r"\A{}(?= has no mask: )", r"(?:(?<= called )|(?<= labelled )){}(?= with a map; )")


def reasons_in_short(measurements: Iterable[Measurement]) -> list[str]:
    """Merge the reasons that differ in their numbers only: ``1 to 9 people; 10 are needed``."""
    kinds: dict[str, list[list[str]]] = {}
    for measurement in measurements:
        reason = _without_place(measurement)
        if reason:
            kinds.setdefault(_shape(reason), []).append(_NUMBER.findall(short_reason(reason)))
    return [_merged(shape, numbers) for shape, numbers in kinds.items()]


def _without_place(measurement: Measurement) -> str:
    """Return the reason with ``it`` for the class it names; empty where there is a value."""
    reason = (measurement.estimate.reason or "") if measurement.estimate.value is None else ""
    label = measurement.slice.get("label", "")
    if label:
        for place in _NAMED:
            reason = re.sub(place.format(re.escape(label)), "it", reason)
    return short_reason(reason)


def short_reason(reason: str) -> str:
    """Leave out which metric and class a reason speaks of, where the place it stands in says it."""
    return _NO_FACE.sub(lambda match: _NO_FACE_IN_SHORT[match[1]], reason)


def _shape(reason: str) -> str:
    """Replace the numbers, and singulars beside them: ``1 person`` and ``9 people`` are of one kind."""
    plain = re.sub(r"\b1 person\b", "1 people", short_reason(reason))
    plain = re.sub(r"\b1 face\b", "1 faces", plain)
    plain = re.sub(r"\b1 more person\b", "1 more people", plain)
    return _NUMBER.sub("\x00", plain)


def _merged(shape: str, numbers: list[list[str]]) -> str:
    parts = shape.split("\x00")
    text = parts[0]
    for position, part in enumerate(parts[1:]):
        seen = sorted({row[position] for row in numbers}, key=lambda value: float(value.replace(",", "")))
        text += (seen[0] if len(seen) == 1 else f"{seen[0]} to {seen[-1]}") + part
    text = re.sub(r"(?<![\d ] )\b1 people\b", "1 person", text) if " to " not in text else text
    return text.rstrip(".")


def absent_section(results: AuditResults, sections: tuple[Section, ...]) -> Section:
    """Build the closing section: what nobody stated, by section; what was not measured, by reason."""
    return Section(10, "Not stated and not measured", (_not_stated(sections), _not_measured(results)))


def _not_stated(sections: tuple[Section, ...]) -> Item:
    rows: list[tuple[Part, ...]] = []
    for section in sections:
        missing = [item.title for item in section.items if item.status == "not stated"]
        if missing:
            rows.append((f"{section.number}. {section.title}", " · ".join(missing)))
    if not rows:
        nothing = Paragraph.of("The author answered every item that the audit does not fill.")
        return Item("absent.stated", "Not stated", "measured", (nothing,))
    table = TableBlock(("section", "items that nobody stated"), tuple(rows), "Not stated by the author in card.yaml")
    return Item("absent.stated", "Not stated", "measured", (table,))


def _not_measured(results: AuditResults) -> Item:
    rows: list[tuple[Part, ...]] = []
    for probe in results.probes:
        if probe.status != "ok":
            rows.append((probe_title(probe, results), f"the whole probe {probe.status}", reason_told(probe)))
        for grouped in by_grouping(probe, results.data.attributes):
            cells = [(group, cell) for (group, _), cell in grouped.cells.items() if cell.estimate.value is None]
            if cells:
                where = plural(len(cells), "measurement")
                if grouped.attributes:
                    touched = len({group for group, _ in cells})
                    where += f" in {touched} of {plural(len(grouped.groups), 'group')} by {grouped.title}"
                rows.append(
                    (probe_title(probe, results), where, " · ".join(reasons_in_short(cell for _, cell in cells)))
                )
    rows += [(name, "the whole probe did not run", "the audit broke off before it") for name in not_run(results)]
    if gates_not_judged(results):
        rows.append(("the gates", gates_text(gates_not_judged(results)).rstrip("."), "the audit broke off before them"))
    rows += [("the data", "", reason) for reason in results.data.not_measured]
    if results.data.quarantined:
        count = plural(len(results.data.quarantined), "row")
        rows.append(("the data", f"{count} of the manifest", "the image could not be used; see Evaluation Data"))
    if not rows:
        nothing = Paragraph.of("Every planned measurement was made.")
        return Item("absent.measured", "Not measured", "measured", (nothing,))
    table = TableBlock(("what", "how much of it", "why"), tuple(rows), "Planned and not measured")
    return Item("absent.measured", "Not measured", "measured", (table,))
