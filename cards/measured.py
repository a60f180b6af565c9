"""Sections 3 to 5 of the card: factors, metrics and evaluation data, as the audit had them."""

from __future__ import annotations

import re
from collections import Counter

from ..core.results import AttributeSummary, AuditResults, DataSummary
from ..core.suppression import is_held_back, min_published
from .slices import group_name
from .statements import Statements
from .stating import stated
from .tree import Item, TableBlock
from .wording import method_title, metric_meaning, metric_title, plural

ASSIGNED = {
    "self-reported": "reported by the people themselves",
    "annotator": "assigned by annotators, who see a face and not an identity",
    "derived": "derived from the image by a rule",
    "model": "assigned by a model, with that model's errors",
}
_MANY_REASONS = 8
_PATH = re.compile(r"[\\/]|\.\w{3,4}:?$")
_BOX = re.compile(r"the box [-\d., ]*\d")


def factors(results: AuditResults, statements: Statements) -> tuple[Item, ...]:
    """Section 3: which attributes were evaluated, and who assigned them."""
    data = results.data
    rows = tuple(
        (
            name,
            ASSIGNED.get(attribute.assigned_by, attribute.assigned_by),
            "the person" if attribute.of == "subject" else "the image",
            ", ".join(group_name([group]) for group in (*attribute.groups, *(attribute.held_back or ()))),
            "held back" if attribute.missing is None else plural(attribute.missing, "face"),
        )
        for name, attribute in data.attributes.items()
    )
    columns = ("attribute", "who assigned it", "belongs to", "groups", "without a value")
    facts = [f"Evaluated together: {' × '.join(names)}." for names in data.intersections]
    if rows:
        blocks = [TableBlock(columns, rows, "Attributes by which the audit compares groups")]
        facts += _provenance(data)
    else:
        blocks = []
        facts.append("No attribute of people or images came with the data, so no group was evaluated.")
    return (
        stated(statements, "factors.relevant", "Relevant factors"),
        stated(statements, "factors.evaluation", "Evaluation factors", facts, blocks),
    )


def group_sizes(attribute: AttributeSummary) -> tuple[tuple[str, str, str], ...]:
    """Return a row for each group: its name, faces and people; for those held back it says so."""
    groups = attribute.groups.items()
    told = ((group_name([group]), f"{size.faces:,}", f"{size.subjects:,}") for group, size in groups)
    return (*told, *((group_name([group]), "held back", "held back") for group in attribute.held_back or ()))


def withheld(results: AuditResults) -> list[str]:
    """Say whose numbers are not published, in a line; nothing where all are."""
    out = [group for attribute in results.data.attributes.values() for group in attribute.held_back or ()]
    held = any(is_held_back(item.estimate) for item in results.measurements())
    if not out and not held:
        return []
    return [
        f"Held back: numbers of groups of fewer than {min_published(results)} people, and of the groups from which "
        "those could be worked out. They are not told apart, and missing is not the same as good."
    ]


def _provenance(data: DataSummary) -> list[str]:
    """Say which attributes came with the data, and of those derived from the pictures how well they are repeated."""
    derived = [name for name, attribute in data.attributes.items() if attribute.derive is not None]
    if not derived:
        return ["The attributes came with the data; none was inferred from a face by this audit."]
    others = "the others came with the data, and " if len(derived) < len(data.attributes) else ""
    facts = [
        f"Derived from the pictures by this audit: {', '.join(derived)}; {others}race, ethnicity, gender or age was "
        "inferred from no face."
    ]
    repeated = {name: attribute.reliability for name, attribute in data.attributes.items() if attribute.reliability}
    return [*facts, *(f"{name}: {told}." for name, told in repeated.items())]


def metrics(results: AuditResults, statements: Statements) -> tuple[Item, ...]:
    """Section 4: which measures, which thresholds, how uncertainty was treated."""
    seen = dict.fromkeys((item.metric, probe.probe) for probe in results.probes for item in probe.measurements)
    named = dict.fromkeys((metric_title(*metric), metric_meaning(*metric)) for metric in seen)
    rows = tuple((title, meaning or "see the probe that measures it") for title, meaning in named)
    table = [TableBlock(("measure", "what it is"), rows, "Measures in this audit")] if rows else []
    return (
        stated(statements, "metrics.performance_measures", "Model performance measures", blocks=table),
        stated(statements, "metrics.decision_thresholds", "Decision thresholds", _thresholds(results)),
        stated(statements, "metrics.variation", "Approaches to uncertainty and variability", _variation(results)),
    )


