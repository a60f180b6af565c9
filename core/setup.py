"""From a checked plan to what an audit works with: target, faces, and for a table made elsewhere its predictions."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from .attribute_notes import attribute_notes
from .checkpoints import FactoryReference, load_checkpoint
from .derive.deriving import check_derivable
from .errors import AuditError
from .faces import Faces, decoding_workers
from .manifest import read_manifest
from .pair_tables import single_faces
from .plan import DataSpec, Plan, TargetSpec
from .plan_file import LoadedPlan
from .portrait_pairs import PairRows, make_portrait_pairs, read_portrait_pairs
from .prediction_tables import read_predictions
from .predictions import Predictions
from .results import TargetSummary
from .target import Target


@dataclass(frozen=True)
class Material:
    """What an audit works with.

    Attributes:
        faces: the audited faces, quarantined ones not yet left out.
        target: the model, or ``None`` for a predictions-only target.
        predictions: given predictions, or ``None`` where the model makes them.
        notes: what is odd about the data.
        pairs: of a verification checkpoint, which of the faces are compared.
    """

    faces: Faces
    target: Target | None
    predictions: Predictions | None
    notes: tuple[str, ...] = ()
    pairs: PairRows | None = None


def load_target(loaded: LoadedPlan, *, trust: bool = False) -> Target:
    """Load the plan's checkpoint and check it against the plan.

    Args:
        loaded: the plan.
        trust: the user said on the command line that the checkpoint may run code.

    Raises:
        CheckpointError: when it cannot be loaded, does not fit, or could run code.
        TargetError: when it does not do what the plan says.
    """
    spec = loaded.plan.target
    assert spec.checkpoint is not None
    path = loaded.path(spec.checkpoint)
    factory = FactoryReference.parse(spec.factory, spec.arguments) if spec.factory else None
    checkpoint = load_checkpoint(path, factory, trust=trust, folder=loaded.folder)
    target = Target(
        checkpoint.net,
        spec,
        format=checkpoint.format,
        device=pick_device(loaded.plan.run.device),
        sha256=checkpoint.sha256,
        factory_sha256=checkpoint.factory_sha256 or "",
        fixed_batch=checkpoint.batch_size,
        notes=checkpoint.notes,
        name=path.stem,
    )
    target.verify()
    return target


def load_material(loaded: LoadedPlan, *, trust: bool = False) -> Material:
    """Load everything a plan names.

    The manifest is checked before the checkpoint is loaded, so that a cheap fault is told first.
    """
    plan = loaded.plan
    if plan.target.predictions is not None:
        faces, predictions = read_predictions(loaded.path(plan.target.predictions), plan.target, plan.data)
        each = single_faces(faces) if plan.target.task == "verification" else faces.frame
        told = attribute_notes(each, faces.attributes, subjects=faces.has_subjects)
        return Material(faces, None, predictions, (*predictions.notes, *told))
    faces, notes = load_faces(loaded)
    pairs = load_pairs(loaded, faces)
    return Material(faces, load_target(loaded, trust=trust), None, notes, pairs)


def load_pairs(loaded: LoadedPlan, faces: Faces) -> PairRows | None:
    """Read the pairs of a verification checkpoint, or make them by person; ``None`` for any other task.

    Raises:
        ManifestError: with every problem of the table at once, or when pairs cannot be made.
    """
    plan = loaded.plan
    if plan.target.task != "verification":
        return None
    if plan.data.pairs is not None:
        return read_portrait_pairs(loaded.path(plan.data.pairs), faces)
    return make_portrait_pairs(faces, plan.seed)


def load_faces(loaded: LoadedPlan) -> tuple[Faces, tuple[str, ...]]:
    """Read and check the plan's manifest and landmarks."""
    plan = loaded.plan
    assert plan.data.manifest is not None
    path = loaded.path(plan.data.manifest)
    manifest = read_manifest(path, data_of_task(plan), _label_names(plan.target), target=plan.target)
    faces = Faces.from_manifest(
        manifest,
        plan.data,
        path.parent,
        plan.target.input.height_width if plan.target.input else None,
        landmarks=loaded.landmarks_file,
        workers=decoding_workers(plan.run.workers),
    )
    check_derivable(faces, plan.data)
    return faces, manifest.notes


def data_of_task(plan: Plan) -> DataSpec:
    """Return the plan's data block; faces that are compared in pairs need no label, unless the plan names one."""
    if plan.target.task == "verification" and "label" not in plan.data.model_fields_set:
        return plan.data.model_copy(update={"label": None})
    return plan.data


def _label_names(target: TargetSpec) -> tuple[str, ...]:
    return target.class_names if target.task in {"expression", "forgery"} else ()


def pick_device(asked: str) -> str:
    """Return the device to compute on.

    Raises:
        AuditError: when the asked one is not there.
    """
    import torch

    if asked == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.empty(1, device=asked)
    except (RuntimeError, AssertionError) as error:
        first = str(error).split("\n")[0]
        raise AuditError(f"run.device is {asked!r}, which cannot be used here: {first}") from error
    return asked


def predictions_summary(plan: Plan, sha256: str) -> TargetSummary:
    """Describe a predictions-only target for the results."""
    spec = plan.target
    return TargetSummary(
        name=spec.name or Path(spec.predictions or "").stem,
        task=spec.task,
        classes=list(spec.class_names),
        format="predictions",
        sha256=sha256,
        notes=["predictions made elsewhere: no checkpoint was run"],
    )
