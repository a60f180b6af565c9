"""A card that no longer says what its evidence says is found, number by number and section by section."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from countenance.cards.check import check_card
from countenance.cards.document import CARD_FILES, write_cards
from countenance.core.errors import UsageError
from countenance.core.files import sha256_of_file
from countenance.core.results_file import load_results, write_results

KEY = "performance/accuracy"


@pytest.fixture(scope="module")
def written(run_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("written") / "run"
    shutil.copytree(run_folder, folder)
    write_cards(folder, CARD_FILES)
    return folder


@pytest.fixture
def folder(written: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(written, tmp_path / "run"))


def edit(file: Path, before: str, after: str) -> None:
    text = file.read_text(encoding="utf-8")
    assert before in text
    file.write_text(text.replace(before, after, 1), encoding="utf-8")


@pytest.mark.parametrize("name", CARD_FILES.values())
def test_a_card_just_written_agrees_and_carries_the_hash_of_both_files(folder: Path, name: str) -> None:
    found = check_card(folder, folder / name)
    assert found.agrees, found
    text = (folder / name).read_text(encoding="utf-8")
    assert sha256_of_file(folder / "results.json") in text
    assert sha256_of_file(folder / "card.yaml") in text


@pytest.mark.parametrize("name", CARD_FILES.values())
def test_other_results_are_told_with_the_key_and_both_numbers(folder: Path, name: str) -> None:
    results = load_results(folder)
    item = results[KEY]
    other = item.model_copy(update={"estimate": item.estimate.model_copy(update={"value": 0.7654})})
    probes = [
        probe.model_copy(update={"measurements": [other if one.key == KEY else one for one in probe.measurements]})
        for probe in results.probes
    ]
    write_results(results.model_copy(update={"probes": probes}), folder)
    found = check_card(folder, folder / name)
    assert {row.key for row in found.numbers} == {KEY}
    assert all(("0.765" in row.results and "0.765" not in row.card) for row in found.numbers)
    (evidence,) = found.evidence
    assert evidence.startswith("results.json is not the one the card was written from: then SHA-256 ")
    head = [text for text in found.texts if text.startswith("front matter: accuracy is ")]
    assert len(head) == (name == "MODEL_CARD.md")
    assert len(found.texts) == len(head), found.texts


@pytest.mark.parametrize("name", ["MODEL_CARD.md", "card.html"])
def test_a_number_edited_by_hand_is_told_with_its_key(folder: Path, name: str) -> None:
    file = folder / name
    text = file.read_text(encoding="utf-8")
    cell = r"<td>(0\.\d{3})" if name.endswith("html") else r"\| (0\.\d{3})"
    number = re.search(cell, text)
    assert number is not None
    file.write_text(text[: number.start(1)] + "0.999" + text[number.end(1) :], encoding="utf-8")
    found = check_card(folder, file)
    (row,) = found.numbers
    assert row.card.startswith("0.999")
    assert row.results.startswith(number[1])
    assert row.key.startswith("performance/")
    assert found.texts == found.evidence == ()


def test_a_number_edited_in_the_json_is_told(folder: Path) -> None:
    file = folder / "card.json"
    content = json.loads(file.read_text(encoding="utf-8"))
    content["headline"][0]["estimate"]["value"] = 0.999
    file.write_text(json.dumps(content), encoding="utf-8")
    (row,) = check_card(folder, file).numbers
    assert row.key == content["headline"][0]["key"]
    assert '"value": 0.999' in row.card


def test_words_edited_by_hand_are_told_by_section(folder: Path) -> None:
    file = folder / "MODEL_CARD.md"
    edit(file, "posed or perceived", "true")
    (text,) = check_card(folder, file).texts
    assert text.startswith("8. Ethical Considerations, What the labels are: the card says '")
    edit(file, "## 9. Caveats", "## How good it is\n\nVery.\n\n## 9. Caveats")
    found = check_card(folder, file)
    assert "How good it is: no part of the card that the results give" in found.texts
    edit(folder / "card.html", "posed or perceived", "true")
    assert check_card(folder, folder / "card.html").texts[0].startswith("8. Ethical Considerations, What the labels")
    edit(folder / "card.json", "posed or perceived", "true")
    assert "the card says " in check_card(folder, folder / "card.json").texts[0]


def test_a_section_taken_out_or_moved_is_told(folder: Path) -> None:
    file = folder / "MODEL_CARD.md"
    text = file.read_text(encoding="utf-8")
    start, end = text.index("### What the measurements do not show"), text.index("### Further testing")
    file.write_text(text[:start] + text[end:], encoding="utf-8")
    (told,) = check_card(folder, file).texts
    assert told == "9. Caveats and Recommendations, What the measurements do not show: the card has no such part"


def test_a_statement_changed_in_card_yaml_is_told(folder: Path) -> None:
    edit(folder / "card.yaml", "Example Laboratory", "Another Laboratory")
    found = check_card(folder, folder / "MODEL_CARD.md")
    assert found.evidence[0].startswith("card.yaml is not the one the card was written from")
    assert any("Another Laboratory" in text for text in found.texts)
    (folder / "card.yaml").unlink()
    assert check_card(folder, folder / "MODEL_CARD.md").evidence[0].endswith("now there is none")


def test_what_editors_and_hubs_add_is_no_difference(folder: Path, tmp_path: Path) -> None:
    text = (folder / "MODEL_CARD.md").read_text(encoding="utf-8")
    readme = tmp_path / "README.md"
    added = text.replace("tags:\n", "library_name: ours\ntags:\n- further-tag\n", 1).replace("\n\n", " \n\n\n")
    readme.write_bytes(b"\xef\xbb\xbf" + added.replace("\n", "\r\n").encode())
    found = check_card(folder, readme)
    assert found.agrees, found


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("license: cc-by-nc-4.0", "license: mit", "license is 'mit' in the card, and 'cc-by-nc-4.0'"),
        ("- countenance\n", "", "tags lack countenance"),
        ("type: accuracy\n", "type: precision\n", "accuracy is None in the card"),
        ("license: cc-by-nc-4.0", "license: [", "not valid YAML"),
    ],
)
def test_front_matter_that_was_changed_is_told(folder: Path, before: str, after: str, said: str) -> None:
    edit(folder / "MODEL_CARD.md", before, after)
    assert any(said in text for text in check_card(folder, folder / "MODEL_CARD.md").texts)


def test_a_file_that_is_no_card_says_so(folder: Path, tmp_path: Path) -> None:
    readme = tmp_path / "README.md"
    readme.write_text("# My model\n")
    found = check_card(folder, readme)
    assert found.evidence[0].startswith("it carries no SHA-256 of results.json")
    with pytest.raises(UsageError, match="no such file: countenance card RUN writes it"):
        check_card(folder, tmp_path / "none.md")
    (tmp_path / "card.json").write_text("{")
    with pytest.raises(UsageError, match="not valid JSON"):
        check_card(folder, tmp_path / "card.json")
    readme.write_bytes(b"\xff")
    with pytest.raises(UsageError, match="cannot be read"):
        check_card(folder, readme)


def test_results_edited_by_hand_fail_a_card_that_quotes_them_rightly(folder: Path) -> None:
    edit(folder / "results.json", '"name"', ' "name"')
    write_cards(folder, CARD_FILES)
    for name in CARD_FILES.values():
        (fault,) = check_card(folder, folder / name).evidence
        assert fault.startswith("results.json was changed after the audit wrote it")
        assert "was changed after the audit wrote it" in (folder / name).read_text(encoding="utf-8")


def test_words_of_another_version_are_told_as_such(folder: Path) -> None:
    file = folder / "MODEL_CARD.md"
    text = file.read_text(encoding="utf-8")
    file.write_text(re.sub(r"Written by countenance \S+ from", "Written by countenance 0.0.1 from", text))
    assert any("was written by countenance 0.0.1" in text for text in check_card(folder, file).evidence)
