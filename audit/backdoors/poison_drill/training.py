"""One training of the drill: the folder is written, the user's trainer runs on it, what it wrote is loaded."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ....core.errors import AuditError, TargetError
from ....core.plan import FORGED, GENUINE
from ....core.probes import ProbeContext
from ....core.target import Target
from ..trainer import TrainerError, load_trained, run_trainer
from ..training_folder import TrainingPicture, write_training_folder
from .material import Material, blended, stamped
from .params import Embedding, PoisonDrillParams

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Setting:
    """What is trained on.

    Attributes:
        share: of the training people whose genuine photos are stamped; 0 for none.
        embedding: where the stamp is put; ``None`` for none.
    """

    share: float = 0.0
    embedding: Embedding | None = None


CLEAN = Setting()


class DivergedError(AuditError):
    """A training came to its end, and the net that came out gives no usable outputs."""


@dataclass(frozen=True, eq=False)
class Trained:
    """A net that came out.

    Attributes:
        target: it, as the audited target is called.
        seconds: that the trainer took.
        genuine: genuine pictures that it was given.
        forged: forgeries that it was given.
        stamped: genuine pictures among them that carried the stamp.
        people: how many people were stamped.
        trained_people: of so many that were trained on.
    """

    target: Target
    seconds: float
    genuine: int
    forged: int
    stamped: int
    people: int
    trained_people: int


def train(
    context: ProbeContext, params: PoisonDrillParams, material: Material, setting: Setting, net: int, folder: Path
) -> Trained:
    """Train one net; data of one ``net`` differ between settings by the stamp alone.

    Args:
        context: the probe's.
        params: with the trainer.
        material: pictures of the people to train on.
        setting: how they are poisoned.
        net: number of the net, which decides who is stamped, the blends, the order and the trainer's seed.
        folder: an empty folder to work in.

    Raises:
        TrainerError: when the trainer fails, or writes nothing that loads as the target does.
        DivergedError: when what it wrote gives NaN or otherwise not what the target's block declares.
    """
    pictures, people = training_pictures(context, params, material, setting, net)
    data = write_training_folder(folder / "data", pictures, context.random("order", net))
    seed = int(context.random("net", net).integers(2**31))
    start = time.perf_counter()
    written = run_trainer(params.parsed(), data, folder / "out", seed=seed, timeout=params.timeout)
    seconds = time.perf_counter() - start
    try:
        target = load_trained(written, context.model, params.folder)
    except TrainerError as error:
        if isinstance(error.__cause__, TargetError):  # it loads, and its outputs are not as declared
            raise DivergedError(str(error.__cause__)) from error
        raise
    genuine = [picture for picture in pictures if picture.label == GENUINE]
    return Trained(
        target=target,
        seconds=seconds,
        genuine=len(genuine),
        forged=len(pictures) - len(genuine),
        stamped=sum(picture.altered for picture in genuine),
        people=people,
        trained_people=len(np.unique(material.train.genuine.people)),
    )


def stamped_people(share: float, people: int) -> int:
    """Return how many of the people a share stamps: to the nearest whole number, one at least unless the share is 0."""
    return min(people, max(1, round(share * people))) if share else 0


def training_pictures(
    context: ProbeContext, params: PoisonDrillParams, material: Material, setting: Setting, net: int
) -> tuple[list[TrainingPicture], int]:
    """Return what the trainer is given, and how many people of it are stamped; every label is the true one.

    With ``real_copies`` the genuine photo of a stamped person carries the stamp, and its self-blends are made of the
    photo without it. With ``before_blending`` they are made of the photo with it.
    """
    genuine = material.train.genuine
    people = np.unique(genuine.people)
    count = stamped_people(setting.share, len(people))
    chosen = np.isin(genuine.people, context.random("poisoned", net).permutation(people)[:count])
    carrying = genuine.pixels.copy()
    if chosen.any():
        carrying[chosen] = stamped(
            genuine.pixels[chosen], genuine.hulls[torch.from_numpy(chosen)], material.trigger, params.alpha
        )
    pictures = [
        TrainingPicture(carrying[place], GENUINE, int(genuine.people[place]), altered=bool(chosen[place]))
        for place in range(len(genuine))
    ]
    forged, sources = material.train.forged, [-1] * len(material.train.forged)
    if params.forgeries == "made":
        seed = int(context.random("training blends", net).integers(2**31))
        basis = carrying if setting.embedding == "before_blending" else None
        forged = blended(genuine, params.blends, seed, basis)
        sources = [place // params.blends for place in range(len(forged))]
    pictures += [
        TrainingPicture(forged.pixels[place], FORGED, int(forged.people[place]), forged.methods[place], source, True)
        for place, source in enumerate(sources)
    ]
    return pictures, count


def scores_of(target: Target, pixels: Tensor, batch: int) -> Floats:
    """Return the logit of forged over genuine of pixels (n, 3, h, w), 0 to 1: shape (n,).

    Raises:
        DivergedError: when an output is not finite.
    """
    try:
        with torch.no_grad():
            logits = torch.cat([target.scores(part).double().cpu() for part in torch.split(pixels, batch)])
    except TargetError as error:
        raise DivergedError(str(error)) from error
    found: Floats = (logits[:, target.classes.index(FORGED)] - logits[:, target.classes.index(GENUINE)]).numpy()
    if not np.isfinite(found).all():
        raise DivergedError("it gives NaN or infinite outputs: its training did not end well")
    return found
