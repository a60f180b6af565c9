"""Codebooks of action units: the published ones, and a user's own with every fault told at once."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from countenance.explain.units.codebook import (
    CodebookError,
    codebook_data,
    codebook_names,
    find_codebook,
    load_codebook,
    published_codebook,
)
from countenance.explain.units.regions import unit_names


def test_the_papers_codebook_with_its_slip_corrected() -> None:
    book = published_codebook("belharbi2024")
    assert book.units_of("happy") == book.units_of("Happiness") == (6, 12, 25)
    assert book.units_of("disgusted") == (9, 10, 16, 17, 25, 26)
    assert 5 not in book.units_of("disgust")
    assert book.units_of("fearful") == (1, 2, 4, 5, 20, 25, 26, 27)
    assert book.units_of("anger") == (4, 5, 7, 10, 17, 23, 24, 25, 26)
    assert book.units_of("sad") == (1, 4, 6, 15, 17)
    assert book.units_of("surprised") == (1, 2, 5, 26, 27)
    assert any("AU5" in correction for correction in book.corrections)


def test_the_emfacs_prototypes() -> None:
    book = published_codebook("emfacs7")
    assert [book.units_of(name) for name in ("happy", "sad", "surprise", "fear", "angry", "disgust", "contempt")] == [
        (6, 12),
        (1, 4, 15),
        (1, 2, 5, 26),
        (1, 2, 4, 5, 7, 20, 26),
        (4, 5, 7, 23),
        (9, 15, 16),
        (12, 14),
    ]


@pytest.mark.parametrize("name", codebook_names())
def test_every_published_unit_has_a_region_and_every_codebook_a_source(name: str) -> None:
    book = published_codebook(name)
    assert set(book.units) <= set(unit_names())
    assert book.version == codebook_data()["version"] >= 1
    assert book.sources
    assert book.units_of("neutral") == ()
    assert "at rest" in book.reason("neutral")


def test_what_has_no_units_says_why() -> None:
    book = published_codebook("belharbi2024")
    assert "contempt has no action units in this codebook" in book.reason("contemptuous")
    assert "bored has no action units in the codebook belharbi2024" in book.reason("bored")


def test_a_users_own_codebook(tmp_path: Path) -> None:
    file = tmp_path / "own.yaml"
    file.write_text("name: mine\nversion: 3\nsource: my lab\nexpressions:\n  happy: [12, AU6]\n  Frown: [au04]\n")
    book = find_codebook("own.yaml", tmp_path)
    assert (book.name, book.version, book.sources) == ("mine", 3, ("my lab",))
    assert book.units_of("joy") == (6, 12)
    assert book.units_of("frown") == (4,)
    assert book.units == (4, 6, 12)
    assert "frown" in book.reason("fear")
    assert "at rest" in book.reason("neutral")


def test_a_json_codebook(tmp_path: Path) -> None:
    file = tmp_path / "own.json"
    file.write_text(json.dumps({"expressions": {"sad": [1]}, "not_scored": {"neutral": "nobody says what it is"}}))
    book = load_codebook(file)
    assert (book.name, book.version) == ("own", 0)
    assert book.reason("neutral") == "nobody says what it is"


def test_every_fault_of_a_codebook_is_told_at_once(tmp_path: Path) -> None:
    file = tmp_path / "own.yaml"
    file.write_text(
        "nam: x\nversion: -1\nexpressions:\n  happy: [12, 99, smile, true]\n  joy: [6]\n  sad: []\n  fear: [1, AU1]\n"
        "  neutral: [4]\nnot_scored: {neutral: at rest, contempt: ''}\n"
    )
    with pytest.raises(CodebookError) as raised:
        load_codebook(file)
    told = str(raised.value)
    for part in (
        "10 problems",
        "unknown key 'nam'; did you mean 'name'?",
        "`version`",
        "AU99 has no region here",
        "'smile'",
        "True",
        "joy: happy is the same expression",
        "sad: expected a list",
        "AU1 stands twice",
        "neutral stands under `expressions` and under `not_scored`",
        "a reason for contempt",
    ):
        assert part in told


@pytest.mark.parametrize(
    "text, told",
    [
        ("[1, 2]", "but got list"),
        ("expressions: {happy: [1", "neither YAML nor JSON"),
        ("name: x", "expected `expressions` to map names"),
        ("expressions: {happy: [6]}\nexpressions: {happy: [12]}", "stands twice"),
    ],
)
def test_a_file_that_is_no_codebook(tmp_path: Path, text: str, told: str) -> None:
    (tmp_path / "own.yaml").write_text(text)
    with pytest.raises(CodebookError, match=told):
        find_codebook("own.yaml", tmp_path)


def test_a_name_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(CodebookError, match="did you mean 'emfacs7'"):
        find_codebook("emfacs", tmp_path)
    with pytest.raises(CodebookError, match=r"codebook gone\.yaml: there is no such file"):
        find_codebook("gone.yaml", tmp_path)
