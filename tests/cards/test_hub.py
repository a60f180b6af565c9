"""The front matter is read by the Hugging Face library as a model card with its evaluation results."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest

from countenance.cards import card_of, to_markdown
from countenance.core.results_file import load_results

hub = pytest.importorskip("huggingface_hub", reason="the Hugging Face library (huggingface_hub) is not installed")


def test_the_card_is_loaded_with_its_results(run_folder: Path, tmp_path: Path) -> None:
    file = tmp_path / "README.md"
    file.write_text(to_markdown(card_of(run_folder)), encoding="utf-8")
    card = hub.ModelCard.load(file)
    assert isinstance(card.data, hub.ModelCardData)
    assert card.data.license == "cc-by-nc-4.0"
    assert card.data.pipeline_tag == "image-classification"
    assert "countenance" in card.data.tags
    assert card.data.model_name == "face_expression"
    measured = load_results(run_folder)
    found = card.data.eval_results
    assert found
    for row in found:
        assert isinstance(row, hub.EvalResult)
        assert row.dataset_name == "London Set"
        assert row.task_type == "image-classification"
        assert row.metric_value == measured[f"performance/{row.metric_type}"].estimate.value
    assert {row.metric_type for row in found} == {"accuracy", "balanced_accuracy", "macro_f1", "ece"}
    assert card.text.lstrip().startswith("# Model card: face")


def test_what_the_library_writes_back_still_agrees_with_the_evidence(run_folder: Path, tmp_path: Path) -> None:
    from countenance.cards.check import check_card

    file = tmp_path / "README.md"
    file.write_text(to_markdown(card_of(run_folder)), encoding="utf-8")
    card = hub.ModelCard.load(file)
    card.data.library_name = "pytorch"
    card.data.base_model = "someone/net"
    card.save(file)
    assert "base_model" in file.read_text(encoding="utf-8")
    found = check_card(run_folder, file)
    assert found.agrees, found


def test_names_that_are_markup_stay_names(made_run: ModuleType, tmp_path: Path) -> None:
    name = "a: b\n---\n# x: [y] {z} 'q' \"r\""
    made_run.make_run(tmp_path, name=name)
    card = hub.ModelCard(to_markdown(card_of(tmp_path)))
    assert card.data.model_name == name
