"""A verification checkpoint, audited on pairs of faces."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import countenance
from countenance.core.errors import AuditError, ManifestError, PlanError, UsageError
from countenance.core.faces import Faces
from countenance.core.portrait_pairs import PairRows
from countenance.core.portraits import compare, cosines
from countenance.core.probes import Note, ProbeContext

PERFORMANCE = [{"probe": "performance", "fmr": 0.1}]


@pytest.fixture
def verification(study: Any) -> Callable[..., dict[str, Any]]:
    """A plan whose net's two outputs are taken for an embedding of a face."""

    def plan(**blocks: Any) -> dict[str, Any]:
        target = {"task": "verification", "classes": [], "output": "embedding"}
        data = {"label": None, **blocks.pop("data", {})}
        changed = study.changed(target=target, data=data, probes=PERFORMANCE, **blocks)
        del changed["data"]["label"]
        return changed

    return plan


def test_a_checkpoint_is_audited_on_pairs_made_by_person(study: Any, verification: Any) -> None:
    plan = verification()
    results = study.run("run", plan=plan)
    assert results.target.task == "verification"
    assert results.data.faces == 24 * 23 // 2  # rows are pairs
    assert results.data.subjects == 12
    assert results.data.notes[-1] == (
        "Pairs were made from the manifest by person: all 12 pairs of one person and all 264 pairs of two people."
    )
    assert results["performance/fnmr"].estimate.n == 12
    assert results["performance/fmr"].estimate.n == 264
    table = pd.read_parquet(study.folder / "run" / "predictions.parquet")
    assert list(table) == [
        "pair_id", "face_a", "face_b", "subject_a", "subject_b", "condition", "gender_a", "gender_b", "same",
        "similarity",
    ]  # fmt: skip
    assert set(results.data.attributes["gender"].groups) == {"f", "m", "(across groups)"}

    # The table that the run writes is a predictions-only target with the same numbers.
    again = study.changed(probes=PERFORMANCE)
    again["target"] = {"predictions": "run/predictions.parquet", "task": "verification"}
    again["data"] = {name: study.plan["data"][name] for name in ("subject", "attributes", "min_subjects")}
    assert study.run(plan=again).probes[0].measurements == results.probes[0].measurements


def test_pairs_of_a_table_are_compared_by_the_cosine_of_the_embeddings(study: Any, verification: Any) -> None:
    first, second = study.table["path"][[0, 2, 4]].tolist(), study.table["path"][[1, 3, 7]].tolist()
    pd.DataFrame({"pair_id": ["x", "y", "z"], "face_a": first, "face_b": second}).to_csv(
        study.folder / "pairs.csv", index=False
    )
    results = study.run("run", plan=verification(data={"pairs": "pairs.csv"}))
    table = pd.read_parquet(study.folder / "run" / "predictions.parquet")
    assert table["pair_id"].tolist() == ["x", "y", "z"]
    assert table["same"].tolist() == [1, 1, 0]
    assert "18 of 24 faces of the manifest stand in no pair." in results.data.notes


def test_a_probe_of_pairs_is_given_the_single_faces(study: Any, verification: Any, add_probe: Any) -> None:
    given: list[ProbeContext] = []

    def look(context: ProbeContext, params: Any) -> Any:
        given.append(context)
        yield Note("seen")

    add_probe("pairs", look, tasks={"verification"}, needs={"model", "images"})
    add_probe("others", look, needs={"model"})
    results = study.run(plan={**verification(), "probes": ["pairs", "others"]})
    assert [probe.status for probe in results.probes] == ["ok", "skipped"]
    assert results.probes[1].reason is not None
    assert "this one's task is verification" in results.probes[1].reason
    (context,) = given
    portraits = context.portraits
    assert portraits is not None
    assert len(portraits.faces) == 24
    frame = context.faces.frame
    np.testing.assert_array_equal(frame["face_a"], portraits.faces.frame["face_id"].to_numpy()[portraits.first])
    np.testing.assert_array_equal(frame["subject_b"], portraits.faces.frame["subject"].to_numpy()[portraits.second])
    np.testing.assert_allclose(np.linalg.norm(portraits.embeddings, axis=1), 1)
    again = cosines(portraits.embeddings, portraits.first, portraits.second)
    np.testing.assert_array_equal(context.predictions.values[:, 0], again)
    batch = next(iter(portraits.faces.batches(2, portraits.first[:2])))
    assert batch.pixels.shape == (2, 3, 16, 16)


def test_attributes_derived_from_pictures_are_those_of_both_faces(study: Any, verification: Any) -> None:
    light = {"assigned_by": "derived", "derive": "brightness", "of": "image", "bins": [0, 0.5, 1]}
    results = study.run("run", plan=verification(data={"attributes": {"light": light}}))
    table = pd.read_parquet(study.folder / "run" / "predictions.parquet")
    dark = {face: "dark" in face for face in study.table["path"]}
    for side in "ab":
        groups = table[f"light_{side}"][table[f"face_{side}"].map(dark)].unique()
        assert len(groups) == 1
    assert set(results.data.attributes["light"].groups) == {*table["light_a"].unique(), "(across groups)"}


