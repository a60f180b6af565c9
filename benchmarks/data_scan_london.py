"""How well fine detail in the face tells stamped photos: the figures of docs/data-scan.md.

    python -m benchmarks.data_scan_london

Reads ../shared/data/london beside the repository. All 204 photos, cropped to 64, 96 and 256 pixels, each against itself
with the translation-sensitive stamp in the hull of its landmarks. A photo is flagged by its rank among the plain photos
of the other people. Last the same where the clean photos were sharpened or saved differently than the scanned ones.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import torch
from PIL import Image, ImageFilter
from torch import Tensor

from countenance.audit.backdoors.data_scan.calibration import Reference
from countenance.audit.backdoors.data_scan.energy import fine_detail
from countenance.audit.backdoors.poisoned_forgery.embedding import embed, face_hulls
from countenance.audit.backdoors.poisoned_forgery.generator import Scale, sensitive_trigger
from countenance.audit.backdoors.poisoned_forgery.measures import visibility
from countenance.audit.forgery.making import Photo, face_crop, photo_of, through_codec
from countenance.core.probes import Scores
from countenance.core.results import Estimate
from countenance.core.statistics.auroc import auroc
from countenance.core.statistics.rules import StatisticsRules
from countenance.core.statistics.slicing import slice_scores

LONDON = Path(__file__).resolve().parents[1].parent / "shared" / "data" / "london"
RATE = 0.05
SIZES: tuple[tuple[int, Scale], ...] = ((64, 1), (64, 2), (96, 1), (96, 2), (256, 1), (256, 2))
RULES = StatisticsRules()


def london() -> tuple[list[Photo], np.ndarray]:
    """Return the photos with their landmarks, and the person of each."""
    table = pd.read_csv(LONDON / "manifest.csv", dtype={"subject": str})
    points = np.load(LONDON / "landmarks_dlib68.npz")
    photos = []
    for path in table["path"]:
        pixels = np.asarray(Image.open(LONDON / path).convert("RGB"))
        photos.append(photo_of(pixels, points[path.removesuffix(".jpg")]))
    return photos, pd.factorize(table["subject"])[0].astype(np.int64)


def crops(photos: list[Photo], size: int) -> tuple[Tensor, Tensor]:
    """Return pixels (n, 3, size, size), 0 to 1, and hulls (n, 1, size, size)."""
    cut = [face_crop(photo, size) for photo in photos]
    pixels = torch.from_numpy(np.stack([each.pixels for each in cut])).permute(0, 3, 1, 2).float() / 255
    return pixels, face_hulls(np.stack([each.landmarks for each in cut]), size, size)


def told(estimate: Estimate) -> str:
    """Write an estimate shortly."""
    if estimate.value is None:
        return f"not measured: {estimate.reason}"
    return f"{estimate.value:.2f} [{estimate.low:.2f}, {estimate.high:.2f}]"


def compared(plain: np.ndarray, stamped: np.ndarray, people: np.ndarray) -> tuple[Estimate, Estimate]:
    """Return the AUROC of stamped against plain, and the share of the stamped that is flagged."""
    positive = np.repeat([True, False], len(plain))
    ranked = auroc(np.concatenate([stamped, plain]), positive, np.tile(people, 2), RULES)
    return ranked, flagged(stamped, Reference(plain, people), people)


def flagged(scores: np.ndarray, reference: Reference, people: np.ndarray) -> Estimate:
    """Return the share of scores that are flagged."""
    flags = reference.flags(scores, people, RATE).astype(np.float64)
    rate = Scores("rate", np.arange(len(scores)), flags, kind="rate", exact=True)
    return slice_scores(rate, people, (), RULES, "study")[0].estimate


def main() -> None:
    """Print the tables."""
    torch.set_num_threads(1)
    photos, people = london()
    print("| px | pixels a cell | alpha | AUROC | found at 5 % | false alarms | PSNR | SSIM | largest change |")
    print("|---|---|---|---|---|---|---|---|---|")
    for size, scale in SIZES:
        pixels, hulls = crops(photos, size)
        plain = fine_detail(pixels, hulls)
        own = flagged(plain, Reference(plain, people), people)
        trigger = sensitive_trigger(1, size, scale=scale)
        for alpha in (0.02, 0.05, 0.1):
            changed = embed(pixels, trigger, hulls, alpha).mul(255).round().div(255)
            ranked, found = compared(plain, fine_detail(changed, hulls), people)
            seen = visibility(pixels, changed)
            print(
                f"| {size} | {scale} | {alpha} | {told(ranked)} | {told(found)} | {told(own)} | {seen.psnr.mean():.1f} "
                f"| {seen.ssim.mean():.3f} | {seen.linf.mean():.0f} |"
            )
    print("\nclean photos prepared in another way than the scanned ones, none of them stamped, 96 px: flagged")
    plain = fine_detail(*crops(photos, 96))
    ways = {
        "sharpened (unsharp mask, radius 1, 100 %)": lambda image: image.filter(ImageFilter.UnsharpMask(1, 100, 0)),
        "blurred (sigma 0.7)": lambda image: image.filter(ImageFilter.GaussianBlur(0.7)),
        "JPEG 50": lambda image: Image.fromarray(through_codec(np.asarray(image), 50)),
    }
    for name, way in ways.items():
        cut = [face_crop(photo, 96) for photo in photos]
        other = np.stack([np.asarray(way(Image.fromarray(each.pixels))) for each in cut])
        hulls = face_hulls(np.stack([each.landmarks for each in cut]), 96, 96)
        scores = fine_detail(torch.from_numpy(other).permute(0, 3, 1, 2).float() / 255, hulls)
        print(f"| scanned photos {name} | {told(flagged(scores, Reference(plain, people), people))} |")


if __name__ == "__main__":
    main()
