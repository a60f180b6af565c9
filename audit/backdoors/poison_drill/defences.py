"""What may take a backdoor out: filters at the input, and tuning or pruning with clean faces.

Fine-pruning is Liu, Dolan-Gavitt and Garg's (2018, RAID, arXiv 1805.12185): what clean faces leave idle may be what the
trigger uses.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ....core.errors import TargetError
from ....core.plan import FORGED, GENUINE
from ....core.statistics.auroc import auroc_influence
from ....core.target import Target
from ....explain.attribution.embedding import EmbeddingReader
from ....explain.attribution.source import LayerError
from ...forgery.making import through_codec
from ..poisoned_forgery.bank import blurred
from .material import Side, as_pixels, as_tensor
from .training import DivergedError, scores_of

JPEG_QUALITY = 75
TUNING_RATE = 1e-3
TUNING_BATCH = 16
PRUNED = (0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1)
"""Shares of units tried, from the largest."""
COST = 0.02
"""AUROC on held-out faces that pruning may cost."""
STATE_DICTS = frozenset({"safetensors", "pt"})
Filter = Callable[[Tensor], Tensor]


def jpeg(pixels: Tensor) -> Tensor:
    """Return pixels (n, 3, h, w) after a JPEG of quality 75."""
    return as_tensor(np.stack([through_codec(each, JPEG_QUALITY) for each in as_pixels(pixels)]))


def median(pixels: Tensor) -> Tensor:
    """Return pixels (n, 3, h, w), each the median of its 3 by 3 neighbours; the edge is repeated."""
    padded = F.pad(pixels, (1, 1, 1, 1), mode="replicate")
    return padded.unfold(2, 3, 1).unfold(3, 3, 1).flatten(4).median(4).values


FILTERS: dict[str, Filter] = {"jpeg": jpeg, "blur": blurred, "median": median}
TUNED = ("fine_tuning", "fine_pruning")


@dataclass(frozen=True, eq=False)
class Defended:
    """A net with a defence in place.

    Attributes:
        name: of the defence.
        target: what answers now; ``None`` where the defence could not be had.
        filter: what is done to every face first.
        told: what was done, or why it could not be.
    """

    name: str
    target: Target | None
    filter: Filter | None = None
    told: str = ""

    def scores(self, pixels: Tensor, batch: int) -> np.ndarray:
        """Return the logit of forged over genuine of pixels (n, 3, h, w), shape (n,)."""
        assert self.target is not None
        return scores_of(self.target, pixels if self.filter is None else self.filter(pixels), batch)


def defended(target: Target, held: Side, steps: int, seed: int, batch: int) -> Iterator[Defended]:
    """Yield the net under each defence; the net itself is left as it was.

    Args:
        target: the trained net.
        held: genuine and forged faces of people that the trainer never saw.
        steps: of fine-tuning.
        seed: of the tuning's order.
        batch: faces that are asked about at once.
    """
    for name, each in FILTERS.items():
        yield Defended(name, target, each)
    reason = _no_weights(target) or ("" if len(held.forged) else "there is no forgery of the people held out")
    if reason:
        yield from (Defended(name, None, told=reason) for name in TUNED)
        return
    for name, make in zip(TUNED, (_fine_tuned, _fine_pruned), strict=True):
        try:
            yield make(target, held, steps, seed, batch)
        except DivergedError as error:
            yield Defended(name, None, told=str(error))


def _fine_tuned(target: Target, held: Side, steps: int, seed: int, batch: int) -> Defended:
    tuned = _copied(target)
    _tune(tuned, held, steps, seed)
    return Defended("fine_tuning", tuned, told=f"{steps} steps on {len(held.genuine)} clean faces and their forgeries")


def _no_weights(target: Target) -> str:
    if target.format not in STATE_DICTS or not isinstance(target.net, nn.Module):
        return f"a {target.format} file holds no module whose weights could be changed"
    if "gradients" not in target.gives:
        return "the net gives no gradients"
    return ""


def _copied(target: Target) -> Target:
    """Return the same target around a copy of its net."""
    return Target(
        copy.deepcopy(target.net), target.spec, format=target.format, device=str(target.device),
        sha256=target.sha256, fixed_batch=target.fixed_batch,
    )  # fmt: skip


def _tune(target: Target, held: Side, steps: int, seed: int) -> None:
    """Train all weights on as many genuine as forged faces; statistics of batch normalisation stay as they are.

    Raises:
        DivergedError: when the weights run away.
    """
    assert isinstance(target.net, nn.Module)
    weights = [weight for weight in target.net.parameters() if weight.is_floating_point()]
    genuine, forged = held.genuine.tensor, held.forged.tensor
    order = torch.Generator().manual_seed(seed)
    places = [target.classes.index(GENUINE), target.classes.index(FORGED)]
    wanted = torch.tensor(places).repeat_interleave(TUNING_BATCH).to(target.device)
    for weight in weights:
        weight.requires_grad_(True)
    optimiser = torch.optim.Adam(weights, lr=TUNING_RATE)
    with torch.enable_grad():
        for _ in range(steps):
            drawn = [part[torch.randint(len(part), (TUNING_BATCH,), generator=order)] for part in (genuine, forged)]
            try:
                loss = F.cross_entropy(target.scores(torch.cat(drawn)), wanted)
            except TargetError as error:
                raise DivergedError(f"its tuning did not end well: {error}") from error
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
    for weight in weights:
        weight.requires_grad_(False)


def _fine_pruned(target: Target, held: Side, steps: int, seed: int, batch: int) -> Defended:
    """Silence the units before the head that clean faces use least, as many as cost little, then tune."""
    try:
        reader = EmbeddingReader(target)
    except LayerError as error:
        return Defended("fine_pruning", None, told=str(error))
    faces = torch.cat([held.genuine.tensor, held.forged.tensor])
    with torch.no_grad():
        active = torch.cat([reader.read(part).embedding.abs() for part in torch.split(faces, batch)]).mean(0)
    idle_first = active.argsort()
    pruned = _copied(target)
    assert isinstance(pruned.net, nn.Module)
    keep = torch.ones(len(active), device=target.device)
    pruned.net.get_submodule(reader.layer).register_forward_pre_hook(_silencing(keep))
    positive = np.repeat([False, True], [len(held.genuine), len(held.forged)])
    whole = auroc_influence(scores_of(pruned, faces, batch), positive)[0]
    share = 0.0
    for tried in PRUNED:
        keep.fill_(1)[idle_first[: round(tried * len(keep))]] = 0
        if auroc_influence(scores_of(pruned, faces, batch), positive)[0] >= whole - COST:
            share = tried
            break
    else:
        keep.fill_(1)
    _tune(pruned, held, steps, seed)
    told = f"{int((keep == 0).sum())} of {len(keep)} values before {reader.layer!r} silenced ({share:.0%}), then tuned"
    return Defended("fine_pruning", pruned, told=told)


def _silencing(keep: Tensor) -> Callable[[nn.Module, tuple[Tensor, ...]], tuple[Tensor, ...]]:
    """Return a hook that multiplies the channels of a layer's input by ``keep``, (channels,)."""

    def hook(module: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        first = inputs[0]
        shape = (-1,) if isinstance(module, nn.Linear) else (-1, *(1,) * (first.ndim - 2))
        return (first * keep.reshape(shape), *inputs[1:])

    return hook
