"""A run folder made without a model: simulated predictions, real statistics, drawn heatmaps.

The numbers are made up; their shape is that of an audit of 204 faces of 102 people.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from countenance.core.files import sha256_of_file
from countenance.core.probes import Scores
from countenance.core.results import (
    Artifact,
    AttributeSummary,
    AuditResults,
    DataSummary,
    Estimate,
    Finding,
    GateOutcome,
    GroupCount,
    Measurement,
    ProbeResult,
    Quarantined,
    TargetSummary,
)
from countenance.core.results_file import write_results
from countenance.core.statistics.groups import plan_groups
from countenance.core.statistics.rules import StatisticsRules
from countenance.core.statistics.slicing import slice_scores

CLASSES = ("neutral", "happy", "sad", "angry", "fearful", "disgusted", "surprised")
RULES = StatisticsRules()
EPS = ("1/255", "2/255", "4/255", "8/255")

CARD = """\
model_details:
  developers: Example Laboratory
  date: 2026-10-01
  version: 1.10
  license: CC BY-NC 4.0
  contact: audits@example.org
intended_use:
  primary_uses: Studies of posed expressions in a laboratory.
  out_of_scope: [Inferring what a person feels., "Any decision about a person at work, at school or at a border."]
  deployment_context: research
ethical_considerations:
  risks_and_harms: Smiles of some people may be read as neutral more often.
