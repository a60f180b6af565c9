"""How far our corruptions are from those of the package imagecorruptions, on fixed pictures of 224 pixels.

    python -m benchmarks corruption_agreement

Without chance: the largest difference of a pixel. With chance: mean and standard deviation of the change, and the share
of its power above 32 cycles over the picture. Two drawn faces and a smooth texture, five severities, and two London
faces where ../shared stands beside the repository. What differs most from face to face is drawn up to 40 times.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from benchmarks.published_corruptions import published
from numpy.typing import NDArray

from countenance.audit.robustness.corruptions import GROUPS, corrupt
from countenance.core.plan_file import load_plan
from countenance.core.setup import load_material
from countenance.synth.dataset import draw_crops

ROOT = Path(__file__).resolve().parents[1]
SIDE, SEVERITIES, ROUGH = 224, (1, 2, 3, 4, 5), 32
WITHOUT_CHANCE = ("defocus_blur", "zoom_blur", "brightness", "contrast", "pixelate", "jpeg_compression")
DRAWS = {"frost": 40, "fog": 20, "snow": 8, "motion_blur": 20}


def main() -> None:
    """Print a table in Markdown, every number over the five severities."""
    torch.set_num_threads(1)
    pictures = fixed_pictures()
    print(f"\n{len(pictures)} pictures, severities {', '.join(map(str, SEVERITIES))}; theirs / ours\n")
    print("| corruption | largest difference of a pixel | mean change | sd of the change | power above 32 cycles |")
    print("|---|---|---|---|---|")
    for name in GROUPS["imagenet_c"]:
        theirs, ours = both(name, pictures)
        if name in WITHOUT_CHANCE:
            print(f"| {name} | {np.abs(theirs - ours).max():.1e} | | | |")
            continue
        cells = [f"{of(theirs):.3f} / {of(ours):.3f}" for of in (np.mean, np.std, rough_share)]
        print(f"| {name} | | {' | '.join(cells)} |")


def both(name: str, pictures: NDArray[np.uint8]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the changes that theirs and ours make, (severities * draws * pictures, s, s, 3)."""
    np.random.seed(0)
    apply, draws = published(name), DRAWS.get(name, 1)
    rows = np.arange(draws * len(pictures))
    many = np.tile(pictures, (draws, 1, 1, 1))
    pixels = torch.from_numpy(many).permute(0, 3, 1, 2).float().div(255)
    theirs = [np.stack([apply(picture, severity) for picture in many]) - many / 255 for severity in SEVERITIES]
    ours = [
        corrupt(name, pixels, rows, severity, 0).permute(0, 2, 3, 1).numpy() - many / 255 for severity in SEVERITIES
    ]
    return np.concatenate(theirs), np.concatenate(ours)


def rough_share(change: NDArray[np.float64]) -> float:
    """Return the share of the power of the change above 32 cycles over the picture."""
    grey = change.mean(-1)
    power = np.abs(np.fft.fft2(grey - grey.mean((1, 2), keepdims=True))) ** 2
    line = np.fft.fftfreq(SIDE) * SIDE
    return float(power[:, np.hypot(line[:, None], line) >= ROUGH].sum() / power.sum())


def fixed_pictures() -> NDArray[np.uint8]:
    """Return pictures (n, 224, 224, 3)."""
    coarse = torch.rand((1, 3, 9, 9), generator=torch.Generator().manual_seed(0))
    texture = torch.nn.functional.interpolate(coarse, SIDE, mode="bicubic")[0].clamp(0, 1).permute(1, 2, 0) * 255
    found = [*draw_crops(2, 1, 3, SIDE, size=320).pixels, texture.numpy().astype(np.uint8)]
    if (ROOT.parent / "shared" / "data").is_dir():
        material = load_material(load_plan(ROOT / "tests" / "plans" / "london_face_expression.yaml"))
        object.__setattr__(material.faces, "height_width", (SIDE, SIDE))
        crops = next(material.faces.batches(2, np.array([0, 40]))).pixels
        found += list((crops * 255).round().permute(0, 2, 3, 1).numpy().astype(np.uint8))
    return np.stack(found)
