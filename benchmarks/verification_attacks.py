"""Impersonation and dodging of two nets that tell drawn people apart, one of them trained to resist small changes.

    python -m benchmarks verification_attacks

Draws the people, trains both nets (about two minutes on one quiet core), audits them through a plan each, with pairs
made by person, and prints the tables of docs/verification-attacks.md: on drawn people whom they have not seen, and on
the London faces where ../shared has them.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import torch
import yaml
from safetensors.torch import save_file

from countenance.core.api import run_plan
from countenance.core.plan_file import load_plan
from countenance.core.results import AuditResults
from countenance.synth.dataset import draw_dataset
from countenance.synth.embedding_nets import EMBEDDING_INPUT, EmbeddingRecipe, train_embedding

HELD_OUT_PEOPLE, HELD_OUT_EACH, HELD_OUT_SEED, DRAWN = 60, 4, 9000, 128
LONDON = Path(__file__).resolve().parents[2] / "shared" / "data" / "london" / "manifest.csv"
RECIPES = {"plain": EmbeddingRecipe(), "resisting": EmbeddingRecipe(resist=4 / 255)}
EPS = ("1/5100", "2/255", "4/255", "8/255")
PROBE = "verification_attacks"


def plan_of(folder: Path, net: str, people: str) -> Path:
    """Write the plan of one net and the people it is tried on, and return it."""
    data: dict[str, object] = {"subject": "subject", "box": ["face_x0", "face_y0", "face_x1", "face_y1"]}
    if people == "drawn people":
        data |= {
            "manifest": "faces/manifest.csv",
            "id": "face_id",
            "attributes": {"skin_tone": {"assigned_by": "derived"}},
        }
    else:
        data |= {"manifest": str(LONDON), "attributes": {"gender": {"assigned_by": "self-reported"}}}
    plan = {
        "version": 1,
        "name": f"{people}, {net} net",
        "seed": 7,
        "target": {
            "checkpoint": f"{net}.safetensors",
            "factory": "countenance.synth.embedding_nets:EmbeddingNet",
            "task": "verification",
            "input": {"size": EMBEDDING_INPUT, "mean": [0.5], "std": [0.25]},
            "output": "embedding",
        },
        "data": data,
        "run": {"batch_size": 32, "cache": False},
        "probes": [{"probe": PROBE, "eps": list(EPS)}],
    }
    file = folder / f"{net}.yaml"
    file.write_text(yaml.safe_dump(plan))
    return file


def _told(results: AuditResults, goal: str, attack: str, eps: str, photo: str) -> str:
    estimate = results[f"{PROBE}/{goal}@attack={attack},eps={eps},photo={photo}"].estimate
    if estimate.value is None:
        return "not measured"
    return f"{estimate.value:.3f} ({estimate.low:.3f}-{estimate.high:.3f})"


def show(results: AuditResults) -> None:
    """Print the table of one audit and its findings."""
    threshold, fnmr = (results[f"{PROBE}/{metric}@far=0.01"].estimate for metric in ("threshold", "fnmr"))
    print(f"\n{results.name}: at a FAR of 0.01 the threshold is {threshold.value:.3f} and the FNMR {fnmr}")
    print("\n".join(results.data.notes))
    print("| goal | eps | pgd, given photo | pgd, another photo | noise, given photo |\n|---|---|---|---|---|")
    for goal in ("impersonation", "dodging"):
        clean = (_told(results, goal, "none", "0", photo) for photo in ("given", "other"))
        print(f"| {goal} | 0 | {' | '.join(clean)} | |")
        for eps in EPS:
            cells = [_told(results, goal, "pgd", eps, photo) for photo in ("given", "other")]
            print(f"| {goal} | {eps} | {' | '.join(cells)} | {_told(results, goal, 'noise', eps, 'given')} |")
    for finding in results.probes[0].findings:
        print(f"{finding.severity}: {finding.claim}", flush=True)


def main() -> None:
    """Print the tables."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        draw_dataset(folder / "faces", HELD_OUT_PEOPLE, HELD_OUT_EACH, HELD_OUT_SEED, size=DRAWN)
        for net, recipe in RECIPES.items():
            save_file(train_embedding(recipe).state_dict(), folder / f"{net}.safetensors")
            for people in ("drawn people", "London faces"):
                if people == "drawn people" or LONDON.is_file():
                    show(run_plan(load_plan(plan_of(folder, net, people))))


if __name__ == "__main__":
    main()
