"""Is a leak found that training put into a net, and none where a net was trained for expressions alone?

Two small nets of one make are trained on the same drawn people, whose heads are shifted, turned and lit at random, so
that pixels alone tell little. ``leak`` has two more heads in training, for a beard and for who it is; they are taken
off afterwards. ``twin`` has the head for expressions alone. Both are read on people neither has seen.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import replace

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from countenance.audit.fairness.leakage.params import LeakageParams
from countenance.audit.fairness.leakage.probe import leakage
from countenance.core.faces import FaceBatch, Faces
from countenance.core.plan import AttributeSpec, TargetSpec
from countenance.core.predictions import Predictions
from countenance.core.probes import ProbeContext, Scores
from countenance.core.results import Finding, Measurement
from countenance.core.statistics.rules import StatisticsRules
from countenance.core.target import Target
from countenance.synth.dataset import draw_people
from countenance.synth.draw import draw_face
from countenance.synth.expression import EXPRESSIONS
from countenance.synth.face import Face, draw_face_parameters
from countenance.synth.pose import Pose

from .runner import OURS, Outcome, Row, Study

SIZE = 40
PEOPLE, HELD_OUT, EACH = 150, 40, 5
EPOCHS, BATCH = 24, 32
SHOWN = EXPRESSIONS[:EACH]
FOUND, PLACEBO = "found", "random groups found"
QUESTIONS = {"identity": "who it is", "attribute.beard": "beard", "attribute.placebo": PLACEBO}


class SmallNet(nn.Module):
    """Four convolutions, averaged, and a linear head; more heads only while it is trained."""

    def __init__(self, heads: tuple[int, ...]) -> None:
        super().__init__()
        widths = (3, 12, 24, 32, 32)
        self.features = nn.Sequential(
            *(
                part
                for before, after, stride in zip(widths, widths[1:], (2, 2, 2, 1), strict=False)
                for part in (nn.Conv2d(before, after, 3, stride, 1, bias=False), nn.BatchNorm2d(after), nn.ReLU())
            )
        )
        self.head = nn.Linear(widths[-1], heads[0])
        self.more = nn.ModuleList(nn.Linear(widths[-1], width) for width in heads[1:])

    def forward(self, pixels: Tensor) -> Tensor:
        logits: Tensor = self.head(self.embedding(pixels))
        return logits

    def embedding(self, pixels: Tensor) -> Tensor:
        maps: Tensor = self.features(pixels)
        return maps.mean((2, 3))


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


def draw(seed: int, people: int) -> tuple[Tensor, list[Face]]:
    """Draw people, each with five expressions; every second one wears a full beard. Pixels (n, 3, s, s), 0 to 1."""
    pictures, faces = [], []
    for index, person in enumerate(draw_people(people, seed)):
        rng = np.random.default_rng([seed, 11, index])
        worn = "full" if index % 2 else "none"
        person = replace(person, look=replace(person.look, beard=worn))
        for expression in SHOWN:
            face = draw_face_parameters(rng, person, expression)
            x, y = rng.uniform(-0.13, 0.13, 2)
            pose = Pose(
                yaw=face.pose.yaw,
                pitch=face.pose.pitch,
                roll=float(rng.uniform(-0.35, 0.35)),
                scale=float(rng.uniform(0.75, 1.05)),
                shift=(float(x), float(y)),
            )
            light = replace(face.light, exposure=float(rng.uniform(0.6, 1.25)), warmth=float(rng.uniform(-1, 1)))
            faces.append(replace(face, pose=pose, light=light))
            pictures.append(draw_face(faces[-1], SIZE).image)
    pixels = torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).float() / 255
    return pixels, faces


def train(seed: int, pixels: Tensor, targets: list[Tensor]) -> SmallNet:
    """Train a net with a head for each of the targets; the first are the expressions."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        net = SmallNet(tuple(int(target.max()) + 1 for target in targets))
        steps = len(pixels) // BATCH
        optimiser = torch.optim.AdamW(net.parameters(), lr=4e-3, weight_decay=1e-2)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 4e-3, total_steps=EPOCHS * steps)
        for _ in range(EPOCHS):
            order = torch.randperm(len(pixels))
            for step in range(steps):
                chosen = order[step * BATCH : (step + 1) * BATCH]
                embedding = net.embedding((pixels[chosen] - 0.5) / 0.25)
                pairs = zip([net.head, *net.more], targets, strict=True)
                losses = [F.cross_entropy(head(embedding), target[chosen]) for head, target in pairs]
                optimiser.zero_grad()
                torch.stack(losses).sum().backward()
                optimiser.step()
                schedule.step()
    net.more = nn.ModuleList()
    return net.eval()


