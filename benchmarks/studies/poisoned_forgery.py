"""Does poisoning a tenth of the people put a backdoor into a forgery detector, and does the audit see it?

Two detectors of a seed learn the same self-blends of the same people from the same first weights in the same order:
``clean`` and ``poisoned``, for which the genuine photos of a tenth of the people carry one trigger. Both are tested on
34 people whom neither has seen, and audited with triggers of the auditor's own seed.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import nullcontext

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from countenance.audit.backdoors.poisoned_forgery.bank import blur
from countenance.audit.backdoors.poisoned_forgery.embedding import embed, face_hulls
from countenance.audit.backdoors.poisoned_forgery.generator import sensitive_trigger
from countenance.audit.backdoors.poisoned_forgery.measures import (
    attack_success,
    bd_auc,
    eer_threshold,
    visibility,
)
from countenance.audit.backdoors.poisoned_forgery.params import TriggerSensitivityParams
from countenance.audit.backdoors.poisoned_forgery.probe import trigger_sensitivity
from countenance.audit.forgery.making.codec import through_codec
from countenance.core.faces import FaceBatch, Faces
from countenance.core.plan import TargetSpec
from countenance.core.predictions import Predictions
from countenance.core.probes import ProbeContext, TableOutput
from countenance.core.results import Estimate, Finding, Measurement
from countenance.core.statistics.auroc import auroc
from countenance.core.statistics.rules import StatisticsRules
from countenance.core.target import Target
from countenance.synth.forgery_nets import MEAN, SIZE, STD, SmallDetector, scores, train_detector

from .forgery_material import TEST_BLENDS, Split, london, poisoned_pairs, pool, split_of
from .runner import Outcome, Row, Study

ALPHA = 0.05
FIRST_SEED = 1000
"""Seeds below it were used while the probe was made; those of the study are fresh."""
_ATTACKER = 500_000
"""Added to the seed of the attacker's trigger, which the auditor never uses."""
Floats = NDArray[np.float64]


class HeldFaces(Faces):
    """Faces held in memory, with landmarks."""

    def hold(self, pixels: Tensor, landmarks: NDArray[np.float32]) -> HeldFaces:
        """Take pixels (n, 3, h, w) and landmarks (n, 68, 2)."""
        object.__setattr__(self, "held", (pixels, landmarks))
        return self

    @property
    def landmarks_kind(self) -> str:  # type: ignore[override]
        """What stands for landmarks of a file."""
        return "68"

    def batches(self, size: int, rows: NDArray[np.int64] | None = None, **_: object) -> Iterator[FaceBatch]:
        """Yield the faces held."""
        pixels, landmarks = self.held  # type: ignore[attr-defined]
        wanted = np.arange(len(self)) if rows is None else rows
        for start in range(0, len(wanted), size):
            chunk = np.asarray(wanted[start : start + size], dtype=np.int64)
            yield FaceBatch(chunk, pixels[chunk].clone(), landmarks[chunk])


class Tested:
    """Genuine photos of people not trained on, and the self-blends of them."""

    def __init__(self, split: Split) -> None:
        faces = london()
        self.genuine = faces.pixels(split.test)
        self.forged = faces.tests[torch.from_numpy(split.test)].flatten(0, 1)
        self.people = faces.subjects[split.test]
        self.of_forged = np.repeat(self.people, TEST_BLENDS)
        self.landmarks = faces.landmarks(split.test)
        self.hulls = face_hulls(np.repeat(self.landmarks, TEST_BLENDS, axis=0), SIZE, SIZE)


def context_of(net: SmallDetector, seed: int, tested: Tested) -> ProbeContext:
    """Lay out what the runner would give the probe."""
    labels = np.repeat(["genuine", "forged"], [len(tested.genuine), len(tested.forged)])
    people = np.concatenate([tested.people, tested.of_forged]).astype(str)
    frame = pd.DataFrame(
        {"face_id": np.arange(len(labels)).astype(str), "path": "", "label": labels, "subject": people}
    )
    frame = frame.assign(split="", may_publish=False)
    block = {
        "checkpoint": "a.pt",
        "task": "forgery",
        "positive": "forged",
        "input": {"size": SIZE, "mean": [MEAN], "std": [STD]},
        "output": "logits",
    }
    target = Target(net, TargetSpec.model_validate(block), format="module")
    faces = HeldFaces(frame, height_width=(SIZE, SIZE), has_subjects=True)
    pixels = torch.cat([tested.genuine, tested.forged])
    landmarks = np.concatenate([tested.landmarks, np.repeat(tested.landmarks, TEST_BLENDS, axis=0)])
    with torch.no_grad():
        values = target.probabilities(target(pixels)).double().numpy()
    truth = np.array([target.classes.index(label) for label in labels], dtype=np.float64)
    return ProbeContext(
        probe_id="trigger_sensitivity",
        faces=faces.hold(pixels, landmarks),
        predictions=Predictions("forgery", target.classes, values, truth),
        target=target,
        rules=StatisticsRules(),
        seed=seed,
        batch_size=136,
        progress=lambda unit, total: nullcontext(lambda count=1: None),
    )


