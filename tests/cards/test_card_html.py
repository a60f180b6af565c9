"""The card as HTML: one file, no script, the same words as the Markdown, and data that stays text."""

from __future__ import annotations

import base64
import hashlib
import re
from html import unescape
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from types import ModuleType

import pytest

from countenance.cards import card_of
from countenance.cards.html import to_html
from countenance.cards.markdown import shown

VOID = {"meta", "link", "br", "hr", "img", "input"}
HOSTILE = {
    "happy": "<script>alert(1)</script>",
    "female": '"><img src=x onerror=alert(1)>',
    "male": "</style><script>alert(2)</script>",
    "white": "' autofocus onfocus='alert(3)",
    "black": "\u202e<a href=javascript:alert(4)>x</a>\x00",
}


class Outline(HTMLParser):
    """Reads a page strictly: every element is closed in its turn; headings, ids, links and attributes are kept."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.words.append(data)

    def named(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.fixture(scope="module")
def page(run_folder: Path) -> str:
    return to_html(card_of(run_folder))


def test_the_page_can_run_and_load_nothing(page: str) -> None:
    outline = Outline(page)
    assert not {"script", "img", "link", "iframe", "object", "form", "base"} & {tag for tag, _ in outline.tags}
    assert not [name for _, attributes in outline.tags for name in attributes if name.startswith("on") or name == "src"]
    (policy,) = [meta["content"] for meta in outline.named("meta") if "http-equiv" in meta]
    assert policy is not None
    style = page.partition("<style>")[2].partition("</style>")[0]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert policy == f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    assert "url(" not in style
    assert "@import" not in style


def test_links_lead_to_the_sections_and_headings_do_not_skip(page: str) -> None:
    outline = Outline(page)
    ids = [str(attributes["id"]) for _, attributes in outline.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    targets = [str(link["href"]) for link in outline.named("a")]
    assert len(targets) >= 11
    assert all(target.startswith("#") and target[1:] in ids for target in targets)
    levels = [int(tag[1]) for tag, _ in outline.tags if re.fullmatch("h[1-4]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    assert outline.named("html") == [{"lang": "en"}]


def test_tables_have_headers_and_can_be_scrolled_by_keyboard(page: str) -> None:
    outline = Outline(page)
    tables = outline.named("table")
    regions = [one for one in outline.named("div") if one.get("role") == "region"]
    assert len(tables) == len(regions) > 5
    assert all(region["tabindex"] == "0" and region["aria-label"] for region in regions)
    assert all(header["scope"] in {"col", "row"} for header in outline.named("th"))


def test_every_number_and_status_is_there(page: str, run_folder: Path) -> None:
    card = card_of(run_folder)
    words = unescape(page)
    inside = [ref for section in card.every_section for ref in card.refs() if section.number == 1]
    assert len(inside) > 100
    for ref in inside:
        assert shown(ref).partition(" (")[0].partition(":")[0] in words
    items = [item for section in card.every_section for item in section.items]
    assert page.count("<em>not stated</em>") == sum(item.status == "not stated" for item in items)
    assert page.count("(stated by the author)") == page.count("<blockquote>") > 3


def test_hostile_data_stays_text(made_run: ModuleType, tmp_path: Path, page: str) -> None:
    made_run.make_run(tmp_path, rename=HOSTILE, name="</title><script>alert(5)</script>")
    text = to_html(card_of(tmp_path))
    outline, plain = Outline(text), Outline(page)
    assert {tag for tag, _ in outline.tags} == {tag for tag, _ in plain.tags}
    assert not [name for _, attributes in outline.tags for name in attributes if name.startswith(("on", "auto"))]
    assert "alert(1)" in "".join(outline.words)
    assert not re.search("[\x00\u202e]", text)
