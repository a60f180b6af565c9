"""How often is a planted fault of order, channels, normalisation or mode named, and how often one that is not there?

People are drawn anew for every seed, with replacement: from the London faces under two real nets (which needs
``../shared`` beside the repository) and from drawn faces under the demonstration's sound net. What the nets answer to
every face under every reading is computed once per process; the judgement is the probe's own.
"""

from __future__ import annotations

import copy
import math
import os
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load
from torch import Tensor, nn
from torch.nn import functional

from countenance.audit.integrity.class_order import class_order
from countenance.audit.integrity.fit import labelled
from countenance.audit.integrity.material import Floats, Integers, Material, as_array
from countenance.audit.integrity.modes import mode, modes_of
from countenance.audit.integrity.preprocessing import preprocessing
from countenance.audit.integrity.readings import Reading, declared_scale
from countenance.audit.integrity.repetition import alone_or_in_batch, batch_order, same_twice
from countenance.audit.integrity.verdicts import Check
from countenance.core.errors import UsageError
from countenance.core.files import sha256_of_bytes
from countenance.core.plan import InputSpec, TargetSpec
from countenance.core.plan_file import load_plan
from countenance.core.predictions import Predictions
from countenance.core.probes import ProbeContext
from countenance.core.setup import load_material
from countenance.core.statistics.rules import StatisticsRules
from countenance.core.target import Target
from countenance.synth.dataset import crops_of, faces_of
from countenance.synth.demo import shipped
from countenance.synth.expression import EXPRESSIONS
from countenance.synth.nets import DrawnFaceNet

from .runner import Outcome, Row, Study

ROOT = Path(__file__).resolve().parents[2]
LONDON = ("face_expression", "mini_xception")
DRAWN = "drawn faces"
PEOPLE = {**dict.fromkeys(LONDON, (102, 50)), DRAWN: (60, 24)}
DRAWN_PEOPLE, DRAWN_SEED = 72, 5
BATCH = 16
VERSION = 1
"""Of the kept outputs."""
NAMED, HIGH, OTHER, ALARM = "named", "named as high", "another finding beside", "any finding"
"""Findings of severity medium or above; a fault counts as named at any severity."""
MODE_FACES = 48
"""Faces on which the checks of repetition, batch and mode are made."""
ASKED_EVERY = 4
"""Only every so many seeds, since these checks hang little on who is drawn."""


@dataclass
class World:
    """Faces of people under a net whose target block is right, and the net's answers under every reading asked for."""

    net: nn.Module
    spec: TargetSpec
    pixels: Tensor
    labels: Integers
    people: Integers
    name: str
    answers: dict[tuple[float | str, ...], Floats] = field(default_factory=dict)

    def outputs(self, declared: InputSpec, reading: Reading | None) -> Floats:
        """Return raw outputs for all faces, prepared as ``declared`` or, where given, as the reading would."""
        key = _key(declared, reading)
        if key not in self.answers:
            self.answers[key] = self._kept(key) if self._file(key).is_file() else self._asked(declared, reading, key)
        return self.answers[key]

    def _file(self, key: tuple[float | str, ...]) -> Path:
        """Return where these outputs are kept: in the folder ``STUDY_NETS``, ``studies/nets`` unless it is set."""
        folder = Path(os.environ.get("STUDY_NETS", "studies/nets"))
        return folder / f"integrity-v{VERSION}-{self.name}-{sha256_of_bytes(repr(key).encode())[:16]}.npy"

    def _kept(self, key: tuple[float | str, ...]) -> Floats:
        kept: Floats = np.load(self._file(key))
        return kept

    def _asked(self, declared: InputSpec, reading: Reading | None, key: tuple[float | str, ...]) -> Floats:
        target = Target(self.net, _declaring(self.spec, declared), format="module")
        change = reading.change(declared) if reading is not None else None
        with torch.no_grad():
            parts = [target(change(part) if change else part) for part in torch.split(self.pixels, BATCH)]
        found, file = as_array(torch.cat(parts)), self._file(key)
        file.parent.mkdir(parents=True, exist_ok=True)
        part = file.with_suffix(f".{os.getpid()}.npy")
        np.save(part, found)
        part.replace(file)  # whole or not at all
        return found


