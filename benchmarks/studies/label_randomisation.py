"""Do heatmaps tell a net that learnt expressions from one that learnt labels by heart?"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from countenance.core.plan import InputSpec, TargetSpec
from countenance.core.target import Target
from countenance.explain.attribution.method import Request
from countenance.explain.attribution.registry import METHODS, build_explainers
from countenance.explain.checks.randomisation import compare
from countenance.synth.dataset import draw_crops
from countenance.synth.expression import EXPRESSIONS
from countenance.synth.nets import MEAN, STD, DrawnFaceNet

from .runner import Outcome, Row, Study

SIZE, PEOPLE, TESTED, EPOCHS, BATCH = 48, 36, 12, 14, 28
EXPLAINED = ("gradcam", "layercam", "saliency", "input_x_gradient")
EDGES = "edges of the picture"
SAME, PERMUTED = "true labels, other seed", "permuted labels"


def drawn(people: int, seed: int) -> tuple[Tensor, Tensor]:
    """Return pixels ``(n, 3, 48, 48)`` in 0..1 and labels ``(n,)`` of drawn faces, every expression of each person."""
    crops = draw_crops(people, len(EXPRESSIONS), seed, SIZE)
    pixels = torch.from_numpy(crops.pixels).permute(0, 3, 1, 2).float().div(255)
    return pixels.contiguous(), torch.from_numpy(crops.labels)


def train(pixels: Tensor, labels: Tensor, seed: int, epochs: int = EPOCHS) -> Target:
    """Train the drawn faces' net from scratch, without augmentation, so that it can learn any labels by heart."""
    torch.manual_seed(seed)
    net = DrawnFaceNet()
    target = Target(net, _spec(), format="module")
    net.requires_grad_(True)
    inputs = target.prepare(pixels)
    steps = epochs * -(-len(inputs) // BATCH)
    optimiser = torch.optim.AdamW(net.parameters(), lr=3e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 3e-3, total_steps=steps)
    generator = torch.Generator().manual_seed(seed)
    net.train()
    for _ in range(epochs):
        for chosen in torch.randperm(len(inputs), generator=generator).split(BATCH):
            optimiser.zero_grad()
            F.cross_entropy(net(inputs[chosen]), labels[chosen]).backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            schedule.step()
    net.eval().requires_grad_(False)
    return target


def _spec() -> TargetSpec:
    return TargetSpec(
        checkpoint="drawn.safetensors",
        task="expression",
        classes=list(EXPRESSIONS),
        input=InputSpec(size=SIZE, channels="rgb", mean=MEAN, std=STD),
        output="logits",
    )


def accuracy(target: Target, pixels: Tensor, labels: Tensor) -> float:
    """Return the share of faces whose label the net gives."""
    with torch.no_grad():
        return float((target(pixels).argmax(1) == labels).float().mean())


def maps_of(target: Target, pixels: Tensor, classes: Tensor) -> dict[str, Tensor]:
    """Return maps ``(n, 48, 48)`` by method, and the picture's edges, which no net has a part in."""
    built = build_explainers(target, EXPLAINED, batch_size=len(pixels))
    request = Request(pixels, classes, tuple(range(len(pixels))))
    found = {
        METHODS[name].title: one.maps
        for explainer in built.explainers
        for name, one in explainer.explain(request).items()
    }
    grey = F.pad(pixels.mean(1, keepdim=True), (0, 1, 0, 1), mode="replicate")[:, 0]
    found[EDGES] = (grey[:, :-1, :-1] - grey[:, 1:, :-1]).abs() + (grey[:, :-1, :-1] - grey[:, :-1, 1:]).abs()
    return found


def simulate(seed: int, *, people: int = PEOPLE, epochs: int = EPOCHS) -> Row:
    """Train on true labels twice and on permuted labels once; compare maps of people no net has seen."""
    pixels, labels = drawn(people, 2 * seed)
    unseen, classes = drawn(TESTED, 2 * seed + 1)
    permuted = labels[torch.randperm(len(labels), generator=torch.Generator().manual_seed(seed))]
    nets = {
        "true labels": train(pixels, labels, 3 * seed, epochs),
        SAME: train(pixels, labels, 3 * seed + 1, epochs),
        PERMUTED: train(pixels, permuted, 3 * seed + 2, epochs),
    }
    row: dict[Outcome, float] = {}
    for name in (SAME, PERMUTED):
        given = permuted if name == PERMUTED else labels
        row[Outcome("accuracy on the faces trained on", name)] = accuracy(nets[name], pixels, given)
        row[Outcome("accuracy on other people, true labels", name)] = accuracy(nets[name], unseen, classes)
    maps = {name: maps_of(net, unseen, classes) for name, net in nets.items()}
    for method, before in maps["true labels"].items():
        for name in (SAME, PERMUTED):
            found = compare(before, maps[name][method])
            row[Outcome(f"{method}: rank correlation of maps", name)] = found.same
            row[Outcome(f"{method}: share of the picture's own that is kept", name)] = found.kept
    return row


STUDY = Study(
    name="label_randomisation",
    version=1,
    title="Label randomisation: maps of nets that learnt expressions, and of nets that learnt labels by heart",
    about=f"The drawn faces' net is trained on {PEOPLE} drawn people (seven expressions each, {SIZE} px) with their "
    "true labels, again with another seed, and with permuted labels; maps are compared with those of the first net, on "
    f"{TESTED} other people, for the true expression (Adebayo et al. 2018, NeurIPS). "
    "Correlations and shares in hundredths.",
    simulate=simulate,
)
