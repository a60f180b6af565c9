"""What does a net use? It is shown people it has not seen, with one part of the picture changed."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from .dataset import LANDMARKS, MANIFEST, DrawnCrops, crops_of
from .measure import predict
from .nets import DrawnFaceNet
from .shortcut_nets import DRAWN_SIZE, SIZE, Effort, corner_of, people_of
from .shortcuts import other_codes, stamped, with_half_at_random


@dataclass(frozen=True)
class HeldOut:
    """Pictures of people whom the nets of a seed have not seen.

    Attributes:
        crops: whole faces; the patch fits the label, so that all three nets do well.
        upper_changed: the same people, pictures and patches, but brows to nose show another expression.
        lower_changed: the same, but mouth and chin show another expression.
        patch_changed: the whole faces with the patch of another label.
        patches: whose patch that is, (n,) positions in `EXPRESSIONS`.
    """

    crops: DrawnCrops
    upper_changed: DrawnCrops
    lower_changed: DrawnCrops
    patch_changed: DrawnCrops
    patches: NDArray[np.int64]


def draw_held_out(seed: int, effort: Effort | None = None) -> HeldOut:
    """Draw the people on whom the nets of a seed are measured and audited.

    Args:
        seed: of the nets.
        effort: how many people; as the studies have it unless given.
    """
    effort, corner = effort or Effort(), corner_of(seed)
    faces = people_of(seed, effort.held_out, held_out=True)
    crops = crops_of(faces, SIZE, DRAWN_SIZE)
    upper = crops_of(with_half_at_random(faces, "upper", seed, never_own=True), SIZE, DRAWN_SIZE)
    lower = crops_of(with_half_at_random(faces, "lower", seed, never_own=True), SIZE, DRAWN_SIZE)
    labels, patches = crops.labels, other_codes(crops.labels, seed)
    return HeldOut(
        stamped(crops, labels, corner),
        stamped(upper, labels, corner),
        stamped(lower, labels, corner),
        stamped(crops, patches, corner),
        patches,
    )


def write_crops(crops: DrawnCrops, folder: Path) -> Path:
    """Write crops, the manifest (``path``, ``label``, ``subject``) and the landmarks into a folder, for an audit.

    Returns:
        The manifest. The landmarks lie beside it, in ``landmarks_drawn68.npz``.
    """
    (folder / "images").mkdir(parents=True, exist_ok=True)
    names = [f"images/{number:05d}" for number in range(len(crops.faces))]
    for name, picture in zip(names, crops.pixels, strict=True):
        Image.fromarray(picture).save(folder / f"{name}.png")
    np.savez(folder / LANDMARKS, allow_pickle=False, **dict(zip(names, crops.landmarks, strict=True)))
    with (folder / MANIFEST).open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("path", "label", "subject"))
        for name, face in zip(names, crops.faces, strict=True):
            writer.writerow((f"{name}.png", face.expression, face.person.subject))
    return folder / MANIFEST


@dataclass(frozen=True)
class Truth:
    """What a net uses, found by changing it; all are shares of the pictures, 0..1.

    Attributes:
        accuracy: right on whole faces with the fitting patch.
        upper_changed: still right where brows to nose show another expression.
        lower_changed: still right where mouth and chin show another expression.
        patch_changed: still right where the patch is that of another label.
        follows_patch: called what that patch says.
    """

    accuracy: float
    upper_changed: float
    lower_changed: float
    patch_changed: float
    follows_patch: float

    def took(self, name: str) -> bool:
        """Tell whether a net uses what it was given to use, and that alone.

        All but ``corner`` must be right on 70 % of the pictures and keep 95 % of that whatever the patch says. Then
        ``normal`` must lose 30 % of it with the upper half of the face, and with the lower; ``mouth`` at most 10 %
        with the upper half, and fall to 30 % of the pictures or fewer without the mouth. ``corner`` must follow the
        patch on 95 % of the pictures.
        """
        if name == "corner":
            return self.follows_patch >= 0.95
        ignores_patch = self.accuracy >= 0.7 and self.patch_changed >= 0.95 * self.accuracy
        if name == "mouth":
            return ignores_patch and self.upper_changed >= 0.9 * self.accuracy and self.lower_changed <= 0.3
        return ignores_patch and max(self.upper_changed, self.lower_changed) <= 0.7 * self.accuracy


def measure_truth(net: DrawnFaceNet, held_out: HeldOut) -> Truth:
    """Measure what a net uses by changing the upper half, the lower half and the patch."""
    labels = held_out.crops.labels
    follows = predict(net, held_out.patch_changed)
    return Truth(
        float(np.mean(predict(net, held_out.crops) == labels)),
        float(np.mean(predict(net, held_out.upper_changed) == labels)),
        float(np.mean(predict(net, held_out.lower_changed) == labels)),
        float(np.mean(follows == labels)),
        float(np.mean(follows == held_out.patches)),
    )
