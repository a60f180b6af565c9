"""The schema of card.yaml: reading, faults named together, the starting file."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest
import yaml

from countenance.cards.statements import Context, Statements, StatementsError, load_statements, template
from countenance.core.errors import CountenanceError

MITCHELL = {
    "model_details": 9,
    "intended_use": 4,
    "factors": 2,
    "metrics": 3,
    "evaluation_data": 3,
    "training_data": 4,
    "quantitative_analyses": 2,
    "ethical_considerations": 5,
    "caveats_and_recommendations": 4,
}


def written(folder: Path, text: str) -> Path:
    path = folder / "card.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_template_asks_for_every_item_and_states_nothing(tmp_path: Path) -> None:
    text = template()
    assert {name: len(items) for name, items in yaml.safe_load(text).items()} == MITCHELL
    assert text.count("?") == sum(MITCHELL.values())  # a question for each
    assert load_statements(written(tmp_path, text)) == Statements()
    assert max(map(len, text.splitlines())) <= 110


def test_texts_lists_and_what_states_nothing(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        "model_details:\n  version: 1.10\n  date: 2026-11-20\n  developers: ''\n  citation: null\n  type: ~\n"
        "intended_use:\n  out_of_scope: [one, '', two]\n  deployment_context: research\ntraining_data:\n",
    )
    read = load_statements(path)
    assert read.text("model_details.version") == ("1.10",)  # not the number 1.1
    assert read.text("model_details.date") == ("2026-11-20",)
    assert read.text("intended_use.out_of_scope") == ("one", "two")
    assert read.intended_use.deployment_context == ("research",)
    assert read.text("model_details.developers") == read.text("model_details.citation") == ()
    assert read.text("model_details.type") == read.text("training_data.datasets") == ()


def test_every_fault_is_named_at_once_with_the_nearest_name(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        "model_detials:\n  date: x\nmodel_details:\n  licence: MIT\n  contact: {mail: x}\n"
        "intended_use:\n  deployment_context: [educaton]\n",
    )
    with pytest.raises(StatementsError) as caught:
        load_statements(path)
    message = str(caught.value)
    assert "4 problems" in message
    assert "'model_detials'; did you mean 'model_details'?" in message
    assert "'model_details.licence'; did you mean 'license'?" in message
    assert "model_details.contact: expected a text or a list of texts" in message
    assert "'educaton'" in message
    assert "did you mean 'education'?" in message
    assert isinstance(caught.value, CountenanceError)
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("- a\n- b\n", "expected sections"),
        ("model_details: [\n", "not valid YAML"),
        ("model_details:\n  date: a\n  date: b\n", "stands twice"),
        ("model_details: just words\n", "model_details"),
        ("? [a, b]\n: c\n", "expected"),
    ],
)
def test_unusable_files_are_refused_in_words(tmp_path: Path, text: str, expected: str) -> None:
    with pytest.raises(StatementsError, match=expected):
        load_statements(written(tmp_path, text))


def test_missing_file_and_bytes_that_are_no_text(tmp_path: Path) -> None:
    with pytest.raises(StatementsError, match="no such file"):
        load_statements(tmp_path / "card.yaml")
    (tmp_path / "card.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(StatementsError, match="cannot be read"):
        load_statements(tmp_path / "card.yaml")


def test_a_python_object_is_not_made(tmp_path: Path) -> None:
    path = written(tmp_path, "model_details:\n  date: !!python/object/apply:os.system ['true']\n")
    with pytest.raises(StatementsError):
        load_statements(path)


def test_an_unknown_item_is_a_mistake_of_the_caller() -> None:
    with pytest.raises(KeyError):
        Statements().text("model_details.colour")


def test_the_example_in_the_docs_can_be_read(root: Path, tmp_path: Path) -> None:
    text = (root / "docs" / "model-card.md").read_text(encoding="utf-8")
    example = text.partition("```yaml\n")[2].partition("```")[0]
    read = load_statements(written(tmp_path, example))
    assert read.text("model_details.version") == ("1.10",)
    assert len(read.text("intended_use.out_of_scope")) == 2


def test_the_docs_name_every_deployment_context(root: Path) -> None:
    text = (root / "docs" / "model-card.md").read_text(encoding="utf-8")
    assert all(f"`{context}`" in text for context in get_args(Context))
