"""What the linear probes are given: the model's embedding of each face, that of random nets, and plain pixels."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from ....core.faces import Faces
from ....core.probes import ProbeContext
from ....core.statistics.sums import Floats, Integers
from ....core.target import Target
from ....explain.attribution.embedding import EmbeddingReader
from ....explain.checks.randomised import module_of, owners, randomised

GREY_SIDE = 16
_HELD_AT_ONCE = 256 * 2**20
_FLOOR = 1e-6
_LUMA = (0.299, 0.587, 0.114)


@dataclass(frozen=True, eq=False)
class FaceFeatures:
    """Features of the same faces by what they come from, each (n, d).

    Attributes:
        rows: (n,) positions of the faces.
        own: of the audited model.
        random_nets: of the same net with its weights in random order, one for each draw; none for predictions only.
        pixels: the pictures, made small; ``None`` for predictions only.
        grey: (n, 256) small grey pictures, by which near-duplicates are found; ``None`` for predictions only.
        place: where in the net the features were taken, in words.
    """

    rows: Integers
    own: Floats
    random_nets: list[Floats] = field(default_factory=list)
    pixels: Floats | None = None
    grey: Floats | None = None
    place: str = ""


def draw_people(people: Integers, faces: int, per_person: int, random: np.random.Generator) -> Integers:
    """Return rows of whole people, drawn at random until there are ``faces``; at most ``per_person`` of each.

    People drawn early are complete, so that someone with two pictures is there with both.
    """
    shuffled = random.permutation(len(people))
    order = shuffled[np.argsort(people[shuffled], kind="stable")]
    sizes = np.unique(people, return_counts=True)[1]
    turn = np.arange(len(people)) - np.repeat(np.concatenate(([0], np.cumsum(sizes)[:-1])), sizes)
    kept = order[turn < per_person]
    rank = random.permutation(len(sizes))[np.unique(people, return_inverse=True)[1].reshape(-1)]
    by_person = kept[np.argsort(rank[kept], kind="stable")]
    sizes_kept = np.unique(rank[by_person], return_counts=True)[1]
    people_kept = max(1, int(np.searchsorted(np.cumsum(sizes_kept), faces, side="right")))
    return np.sort(by_person[: int(sizes_kept[:people_kept].sum())]).astype(np.int64)


def embeddings_of(context: ProbeContext, rows: Integers, layer: str | None, nets: int, side: int) -> FaceFeatures:
    """Run the model and its random twins over the faces once.

    Pictures are decoded once and held in pieces of at most 256 MB, over which each net runs in turn; its own weights
    are back afterwards bit for bit.

    Args:
        context: the probe's.
        rows: faces to read.
        layer: whose output is the embedding; found unless given.
        nets: how many random nets.
        side: side of the small pictures in pixels.

    Raises:
        TargetError: when the model has no such layer, or its weights cannot be replaced.
    """
    target = context.model
    reader = EmbeddingReader(target, layer)
    place = reader.told
    return _read(context, rows, lambda pixels: reader.read(pixels).embedding, place, nets, side)


def outputs_of(context: ProbeContext, rows: Integers, nets: int, side: int) -> FaceFeatures:
    """Return logarithms of the predictions as features, with controls where there is a model to run."""
    own = _as_features(context.predictions.values[rows], context.predictions.task)
    place = f"the model's outputs ({own.shape[1]:,} values)"
    target = context.target
    if target is None:
        return FaceFeatures(rows, own, place=place)

    def read(pixels: Tensor) -> Tensor:
        values = target.probabilities(target(pixels).double()).cpu().numpy()
        return torch.from_numpy(_as_features(values, target.task))

    return _read(context, rows, read, place, nets if "layers" in target.gives else 0, side)


def _as_features(values: Floats, task: str) -> Floats:
    """Put probabilities on a scale without ends: logarithms, log odds for action units; values stay."""
    if task == "valence_arousal":
        return np.asarray(values, dtype=np.float64)
    floored = np.clip(values, _FLOOR, 1.0)
    logs = np.log(floored)
    return np.asarray(logs - np.log(np.clip(1 - values, _FLOOR, 1.0)) if task == "action_units" else logs)


def _read(
    context: ProbeContext, rows: Integers, read: Callable[[Tensor], Tensor], place: str, nets: int, side: int
) -> FaceFeatures:
    target = context.model
    height, width = target.size
    piece = max(1, _HELD_AT_ONCE // (12 * height * width))
    parts: list[list[Floats]] = [[] for _ in range(nets + 3)]
    with context.progress("faces", len(rows)) as advance:
        for held in _pieces(context.faces, rows, context.batch_size, piece):
            parts[0].append(_all(read, held))
            for draw in range(nets):
                net = module_of(target)
                seed = int(context.random("random net", draw).integers(2**31))
                with randomised(net, owners(net), seed):
                    parts[1 + draw].append(_all(read, held))
            for batch in held:
                parts[-2].append(_small(batch, side, target))
                parts[-1].append(_small(batch, GREY_SIDE, None))
            advance(sum(map(len, held)))
    joined = [np.concatenate(part) for part in parts]
    return FaceFeatures(rows, joined[0], joined[1 : 1 + nets], joined[-2], joined[-1], place)


def _pieces(faces: Faces, rows: Integers, batch: int, piece: int) -> Iterator[list[Tensor]]:
    held: list[Tensor] = []
    for each in faces.batches(batch, rows):
        held.append(each.pixels)
        if sum(map(len, held)) >= piece:
            yield held
            held = []
    if held:
        yield held


def _all(read: Callable[[Tensor], Tensor], held: list[Tensor]) -> Floats:
    with torch.no_grad():
        found = [read(pixels).cpu().numpy().astype(np.float64) for pixels in held]
    joined = np.concatenate(found)
    # Random weights may overflow; what is no number tells nothing.
    return np.nan_to_num(joined, nan=0.0, posinf=0.0, neginf=0.0)


def _small(pixels: Tensor, side: int, target: Target | None) -> Floats:
    """Average pictures (n, 3, h, w) down to ``side`` and lay them out; grey where the net sees grey, or asked for."""
    if target is None or target.input.channels == "grey":
        pixels = (pixels * torch.tensor(_LUMA).reshape(1, 3, 1, 1)).sum(1, keepdim=True)
    return functional.adaptive_avg_pool2d(pixels, side).flatten(1).numpy().astype(np.float64)
