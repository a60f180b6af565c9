"""Are faces of an expression that a net was not trained on told from the others? Drawn faces, real training."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F

from countenance.audit.robustness.open_set.confidence import confidences
from countenance.audit.robustness.open_set.rates import false_positive_rate
from countenance.core.statistics.auroc import auroc_influence
from countenance.synth.dataset import DrawnCrops, draw_crops
from countenance.synth.expression import EXPRESSIONS
from countenance.synth.nets import INPUT_SIZE, DrawnFaceNet, normalise

from .runner import Outcome, Row, Study

PEOPLE, HELD_OUT, EPOCHS, BATCH, RATE = 100, 40, 12, 32, 3e-3


def simulate(seed: int) -> Row:
    """Train a net without each expression and return AUROC and false positive rate of each score."""
    torch.set_num_threads(1)
    training = draw_crops(PEOPLE, len(EXPRESSIONS), 2 * seed + 90_000, INPUT_SIZE)
    held_out = draw_crops(HELD_OUT, len(EXPRESSIONS), 2 * seed + 90_001, INPUT_SIZE)
    row: dict[Outcome, float] = {}
    for place, name in enumerate(EXPRESSIONS):
        logits = _logits(_train(training, place, seed), held_out)
        labels = held_out.labels
        known = labels != place
        others = np.delete(np.arange(len(EXPRESSIONS)), place)
        right = others[logits[known].argmax(1)] == labels[known]
        row[Outcome(name, "accuracy on the others", "mean")] = float(right.mean())
        for score, values in confidences(logits).items():
            row[Outcome(name, f"AUROC, {score}", "mean")] = auroc_influence(values, known)[0]
            row[Outcome(name, f"FPR at 95 % TPR, {score}", "mean")] = false_positive_rate(values[known], values[~known])
    return row


def _train(crops: DrawnCrops, left_out: int, seed: int) -> DrawnFaceNet:
    """Train a net on all but one expression."""
    torch.manual_seed(seed)
    kept = np.flatnonzero(crops.labels != left_out)
    places = np.searchsorted(np.delete(np.arange(len(EXPRESSIONS)), left_out), crops.labels[kept])
    pixels, labels = torch.from_numpy(crops.pixels[kept]), torch.from_numpy(places)
    net = DrawnFaceNet(len(EXPRESSIONS) - 1)
    steps = len(labels) // BATCH
    optimiser = torch.optim.AdamW(net.parameters(), lr=RATE, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, total_steps=EPOCHS * steps)
    net.train()
    for _ in range(EPOCHS):
        order = torch.randperm(len(labels))
        for step in range(steps):
            chosen = order[step * BATCH : (step + 1) * BATCH]
            shown = normalise(pixels[chosen])
            shown = torch.where(torch.rand(len(shown), 1, 1, 1) < 0.5, shown.flip(3), shown)
            loss = F.cross_entropy(net(shown), labels[chosen])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
    return net.eval()


def _logits(net: DrawnFaceNet, crops: DrawnCrops) -> np.ndarray:
    with torch.no_grad():
        parts = [net(normalise(part)) for part in torch.from_numpy(crops.pixels).split(64)]
    return torch.cat(parts).double().numpy()


STUDY = Study(
    name="open_set_left_out",
    version=1,
    title="Leave one expression out on drawn faces",
    about=f"For each of the seven expressions a net was trained on the other six ({PEOPLE} drawn people, each with "
    f"every expression; {EPOCHS} epochs) and shown {HELD_OUT} others: known are faces with the six expressions, "
    "unknown those with the seventh. Means over the seeds.",
    simulate=simulate,
)
