"""The plan of an audit: one YAML file, the records it parses into, and its JSON Schema.

Reading and checking a plan file is :mod:`countenance.core.plan_file`'s question; this module says what a plan is.
"""

from __future__ import annotations

import json
import re
from datetime import date
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PositiveInt,
    WithJsonSchema,
    field_validator,
    model_validator,
)

from .attribute_spec import AssignedBy as AssignedBy
from .attribute_spec import AttributeSpec as AttributeSpec
from .attribute_spec import Spec as Spec
from .errors import nearest
from .keys import PROBE_ID
from .numbers import Number

Task = Literal["expression", "action_units", "valence_arousal", "forgery", "verification"]
OutputKind = Literal["logits", "probabilities", "values", "embedding"]

GENUINE, FORGED = "genuine", "forged"
VALENCE_AROUSAL = ("valence", "arousal")
OUTPUTS: dict[str, tuple[OutputKind, ...]] = {
    "expression": ("logits", "probabilities"),
    "forgery": ("logits", "probabilities"),
    "action_units": ("logits", "probabilities"),
    "valence_arousal": ("values",),
    "verification": ("embedding",),
}
FIXED_COLUMNS = ("face_id", "path", "label", "subject", "split", "may_publish", "condition")


DEVICES = ("auto", "cpu", "mps", "cuda")
_DEVICE = re.compile(r"auto|cpu|mps|cuda(:\d+)?")


