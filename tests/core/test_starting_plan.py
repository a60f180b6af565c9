from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from torch import Tensor, nn

from countenance.core.api import run_plan
from countenance.core.errors import PlanError
from countenance.core.plan import DeploymentSpec
from countenance.core.plan_file import LoadedPlan, load_plan
from countenance.core.starting_plan import read_facts, starting_plan


def start(folder: Path, checkpoint: str, manifest: str) -> LoadedPlan:
    """Write a starting plan into the folder and load it; the author's statements stand beside it."""
    (folder / "card.yaml").write_text("{}")
    plan = folder / "start.yaml"
    plan.write_text(starting_plan(folder / checkpoint, folder / manifest, plan), encoding="utf-8")
    return load_plan(plan)


class Mean(nn.Module):
    """``width`` outputs that are the mean pixel; of width 0 a single one without its axis."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = width

    def forward(self, x: Tensor) -> Tensor:
        mean = x.mean((1, 2, 3))
        return torch.stack([mean] * self.width, 1) if self.width else mean


def export(file: Path, width: int, shape: tuple[int, ...] = (2, 3, 16, 20)) -> None:
    torch.export.save(torch.export.export(Mean(width).eval(), (torch.zeros(shape),)), file)


@pytest.mark.parametrize("width", [0, 1, 2, 7])
def test_a_program_tells_its_size_and_its_outputs(tmp_path: Path, width: int) -> None:
    export(tmp_path / "net.pt2", width)
    facts = read_facts(tmp_path / "net.pt2")
    assert (facts.size, facts.channels, facts.outputs) == ((16, 20), 3, max(width, 1))


def test_the_number_of_outputs_is_compared_with_the_labels(study: Any) -> None:
    export(study.folder / "net.pt2", 7)
    start(study.folder, "net.pt2", "manifest.csv")
    assert "the model has 7 outputs, the manifest 2 labels" in (study.folder / "start.yaml").read_text()


def test_a_plan_for_a_program_runs_as_it_is(study: Any) -> None:
    export(study.folder / "net.pt2", 2)
    loaded = start(study.folder, "net.pt2", "manifest.csv")
    assert loaded.plan.target.classes == ["bright", "dark"]
    assert loaded.plan.data.box == ("x0", "y0", "x1", "y1")
    assert loaded.plan.data.subject == "subject"
    results = run_plan(loaded)
    assert results.probe("performance").status == "ok"


@pytest.mark.parametrize(("width", "positive"), [(1, "forged"), (2, None)])
def test_a_forgery_plan_fits_the_number_of_outputs(study: Any, width: int, positive: str | None) -> None:
    export(study.folder / "net.pt2", width)
    study.table["label"] = study.table["label"].map({"dark": "forged", "bright": "genuine"})
    study.write_manifest()
    loaded = start(study.folder, "net.pt2", "manifest.csv")
    assert loaded.plan.target.positive == positive
    assert loaded.plan.target.class_names == ("genuine", "forged")
    assert run_plan(loaded).target.task == "forgery"


def test_columns_of_forgeries_are_found_and_masks_are_compared_with_heatmaps(study: Any) -> None:
    export(study.folder / "net.pt2", 1)
    study.table["label"] = study.table["label"].map({"dark": "forged", "bright": "genuine"})
    study.table["Method"] = "swap"
    study.table["mask"] = ""
    study.write_manifest()
    loaded = start(study.folder, "net.pt2", "manifest.csv")
    assert loaded.plan.data.forgeries.columns == {"method": "Method", "mask": "mask"}
    planned = [probe.probe for probe in loaded.plan.probes]
    assert {"forgery_detection", "made_forgeries", "trigger_sensitivity", "forgery_localisation"} <= set(planned)
    assert "forged_expressions" not in planned


def test_a_plan_for_a_state_dict_loads_once_its_factory_is_named(study: Any) -> None:
    text = starting_plan(study.folder / "net.safetensors", study.folder / "manifest.csv", study.folder / "start.yaml")
    (study.folder / "card.yaml").write_text("{}")
    (study.folder / "start.yaml").write_text(text.replace("FILE.py:NAME", "nets.py:Brightness"))
    assert load_plan(study.folder / "start.yaml").plan.target.classes == ["bright", "dark"]


def test_missing_labels_in_a_parquet_are_no_class(study: Any) -> None:
    study.table.loc[[0, 5], "label"] = [None, np.nan]
    study.table.to_parquet(study.folder / "m.parquet")
    export(study.folder / "net.pt2", 2)
    assert start(study.folder, "net.pt2", "m.parquet").plan.target.classes == ["bright", "dark"]


@pytest.mark.parametrize(
    "values",
    [
        np.linspace(20.7, 64.2, 24),
        np.linspace(-0.031, 0.9, 24),
        np.arange(24) ** 3,
        np.linspace(1e-4, 2.3e-4, 24),
        [*range(23), np.nan],
    ],
)
def test_bins_hold_every_number(study: Any, values: Any) -> None:
    export(study.folder / "net.pt2", 2)
    study.table["Age"] = values
    study.table = study.table.drop(columns="age")
    study.write_manifest()
    bins = start(study.folder, "net.pt2", "manifest.csv").plan.data.attributes["Age"].bins
    assert bins is not None
    assert bins[0] <= np.nanmin(values)
    assert bins[-1] >= np.nanmax(values)
    counts, _ = np.histogram(np.asarray(values)[np.isfinite(values)], bins)
    assert len(counts) >= 3
    assert counts.min() >= 1


def test_names_of_columns_may_be_written_large_and_too_many_groups_are_left_out(study: Any) -> None:
    export(study.folder / "net.pt2", 2)
    boxes = {"x0": "X0", "y0": "Y0", "x1": "X1", "y1": "Y1"}
    study.table = study.table.rename(columns={**boxes, "gender": "Gender"}).assign(race=range(24))
    study.table = pd.concat([study.table.assign(path=study.table["path"] + str(k)) for k in range(4)])
    study.table["Ethnicity"] = [f"e{k}" for k in range(96)]
    study.write_manifest()
    data = start(study.folder, "net.pt2", "manifest.csv").plan.data
    assert data.box == ("X0", "Y0", "X1", "Y1")
    assert set(data.attributes) == {"Gender", "race", "age"}
    assert "Ethnicity has too many different values" in (study.folder / "start.yaml").read_text()


TABLES: dict[str, Any] = {
    "expression": {"label": ["sad", "happy"], "p_sad": [0.2, 0.5], "p_happy": [0.8, 0.5]},
    "forgery": {"label": ["genuine", "forged"], "p_forged": [0.2, 0.7]},
    "action_units": {"y_AU1": [0, 1], "p_AU1": [0.5, 0.5]},
    "valence_arousal": {"y_valence": 0.1, "y_arousal": 0.2, "v_valence": 0.3, "v_arousal": 0.4},
    "verification": {
        "same": [0, 1],
        "similarity": [0.1, 0.9],
        **{"face_a": ["p1", "q1"], "face_b": ["r1", "q2"], "subject_a": ["p", "q"], "subject_b": ["r", "q"]},
        **{"sex_a": ["f", "m"], "sex_b": ["f", "m"]},
    },
}


@pytest.mark.parametrize("task", list(TABLES))
def test_a_table_of_predictions_is_planned_by_its_own_columns_and_runs(study: Any, task: str) -> None:
    identity = "pair_id" if task == "verification" else "face_id"
    table = pd.DataFrame({identity: ["a", "b"], "subject": ["p", "q"], "sex": ["f", "m"]}).assign(**TABLES[task])
    table.to_csv(study.folder / "p.csv", index=False)
    loaded = start(study.folder, "p.csv", "manifest.csv")
    target, data = loaded.plan.target, loaded.plan.data
    assert (target.task, data.manifest, data.subject, list(data.attributes)) == (task, None, "subject", ["sex"])
    assert "manifest.csv has gender, age too: predictions are audited" in (study.folder / "start.yaml").read_text()
    own = {probe.id: probe.params.get("tolerance") for probe in loaded.plan.probes}
    assert own.get("false_matches") == (0.001 if task == "verification" else None)
    results = run_plan(loaded)
    assert (results.data.faces, results.target.task) == (2, task)
    assert results.probe("performance").status == "ok"


def test_a_plan_of_predictions_refuses_a_manifest(study: Any) -> None:
    plan = study.changed(probes=["performance"])
    plan["target"] = {"predictions": "manifest.csv", "task": "expression", "classes": ["dark", "bright"]}
    with pytest.raises(PlanError, match=r"leave out data\.manifest, and put the columns"):
        study.load(plan)


def test_the_text_says_what_was_guessed(study: Any) -> None:
    text = starting_plan(study.folder / "net.safetensors", study.folder / "manifest.csv", study.folder / "a.yaml")
    assert text.count("<- check") >= 5
    assert yaml.safe_load(text)["target"]["factory"] == "FILE.py:NAME"


def test_the_plan_asks_where_the_model_is_to_run(study: Any) -> None:
    export(study.folder / "net.pt2", 2)
    loaded = start(study.folder, "net.pt2", "manifest.csv")
    assert loaded.plan.deployment is None  # nobody but the author can know it
    text = (study.folder / "start.yaml").read_text()
    block = [line for line in text.splitlines() if line.startswith("#   ") or line.startswith("# deployment:")]
    asked = yaml.safe_load("\n".join(line.removeprefix("# ") for line in block))
    use = DeploymentSpec.model_validate(asked["deployment"])
    assert (use.context, use.ground, use.regions) == (["research"], "medical", ["EU"])
