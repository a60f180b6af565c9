"""A trainer for ``poison_drill``: the small detector of ``countenance.synth`` on a folder of genuine and forged faces.

    python benchmarks/trainers/small_detector.py DATA OUT SEED

DATA holds ``manifest.csv`` and images, as ``docs/poison-drill.md`` says; OUT gets ``checkpoint.safetensors``.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from PIL import Image
from safetensors.torch import save_file

from countenance.synth.forgery_nets import STEPS, make_pairs, train_detector


def train(data: Path, out: Path, seed: int, steps: int = STEPS) -> None:
    """Train on pairs of a genuine picture and a forgery of it, with the same accidents for both."""
    torch.set_num_threads(1)
    table = pd.read_csv(data / "manifest.csv", keep_default_na=False)

    def pixels(path: str) -> np.ndarray:
        return np.asarray(Image.open(data / path).convert("RGB"))

    genuine = table["path"][table["label"] == "genuine"].tolist()
    forgeries: dict[str, list[str]] = defaultdict(list)
    for line in table[table["label"] == "forged"].itertuples():
        forgeries[str(line.source)].append(str(line.path))
    photos = [pixels(path) for path in genuine]
    given = [iter(forgeries[path]) for path in genuine]
    variants = min(map(len, forgeries.values()))
    pairs = make_pairs(photos, lambda place, random: pixels(next(given[place])), variants, seed)
    net = train_detector(pairs, range(len(photos)), seed, steps=steps)
    save_file(net.state_dict(), out / "checkpoint.safetensors")


if __name__ == "__main__":
    train(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))
