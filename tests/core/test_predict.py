from __future__ import annotations

import json
import platform
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor

from countenance.core import predict as module
from countenance.core.errors import AuditError
from countenance.core.faces import Faces
from countenance.core.predict import Pass, cached_predict, clean_predictions, hash_of_data, predict
from countenance.core.setup import load_material
from countenance.core.target import Target


def ignore(count: int = 1) -> None:
    pass


class Case:
    """A study whose predictions are kept; ``predict`` says whether the model had to run."""

    def __init__(self, study: Any) -> None:
        self.study = study
        self.cache: Path = study.folder / "cache"

    def predict(self) -> tuple[Pass, str]:
        plan = self.study.load()
        material = load_material(plan)
        assert material.target is not None
        return cached_predict(
            material.target, material.faces, plan.plan.run.batch_size, plan.plan.seed, ignore, self.cache
        )


@pytest.fixture
def case(study: Any) -> Case:
    """A study that has been predicted once."""
    made = Case(study)
    assert not made.predict()[0].reused
    return made


def test_an_unchanged_audit_reuses_every_number(case: Case) -> None:
    case.cache = case.study.folder / "other"
    first, data = case.predict()
    again, same_data = case.predict()
    assert (first.reused, again.reused) == (False, True)
    assert data == same_data
    np.testing.assert_array_equal(first.values, again.values)
    np.testing.assert_array_equal(first.rows, again.rows)


def test_the_name_of_the_target_the_report_and_the_workers_change_no_prediction(case: Case) -> None:
    case.study.plan["target"]["name"] = "another name"
    case.study.plan["name"] = "another audit"
    case.study.plan["report"] = {"faces": "permitted"}
    case.study.plan["run"]["workers"] = 3
    assert case.predict()[0].reused


def changed_mean(study: Any) -> None:
    study.plan["target"]["input"]["mean"] = [0.001]


def changed_std(study: Any) -> None:
    study.plan["target"]["input"]["std"] = [1.001]


def changed_classes(study: Any) -> None:
    study.plan["target"]["classes"].reverse()


def changed_output(study: Any) -> None:
    study.plan["target"]["input"]["channels"] = "bgr"


def changed_checkpoint(study: Any) -> None:
    from safetensors.torch import load_file, save_file

    state = load_file(study.folder / "net.safetensors")
    state["conv.bias"] = state["conv.bias"] + 1e-6
    save_file(state, study.folder / "net.safetensors")


def changed_factory(study: Any) -> None:
    text = (study.folder / "nets.py").read_text()
    (study.folder / "nets.py").write_text(text + "\n# a remark\n")


def changed_arguments(study: Any) -> None:
    study.plan["target"]["arguments"] = {"slope": 8.5}


def changed_image(study: Any) -> None:
    path = study.folder / study.table["path"][5]
    path.write_bytes(path.read_bytes() + b"\0")  # a byte behind the picture, which decodes as before


def changed_row(study: Any) -> None:
    study.table.loc[3, "gender"] = "x"
    study.write_manifest()


def changed_order(study: Any) -> None:
    study.table = study.table.iloc[::-1]
    study.write_manifest()


def fewer_rows(study: Any) -> None:
    study.table = study.table.iloc[:-1]
    study.write_manifest()


def changed_box(study: Any) -> None:
    study.table.loc[3, "x0"] = 3
    study.write_manifest()


def no_box(study: Any) -> None:
    del study.plan["data"]["box"]


def changed_label(study: Any) -> None:
    study.table.loc[3, "label"] = "dark"
    study.write_manifest()


def changed_subject(study: Any) -> None:
    study.table.loc[3, "subject"] = "p000"
    study.write_manifest()


def changed_attribute(study: Any) -> None:
    study.plan["data"]["attributes"]["age"] = {"assigned_by": "annotator", "bins": [0, 30, 99]}


def changed_batch_size(study: Any) -> None:
    study.plan["run"]["batch_size"] = 6


def changed_seed(study: Any) -> None:
    study.plan["seed"] = 4