"""


class MadeFaces:
    """Simulated faces: attributes by person, labels, predictions of a model with a planted gap."""

    def __init__(self, seed: int, people: int = 102, rename: Mapping[str, str] | None = None) -> None:
        random = np.random.default_rng(seed)
        named = dict(rename or {})
        self.classes = tuple(named.get(name, name) for name in CLASSES)
        gender = random.permutation(["female"] * (people * 49 // 102) + ["male"] * (people - people * 49 // 102))
        counts = {"black": 13, "east_asian": 9, "east_asian/white": 1, "west_asian": 10}
        ethnicity = [name for name, count in counts.items() for _ in range(count * people // 102 or 1)]
        ethnicity = random.permutation(ethnicity + ["white"] * (people - len(ethnicity)))
        self.subjects = np.repeat(np.arange(people), 2)
        self.frame = pd.DataFrame(
            {
                "gender": [named.get(value, value) for value in np.repeat(gender, 2)],
                "ethnicity": [named.get(value, value) for value in np.repeat(ethnicity, 2)],
                "ita_group": random.choice(
                    ["very_light", "light", "intermediate", "tan"], 2 * people, p=[0.35, 0.35, 0.2, 0.1]
                ),
            }
        )
        self.groups = plan_groups(self.frame, self.frame.columns, [["gender", "ethnicity"]])
        self.labels = np.tile([0, 1], people)
        chance = np.where(self.labels == 0, 0.985, np.where(np.repeat(gender, 2) == "female", 0.62, 0.8))
        right = random.random(2 * people) < chance
        wrong = random.choice([2, 4, 6], 2 * people)
        self.predicted = np.where(right, self.labels, np.where(self.labels == 1, 0, wrong))
        self.right = self.predicted == self.labels
        self.random = random

    @property
    def rows(self) -> Any:
        return np.arange(len(self.labels))

    def measure(self, probe: str, scores: Scores) -> list[Measurement]:
        return slice_scores(scores, self.subjects, self.groups, RULES, probe)

    def rate(self, probe: str, metric: str, values: Any, where: Any = None, **place: Any) -> list[Measurement]:
        rows = self.rows if where is None else np.flatnonzero(where)
        scores = Scores(metric, rows, np.asarray(values, dtype=float)[rows], kind="rate", bounds=(0, 1), **place)
        return self.measure(probe, scores)

    def summary(self, quarantined: list[Quarantined]) -> DataSummary:
        attributes = {}
        for name in self.frame.columns:
            groups = {
                str(value): GroupCount(faces=len(part), subjects=len(np.unique(self.subjects[part.index])))
                for value, part in self.frame.groupby(name)
            }
            assigned = "derived" if name == "ita_group" else "self-reported"
            attributes[name] = AttributeSummary(
                assigned_by=assigned, of="image" if name == "ita_group" else "subject", groups=groups
            )
        counts = {self.classes[code]: int((self.labels == code).sum()) for code in (0, 1)}
        return DataSummary(
            name="London Set", faces=len(self.labels), subjects=len(np.unique(self.subjects)), sha256="5c" * 32,
            labels=counts, attributes=attributes, intersections=[["ethnicity", "gender"]], landmarks="478",
            boxes_padded=3, quarantined=quarantined, not_measured=["the plan names no split, so none is compared"],
        )  # fmt: skip


def performance(faces: MadeFaces) -> ProbeResult:
    found = [item for item in faces.rate("performance", "accuracy", faces.right, direction="higher") if not item.slice]
    found[:] = [item for item in found if not item.slice]
    recalls = []
    for code, name in enumerate(faces.classes):
        place = {"slice": {"label": name}, "by_group": False, "direction": "higher"}
        recall = faces.rate("performance", "recall", faces.predicted == code, faces.labels == code, **place)
        found += recall
        found += faces.rate("performance", "precision", faces.labels == code, faces.predicted == code, **place)
        recalls += [item.estimate.value for item in recall if item.estimate.value is not None]
    low, high = float(np.mean(recalls)) - 0.04, float(np.mean(recalls)) + 0.04
    for metric, value in (("balanced_accuracy", float(np.mean(recalls))), ("macro_f1", float(np.mean(recalls)) - 0.01)):
        estimate = Estimate(
            value=value, low=low - 0.01, high=high, level=0.95, method="sandwich_t", n=204, subjects=102
        )
        found.append(Measurement.of("performance", metric, estimate, direction="higher"))
    ece = Estimate(value=0.071, low=0.044, high=0.112, level=0.95, method="sandwich_t", n=204, subjects=102)
    found.append(Measurement.of("performance", "ece", ece, direction="lower"))
    return ProbeResult(
        id="performance", probe="performance", version=1, status="ok", seconds=2.1, title="Performance",
        pillar="performance", shows="How often the predicted class is the label, overall and class by class.",
        hides="Why an answer is wrong, and how the model does on faces unlike these.",
        citation="Guo et al. 2017, arXiv 1706.04599, for calibration", params={"bins": 15},
        notes=["5 of the 7 classes have no labelled face; nothing is known of them."], measurements=found,
        findings=[
            Finding(
                id="performance.classes", severity="low",
                claim="5 of 7 classes have no labelled face in this data: their recall was not measured.",
                evidence=[item.key for item in found if item.metric == "recall" and item.estimate.value is None][:2],
                caveats=["A model may be worse on exactly these."],
            )
        ],
    )  # fmt: skip


def group_metrics(faces: MadeFaces) -> ProbeResult:
    found = [item for item in faces.rate("group_metrics", "accuracy", faces.right, direction="higher") if item.slice]
    for code, name in enumerate(faces.classes):
        is_label, is_said = faces.labels == code, faces.predicted == code
        place: dict[str, Any] = {"slice": {"label": name}}
        for metric, values, where in (
            ("recall", is_said, is_label),
            ("fnr", ~is_said, is_label),
            ("fpr", is_said, ~is_label),
            ("fdr", ~is_label, is_said),
            ("for", is_label, ~is_said),
            ("base_rate", is_label, None),
            ("selection_rate", is_said, None),
        ):
            items = faces.rate("group_metrics", metric, values, where, **place)
            found += [item for item in items if set(item.slice) - {"label"}]
    claim = f"Recall of {faces.classes[1]} differs by gender beyond what chance gives."
    women = f"group_metrics/recall[gender=female,label={faces.classes[1]}]"
    keys = {item.key for item in found}
    return ProbeResult(
        id="group_metrics", probe="group_metrics", version=1, status="ok", seconds=0.4, title="Results by group",
        pillar="fairness", shows="How often the model errs for each group, and in which way.",
        hides="What causes a difference. Groups too small to measure.",
        citation="Mitchell et al. 2019, doi:10.1145/3287560.3287596", measurements=found,
        findings=[
            Finding(
                id="group_metrics.gap", severity="high", claim=claim, p_adjusted=0.003,
                evidence=[key for key in (women, women.replace("female", "male")) if key in keys],
                caveats=["The smiles differ in strength, so this alone is no evidence of bias."],
            )
        ],
    )  # fmt: skip


def _polygon(cx: float, cy: float, rx: float, ry: float, points: int = 40) -> list[list[float]]:
    angle = np.linspace(0, 2 * np.pi, points)
    return [[round(cx + rx * np.cos(a), 1), round(cy + ry * np.sin(a), 1)] for a in angle]


def heatmaps(faces: MadeFaces, folder: Path) -> ProbeResult:
    yy, xx = np.mgrid[0:275, 0:224]
    labels = [name for name in faces.classes if name != faces.classes[0]]
    arrays, masks, found = {}, {}, []
    for position, name in enumerate(labels):
        spots = [(112, 200, 40, 22), (75, 95, 26, 20), (150, 95, 26, 20)]
        cx, cy, rx, ry = spots[position % 3]
        heat = np.exp(-(((xx - cx) / (rx * 1.6)) ** 2 + ((yy - cy) / (ry * 2.2)) ** 2))
        heat += 0.5 * np.exp(-(((xx - 20) / 30) ** 2 + ((yy - 30) / 30) ** 2)) * (position % 2)
        arrays[f"{name}.heatmap"] = (255 * heat / heat.max()).astype(np.uint8)
        mask = ((xx - 112) / 45) ** 2 + ((yy - 205) / 24) ** 2 <= 1
        arrays[f"{name}.mask"] = mask
        arrays[f"{name}.threshold"] = np.asarray(120.0)
        masks[name] = [_polygon(112, 205, 45, 24)]
        if position:
            note = "no face here counts towards iou of label " + name
            found.append(
                Measurement.of("global_heatmaps", "iou", Estimate.not_measured(note, n=0), slice={"label": name})
            )
            continue
        value, place = 0.31, {"label": name}
        estimate = Estimate(value=value, low=0.27, high=0.36, level=0.95, method="bootstrap", n=100, subjects=100)
        found.append(Measurement.of("global_heatmaps", "iou", estimate, slice=place, direction="higher"))
        for null, level in (("null_ones", 0.2575), ("null_random", 0.198), ("null_other_masks", 0.221)):
            found.append(Measurement.of("global_heatmaps", f"iou.{null}", Estimate(value=level), slice=place))
        specific = Estimate(value=0.089, low=0.02, high=0.13, level=0.95, method="bootstrap", n=100, subjects=100)
        found.append(Measurement.of("global_heatmaps", "specificity", specific, slice=place, direction="higher"))
        scores = Scores(
            "face_iou", np.flatnonzero(faces.labels == 1), faces.random.beta(3, 8, int((faces.labels == 1).sum())),
            bounds=(0, 1), slice=place, direction="higher",
        )  # fmt: skip
        found += faces.measure("global_heatmaps", scores)
    drawing = {
        "canvas": {"width": 224, "height": 275}, "layer": "features.7",
        "face": [
            _polygon(112, 140, 88, 122), _polygon(78, 95, 16, 7), _polygon(146, 95, 16, 7), _polygon(112, 205, 32, 11),
        ],
        "masks": masks,
    }  # fmt: skip
    (folder / "artifacts").mkdir(parents=True, exist_ok=True)
    drawn = [name for name in arrays if name.startswith((labels[0], labels[1]))]
    np.savez_compressed(folder / "artifacts/global_heatmaps.heatmaps.npz", **{name: arrays[name] for name in drawn})
    (folder / "artifacts/global_heatmaps.drawing.json").write_text(json.dumps(drawing))
    return ProbeResult(
        id="global_heatmaps", probe="global_heatmaps", version=1, status="ok", seconds=20.0,
        title="Where the model looks", pillar="explanation",
        shows="Which regions of the face drive the answer for each expression, on a face all were warped to.",
        hides="Whether the explanation is faithful to the model. What single faces show.",
        citation="Gaya-Morey et al. 2024, arXiv 2401.11835", params={"method": "gradcam", "per_class": 100},
        notes=["layer features.7, GradCAM, 100 faces a class at most"], measurements=found,
        artifacts=[
            _artifact(folder, "artifacts/global_heatmaps.heatmaps.npz", "Heatmaps"),
            _artifact(folder, "artifacts/global_heatmaps.drawing.json", "Outlines"),
        ],
        findings=[
            Finding(
                id="global_heatmaps.corner", severity="medium",
                claim=f"Part of the heatmap of {labels[0]} lies outside the face.",
                evidence=[found[0].key], caveats=["The Ekman masks are one contested account."],
            )
        ],
    )  # fmt: skip


def adversarial(faces: MadeFaces) -> ProbeResult:
    found = faces.rate("pgd", "accuracy", faces.right, condition={"attack": "none", "eps": "0"}, direction="higher")
    for step, eps in enumerate(EPS):
        for attack, chance in (("pgd", 0.9 * 0.35 ** (step + 1)), ("noise", 1 - 0.004 * (step + 1) ** 2)):
            right = faces.right & (faces.random.random(len(faces.right)) < chance)
            found += faces.rate("pgd", "accuracy", right, condition={"attack": attack, "eps": eps}, direction="higher")
    return ProbeResult(
        id="pgd", probe="adversarial", version=1, status="ok", seconds=63.0,
        title="Accuracy under adversarial perturbation", pillar="robustness",
        shows="How often the model is still right when every pixel may change by at most eps.",
        hides="Stronger attacks: an attack bounds robust accuracy from above only.",
        citation="Madry et al. 2018, arXiv 1706.06083", params={"attack": "pgd", "eps": list(EPS), "steps": 20},
        notes=["pgd: 20 steps of 2.5 eps / steps"], measurements=found,
        findings=[
            Finding(
                id="pgd.headline", severity="medium", claim="A perturbation of 2/255 changes most right answers.",
                evidence=["pgd/accuracy@attack=pgd,eps=2/255", "pgd/accuracy@attack=noise,eps=2/255"],
            )
        ],
    )  # fmt: skip


def unmade() -> Iterator[ProbeResult]:
    common: dict[str, Any] = {"version": 1, "shows": "Something.", "hides": "Much."}
    yield ProbeResult(
        id="mirror", probe="mirror", status="skipped", reason="the target is a table of predictions: it gives no model",
        title="Mirror consistency", pillar="robustness", **common,
    )  # fmt: skip
    yield ProbeResult(
        id="shortcut", probe="shortcut", status="failed", reason="RuntimeError: sizes of tensors must match",
        title="Background shortcut", pillar="integrity", **common,
    )  # fmt: skip


def gates() -> list[GateOutcome]:
    return [
        GateOutcome(
            gate={"measure": "performance/accuracy", "at_least": 0.8}, verdict="pass",
            why="performance/accuracy is 0.848 [0.791, 0.895], n = 204; the limit is at least 0.8",
            evidence=["performance/accuracy"],
        ),
        GateOutcome(
            gate={
                "measure": "group_metrics/recall", "where": {"gender": "*", "label": "happy"}, "at_least": 0.75,
                "hazard": "women's joy read as neutral", "review_by": "2027-05-01",
            },
            verdict="fail",
            why="group_metrics/recall[gender=female,label=happy] is 0.653 [0.513, 0.749]; the limit is at least 0.75",
            evidence=["group_metrics/recall[gender=female,label=happy]"],
        ),
        GateOutcome(
            gate={"measure": "global_heatmaps/iou", "where": {"label": "happy"}, "at_least": 0.3},
            verdict="inconclusive",
            why="global_heatmaps/iou[label=happy] is 0.310 [0.270, 0.360]; the limit lies inside the interval",
            evidence=["global_heatmaps/iou[label=happy]"],
        ),
    ]  # fmt: skip


def _artifact(folder: Path, path: str, title: str, kind: Any = "artifact") -> Artifact:
    return Artifact(path=path, sha256=sha256_of_file(folder / path), kind=kind, title=title)


def make_run(
    folder: Path,
    seed: int = 7,
    people: int = 102,
    rename: Mapping[str, str] | None = None,
    name: str = "face_expression",
) -> AuditResults:
    """Write a run folder and return its results; ``rename`` puts other words for labels and attribute values."""
    folder.mkdir(parents=True, exist_ok=True)
    faces = MadeFaces(seed, people, rename)
    quarantined = [
        Quarantined(row=5, face_id="secret/person_041.jpg", reason="secret/person_041.jpg: the image is truncated"),
        Quarantined(row=9, face_id="secret/person_044.jpg", reason="secret/person_044.jpg: the image is truncated"),
        Quarantined(row=17, face_id="secret/person_060.jpg", reason="the image has 1 x 1 pixels"),
    ]
    first = performance(faces)
    table = pd.DataFrame(0, index=faces.classes, columns=faces.classes)
    for label, said in zip(faces.labels, faces.predicted, strict=True):
        table.iloc[label, said] += 1
    table.insert(0, "label", faces.classes)
    (folder / "tables").mkdir(exist_ok=True)
    table.to_csv(folder / "tables/performance.confusion.csv", index=False)
    confusion = _artifact(folder, "tables/performance.confusion.csv", "Confusion matrix", "table")
    probes = [
        first.model_copy(update={"artifacts": [confusion]}),
        group_metrics(faces),
        heatmaps(faces, folder),
        adversarial(faces),
        *unmade(),
    ]
    results = AuditResults(
        name=f"{name} on London", started="2026-11-20T10:00:00Z", seconds=98.4,
        tool={"countenance": "0.1.0", "torch": "2.13.0", "python": "3.11.7", "device": "cpu"},
        target=TargetSummary(
            name=name, task="expression", classes=list(faces.classes), format="safetensors", sha256="ab" * 32,
            input={"size": 112, "channels": "rgb"}, output="logits", parameters=268_000, gives=["gradients", "layers"],
        ),
        data=faces.summary(quarantined), probes=probes, gates=gates(),
        plan={"version": 1, "name": name, "seed": seed, "data": {"min_subjects": 10}, "report": {"faces": "none"}},
    )  # fmt: skip
    write_results(results, folder)
    (folder / "card.yaml").write_text(CARD, encoding="utf-8")
    return results
