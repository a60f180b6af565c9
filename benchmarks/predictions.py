"""Predictions: the product's pass over the faces against a bare loop over the same decoded batches and net."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from benchmarks.timing import side_by_side, tell

from countenance.core.faces import FaceBatch, Faces
from countenance.core.manifest import read_manifest
from countenance.core.plan import DataSpec, InputSpec, TargetSpec
from countenance.core.predict import predict
from countenance.core.target import Target
from countenance.synth.dataset import draw_dataset
from countenance.synth.nets import DrawnFaceNet

CLASSES = ["neutral", "happy", "sad", "angry", "fearful", "disgusted", "surprised"]
BATCH = 16


class DecodedFaces(Faces):
    """Faces whose batches were decoded before the clock starts."""

    kept: list[FaceBatch]

    def batches(self, *arguments: Any, **options: Any) -> Iterator[FaceBatch]:
        """Give the decoded batches."""
        return iter(self.kept)


def main() -> None:
    """Print the ratios."""
    torch.set_num_threads(1)
    net = DrawnFaceNet().eval()
    pixels = InputSpec(size=96, mean=[0.5], std=[0.25])
    spec = TargetSpec(checkpoint="live", task="expression", classes=CLASSES, input=pixels, output="logits")
    target = Target(net, spec, format="module")
    with tempfile.TemporaryDirectory() as scratch:
        draw_dataset(Path(scratch), subjects=40, per_subject=7, seed=1)
        data = DataSpec(subject="subject", box=("face_x0", "face_y0", "face_x1", "face_y1"))
        manifest = read_manifest(Path(scratch) / "manifest.csv", data, CLASSES)
        faces = Faces.from_manifest(manifest, data, Path(scratch), target.size)
        batches = list(faces.batches(BATCH))
        decoded = DecodedFaces(frame=faces.frame, height_width=faces.height_width)
        object.__setattr__(decoded, "kept", batches)

        def bare() -> None:
            with torch.no_grad():
                for batch in batches:
                    net((batch.pixels - 0.5) / 0.25)

        def nothing(count: int = 1) -> None:
            return None

        ways = {
            "bare loop, decoded batches": bare,
            "predictions, decoded batches": lambda: predict(target, decoded, BATCH, nothing),
            "predictions, from image files": lambda: predict(target, faces, BATCH, nothing),
        }
        best = side_by_side(ways)
    tell(f"Predictions of {len(faces)} drawn faces, batches of {BATCH}", best, "bare loop, decoded batches")
    helped = [sys.executable, "-m", "countenance.cli", "--help"]
    wall = side_by_side({"countenance --help": lambda: subprocess.run(helped, check=True, capture_output=True)}, 5)
    print(f"\ncountenance --help: {wall['countenance --help'].wall:.2f} s wall")


if __name__ == "__main__":
    main()