def changed_landmarks(study: Any) -> None:
    study.plan["data"]["landmarks"] = "aligned"


def changed_size(study: Any) -> None:
    study.plan["target"]["input"]["size"] = 17


CHANGES: list[Callable[[Any], None]] = [
    changed_mean,
    changed_std,
    changed_classes,
    changed_output,
    changed_checkpoint,
    changed_factory,
    changed_arguments,
    changed_image,
    changed_row,
    changed_order,
    fewer_rows,
    changed_box,
    no_box,
    changed_label,
    changed_subject,
    changed_attribute,
    changed_batch_size,
    changed_seed,
    changed_landmarks,
    changed_size,
]


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_a_change_never_reuses_an_old_prediction(case: Case, change: Callable[[Any], None]) -> None:
    change(case.study)
    assert not case.predict()[0].reused
    assert case.predict()[0].reused  # and the new one is kept in its turn


@pytest.mark.parametrize(
    ("owner", "name", "value"),
    [
        (module, "package_versions", lambda: {"torch": "0"}),
        (torch, "get_num_threads", lambda: 99),
        (platform, "machine", lambda: "another"),
        (module, "FORMAT", 99),
    ],
)
def test_another_version_or_machine_reuses_nothing(
    case: Case, monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, value: Any
) -> None:
    monkeypatch.setattr(owner, name, value)
    assert not case.predict()[0].reused


def test_landmarks_are_part_of_the_data(study: Any) -> None:
    hashes = []
    for shift in (0.0, 0.0, 1.0):
        np.savez(study.folder / "p.npz", **{"images/dark_000": np.full((5, 2), shift)})
        study.plan["data"]["landmarks"] = "p.npz"
        hashes.append(hash_of_data(load_material(study.load()).faces))
    assert hashes[0] == hashes[1] != hashes[2]


# Damage --------------------------------------------------------------------------------------------------------------


def spoil_table(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-40])


