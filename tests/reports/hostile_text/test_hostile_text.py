"""10,000 hostile strings in every text of a run: nothing runs in its pages, nothing breaks its files."""

from __future__ import annotations

import csv
import json
import logging
import re
from html.parser import HTMLParser
from pathlib import Path
from types import ModuleType
from typing import Any
from xml.etree import ElementTree

import pytest
import yaml
from browsing import Visit
from hostile import CANARY, hostile_strings

from countenance.cards import card_of, to_json, to_markdown
from countenance.cards.html import to_html
from countenance.cli.console import print_table, say
from countenance.core.compare import compare
from countenance.core.keys import format_key, parse_key
from countenance.core.log_file import LogFile
from countenance.core.plain_text import plain_text
from countenance.core.results import AuditResults, Finding
from countenance.core.results_file import load_results, write_results
from countenance.reports import write_comparison, write_report

COUNT = 10_000
_RAW = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


@pytest.fixture(scope="module")
def strings() -> list[str]:
    found = hostile_strings(COUNT)
    assert len(set(found)) == COUNT
    return found


def hostile_results(folder: Path, made_run: ModuleType, strings: list[str], clean: bool = False) -> AuditResults:
    """Write a run whose labels, groups, names, paths, notes, findings, gates and statements are hostile strings.

    With ``clean`` the same run with harmless text of the same shape, to hold the pages against.
    """
    if clean:
        strings = [f"text {number}" for number in range(len(strings))]
    share = len(strings) // 5  # of the strings stand in each of the long lists of a run
    short = [text for text in strings if 0 < len(text.strip()) < 200]
    words = ("happy", "sad", "angry", "fearful", "female", "male", "white", "black", "west_asian")
    results: AuditResults = made_run.make_run(folder, rename=dict(zip(words, short, strict=False)), name=short[20])
    probes = []
    for place, probe in enumerate(results.probes):
        part = strings[(place % 4) * share : (place % 4 + 1) * share]
        findings = [
            Finding(id=f"{probe.id}.h{n}", severity="note", claim=text or "-", caveats=[part[n + 40], part[n + 80]])
            for n, text in enumerate(part[:40])
        ]
        update = {"title": short[30 + place], "shows": part[130], "hides": part[131], "citation": part[132]}
        notes = part if place < 4 else part[:50]
        params = {f"p{n}": text for n, text in enumerate(part[140:180])}
        changed = {**update, "notes": notes, "params": params, "findings": [*probe.findings, *findings]}
        if probe.reason is not None:
            changed["reason"] = part[190] or "-"
        probes.append(probe.model_copy(update=changed))
    gates = [
        gate.model_copy(
            update={"why": short[60 + n], "gate": {**gate.gate, "hazard": short[70 + n], "group": short[80 + n]}}
        )
        for n, gate in enumerate(results.gates)
    ]
    data = results.data.model_copy(update={"name": short[90], "notes": strings[4 * share :]})
    target = results.target.model_copy(update={"name": short[91], "notes": strings[:100], "format": short[92]})
    tool = {**results.tool, "torch": short[93]}
    hostile = results.model_copy(
        update={"probes": probes, "gates": gates, "data": data, "target": target, "tool": tool, "name": short[94]}
    )
    write_results(hostile, folder)
    stated = {
        "model_details": {"developers": short[95], "license": short[96]},
        "intended_use": {"primary_uses": short[97]},
    }
    text = yaml.safe_dump(stated, allow_unicode=False)
    (folder / "card.yaml").write_text(text, encoding="utf-8")
    return load_results(folder)


