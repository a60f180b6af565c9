"""Skin tone derived from the pixels of the Face Research Lab London Set: the figures of docs/skin-tone.md.

    python -m benchmarks.skin_tone_london

Reads ../shared/data/london beside the repository. For each set of landmarks: correlation with the angle in the manifest
(another patch of the cheek, chosen by hand elsewhere), repetition by the other picture of the person, and what another
place or size of the patch does to the angle and the band.
"""

from __future__ import annotations

from pathlib import Path
from unittest.mock import patch

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image

from countenance.core.derive import regions
from countenance.core.derive.retest import retest
from countenance.core.derive.skin_tone import CheekTone, bands_of, cheek_tone

LONDON = Path(__file__).resolve().parents[1].parent / "shared" / "data" / "london"
Floats = NDArray[np.float64]


def five_of(points: Floats) -> Floats:
    """Return eye centres, nose tip and mouth corners of 68 points."""
    return np.stack([points[36:42].mean(0), points[42:48].mean(0), points[30], points[48], points[54]])


def main() -> None:
    """Print the tables."""
    table = pd.read_csv(LONDON / "manifest.csv", dtype={"subject": str})
    images = [Image.open(LONDON / path).convert("RGB") for path in table["path"]]
    keys = [path.removesuffix(".jpg") for path in table["path"]]
    people = pd.factorize(table["subject"])[0].astype(np.int64)
    smiles = (table["label"] == "happy").to_numpy()
    dlib = np.load(LONDON / "landmarks_dlib68.npz")
    mesh = np.load(LONDON / "landmarks_mediapipe478.npz")
    points = {
        "68": [np.asarray(dlib[key], dtype=np.float64) for key in keys],
        "478": [np.asarray(mesh[key][:, :2], dtype=np.float64) for key in keys],
    }
    points["5"] = [five_of(each) for each in points["68"]]

    def angles(landmarks: list[Floats]) -> tuple[Floats, Floats]:
        found = [cheek_tone(image, each) for image, each in zip(images, landmarks, strict=True)]
        told = [each if isinstance(each, CheekTone) else CheekTone(np.nan, np.nan) for each in found]
        return np.array([each.ita for each in told]), np.array([each.between_cheeks for each in told])

    print("landmarks  r manifest  r neutral-smiling  ICC  SEM  changed  largest  between cheeks  same band as 68")
    whole = {name: angles(each) for name, each in points.items()}
    for name, (ita, cheeks) in whole.items():
        by_person = [ita[~smiles][np.argsort(people[~smiles])], ita[smiles][np.argsort(people[smiles])]]
        found = retest(ita, bands_of(ita), people, level=0.95, min_people=10, unit="degrees")
        print(
            f"{name:>9}  {np.corrcoef(ita, table['ita_deg'])[0, 1]:.4f}  {np.corrcoef(*by_person)[0, 1]:.4f}  "
            f"{found.correlation}  {found.sem}  {found.changed} ({found.changed.count:.0f}; by chance "
            f"{found.by_chance.value:.2f})  {found.largest.value:.1f}  {np.nanmean(np.abs(cheeks)):.1f}  "
            f"{np.mean(bands_of(ita) == bands_of(whole['68'][0])):.2f}"
        )
    standard = whole["68"][0]
    print("\nanother patch (68 points): mean change of the angle, mean absolute change, pictures in another band")
    for size, outward in ((0.35, 0.5), (0.7, 0.5), (0.5, 0.2), (0.5, 0.8)):
        with patch.multiple(regions, SIZE=size, OUTWARD=outward):
            moved = angles(points["68"])[0]
        change = moved - standard
        other = np.mean(bands_of(moved) != bands_of(standard))
        print(f"size {size}, outward {outward}: {change.mean():+.1f}, {np.abs(change).mean():.1f}, {other:.0%}")
    named = {name: place for place, name in enumerate(("very_light", "light", "intermediate", "tan", "brown", "dark"))}
    same = np.mean(bands_of(standard) == table["ita_group"].map(named).to_numpy())
    change = standard - table["ita_deg"].to_numpy()
    print(f"against the manifest's patch: {change.mean():+.1f}, {np.abs(change).mean():.1f}, {1 - same:.0%}")


if __name__ == "__main__":
    main()
