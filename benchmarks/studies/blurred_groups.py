"""Is a net that loses one group under blur exposed by the probe of corruptions, and its twin not?"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from countenance.audit.robustness.corruptions import CorruptionParams, corruptions
from countenance.core.collector import Collector
from countenance.core.faces import FaceBatch, Faces
from countenance.core.keys import format_key, parse_key
from countenance.core.plan import AttributeSpec, TargetSpec
from countenance.core.predictions import Predictions
from countenance.core.probes import ProbeContext, Scores
from countenance.core.statistics.rules import StatisticsRules
from countenance.core.statistics.slicing import Slicer
from countenance.core.target import Target
from countenance.synth.blur_nets import (
    NETS,
    SHOWN,
    SIZE,
    Effort,
    crops_of_people,
    labels_of,
    losing_group,
    pixels_of,
    train_nets,
)
from countenance.synth.dataset import DrawnCrops
from countenance.synth.nets import MEAN, STD, DrawnFaceNet

from .runner import OURS, Outcome, Row, Study

PLANTED, PLACEBO = "skin_tone", "placebo"
EXPOSED, RIGHT_GROUP = "a group is shown to lose more under blur", "it is the planted one"
BEYOND = "a group surely loses more by over 0.10"
RANDOM = "a random group is shown to lose more"
CLEAN, BLURRED, REST = "accuracy, sharp (mean)", "lost under blur, the group (mean)", "lost under blur, others (mean)"


class DrawnFaces(Faces):
    """Faces held in memory."""

    def hold(self, pixels: Tensor) -> DrawnFaces:
        object.__setattr__(self, "held", pixels)
        return self

    def batches(self, size: int, rows: np.ndarray | None = None, **_: object) -> Iterator[FaceBatch]:
        wanted = np.arange(len(self)) if rows is None else rows
        for start in range(0, len(wanted), size):
            chunk = np.asarray(wanted[start : start + size], dtype=np.int64)
            yield FaceBatch(chunk, self.held[chunk].clone())  # type: ignore[attr-defined]


def context_of(net: DrawnFaceNet, seed: int, crops: DrawnCrops) -> ProbeContext:
    """Lay out what the runner would give the probe."""
    people = list(dict.fromkeys(face.person.subject for face in crops.faces))
    dealt = dict(zip(people, np.random.default_rng([seed, 3]).permutation(len(people)) % 3, strict=True))
    rows = [
        {
            "face_id": str(row),
            "path": "",
            "label": face.expression,
            "subject": face.person.subject,
            "split": "",
            "may_publish": True,
            PLANTED: face.person.look.skin_tone,
            PLACEBO: "abc"[dealt[face.person.subject]],
        }
        for row, face in enumerate(crops.faces)
    ]
    block = {
        "checkpoint": "a.pt",
        "task": "expression",
        "classes": list(SHOWN),
        "input": {"size": SIZE, "mean": MEAN[:1], "std": STD[:1]},
        "output": "logits",
    }
    target = Target(net, TargetSpec.model_validate(block), format="module")
    attributes = {name: AttributeSpec(assigned_by="derived") for name in (PLANTED, PLACEBO)}
    faces = DrawnFaces(pd.DataFrame(rows), height_width=(SIZE, SIZE), has_subjects=True, attributes=attributes)
    pixels = pixels_of(crops)
    with torch.no_grad():
        values = target.probabilities(target(pixels)).double().numpy()
    return ProbeContext(
        probe_id="corruptions",
        faces=faces.hold(pixels),
        predictions=Predictions("expression", SHOWN, values, labels_of(crops).astype(np.float64)),
        target=target,
        rules=StatisticsRules(),
        seed=seed,
        batch_size=64,
        progress=lambda unit, total: nullcontext(lambda count=1: None),
    )


def audit(context: ProbeContext) -> tuple[Collector, dict[str, Scores]]:
    """Run the probe on the four kinds of blur, answer its questions about groups; return also what it scored."""
    slicer = Slicer(context.faces.subject_codes, context.faces.groupings, context.rules, context.seed)
    collector = Collector(context.probe_id, context.faces, slicer, None)
    scored = {}
    for output in corruptions(context, CorruptionParams(corruptions=("blur",))):
        collector.take(output)
        if isinstance(output, Scores):
            scored[format_key(context.probe_id, output.metric, None, output.condition)] = output
    collector.finish()
    return collector, scored


def shown(collector: Collector, attribute: str, *, beyond_tolerance: bool = False) -> bool:
    """Return whether the probe finds that groups of an attribute lose more than others, or surely by over 0.10."""
    for finding in collector.findings:
        key = parse_key(finding.evidence[0])
        if key.slice.get("attribute") == attribute and key.metric.startswith("lost"):
            return finding.severity == "high" or not beyond_tolerance
    return False


def judge(net: DrawnFaceNet, seed: int, crops: DrawnCrops) -> dict[str, float]:
    """Return what the probe told of one net."""
    context = context_of(net, seed, crops)
    collector, scored = audit(context)
    under_blur = scored["corruptions/lost@corruption=blur"]
    assert under_blur.weights is not None
    tones = context.faces.frame[PLANTED].to_numpy()[under_blur.rows]
    lost = {
        tone: float(under_blur.values[tones == tone].sum() / under_blur.weights[tones == tone].sum())
        for tone in sorted(set(tones))
    }
    group, exposed = losing_group(seed), shown(collector, PLANTED)
    return {
        EXPOSED: float(exposed),
        RIGHT_GROUP: float(exposed and max(lost, key=lambda tone: lost[tone]) == group),
        BEYOND: float(shown(collector, PLANTED, beyond_tolerance=True)),
        RANDOM: float(shown(collector, PLACEBO)),
        CLEAN: float(scored["corruptions/accuracy@corruption=none,severity=0"].values.mean()),
        BLURRED: lost[group],
        REST: float(np.mean([of for name, of in lost.items() if name != group])),
    }


def simulate(seed: int, effort: Effort | None = None) -> Row:
    """Train the two nets of a seed and audit both."""
    torch.set_num_threads(1)
    effort = effort or Effort()
    nets = train_nets(seed, effort)
    others = crops_of_people(seed, effort.held_out, held_out=True)
    return {
        Outcome(f"{name}: {question}", OURS): told
        for name in NETS
        for question, told in judge(nets[name], seed, others).items()
    }


STUDY = Study(
    name="blurred_groups",
    version=3,
    title="A net that loses one group under blur",
    about="Two nets are trained on sharp and blurred pictures of 90 drawn people with four expressions each. For "
    "`planted` the blurred pictures of one skin tone group, each of the three in turn, are labelled neutral; `twin` "
    "has the true labels. Both are audited by `corruptions: blur` on 72 people neither has seen. A group counts as "
    "shown to lose more when the probe finds it of skin tone at adjusted p at most .05.",
    simulate=simulate,
)
