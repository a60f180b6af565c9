"""What an audit measured: estimate, measurement, finding, probe result, audit results.

``results.json`` in a run folder holds every quotable number. This module reads and writes it without torch,
so that cards, reports, gates and comparisons can be made again on any machine.
"""

from __future__ import annotations

import html
import json
import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_serializer, model_validator

from .errors import ResultsError, nearest
from .keys import format_key

if TYPE_CHECKING:
    import pandas as pd
    from pydantic import SerializerFunctionWrapHandler

SCHEMA_VERSION = 1
RESULTS_FILE = "results.json"
SIZE_LIMIT = 20_000_000

Direction = Literal["higher", "lower", "none"]
Severity = Literal["high", "medium", "low", "note"]
Status = Literal["ok", "skipped", "failed"]
Verdict = Literal["pass", "fail", "inconclusive", "not measured"]
SEVERITIES: tuple[Severity, ...] = ("high", "medium", "low", "note")


class Record(BaseModel):
    """A frozen record; fields that are ``None`` are left out when written, unknown ones are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    _always_written: tuple[str, ...] = ()

    @model_serializer(mode="wrap")
    def _without_nulls(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        written = handler(self)
        return {name: value for name, value in written.items() if value is not None or name in self._always_written}


class Estimate(Record):
    """A finite number with its interval, or ``None`` with the reason it was not measured.

    ``low`` and ``high`` bound the true value at confidence ``level`` by ``method``. ``n`` counts rows (faces or
    pairs), ``subjects`` people, ``n_effective`` the independent rows the clustered ones are worth, ``count`` the
    numerator of a rate. Of a difference between groups, ``bound_low`` and ``bound_high`` are the one-sided bounds that
    gates test, the lower one simultaneous over all questions of the probe; ``about`` names the groups it lies between;
    ``groups`` took part, and ``groups_left_out`` were too small to, though they count.
    """

    value: float | None
    low: float | None = None
    high: float | None = None
    level: float | None = None
    method: str | None = None
    n: int | None = None
    subjects: int | None = None
    n_effective: float | None = None
    count: float | None = None
    unit: str | None = None
    reason: str | None = None
    bound_low: float | None = None
    bound_high: float | None = None
    about: str | None = None
    groups: int | None = None
    groups_left_out: int | None = None

    _always_written = ("value",)

    @model_validator(mode="after")
    def _check(self) -> Estimate:
        if self.value is None and not self.reason:
            raise ValueError("an estimate without a value needs a reason")
        if self.value is None and (self.low is not None or self.high is not None):
            raise ValueError("an estimate without a value has no interval")
        for name in ("value", "low", "high", "bound_low", "bound_high"):
            number = getattr(self, name)
            if number is not None and not math.isfinite(number):
                raise ValueError(f"{name} is {number}, expected a finite number or None with a reason")
        if self.low is not None and self.high is not None and self.low > self.high:
            raise ValueError(f"the interval is reversed: low {self.low} is above high {self.high}")
        return self

    @classmethod
    def not_measured(cls, reason: str, *, n: int | None = None, subjects: int | None = None) -> Estimate:
        """Return an estimate that says why there is no number."""
        return cls(value=None, reason=reason, n=n, subjects=subjects)

    def __str__(self) -> str:
        if self.value is None:
            return f"not measured: {self.reason}"
        text = f"{self.value:.3f}"
        if self.low is not None and self.high is not None:
            text += f" [{self.low:.3f}, {self.high:.3f}]"
        return text if self.n is None else f"{text}, n = {self.n:,}"


class Measurement(Record):
    """An estimate with its place: which metric, of which slice of the data, under which condition."""

    key: str
    metric: str
    slice: dict[str, str] = Field(default_factory=dict)
    condition: dict[str, str] = Field(default_factory=dict)
    direction: Direction = "none"
    estimate: Estimate

    @classmethod
    def of(
        cls,
        probe_id: str,
        metric: str,
        estimate: Estimate,
        *,
        slice: dict[str, str] | None = None,
        condition: dict[str, str] | None = None,
        direction: Direction = "none",
    ) -> Measurement:
        """Make a measurement and its key."""
        return cls(
            key=format_key(probe_id, metric, slice, condition),
            metric=metric,
            slice=slice or {},
            condition=condition or {},
            direction=direction,
            estimate=estimate,
        )


class Finding(Record):
    """A claim that measurements support: what was seen, how bad, on which evidence, with which caveats."""

    id: str
    severity: Severity
    claim: str
    evidence: list[str] = Field(default_factory=list)
    p_adjusted: float | None = Field(default=None, ge=0, le=1)
    caveats: list[str] = Field(default_factory=list)


class Artifact(Record):
    """A file beside ``results.json``: its path in the run folder (with ``/``), hash, kind and title."""

    path: str
    sha256: str
    kind: Literal["table", "artifact"] = "artifact"
    title: str = ""

    @field_validator("path")
    @classmethod
    def _stays_inside(cls, path: str) -> str:
        """A run folder may come from anyone: what its results name must lie in it."""
        parts = path.split("/")
        if any(part in {"", ".", ".."} for part in parts) or any(mark in path for mark in "\\:\0"):
            raise ValueError(f"expected a path inside the run folder such as tables/a.csv, but got {path!r}")
        return path


class ProbeResult(Record):
    """What one probe gave, with the probe's own account of what it shows and hides."""

    id: str
    probe: str
    version: int
    status: Status
    reason: str | None = None
    seconds: float = 0.0
    title: str = ""
    pillar: str = ""
    shows: str = ""
    hides: str = ""
    citation: str = ""
    params: dict[str, Any] = Field(default_factory=dict)
    notes: list[str] = Field(default_factory=list)
    measurements: list[Measurement] = Field(default_factory=list)
    findings: list[Finding] = Field(default_factory=list)
    artifacts: list[Artifact] = Field(default_factory=list)

    @model_validator(mode="after")
    def _check(self) -> ProbeResult:
        if self.status != "ok" and not self.reason:
            raise ValueError(f"probe {self.id} is {self.status} and needs a reason")
        return self

    def artifact(self, name: str) -> Artifact | None:
        """Return the artifact or table whose file is called ``name`` (with or without the probe's prefix)."""
        wanted = {name, f"{self.id}.{name}"}
        return next((item for item in self.artifacts if item.path.rpartition("/")[2] in wanted), None)


