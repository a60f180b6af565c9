"""The reference at the end of a probe's page, made from what the probe says of itself."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from countenance.cards.wording import metric_meaning, metric_title
from countenance.core.probes import Probe

MEASURED: Mapping[str, Any] = json.loads(Path(__file__).with_name("measured.json").read_text(encoding="utf-8"))
BETTER = {"higher": "higher", "lower": "lower", "none": "neither"}
LIMITS = {
    "minimum": "at least {}",
    "exclusiveMinimum": "above {}",
    "maximum": "at most {}",
    "exclusiveMaximum": "below {}",
    "minLength": "at least {} characters",
    "minItems": "at least {} entries",
    "maxItems": "at most {} entries",
}
NEEDED = {
    "model": "the model itself, not only a table of its predictions",
    "gradients": "gradients (a state dict or `.pt2`; ONNX gives none)",
    "layers": "layers that can be read (a state dict)",
    "images": "the images of the faces",
    "labels": "labels",
    "landmarks": "landmarks",
}


def probe_block(probe: Probe) -> str:
    """Return the Markdown that closes the page of ``probe``."""
    needs = "; ".join(text for need, text in NEEDED.items() if need in probe.needs) or "predictions only"
    parts = [
        f"## Reference {{: #reference-{probe.name} }}",
        f"*{cell(probe.title)}*: made from what `{probe.name}`, version {probe.version}, says of itself; "
        f"`countenance probes {probe.name}` tells it too.",
        admonition("info", "What it shows", probe.shows),
        admonition("warning", "What it hides", probe.hides),
        f"**Pillar** {probe.pillar} · **Tasks** {', '.join(sorted(probe.tasks)).replace('_', ' ')}",
        f"**Needs** {needs}",
        f"**Costs** {cost(probe)}",
        f"### Parameters {{: #parameters-{probe.name} }}",
        parameters(probe),
        f"### Measurements {{: #measurements-{probe.name} }}",
        measurements(probe.name, probe.version),
    ]
    if probe.citation:
        parts.append(f"**Sources** {cell(probe.citation)}. Written out in the [bibliography](bibliography.md).")
    return "\n\n" + "\n\n".join(parts) + "\n"


def cost(probe: Probe) -> str:
    """Say what work the probe makes beside the one pass in which all faces are predicted."""
    if "gradients" in probe.needs:
        return "passes forward and backward through the model, beside the one pass that predicts all faces"
    if "model" in probe.needs:
        return "more passes through the model, beside the one that predicts all faces; some settings need gradients"
    if "images" in probe.needs:
        return "reads the images once more; no pass through the model"
    return "reads the predictions; no further pass through the model"


def parameters(probe: Probe) -> str:
    """Return the table of parameters: type, default, range and meaning, from the pydantic model."""
    schema = probe.params.model_json_schema()
    rows = []
    for name, field in probe.params.model_fields.items():
        described = schema["properties"][name]
        default = "required" if field.is_required() else f"`{plain(field.get_default(call_default_factory=True))}`"
        kind, limits = kind_of(described, schema), ", ".join(limits_of(described, schema))
        rows.append([f"`{name}`", kind, default, limits, field.description or described.get("title", "")])
    if not rows:
        return "None."
    return table(["name", "type", "default", "range", "meaning"], rows)


def measurements(name: str, version: int) -> str:
    """Return the table of measurements that audits by this version of the probe gave."""
    collected = MEASURED.get(name, {"version": version, "metrics": {}})
    metrics = collected["metrics"]
    if not metrics or collected["version"] != version:
        return "They are not collected yet from audits by this version; the page above names them."
    rows = {
        metric: [f"`{metric}`", metric_title(metric, name), BETTER[direction], metric_meaning(metric, name)]
        for metric, direction in metrics.items()
    }
    head = ["measurement", "shown as", "better", "what it is"]
    beside = [row for metric, row in rows.items() if "." in metric]
    parts = [
        "Those that audits gave so far; other tasks, classes or parameters can give others. *Better* is the direction "
        "that comparisons and gates read as an improvement.",
        table(head, [row for metric, row in rows.items() if "." not in metric]),
    ]
    if beside:
        folded = table(head, beside).replace("\n", "\n    ")
        parts.append(f'??? note "Beside these: nulls, gaps, bounds, p-values and checks ({len(beside)})"\n    {folded}')
    return "\n\n".join(parts)


def kind_of(described: Mapping[str, Any], schema: Mapping[str, Any]) -> str:
    """Write a JSON Schema type for readers."""
    if "$ref" in described:
        return kind_of(resolved(described, schema), schema)
    if "anyOf" in described:
        kinds = [kind_of(option, schema) for option in described["anyOf"]]
        if any("pattern" in option for option in described["anyOf"]):  # 8/255
            kinds = ["fraction" if kind == "text" else kind for kind in kinds]
        return " or ".join(dict.fromkeys(kinds))
    if "const" in described:
        return f"`{described['const']}`"
    if "enum" in described:
        return " or ".join(f"`{value}`" for value in described["enum"])
    if described.get("type") == "array":
        items = described.get("items") or {"anyOf": described.get("prefixItems", [{}])}
        return f"list of {kind_of(items, schema)}"
    names = {"integer": "whole number", "string": "text", "boolean": "true or false", "null": "nothing"}
    kind = described.get("type", "any value")
    return names.get(kind, "settings" if kind == "object" else kind)


def limits_of(described: Mapping[str, Any], schema: Mapping[str, Any]) -> Iterator[str]:
    """Yield the limits of a parameter in words, also of the entries of a list."""
    described = resolved(described, schema)
    for key, words in LIMITS.items():
        if key in described:
            yield words.format(plain(described[key]))
    for option in described.get("anyOf", []):
        yield from limits_of(option, schema)
    if isinstance(described.get("items"), dict):
        yield from (f"each {limit}" for limit in limits_of(described["items"], schema))


def resolved(described: Mapping[str, Any], schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """Follow a reference within a JSON Schema."""
    if "$ref" not in described:
        return described
    found: Mapping[str, Any] = schema["$defs"][described["$ref"].rsplit("/", 1)[1]]
    return found


def plain(value: Any) -> str:
    """Write a default as one would in a plan."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (tuple, list, set, frozenset)):
        return f"[{', '.join(map(plain, sorted(value) if isinstance(value, (set, frozenset)) else value))}]"
    return str(value)


def table(head: list[str], rows: list[list[str]]) -> str:
    """Return a Markdown table."""
    lines = [head, ["---"] * len(head), *([cell(text) for text in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def cell(text: str) -> str:
    """Return text that cannot break a table or become markup: one line, bars and tags escaped outside of code."""
    parts = re.split(r"(`[^`]*`)", " ".join(text.split()))
    return "".join(part if part.startswith("`") else escaped(part) for part in parts).replace("|", "\\|")


def escaped(text: str) -> str:
    """Escape what Markdown or HTML would read as markup."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace("*", "\\*").replace("_", "\\_")


def admonition(kind: str, title: str, text: str) -> str:
    """Return a box of mkdocs-material."""
    return f'!!! {kind} "{title}"\n    {escaped(" ".join(text.split()))}'
