from __future__ import annotations

import numpy as np
import pytest

from countenance.core.errors import UsageError
from countenance.synth.planted_gaps import ATTRIBUTES, CLASSES, PLANTS, Effort, planted_table, write_planted

LARGE = Effort(people=3000)


def right(table):
    answers = table[[f"p_{name}" for name in CLASSES]].to_numpy().argmax(axis=1)
    return np.asarray(CLASSES, dtype=object)[answers] == table["label"]


def test_twins_share_people_and_differ_in_what_is_planted():
    tables = {plant: planted_table(plant, 3, LARGE) for plant in PLANTS}
    columns = ["face_id", "subject", *ATTRIBUTES, "light"]
    for table in tables.values():
        assert table[columns].equals(tables["nothing"][columns])
        assert np.allclose(table[[f"p_{name}" for name in CLASSES]].sum(axis=1), 1)
    accuracy = {plant: right(table) for plant, table in tables.items()}
    assert accuracy["nothing"].mean() == pytest.approx(0.8, abs=0.01)
    dark = tables["gap"]["skin_tone"] == "dark"
    assert accuracy["nothing"][dark].mean() - accuracy["gap"][dark].mean() == pytest.approx(0.15, abs=0.02)
    assert (accuracy["nothing"] == accuracy["gap"])[~dark].all()


def test_the_hidden_slice_shows_in_no_single_attribute():
    table = planted_table("slice", 4, LARGE)
    found = right(table)
    inside = (table["glasses"] == "yes") & (table["light"] == "dim")
    assert found[inside].mean() == pytest.approx(0.55, abs=0.03)
    for name in (*ATTRIBUTES, "light"):
        assert found.groupby(table[name]).mean().to_numpy() == pytest.approx(0.8, abs=0.025)


def test_biased_labels_are_those_of_mild_smiles_of_women():
    plain, biased = planted_table("nothing", 5, LARGE), planted_table("labels", 5, LARGE)
    changed = plain["label"] != biased["label"]
    assert set(plain.loc[changed, "label"]) == {"happy"}
    assert set(biased.loc[changed, "label"]) == {"neutral"}
    assert set(biased.loc[changed, "gender"]) == {"female"}
    women = (plain["gender"] == "female") & (plain["label"] == "happy")
    assert changed[women].mean() == pytest.approx(0.45 * 0.8, abs=0.03)
    answers = [f"p_{name}" for name in CLASSES]
    assert plain[answers].equals(biased[answers])


def test_faces_of_a_person_are_alike_in_being_right():
    table = planted_table("nothing", 6, LARGE)
    found = right(table).astype(float)
    sizes = table.groupby("subject").size().to_numpy()
    assert 2 <= sizes.min() <= sizes.max() <= 20
    means = found.groupby(table["subject"]).mean().to_numpy()
    assert means.std() > 1.2 * np.sqrt(0.8 * 0.2 * (1 / sizes).mean())


def test_wrong_arguments_say_what_was_expected(tmp_path):
    with pytest.raises(UsageError, match="one of nothing, gap, labels, slice, but got 'bias'"):
        planted_table("bias", 0)
    with pytest.raises(UsageError, match="0 or more, but got -1"):
        planted_table("gap", -1)
    small = planted_table("gap", 0, Effort(people=20))
    plan = write_planted(small, tmp_path / "new", ["performance"], attributes=["gender"])
    assert plan.read_text().startswith("version: 1")
