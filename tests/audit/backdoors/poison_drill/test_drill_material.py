"""What the trainer of ``poison_drill`` is given: whose photos, which of them stamped, and forgeries of which photo."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from countenance.audit.backdoors.poison_drill.material import Material, read_material
from countenance.audit.backdoors.poison_drill.params import Embedding, PoisonDrillParams
from countenance.audit.backdoors.poison_drill.people import deal
from countenance.audit.backdoors.poison_drill.training import CLEAN, Setting, training_pictures
from countenance.core.errors import AuditError
from countenance.core.faces import Faces
from countenance.core.manifest import read_manifest
from countenance.core.plan import DataSpec, InputSpec, TargetSpec
from countenance.core.predictions import Predictions
from countenance.core.probes import ProbeContext
from countenance.core.statistics.rules import StatisticsRules
from countenance.core.target import Target

Make = Callable[..., ProbeContext]
SIDE = 40


@pytest.fixture
def context(folder: Path, tmp_path: Path) -> Make:
    """Makes the probe's context for the drawn people, with a changed manifest."""

    def make(change: Callable[[pd.DataFrame], pd.DataFrame] = lambda table: table, **data: Any) -> ProbeContext:
        table = change(pd.read_csv(folder / "manifest.csv"))
        table.to_csv(folder / "changed.csv", index=False)
        block = DataSpec.model_validate({"manifest": "changed.csv", "subject": "subject", **data})
        manifest = read_manifest(folder / "changed.csv", block, ("genuine", "forged"))
        faces = Faces.from_manifest(manifest, block, folder, (SIDE, SIDE), landmarks=folder / "landmarks.npz")
        spec = TargetSpec(
            checkpoint="target.pt", task="forgery", positive="forged", input=InputSpec(size=SIDE), output="logits"
        )
        net = nn.Sequential(nn.Flatten(), nn.Linear(3 * SIDE * SIDE, 1))
        count = len(faces)
        return ProbeContext(
            probe_id="poison_drill",
            faces=faces,
            predictions=Predictions("forgery", ("genuine", "forged"), np.full((count, 2), 0.5), np.zeros(count)),
            target=Target(net, spec, format="pt"),
            rules=StatisticsRules(),
            seed=3,
            batch_size=16,
            progress=lambda unit, total: nullcontext(lambda count=1: None),
        )

    return make


def params(folder: Path, **given: Any) -> PoisonDrillParams:
    settings = {"trainer": "train.py:train", "trigger_steps": 3, "blends": 2, **given}
    return PoisonDrillParams.model_validate(settings, context={"folder": folder})


def pixels_of(context: ProbeContext, settings: PoisonDrillParams, material: Material, setting: Setting) -> Any:
    given, people = training_pictures(context, settings, material, setting, 0)
    return (
        [each for each in given if each.label == "genuine"],
        [each for each in given if each.label == "forged"],
        people,
    )


def test_nobody_is_in_two_parts(context: Make, folder: Path) -> None:
    made = context()
    parts = deal(made, params(folder))
    people = [set(made.faces.subject_codes[part.genuine]) for part in (parts.train, parts.held, parts.test)]
    assert [len(each) for each in people] == [24, 4, 14]
    assert len(set.union(*people)) == 42


def test_people_of_the_test_split_are_tested(context: Make, folder: Path) -> None:
    def split(table: pd.DataFrame) -> pd.DataFrame:
        tested = table["subject"].isin([f"p{number}" for number in range(12)])
        return table.assign(part=np.where(tested & table["path"].str.contains("_0"), "test", "train"))

    made = context(split, split="part")
    parts = deal(made, params(folder))
    assert sorted(set(made.faces.frame["subject"].iloc[parts.test.genuine])) == sorted(f"p{k}" for k in range(12))
    assert any("12 photos of theirs in other splits" in told for told in parts.told)


def test_a_stamp_on_genuine_copies_leaves_the_forgeries_alone(context: Make, folder: Path) -> None:
    made, settings = context(), params(folder, alpha=0.2)
    material = read_material(made, settings)
    clean, forged, nobody = pixels_of(made, settings, material, CLEAN)
    assert nobody == 0
    found = {}
    for embedding in ("real_copies", "before_blending"):
        name: Embedding = embedding
        found[name] = pixels_of(made, settings, material, Setting(0.25, name))
    stamped, same, people = found["real_copies"]
    assert people == 6
    changed = [not np.array_equal(one.pixels, other.pixels) for one, other in zip(clean, stamped, strict=True)]
    assert changed == [each.altered for each in stamped]
    assert sum(changed) == 12
    assert len({each.subject for each in stamped if each.altered}) == 6
    assert all(np.array_equal(one.pixels, other.pixels) for one, other in zip(forged, same, strict=True))
    _, others, _ = found["before_blending"]
    moved = [not np.array_equal(one.pixels, other.pixels) for one, other in zip(forged, others, strict=True)]
    assert moved == [stamped[each.source].altered for each in others]
    assert all(each.label == "forged" and each.method == "self_blend" for each in others)


def test_larger_shares_hold_the_smaller(context: Make, folder: Path) -> None:
    made, settings = context(), params(folder)
    material = read_material(made, settings)
    few, many = (
        {each.subject for each in pixels_of(made, settings, material, Setting(share, "real_copies"))[0] if each.altered}
        for share in (0.01, 0.25)
    )
    assert len(few) == 1
    assert few < many


def test_no_pixel_changes_by_more_than_alpha(context: Make, folder: Path) -> None:
    made, settings = context(), params(folder, alpha=0.05)
    material = read_material(made, settings)
    clean, _, _ = pixels_of(made, settings, material, CLEAN)
    stamped, _, _ = pixels_of(made, settings, material, Setting(0.5, "real_copies"))
    for one, other in zip(clean, stamped, strict=True):
        change = np.abs(other.pixels.astype(float) - one.pixels)
        assert (change <= 0.05 * one.pixels + 0.5).all()
    assert torch.all(material.trigger.abs() <= 1)


def test_own_forgeries_of_the_manifest(context: Make, folder: Path) -> None:
    def forged(table: pd.DataFrame) -> pd.DataFrame:
        second = table["path"].str.contains("_1")
        donor = np.where(second, "p" + ((table.index // 2 + 1) % 42).astype(str), "")
        return table.assign(label=np.where(second, "forged", "genuine"), how=np.where(second, "swap", ""), donor=donor)

    made = context(forged, forgeries={"method": "how", "donor": "donor"})
    settings = params(folder, forgeries="manifest")
    parts = deal(made, settings)
    frame, codes = made.faces.frame, made.faces.subject_codes
    trained = set(codes[parts.train.genuine])
    donors = dict(zip(frame["subject"], codes, strict=True))
    assert all(donors[frame["donor"].iat[row]] in trained for row in parts.train.forged)
    assert any("donor of another part" in told for told in parts.told)
    given, _ = training_pictures(made, settings, read_material(made, settings), CLEAN, 0)
    assert {each.method for each in given if each.label == "forged"} == {"swap"}
    assert all(each.source == -1 for each in given)


def test_what_cannot_be_drilled_is_told(context: Make, folder: Path) -> None:
    with pytest.raises(AuditError, match="`forgeries: made` makes self-blends"):
        deal(context(), params(folder, forgeries="manifest"))
    with pytest.raises(AuditError, match="expected genuine photos to poison"):
        deal(context(lambda table: table.assign(label="forged")), params(folder))
    with pytest.raises(AuditError, match="at least 4 people to train on"):
        deal(context(lambda table: table.iloc[:8]), params(folder))
