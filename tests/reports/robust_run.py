"""A run folder with robustness and integrity probes; the faces, and what the conditions do to them, are made up.

Scores, groups, gaps and strips are made by the package itself, so their keys and files are those of an audit.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from countenance.audit.robustness.conditions import Condition, Outcomes, Perturbed
from countenance.audit.robustness.losses import Summary, robustness_outputs
from countenance.audit.robustness.quality import quality_of
from countenance.audit.robustness.strip import strip
from countenance.core.collector import Collector
from countenance.core.faces import FaceBatch
from countenance.core.plan import InputSpec, TargetSpec
from countenance.core.predictions import Predictions
from countenance.core.probes import Output, ProbeContext, Scores, TableOutput
from countenance.core.results import AuditResults, ProbeResult
from countenance.core.results_file import write_results
from countenance.core.run_folder import RunFolder
from countenance.core.statistics.slicing import Slicer
from countenance.core.target import Target

CORRUPTIONS = (
    "gaussian_noise", "shot_noise", "impulse_noise", "defocus_blur", "glass_blur", "motion_blur", "zoom_blur", "snow",
    "frost", "fog", "brightness", "contrast", "elastic_transform", "pixelate", "jpeg", "low_resolution", "low_light",
    "colour_cast", "camera_motion", "compression",
)  # fmt: skip
OBJECTS = ("sunglasses", "medical_mask", "hand", "scarf", "hair")
CHECKLIST = [
    ("the same image twice", "holds", "outputs equal in every bit", ""),
    ("channels in order", "differs", "as BGR 0.91 of the faces are right, as RGB 0.43", "set channels: bgr <now>"),
    ("batch and alone", "warning", "probabilities differ by up to 3e-4", "say which batch size is used"),
    ("formats of the checkpoint", "not checked", "the plan names one file", ""),
]


def _module(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, Path(__file__).parent / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules.setdefault(name, module)
    spec.loader.exec_module(module)
    return module


def _answers(pixels: Tensor) -> Tensor:
    """Stand for a model: three features of a picture, spread over seven classes."""
    level, spread = pixels.mean((1, 2, 3)), pixels.flatten(1).std(1)
    red = (pixels[:, 0] - pixels[:, 2]).mean((1, 2))
    columns = [0.5 - level, level - 0.45, spread - 0.3, red - 0.1, 0.2 - spread, -red, level - 0.8]
    return torch.stack(columns, 1) * 12


@contextmanager
def silent(unit: str, total: int) -> Iterator[Any]:
    yield lambda count=1: None


@dataclass
class RobustRun:
    """Makes probes of simulated faces; a group can be planted that loses more than the others."""

    folder: Path
    seed: int = 7
    worse: tuple[str, str] = ("gender", "female")
    permutations: int = 199

    def __post_init__(self) -> None:
        self.made = _module("made_run")
        self.faces = self.made.MadeFaces(self.seed)
        self.random = np.random.default_rng(self.seed)
        count = len(self.faces.labels)
        values = np.full((count, 7), 0.05)
        values[np.arange(count), self.faces.predicted] = 0.7
        self.predictions = Predictions("expression", self.faces.classes, values, self.faces.labels.astype(float))
        self.hurt = (self.faces.frame[self.worse[0]] == self.worse[1]).to_numpy()

    def outcomes(self, conditions: Sequence[Condition], harm: Sequence[float]) -> Outcomes:
        quality = quality_of(self.predictions)
        right = self.faces.right.astype(float)
        draws = self.random.random(len(right))  # one for all conditions: a face that falls early falls later too
        lost = np.stack([(draws < level * np.where(self.hurt, 1.6, 1.0)) & (right > 0) for level in harm])
        after = right - lost
        possible = np.ones(lost.shape, dtype=bool)
        return Outcomes(
            self.faces.rows, tuple(conditions), quality, np.ones(len(right)), right, after.astype(np.float32),
            lost.astype(np.float32), lost.astype(np.float32), possible, np.zeros(lost.shape, dtype=bool),
            np.zeros(lost.shape, dtype=np.int16),
        )  # fmt: skip

    def context(self, probe_id: str) -> ProbeContext:
        spec = TargetSpec(
            checkpoint="net.pt", task="expression", classes=list(self.faces.classes), output="logits",
            input=InputSpec(size=112),
        )  # fmt: skip
        return ProbeContext(
            probe_id=probe_id,
            faces=SimpleNamespace(subject_codes=self.faces.subjects, landmarks_kind="68"),  # type: ignore[arg-type]
            predictions=self.predictions,
            target=Target(_answers, spec, format="module"),
            rules=self.made.RULES,
            seed=self.seed,
            batch_size=16,
            progress=silent,
        )

    def probe(self, probe_id: str, name: str, outputs: Iterator[Output], **about: Any) -> ProbeResult:
        slicer = Slicer(self.faces.subjects, self.faces.groups, self.made.RULES, self.seed, self.permutations)
        frame = self.faces.frame.assign(face_id=[f"{row}.jpg" for row in self.faces.rows])
        files = RunFolder(self.folder)
        collector = Collector(
            probe_id, SimpleNamespace(frame=frame, reliability={}), slicer, files,  # type: ignore[arg-type]
        )  # fmt: skip
        for output in outputs:
            if isinstance(output, Scores) and output.weights is not None:  # a face counts once, however often asked
                most = float(output.weights.max())
                output = replace(output, values=output.values / most, weights=output.weights / most)
            collector.take(output)
        collector.finish()
        return ProbeResult(
            id=probe_id, probe=name, version=1, status="ok", seconds=1.0, measurements=collector.measurements,
            findings=collector.findings, artifacts=collector.artifacts, notes=collector.notes,
            **{"pillar": "robustness", "shows": "What is lost.", "hides": "What was not tried.", **about},
        )  # fmt: skip

    def corruptions(self, names: Sequence[str] = CORRUPTIONS, sizes: int = 5) -> ProbeResult:
        severities = [str(level + 1) for level in range(sizes)]
        conditions = [
            Condition("corruption", name, "severity", size, f"{name.replace('_', ' ')}, severity {size}")
            for name in names
            for size in severities
        ]
        weight = {name: 0.03 + 0.10 * place / len(names) for place, name in enumerate(names)}
        found = self.outcomes(conditions, [weight[each.name] * int(each.size) for each in conditions])
        summaries = [
            Summary({"corruption": name}, found.of(corruption=name), name.replace("_", " "), gaps=True)
            for name in names
        ]
        for size in severities:
            whole = {"corruption": "all", "severity": size}
            summaries.append(Summary(whole, found.of(severity=size), f"all corruptions at severity {size}"))
        everything = tuple(range(len(conditions)))
        summaries.append(Summary({"corruption": "all"}, everything, "all corruptions", gaps=True))
        context = self.context("corruptions")

        def perturb(condition: Condition, batch: FaceBatch) -> Perturbed:
            level, place = float(condition.size), names.index(condition.name)
            if place % 3 == 0:
                noise = torch.rand(batch.pixels.shape, generator=torch.Generator().manual_seed(place))
                return Perturbed((batch.pixels + (noise - 0.5) * 0.25 * level).clamp(0, 1))
            if place % 3 == 1:
                return Perturbed(torch.nn.functional.avg_pool2d(batch.pixels, 2 * int(level) + 1, 1, int(level)))
            return Perturbed((batch.pixels * (1 - 0.15 * level)).clamp(0, 1))

        def outputs() -> Iterator[Output]:
            clean = {"corruption": "none", "severity": "0"}
            yield from robustness_outputs(context, found, summaries, tolerance=0.1, clean=clean)
            shown = [each for each in conditions if each.size == severities[-1]]
            yield from strip(context, shown[:24], perturb, title="Faces at the largest severity")

        title = "Accuracy under natural corruptions"
        return self.probe("corruptions", "corruptions", outputs(), title=title, params={"tolerance": 0.1})

    def occlusion(self) -> ProbeResult:
        shares = ("0.1", "0.25", "0.5")
        patches = [
            Condition("occlusion", name, "share", share, f"{name.replace('_', ' ')}, {float(share):.0%} of the face")
            for name in ("random", "guided")
            for share in shares
        ]
        objects = [Condition("occlusion", name, title=name.replace("_", " ")) for name in OBJECTS]
        moved = [Condition("occlusion", f"{name}_elsewhere") for name in OBJECTS]
        harm = [float(each.size) * (1.2 if each.name == "guided" else 0.7) for each in patches]
        found = self.outcomes([*patches, *objects, *moved], [*harm, 0.3, 0.45, 0.2, 0.12, 0.08, *[0.1] * 5])
        summaries = [
            Summary({"occlusion": name, "share": share}, found.of(occlusion=name, share=share), f"{name} patches")
            for name in ("random", "guided")
            for share in shares
        ]
        summaries += [
            Summary({"occlusion": name}, found.of(occlusion=name), name.replace("_", " "), gaps=True)
            for name in ("random", "guided", *OBJECTS)
        ]
        context = self.context("occlusion")

        def perturb(condition: Condition, batch: FaceBatch) -> Perturbed:
            covered = batch.pixels.clone()
            side = covered.shape[-1]
            covered[..., side // 3 : side // 2, side // 5 : -side // 5] = 0.1
            return Perturbed(covered, np.array([True, condition.name != "hair", True]))

        def outputs() -> Iterator[Output]:
            clean = {"occlusion": "none", "share": "0"}
            yield from robustness_outputs(context, found, summaries, tolerance=0.1, clean=clean)
            yield from strip(context, [patches[1], *objects], perturb, title="Covered faces")

        return self.probe("occlusion", "occlusion", outputs(), title="Occlusion", params={"tolerance": 0.1})

    def framing(self) -> ProbeResult:
        tried = {"shift": ("0.05", "0.1", "0.2"), "rotation": ("5", "15", "30")}
        conditions = [
            Condition("change", f"{name}_{side}", "amount", size, f"{name} {side} by {size}")
            for name, sizes in tried.items()
            for size in sizes
            for side in ("left", "right")
        ]
        conditions.append(Condition("change", "mirror", title="mirrored"))
        harm = [0.1 * (1 + tried[each.name.split("_")[0]].index(each.size)) for each in conditions[:-1]]
        found = self.outcomes(conditions, [*harm, 0.02])
        summaries = []
        for name, sizes in tried.items():
            members = [[found.of(change=f"{name}_{side}", amount=size) for side in ("left", "right")] for size in sizes]
            of_size = [tuple(place for side in each for place in side) for each in members]
            for size, places in zip(sizes, of_size, strict=True):
                summaries.append(Summary({"change": name, "amount": size}, places, f"{name} by {size}"))
            summaries.append(Summary({"change": name}, tuple(p for each in of_size for p in each), name, gaps=True))
        summaries.append(Summary({"change": "mirror"}, found.of(change="mirror"), "mirroring", gaps=True))
        everything = tuple(range(len(conditions)))
        summaries.append(Summary({"change": "all"}, everything, "all changes of the frame", gaps=True))

        def outputs() -> Iterator[Output]:
            clean = {"change": "none", "amount": "0"}
            yield from robustness_outputs(self.context("framing"), found, summaries, tolerance=0.1, clean=clean)

        return self.probe("framing", "framing", outputs(), title="Pose, scale and crop", params={"tolerance": 0.1})

    def integrity(self) -> ProbeResult:
        table = pd.DataFrame(CHECKLIST, columns=["check", "verdict", "seen", "do"])
        outputs = iter([TableOutput("checklist", table, "What was checked")])
        return self.probe("integrity", "integrity", outputs, title="Did the test hold", pillar="integrity")


def make_robust_run(folder: Path, names: Sequence[str] = CORRUPTIONS, permutations: int = 199) -> AuditResults:
    """Write a run folder whose audit has corruptions, occlusion, framing, an attack and integrity."""
    made = _module("made_run")
    plain: AuditResults = made.make_run(folder)
    run = RobustRun(folder, permutations=permutations)
    (folder / "artifacts").mkdir(exist_ok=True)
    probes = [*plain.probes, run.corruptions(names), run.occlusion(), run.framing(), run.integrity()]
    results = plain.model_copy(update={"probes": probes})
    write_results(results, folder)
    return results


def tree_of(results: AuditResults) -> Mapping[str, ProbeResult]:
    """Return the probes by id."""
    return {probe.id: probe for probe in results.probes}
