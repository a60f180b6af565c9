"""The card as Markdown: front matter, statuses, and data that cannot become markup."""

from __future__ import annotations

import re
from html import unescape
from pathlib import Path
from types import ModuleType

import pytest
import yaml
from markdown_it import MarkdownIt

from countenance.cards import card_of, load_statements, to_markdown
from countenance.cards.markdown import escape_markdown
from countenance.cards.wording import estimate_text
from countenance.core.results_file import load_results

HOSTILE = {
    "happy": "<script>alert(1)</script>",
    "sad": "a|b\n| x | y |\n# heading",
    "female": "[click](javascript:alert(1))",
    "male": "![x](http://evil.example/p.png)",
    "white": "`code` **bold** ~~gone~~ &lt;b&gt; $x$",
    "black": "1. one\n- two\n> three",
}


def front_matter(text: str) -> dict[str, object]:
    assert text.startswith("---\n")
    head = text[4:].partition("\n---\n")[0]
    content = yaml.safe_load(head)
    assert isinstance(content, dict)
    return content


def test_front_matter_is_what_a_hub_reads(run_folder: Path) -> None:
    content = front_matter(to_markdown(card_of(run_folder)))
    assert content["license"] == "cc-by-nc-4.0"
    assert content["pipeline_tag"] == "image-classification"
    tags = content["tags"]
    assert isinstance(tags, list)
    assert "facial-expression-recognition" in tags
    (index,) = content["model-index"]  # type: ignore[misc]
    assert index["name"] == "face_expression"
    (result,) = index["results"]
    assert result["task"] == {"type": "image-classification", "name": "expression"}
    assert result["dataset"] == {"type": "london-set", "name": "London Set"}
    measured = load_results(run_folder)
    for metric in result["metrics"]:
        assert metric["value"] == measured[f"performance/{metric['type']}"].estimate.value
    assert [metric["type"] for metric in result["metrics"]] == ["accuracy", "balanced_accuracy", "macro_f1", "ece"]


def test_an_unlisted_licence_goes_under_its_own_name(run_folder: Path, tmp_path: Path) -> None:
    from countenance.cards import build_card

    (tmp_path / "card.yaml").write_text("model_details:\n  license: Our own terms\n", encoding="utf-8")
    card = build_card(load_results(run_folder), load_statements(tmp_path / "card.yaml"), run_folder)
    content = front_matter(to_markdown(card))
    assert content["license"] == "other"
    assert content["license_name"] == "Our own terms"


def test_every_quoted_number_and_every_status_is_there(run_folder: Path) -> None:
    card = card_of(run_folder)
    text = to_markdown(card)
    for ref in card.refs():
        assert escape_markdown(estimate_text(ref.estimate)).lstrip("\\") in text
    assert text.count("*not stated*") == sum(
        item.status == "not stated" for section in card.sections for item in section.items
    )
    assert "(stated by the author)" in text
    assert "not measured: n" in text
    assert "(no face counts towards it)" in text
    assert [line for line in text.splitlines() if line.startswith("## ")] == [
        *(f"## {section.number}. {section.title}" for section in card.sections),
        "## Provisions this is evidence for",
        "## Not stated and not measured",
    ]


def test_tables_are_tables(run_folder: Path) -> None:
    lines = to_markdown(card_of(run_folder)).splitlines()
    for position, line in enumerate(lines):
        if line.startswith("| --- ") or line.startswith("| --- |"):
            width = lines[position - 1].replace("\\|", "").count("|")
            assert lines[position].count("|") == width
            assert lines[position + 1].replace("\\|", "").count("|") == width


def test_hostile_data_stays_text(made_run: ModuleType, tmp_path: Path) -> None:
    name = "<img src=x onerror=alert(1)> --- \n# x"
    made_run.make_run(tmp_path, rename=HOSTILE, name=name)
    text = to_markdown(card_of(tmp_path))
    assert front_matter(text)["model-index"][0]["name"] == name  # type: ignore[index]
    body = text.partition("\n---\n")[2]
    html = MarkdownIt("commonmark", {"html": True}).enable("table").render(body)
    assert "<script" not in html
    assert "<img" not in html
    assert "<a " not in html
    assert "javascript:alert" in html  # as text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html
    clean = tmp_path / "clean"
    made_run.make_run(clean)
    expected = MarkdownIt("commonmark").enable("table").render(to_markdown(card_of(clean)).partition("\n---\n")[2])
    for tag in ("<h1", "<h2", "<h3", "<h4", "<table", "<ul", "<ol", "<blockquote", "<code", "<strong", "<em", "<tr"):
        assert html.count(tag) == expected.count(tag), tag  # no markup came from the data


@pytest.mark.parametrize(
    "text", ["# x", "- x", "+ x", "1. x", "2) x", "> x", "===", "---", "```", "|x|", "~~~", ": x", "    x"]
)
def test_no_line_start_is_markup(text: str) -> None:
    assert MarkdownIt("commonmark").enable("table").render(escape_markdown(text)).startswith("<p>")


@pytest.mark.parametrize(
    "text",
    ["https://evil.example/x", "HTTP://evil.example", "see www.evil.example", "WWW.evil.example", "@user",
     "a@evil.example", "ftp://evil.example", "x https://www.evil.example/@user"],
)  # fmt: skip
def test_addresses_in_data_are_no_links(text: str) -> None:
    """What GitHub's and other renderers look for, in the text as they see it after entities."""
    html = MarkdownIt("commonmark").enable("table").render(escape_markdown(text))
    seen = unescape(html)
    assert not re.search(r"://|www\.|@\w", seen, re.IGNORECASE)
    assert seen.replace("\u200b", "").strip() == f"<p>{text}</p>"


def test_addresses_of_the_author_stay_whole(run_folder: Path) -> None:
    assert "> audits@example.org\n" in to_markdown(card_of(run_folder))


def test_control_and_direction_characters_are_dropped() -> None:
    assert escape_markdown("a\x00b\u202ec\r\nd\u2028e") == "abc d e"
