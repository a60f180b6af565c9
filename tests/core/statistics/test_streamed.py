"""Tables read in batches: the same numbers as in memory, whatever the batches; faults told at once; bounded memory."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from countenance.core.errors import ManifestError, UsageError
from countenance.core.plan import AttributeSpec, DataSpec, TargetSpec
from countenance.core.prediction_tables import read_predictions
from countenance.core.probes import PairedScores, Scores
from countenance.core.statistics.rules import StatisticsRules
from countenance.core.statistics.slicing import Slicer
from countenance.core.statistics.streamed import reading
from countenance.core.statistics.streamed.lines import LineStore, PartialLines
from countenance.core.statistics.streamed.slices import slice_table

CLASSES = ["neutral", "happy", "sad"]
TARGETS = {
    "expression": TargetSpec(predictions="t.parquet", task="expression", classes=CLASSES),
    "forgery": TargetSpec(predictions="t.parquet", task="forgery"),
    "action_units": TargetSpec(predictions="t.parquet", task="action_units", classes=["AU1", "AU12"]),
    "valence_arousal": TargetSpec(predictions="t.parquet", task="valence_arousal"),
}
ATTRIBUTES = {
    "gender": AttributeSpec(assigned_by="self-reported"),
    "age": AttributeSpec(assigned_by="self-reported", bins=[0, 30, 45, 200]),
    "light": AttributeSpec(assigned_by="derived", of="image", column="Light"),
}


@pytest.fixture(autouse=True)
def small_batches(monkeypatch):
    monkeypatch.setattr(reading, "ROWS_AT_ONCE", 70)
    monkeypatch.setattr("countenance.core.statistics.streamed.lines.FEWEST_WAITING", 40)


def table(seed=0, people=60, rows=900, *, attributes=("gender", "age", "Light")):
    """People in mixed order, attributes of people and of the picture, missing values, rows of another condition."""
    rng = np.random.default_rng(seed)
    person = rng.integers(0, people, rows)
    frame = pd.DataFrame({"face_id": [f"f{row}" for row in range(rows)], "subject": [f" p{each}" for each in person]})
    frame["gender"] = np.asarray(["female", "male", None], dtype=object)[rng.choice(3, people, p=[0.5, 0.4, 0.1])][
        person
    ]
    frame["age"] = rng.choice([5.0, 29.5, 30, 44, 60, 250, np.nan], people)[person]
    frame["Light"] = rng.choice(["dim", "bright "], rows)
    frame["condition"] = rng.choice(["clean", "blur"], rows, p=[0.9, 0.1])
    label = rng.integers(0, 3, rows)
    logits = rng.normal(size=(rows, 3)) + 1.5 * np.eye(3)[label] * rng.random(people)[person][:, None]
    values = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    frame["label"] = np.where(rng.random(rows) < 0.05, None, np.asarray(CLASSES, dtype=object)[label])
    for place, name in enumerate(CLASSES):
        frame[f"p_{name}"] = np.round(values[:, place], 3)
    frame["p_forged"] = values[:, 0]
    for place, name in enumerate(("AU1", "AU12")):
        frame[f"y_{name}"] = np.where(rng.random(rows) < 0.2, np.nan, label == place)
        frame[f"p_{name}"] = values[:, place]
    for place, name in enumerate(("valence", "arousal")):
        frame[f"y_{name}"] = np.where(rng.random(rows) < 0.2, np.nan, logits[:, place] / 10)
        frame[f"v_{name}"] = np.round(values[:, place] - 0.5, 1)
    return frame.drop(columns=[name for name in ("gender", "age", "Light") if name not in attributes])


def written(frame, path, task="expression"):
    if task == "forgery":
        frame = frame.assign(label=frame["label"].replace({"neutral": "forged", "happy": "genuine", "sad": "genuine"}))
    frame.to_parquet(path, row_group_size=130, index=False)
    return path


def data(*names, **more):
    chosen = {name: ATTRIBUTES[name] for name in names}
    crossed = [list(names)] if len(names) > 1 else []
    return DataSpec(subject="subject", attributes=chosen, intersections=crossed, min_subjects=4, **more)


def in_memory(path, target, spec):
    """The same metrics from all the faces, score by score."""
    faces, predictions = read_predictions(path, target, spec)
    slicer = Slicer(faces.subject_codes, faces.groupings, StatisticsRules(min_subjects=4))
    found = []

    def add(metric, of, counts, label=None, weights=None, kind="rate", bounds=(0, 1), key="label"):
        rows = np.flatnonzero(of)
        found.extend(
            slicer.measure(
                Scores(
                    metric,
                    rows,
                    np.asarray(counts, dtype=float)[rows],
                    None if weights is None else weights[rows].astype(float),
                    kind=kind,
                    bounds=bounds,
                    slice={} if label is None else {key: label},
                ),
                "slices",
            )
        )

    def one_against_rest(labelled, answered, known, name):
        if labelled[known].any():
            add("recall", known & labelled, answered, name)
            add("fnr", known & labelled, ~answered, name)
            add("precision", known & answered, labelled, name)
            add("fdr", known & answered, ~labelled, name)
            add("for", known & ~answered, labelled, name)
            add("f1", known & (labelled | answered), 2.0 * (labelled & answered), name, labelled + 1 * answered)
            add("base_rate", known, labelled, name)
        add("fpr", known & ~labelled, answered, name)
        add("selection_rate", known, answered, name)

    if target.task == "action_units":
        for place, name in enumerate(target.class_names):
            truth, answered = predictions.truth[:, place], predictions.values[:, place] >= 0.5
            known, labelled = np.isfinite(truth), truth == 1
            one_against_rest(labelled, answered, known, name)
            add("accuracy", known, labelled == answered, name)
            over = predictions.values[:, place] - np.nan_to_num(truth)
            add("brier", known, np.square(over), name, kind="mean")
            add("confidence_minus_accuracy", known, over, name, kind="mean", bounds=(-1, 1))
        known = np.isfinite(predictions.truth)
        right = ((predictions.truth == 1) == (predictions.values >= 0.5)) & known
        add("accuracy", known.any(axis=1), right.sum(axis=1), weights=known.sum(axis=1))
    elif target.task == "valence_arousal":
        for place, name in enumerate(target.class_names):
            truth, said = predictions.truth[:, place], predictions.values[:, place]
            known = np.isfinite(truth)
            add("sagr", known, np.sign(truth) == np.sign(said), name, key="dimension")
            add("bias", known, said - np.nan_to_num(truth), name, kind="mean", bounds=None, key="dimension")
            add("mean_truth", known, np.nan_to_num(truth), name, kind="mean", bounds=None, key="dimension")
            rows = np.flatnonzero(known)
            for metric in ("ccc", "pcc", "rmse"):
                where = {"dimension": name}
                found.extend(
                    slicer.measure(PairedScores(metric, metric, rows, truth[rows], said[rows], slice=where), "slices")
                )
    else:
        known, labels = predictions.labels >= 0, predictions.labels
        add("accuracy", known, labels == predictions.predicted)
        squares = np.square(predictions.values - np.eye(len(predictions.classes))[labels]).sum(axis=1)
        two = len(predictions.classes) == 2
        add("brier", known, squares / (1 + two), kind="mean", bounds=(0, 1 if two else 2))
        over = predictions.values.max(axis=1) - (labels == predictions.predicted)
        add("confidence_minus_accuracy", known, over, kind="mean", bounds=(-1, 1))
        for place, name in enumerate(predictions.classes):
            one_against_rest(labels == place, predictions.predicted == place, known, name)
    return {item.key: item.estimate for item in found}


@pytest.mark.parametrize("task", TARGETS)
@pytest.mark.parametrize("names", [("gender", "age"), ("gender", "age", "light"), ()])
def test_numbers_are_those_of_the_table_in_memory(tmp_path, task, names):
    path = written(table(), tmp_path / "t.parquet", task)
    streamed = slice_table(path, TARGETS[task], data(*names))
    expected = in_memory(path, TARGETS[task], data(*names))
    got = {item.key: item.estimate for item in streamed.measurements}
    assert set(got) == set(expected)
    measured = 0
    for key, estimate in expected.items():
        assert got[key].reason == estimate.reason, key
        assert got[key].method == estimate.method, key
        assert (got[key].n, got[key].subjects, got[key].count) == (estimate.n, estimate.subjects, estimate.count), key
        if estimate.value is not None:
            for name in ("value", "low", "high", "n_effective"):
                assert getattr(got[key], name) == (
                    None if (wanted := getattr(estimate, name)) is None else pytest.approx(wanted, rel=1e-8, abs=1e-12)
                ), key
        measured += estimate.value is not None
    assert measured > len(expected) / 5
    assert streamed.notes


def test_the_order_of_rows_and_the_size_of_batches_change_nothing(tmp_path, monkeypatch):
    frame = table(1)
    path = written(frame, tmp_path / "a.parquet")
    once = slice_table(path, TARGETS["expression"], data("gender", "light"))
    mixed = frame.sample(frac=1, random_state=0)
    for size in (9, 131, 10_000):
        monkeypatch.setattr(reading, "ROWS_AT_ONCE", size)
        again = slice_table(written(mixed, tmp_path / "b.parquet"), TARGETS["expression"], data("gender", "light"))
        pd.testing.assert_frame_equal(once.to_frame(), again.to_frame(), rtol=1e-12)


def test_people_may_be_numbers_categories_or_every_row_another(tmp_path):
    frame = table(2)
    path = written(frame, tmp_path / "a.parquet")
    named = slice_table(path, TARGETS["expression"], data("gender"))
    numbers = frame.assign(subject=frame["subject"].str.strip().str[1:].astype(int))
    categories = frame.assign(subject=frame["subject"].astype("category"), gender=frame["gender"].astype("category"))
    for other in (numbers, categories):
        found = slice_table(written(other, tmp_path / "b.parquet"), TARGETS["expression"], data("gender"))
        pd.testing.assert_frame_equal(named.to_frame(), found.to_frame())
    alone = written(frame.drop(columns="subject"), tmp_path / "c.parquet")
    spec = DataSpec(attributes={"gender": ATTRIBUTES["gender"]}, min_subjects=4)
    found = slice_table(alone, TARGETS["expression"], spec)
    assert found.people == found.faces
    assert any("each row is taken for another person" in note for note in found.notes)
    expected = in_memory(alone, TARGETS["expression"], spec)
    assert {item.key: item.estimate.n_effective for item in found.measurements} == pytest.approx(
        {key: estimate.n_effective for key, estimate in expected.items()}
    )


def test_every_fault_is_told_at_once(tmp_path):
    frame = table(3)
    frame.loc[5, "label"] = "hapy"
    frame.loc[[7, 9], "subject"] = ""
    frame.loc[11, "p_sad"] = np.nan
    frame.loc[12, "p_sad"] = 3.0
    frame["age"] = frame["age"].astype(object)
    frame.loc[20, "age"] = "old"
    frame["age"] = frame["age"].astype("string")
    frame["condition"] = "clean"
    with pytest.raises(ManifestError) as told:
        slice_table(written(frame, tmp_path / "t.parquet"), TARGETS["expression"], data("gender", "age"))
    for words in (
        "'hapy' is none of the classes",
        "did you mean 'happy'",
        "'subject' is empty (every row needs a person) in 2 of 900 rows",
        "'p_sad' holds no finite number in 1 of",
        "'p_sad' is no probability (expected 0 to 1) in 1 of",
        "has bins but is no number in 1 of 900 rows, e.g. 'old'",
    ):
        assert words in str(told.value), words


def test_missing_columns_are_named_with_the_nearest(tmp_path):
    frame = table(4).rename(columns={"gender": "gendre", "p_happy": "p_hapy"})
    frame["p_sad"] = frame["p_sad"].astype(str)
    with pytest.raises(ManifestError) as told:
        slice_table(written(frame, tmp_path / "t.parquet"), TARGETS["expression"], data("gender", "age"))
    for words in ("'gender', which is not there; did you mean 'gendre'", "'p_happy' is not there", "'p_sad' holds"):
        assert words in str(told.value)
    with pytest.raises(ManifestError, match="there is no such file"):
        slice_table(tmp_path / "none.parquet", TARGETS["expression"], data())
    (tmp_path / "bad.parquet").write_bytes(b"no table")
    with pytest.raises(ManifestError, match="cannot be read as a Parquet table"):
        slice_table(tmp_path / "bad.parquet", TARGETS["expression"], data())
    with pytest.raises(ManifestError, match="has to be a Parquet file"):
        slice_table(tmp_path / "t.csv", TARGETS["expression"], data())


@pytest.mark.parametrize("subject", [None, np.nan, " "])
def test_rows_without_a_person_are_refused(tmp_path, subject):
    frame = table(4).assign(condition="clean", subject=subject)
    with pytest.raises(ManifestError, match=r"'subject' is empty \(every row needs a person\) in 900 of 900 rows"):
        slice_table(written(frame, tmp_path / "t.parquet"), TARGETS["expression"], data("gender"))
    named = 7.0 if subject is np.nan else "p"
    part = frame.assign(subject=[named if row < 800 else subject for row in range(900)])
    with pytest.raises(ManifestError, match="in 100 of 900 rows"):
        slice_table(written(part, tmp_path / "t.parquet"), TARGETS["expression"], data("gender"))


def test_odd_columns_are_told_and_odd_types_read(tmp_path):
    frame = table(6)[["subject", "gender", "label", "p_neutral", "p_happy", "p_sad"]]
    whole = pa.Table.from_pandas(frame, preserve_index=False)
    path, target = tmp_path / "t.parquet", TARGETS["expression"]

    def column(name, values):
        return whole.set_column(whole.column_names.index(name), name, values)

    twice = pa.Table.from_arrays([*whole.columns, whole.column(1)], names=[*whole.column_names, "gender"])
    listed = column("gender", pa.array([[1]] * 900))
    decimal = column("p_sad", whole.column("p_sad").cast(pa.decimal128(5, 3)))
    infinite = column("p_sad", pa.array([np.inf] + [0.1] * 899))
    for odd, told in (
        (twice, "'gender' stands twice"),
        (listed, "'gender' holds list"),
        (decimal, "expected numbers"),
        (infinite, "no finite number in 1 of"),
        (whole.slice(0, 0), "has no row"),
    ):
        pq.write_table(odd, path)
        with pytest.raises(ManifestError, match=told):
            slice_table(path, target, data("gender"))
    pq.write_table(whole, path)
    expected = slice_table(path, target, data("gender")).to_frame()
    large = column("subject", whole.column("subject").cast(pa.large_string()))
    narrow = whole.cast(
        pa.schema([(each.name, pa.float32()) if each.name[:2] == "p_" else each for each in whole.schema])
    )
    for odd in (large, narrow):
        pq.write_table(odd, path)
        found = slice_table(path, target, data("gender")).to_frame()
        pd.testing.assert_frame_equal(found, expected, rtol=1e-3, check_exact=False)


def test_nothing_to_measure_is_said(tmp_path):
    blurred = written(table(5).assign(condition="blur"), tmp_path / "a.parquet")
    with pytest.raises(ManifestError, match="no row whose condition is 'clean'"):
        slice_table(blurred, TARGETS["expression"], data("gender"))
    unlabelled = written(table(5).assign(label=None), tmp_path / "b.parquet")
    with pytest.raises(ManifestError, match="no row with a label"):
        slice_table(unlabelled, TARGETS["expression"], data("gender"))
    pairs = TargetSpec(predictions="t.parquet", task="verification")
    with pytest.raises(ManifestError, match="not measured in batches"):
        slice_table(unlabelled, pairs, data("gender"))


def test_only_the_metrics_and_labels_asked_for(tmp_path):
    path = written(table(6), tmp_path / "t.parquet")
    found = slice_table(path, TARGETS["expression"], data("gender"), metrics=["recall"], labels=["happy"])
    assert {(item.metric, item.slice["label"]) for item in found.measurements} == {("recall", "happy")}
    with pytest.raises(UsageError) as told:
        slice_table(path, TARGETS["expression"], data("gender"), metrics=["auroc", "recal"], labels=["hapy"])
    for words in ("auroc is not measured in batches", "did you mean 'recall'", "did you mean 'happy'"):
        assert words in str(told.value)


def test_controls_divide_no_faces(tmp_path):
    path = written(table(6), tmp_path / "t.parquet")
    spec = data("gender", "age")
    control = spec.attributes["age"].model_copy(update={"role": "control"})
    spec = spec.model_copy(update={"attributes": {**spec.attributes, "age": control}})
    found = slice_table(path, TARGETS["expression"], spec, metrics=["accuracy"]).to_frame()
    assert set(found["attributes"]) == {"", "gender"}


def test_an_attribute_with_a_value_per_face_is_refused(tmp_path):
    path = written(table(7).assign(gender=[f"g{row}" for row in range(900)]), tmp_path / "t.parquet")
    with pytest.raises(ManifestError, match="more than 50 different values"):
        slice_table(path, TARGETS["expression"], data("gender"))


def test_lines_of_people_in_many_cells_add_up():
    rng = np.random.default_rng(0)
    store, expected = LineStore(), {}
    for _ in range(30):
        names = rng.choice(50, 12, replace=False)
        keys = sorted({(int(at), int(rng.integers(4))) for at in rng.integers(0, 12, 20)})
        counts = rng.integers(0, 9, (len(keys), 2)).astype(np.int32)
        person, cell = (np.asarray(column, dtype=np.int32) for column in zip(*keys, strict=True))
        store.add(PartialLines(pa.array([f"p{name}" for name in names]), person, cell, counts, counts * 0.5))
        for (at, where), line in zip(keys, counts, strict=True):
            key = (f"p{names[at]}", where)
            expected[key] = expected.get(key, 0) + line
    lines = store.finish()
    got = {
        (lines.people[int(person)].as_py(), int(cell)): count
        for person, cell, count in zip(lines.person, lines.cell, lines.counts, strict=True)
    }
    assert len(lines) == len(got)
    assert got.keys() == expected.keys()
    for key, count in got.items():
        assert (count == expected[key]).all()
    np.testing.assert_array_equal(lines.amounts, lines.counts * 0.5)
    assert (np.lexsort((lines.cell, lines.person)) == np.arange(len(lines))).all()


def peak_of(path):
    """Peak of resident memory in MiB (`VmHWM`, which no parent's memory counts in), and number of faces."""
    program = (
        "import re, sys\n"
        "from pathlib import Path\n"
        "from countenance.core.plan import DataSpec, TargetSpec, AttributeSpec\n"
        "from countenance.core.statistics.streamed import reading, slices\n"
        "reading.ROWS_AT_ONCE = 20_000\n"
        f"target = TargetSpec(predictions='t', task='expression', classes={CLASSES})\n"
        "data = DataSpec(subject='subject', attributes={'gender': AttributeSpec(assigned_by='annotator')})\n"
        "found = slices.slice_table(sys.argv[1], target, data)\n"
        "print(re.search(r'VmHWM:\\s*(\\d+)', Path('/proc/self/status').read_text())[1], found.faces)\n"
    )
    done = subprocess.run([sys.executable, "-c", program, str(path)], capture_output=True, text=True, check=True)
    peak, faces = done.stdout.split()
    return float(peak) / 1024, int(faces)


@pytest.mark.skipif(not Path("/proc/self/status").is_file(), reason="peak memory is read from Linux's /proc")
def test_memory_does_not_grow_with_rows(tmp_path):
    """Numbers of 1,200,000 rows take 29 MiB as they are in the file, and names and texts more."""
    rng = np.random.default_rng(8)
    peaks, faces = {}, {}
    for times in (2, 30):
        path, writer = tmp_path / f"{times}.parquet", None
        for _ in range(times):
            p = rng.dirichlet(np.ones(3), 40_000)
            columns = {f"p_{name}": p[:, place] for place, name in enumerate(CLASSES)}
            names = {name: rng.choice(values, 40_000) for name, values in (("gender", ["a", "b"]), ("label", CLASSES))}
            part = pa.table({"subject": rng.integers(0, 500, 40_000), **names, **columns})
            writer = writer or pq.ParquetWriter(path, part.schema)
            writer.write_table(part)
        writer.close()
        peaks[times], faces[times] = peak_of(path)
    assert faces == {2: 80_000, 30: 1_200_000}
    assert peaks[30] < peaks[2] + 12, peaks
