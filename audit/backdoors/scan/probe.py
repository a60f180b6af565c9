"""The probe ``backdoor_scan``: does one class take an unusually small change, as a trigger would make it?"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from ....core.probes import CLASSIFICATION, Note, Output, ProbeContext, probe
from ....core.results import Estimate
from ...robustness.sample import sample_rows
from .answers import Answers, degenerate, far_worse, likeness
from .calibration import Floats, references_needed
from .findings import compared, flags
from .job import Task
from .kept import file_of, keep_log_sizes, kept_log_sizes
from .outputs import (
    calibration_table,
    exact,
    measurements,
    ranked,
    references_table,
    scan_table,
    smallest,
    triggers,
)
from .params import FEWEST_FACES, BackdoorScanParams
from .references import References, from_folder, screened, trained
from .scanning import Scanned, grey
from .several import audited_net, reference_net, scan_nets
from .training import OWN_ROWS, training_data, training_rows
from .verdict import Judged, smallest_p
from .wording import alone, needed, ranking

LARGEST_SEED = 2**31 - 1


@probe(
    "backdoor_scan",
    version=2,
    title="Scan for the trigger of a backdoor",
    pillar="integrity",
    params=BackdoorScanParams,
    needs={"model", "images", "gradients"},
    tasks=CLASSIFICATION,
    shows="Whether one class is reached by a much smaller change of all faces (a patch, an addition, a warp) than in "
    "clean nets of the same recipe, as a planted trigger makes it; how often clean nets would be flagged.",
    hides="Triggers that differ from face to face, work on some classes or people only, or were trained against such a "
    "scan. Without clean nets of the recipe nothing: sizes differ more between classes than a trigger moves them.",
    citation="Wang et al. 2019, IEEE S&P (Neural Cleanse); Tao et al. 2022, arXiv 2205.06900",
)
def backdoor_scan(context: ProbeContext, params: BackdoorScanParams) -> Iterator[Output]:
    """The smallest change that turns all faces into a class, beside what clean nets of the recipe need."""
    rows = _rows(context, params)
    task = _task(context, params, rows)
    own = Answers.of(context.model, task) if len(rows) else None
    why_not = "" if own is None else degenerate(own, context.model.classes)
    if why_not:
        reason = f"the target cannot be scanned: {why_not}; how little more it takes says nothing"
        yield smallest(context, Estimate.not_measured(reason, n=len(rows)))
        return
    task, left_out = _aimed(context, task, own)
    for name, why in left_out.items():
        yield Note(f"{name} is not scanned for: {why}.")
    if own is None or not task.aims:
        yield smallest(context, Estimate.not_measured(_too_few(len(rows)), n=len(rows)))
        return
    tests = len(task.aims) * len(task.families)
    wanted = references_needed(tests, params.alpha)
    if params.trainer is not None and params.count < wanted:
        reason = needed(params.count, wanted, tests, params.alpha, 0)
        yield smallest(context, Estimate.not_measured(reason, n=len(rows)))
        return
    with _references(context, params) as loaded:
        references, others = screened(loaded, own, task, context.model.classes)
        yield from _told(references)
        if params.trainer is not None and params.training is None:
            yield Note(f"{OWN_ROWS[0].upper()}{OWN_ROWS[1:]}.")
        if len(references.nets) < wanted:
            reason = needed(len(references.nets), wanted, tests, params.alpha, len(references.left_out))
            yield smallest(context, Estimate.not_measured(reason, n=len(rows)))
            if params.rank_only:
                yield from _sizes_alone(context, params, task, reason, left_out)
            return
        why_not = far_worse(own, others)
        if why_not:
            yield from _not_like(context, references, own, others, why_not)
            return
        yield from _beside(context, params, task, references, _Asked(own, others), left_out)


@dataclass(frozen=True)
class _Asked:
    """What target and references answer before any change."""

    own: Answers
    others: list[Answers]


@dataclass(frozen=True)
class _Nets:
    """What is scanned in one go."""

    scanned: Scanned
    log_sizes: list[Floats]
    remark: str


def _not_like(
    context: ProbeContext, references: References, own: Answers, others: list[Answers], why: str
) -> Iterator[Output]:
    """Yield why a target is not measured that hardly does what its references do."""
    comparison = compared(context, likeness(own, others, context.model.classes, context.rules.level))
    yield from comparison.outputs
    names = [each.name for each in references.nets]
    yield references_table(None, names, others, context.model.classes, (), references.left_out)
    reason = f"the target cannot be compared with its references: {why}"
    yield smallest(context, Estimate.not_measured(reason, n=len(own.logits)))


def _beside(
    context: ProbeContext,
    params: BackdoorScanParams,
    task: Task,
    references: References,
    asked: _Asked,
    left_out: dict[str, str],
) -> Iterator[Output]:
    """Yield everything about a target with references."""
    nets = _scan_all(context, params, task, references)
    yield Note(nets.remark)
    scanned = nets.scanned
    families, classes = scanned.families, context.model.classes
    names = [classes[aim] for aim in task.aims]
    judged = Judged.of(scanned.log_sizes, np.stack(nets.log_sizes), params.alpha)
    faces = len(task.pixels)
    yield scan_table(scanned, judged, classes, "", left_out)
    yield calibration_table(judged.log_sizes, [each.name for each in references.nets], names, families)
    net_names = [each.name for each in references.nets]
    yield references_table(judged, net_names, asked.others, names, families, references.left_out)
    yield from triggers(scanned, judged, classes)
    yield from measurements(context, scanned, judged, classes, faces)
    yield context.measurement("references_flagged", judged.false_alarms(context.rules.level), direction="lower")
    comparison = compared(context, likeness(asked.own, asked.others, classes, context.rules.level), judged)
    yield from comparison.outputs
    if not np.isfinite(scanned.log_sizes).any():
        reason = "no change that was tried turned nine of ten faces into any class, so there is no size to compare"
        yield smallest(context, Estimate.not_measured(reason, n=faces))
        return
    yield smallest(context, exact(smallest_p(judged.target), faces, context.rules.level))
    yield context.measurement("rank_p", ranked(judged, context.rules.level), direction="higher")
    yield Note(f"Ranking by p, flagged or not: {ranking(judged, names, families)}.")
    reached_alone = alone(judged, names, families)
    if reached_alone:
        yield Note(f"{reached_alone}.")
    if params.trainer is not None and params.training is None:
        comparison.caveats.append(OWN_ROWS)
    turned = {aim: asked.own.others(aim) for aim in task.aims}
    yield from flags(context, scanned, judged, classes, turned, comparison)


def _sizes_alone(
    context: ProbeContext, params: BackdoorScanParams, task: Task, reason: str, left_out: dict[str, str]
) -> Iterator[Output]:
    """Yield sizes without references, which rank nothing across classes."""
    nets = _scan_all(context, params, task, References())
    yield Note(nets.remark)
    yield Note(
        "The sizes stand alone. They differ between classes of clean nets more than a trigger moves them, "
        "so that the smallest one is no sign of a backdoor; there is no p."
    )
    yield scan_table(nets.scanned, None, context.model.classes, reason, left_out)
    yield from triggers(nets.scanned, None, context.model.classes)


def _rows(context: ProbeContext, params: BackdoorScanParams) -> NDArray[np.int64]:
    """Draw faces spread over people: those with a label of the target's where there are any."""
    labels = context.predictions.labels
    labelled = np.flatnonzero(labels >= 0)
    rows = labelled if len(labelled) else np.arange(len(context.faces))
    if params.trainer is not None and params.training is None:
        rows = np.setdiff1d(rows, training_rows(context))  # references train on these
    return sample_rows(rows, context.faces.subject_codes[rows], params.faces, context.random("faces"))


