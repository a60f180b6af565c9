"""Does the probe rank a net that was trained to resist above its plain twin, and tell nothing of a failing attack?

Both nets of a seed learn the same drawn people from the same first weights in the same order; ``resistant`` sees every
picture perturbed against itself. They are audited on people neither has seen, by the tier ``quick``.
"""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass

import pandas as pd
import torch
from torch import nn

from countenance.audit.robustness.adversarial import AdversarialParams, adversarial
from countenance.core.plan import TargetSpec
from countenance.core.predictions import Predictions
from countenance.core.probes import ProbeContext, Scores
from countenance.core.results import Estimate, Finding
from countenance.core.statistics.rules import StatisticsRules
from countenance.core.statistics.slicing import slice_scores
from countenance.core.target import Target
from countenance.synth.dataset import DrawnCrops
from countenance.synth.expression import EXPRESSIONS
from countenance.synth.resistant_nets import NETS, SIZE, held_out, pixels_of, train_nets

from .leakage_nets import DrawnFaces
from .runner import OURS, Outcome, Row, Study

EPS = ("2/255", "4/255", "8/255")
TIER = "quick"
HEADLINE = "accuracy"
"""The finding that says how far accuracy fell; every other one says that the attack did not do its work."""


@dataclass(frozen=True)
class Audited:
    """What the probe said of a net: accuracy as it is and under attack, by eps, and whether an attack failed."""

    accuracy: dict[str, Estimate]
    failures: frozenset[str]


def context_of(net: nn.Module, seed: int, crops: DrawnCrops) -> ProbeContext:
    """Lay out what the runner would give the probe."""
    rows = [
        {
            "face_id": str(row),
            "path": "",
            "label": face.expression,
            "subject": face.person.subject,
            "split": "",
            "may_publish": True,
        }
        for row, face in enumerate(crops.faces)
    ]
    block = {
        "checkpoint": "a.pt",
        "task": "expression",
        "classes": list(EXPRESSIONS),
        "input": {"size": SIZE, "mean": [0.5], "std": [0.25]},
        "output": "logits",
    }
    target = Target(net.requires_grad_(False), TargetSpec.model_validate(block), format="module")
    held = DrawnFaces(pd.DataFrame(rows), height_width=(SIZE, SIZE), has_subjects=True).hold(pixels_of(crops))
    with torch.no_grad():
        values = target.probabilities(target(held.held)).double().numpy()  # type: ignore[attr-defined]
    return ProbeContext(
        probe_id="adversarial",
        faces=held,
        predictions=Predictions("expression", EXPRESSIONS, values, crops.labels),
        target=target,
        rules=StatisticsRules(),
        seed=seed,
        batch_size=64,
        progress=lambda unit, total: nullcontext(lambda count=1: None),
    )


def audit(context: ProbeContext) -> Audited:
    """Run the probe and keep what the study asks for."""
    accuracy, failures = {}, set()
    for output in adversarial(context, AdversarialParams.model_validate({"attack": TIER, "eps": list(EPS)})):
        if isinstance(output, Scores) and output.metric == "accuracy" and output.condition["attack"] != "noise":
            subjects = context.faces.subject_codes
            found = slice_scores(output, subjects, (), context.rules, context.probe_id)[0].estimate
            accuracy[output.condition["eps"]] = found
        if isinstance(output, Finding):
            failures.add(output.id.rpartition(".")[2])
    return Audited(accuracy, frozenset(failures - {HEADLINE}))


def simulate(seed: int) -> Row:
    """Train the two nets of a seed and audit both."""
    torch.set_num_threads(1)
    crops, nets = held_out(seed), train_nets(seed)
    found = {name: audit(context_of(nets[name], seed, crops)) for name in NETS}
    row: dict[Outcome, float] = {}
    for eps in EPS:
        plain, resistant = (_measured(found[name].accuracy.get(eps)) for name in NETS)
        row[Outcome(f"ranked right at eps {eps}", OURS)] = float(resistant[0] > plain[0])
        row[Outcome(f"ranked right beyond both intervals at eps {eps}", OURS)] = float(resistant[1] > plain[2])
    for name in NETS:
        row[Outcome(f"{name}: told that the attack failed", OURS)] = float(bool(found[name].failures))
        for eps in ("0", *EPS):
            row[Outcome(f"{name}: accuracy at eps {eps} (mean)", OURS)] = _measured(found[name].accuracy.get(eps))[0]
        row[Outcome(f"{name}: answers at chance", OURS)] = float(not found[name].accuracy.keys() >= set(EPS))
    return row


def _measured(estimate: Estimate | None) -> tuple[float, float, float]:
    """Return value and interval; a net that answers at chance, of which nothing was measured, resists nothing."""
    if estimate is None or estimate.value is None or estimate.low is None or estimate.high is None:
        return 0.0, 0.0, 0.0
    return estimate.value, estimate.low, estimate.high


STUDY = Study(
    name="resistant_twins",
    version=2,
    title="A net trained to resist and its plain twin",
    about="Two small nets (48 px, seven expressions) learn 120 drawn people from the same first weights in the same "
    "order, one from pictures perturbed by up to 6/255 against itself (two steps). Both are audited on 30 people "
    f"neither has seen, by the tier `{TIER}` of `adversarial`, L-infinity.",
    simulate=simulate,
)
