"""Heatmaps: peak memory of a whole audit with heatmaps, for few faces and for many.

    python -m benchmarks heatmaps

Times of class activation maps and of the warp to the canonical face: ``python -m benchmarks cams``.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from countenance.synth.dataset import draw_dataset

GROWTH = 0.10
PEOPLE = 143
"""Each with seven faces: a thousand of them, and ten thousand."""


def main() -> None:
    """Print peak memories; memory that grows with faces is an error."""
    torch.set_num_threads(1)
    compare_memory()


AUDIT = """
import json, sys
from pathlib import Path
import pandas as pd, torch
import countenance
from countenance.synth.expression import EXPRESSIONS
from countenance.synth.nets import INPUT_SIZE, MEAN, STD, DrawnFaceNet

def peak():
    # Not ru_maxrss: a child inherits its parent's.
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024

folder, per_class = Path(sys.argv[1]), int(sys.argv[2])
torch.set_num_threads(1)
torch.manual_seed(0)
frame = pd.read_csv(folder / "manifest.csv", dtype={"face_id": str, "subject": str})
box = ["face_x0", "face_y0", "face_x1", "face_y1"]
before = peak()
results = countenance.run(
    model=DrawnFaceNet(), faces=frame, folder=folder, classes=EXPRESSIONS, batch_size=16,
    input={"size": INPUT_SIZE, "mean": MEAN, "std": STD},
    data={"id": "face_id", "label": "label", "subject": "subject", "box": box, "landmarks": "landmarks.npz"},
    probes=[{"probe": "global_heatmaps", "select": "label", "per_class": per_class}],
)
(probe,) = results.probes
assert probe.status == "ok", probe.reason
explained = sum(m.estimate.n for m in probe.measurements if m.metric == "faces_without_map")
print(json.dumps({"faces": len(frame), "explained": explained, "peak": peak(), "before": before}))
"""


def compare_memory() -> None:
    """Peak memory of a whole audit with heatmaps, for few faces, ten times the people, ten times the pictures."""
    if not Path("/proc/self/status").is_file():
        print("\nMemory: not measured, as this system has no /proc/self/status to read the peak from")
        return
    with tempfile.TemporaryDirectory() as scratch:
        drawn = Path(scratch) / "drawn"
        draw_dataset(drawn, subjects=PEOPLE, per_subject=7, seed=1)
        found = {
            "as many as are explained": audit(many_faces(drawn, Path(scratch) / "few", 1), PEOPLE),
            "ten times the people": audit(many_faces(drawn, Path(scratch) / "people", 10), PEOPLE),
            "ten times the faces, all explained": audit(many_faces(drawn, Path(scratch) / "faces", 10, True), 500),
        }
    print(f"\nPeak memory of an audit with heatmaps, drawn faces, {PEOPLE} people for each class")
    print(f"{'':<44}{'faces':>9}{'explained':>11}{'peak MiB':>10}{'after imports':>15}{'ratio':>8}")
    few = next(iter(found.values()))
    for name, one in found.items():
        told = f"{one['peak']:>10.0f}{one['before']:>15.0f}{one['peak'] / few['peak']:>8.3f}"
        print(f"{name:<44}{one['faces']:>9.0f}{one['explained']:>11.0f}{told}")
    most = max(one["peak"] for one in found.values())
    assert most <= (1 + GROWTH) * few["peak"], f"peak memory grew from {few['peak']:.0f} to {most:.0f} MiB"


def many_faces(drawn: Path, folder: Path, times: int, of_each: bool = False) -> Path:
    """Write a manifest of the drawn faces several times over, as other people or as more faces of the same.

    The pictures are the same, which memory does not know: each row is read and explained anew.
    """
    frame = pd.read_csv(drawn / "manifest.csv", dtype=str)
    with np.load(drawn / "landmarks_drawn68.npz") as stored:
        points = {name: stored[name] for name in stored.files}
    parts, landmarks = [], {}
    for copy in range(times):
        part = frame.assign(path="../drawn/" + frame["path"], face_id=[f"{copy}_{row}" for row in range(len(frame))])
        if not of_each:
            part["subject"] = part["subject"] + f"_{copy}"
        parts.append(part)
        names = zip(part["face_id"], frame["path"], strict=True)
        landmarks |= {face: points[path.rpartition(".")[0]] for face, path in names}
    folder.mkdir()
    pd.concat(parts).to_csv(folder / "manifest.csv", index=False)
    np.savez(folder / "landmarks.npz", **landmarks)
    return folder


def audit(folder: Path, *arguments: int) -> dict[str, float]:
    command = [sys.executable, "-c", textwrap.dedent(AUDIT), str(folder), *map(str, arguments)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


if __name__ == "__main__":
    main()