class Quarantined(Record):
    """A row of the manifest whose image could not be used, and why; ``row`` counts from 1 below the header."""

    row: int
    face_id: str
    reason: str


class GroupCount(Record):
    """How many faces and people one group of an attribute has."""

    faces: int
    subjects: int


class AttributeSummary(Record):
    """An attribute as audited: who assigned it, whether it belongs to the person or the image, its groups."""

    assigned_by: str
    of: Literal["subject", "image"] = "subject"
    groups: dict[str, GroupCount] = Field(default_factory=dict)
    missing: int | None = Field(default=0, description="faces without a value; not told where a group is held back")
    held_back: list[str] | None = Field(default=None, description="groups whose numbers are not published")
    derive: str | None = Field(default=None, description="how the audit derived it, e.g. ita")
    reliability: str | None = Field(default=None, description="how well another picture of a person repeats it")


class DataSummary(Record):
    """The audited data: sizes, labels, attributes, what was set aside and what could not be measured from it.

    ``notes`` say how attributes were derived, what is odd about them, and which limits these faces could never pass.
    """

    name: str = ""
    faces: int
    subjects: int | None = None
    sha256: str = ""
    labels: dict[str, int] = Field(default_factory=dict)
    attributes: dict[str, AttributeSummary] = Field(default_factory=dict)
    intersections: list[list[str]] = Field(default_factory=list)
    landmarks: str = "none"
    boxes_padded: int = 0
    quarantined: list[Quarantined] = Field(default_factory=list)
    not_measured: list[str] = Field(default_factory=list)
    notes: list[str] = Field(default_factory=list)


class TargetSummary(Record):
    """The audited model: its task, classes, format, hash and what it can give."""

    name: str
    task: str
    classes: list[str] = Field(default_factory=list)
    format: str = ""
    sha256: str = ""
    factory: str | None = None
    factory_sha256: str | None = None
    response_sha256: str | None = None
    input: dict[str, Any] = Field(default_factory=dict)
    output: str = ""
    parameters: int | None = None
    gives: list[str] = Field(default_factory=list)
    notes: list[str] = Field(default_factory=list)


class GateOutcome(Record):
    """A gate of the plan with its verdict and, in words, why."""

    gate: dict[str, Any]
    verdict: Verdict
    why: str
    evidence: list[str] = Field(default_factory=list)
    waiver: dict[str, Any] | None = None

    @property
    def counts_against(self) -> bool:
        """Whether the gate stops a release: failed or not measured, and nobody answers for it."""
        return self.verdict in {"fail", "not measured"} and self.waiver is None