@cache
def world(name: str) -> World:
    """Return the faces and the net called ``name``.

    Raises:
        UsageError: if the London faces and nets are not beside the repository.
    """
    torch.set_num_threads(1)
    if name == DRAWN:
        each = len(EXPRESSIONS)
        crops = crops_of((face for _, face in faces_of(DRAWN_PEOPLE, each, DRAWN_SEED)), 96)
        net = DrawnFaceNet()
        net.load_state_dict(load(shipped("twin.safetensors")))
        spec = TargetSpec(
            checkpoint="twin", task="expression", classes=list(EXPRESSIONS),
            input=InputSpec(size=96, mean=[0.5], std=[0.25]), output="logits",
        )  # fmt: skip
        pixels = torch.from_numpy(crops.pixels).permute(0, 3, 1, 2).contiguous().float() / 255
        return World(net.eval(), spec, pixels, crops.labels, np.repeat(np.arange(DRAWN_PEOPLE), each), "drawn")
    if not (ROOT.parent / "shared" / "models").is_dir():
        raise UsageError("the London faces and the nets are expected in ../shared beside the repository")
    loaded = load_plan(ROOT / "tests" / "plans" / f"london_{name}.yaml")
    material = load_material(loaded)
    assert material.target is not None
    assert isinstance(material.target.net, nn.Module)
    faces, spec = material.faces, loaded.plan.target
    places = {label: place for place, label in enumerate(spec.class_names)}
    labels = np.array([places[label] for label in faces.frame["label"]], dtype=np.int64)
    pixels = torch.cat([batch.pixels for batch in faces.batches(BATCH)])
    return World(material.target.net, spec, pixels, labels, faces.subject_codes, name)


def _declaring(spec: TargetSpec, declared: InputSpec) -> TargetSpec:
    return spec.model_copy(update={"input": declared})


def _key(declared: InputSpec, reading: Reading | None) -> tuple[float | str, ...]:
    """Name what the net is given, so that it is computed once whatever was declared."""
    mean, std = declared_scale(declared)
    channels: str = declared.channels
    if reading is not None:
        channels = reading.channels
        if reading.mean is None or reading.std is None:
            return (channels, "own")
        mean, std = reading.mean, reading.std
        if channels == "grey" and declared.channels == "bgr":
            mean, std = mean[::-1], std[::-1]  # by the place of the channel
    return (channels, *(float(f"{number:.5g}") for number in (*mean, *std)))


def _context(target: Target, seed: int) -> ProbeContext:
    return ProbeContext(
        probe_id="integrity",
        faces=None,  # type: ignore[arg-type]  # the faces are held here
        predictions=Predictions(target.task, target.classes, np.zeros((0, len(target.classes))), np.zeros(0)),
        target=target,
        rules=StatisticsRules(),
        seed=seed,
        batch_size=BATCH,
        progress=lambda unit, total: nullcontext(lambda count=1: None),
    )


def _drawn_anew(of: World, people: int, rng: np.random.Generator) -> tuple[Integers, Integers]:
    """Return the faces of people drawn with replacement, and the person of each."""
    mine = [np.flatnonzero(of.people == person) for person in rng.choice(np.unique(of.people), people)]
    return np.concatenate(mine), np.repeat(np.arange(people), [len(each) for each in mine])


def _by_labels(
    of: World, declared: InputSpec, order: list[int], rows: Integers, person: Integers, seed: int
) -> list[Check]:
    """Return the checks that labels decide, of a target that declares this and gives its outputs in ``order``."""
    target = Target(of.net, _declaring(of.spec, declared), format="module")
    outputs = of.outputs(declared, None)[rows][:, order]
    material = Material(
        _context(target, seed), np.arange(len(rows)), torch.zeros(0), person, of.labels[rows], outputs,
        lambda count=1: None,
    )  # fmt: skip

    def ask(reading: Reading, places: Integers) -> Floats:
        return of.outputs(declared, reading)[rows[places]][:, order]

    given = labelled(material)
    check, found = class_order(material, given)
    return [check, *preprocessing(material, given, found, ask)]


def _by_asking(of: World, net: nn.Module, rows: Integers, person: Integers, seed: int) -> list[Check]:
    """Return the checks of repetition, batches and modes."""
    target = Target(net, of.spec, format="module")
    pixels = (of.pixels[rows] * 255).round().to(torch.uint8)
    every = np.arange(len(rows), dtype=np.int64)
    empty = Material(
        _context(target, seed), every, pixels, person, of.labels[rows], np.zeros((0, 0)), lambda count=1: None
    )
    material = Material(empty.context, every, pixels, person, empty.labels, empty.ask(), empty.advance)
    modes = modes_of(target)
    twice = same_twice(material, modes)
    random = twice.verdict == "differs"
    return [
        twice,
        alone_or_in_batch(material, modes, random=random),
        batch_order(material, modes, random=random),
        mode(material, modes),
    ]


def _inputs(right: InputSpec) -> dict[str, tuple[InputSpec, str]]:
    """Return wrong declarations by name, with the check that must name each."""
    std, mean = list(right.std), list(right.mean)
    wrong = {
        "0 to 255 taken for 0 to 1": {"std": [each / 255 for each in std]},
        "mean in grey levels": {"mean": [each * 255 for each in mean]},
        "mean off by half the range": {"mean": [each + 0.5 for each in mean]},
        "deviation four times too large": {"std": [each * 4 for each in std]},
        "deviation four times too small": {"std": [each / 4 for each in std]},
    }
    faults = {name: (right.model_copy(update=block), "normalisation") for name, block in wrong.items()}
    if right.channels != "grey":
        faults["BGR for RGB"] = (right.model_copy(update={"channels": "bgr"}), "channel_order")
    return faults