class Elements(HTMLParser):
    """The kinds of elements and attributes of a page, and what its links and sources are."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.kinds: set[tuple[str, str]] = set()
        self.targets: set[str] = set()
        self.scripts = 0
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.scripts += tag == "script"
        self.kinds |= {(tag, ""), *((tag, name) for name, _ in attrs)}
        self.targets |= {(value or "").partition(":")[0][:8] for name, value in attrs if name in {"href", "src"}}


def same_elements(page: str, clean: str) -> None:
    """Hold a hostile page against the same page of harmless text: no other element or attribute, no other script."""
    found, usual = Elements(page), Elements(clean)
    extra = found.kinds - usual.kinds
    assert not extra
    assert found.scripts == usual.scripts
    assert not [target for target in found.targets if not target.startswith(("#", "data", "https"))]


@pytest.fixture(scope="module")
def run(made_run: ModuleType, strings: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder: Path = tmp_path_factory.mktemp("hostile") / "run"
    hostile_results(folder, made_run, strings)
    return folder


@pytest.fixture(scope="module")
def clean(made_run: ModuleType, strings: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder: Path = tmp_path_factory.mktemp("clean") / "run"
    hostile_results(folder, made_run, strings, clean=True)
    return folder


def test_results_are_read_as_written(run: Path) -> None:
    results = load_results(run)
    text = results.to_json()
    assert AuditResults.model_validate(json.loads(text)) == results


def test_keys_keep_any_name(strings: list[str]) -> None:
    for first, second in zip(strings[::2], strings[1::2], strict=True):
        if first:
            key = format_key("probe", "recall", {first: second}, {second: first} if second else None)
            assert parse_key(key).slice == {first: second}


def test_cards_stay_cards(run: Path, clean: Path) -> None:
    card, usual = card_of(run), card_of(clean)
    written = to_markdown(card)
    _, front, body = written.split("---\n", 2)
    matter = yaml.safe_load(front)
    assert set(matter) <= set(yaml.safe_load(to_markdown(usual).split("---\n", 2)[1]))
    assert not _RAW.search(written)
    shown = pytest.importorskip("markdown_it").MarkdownIt("commonmark").enable("table").render(body)
    page = Elements(shown)
    assert page.scripts == 0
    assert {tag for tag, _ in page.kinds} <= {tag for tag, _ in Elements(_rendered(usual)).kinds}
    assert json.loads(to_json(card))["title"] == card.title
    same_elements(to_html(card), to_html(usual))


def _rendered(card: Any) -> str:
    body = to_markdown(card).split("---\n", 2)[2]
    rendered: str = pytest.importorskip("markdown_it").MarkdownIt("commonmark").enable("table").render(body)
    return rendered


def test_outputs_for_ci_are_read_by_their_readers(run: Path, strings: list[str]) -> None:
    ci = pytest.importorskip("countenance.reports.ci.junit")
    from countenance.reports.ci.github import annotation_lines
    from countenance.reports.ci.places import PlanPlaces
    from countenance.reports.ci.sarif import to_sarif

    results, places = load_results(run), PlanPlaces("audit.yaml")
    suites = ElementTree.fromstring(ci.to_junit(results))
    assert {node.tag for node in suites.iter()} <= {
        "testsuites", "testsuite", "testcase", "properties", "property", "failure", "error", "skipped", "system-out",
    }  # fmt: skip
    json.loads(to_sarif(results, places))
    for line in annotation_lines(results, places):
        assert line.startswith("::")
        assert not re.search("[\r\n]", line), "a line break could begin another command"


def test_terminal_and_log_get_no_raw_control(
    strings: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = logging.Logger("hostile")
    log.addHandler(LogFile(tmp_path / "log.txt"))
    for text in strings[:1000]:
        say(text[:500])
        log.warning("%s", text)
    print_table(strings[0], strings[1:4], [strings[n : n + 3] for n in range(0, 300, 3)])
    log.handlers[0].close()
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e]", capsys.readouterr().out)
    lines = (tmp_path / "log.txt").read_text(encoding="utf-8").splitlines()
    assert len(lines) == 1000, "no message makes another line"
    assert all(re.match(r"\d{4}-\d\d-\d\d .* WARNING ", line) for line in lines)
    assert not any(_RAW.search(plain_text(text)) for text in strings)


def test_tables_are_read_as_written(strings: list[str], tmp_path: Path) -> None:
    file = tmp_path / "table.csv"
    with file.open("w", encoding="utf-8", newline="") as text:
        csv.writer(text).writerows([name] for name in strings if "\x00" not in name)
    with file.open(encoding="utf-8", newline="") as text:
        assert [row[0] if row else "" for row in csv.reader(text)] == [name for name in strings if "\x00" not in name]


def test_the_report_has_no_foreign_elements(made_run: ModuleType, strings: list[str], tmp_path: Path) -> None:
    written = {}
    for name in ("hostile", "clean"):
        hostile_results(tmp_path / name, made_run, strings[: COUNT // 10], clean=name == "clean")
        written[name] = write_report(tmp_path / name).read_text(encoding="utf-8")
    same_elements(written["hostile"], written["clean"])


@pytest.mark.slow
@pytest.mark.browser
def test_nothing_runs_in_pages_of_all_strings(browser: Any, run: Path, clean: Path, tmp_path: Path) -> None:
    pages(browser, run, clean, tmp_path)


def pages(browser: Any, run: Path, clean: Path, tmp_path: Path) -> None:
    """Whatever script ran would set the canary; the pages have no other elements than those of a harmless run."""
    written = {}
    for name, folder in (("hostile", run), ("clean", clean)):
        report = write_report(folder)
        comparison = write_comparison(compare(folder, folder, publish=True), tmp_path / f"{name}.html")
        card = tmp_path / f"{name}-card.html"
        card.write_text(to_html(card_of(folder)), encoding="utf-8")
        written[name] = (report, comparison, card)
    for path, usual in zip(written["hostile"], written["clean"], strict=True):
        same_elements(path.read_text(encoding="utf-8"), usual.read_text(encoding="utf-8"))
    for path in written["hostile"][:2]:
        with Visit(browser, path) as visit:
            dialogs: list[str] = []
            visit.page.on("dialog", lambda dialog, seen=dialogs: (seen.append(dialog.message), dialog.dismiss()))
            visit.page.eval_on_selector_all("details", "parts => parts.forEach(part => { part.open = true; })")
            visit.draw_all()
            visit.page.wait_for_timeout(300)
            name, value = CANARY.removeprefix("window.").split("=")
            assert visit.page.evaluate(f"window.{name}") != int(value)
            assert not dialogs
            assert not visit.complaints
            assert [url for url in visit.requests if not url.startswith(("data:", "blob:"))] == [
                path.resolve().as_uri()
            ]
            assert visit.count(".plot a") == visit.count(".plot script") == visit.count(".plot foreignObject") == 0
            handlers = "e => [...e.attributes].some(a => a.name.startsWith('on') || /^\\s*javascript:/i.test(a.value))"
            assert visit.page.evaluate(f"[...document.querySelectorAll('body *')].filter({handlers}).length") == 0