class AuditResults(Record):
    """Everything one audit measured. Index with a key: ``results["performance/accuracy"].estimate``."""

    schema_version: int = SCHEMA_VERSION
    name: str
    tool: dict[str, str]
    started: str
    seconds: float
    target: TargetSummary
    data: DataSummary
    plan: dict[str, Any]
    probes: list[ProbeResult] = Field(default_factory=list)
    gates: list[GateOutcome] = Field(default_factory=list)
    policy: list[Finding] = Field(default_factory=list)

    @model_validator(mode="after")
    def _keys_are_unique(self) -> AuditResults:
        seen: set[str] = set()
        for measurement in self.measurements():
            if measurement.key in seen:
                raise ValueError(f"the key {measurement.key} stands twice")
            seen.add(measurement.key)
        return self

    def measurements(self) -> Iterator[Measurement]:
        """Iterate over every measurement of every probe."""
        for probe in self.probes:
            yield from probe.measurements

    def findings(self) -> list[Finding]:
        """Return every finding, the most severe first."""
        found = [*self.policy, *(finding for probe in self.probes for finding in probe.findings)]
        return sorted(found, key=lambda finding: SEVERITIES.index(finding.severity))

    def get(self, key: str) -> Measurement | None:
        """Return the measurement with this key, or ``None``."""
        return next((item for item in self.measurements() if item.key == key), None)

    def __getitem__(self, key: str) -> Measurement:
        found = self.get(key)
        if found is None:
            hint = nearest(key, (item.key for item in self.measurements()))
            raise KeyError(f"no measurement {key!r}{hint}")
        return found

    def probe(self, probe_id: str) -> ProbeResult | None:
        """Return the result of the probe with this id, or ``None``."""
        return next((probe for probe in self.probes if probe.id == probe_id), None)

    def to_frame(self) -> pd.DataFrame:
        """Return one row per measurement: key, probe, metric, slice, condition, direction and the estimate."""
        import pandas as pd

        rows = []
        for probe in self.probes:
            for item in probe.measurements:
                place = {
                    "key": item.key,
                    "probe": probe.id,
                    "metric": item.metric,
                    "direction": item.direction,
                }
                rows.append({**place, "slice": item.slice, "condition": item.condition, **dict(item.estimate)})
        return pd.DataFrame(rows)

    def metric_frame(self, probe_id: str = "group_metrics", attribute: str | None = None) -> pd.DataFrame:
        """Return groups x metrics, as fairlearn's ``MetricFrame.by_group`` lays them out.

        Args:
            probe_id: the probe whose group measurements to lay out.
            attribute: keep only slices by this attribute (several joined by ``&`` for an intersection).

        Returns:
            A frame indexed by (attribute, group), one column per metric (``recall[happy]`` for a label's metric).

        Raises:
            ResultsError: when the probe has no measurement by group.
        """
        import pandas as pd

        cells: dict[tuple[str, str], dict[str, float | None]] = {}
        probe = self.probe(probe_id)
        for item in probe.measurements if probe else []:
            groups = {name: value for name, value in item.slice.items() if name in self.data.attributes}
            if not groups or item.condition:
                continue
            rest = [value for name, value in item.slice.items() if name not in groups]
            column = f"{item.metric}[{','.join(rest)}]" if rest else item.metric
            row = ("&".join(sorted(groups)), " & ".join(groups[name] for name in sorted(groups)))
            if attribute is None or row[0] == "&".join(sorted(attribute.split("&"))):
                cells.setdefault(row, {})[column] = item.estimate.value
        if not cells:
            raise ResultsError(
                f"probe {probe_id!r} has no measurement by group" + (f" of {attribute!r}" if attribute else "")
            )
        frame = pd.DataFrame.from_dict(cells, orient="index")
        frame.index = pd.MultiIndex.from_tuples(cells, names=["attribute", "group"])
        return frame

    def to_json(self) -> str:
        """Return the text of ``results.json``: stable order, two-space indent, no NaN."""
        return json.dumps(self.model_dump(mode="json"), indent=1, ensure_ascii=False, allow_nan=False) + "\n"

    def _repr_html_(self) -> str:
        """Render a short table of the findings and of the measurements without slice, for notebooks."""
        cell = html.escape
        whole = [item for item in self.measurements() if not item.slice]
        rows = "".join(f"<tr><td>{cell(item.key)}</td><td>{cell(str(item.estimate))}</td></tr>" for item in whole)
        claims = "".join(f"<li><b>{cell(found.severity)}</b>: {cell(found.claim)}</li>" for found in self.findings())
        gates = "".join(f"<li><b>{cell(gate.verdict)}</b>: {cell(gate.why)}</li>" for gate in self.gates)
        return (
            f"<h3>{cell(self.name)}</h3><p>{self.data.faces:,} faces, target {cell(self.target.name)}</p>"
            f"<ul>{gates}</ul><ul>{claims}</ul><table><tr><th>measurement</th><th>estimate</th></tr>{rows}</table>"
        )
