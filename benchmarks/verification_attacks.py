"""Impersonation and dodging of two nets that tell drawn people apart, one of them trained to resist small changes.

    python -m benchmarks verification_attacks

Draws the people, trains both nets (about two minutes on one quiet core), audits them through a plan each, with pairs
made by person, and prints the table of docs/verification-attacks.md.
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
RECIPES = {"plain": EmbeddingRecipe(), "resisting": EmbeddingRecipe(resist=4 / 255)}
EPS = ("1/5100", "2/255", "4/255", "8/255")
PROBE = "verification_attacks"


def plan_of(folder: Path, name: str) -> Path:
    """Write the plan of one net and return it."""
    plan = {
        "version": 1,
        "name": f"drawn people, {name} net",
        "seed": 7,
        "target": {
            "checkpoint": f"{name}.safetensors",
            "factory": "countenance.synth.embedding_nets:EmbeddingNet",
            "task": "verification",
            "input": {"size": EMBEDDING_INPUT, "mean": [0.5], "std": [0.25]},
            "output": "embedding",
        },
        "data": {
            "manifest": "faces/manifest.csv",
            "id": "face_id",
            "subject": "subject",
            "box": ["face_x0", "face_y0", "face_x1", "face_y1"],
            "attributes": {"skin_tone": {"assigned_by": "derived"}, "gender_presentation": {"assigned_by": "derived"}},
        },
        "run": {"batch_size": 32, "cache": False},
        "probes": [{"probe": "performance", "fmr": 0.01}, {"probe": PROBE, "eps": list(EPS)}],
    }
    file = folder / f"{name}.yaml"
    file.write_text(yaml.safe_dump(plan))
    return file


def _told(results: AuditResults, goal: str, attack: str, eps: str, photo: str) -> str:
    estimate = results[f"{PROBE}/{goal}@attack={attack},eps={eps},photo={photo}"].estimate
    return f"{estimate.value:.3f} ({estimate.low:.3f}-{estimate.high:.3f})"


def main() -> None:
    """Print the table."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        draw_dataset(folder / "faces", HELD_OUT_PEOPLE, HELD_OUT_EACH, HELD_OUT_SEED, size=DRAWN)
        found = {}
        for name, recipe in RECIPES.items():
            save_file(train_embedding(recipe).state_dict(), folder / f"{name}.safetensors")
            found[name] = run_plan(load_plan(plan_of(folder, name)))
    for name, results in found.items():
        fnmr = results[f"{PROBE}/fnmr@far=0.01"].estimate
        print(
            f"\n{name}: FNMR {fnmr} at FAR 0.01, threshold {results[f'{PROBE}/threshold@far=0.01'].estimate.value:.3f}"
        )
        for note in results.data.notes:
            print(note)
        print("| goal | eps | pgd, given photo | pgd, another photo | noise, another photo |\n|---|---|---|---|---|")
        for goal in ("impersonation", "dodging"):
            clean = _told(results, goal, "none", "0", "given"), _told(results, goal, "none", "0", "other")
            print(f"| {goal} | 0 | {clean[0]} | {clean[1]} | |")
            for eps in EPS:
                cells = [_told(results, goal, "pgd", eps, photo) for photo in ("given", "other")]
                print(f"| {goal} | {eps} | {' | '.join(cells)} | {_told(results, goal, 'noise', eps, 'other')} |")
        for finding in results.probes[1].findings:
            print(f"{finding.severity}: {finding.claim}")


if __name__ == "__main__":
    main()