def flip_a_byte(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[60] ^= 1
    file.write_bytes(content)


def empty_table(file: Path) -> None:
    file.write_bytes(b"")


def spoil_aside(file: Path) -> None:
    file.with_suffix(".json").write_text("{")


def list_aside(file: Path) -> None:
    file.with_suffix(".json").write_text("[]")


def lose_aside(file: Path) -> None:
    aside = json.loads(file.with_suffix(".json").read_text())
    del aside["faults"]
    file.with_suffix(".json").write_text(json.dumps(aside))


def another_length(file: Path) -> None:
    pd.read_parquet(file).iloc[:-1].to_parquet(file, index=False)
    aside = json.loads(file.with_suffix(".json").read_text())
    aside["sha256"] = module.sha256_of_file(file)
    file.with_suffix(".json").write_text(json.dumps(aside))


@pytest.mark.parametrize(
    "spoil", [spoil_table, flip_a_byte, empty_table, spoil_aside, list_aside, lose_aside, another_length]
)
def test_a_damaged_entry_is_logged_and_made_again(case: Case, log: list[str], spoil: Callable[[Path], None]) -> None:
    before = case.predict()[0].values
    (file,) = case.cache.glob("*.parquet")
    spoil(file)
    made = case.predict()[0]
    assert not made.reused
    np.testing.assert_array_equal(made.values, before)
    assert len(log) == 1
    assert "cannot be read and are made again" in log[0]
    assert case.predict()[0].reused


def test_an_entry_without_its_other_half_is_made_again(case: Case) -> None:
    for file in case.cache.glob("*.json"):
        file.unlink()
    assert not case.predict()[0].reused


def test_what_was_set_aside_is_kept_with_the_entry(case: Case) -> None:
    study = case.study
    (study.folder / study.table["path"][2]).write_bytes(b"")
    study.table.loc[4, "x0"] = -3
    study.write_manifest()
    for reused in (False, True):
        found = case.predict()[0]
        assert found.reused is reused
        assert found.faults == {2: "the file is empty"}
        assert found.padded == [4]
        assert found.rows.tolist() == [0, 1, *range(3, 24)]


def test_a_cache_that_cannot_be_written_is_logged_and_the_audit_goes_on(study: Any, log: list[str]) -> None:
    (study.folder / "cache").write_text("a file in its place")
    study.plan["run"] |= {"cache": "cache", "batch_size": "auto"}
    results = study.run("run")
    assert results.probes[0].status == "ok"
    assert len(log) == 2
    assert "the batch size is not kept for another run: cannot write" in log[0]
    assert "the predictions are not kept for another run: cannot write" in log[1]


def test_a_plan_may_keep_its_predictions_elsewhere_or_not_at_all(study: Any) -> None:
    study.run("run", plan=study.changed(run={"cache": False}))
    assert not list(study.folder.rglob("*.countenance-cache*"))
    study.run("again", plan=study.changed(run={"cache": "kept/here"}))
    assert len(list((study.folder / "kept" / "here").glob("*.parquet"))) == 1
    study.run("last")
    assert len(list((study.folder / ".countenance-cache").glob("*.parquet"))) == 1


# The pass itself -----------------------------------------------------------------------------------------------------


def material(study: Any) -> tuple[Target, Faces]:
    loaded = load_material(study.load())
    assert loaded.target is not None
    return loaded.target, loaded.faces


def test_a_pass_counts_every_face_and_gives_probabilities(study: Any) -> None:
    target, faces = material(study)
    counted: list[int] = []
    found = predict(target, faces, 7, counted.append)  # type: ignore[arg-type]
    assert counted == [7, 7, 7, 3]
    assert found.values.shape == (24, 2)
    assert found.values.dtype == np.float64
    np.testing.assert_allclose(found.values.sum(1), 1)
    truth = clean_predictions(found, target, faces)
    assert truth.classes == ("dark", "bright")
    np.testing.assert_array_equal(truth.labels, [0, 1] * 12)
    np.testing.assert_array_equal(truth.predicted, truth.labels)


def test_the_batch_size_changes_nothing_but_rounding(study: Any) -> None:
    target, faces = material(study)
    one = predict(target, faces, 1, ignore).values
    np.testing.assert_allclose(predict(target, faces, 24, ignore).values, one, atol=1e-6)


def test_when_no_image_can_be_used_the_reasons_are_told(study: Any) -> None:
    target, faces = material(study)
    for place, path in enumerate(study.table["path"]):
        (study.folder / path).write_bytes(b"x" * (place % 2))
    with pytest.raises(
        AuditError, match=r"none of the 24 images could be used: not an image.*; the file is empty"
    ) as raised:
        predict(target, faces, 8, ignore)
    assert raised.value.exit_code == 3


def test_outputs_that_stop_being_finite_break_the_audit_off(study: Any) -> None:
    target, faces = material(study)

    def breaks(x: Tensor) -> Tensor:
        outputs = torch.zeros(len(x), 2)
        outputs[x.mean((1, 2, 3)) > 0.5] = torch.nan
        return outputs

    target.net = breaks
    with pytest.raises(AuditError, match="NaN or infinite outputs for 4 of 8 faces"):
        predict(target, faces, 8, ignore)


def test_a_net_that_fails_on_a_batch_is_told_with_its_own_words(study: Any) -> None:
    target, faces = material(study)

    def breaks(x: Tensor) -> Tensor:
        raise RuntimeError("out of memory\nsecond line")

    target.net = breaks
    with pytest.raises(AuditError, match=r"failed on a batch of 8 faces: RuntimeError: out of memory .run.batch_size"):
        predict(target, faces, 8, ignore)


def test_no_gradient_is_kept(study: Any) -> None:
    target, faces = material(study)
    needed: list[bool] = []
    net = target.net

    def watch(x: Tensor) -> Any:
        needed.append(torch.is_grad_enabled())
        return net(x)

    target.net = watch
    predict(target, faces, 24, ignore)
    assert needed == [False]
    assert torch.is_grad_enabled()
