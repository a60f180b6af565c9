"""A commented starting plan, guessed from a checkpoint and a manifest; every guess is marked to be checked."""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import numpy as np
import pandas as pd
import yaml
from numpy.typing import NDArray

from .errors import CountenanceError, UsageError
from .manifest import MOST_GROUPS, read_table
from .plan import Deployment, ForgeryColumns
from .probes import CLASSIFICATION

if TYPE_CHECKING:
    from torch import Tensor, nn

LOG = logging.getLogger("countenance")
CHECK = "# <- check"
FILL_IN = "# <- fill in"
PREDICTION_TABLES = (".csv", ".parquet")
MOST_UNCUT = 12  # different numbers that are taken for groups, e.g. a skin-tone scale
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
_GATES = {
    "valence_arousal": "{measure: 'performance/ccc[dimension=valence]', at_least: 0.50}",
    "verification": "{measure: performance/fnmr, at_most: 0.10}",
}


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
        manifest: the table of faces; a table of predictions is audited from its own columns, and the manifest then
            only tells which columns to add.
        plan: where the plan will stand; its paths are written relative to it.

    Raises:
        CountenanceError: when the manifest or the checkpoint cannot be read.
    """
    if not checkpoint.is_file():
        raise UsageError(f"expected a checkpoint at {checkpoint}, but there is no such file")
    faces = read_table(manifest)
    is_table = checkpoint.suffix.lower() in PREDICTION_TABLES
    table = read_table(checkpoint) if is_table else faces
    label = _first(_LABELS, table.columns)
    labels = sorted(set(_texts(table[label])) - {""}) if label else []
    forgery = bool(labels) and set(labels) <= _GENUINE_OR_FORGED
    if is_table:
        task, classes = _task_of_table(table)
        target = _table_lines(checkpoint, plan, task, classes)
        table = _of_one_side(table) if task == "verification" else table
        data = [*_columns_of_faces(table, label, task), *_attribute_lines(table, faces, manifest)]
    else:
        task = "forgery" if forgery else "expression"
        facts = read_facts(checkpoint)
        target = _target_lines(checkpoint, plan, task, ["genuine", "forged"] if forgery else labels, facts)
        data = [*_data_lines(table, manifest, plan, label, forgery=forgery), *_attribute_lines(table)]
    lines = [
        "# A starting plan. Lines marked '<- check' were guessed, lines marked '<- fill in' could not be.",
        "# countenance schema > plan.schema.json gives your editor the whole format.",
        "version: 1",
        f"name: {_text(f'{checkpoint.stem} on {manifest.resolve().parent.name}')}",
        "seed: 7",
        *target,
        "data:",
        *data,
        *_rest_lines(
            is_table,
            task,
            black_box=checkpoint.suffix.lower() == ".onnx",
            masks=not is_table and "mask" in _forgery_columns(table),
        ),
    ]
    return "\n".join(lines) + "\n"


def _task_of_table(table: pd.DataFrame) -> tuple[str, list[str]]:
    """Return the task that the columns of a table of predictions tell of, and its classes."""
    columns = list(table.columns)
    if "similarity" in columns:
        return "verification", []
    if {"v_valence", "v_arousal"} <= set(columns):
        return "valence_arousal", []
    if "p_forged" in columns:
        return "forgery", ["genuine", "forged"]
    classes = [name.removeprefix("p_") for name in columns if name.startswith("p_")]
    units = [name for name in classes if f"y_{name}" in columns]
    return ("action_units", units) if units else ("expression", classes)


def _table_lines(table: Path, plan: Path, task: str, classes: Sequence[str]) -> list[str]:
    lines = ["target:", f"  predictions: {_text(_relative(table, plan))}", f"  task: {task}   {CHECK}"]
    if classes or task == "expression":
        written = ", ".join(map(_text, classes)) or "FIRST, SECOND"
        mark = CHECK if classes else f"{FILL_IN}: the table needs a column p_CLASS for each class"
        lines.append(f"  classes: [{written}]   {mark}")
    return lines


def _target_lines(checkpoint: Path, plan: Path, task: str, labels: Sequence[str], facts: CheckpointFacts) -> list[str]:
    lines = ["target:", f"  checkpoint: {_text(_relative(checkpoint, plan))}"]
    if checkpoint.suffix.lower() in {".safetensors", ".pt", ".pth"}:
        lines.append(f"  factory: FILE.py:NAME   {FILL_IN}: the class or function that makes the net")
    lines.append(f"  task: {task}   {CHECK}: expression, action_units, valence_arousal, forgery or verification")
    order = "in the order of the model's outputs; a wrong order makes every number wrong"
    if facts.outputs is not None and labels and facts.outputs != len(labels):
        order += f" (the model has {facts.outputs} outputs, the manifest {len(labels)} labels)"
    if task == "forgery" and facts.outputs == 1:
        lines.append(f"  positive: forged   {CHECK}: which side a high output means, genuine or forged")
    else:
        if task == "forgery" and facts.outputs is None:
            order += "; a model of one output takes `positive: forged` (or genuine) in place of this line"
        some = list(labels) if len(labels) > 1 else [*labels, *("FIRST", "SECOND")[len(labels) :]]
        lines.append(f"  classes: [{', '.join(map(_text, some))}]   {CHECK}: {order}")
    size = f"[{facts.size[0]}, {facts.size[1]}]" if facts.size and facts.size[0] != facts.size[1] else None
    written = size or (str(facts.size[0]) if facts.size else "224")
    channels = "grey" if facts.channels == 1 else "rgb"
    mean, std = ("[0.5]", "[0.5]") if channels == "grey" else ("[0.485, 0.456, 0.406]", "[0.229, 0.224, 0.225]")
    mark = f"{CHECK}: pixels are 0 to 1, then (pixels - mean) / std"
    lines.append(f"  input: {{size: {written}, channels: {channels}, mean: {mean}, std: {std}}}   {mark}")
    lines.append(f"  output: logits   {CHECK}: logits or probabilities")
    return lines


def _data_lines(table: pd.DataFrame, manifest: Path, plan: Path, label: str | None, *, forgery: bool) -> list[str]:
    path = _first(_PATHS, table.columns)
    lines = [f"  manifest: {_text(_relative(manifest, plan))}"]
    lines.append(f"  path: {_text(path)}" if path else f"  path: COLUMN   {FILL_IN}: the images' paths")
    lines += _columns_of_faces(table, label)
    known = {str(name).lower(): str(name) for name in table.columns}
    box = next(([known[name] for name in names] for names in _BOXES if set(names) <= set(known)), None)
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
    if (found := _forgery_columns(table)) and forgery:
        lines.append(
            f"  forgeries: {{{', '.join(f'{use}: {_text(column)}' for use, column in found.items())}}}   {CHECK}"
        )
    return lines


def _forgery_columns(table: pd.DataFrame) -> dict[str, str]:
    """Return the columns that tell how faces were forged, by what they say."""
    known = {str(name).lower(): str(name) for name in table.columns}
    return {use: known[use] for use in ForgeryColumns.model_fields if use in known}


def _of_one_side(table: pd.DataFrame) -> pd.DataFrame:
    """Return what a table of pairs says of the first face of each, by the names that a plan calls it: ``gender_a``."""
    sides = [name.removesuffix("_a") for name in map(str, table.columns) if name.endswith("_a")]
    both = [name for name in sides if f"{name}_b" in table.columns]
    return table[[f"{name}_a" for name in both]].rename(columns={f"{name}_a": name for name in both})


def _columns_of_faces(table: pd.DataFrame, label: str | None, task: str = "expression") -> list[str]:
    """Return the lines that name the columns of the label, where the task has one, and of the person."""
    subject = _first(_SUBJECTS, table.columns)
    of_label = (
        f"  label: {_text(label)}" if label else f"  label: null   {FILL_IN}: without labels no error is measured"
    )
    return [
        *([of_label] if task in {"expression", "forgery"} else []),
        f"  subject: {_text(subject)}"
        if subject
        else f"  # subject: COLUMN   {FILL_IN}: who the person is; without it intervals may be too narrow",
    ]


def _attribute_lines(table: pd.DataFrame, faces: pd.DataFrame | None = None, manifest: Path | None = None) -> list[str]:
    """Return the lines of the attributes; of a table of predictions also which ones it could take from the manifest."""
    known = {str(name).lower(): str(name) for name in table.columns}
    found = {name: _group_line(table[known[name]]) for name in _ATTRIBUTES if name in known}
    lines = []
    if faces is not None and manifest is not None:
        more = [name for name in map(str, faces.columns) if name.lower() in _ATTRIBUTES and name.lower() not in known]
        if more:
            lines.append(
                f"  # {_one_line(manifest.name)} has {_one_line(', '.join(more))} too: predictions are audited by the "
                "columns of their own table, so add them there"
            )
    usable = [known[name] for name, line in found.items() if line is not None]
    if not usable:
        lines += [
            "  # attributes:",
            "  #   gender: {assigned_by: self-reported}   # self-reported, annotator, derived, model",
        ]
    else:
        lines.append(f"  attributes:   {CHECK}: who assigned each: self-reported, annotator, derived or model")
    for name, line in found.items():
        if line is None:
            lines.append(f"  # {_one_line(known[name])} has too many different values to be groups")
        else:
            lines.append(f"    {_text(known[name])}: {{assigned_by: annotator{line}}}")
    if len(usable) > 1:
        lines.append(f"  intersections: [[{_text(usable[0])}, {_text(usable[1])}]]")
    return lines


def _rest_lines(is_table: bool, task: str, *, black_box: bool = False, masks: bool = False) -> list[str]:
    classes = task in CLASSIFICATION
    probes = ["performance", "group_metrics"]
    probes += ["group_indices", "representation", "reweighted_gaps", "hidden_slices"] if classes else []
    if task == "forgery":
        probes.insert(0, "forgery_detection")
    lines = ["probes:", *(f"  - {name}" for name in probes)]
    if task == "verification":
        lines[-1] = "  - {probe: group_metrics, gaps: [fnmr]}"
        lines.append("  # of matches of two people, one in a thousand, a tolerance of 0.05 would say nothing")
        lines.append("  - {probe: group_metrics, id: false_matches, metrics: [fmr], tolerance: 0.001}")
    if not is_table:
        lines.append("  - leakage")
        lines.append("  - {probe: global_heatmaps, method: gradcam, also: [layercam], per_class: 100}")
        lines.append("  - au_alignment")
        lines.append("  - {probe: explanation_checks, methods: [gradcam, layercam], faces: 64}")
        lines.append("  - integrity")
        lines.append("  - {probe: corruptions, faces: 200}   # a sample: leave `faces` out to perturb them all")
        lines.append("  - {probe: occlusion, faces: 200}")
        lines.append("  - {probe: framing, faces: 200}")
        lines.append(
            "  - {probe: adversarial, attack: square, faces: 50}   # asks for answers only, as ONNX gives no gradients"
            if black_box
            else "  - {probe: adversarial, eps: [1/255, 2/255, 8/255], faces: 200}"
        )
        lines.append("  - {probe: reachable_attacks, faces: 50}")
        lines += _tampering_lines(task, masks=masks, black_box=black_box)
    return [
        *lines,
        *_deployment_lines(),
        "gates:   # a gate tests a bound of the interval, not the point; set the limits your use needs",
        f"  - {_GATES.get(task, '{measure: performance/accuracy, at_least: 0.80}')}",
        "card: card.yaml",
        "report: {faces: none}",
    ]


def _deployment_lines() -> list[str]:
    """Return a commented block on where the model is to run; nobody but the author can know it."""
    return [
        f"# deployment:   {FILL_IN}: where the model is to run; some uses are prohibited whatever is measured",
        f"#   context: [research]   # one or more of {', '.join(get_args(Deployment))}",
        "#   ground: medical   # medical or safety; without one, emotions must not be inferred at work or in education",
        "#   regions: [EU]   # where it is placed on the market or used",
    ]


def _tampering_lines(task: str, *, masks: bool, black_box: bool) -> list[str]:
    """Return the lines of the probes of forged faces and of backdoors."""
    lines = []
    if task == "forgery":
        lines.append("  - {probe: made_forgeries, faces: 200}   # needs landmarks")
        lines.append("  - {probe: trigger_sensitivity, faces: 200}")
        if masks:
            lines.append("  - {probe: forgery_localisation, faces: 200}")
    else:
        lines.append("  - {probe: forged_expressions, made_faces: 100}   # needs landmarks")
    lines.append("  - {probe: known_triggers, faces: 100}")
    if not black_box:
        lines.append(
            "  # - {probe: backdoor_scan, references: FOLDER}   # clean checkpoints of the same recipe, 8 or more"
        )
    return lines


def _group_line(column: pd.Series) -> str | None:
    """Return ``, bins: [...]`` for numbers of many values, an empty text for groups, ``None`` for too many groups."""
    texts = _texts(column)
    texts = texts[~texts.str.lower().isin({"", "nan"})]
    numbers = pd.to_numeric(texts, errors="coerce").to_numpy(float)
    if np.isfinite(numbers).all() and len(set(numbers.tolist())) > MOST_UNCUT:
        return f", bins: {_edges(numbers)}"
    return "" if texts.nunique() <= MOST_GROUPS else None


def _edges(numbers: NDArray[np.float64]) -> list[float]:
    """Return quartiles as rising round edges; the outer ones are rounded outwards, so that no number is outside."""
    low, high = float(numbers.min()), float(numbers.max())
    digits = max(0, 2 - math.ceil(math.log10(high - low)))  # about a hundred steps between the ends
    step = 10.0**digits
    middle = [round(float(edge), digits) for edge in np.quantile(numbers, [0.25, 0.5, 0.75])]
    first, last = min(low, math.floor(low * step) / step), max(high, math.ceil(high * step) / step)
    edges = sorted({first, *(edge for edge in middle if first < edge < last), last})
    return [int(edge) if float(edge).is_integer() else edge for edge in edges]


def _texts(column: pd.Series) -> pd.Series:
    """Return a column as stripped text, missing values as an empty text."""
    return column.astype("string").fillna("").str.strip().astype(object)


def _one_line(text: str) -> str:
    """Keep a name that stands in a comment from ending it."""
    return " ".join(text.split())


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
    channels, height, width = (side if isinstance(side, int) else None for side in shape[1:])
    size = (height, width) if height is not None and width is not None else None
    outputs = None
    if size is not None and channels is not None:
        outputs = _outputs_of(loaded.net, (loaded.batch_size or 2, channels, *size))
    return CheckpointFacts(size=size, channels=channels, outputs=outputs)


def _outputs_of(net: Callable[[Tensor], Any], shape: tuple[int, ...]) -> int | None:
    """Return how many outputs a net gives a face, or ``None`` where it gives something else than one tensor (n, k)."""
    import torch

    try:
        with torch.no_grad():
            outputs = net(torch.zeros(shape))
    except (RuntimeError, ValueError, TypeError, CountenanceError) as error:  # run tells it, this is only a guess
        LOG.info("the number of outputs is not known: %s", error)
        return None
    if isinstance(outputs, (tuple, list)) and len(outputs) == 1:
        outputs = outputs[0]
    if not isinstance(outputs, torch.Tensor) or outputs.ndim not in {1, 2}:
        return None
    return 1 if outputs.ndim == 1 else int(outputs.shape[1])


def _shape_of_program(net: nn.Module) -> tuple[object, ...] | None:
    graph = getattr(net, "graph", None)
    for node in graph.nodes if graph is not None else ():
        value = node.meta.get("val")
        if node.op == "placeholder" and value is not None and getattr(value, "ndim", 0) == 4:
            return tuple(int(side) if isinstance(side, int) else None for side in value.shape)
    return None