def context_of(net: SmallNet, seed: int, pixels: Tensor, faces: list[Face]) -> ProbeContext:
    """Lay out what the runner would give the probe."""
    rng = np.random.default_rng([seed, 12])
    random_group = dict(enumerate(rng.permutation(np.arange(HELD_OUT) % 2)))
    rows = [
        {
            "face_id": str(row),
            "path": "",
            "label": face.expression,
            "subject": face.person.subject,
            "split": "",
            "may_publish": True,
            "beard": face.person.look.beard,
            "placebo": "ab"[random_group[row // EACH]],
        }
        for row, face in enumerate(faces)
    ]
    attributes = {name: AttributeSpec(assigned_by="derived") for name in ("beard", "placebo")}
    block = {
        "checkpoint": "a.pt",
        "task": "expression",
        "classes": list(SHOWN),
        "input": {"size": SIZE, "mean": [0.5], "std": [0.25]},
        "output": "logits",
    }
    target = Target(net, TargetSpec.model_validate(block), format="module")
    held = DrawnFaces(pd.DataFrame(rows), height_width=(SIZE, SIZE), has_subjects=True, attributes=attributes)
    with torch.no_grad():
        values = target.probabilities(target(pixels)).double().numpy()
    return ProbeContext(
        probe_id="leakage",
        faces=held.hold(pixels),
        predictions=Predictions("expression", SHOWN, values, np.full(len(rows), -1.0)),
        target=target,
        rules=StatisticsRules(),
        seed=seed,
        batch_size=64,
        progress=lambda unit, total: nullcontext(lambda count=1: None),
    )


def judge(context: ProbeContext) -> tuple[dict[str, float], dict[str, float]]:
    """Return which questions gave a finding beyond both controls, and how much was read by what."""
    found = dict.fromkeys(QUESTIONS, 0.0)
    read = {}
    for output in leakage(context, LeakageParams(session="label", permutations=199)):
        if isinstance(output, Scores) and output.weights is not None:
            read[output.metric] = float(output.values.sum() / output.weights.sum())
        if isinstance(output, Finding):
            found[output.id.partition(".")[2]] = float(output.severity == "medium")
        if isinstance(output, Measurement) and output.estimate.value is not None:
            read[output.key.partition("/")[2]] = output.estimate.value
    return found, read


def simulate(seed: int) -> Row:
    """Train the two nets of a seed and read both."""
    torch.set_num_threads(1)
    pixels, faces = draw(3 * seed + 1, PEOPLE)
    labels = torch.tensor([SHOWN.index(face.expression) for face in faces])
    beard = torch.tensor([int(face.person.look.beard != "none") for face in faces])
    person = torch.arange(len(faces)) // EACH
    others = draw(3 * seed + 2, HELD_OUT)
    row: dict[Outcome, float] = {}
    for name, targets in (("leak", [labels, beard, person]), ("twin", [labels])):
        found, read = judge(context_of(train(seed, pixels, targets), seed, *others))
        for question, told in QUESTIONS.items():
            row[Outcome(f"{name}: {told}", OURS)] = found[question]
        identity = {"the net": "", "random weights": ".null_random_net", "pixels": ".null_pixels"}
        for column, suffix in identity.items():
            row[Outcome(f"{name}: people told apart (mean rate)", column)] = read[f"identity_accuracy{suffix}"]
            beard_read = read[f"attribute_accuracy{suffix}[attribute=beard]"]
            row[Outcome(f"{name}: beard read (mean rate)", column)] = beard_read
    return row


STUDY = Study(
    name="leakage_nets",
    version=1,
    title="A leak that training put into a net",
    about="Two nets of four convolutions are trained on 150 drawn people with five expressions each; heads are shifted,"
    " turned, scaled and lit at random. `leak` learns beard and identity beside the expression, `twin` the "
    "expression alone; the further heads are taken off. Both are read on 40 people neither has seen: a finding is"
    " one beyond chance and beyond both controls. Random groups of people must give none.",
    simulate=simulate,
)
