"""A commented starting plan, guessed from a checkpoint and a manifest; every guess is marked to be checked."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
import yaml

from .errors import UsageError
from .manifest import MOST_GROUPS, read_table

if TYPE_CHECKING:
    from torch import nn

CHECK = "# <- check"
FILL_IN = "# <- fill in"
PREDICTION_TABLES = (".csv", ".parquet")
LANDMARK_FILES = ("landmarks.npz", "landmarks_dlib68.npz", "landmarks_mediapipe478.npz")

_PATHS = ("path", "image_path", "image", "img", "file", "filename")
_LABELS = ("label", "expression", "emotion", "class", "target")
_SUBJECTS = ("subject", "subject_id", "person", "person_id", "identity", "participant", "participant_id")
_BOXES = (
    ("face_x0", "face_y0", "face_x1", "face_y1"),
    ("x0", "y0", "x1", "y1"),
    ("xmin", "ymin", "xmax", "ymax"),
    ("left", "top", "right", "bottom"),
    ("x1", "y1", "x2", "y2"),
)
_ATTRIBUTES = (
    "gender", "sex", "gender_presentation", "ethnicity", "race", "age", "age_group", "age_band", "skin_tone",
    "monk_tone", "fitzpatrick", "ita_group", "nationality", "culture", "glasses", "beard",
)  # fmt: skip
_GENUINE_OR_FORGED = {"genuine", "forged"}


@dataclass(frozen=True)
class CheckpointFacts:
    """What a checkpoint tells of itself; ``None`` where it does not."""

    size: tuple[int, int] | None = None
    channels: int | None = None
    outputs: int | None = None


def starting_plan(checkpoint: Path, manifest: Path, plan: Path) -> str:
    """Return the text of a starting plan that would stand at ``plan``.

    Args:
        checkpoint: a checkpoint, or a table of predictions (``.csv``, ``.parquet``).
        manifest: the table of faces.
        plan: where the plan will stand; its paths are written relative to it.

    Raises:
        CountenanceError: when the manifest or the checkpoint cannot be read.
    """
    if not checkpoint.is_file():
        raise UsageError(f"expected a checkpoint at {checkpoint}, but there is no such file")
    table = read_table(manifest)
    is_table = checkpoint.suffix.lower() in PREDICTION_TABLES
    facts = CheckpointFacts() if is_table else read_facts(checkpoint)
    label = _first(_LABELS, table.columns)
    labels = sorted({str(value) for value in table[label]} - {""}) if label else []
    task = "forgery" if labels and set(labels) <= _GENUINE_OR_FORGED else "expression"
    lines = [
        "# A starting plan. Lines marked '<- check' were guessed, lines marked '<- fill in' could not be.",
        "# countenance schema > plan.schema.json gives your editor the whole format.",
        "version: 1",
        f"name: {_text(f'{checkpoint.stem} on {manifest.resolve().parent.name}')}",
        "seed: 7",
        *_target_lines(checkpoint, plan, task, labels, facts, is_table),
        *_data_lines(table, manifest, plan, label),
        *_rest_lines(labels, is_table),
    ]
    return "\n".join(lines) + "\n"


def _target_lines(
    checkpoint: Path, plan: Path, task: str, labels: Sequence[str], facts: CheckpointFacts, is_table: bool
) -> list[str]:
    path = _text(_relative(checkpoint, plan))
    lines = ["target:", f"  {'predictions' if is_table else 'checkpoint'}: {path}"]
    if checkpoint.suffix.lower() in {".safetensors", ".pt", ".pth"}:
        lines.append(f"  factory: FILE.py:NAME   {FILL_IN}: the class or function that makes the net")
    lines.append(f"  task: {task}   {CHECK}: expression, action_units, valence_arousal, forgery or verification")
    classes = ", ".join(map(_text, labels)) or "FIRST, SECOND"
    order = "in the order of the model's outputs; a wrong order makes every number wrong"
    if facts.outputs is not None and labels and facts.outputs != len(labels):
        order += f" (the model seems to have {facts.outputs} outputs, the manifest {len(labels)} labels)"
    if task == "forgery" and facts.outputs == 1:
        lines.append(f"  positive: forged   {CHECK}: which side a high output means, genuine or forged")
    else:
        lines.append(f"  classes: [{classes}]   {CHECK}: {order}")
    if not is_table:
        size = f"[{facts.size[0]}, {facts.size[1]}]" if facts.size and facts.size[0] != facts.size[1] else None
        written = size or (str(facts.size[0]) if facts.size else "224")
        channels = "grey" if facts.channels == 1 else "rgb"
        mean, std = ("[0.5]", "[0.5]") if channels == "grey" else ("[0.485, 0.456, 0.406]", "[0.229, 0.224, 0.225]")
        mark = f"{CHECK}: pixels are 0 to 1, then (pixels - mean) / std"
        lines.append(f"  input: {{size: {written}, channels: {channels}, mean: {mean}, std: {std}}}   {mark}")
        lines.append(f"  output: logits   {CHECK}: logits or probabilities")
    return lines


def _data_lines(table: pd.DataFrame, manifest: Path, plan: Path, label: str | None) -> list[str]:
    columns = list(table.columns)
    path = _first(_PATHS, columns)
    subject = _first(_SUBJECTS, columns)
    lines = ["data:", f"  manifest: {_text(_relative(manifest, plan))}"]
    lines.append(f"  path: {_text(path)}" if path else f"  path: COLUMN   {FILL_IN}: the images' paths")
    lines.append(
        f"  label: {_text(label)}" if label else f"  label: null   {FILL_IN}: without labels no error is measured"
    )
    if subject:
        lines.append(f"  subject: {_text(subject)}")
    else:
        lines.append(f"  # subject: COLUMN   {FILL_IN}: who the person is; without it intervals may be too narrow")
    box = next((names for names in _BOXES if set(names) <= set(columns)), None)
    if box:
        lines.append(f"  box: [{', '.join(map(_text, box))}]   {CHECK}: pixels of the image after EXIF rotation")
    else:
        lines.append("  # box: [x0, y0, x1, y1]   # columns of the face box; without it the whole image is the face")
    landmarks = next((file for name in LANDMARK_FILES if (file := manifest.parent / name).is_file()), None)
    if landmarks:
        lines.append(f"  landmarks: {_text(_relative(landmarks, plan))}")
    else:
        lines.append(
            "  # landmarks: FILE.npz   # keyed by image path without suffix; 5, 68 or 478 points; for heatmaps"
        )
    attributes = [name for name in _ATTRIBUTES if name in columns]
    if not attributes:
        return [
            *lines,
            "  # attributes:",
            "  #   gender: {assigned_by: self-reported}   # self-reported, annotator, derived, model",
        ]
    lines.append(f"  attributes:   {CHECK}: who assigned each: self-reported, annotator, derived or model")
    for name in attributes:
        lines.append(f"    {_text(name)}: {{assigned_by: annotator{_bins(table[name])}}}")
    if len(attributes) > 1:
        lines.append(f"  intersections: [[{_text(attributes[0])}, {_text(attributes[1])}]]")
    return lines


def _rest_lines(labels: Sequence[str], is_table: bool) -> list[str]:
    probes = ["performance", "group_metrics"]
    lines = ["probes:", *(f"  - {name}" for name in probes)]
    if not is_table:
        lines.append("  - {probe: global_heatmaps, method: gradcam, per_class: 100}")
        lines.append("  - {probe: adversarial, id: pgd, attack: pgd, eps: [1/255, 2/255, 8/255]}")
    return [
        *lines,
        "gates:   # a gate tests a bound of the interval, not the point; set the limits your use needs",
        "  - {measure: performance/accuracy, at_least: 0.80}",
        "card: card.yaml",
        "report: {faces: none}",
    ]


def _bins(column: pd.Series) -> str:
    """Return rising edges for a numeric column with many values, or an empty text."""
    numbers = pd.to_numeric(column, errors="coerce").dropna()
    if numbers.empty or numbers.nunique() <= min(12, MOST_GROUPS):
        return ""
    edges = sorted({round(float(edge)) for edge in numbers.quantile([0, 0.25, 0.5, 0.75, 1.0])})
    edges[-1] += 1
    return f", bins: {edges}"


def _first(wanted: Iterable[str], columns: Iterable[str]) -> str | None:
    known = {str(name).lower(): str(name) for name in columns}
    return next((known[name] for name in wanted if name in known), None)


def _relative(path: Path, plan: Path) -> str:
    try:
        return Path(os.path.relpath(path.resolve(), plan.resolve().parent)).as_posix()
    except ValueError:  # another drive on Windows
        return path.resolve().as_posix()


def _text(value: str) -> str:
    """Write a text as YAML, quoted where it must be."""
    return yaml.safe_dump(value, allow_unicode=True, default_flow_style=True, width=10_000).split("\n")[0]


def read_facts(checkpoint: Path) -> CheckpointFacts:
    """Return what a checkpoint tells of its input and output; a state dict without its factory tells little.

    Raises:
        CheckpointError: when the file is damaged or could run code.
    """
    if checkpoint.suffix.lower() not in {".onnx", ".pt2"}:
        return CheckpointFacts()
    from .checkpoints import load_checkpoint

    loaded = load_checkpoint(checkpoint, None, folder=checkpoint.parent)
    shape = getattr(loaded.net, "input_shape", None) or _shape_of_program(loaded.net)  # type: ignore[arg-type]
    if shape is None or len(shape) != 4:
        return CheckpointFacts()
    size = (shape[2], shape[3]) if isinstance(shape[2], int) and isinstance(shape[3], int) else None
    return CheckpointFacts(size=size, channels=shape[1] if isinstance(shape[1], int) else None)


def _shape_of_program(net: nn.Module) -> tuple[object, ...] | None:
    graph = getattr(net, "graph", None)
    for node in graph.nodes if graph is not None else ():
        value = node.meta.get("val")
        if node.op == "placeholder" and value is not None and getattr(value, "ndim", 0) == 4:
            return tuple(int(side) if isinstance(side, int) else None for side in value.shape)
    return None