def _orders(of: World, rng: np.random.Generator) -> dict[str, list[int]]:
    """Return the outputs of a net with two labelled classes exchanged, and with every class at another's place."""
    count = len(of.spec.class_names)
    one, other = rng.choice(np.unique(of.labels), 2, replace=False)
    swap = list(range(count))
    swap[one], swap[other] = int(other), int(one)
    shuffle = rng.permutation(count)
    while (shuffle == np.arange(count)).any():
        shuffle = rng.permutation(count)
    return {"two classes exchanged": swap, "every class at another's place": shuffle.tolist()}


class _Before(nn.Module):
    """A net with something random done to its input."""

    def __init__(self, net: nn.Module, change: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.net, self.change = net, change

    def forward(self, pixels: Tensor) -> Tensor:
        """Return the net's outputs for the changed input."""
        outputs: Tensor = self.net(self.change(pixels))
        return outputs


def _modes(net: nn.Module) -> dict[str, tuple[nn.Module, str]]:
    """Return nets left in another mode or made random, with the check that must name each."""
    normal = copy.deepcopy(net)
    for module in normal.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.training = True
    dropped = nn.Sequential(nn.Dropout(0.1), copy.deepcopy(net)).eval()
    dropped[0].train()
    faults = {
        "dropout left on": (dropped, "same_twice"),
        "functional dropout": (_Before(net, lambda x: functional.dropout(x, 0.1)).eval(), "same_twice"),
        "noise of 0.01 at the input": (_Before(net, lambda x: x + 0.01 * torch.randn_like(x)).eval(), "same_twice"),
    }
    if any(isinstance(module, nn.BatchNorm2d) for module in net.modules()):
        faults["batch normalisation left in train mode"] = (normal, "train_mode")
    return faults


def _told(cell: str, checks: list[Check], wanted: str | None) -> Row:
    """Return what the checks found: the fault, or anything where there is none; medium and above count as alarms."""
    differing = [check for check in checks if check.verdict == "differs"]
    alarms = {check.name for check in differing if check.severity in {"high", "medium"}}
    if wanted is None:
        return {Outcome(cell, ALARM): float(bool(alarms))}
    return {
        Outcome(cell, NAMED): float(any(check.name == wanted for check in differing)),
        Outcome(cell, HIGH): float(any(check.name == wanted and check.severity == "high" for check in differing)),
        Outcome(cell, OTHER): float(bool(alarms - {wanted, *BESIDE.get(wanted, ())})),
    }


BESIDE = {
    "same_twice": ("train_mode",),
    "train_mode": ("alone_or_in_batch", "batch_order", "same_twice"),
}
"""What names the same fault again."""


def judge(name: str, people: int, seed: int) -> Row:
    """Return what came of one drawing of people, for a sound target and for each fault."""
    of, row = world(name), {}
    rng = np.random.default_rng([seed, people, *name.encode()])
    rows, person = _drawn_anew(of, people, rng)
    right, straight = of.spec.input, list(range(len(of.spec.class_names)))
    assert right is not None
    some = rng.choice(len(rows), min(MODE_FACES, len(rows)), replace=False)
    once = rows[some], person[some]

    def cell(fault: str) -> str:
        return f"{name}, {people} people: {fault}"

    asked = seed % ASKED_EVERY == 0
    sound = _by_labels(of, right, straight, rows, person, seed)
    if asked:
        sound += _by_asking(of, of.net, *once, seed)
    row.update(_told(cell("nothing planted"), sound, None))
    for fault, (declared, wanted) in _inputs(right).items():
        row.update(_told(cell(fault), _by_labels(of, declared, straight, rows, person, seed), wanted))
    for fault, order in _orders(of, rng).items():
        row.update(_told(cell(fault), _by_labels(of, right, order, rows, person, seed), "class_order"))
    if people == PEOPLE[name][0]:
        torch.manual_seed(seed)
        for fault, (net, wanted) in _modes(of.net).items():
            told = _told(cell(fault), _by_asking(of, net, *once, seed) if asked else [], wanted)
            row.update(told if asked else dict.fromkeys(told, math.nan))
    return row


def simulate(seed: int) -> Row:
    """Return what came of one drawing of people from each set of faces, in two sizes."""
    row: dict[Outcome, float] = {}
    for name, sizes in PEOPLE.items():
        for people in sizes:
            row.update(judge(name, people, seed))
    return row


STUDY = Study(
    name="integrity_faults",
    version=1,
    title="Faults planted in order, channels, normalisation and mode",
    about="People are drawn with replacement: London faces (two each) under face_expression and mini_xception, drawn "
    "faces (seven each) under the demonstration's sound net. Named: the finding of that name, at any severity. Another "
    "finding, any finding: of severity medium or above.",
    simulate=simulate,
)
