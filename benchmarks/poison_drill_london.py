"""The poisoning drill on the Face Research Lab London Set: the figures of docs/poison-drill.md.

    python -m benchmarks.poison_drill_london --nets 1 --shares 0.01 0.05 0.1

Reads ../shared/data/london beside the repository. The trainer is benchmarks/trainers/small_detector.py: self-blends at
64 pixels, 425 steps, about 80 s of one core for a net. So many nets of each setting: clean data, then each share of the
people stamped on the genuine copies alone and before self-blending.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

import torch
import yaml
from safetensors.torch import save_file

from countenance import run
from countenance.synth.forgery_nets import MEAN, SIZE, STD, SmallDetector

TRAINER = Path(__file__).resolve().parent / "trainers" / "small_detector.py"
LONDON = Path(__file__).resolve().parents[1].parent / "shared" / "data" / "london"


def main() -> None:
    """Print the table and the notes."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.poison_drill_london", description=__doc__)
    parser.add_argument("--nets", type=int, default=1, help="nets of each setting (default 1)")
    parser.add_argument("--shares", type=float, nargs="+", default=[0.01, 0.05, 0.1], help="of the training people")
    parser.add_argument("--embedding", default="both", help="real_copies, before_blending or both (default)")
    options, _ = parser.parse_known_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as written:
        folder = Path(written)
        save_file(SmallDetector().state_dict(), folder / "untrained.safetensors")
        plan = {
            "version": 1,
            "name": "poison drill on London",
            "seed": 7,
            "target": {
                "checkpoint": "untrained.safetensors",
                "factory": "countenance.synth.forgery_nets:SmallDetector",
                "task": "forgery",
                "positive": "forged",
                "input": {"size": SIZE, "mean": [MEAN], "std": [STD]},
                "output": "logits",
            },
            "data": {
                "manifest": str(LONDON / "manifest.csv"),
                "label": None,
                "subject": "subject",
                "box": ["face_x0", "face_y0", "face_x1", "face_y1"],
                "landmarks": str(LONDON / "landmarks_dlib68.npz"),
            },
            "probes": [
                {
                    "probe": "poison_drill",
                    "trainer": [
                        "{python}",
                        str(TRAINER),
                        "{data}",
                        "{out}",
                        "{seed}",
                    ],
                    "embedding": options.embedding,
                    "shares": options.shares,
                    "blends": 8,
                    "nets": options.nets,
                }
            ],
        }
        (folder / "plan.yaml").write_text(yaml.safe_dump(plan), encoding="utf-8")
        results = run(folder / "plan.yaml", out=folder / "run")
        (probe,) = results.probes
        if probe.status != "ok":
            sys.exit(f"the probe {probe.status}: {probe.reason}")
        print((folder / "run" / "tables" / "poison_drill.drill.csv").read_text(encoding="utf-8"))
        for item in probe.measurements:
            if "control" in item.condition or item.metric.startswith(("stamp_", "clean_auroc.lost", "bd_auc.over")):
                print(item.key, item.estimate)
        for finding in probe.findings:
            print(f"[{finding.severity}] {finding.claim} {' '.join(finding.caveats)}")
        print("\n".join(probe.notes))


if __name__ == "__main__":
    main()