def _thresholds(results: AuditResults) -> list[str]:
    if results.target.task == "expression":
        return ["The class with the largest output is the prediction; no threshold was applied."]
    if results.target.task == "forgery":
        return ["The class with the larger output is the prediction: a threshold of one half on its probability."]
    return []


def _variation(results: AuditResults) -> list[str]:
    methods: Counter[tuple[str, float]] = Counter()
    bare = 0
    for item in results.measurements():
        if item.estimate.low is not None and item.estimate.method and item.estimate.level:
            methods[item.estimate.method, item.estimate.level] += 1
        elif item.estimate.value is not None:
            bare += 1
    facts = [
        f"{100 * level:g} % intervals by {method_title(method)} ({plural(count, 'measurement')})."
        for (method, level), count in sorted(methods.items())
    ]
    if bare:
        facts.append(f"No interval for {plural(bare, 'measurement')}.")
    if results.data.subjects is not None:
        facts.append(
            f"Faces are clustered in {plural(results.data.subjects, 'person', 'people')}: people are the sample."
        )
    if methods:
        facts.append("Each interval stands for itself; they are not adjusted for the number of measurements.")
    return facts


def evaluation_data(results: AuditResults, statements: Statements) -> tuple[Item, ...]:
    """Section 5: the audited faces, their labels and groups, and what was set aside."""
    data = results.data
    facts = [f"Audited: {data.name + ', ' if data.name else ''}{plural(data.faces, 'face')}."]
    facts.append(
        f"People: {data.subjects:,}."
        if data.subjects is not None
        else "Who is in which image is not known, so every face counts as another person."
    )
    if data.sha256:
        facts.append(f"SHA-256 of the manifest: {data.sha256}.")
    facts += [*withheld(results), *data.notes]
    blocks = []
    if data.labels:
        rows = tuple((label, f"{count:,}") for label, count in data.labels.items())
        blocks.append(TableBlock(("label", "faces"), rows, "Labels of the audited faces"))
    sizes = tuple((name, *row) for name, attribute in data.attributes.items() for row in group_sizes(attribute))
    if sizes:
        blocks.append(TableBlock(("attribute", "group", "faces", "people"), sizes, "Size of the groups"))
    if data.quarantined:
        rows = tuple((reason, f"{count:,}") for reason, count in quarantine_reasons(data))
        blocks.append(TableBlock(("why the row could not be used", "rows"), rows, "Rows set aside"))
    prepared = [f"Landmarks: {data.landmarks}."]
    size = results.target.input.get("size")
    if size:
        prepared.append(f"Faces were cropped and resized to the input of the model ({_size(size)}).")
    if data.boxes_padded:
        prepared.append(f"Boxes that reach beyond their image, padded: {data.boxes_padded:,}.")
    return (
        stated(statements, "evaluation_data.datasets", "Datasets", facts, blocks),
        stated(statements, "evaluation_data.motivation", "Motivation"),
        stated(statements, "evaluation_data.preprocessing", "Preprocessing", prepared),
    )


def _size(size: object) -> str:
    sides = size if isinstance(size, (list, tuple)) else (size, size)
    return " × ".join(str(side) for side in sides) + " px"


def quarantine_reasons(data: DataSummary) -> list[tuple[str, int]]:
    """Count the rows set aside by reason, most frequent first, without anything that names a row.

    An id or a path inside a reason is left out, for a card may be published.
    """
    counts: Counter[str] = Counter()
    for row in data.quarantined:
        reason = re.sub(rf"(?<!\w){re.escape(row.face_id)}(?!\w)", "…", row.reason) if row.face_id else row.reason
        words = ["…" if _PATH.search(word) else word for word in reason.split()]
        counts[_BOX.sub("the box", " ".join(words)).lstrip("…: ")] += 1
    ranked = sorted(counts.items(), key=lambda entry: (-entry[1], entry[0]))
    if len(ranked) > _MANY_REASONS:
        rest = sum(count for _, count in ranked[_MANY_REASONS:])
        ranked = [*ranked[:_MANY_REASONS], (f"{len(ranked) - _MANY_REASONS} other reasons", rest)]
    return ranked