def test_an_unusable_image_costs_its_pairs_only(study: Any, verification: Any) -> None:
    broken = study.folder / study.table["path"][3]
    broken.write_bytes(b"no picture")
    results = study.run(plan=verification())
    assert [item.row for item in results.data.quarantined] == [4]
    assert results.data.faces == 23 * 22 // 2
    assert "23 of 276 pairs were left out: an image of theirs could not be used." in results.data.notes


def test_embeddings_are_kept_and_other_pairs_need_no_new_ones(
    study: Any, verification: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = study.run("first", plan=verification())

    def never(*args: Any) -> Any:
        raise AssertionError("the model ran again")

    monkeypatch.setattr("countenance.core.predict.predict", never)
    table = pd.DataFrame({"face_a": study.table["path"][:6], "face_b": study.table["path"][6:12].to_numpy()})
    table.to_csv(study.folder / "pairs.csv", index=False)
    second = study.run("second", plan=verification(data={"pairs": "pairs.csv"}))
    assert second.data.faces == 6
    assert first.data.sha256 != second.data.sha256


def test_other_pairs_are_other_data_when_a_run_is_gone_on_with(study: Any, verification: Any) -> None:
    table = pd.DataFrame({"face_a": study.table["path"][:6], "face_b": study.table["path"][6:12].to_numpy()})
    table.to_csv(study.folder / "pairs.csv", index=False)
    plan = verification(data={"pairs": "pairs.csv"})
    study.run("run", plan=plan)
    assert study.run("run", plan=plan, resume=True).data.faces == 6
    table[:5].to_csv(study.folder / "pairs.csv", index=False)
    with pytest.raises(UsageError, match="the data changed since the run"):
        study.run("run", plan=plan, resume=True)


def test_a_live_model_is_audited_on_pairs_too(study: Any, making: Any) -> None:
    results = countenance.run(
        model=making.brightness_net(),
        faces=study.table.drop(columns="label"),
        folder=study.folder,
        task="verification",
        output="embedding",
        input={"size": 16},
        data={"subject": "subject"},
        probes=PERFORMANCE,
    )
    assert results["performance/fmr"].estimate.n == 264


def test_a_label_that_the_plan_names_is_looked_for(study: Any, verification: Any) -> None:
    plan = verification()
    plan["data"]["label"] = "mood"
    with pytest.raises(ManifestError, match=r"data\.label names the column 'mood'"):
        study.run(plan=plan)


@pytest.mark.parametrize(
    ("data", "target", "told"),
    [
        ({"pairs": "pairs.csv"}, {}, "data.pairs belongs to the task verification, and this one is expression"),
        ({"pairs": "none.csv"}, {"task": "verification"}, "there is no file"),
        ({"subject": None}, {"task": "verification"}, "name the manifest's column of the person with data.subject"),
    ],
)
def test_plans_that_name_pairs_wrongly(study: Any, data: Any, target: Any, told: str) -> None:
    (study.folder / "pairs.csv").write_text("face_a,face_b\n")
    if target:
        target = {**target, "classes": [], "output": "embedding"}
    with pytest.raises((PlanError, ManifestError), match=told):
        study.run(plan=study.changed(data=data, target=target))


def test_a_table_of_predictions_takes_no_pairs(study: Any) -> None:
    plan = study.changed()
    plan["target"] = {"predictions": "manifest.csv", "task": "verification"}
    plan["data"] = {"pairs": "manifest.csv"}
    with pytest.raises(PlanError, match=r"holds the pairs itself: leave out data\.pairs"):
        study.load(plan)


def faces_of(people: str) -> Faces:
    frame = pd.DataFrame({"face_id": list("abcdef")[: len(people)], "path": "x", "subject": list(people)})
    return Faces(frame=frame, has_subjects=True)


def pair_rows(first: list[int], second: list[int], people: str) -> PairRows:
    same = [float(people[a] == people[b]) for a, b in zip(first, second, strict=True)]
    ids = np.array([f"{a}{b}" for a, b in zip(first, second, strict=True)], dtype=object)
    return PairRows(ids, np.array(first), np.array(second), np.array(same), np.array(list(people), dtype=object))


def test_cosines_by_hand() -> None:
    embeddings = np.array([[3.0, 0.0], [1.0, 1.0], [0.0, -2.0], [-5.0, 0.0]])
    pairs = pair_rows([0, 1, 0, 3], [1, 2, 3, 3], "abcd")
    found = compare(faces_of("abcd"), np.arange(4), embeddings, pairs)
    np.testing.assert_allclose(found.predictions.values[:, 0], [0.5**0.5, -(0.5**0.5), -1, 1])
    assert found.predictions.values.max() <= 1


def test_embeddings_without_a_direction_and_single_numbers_are_refused(tmp_path: Path) -> None:
    pairs = pair_rows([0], [1], "ab")
    with pytest.raises(AuditError, match="gives 1 of 2 faces an embedding of zeros"):
        compare(faces_of("ab"), np.arange(2), np.array([[1.0, 0.0], [0.0, 0.0]]), pairs)
    with pytest.raises(AuditError, match="an embedding has two or more"):
        compare(faces_of("ab"), np.arange(2), np.ones((2, 1)), pairs)
    with pytest.raises(AuditError, match="none of the 1 pairs has two usable images"):
        compare(faces_of("b"), np.array([1]), np.ones((1, 2)), pairs)
