"""Running an audit from Python or from the command line: a plan, or a live model and a table of faces."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import Problems, UsageError
from .log_file import LogFile
from .places import YamlDocument
from .plan_file import LoadedPlan, check_plan, load_plan
from .progress import Reporter
from .results import AuditResults
from .run_folder import LOG_FILE, RunFolder

if TYPE_CHECKING:
    import pandas as pd
    from torch import nn

LOG = logging.getLogger("countenance")
CACHE_FOLDER = ".countenance-cache"
DEFAULT_PROBES = (
    "performance",
    "group_metrics",
    "group_indices",
    "representation",
    "reweighted_gaps",
    "hidden_slices",
    "leakage",
    "global_heatmaps",
    "au_alignment",
    "explanation_checks",
    "integrity",
    "corruptions",
    "occlusion",
    "framing",
    "adversarial",
)
FORGERY_PROBES = ("forgery_detection", *DEFAULT_PROBES)
"""What a detector of forged faces is audited by unless other probes are named."""


def run(
    plan: str | Path | None = None,
    *,
    model: nn.Module | None = None,
    faces: pd.DataFrame | None = None,
    out: str | Path | None = None,
    resume: bool = False,
    overwrite: bool = False,
    trust_checkpoint: bool = False,
    reporter: Reporter | None = None,
    folder: str | Path = ".",
    task: str = "expression",
    classes: Sequence[str] = (),
    input: Mapping[str, Any] | None = None,
    output: str = "logits",
    positive: str | None = None,
    data: Mapping[str, Any] | None = None,
    probes: Sequence[str | Mapping[str, Any]] | None = None,
    gates: Sequence[Mapping[str, Any]] = (),
    name: str = "audit",
    seed: int = 0,
    batch_size: int | str = "auto",
) -> AuditResults:
    """Run an audit and return its results.

    Either of a plan file::

        results = countenance.run("audit.yaml", out="runs/first")

    or of a live model and a table of faces::

        results = countenance.run(
            model=net, faces=frame, classes=["neutral", "happy"],
            input={"size": 112, "mean": [0.48, 0.46, 0.41]},
            data={"subject": "person", "attributes": {"gender": {"assigned_by": "self-reported"}}},
        )

    Args:
        plan: a plan file. Everything from ``folder`` on belongs to the second form.
        model: takes normalised input (n, c, h, w) and returns (n, k). It is put into eval mode for the audit and left
            as it was found.
        faces: one row per face with the columns that ``data`` names (``path``, ``label`` and so on).
        out: the run folder to write; without it the results are kept in memory, without tables and heatmaps.
        resume: go on with a broken-off run in ``out``.
        overwrite: start again in ``out``.
        trust_checkpoint: load a checkpoint even if that could run code.
        reporter: is told what happens.
        folder: image paths are relative to it.
        task: the target's task, as in a plan's target block.
        classes: in the order of the model's outputs.
        input: as in a plan's target block: ``size``, ``channels``, ``mean``, ``std``.
        output: ``logits``, ``probabilities``, ``values`` or, for verification, ``embedding``.
        positive: which class a single output speaks for.
        data: as a plan's data block, without the manifest.
        probes: as in a plan; those of the task unless given.
        gates: as in a plan.
        name: name of the audit.
        seed: every random choice depends on it.
        batch_size: faces at once, or ``auto``.

    Raises:
        CountenanceError: with what was expected, what came and what to do.
    """
    if plan is not None:
        if model is not None or faces is not None:
            raise UsageError("expected either a plan, or a model and faces, but got both")
        return run_plan(
            load_plan(plan),
            out,
            resume=resume,
            overwrite=overwrite,
            trust=trust_checkpoint,
            reporter=reporter,
        )
    if model is None or faces is None:
        raise UsageError("expected a plan, or both a model and faces")
    if not hasattr(faces, "columns"):
        raise UsageError(f"expected `faces` to be a pandas DataFrame, but got {type(faces).__name__}")
    if probes is None:
        probes = FORGERY_PROBES if task == "forgery" else DEFAULT_PROBES
    described = {"manifest": "(data frame)", **dict(data or {})}
    if task in {"expression", "forgery"} and "label" not in faces.columns:
        described.setdefault("label", None)
    content: dict[str, Any] = {
        "name": name,
        "seed": seed,
        "target": {
            "checkpoint": "(live module)",
            "name": type(model).__name__,
            "task": task,
            "classes": list(classes),
            "input": dict(input) if input is not None else None,
            "output": output,
            "positive": positive,
        },
        "data": described,
        "run": {"batch_size": batch_size},
        "probes": [probe if isinstance(probe, str) else dict(probe) for probe in probes],
        "gates": [dict(gate) for gate in gates],
    }
    loaded = check_plan(YamlDocument(content), Path(folder), Problems("the arguments of run"), check_files=False)
    return _run_live(loaded, model, faces, out, resume=resume, overwrite=overwrite, reporter=reporter)


def run_plan(
    loaded: LoadedPlan,
    out: str | Path | None = None,
    *,
    resume: bool = False,
    overwrite: bool = False,
    trust: bool = False,
    reporter: Reporter | None = None,
) -> AuditResults:
    """Run a checked plan; see :func:`run`."""
    from .runner import Runner
    from .setup import load_material

    folder = _open(out, resume, overwrite)
    with logging_to(folder):
        runner = Runner(loaded, folder, cache_folder(loaded, folder), reporter, inputs_of(loaded))
        earlier = folder.earlier() if folder is not None and resume else None
        return runner.run(lambda: load_material(loaded, trust=trust), earlier)


def _run_live(
    loaded: LoadedPlan,
    model: nn.Module,
    frame: pd.DataFrame,
    out: str | Path | None,
    *,
    resume: bool,
    overwrite: bool,
    reporter: Reporter | None,
) -> AuditResults:
    from .faces import Faces, decoding_workers
    from .live import LiveModel
    from .manifest import check_manifest
    from .runner import Runner
    from .setup import Material, data_of_task, load_pairs, pick_device

    plan = loaded.plan
    labels = plan.target.class_names if plan.target.task in {"expression", "forgery"} else ()
    manifest = check_manifest(frame, data_of_task(plan), labels, "the data frame", target=plan.target)
    assert plan.target.input is not None
    faces = Faces.from_manifest(
        manifest,
        plan.data,
        loaded.folder,
        plan.target.input.height_width,
        landmarks=loaded.landmarks_file,
        workers=decoding_workers(plan.run.workers),
    )
    pairs = load_pairs(loaded, faces)
    folder = _open(out, resume, overwrite)
    device = pick_device(plan.run.device)
    with logging_to(folder), LiveModel(model, plan.target, device) as target:
        earlier = folder.earlier() if folder is not None and resume else None
        runner = Runner(loaded, folder, None, reporter)
        return runner.run(lambda: Material(faces, target, None, manifest.notes, pairs), earlier)


def _open(out: str | Path | None, resume: bool, overwrite: bool) -> RunFolder | None:
    if out is None:
        if resume or overwrite:
            raise UsageError("resume and overwrite need a run folder: say out")
        return None
    return RunFolder.open(Path(out), resume=resume, overwrite=overwrite)


def cache_folder(loaded: LoadedPlan, folder: RunFolder | None) -> Path | None:
    """Return where predictions are kept: nowhere, where the plan says, or beside the run folder."""
    asked = loaded.plan.run.cache
    if asked is False or loaded.plan.target.predictions is not None:
        return None
    if isinstance(asked, str):
        return loaded.path(asked)
    return None if folder is None else folder.path.absolute().parent / CACHE_FOLDER


def inputs_of(loaded: LoadedPlan) -> dict[str, bytes]:
    """Return the plan and the author's statements, as used, by the names they get in the run folder."""
    inputs = {"plan.yaml": loaded.text.encode()} if loaded.text else {}
    if loaded.plan.card is not None:
        inputs["card.yaml"] = loaded.path(loaded.plan.card).read_bytes()
    return inputs


@contextmanager
def logging_to(folder: RunFolder | None) -> Iterator[None]:
    """Write the package's log into the run folder's ``log.txt`` meanwhile."""
    if folder is None:
        yield
        return
    handler = LogFile(folder.path / LOG_FILE)
    level = LOG.level
    LOG.addHandler(handler)
    LOG.setLevel(min(level or logging.INFO, logging.INFO))
    try:
        yield
    except BaseException as error:
        LOG.error("stopped: %s: %s", type(error).__name__, error)
        raise
    finally:
        LOG.removeHandler(handler)
        LOG.setLevel(level)
        handler.close()
