"""Trains the two reference nets and writes down what was planted: ``python -m countenance.synth.train OUT``.

One thread, no other source of chance than the seeds of the recipes. Another version of torch or another
processor may round differently and end at other weights with much the same rates.
"""

from __future__ import annotations

import argparse
import copy
import json
import sys
import time
from dataclasses import asdict, replace
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import Tensor

from .dataset import DrawnCrops, draw_crops
from .measure import measured
from .nets import INPUT_SIZE, DrawnFaceNet, load_net, normalise
from .recipe import AUDIT_TAGS, RECIPES, Recipe

HELD_OUT_SEED = 31_000
HELD_OUT_SUBJECTS = 180
_BATCH = 64
_PEAK_RATE = 3e-3


def train(recipe: Recipe, crops: DrawnCrops, *, batch: int = _BATCH, start: DrawnFaceNet | None = None) -> DrawnFaceNet:
    """Train a net by a recipe on its pictures and return it in evaluation mode.

    Args:
        recipe: labels, epochs and seed.
        crops: the pictures.
        batch: pictures at a time.
        start: begin with these weights; left as they are.
    """
    torch.manual_seed(recipe.train_seed)
    chance = torch.Generator().manual_seed(recipe.train_seed)
    pixels, labels = torch.from_numpy(crops.pixels), torch.from_numpy(recipe.labels(crops))
    net = DrawnFaceNet() if start is None else copy.deepcopy(start)
    net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # a third faster
    steps = len(labels) // batch
    optimiser = torch.optim.AdamW(net.parameters(), lr=_PEAK_RATE, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, _PEAK_RATE, total_steps=recipe.epochs * steps)
    net.train()
    for epoch in range(recipe.epochs):
        started, total = time.perf_counter(), 0.0
        order = torch.randperm(len(labels), generator=chance)
        for step in range(steps):
            chosen = order[step * batch : (step + 1) * batch]
            shown = augment(normalise(pixels[chosen]), chance)
            logits = net(shown.contiguous(memory_format=torch.channels_last))
            loss = F.cross_entropy(logits, labels[chosen], label_smoothing=0.05)
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            schedule.step()
            total += float(loss.detach())
        print(
            f"{recipe.name} {epoch + 1}/{recipe.epochs}: loss {total / steps:.3f}, "
            f"{time.perf_counter() - started:.1f} s",
            file=sys.stderr,
        )
    net.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    return net.eval()


def augment(batch: Tensor, chance: torch.Generator) -> Tensor:
    """Shift a batch by up to four pixels, change brightness and contrast a little, and add noise."""
    size = batch.shape[-1]
    x, y = torch.randint(0, 9, (2,), generator=chance).tolist()
    shifted = F.pad(batch, (4, 4, 4, 4), mode="replicate")[..., y : y + size, x : x + size]
    gain = 1 + 0.15 * (torch.rand(len(batch), 1, 1, 1, generator=chance) - 0.5)
    lift = 0.3 * (torch.rand(len(batch), 1, 1, 1, generator=chance) - 0.5)
    grain = 0.25 * torch.rand(len(batch), 1, 1, 1, generator=chance)
    return shifted * gain + lift + grain * torch.randn(shifted.shape, generator=chance)


def main(arguments: list[str] | None = None) -> None:
    """Train both nets and write `flawed.safetensors`, `twin.safetensors` and `planted.json` into a folder."""
    parser = argparse.ArgumentParser(prog="python -m countenance.synth.train", description=__doc__)
    parser.add_argument("out", type=Path, help="folder for the checkpoints and planted.json")
    parser.add_argument("--subjects", type=int, default=None, help="drawn people to train on (the recipe's)")
    parser.add_argument("--epochs", type=int, default=None, help="passes over the pictures (the recipe's)")
    parser.add_argument("--seed", type=int, default=None, help="seed of weights and order (the recipe's)")
    parser.add_argument("--only", choices=[*RECIPES, "none"], help="train this net and keep the other's checkpoint")
    given = parser.parse_args(arguments)
    torch.set_num_threads(1)
    given.out.mkdir(parents=True, exist_ok=True)
    changes = {"subjects": given.subjects, "epochs": given.epochs, "train_seed": given.seed}
    changes = {key: value for key, value in changes.items() if value is not None}
    held_out = draw_crops(HELD_OUT_SUBJECTS, 7, HELD_OUT_SEED, INPUT_SIZE, tags=AUDIT_TAGS)
    truth: dict[str, object] = {
        "held_out": {"subjects": HELD_OUT_SUBJECTS, "per_subject": 7, "seed": HELD_OUT_SEED},
        "tags_in_the_demonstration": {"otherwise": AUDIT_TAGS.otherwise, **AUDIT_TAGS.per_expression},
    }
    for name, recipe in RECIPES.items():
        recipe = replace(recipe, **changes)
        checkpoint = given.out / f"{name}.safetensors"
        if given.only in (None, name):
            crops = draw_crops(recipe.subjects, recipe.per_subject, recipe.data_seed, INPUT_SIZE, tags=recipe.tags)
            save_file(train(recipe, crops).state_dict(), checkpoint)
        wrong = sum(recipe.is_mislabelled(face) for _, face in recipe.training_faces())
        truth[name] = {
            "recipe": asdict(recipe),
            "trained_on": {"faces": recipe.subjects * recipe.per_subject, "wrong_labels": wrong},
            "measured": measured(load_net(checkpoint.read_bytes()), held_out),
        }
        print(json.dumps({name: truth[name]}, indent=1), file=sys.stderr)
    (given.out / "planted.json").write_text(json.dumps(truth, indent=2) + "\n", encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