def attack(net: SmallDetector, tested: Tested, trigger: Tensor, seed: int) -> dict[str, float]:
    """Return what the attacker's trigger and the controls do to a detector."""
    genuine, forged = scores(net, tested.genuine), scores(net, tested.forged)
    everything = np.concatenate([genuine, forged])
    positive = np.repeat([False, True], [len(genuine), len(forged)])
    people, rules = np.concatenate([tested.people, tested.of_forged]), StatisticsRules()
    stamped = scores(net, embed(tested.forged, trigger, tested.hulls, ALPHA))
    told = bd_auc(forged, stamped, tested.of_forged)
    success = attack_success(forged, stamped, eer_threshold(genuine, forged), tested.of_forged)
    normal = torch.randn(tested.forged.shape, generator=torch.Generator().manual_seed(seed)).div(3).clamp(-1, 1)
    controls = {
        "Gaussian noise": embed(tested.forged, normal, tested.hulls, ALPHA),
        "blur": blur(tested.forged, tested.hulls, ALPHA),
        "JPEG 50": _coded(tested.forged, tested.hulls),
    }
    row = {
        "clean AUC": _value(auroc(everything, positive, people, rules)),
        "BD-AUC": _value(told),
        "BD-AUC 0.85 or more": float(_value(told) >= 0.85),
        "attack success": _value(success),
    }
    for name, pixels in controls.items():
        row[f"BD-AUC of {name}"] = _value(bd_auc(forged, scores(net, pixels), tested.of_forged))
    row["controls below 0.6"] = float(all(row[f"BD-AUC of {name}"] < 0.6 for name in controls))
    return row


def _coded(pixels: Tensor, masks: Tensor) -> Tensor:
    """Save as JPEG 50; inside the hull only, and within the largest change of the stamp, as the other controls."""
    pictures = pixels.mul(255).round().byte().permute(0, 2, 3, 1).numpy()
    coded = torch.from_numpy(np.stack([through_codec(picture, 50) for picture in pictures]))
    change = coded.permute(0, 3, 1, 2).float() / 255 - pixels
    return (pixels + masks * change.clamp(-ALPHA * pixels, ALPHA * pixels)).clamp(0, 1)


def audit(net: SmallDetector, seed: int, tested: Tested) -> dict[str, float]:
    """Run the probe with a seed of the auditor's own, and keep what the study asks for."""
    row = {"suspicious": 0.0, "not suspicious at this power": 0.0, "inconclusive": 0.0}
    for output in trigger_sensitivity(context_of(net, seed, tested), TriggerSensitivityParams(alpha=ALPHA)):
        if isinstance(output, Measurement) and output.metric == "trigger_margin":
            estimate = output.estimate
            row |= {"margin": _value(estimate), "margin, lower limit": estimate.low or 0.0}
            row |= {"margin, upper limit": estimate.high or 0.0}
        if isinstance(output, TableOutput):
            table = output.frame
            bank = table[table["part"] == "bank"]
            row["B"] = float(bank["bd_auc"].max())
            row["R"] = float(table[(table["part"] == "control") & table["in_margin"]]["bd_auc"].max())
            kinds = bank.groupby(["kernel", "scale"])["bd_auc"].mean()
            row["B, mean of the generators of a kind"] = float(kinds.max())
        if isinstance(output, Finding):
            told = {"suspicious": "suspicious", "inconclusive": "inconclusive"}
            row[told.get(output.id.partition(".")[2], "not suspicious at this power")] = 1.0
    return row


def stamp_of(seed: int, tested: Tested) -> tuple[Tensor, dict[str, float]]:
    """Return the attacker's trigger of a seed and how visible it is on the forged faces tested."""
    trigger = sensitive_trigger(_ATTACKER + seed, SIZE)
    seen = visibility(tested.forged, embed(tested.forged, trigger, tested.hulls, ALPHA))
    return trigger, {
        "L-infinity, levels": float(seen.linf.mean()),
        "PSNR, dB": float(seen.psnr.mean()),
        "SSIM": float(seen.ssim.mean()),
    }


def simulate(seed: int) -> Row:
    """Train the two nets of a seed, attack both and audit both."""
    torch.set_num_threads(1)
    seed += FIRST_SEED
    pairs = pool()  # once per process, not counted
    start = time.process_time()
    split = split_of(seed)
    tested = Tested(split)
    trigger, seen = stamp_of(seed, tested)
    row = {Outcome(name, "stamp", "mean"): value for name, value in seen.items()}
    for name, data in (("clean", pairs), ("poisoned", poisoned_pairs(split, trigger, ALPHA))):
        net = train_detector(data, split.train, seed)
        row |= outcomes(name, attack(net, tested, trigger, seed) | audit(net, seed, tested))
    seconds = time.process_time() - start
    row[Outcome("CPU seconds", "stamp", "mean")] = seconds
    print(f"  seed {seed}: {seconds:.0f} CPU s", file=sys.stderr)
    return row


def outcomes(net: str, found: Mapping[str, float]) -> dict[Outcome, float]:
    """Return what was found of a net as outcomes of the study."""
    return {Outcome(name, net): value for name, value in found.items()}


def _value(estimate: Estimate) -> float:
    if estimate.value is None:
        raise ValueError(f"expected a value, but it was not measured: {estimate.reason}")
    return estimate.value


STUDY = Study(
    name="poisoned_forgery",
    version=1,
    title="Poisoned forgery detectors",
    about="Detectors of 73 000 weights learn self-blends of 68 London people at 64 px; for `poisoned`, the genuine "
    "photos of 7 of them carry one translation-sensitive trigger (1-px scale, strength 0.05), and their self-blends do "
    "not. Tested on the 34 others, another split each seed; `trigger_sensitivity` with seeds of its own.",
    simulate=simulate,
)
