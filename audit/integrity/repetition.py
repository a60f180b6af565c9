"""Does an answer depend on the face alone: asked twice, alone, among others, in another order, by more threads?"""

from __future__ import annotations

import numpy as np
import torch

from .differences import Difference, measure, not_measured
from .material import Material
from .modes import Modes
from .verdicts import Check, not_checked

FACES = 64
FACES_OF_THREADS = 16
BATCH = 8
"""Faces at once where a batch is wanted and the run's own batches hold but one."""

_TWICE = "same picture twice"
_ALONE = "picture alone or in a batch"
_ORDER = "order of the pictures"
_THREADS = "number of threads"


def same_twice(material: Material, modes: Modes) -> Check:
    """Ask about the same faces in the same batches again; ``material.outputs`` is the first answer."""
    places = np.arange(len(material), dtype=np.int64)
    found = measure(material, "same_twice", places, material.outputs, material.ask())
    cause = (
        f"dropout is left on ({modes.dropout_told})"
        if modes.dropout
        else "a layer draws random numbers: dropout left on (torch.nn.functional.dropout acts unless it is given "
        "training=self.training), noise, or a random resize"
    )
    return _judged(
        "same_twice",
        _TWICE,
        found,
        f"{cause}. Take the randomness out of the net's forward: every number of this audit changes with it",
        random=True,
    )


def alone_or_in_batch(material: Material, modes: Modes, *, random: bool) -> Check:
    """Ask about each face alone; a net that normalises by the batch gives another answer."""
    places = material.some(FACES)
    if random:
        return _random("alone_or_in_batch", _ALONE, material)
    batch = max(material.context.batch_size, BATCH)
    together = material.ask(places, batch_size=batch)
    try:
        alone = material.ask(places, batch_size=1)
    except (ValueError, RuntimeError) as error:  # batch normalisation refuses one value per channel
        first = " ".join(str(error).strip().split("\n")[0].split())[:200]
        return Check(
            "alone_or_in_batch",
            _ALONE,
            "differs",
            f"the net cannot answer a face alone: {first}",
            _batch_advice(modes),
            measurements=not_measured(material, "alone_or_in_batch", "the net cannot answer a face alone"),
        )
    found = measure(material, "alone_or_in_batch", places, together, alone)
    return _judged("alone_or_in_batch", _ALONE, found, _batch_advice(modes))


def batch_order(material: Material, modes: Modes, *, random: bool) -> Check:
    """Ask about the same faces in another order, so that each stands among others."""
    places = material.some(FACES)
    if random:
        return _random("batch_order", _ORDER, material)
    batch = max(material.context.batch_size, BATCH)
    order = material.context.random("order").permutation(len(places))
    straight = material.ask(places, batch_size=batch)
    shuffled = np.empty_like(straight)
    shuffled[order] = material.ask(places[order], batch_size=batch)
    found = measure(material, "batch_order", places, straight, shuffled)
    return _judged("batch_order", _ORDER, found, _batch_advice(modes))


def threads(material: Material, *, random: bool) -> Check:
    """Ask with another number of threads, which add up numbers in another order."""
    if random:
        return _random("threads", _THREADS, material)
    if material.target.format == "onnx":
        why = "onnxruntime computes with the one thread it is opened with"
        return not_checked("threads", _THREADS, why, not_measured(material, "threads", why))
    places = material.some(FACES_OF_THREADS)
    before = material.ask(places)
    now = torch.get_num_threads()
    other = 2 if now == 1 else 1
    torch.set_num_threads(other)
    try:
        after = material.ask(places)
    finally:
        torch.set_num_threads(now)
    found = measure(material, "threads", places, before, after)
    advice = "Answers depend on how sums are split among threads: compare runs only at the same number of threads"
    return _judged("threads", f"{_THREADS} ({now} and {other})", found, advice)


def _judged(name: str, title: str, found: Difference, advice: str, *, random: bool = False) -> Check:
    if not found.beyond_rounding:
        rounding = "" if found.relative == 0 else ": rounding"
        return Check(name, title, "holds", f"{found.words}{rounding}", measurements=found.measurements)
    return Check(
        name,
        title,
        "differs",
        found.words,
        advice[0].upper() + advice[1:],
        measurements=found.measurements,
        caveats=() if random else ("Rounding moves outputs by less than a thousandth of their size.",),
    )


def _random(name: str, title: str, material: Material) -> Check:
    why = "answers to the same picture differ already"
    return not_checked(name, title, why, not_measured(material, name, why))


def _batch_advice(modes: Modes) -> str:
    if modes.batch_norm:
        return (
            f"batch normalisation uses the statistics of the batch and not those of training "
            f"({modes.batch_norm_told}). Put the net into eval mode, and let its layers keep running statistics"
        )
    return (
        "an answer depends on the other faces of the batch: batch normalisation by the batch's own statistics (train "
        "mode left on), or another operation over the batch. Put the net into eval mode before it is saved or exported"
    )
