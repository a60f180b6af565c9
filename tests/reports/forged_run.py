"""A run folder of a forgery detector and of scans for backdoors; scores, triggers and nets are made up.

Tables, pictures and measurements go through the package's own collector, so their keys and files are those of an audit.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd

from countenance.core.probes import ArrayOutput, JsonOutput, Output, PairedScores, TableOutput
from countenance.core.results import AuditResults, Estimate, Finding, Measurement, ProbeResult
from countenance.core.results_file import write_results

METHODS = ("faceswap", "morph", "mouth_splice")
STRENGTH = {"faceswap": 1.8, "morph": 1.1, "mouth_splice": 0.05}
FAMILIES = ("mask", "off_face_mask", "additive", "shifted_additive", "flow")
TYPICAL = {"mask": 22.0, "off_face_mask": 90.0, "additive": 0.06, "shifted_additive": 0.1, "flow": 2.0}


def _module(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, Path(__file__).parent / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules.setdefault(name, module)
    spec.loader.exec_module(module)
    return module


def _auroc(positive: Any, negative: Any) -> float:
    return float((positive[:, None] > negative[None]).mean())


def _estimate(value: float, n: int, spread: float = 1.0) -> Estimate:
    arm = spread * 0.5 / np.sqrt(n)
    return Estimate(
        value=value, low=max(0.0, value - arm), high=min(1.0, value + arm), level=0.95, method="sandwich_t", n=n,
        subjects=n,
    )  # fmt: skip


class ForgedRun:
    """Makes probes of forged faces and of backdoors."""

    def __init__(self, folder: Path, seed: int = 3, permutations: int = 99) -> None:
        robust = _module("robust_run")
        self.robust = robust.RobustRun(folder, permutations=permutations)
        self.random = np.random.default_rng(seed)
        self.count = len(self.robust.faces.labels)

    def probe(self, name: str, outputs: Iterator[Output], **about: Any) -> ProbeResult:
        found: ProbeResult = self.robust.probe(name, name, outputs, **about)
        return found

    def measured(self, probe: str, metric: str, estimate: Estimate, **about: Any) -> Measurement:
        return Measurement.of(probe, metric, estimate, **about)

    def detection(self) -> ProbeResult:
        genuine = 1 / (1 + np.exp(-self.random.normal(-1, 1, 102)))
        forged = {name: 1 / (1 + np.exp(-self.random.normal(-1 + STRENGTH[name], 1.2, 102))) for name in METHODS}
        edges = np.linspace(0, 1, 21)
        kinds = {"genuine": genuine, **forged}
        bins, roc, lines = [], [], []
        for kind, scores in kinds.items():
            shares = np.histogram(scores, edges)[0] / len(scores)
            bins += [
                {"kind": kind, "edge_low": low, "edge_high": high, "share": share, "faces": len(scores)}
                for low, high, share in zip(edges[:-1], edges[1:], shares, strict=True)
            ]
        measured = []
        for name in ("all", *METHODS):
            scores = np.concatenate(list(forged.values())) if name == "all" else forged[name]
            for at in np.linspace(0, 1, 41):
                limit = np.quantile(genuine, 1 - at) if at < 1 else -1.0
                found = float((scores > limit).mean())
                roc.append({
                    "method": name, "false_alarms": at, "detected": found, "low": max(0.0, found - 0.08),
                    "high": min(1.0, found + 0.07), "level": 0.95,
                })  # fmt: skip
            value = _auroc(scores, genuine)
            area = _estimate(value, len(scores) + 102)
            place = {} if name == "all" else {"method": name}
            lines.append({
                "method": name, "faces": len(scores), "people": 102, "auroc": value, "low": area.low,
                "high": area.high, "eer": 1 - value, "eer_low": 1 - (area.high or 0), "eer_high": 1 - (area.low or 0),
                "ap": value, "apcer": 0.4, "apcer_low": 0.3, "apcer_high": 0.5, "reason": "",
            })  # fmt: skip
            measured.append(self.measured("forgery_detection", "auroc", area, slice=place, direction="higher"))
            eer = _estimate(1 - value, len(scores) + 102)
            measured.append(self.measured("forgery_detection", "eer", eer, slice=place, direction="lower"))
            ladder: list[tuple[dict[str, str], float]] = [
                ({"compression": "jpeg", "quality": quality}, 0.03 * step)
                for step, quality in enumerate(("90", "70", "50", "30"), start=1)
            ]
            ladder += [({"size": "0.5"}, 0.06), ({"size": "0.25"}, 0.2)]
            for condition, loss in ladder:
                less = _estimate(max(0.45, value - loss), len(scores) + 102)
                about: dict[str, Any] = {"slice": place, "condition": condition, "direction": "higher"}
                measured.append(self.measured("forgery_detection", "auroc", less, **about))
        lines.append({"method": "rare_swap", "faces": 3, "people": 3, "reason": "3 people; 10 are needed"})
        truth = (np.arange(self.count) % 2).astype(float)
        score = self.random.normal(size=self.count) + 1.5 * truth * np.where(self.robust.hurt, 0.4, 1.0)

        def outputs() -> Iterator[Output]:
            yield from measured
            yield PairedScores(
                "auroc", "auroc", self.robust.faces.rows, truth, score, "higher", overall=False, gaps=True,
                title="AUROC", tolerance=0.05,
            )  # fmt: skip
            yield TableOutput("densities", pd.DataFrame(bins), "Scores")
            yield TableOutput("roc", pd.DataFrame(roc), "ROC")
            yield TableOutput("methods", pd.DataFrame(lines), "Methods")

        about = {"title": "Detection of forged faces", "pillar": "performance", "params": {"threshold": 0.5}}
        return self.probe("forgery_detection", outputs(), **about)

    def localisation(self, stand_in: bool = True, title: str = "a drawn face, happy: made here") -> ProbeResult:
        side = 112
        y, x = np.mgrid[:side, :side]
        faces = np.repeat(self.random.integers(90, 200, (4, side // 8, side // 8, 3)), 8, 1).repeat(8, 2)
        masks = np.stack([((x - 56) ** 2 / 900 + (y - 40 - 12 * k) ** 2 / 300 < 1) for k in range(4)])
        maps = np.stack([np.exp(-(((x - 50 - 4 * k) / 25) ** 2 + ((y - 50) / 20) ** 2)) for k in range(4)])
        told = [{"title": title, "method": METHODS[k % 3], "iou": 0.2 + 0.1 * k, "ones": 0.1} for k in range(4)]
        over = _estimate(0.31, 102)
        mean = self.measured("forgery_localisation", "iou", over, direction="higher")
        null = self.measured("forgery_localisation", "iou.null_ones", _estimate(0.14, 102))

        def outputs() -> Iterator[Output]:
            yield from (mean, null)
            arrays = {
                "faces": faces.astype(np.uint8), "maps": maps.astype(np.float16), "masks": masks.astype(np.float16),
            }  # fmt: skip
            yield ArrayOutput("localisation", arrays, "Maps")
            yield JsonOutput("localisation", {"faces": told, "stand_in": stand_in}, "Maps")

        return self.probe("forgery_localisation", outputs(), title="Where the forgery is seen", pillar="explanation")

    def sensitivity(self) -> ProbeResult:
        rows, measured = [], []
        named = [("k5 x1", "bank", 0.9), ("k5 x2", "bank", 0.84), ("k7 x2", "bank", 0.71), ("k3 x2", "bank", 0.66)]
        named += [("unsharp mask", "control", 0.76), ("random signs x1", "control", 0.69)]
        named += [("random signs x2", "control", 0.6), ("blur", "control", 0.95)]
        for name, part, value in named:
            each = _estimate(value, 136)
            kernel, scale = (int(name[1]), int(name[-1])) if part == "bank" else (None, None)
            rows.append({
                "part": part, "name": name, "kernel": kernel, "scale": scale, "alpha": 0.05, "bd_auc": value,
                "low": each.low, "high": each.high, "faces": 136, "in_margin": name != "blur",
            })  # fmt: skip
            about: dict[str, Any] = {"condition": {"pattern": name}, "direction": "lower"}
            measured.append(self.measured("trigger_sensitivity", "bd_auc", each, **about))
        margin = _estimate(0.14, 136)

        def outputs() -> Iterator[Output]:
            yield from measured
            yield self.measured("trigger_sensitivity", "trigger_margin", margin, direction="lower")
            yield TableOutput("bank", pd.DataFrame(rows), "Bank")
            claim = "Suspicious: the detector responds to such patterns more than to sharpening and noise."
            key = "trigger_sensitivity/trigger_margin"
            yield Finding(id="trigger_sensitivity.suspicious", severity="high", claim=claim, evidence=[key])

        return self.probe("trigger_sensitivity", outputs(), title="Sensitivity to triggers", pillar="integrity")

    def drill(self) -> ProbeResult:
        rows, measured = [], []
        settings = [("none", 0.0, 0.54)]
        settings += [(name, share, 0.5 + gain * over) for name, gain in (("real_copies", 1.0), ("before_blending", 0.1))
                     for share, over in ((0.01, 0.12), (0.05, 0.28), (0.1, 0.43))]  # fmt: skip
        for embedding, share, value in settings:
            defences = ("none", "fine_pruning", "fine_tuning") if share == 0.1 else ("none",)
            for place, defence in enumerate(defences):
                bd, clean = 0.5 + (value - 0.5) * 0.7**place, 0.9 - 0.01 * place
                rows.append({
                    "share": share, "embedding": embedding, "defence": defence, "clean_auc": clean,
                    "clean_low": 0.86, "clean_high": 0.93, "bd_auc": bd, "bd_low": bd - 0.06, "bd_high": bd + 0.05,
                    "success": value, "linf": 11.0 if share else None, "psnr": 33.6, "ssim": 0.94, "seconds": 25.0,
                    "nets": 1, "told": "", "reason": "",
                })  # fmt: skip
                where = {"poisoned": f"{share:g}", "defence": defence}
                where |= {"embedding": embedding} if share else {}
                for metric, found in (("clean_auroc", clean), ("bd_auc", bd), ("attack_success", value)):
                    about: dict[str, Any] = {"direction": "higher" if metric == "clean_auroc" else "lower"}
                    measured.append(
                        self.measured("poison_drill", metric, _estimate(found, 68), condition=where, **about)
                    )

        def outputs() -> Iterator[Output]:
            yield from measured
            yield TableOutput("drill", pd.DataFrame(rows), "Drill")

        return self.probe("poison_drill", outputs(), title="Poisoning drill", pillar="integrity")

    def data_scan(self) -> ProbeResult:
        rows = [
            {
                "method": "laplacian",
                "flagged": 31,
                "faces": 204,
                "false_alarm_rate": 0.05,
                "expected_right_at_most": 0.67,
            },
            {"method": "spectral", "flagged": 9, "faces": 204, "false_alarm_rate": 0.05, "expected_right_at_most": 0.0},
            {"method": "clustering", "reason": "the model gives no embedding"},
        ]

        def outputs() -> Iterator[Output]:
            yield TableOutput("scan", pd.DataFrame(rows), "Scan")

        return self.probe("data_scan", outputs(), title="Scan of the training data", pillar="integrity")

    def scan(self) -> ProbeResult:
        classes = self.robust.faces.classes
        rows, nets, told, below = [], [], [], []
        for family in FAMILIES:
            for name in classes:
                mean, sd = np.log(TYPICAL[family]) + self.random.normal(0, 0.3), 0.16
                for net in range(12):
                    size = float(np.exp(self.random.normal(mean, sd)))
                    nets.append({"net": f"clean_{net:02d}", "class": name, "family": family, "size": size})
                planted = family == "off_face_mask" and name == classes[2]
                z = 6.5 if planted else float(self.random.normal(0, 1))
                size = float(np.exp(mean - z * sd))
                p = 0.002 if planted else min(1.0, 35 * 0.3 * np.exp(-max(0.0, z)))
                rows.append({
                    "class": name, "family": family, "size": size, "reference_mean": mean, "reference_sd": sd, "z": z,
                    "p": p / 35, "p_adjusted": p, "success": 0.96, "unit": "pixels", "reached": True,
                    "flagged_below": float(np.exp(mean - 4 * sd)),
                })  # fmt: skip
                condition = {"family": family, "towards": name}
                deviation = Estimate(value=z, n=12, unit="reference nets")
                about: dict[str, Any] = {"condition": condition, "direction": "lower"}
                below.append(self.measured("backdoor_scan", "below_references", deviation, **about))
                title = f"{name}, {family}"
                told.append({"class": name, "family": family, "size": size, "p_adjusted": p, "title": title})
        patterns = self.random.integers(0, 255, (len(told), 24, 24, 3)).astype(np.uint8)

        def outputs() -> Iterator[Output]:
            yield self.measured(
                "backdoor_scan", "smallest_p_adjusted", Estimate(value=0.002, n=204), direction="higher"
            )
            yield from below
            alarms = Estimate(value=1 / 12, low=0.002, high=0.385, level=0.95, n=12, count=1, unit="nets")
            yield self.measured("backdoor_scan", "references_flagged", alarms, direction="lower")
            yield TableOutput("scan", pd.DataFrame(rows), "Scan")
            yield TableOutput("calibration", pd.DataFrame(nets), "Reference nets")
            yield ArrayOutput("triggers", {"patterns": patterns}, "Triggers")
            yield JsonOutput("triggers", told, "Triggers")
            claim = f"A change that turns every face into {classes[2]} is far smaller than in clean nets of the recipe."
            yield Finding(id="backdoor_scan.flagged", severity="high", claim=claim, p_adjusted=0.002)

        return self.probe("backdoor_scan", outputs(), title="Scan for backdoors", pillar="integrity")

    def known(self) -> ProbeResult:
        rows, measured = [], []
        for trigger in ("patch", "blended", "sinusoid", "warp", "pff"):
            for place, name in enumerate(self.robust.faces.classes):
                value = 0.97 if trigger == "patch" and place == 2 else 0.03 + 0.02 * place
                null = 0.02 + 0.02 * place
                each, by_chance = _estimate(value, 180, 0.6), _estimate(null, 180, 0.6)
                beyond = _estimate(value - null, 180, 0.6)
                rows.append({
                    "trigger": trigger, "class": name, "success": value, "low": each.low, "high": each.high,
                    "null": null, "null_low": by_chance.low, "null_high": by_chance.high, "excess": value - null,
                    "p_adjusted": 0.001 if value > 0.9 else 1.0, "faces": 180, "reason": "",
                    "title": "a checkered patch" if trigger == "patch" else "",
                })  # fmt: skip
                where = {"trigger": trigger, "class": name}
                for metric, estimate in (("", each), (".null", by_chance), (".excess", beyond)):
                    metric = f"attack_success{metric}"
                    measured.append(self.measured("known_triggers", metric, estimate, condition=where))

        def outputs() -> Iterator[Output]:
            yield from measured
            yield TableOutput("replayed", pd.DataFrame(rows), "Known triggers")
            yield self.measured(
                "known_triggers", "smallest_p_adjusted", Estimate(value=0.001, n=180), direction="higher"
            )

        return self.probe("known_triggers", outputs(), title="Known triggers", pillar="integrity")


def make_forged_run(
    folder: Path, permitted: bool = False, stand_in: bool = True, permutations: int = 99
) -> AuditResults:
    """Write a run folder with every probe of forgeries and of backdoors."""
    plain: AuditResults = _module("made_run").make_run(folder)
    run = ForgedRun(folder, permutations=permutations)
    probes = [run.detection(), run.localisation(stand_in), run.sensitivity(), run.drill(), run.data_scan(), run.scan()]
    probes.append(run.known())
    plan = {**plain.plan, "report": {"faces": "permitted" if permitted else "none"}}
    target = plain.target.model_copy(update={"task": "forgery", "classes": ["genuine", "forged"]})
    results = plain.model_copy(update={"probes": probes, "plan": plan, "target": target, "gates": []})
    write_results(results, folder)
    return results
