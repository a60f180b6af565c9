"""Do heatmaps show a planted local mark of a detector that learned it, and none where it learned something else?"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn

import countenance
from countenance.core.results import AuditResults
from countenance.synth.quick_faces import quick_faces

from .runner import Outcome, Row, Study

SIDE, PEOPLE, STEPS, BATCH = 64, 40, 100, 24
PATCH = 16
"""Side of the mark in pixels: 6 % of the picture."""
MARK, CAST = 0.25, 0.06
DETECTORS = {"learned the mark": (True, False), "learned a colour cast": (False, True)}
"""Whether the forgeries that a detector is trained on carry the mark, and the colour cast of the whole picture."""


@dataclass(frozen=True)
class Forgeries:
    """Genuine faces and forgeries of them.

    Attributes:
        genuine: (n, 3, h, w) 0..1.
        forged: of the same faces.
        masks: (n, h, w), where the mark is; it is there only if it was planted.
    """

    genuine: Tensor
    forged: Tensor
    masks: NDArray[np.bool_]


def plant(count: int, seed: int, *, mark: bool, cast: bool) -> Forgeries:
    """Draw faces and forge them.

    Args:
        count: how many.
        seed: of everything.
        mark: plant a fine checkerboard in a square somewhere on the face.
        cast: make the whole picture a little redder.
    """
    random = np.random.default_rng(seed)
    genuine = quick_faces(count, seed, SIDE).rgb.contiguous()
    forged = genuine.clone()
    masks = np.zeros((count, SIDE, SIDE), dtype=np.bool_)
    y, x = np.mgrid[:PATCH, :PATCH]
    checker = torch.from_numpy(MARK * ((y + x) % 2 * 2.0 - 1.0)).float()
    for at, (top, left) in enumerate(random.integers(4, SIDE - PATCH - 4, (count, 2)).tolist()):
        of = (slice(top, top + PATCH), slice(left, left + PATCH))
        masks[at][of] = True
        if mark:
            forged[at][:, of[0], of[1]] += checker
    if cast:
        forged[:, 0] += CAST
        forged[:, 2] -= CAST
    return Forgeries(genuine, forged.clamp(0, 1), masks)


class Detector(nn.Module):
    """Four convolutions, a mean over positions and one linear layer; outputs (n, 2): genuine, forged."""

    def __init__(self) -> None:
        super().__init__()
        widths = (3, 12, 16, 16, 16)
        layers: list[nn.Module] = []
        for before, after, stride in zip(widths[:-1], widths[1:], (2, 1, 2, 1), strict=True):
            layers += [nn.Conv2d(before, after, 3, stride, 1), nn.BatchNorm2d(after), nn.ReLU()]
        self.features = nn.Sequential(*layers)
        self.head = nn.Linear(widths[-1], 2)

    def forward(self, pixels: Tensor) -> Tensor:
        """Return logits (n, 2) for pixels (n, 3, h, w)."""
        logits: Tensor = self.head(self.features(pixels).mean((2, 3)))
        return logits


def train_detector(seed: int, *, mark: bool, cast: bool, steps: int = STEPS) -> Detector:
    """Train a detector on faces that no audit sees; a few seconds on one core."""
    torch.manual_seed(seed)
    faces = plant(600, seed + 1_000_000, mark=mark, cast=cast)
    net = Detector()
    optimizer = torch.optim.AdamW(net.parameters(), 4e-3)
    random = torch.Generator().manual_seed(seed)
    for _ in range(steps):
        chosen = torch.randint(len(faces.genuine), (BATCH,), generator=random)
        pixels = torch.cat([faces.genuine[chosen], faces.forged[chosen]])
        labels = torch.arange(2).repeat_interleave(BATCH)
        loss = nn.functional.cross_entropy(net(pixels), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return net.eval()


def write_faces(folder: Path, faces: Forgeries) -> pd.DataFrame:
    """Write genuine faces, forgeries and masks as files; return the manifest."""
    lines = []
    for at in range(len(faces.genuine)):
        for name, pixels in (("genuine", faces.genuine[at]), ("forged", faces.forged[at])):
            _save(folder / f"{at}_{name}.png", pixels.permute(1, 2, 0).numpy())
            mask = f"{at}_mask.png" if name == "forged" else ""
            method = "marked" if name == "forged" else ""
            lines.append([f"{at}_{name}.png", name, f"p{at}", method, mask, ("odd", "even")[at % 2]])
        _save(folder / f"{at}_mask.png", faces.masks[at])
    return pd.DataFrame(lines, columns=["path", "label", "subject", "method", "mask", "kind"])


def _save(file: Path, values: NDArray[Any]) -> None:
    Image.fromarray(np.round(values * 255.0).astype(np.uint8)).save(file)


def audit(net: nn.Module, frame: pd.DataFrame, folder: Path, **more: Any) -> AuditResults:
    """Audit a detector on written faces.

    Args:
        net: gives logits (n, 2).
        frame: the manifest.
        folder: of the pictures.
        more: parameters of the probe; ``out`` and ``data`` are those of the run.
    """
    out = more.pop("out", None)
    data = {
        "subject": "subject",
        "forgeries": {"method": "method", "mask": "mask"},
        "attributes": {"kind": {"assigned_by": "annotator"}},
        **more.pop("data", {}),
    }
    return countenance.run(
        model=net,
        faces=frame,
        folder=folder,
        out=out,
        task="forgery",
        classes=["genuine", "forged"],
        input={"size": SIDE, "mean": [0.0] * 3, "std": [1.0] * 3},
        data=data,
        probes=[{"probe": "forgery_localisation", **more}],
        batch_size=20,
    )


def simulate(seed: int) -> Row:
    """Return for both detectors whether the heatmaps were said to show the mark, and what they scored."""
    row: dict[Outcome, float] = {}
    for name, (mark, cast) in DETECTORS.items():
        net = train_detector(seed, mark=mark, cast=cast)
        with TemporaryDirectory() as folder:
            # Both are judged on forgeries that carry the mark, so that the masks tell the truth for both.
            frame = write_faces(Path(folder), plant(PEOPLE, seed, mark=True, cast=cast))
            results = audit(net, frame, Path(folder))
        told = {finding.id: finding for finding in results.findings()}
        shown = told.get("forgery_localisation.localisation.marked")
        row[Outcome(name, "said to show it")] = float(shown is not None and shown.severity == "note")
        for margin in ("mask_iou.over_ones", "pixel_auroc.over_genuine"):
            low = results[f"forgery_localisation/{margin}"].estimate.low
            row[Outcome(name, f"{margin} surely above 0")] = float(low is not None and low > 0)
        for metric in ("mask_iou", "mask_iou.null_ones", "pixel_auroc", "pixel_auroc.null_genuine", "blank_map"):
            value = results[f"forgery_localisation/{metric}"].estimate.value
            row[Outcome(name, f"mean {metric}")] = float("nan") if value is None else value
    return row


STUDY = Study(
    name="planted_forgeries",
    version=3,
    title="Whether heatmaps are said to show a planted local mark",
    about=f"Drawn faces of {PEOPLE} people, genuine and forged. A forgery carries a checkerboard of {PATCH} x {PATCH} "
    f"pixels at a random place of the {SIDE} x {SIDE}, and its mask. Of each seed one detector learned the mark, one "
    "a slight colour cast of the whole picture, which its forgeries have beside the mark. GradCAM.",
    simulate=simulate,
)
