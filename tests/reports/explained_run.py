"""A run folder with everything that explanations are drawn from; the numbers are made up."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from countenance.core.files import sha256_of_file
from countenance.core.results import Artifact, AuditResults, Estimate, Measurement, ProbeResult
from countenance.core.results_file import write_results

METHODS: dict[str, tuple[str, str, str | None, str | None]] = {
    "gradcam": ("GradCAM", "cam", "features.14", None),
    "layercam": ("LayerCAM", "cam", "features.14", None),
    "eigencam": ("EigenCAM", "cam", "features.14", None),
    "saliency": ("Saliency", "gradient", None, None),
    "integrated_gradients": ("Integrated gradients", "gradient", None, None),
    "guided_backprop": ("Guided backpropagation", "gradient", None, None),
    "lrp": ("LRP", "gradient", None, "LRP: no rule for what is no module, and Mean is computed by a function"),
    "rise": ("RISE", "black_box", None, None),
    "lime": ("LIME", "black_box", None, None),
}
CHECKS: dict[str, dict[str, Any]] = {
    "gradcam": {"title": "GradCAM", "randomisation": "passes", "reason": "", "road": 0.31, "road.null_random": 0.02,
                "deletion": 0.21, "insertion": 0.74, "stability": 0.97},
    "layercam": {"title": "LayerCAM", "same_as": ["gradcam"], "randomisation": "passes", "reason": "", "road": 0.28,
                 "deletion": 0.22, "insertion": 0.71, "stability": 0.95},
    "eigencam": {"title": "EigenCAM", "randomisation": "fails", "road": 0.04, "deletion": 0.45, "insertion": 0.52,
                 "reason": "with random weights its maps still correlate 0.83 [0.79, 0.87] with the first ones",
                 "stability": 0.99},
    "saliency": {"title": "Saliency", "randomisation": "passes", "reason": "", "road": [0.12, 0.08, 0.17],
                 "deletion": 0.35, "insertion": 0.6, "stability": 0.41},
    "guided_backprop": {"title": "Guided backpropagation", "randomisation": "fails", "road": 0.1, "deletion": 0.4,
                        "insertion": 0.55, "stability": 0.6, "reason": "correlation 0.77 after randomisation"},
    "rise": {"title": "RISE", "randomisation": "not measured", "reason": "too slow for this budget", "road": None},
}  # fmt: skip
UNITS = {
    "AU1": "inner brow raiser", "AU4": "brow lowerer", "AU6": "cheek raiser", "AU9": "nose wrinkler",
    "AU12": "lip corner puller", "AU15": "lip corner depressor", "AU25": "lips part",
}  # fmt: skip
BOOK = {"happy": {"AU6", "AU12"}, "sad": {"AU1", "AU4", "AU15"}, "surprised": {"AU1", "AU25"}}


def blob(cx: float, cy: float, rx: float, ry: float) -> NDArray[np.float64]:
    yy, xx = np.mgrid[0:275, 0:224]
    return np.exp(-(((xx - cx) / rx) ** 2 + ((yy - cy) / ry) ** 2))


def grey(heat: NDArray[np.float64]) -> NDArray[np.uint8]:
    return (255 * heat / heat.max()).astype(np.uint8)


def add_explanations(folder: Path, results: AuditResults, faces: str = "none", permitted: bool = True) -> AuditResults:
    """Add the artifacts of explanations to a run made by ``make_run`` and write it again."""
    classes = results.target.classes
    labels = [name for name in classes if name != classes[0]]
    random = np.random.default_rng(3)
    maps: dict[str, NDArray[Any]] = {}
    overlap: list[Measurement] = []
    for row, name in enumerate(METHODS):
        if METHODS[name][3] is not None:
            continue
        for column, label in enumerate(labels):
            if label == labels[-1] and name == "lime":
                continue
            heat = blob(112 + 10 * row - 30, 90 + 22 * column, 40 - 2 * row, 30) + 0.4 * blob(60, 90, 25, 18)
            if METHODS[name][1] == "gradient":
                heat = heat * (0.2 + random.random(heat.shape))
            maps[f"{name}/{label}"] = grey(heat)
            condition = {"method": name} if row else {}
            if row and column < 3:
                value = 0.15 + 0.02 * row + 0.03 * column
                estimate = Estimate(value=value, low=value - 0.04, high=value + 0.05, level=0.95, method="t", n=60)
                overlap.append(
                    Measurement.of("global_heatmaps", "iou", estimate, slice={"label": label}, condition=condition)
                )
                null = Estimate(value=0.2)
                overlap.append(
                    Measurement.of(
                        "global_heatmaps", "iou.null_other_masks", null, slice={"label": label}, condition=condition
                    )
                )
    told = {
        "methods": {
            name: {"title": title, "family": family, "layer": layer, "unavailable": reason}
            for name, (title, family, layer, reason) in METHODS.items()
        },
        "labels": list(classes),
        "iou": {},
    }
    singles, single_maps = _examples(labels, classes[0], permitted, random)
    files = {
        "global_heatmaps.methods.npz": maps,
        "global_heatmaps.methods.json": told,
        "global_heatmaps.examples.npz": single_maps,
        "global_heatmaps.examples.json": singles,
    }
    probes = []
    for probe in results.probes:
        found = probe
        if probe.id == "global_heatmaps":
            artifacts = [*probe.artifacts, *(_written(folder, name, content) for name, content in files.items())]
            found = probe.model_copy(update={"artifacts": artifacts, "measurements": [*probe.measurements, *overlap]})
        probes.append(found)
    probes += [_units(folder, labels, random), _checks(folder)]
    plan = {**results.plan, "report": {"faces": faces}}
    changed = results.model_copy(update={"probes": probes, "plan": plan})
    write_results(changed, folder)
    return changed


def _examples(
    labels: list[str], neutral: str, permitted: bool, random: np.random.Generator
) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    told, arrays = [], {}
    for column, label in enumerate(labels[:4]):
        for kind in ("most typical", "most wrong"):
            wrong = kind == "most wrong"
            if wrong and column == 2:
                continue
            arrays[f"{label}/{kind}/map"] = grey(
                blob(112, 90 + 30 * column, 34, 24) + 0.3 * wrong * blob(20, 20, 30, 30)
            )
            if permitted and column != 1:
                yy, xx = np.mgrid[0:112, 0:112]
                face = 120 + 70 * np.exp(-(((xx - 56) / 36) ** 2 + ((yy - 58) / 46) ** 2))[..., None]
                crop = np.clip(face * [1.0, 0.85, 0.75] + random.normal(0, 6, (112, 112, 3)), 0, 255)
                arrays[f"{label}/{kind}/crop"] = crop.astype(np.uint8)
                arrays[f"{label}/{kind}/crop_map"] = grey(blob(112, 90 + 30 * column, 34, 24)[:224:2, ::2])
            told.append(
                {
                    "label": label, "kind": kind, "predicted": label, "labelled": neutral if wrong else label,
                    "text": f"called {label} with probability 0.93" if wrong else "correlation 0.91 with the mean map",
                    "permitted": permitted and column != 1,
                }
            )  # fmt: skip
    rule = "Chosen by rule, not by hand. Most typical: most like the mean map. Most wrong: surest of the wrong ones."
    return {"rule": rule, "method": "gradcam", "examples": told}, arrays


def _units(folder: Path, labels: list[str], random: np.random.Generator) -> ProbeResult:
    rows: list[dict[str, Any]] = []
    measurements = []
    for label, own in zip(labels[:4], (*BOOK.values(), set()), strict=True):
        for unit, name in UNITS.items():
            energy = float(0.06 + 0.1 * random.random() + 0.12 * (unit in own))
            missing = label == labels[3]
            rows.append(
                {
                    "label": label, "unit": unit, "name": name, "in_codebook": int(unit in own),
                    "energy": None if missing else energy, "low": None if missing else energy - 0.02,
                    "high": None if missing else energy + 0.02, "null": None if missing else 0.1,
                    "null_low": None if missing else 0.08, "null_high": None if missing else 0.12, "even": 0.09,
                    "of": "predicted", "reason": "9 people; 10 are needed" if missing else "",
                }
            )  # fmt: skip
            if not missing:
                place = {"label": label, "unit": unit}
                estimate = Estimate(value=energy, low=energy - 0.02, high=energy + 0.02, level=0.95, method="t", n=80)
                measurements.append(Measurement.of("au_alignment", "energy", estimate, slice=place))
                null = Estimate(value=0.1, low=0.08, high=0.12, level=0.95, method="t")
                measurements.append(Measurement.of("au_alignment", "energy.null_other_classes", null, slice=place))
    for label, value in zip(labels[:3], (0.4, 0.5, 0.61), strict=True):
        place = {"label": label}
        estimate = Estimate(value=value, low=value - 0.05, high=value + 0.05, level=0.95, method="t", n=80)
        measurements.append(Measurement.of("au_alignment", "cam_cos", estimate, slice=place))
        for null, level in (("constant", 0.49), ("centre", 0.58), ("wrong", 0.53)):
            measurements.append(
                Measurement.of("au_alignment", f"cam_cos.null_{null}", Estimate(value=level), slice=place)
            )
    file = folder / "tables/au_alignment.units.csv"
    pd.DataFrame(rows).to_csv(file, index=False)
    artifact = Artifact(path="tables/au_alignment.units.csv", sha256=sha256_of_file(file), kind="table", title="Units")
    return ProbeResult(
        id="au_alignment", probe="au_alignment", version=1, status="ok", seconds=3.0, title="Action units",
        pillar="explanation", shows="What.", hides="Much.", measurements=measurements, artifacts=[artifact],
    )  # fmt: skip


def _checks(folder: Path) -> ProbeResult:
    return ProbeResult(
        id="faithful", probe="explanation_checks", version=1, status="ok", seconds=3.0, title="Are they right",
        pillar="explanation", shows="What.", hides="Much.", measurements=[],
        artifacts=[_written(folder, "faithful.checks.json", {"methods": CHECKS})],
    )  # fmt: skip


def _written(folder: Path, name: str, content: Mapping[str, Any]) -> Artifact:
    file = folder / "artifacts" / name
    if name.endswith(".npz"):
        np.savez_compressed(file, **content)
    else:
        file.write_text(json.dumps(content), encoding="utf-8")
    return Artifact(path=f"artifacts/{name}", sha256=sha256_of_file(file), kind="artifact", title=name)
