"""Real nets and real faces, drawn faces, and what a runner would give the probe."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from safetensors.torch import load_file
from torch import nn

from countenance.audit.integrity.params import IntegrityParams
from countenance.audit.integrity.probe import integrity
from countenance.core.faces import Faces
from countenance.core.manifest import read_manifest
from countenance.core.plan import DataSpec, InputSpec, TargetSpec
from countenance.core.predictions import Predictions
from countenance.core.probes import ProbeContext, TableOutput
from countenance.core.results import Finding, Measurement
from countenance.core.statistics.rules import StatisticsRules
from countenance.core.target import Target
from countenance.synth.demo import prepare_demo
from countenance.synth.nets import DrawnFaceNet

SMALL = {
    "face_expression": (
        "FaceExpressionNet",
        ["neutral", "happy", "sad", "angry", "fearful", "disgusted", "surprised"],
        InputSpec(size=112, mean=[0.48150, 0.45883, 0.40901]),
    ),
    "mini_xception": (
        "MiniXception",
        ["angry", "disgust", "fear", "happy", "sad", "surprise", "neutral"],
        InputSpec(size=64, channels="grey", mean=[0.5], std=[0.5]),
    ),
}


@dataclass(frozen=True)
class Seen:
    """What one run of the probe yielded."""

    outputs: list[Any]

    @property
    def findings(self) -> dict[str, Finding]:
        return {out.id.partition(".")[2]: out for out in self.outputs if isinstance(out, Finding)}

    @property
    def alarms(self) -> set[str]:
        return {name for name, found in self.findings.items() if found.severity in {"high", "medium"}}

    @property
    def measured(self) -> dict[str, Measurement]:
        return {out.key.partition("/")[2]: out for out in self.outputs if isinstance(out, Measurement)}

    def table(self, name: str) -> Any:
        return next(out.frame for out in self.outputs if isinstance(out, TableOutput) and out.name == name)

    def line(self, title: str) -> Any:
        table = self.table("checklist")
        (row,) = [row for row in table.itertuples() if row.check == title]
        return row


@dataclass(frozen=True)
class Faced:
    """A net, its target block, and faces at its size with labels (-1 where there is none)."""

    net: nn.Module
    spec: TargetSpec
    faces: Faces
    labels: np.ndarray

    def context(self, net: Any = None, *, seed: int = 0, format: str = "safetensors", **block: Any) -> ProbeContext:
        """Return the context for this net, or another one, with ``target.input`` changed by ``block``."""
        spec = self.spec.model_copy(update={"input": self.spec.input.model_copy(update=block)})
        target = Target(net or self.net, spec, format=format)
        count, classes = len(self.faces), spec.class_names
        truth = self.labels.astype(np.float64)
        if spec.task not in {"expression", "forgery"}:
            truth = np.full((count, len(classes)), np.nan)
        return ProbeContext(
            probe_id="integrity",
            faces=self.faces,
            predictions=Predictions(spec.task, classes, np.zeros((count, len(classes))), truth),
            target=target,
            rules=StatisticsRules(),
            seed=seed,
            batch_size=16,
            progress=lambda unit, total: nullcontext(lambda count=1: None),
        )

    def audit(self, net: Any = None, *, params: dict[str, Any] | None = None, **how: Any) -> Seen:
        """Run the whole probe."""
        settings = IntegrityParams.model_validate(params or {})
        return Seen(list(integrity(self.context(net, **how), settings)))


@pytest.fixture(scope="session")
def real(shared: Path) -> Callable[[str], Faced]:
    """The London faces under a real net, by name."""

    def read(name: str) -> Faced:
        path = shared / "models" / "nets.py"
        described = importlib.util.spec_from_file_location("shared_nets_for_integrity", path)
        assert described is not None
        assert described.loader is not None
        module = importlib.util.module_from_spec(described)
        described.loader.exec_module(module)
        factory, classes, given = SMALL[name]
        net = getattr(module, factory)()
        net.load_state_dict(load_file(shared / "models" / f"{name}.safetensors"))
        spec = TargetSpec(
            checkpoint=f"{name}.safetensors",
            factory=f"{path}:{factory}",
            task="expression",
            classes=classes,
            input=given,
            output="logits",
        )
        data = DataSpec(manifest="manifest.csv", subject="subject", box=("face_x0", "face_y0", "face_x1", "face_y1"))
        folder = shared / "data" / "london"
        manifest = read_manifest(folder / "manifest.csv", data, tuple(classes))
        faces = Faces.from_manifest(manifest, data, folder, given.height_width)
        return Faced(net.eval(), spec, faces, np.array([classes.index(label) for label in faces.frame["label"]]))

    return read


@pytest.fixture(scope="session")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Faced:
    """Drawn faces of 24 people, seven expressions each, under the demonstration's sound net."""
    folder = tmp_path_factory.mktemp("drawn") / "demo"
    plans = prepare_demo(folder, faces=168)
    plan = yaml.safe_load(plans.twin.read_text(encoding="utf-8"))
    net = DrawnFaceNet()
    net.load_state_dict(load_file(folder / "twin.safetensors"))
    spec = TargetSpec(**plan["target"])
    data = DataSpec(subject="subject", box=("face_x0", "face_y0", "face_x1", "face_y1"))
    assert spec.input is not None
    manifest = read_manifest(folder / "faces" / "manifest.csv", data, tuple(spec.classes))
    faces = Faces.from_manifest(manifest, data, folder / "faces", spec.input.height_width)
    labels = np.array([spec.classes.index(label) for label in faces.frame["label"]])
    return Faced(net.eval(), spec, faces, labels)