def _number_as_text(value: Any) -> Any:
    """Write a number that YAML read from ``{age: 30}`` as the text that groups are called by."""
    return str(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else value


Text = Annotated[str, BeforeValidator(_number_as_text), WithJsonSchema({"type": ["string", "number"]})]


class InputSpec(Spec):
    """What the net expects: the size of the crop in pixels, its channels, and ``(pixels - mean) / std``.

    Pixels are 0 to 1 before normalisation; ``mean`` and ``std`` hold one number, or one per channel.
    """

    size: PositiveInt | tuple[PositiveInt, PositiveInt] = Field(description="side in pixels, or [height, width]")
    channels: Literal["rgb", "bgr", "grey"] = "rgb"
    mean: list[Number] = Field(default=[0.0])
    std: list[Number] = Field(default=[1.0])

    @property
    def height_width(self) -> tuple[int, int]:
        """Height and width of the crop in pixels."""
        return (self.size, self.size) if isinstance(self.size, int) else self.size

    @property
    def channel_count(self) -> int:
        """How many channels the net is given."""
        return 1 if self.channels == "grey" else 3

    @model_validator(mode="after")
    def _check(self) -> InputSpec:
        for name in ("mean", "std"):
            numbers = getattr(self, name)
            if len(numbers) not in {1, self.channel_count}:
                raise ValueError(f"{name} holds {len(numbers)} numbers, expected 1 or {self.channel_count}")
        if any(number <= 0 for number in self.std):
            raise ValueError("std must be above zero")
        if min(self.height_width) < 8:
            raise ValueError(f"size is {self.size}, expected at least 8 pixels")
        return self


class TargetSpec(Spec):
    """The model under audit: a checkpoint, or a table of predictions made elsewhere."""

    name: str | None = Field(default=None, description="how the report calls it; the file's name unless given")
    checkpoint: str | None = Field(default=None, description=".safetensors, .pt, .pt2 or .onnx")
    predictions: str | None = Field(default=None, description="Parquet or CSV, for a predictions-only target")
    factory: str | None = Field(default=None, description="FILE.py:NAME or PACKAGE.MODULE:NAME, for a state dict")
    arguments: dict[str, Any] = Field(default_factory=dict, description="keyword arguments of the factory")
    task: Task
    classes: list[str] = Field(default_factory=list, description="in the order of the model's outputs")
    input: InputSpec | None = None
    output: OutputKind | None = None
    positive: str | None = Field(
        default=None, description="which class a single output speaks for (forgery: genuine or forged)"
    )

    @field_validator("classes")
    @classmethod
    def _classes_differ(cls, classes: list[str]) -> list[str]:
        twice = sorted({name for name in classes if classes.count(name) > 1})
        if twice:
            raise ValueError(f"classes name {', '.join(map(repr, twice))} more than once")
        return classes

    @field_validator("arguments")
    @classmethod
    def _arguments_are_plain(cls, arguments: dict[str, Any]) -> dict[str, Any]:
        try:
            json.dumps(arguments, allow_nan=False)
        except (TypeError, ValueError) as error:
            raise ValueError(f"arguments hold what a results file cannot: {error}") from error
        return arguments

    @model_validator(mode="after")
    def _check(self) -> TargetSpec:
        if (self.checkpoint is None) == (self.predictions is None):
            raise ValueError("expected either checkpoint or predictions, one of the two")
        if self.checkpoint is not None:
            missing = [name for name in ("input", "output") if getattr(self, name) is None]
            if missing:
                raise ValueError(f"a checkpoint needs {' and '.join(missing)} too")
        if self.task == "expression" and len(self.classes) < 2:
            raise ValueError("an expression target needs at least two classes, in the order of the outputs")
        if self.task == "action_units" and not self.classes:
            raise ValueError("an action-unit target needs classes: its units, e.g. [AU1, AU12]")
        if self.task == "forgery" and self.classes and set(self.classes) != {GENUINE, FORGED}:
            raise ValueError("the classes of a forgery target are genuine and forged, in the order of the outputs")
        if self.positive is not None and self.positive not in {GENUINE, FORGED}:
            raise ValueError(f"positive is {self.positive!r}, expected genuine or forged")
        if self.positive is not None and self.task != "forgery":
            raise ValueError(f"positive belongs to the task forgery, and this one is {self.task}")
        if self.output is not None and self.output not in OUTPUTS[self.task]:
            raise ValueError(f"output is {self.output}, expected {' or '.join(OUTPUTS[self.task])} for {self.task}")
        return self

    @property
    def class_names(self) -> tuple[str, ...]:
        """The classes in the order of predictions: as written, or what the task implies."""
        implied = {"forgery": (GENUINE, FORGED), "valence_arousal": VALENCE_AROUSAL}
        return tuple(self.classes) or implied.get(self.task, ())


class LandmarkColumns(Spec):
    """Landmarks in the manifest: column name patterns with ``{}`` for the point's number."""

    x: str = Field(description="e.g. x_{}")
    y: str = Field(description="e.g. y_{}")
    points: Literal[5, 68, 478]
    first: int = Field(default=0, description="number of the first point")

    @field_validator("x", "y")
    @classmethod
    def _has_place(cls, pattern: str) -> str:
        before, place, after = pattern.partition("{}")
        if not place or set(before + after) & set("{}"):
            raise ValueError(f"expected a pattern with one {{}} for the point's number, but got {pattern!r}")
        return pattern


class ForgeryColumns(Spec):
    """Columns of the manifest that tell how a picture was forged; each may be empty for a genuine one."""

    method: str | None = Field(default=None, description="how the face was forged, e.g. faceswap")
    mask: str | None = Field(
        default=None, description="picture of what was changed, white where it was, relative to the manifest"
    )
    video: str | None = Field(default=None, description="the video that the picture is a frame of")
    frame: str | None = Field(default=None, description="which frame of the video; several faces may share one")
    donor: str | None = Field(default=None, description="the person whose face was put in")

    @property
    def columns(self) -> dict[str, str]:
        """The named columns, by what they say."""
        return {use: column for use, column in self.model_dump().items() if column is not None}


class DataSpec(Spec):
    """The labelled faces."""

    manifest: str | None = Field(default=None, description="CSV or Parquet, one row per face")
    name: str | None = Field(
        default=None, description="how the report calls the data; the manifest's folder unless given"
    )
    id: str | None = Field(default=None, description="column of the face's id; the path unless given")
    path: str = Field(default="path", description="column of the image's path, relative to the manifest")
    label: str | None = Field(default="label", description="column of the label; null where there is none")
    rename_labels: dict[str, str] = Field(default_factory=dict, description="manifest's label: class of the target")
    subject: str | None = Field(default=None, description="column of the person; leave out where every face is another")
    split: str | None = None
    may_publish: str | None = Field(default=None, description="column that says whether a face may be shown")
    box: tuple[str, str, str, str] | None = Field(
        default=None, description="columns x0, y0, x1, y1 in pixels of the image after EXIF rotation"
    )
    landmarks: str | LandmarkColumns | None = Field(
        default=None,
        description="an .npz keyed by the image path without suffix, column patterns, or 'aligned'",
    )
    pairs: str | None = Field(
        default=None,
        description="verification checkpoint: CSV or Parquet of the pairs to compare (face_a, face_b, same); made by "
        "subject unless given",
    )
    forgeries: ForgeryColumns = Field(
        default_factory=ForgeryColumns, description="columns that tell how faces were forged: method, mask and so on"
    )
    attributes: dict[str, AttributeSpec] = Field(default_factory=dict)
    intersections: list[Annotated[list[str], Field(min_length=2)]] = Field(default_factory=list)
    min_subjects: PositiveInt = 10

    @model_validator(mode="after")
    def _check(self) -> DataSpec:
        for name in self.attributes:
            if name in FIXED_COLUMNS:
                raise ValueError(f"the attribute name {name!r} is taken: give it another name and `column: {name}`")
            if name in self.forgeries.columns:
                raise ValueError(
                    f"the attribute name {name!r} is taken by forgeries.{name}: give it another name and "
                    f"`column: {name}`"
                )
        for combined in self.intersections:
            if len(set(combined)) < len(combined):
                raise ValueError(f"intersection {combined} names an attribute twice")
            unknown = [name for name in combined if name not in self.attributes]
            if unknown:
                raise ValueError(f"intersection {combined} names {unknown}, which attributes does not list")
            controls = [name for name in combined if self.attributes[name].role == "control"]
            if controls:
                raise ValueError(
                    f"intersection {combined} names {controls}, whose role is control: groups are compared within its "
                    "levels anyway; give it the role group to slice by it"
                )
        return self


class RunSpec(Spec):
    """How to compute: device, batch size, decoding threads, cache of predictions."""

    device: str = Field(default="auto", description="auto, cpu, cuda, cuda:0, mps")
    batch_size: PositiveInt | Literal["auto"] = "auto"
    workers: PositiveInt | Literal["auto"] = "auto"
    cache: bool | str = Field(default=True, description="true: beside the run folder; false: none; or a folder")

    @field_validator("device")
    @classmethod
    def _is_a_device(cls, device: str) -> str:
        if not _DEVICE.fullmatch(device):
            hint = "; did you mean 'cuda'?" if device.lower() == "gpu" else nearest(device.lower(), DEVICES)
            raise ValueError(f"expected auto, cpu, mps, cuda or cuda:1 and so on, but got {device[:40]!r}{hint}")
        return device


class ProbeEntry(Spec):
    """One use of a probe: its name, an id that lets it appear twice, and its parameters."""

    model_config = ConfigDict(frozen=True, extra="allow", allow_inf_nan=False)

    probe: str
    id: str = ""

    @model_validator(mode="before")
    @classmethod
    def _from_name(cls, value: Any) -> Any:
        return {"probe": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _check(self) -> ProbeEntry:
        if self.id and not PROBE_ID.fullmatch(self.id):
            raise ValueError(f"id is {self.id!r}, expected lower-case letters, digits, _ and -, a letter first")
        return self

    @property
    def key(self) -> str:
        """The id its measurements carry."""
        return self.id or self.probe

    @property
    def params(self) -> dict[str, Any]:
        """The parameters as written."""
        return dict(self.model_extra or {})


class GateSpec(Spec):
    """A limit on measurements. ``where`` narrows the slice; ``"*"`` stands for every value."""

    id: str | None = Field(
        default=None, description="a stable name, for waivers and CI; made from the measure if absent"
    )
    measure: str = Field(description="PROBE_ID/METRIC, with or without [slice] and @condition")
    where: dict[str, Text] = Field(default_factory=dict, description="slice and condition that must hold")
    at_least: Number | None = None
    at_most: Number | None = None
    change: Literal["absolute", "relative"] | None = Field(
        default=None, description="the limit is on the change against the baseline: new - old, or new / old - 1"
    )
    improve: bool = Field(default=False, description="say so where a change must be an improvement")
    across: Literal["difference", "ratio"] | None = Field(
        default=None,
        description="the limit is on the largest minus the smallest slice, or the smallest over the largest",
    )
    min_n: int | None = Field(default=None, ge=1, description="a slice with fewer rows counts as not measured")
    confidence: float | None = Field(
        default=None, gt=0.5, lt=1, description="level of the bound; the audit's unless given"
    )
    correction: Literal["bonferroni", "none"] = Field(
        default="bonferroni", description="of the bound that fails a gate over several slices"
    )
    require: Literal["measured", "all"] = Field(
        default="measured", description="all: a slice that was not measured makes the gate inconclusive"
    )
    group: str | None = Field(default=None, description="whom the hazard would reach")
    hazard: str | None = Field(default=None, description="the harm the gate guards against")
    mitigation: str | None = None
    review_by: date | None = None
    acknowledge: Literal["contested account"] | None = Field(
        default=None, description="must stand at a gate on agreement with a contested account, such as the Ekman masks"
    )

    @model_validator(mode="after")
    def _check(self) -> GateSpec:
        if (self.at_least is None) == (self.at_most is None):
            raise ValueError("expected either at_least or at_most, one of the two")
        return self


class WaiverSpec(Spec):
    """A failed gate that somebody answers for until a date; after it the gate fails again."""

    gate: str = Field(description="the id of the gate, or its measure as written")
    owner: str = Field(min_length=1, description="who answers for it")
    reason: str = Field(min_length=1)
    expires: date


Deployment = Literal[
    "research", "medical", "safety", "workplace", "education", "consumer", "public_sector", "law_enforcement",
    "migration", "other",
]  # fmt: skip


class DeploymentSpec(Spec):
    """Where the model is to run; some uses are prohibited whatever the audit measures."""

    context: list[Deployment] = Field(min_length=1)
    ground: Literal["medical", "safety"] | None = Field(
        default=None, description="the ground on which emotions may be inferred at work or in education"
    )
    regions: list[str] = Field(default_factory=list, description="where it is placed on the market or used, such as EU")


class ReportSpec(Spec):
    """What the report may show."""

    faces: Literal["none", "permitted"] = Field(
        default="none", description="permitted: faces whose may_publish is true may be shown"
    )
    min_published: int = Field(
        default=5,
        ge=1,
        description="people a group needs for its numbers to stand in card, report and comparison",
    )


class Plan(Spec):
    """An audit, described whole."""

    version: Literal[1] = 1
    name: str
    seed: int = Field(default=0, ge=0)
    target: TargetSpec
    data: DataSpec
    run: RunSpec = Field(default_factory=RunSpec)
    probes: list[ProbeEntry] = Field(min_length=1)
    gates: list[GateSpec] = Field(default_factory=list)
    waivers: list[WaiverSpec] = Field(default_factory=list)
    baseline: str | None = Field(default=None, description="the run folder that gates on a change compare with")
    deployment: DeploymentSpec | None = None
    card: str | None = Field(default=None, description="the author's statements, a YAML file")
    report: ReportSpec = Field(default_factory=ReportSpec)

    @model_validator(mode="after")
    def _check(self) -> Plan:
        keys = [entry.key for entry in self.probes]
        twice = sorted({key for key in keys if keys.count(key) > 1})
        if twice:
            raise ValueError(f"the probe {', '.join(map(repr, twice))} stands twice: give each its own id")
        if self.target.checkpoint is not None and self.data.manifest is None:
            raise ValueError("a checkpoint is audited on faces: data needs a manifest")
        if self.data.pairs is not None and self.target.task != "verification":
            raise ValueError(f"data.pairs belongs to the task verification, and this one is {self.target.task}")
        if self.target.predictions is not None and self.data.pairs is not None:
            raise ValueError("a table of predictions holds the pairs itself: leave out data.pairs")
        if self.target.predictions is not None and self.data.manifest is not None:
            raise ValueError(
                "a table of predictions is audited by its own columns: leave out data.manifest, and put the columns of "
                "label, subject and attributes into the table of predictions"
            )
        return self


def plan_schema() -> dict[str, Any]:
    """Return the JSON Schema of a plan, for editors, with the parameters of every probe that can be imported."""
    schema = Plan.model_json_schema()
    try:
        from .probes import registered_probes  # the probes import torch, and a plan can be written without it

        known = registered_probes()
    except ImportError as error:
        entry = schema["$defs"]["ProbeEntry"]
        entry["description"] += f" The parameters are not listed, because the probes cannot be imported: {error}."
        schema["$defs"]["ProbeEntry"] = {"anyOf": [{"type": "string"}, entry]}
    else:
        entries = [_entry_schema(name, probe.title, probe.params, schema["$defs"]) for name, probe in known.items()]
        schema["$defs"]["ProbeEntry"] = {"anyOf": [{"enum": list(known)}, *entries]}
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "countenance plan", **schema}


def _entry_schema(name: str, title: str, params: type[BaseModel], definitions: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of one probe's entry; records inside its parameters join ``definitions`` under its name."""
    schema = params.model_json_schema(ref_template=f"#/$defs/{name}.{{model}}")
    for model, definition in schema.pop("$defs", {}).items():
        definitions[f"{name}.{model}"] = definition
    return {
        "type": "object",
        "title": title,
        "properties": {
            "probe": {"const": name},
            "id": {"type": "string", "pattern": f"^{PROBE_ID.pattern}$"},
            **schema.get("properties", {}),
        },
        "required": ["probe", *schema.get("required", [])],
        "additionalProperties": False,
    }