def _task(context: ProbeContext, params: BackdoorScanParams, rows: NDArray[np.int64]) -> Task:
    """Read the faces; no class is sought yet."""
    target = context.model
    parts = [batch.pixels for batch in context.faces.batches(context.batch_size, rows)] if len(rows) else []
    pixels = torch.cat(parts) if parts else torch.zeros(0, 3, *target.size)
    if target.input.channels == "grey":
        pixels = grey(pixels)
    places = context.predictions.labels[rows]
    labels = torch.from_numpy(places) if (places >= 0).any() else None
    seed = int(context.random("scan").integers(LARGEST_SEED))
    return Task(pixels, labels, (), tuple(params.families), seed)


def _aimed(context: ProbeContext, task: Task, own: Answers | None) -> tuple[Task, dict[str, str]]:
    """Choose the classes that have enough faces of other classes; say why of the others."""
    left_out = {}
    aims = []
    for aim, name in enumerate(context.model.classes):
        faces = 0 if own is None else own.others(aim)
        if faces >= FEWEST_FACES:
            aims.append(aim)
        else:
            of_others = "that are not answered so already" if task.labels is None else "of other classes"
            left_out[name] = f"at least {FEWEST_FACES} faces {of_others} are needed, and there are {faces}"
    return replace(task, aims=tuple(aims)), left_out


def _too_few(faces: int) -> str:
    return (
        f"at least {FEWEST_FACES} clean faces of other classes than the one that is scanned for are needed, and there "
        f"are {faces} in all: with fewer, a change is found that fits these faces alone"
    )


@contextmanager
def _references(context: ProbeContext, params: BackdoorScanParams) -> Iterator[References]:
    """Yield the reference nets of the folder, or train them; none where the plan names neither."""
    if params.references is not None:
        yield from_folder(params.path(params.references), context.model, params.folder)
        return
    if params.trainer is None:
        yield References()
        return
    seeds = context.random("references").integers(LARGEST_SEED, size=params.count).tolist()
    with (
        training_data(context, params) as data,
        context.progress("reference nets", params.count) as advance,
        trained(
            params.trainer, data, context.model, count=params.count, seeds=seeds, timeout=params.timeout,
            plan_folder=params.folder, keep=None if params.keep is None else params.path(params.keep), advance=advance,
        ) as references,
    ):  # fmt: skip
        yield references


def _told(references: References) -> Iterator[Output]:
    """Say which references were left out."""
    for name, why in references.left_out:
        yield Note(f"The reference {name} is left out: {' '.join(why.split())}.")


def _scan_all(context: ProbeContext, params: BackdoorScanParams, task: Task, references: References) -> _Nets:
    """Scan the target and all references whose sizes are not kept, by several processes where that is worth it."""
    cache = None if params.cache is None else params.path(params.cache)
    files = [None if cache is None else file_of(cache, each.target, task) for each in references.nets]
    known = [None if file is None else kept_log_sizes(file, task) for file in files]
    waiting = [place for place, sizes in enumerate(known) if sizes is None]
    reference_nets = [reference_net(references.nets[place].target, references.nets[place].source) for place in waiting]
    nets = [audited_net(context.model, params.folder), *reference_nets]
    with context.progress("inversions", len(nets) * len(task.aims) * len(task.families)) as advance:
        found, remark = scan_nets(nets, task, params.processes, advance)
    for place, scanned in zip(waiting, found[1:], strict=True):
        known[place] = scanned.log_sizes
        file = files[place]
        if file is not None:
            keep_log_sizes(file, scanned.log_sizes)
    kept = len(references.nets) - len(waiting)
    if kept:
        remark += f" The sizes of {kept} reference nets were kept from before."
    return _Nets(found[0], [sizes for sizes in known if sizes is not None], remark)
