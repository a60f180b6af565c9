"""``countenance slices``: the table in the terminal, the file, and what is said of wrong options."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

OPTIONS = ("--task", "expression", "--classes", "neutral,happy", "--by", "gender")


@pytest.fixture
def table(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> str:
    """A table of 400 rows of 40 people; the women's faces are always answered rightly."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    person = np.arange(400) % 40
    label = rng.integers(0, 2, 400)
    right = (person % 2 == 0) | (rng.random(400) < 0.5)
    p_happy = np.where((label == 1) == right, 0.9, 0.1)
    frame = pd.DataFrame({"subject": [f"p{each}" for each in person], "label": np.where(label, "joy", "neutral")})
    frame = frame.assign(
        gender=np.where(person % 2, "male", "female"), age=person, p_happy=p_happy, p_neutral=1 - p_happy
    )
    frame.to_parquet("table.parquet")
    return "table.parquet"


def test_groups_are_shown_and_every_number_is_written(table: str, command: Any) -> None:
    done = command(
        "slices",
        table,
        *OPTIONS,
        "--rename",
        "joy=happy",
        "--cross",
        "gender,age",
        "--bins",
        "age=0,20,40",
        "--out",
        "a.csv",
    )
    assert done.code == 0, done.err
    assert "400 faces of 40 people" in done.out
    (women,) = [line for line in done.out.splitlines() if line.strip().startswith("gender female ")]
    assert "accuracy" in women
    assert "1.000 [" in women
    assert "auroc is not measured in batches" in done.out
    written = pd.read_csv("a.csv", keep_default_na=False)
    assert set(written["group"]) >= {"(all)", "female", "male", "0 to 20", "20 to 40 & female"}
    assert {"accuracy", "recall", "brier", "base_rate"} <= set(written["metric"])
    one = command(
        "slices", table, *OPTIONS, "--rename", "joy=happy", "--metric", "recall", "--of", "happy", "--out", "a.md"
    )
    assert "recall of happy" in one.out
    assert " accuracy " not in one.out
    assert "| recall | happy | gender | female | 1 |" in Path("a.md").read_text()


def test_what_does_not_vary_is_shown_without_limits(table: str, command: Any) -> None:
    frame = pd.read_parquet(table)[["subject", "gender"]].assign(y_valence=0.2, y_arousal=0.1, v_valence=0.3)
    frame.assign(v_arousal=0.1).to_parquet("values.parquet")
    done = command("slices", "values.parquet", "--task", "valence_arousal", "--by", "gender", "--metric", "bias")
    assert done.code == 0, done.err
    (women,) = [line for line in done.out.splitlines() if "gender female" in line and "valence" in line]
    assert " 0.100 " in women
    assert "[" not in women


def test_wrong_options_are_told_at_once(table: str, command: Any) -> None:
    done = command("slices", table, "--task", "expresion", "--cross", "gender", "--bins", "age=0,x", "--rename", "joy")
    assert done.code == 2
    for words in (
        "did you mean 'expression'",
        "--cross is 'gender'",
        "'age', which is not grouped by",
        "are no numbers",
        "--rename is 'joy'",
    ):
        assert words in done.err, words
    assert command("slices", table, "--task", "expression", "--classes", "happy").code == 2
    done = command("slices", table, *OPTIONS, "--by", "gendre", "--out", "a.csv")
    assert done.code == 2
    assert "did you mean 'gender'" in done.err
    done = command("slices", table, *OPTIONS)
    assert "the label 'joy' is none of the classes" in done.err
    assert "expected --out to end in" in command("slices", table, *OPTIONS, "--out", "a.xlsx").err
    assert "no such file" in command("slices", "none.parquet", *OPTIONS).err


def test_classes_are_those_of_the_columns_unless_named(table: str, command: Any) -> None:
    done = command("slices", table, "--task", "expression", "--rename", "joy=happy", "--metric", "recall")
    assert done.code == 0, done.err
    assert "recall of happy" in done.out
    assert "recall of neutral" in done.out
    pd.read_parquet(table).drop(columns=["p_happy", "p_neutral"]).to_parquet("bare.parquet")
    bare = command("slices", "bare.parquet", "--task", "expression")
    assert bare.code == 2
    assert "--classes neutral,happy, or columns p_CLASS" in bare.err
