"""The report as a file: whole, deterministic, small, and closed against hostile data."""

from __future__ import annotations

import json
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from countenance.cards.unfinished import gate_reason, reason_told
from countenance.cards.wording import number
from countenance.core.errors import ResultsError
from countenance.core.results import AuditResults, Finding, GateOutcome
from countenance.core.results_file import load_results, write_results
from countenance.reports import render_report, write_report
from countenance.reports.html import first_sentence, further, json_for_script
from countenance.reports.run_files import RunFiles
from countenance.reports.worries import MOST, worries

HOSTILE = {
    "happy": "</script><script>document.title='broken'</script>",
    "sad": "<img src=x onerror=\"document.title='broken'\">",
    "angry": "<a href=\"javascript:document.title='broken'\">x</a>",
    "female": "%{x}<b>bold</b>\u2028{{ 7*7 }}{% raw %}",
    "male": "' onmouseover='alert(1)\" style=\"background:url(http://evil.example)",
    "white": "]]><!--<svg onload=alert(1)>",
    "black": "a" * 5000,
}


class Page(HTMLParser):
    """Collects what a page is made of."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.inside = ""
        self.scripts: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self.inside = tag
        if tag == "script":
            self.scripts.append("")

    def handle_endtag(self, tag: str) -> None:
        self.inside = ""

    def handle_data(self, data: str) -> None:
        if self.inside == "script":
            self.scripts[-1] += data
        elif self.inside != "style":
            self.text.append(data)

    def ids(self) -> list[str]:
        return [found for _, attributes in self.tags if (found := attributes.get("id"))]


@pytest.fixture(scope="module")
def html(run_folder: Path) -> str:
    return render_report(run_folder)


@pytest.fixture(scope="module")
def page(html: str) -> Page:
    return Page(html)


@pytest.fixture(scope="module")
def said(page: Page) -> str:
    return " ".join(" ".join(page.text).split())


def test_one_file_under_eight_megabytes(run_folder: Path) -> None:
    path = write_report(run_folder)
    assert path == run_folder / "report.html"
    assert path.stat().st_size < 8_000_000


def test_the_same_folder_gives_the_same_bytes(run_folder: Path, html: str) -> None:
    assert render_report(run_folder) == html


def test_nothing_is_loaded_from_anywhere(page: Page) -> None:
    for tag, attributes in page.tags:
        assert "src" not in attributes, (tag, attributes)
        assert tag not in {"link", "iframe", "img", "object", "embed", "base", "form"}
        if tag == "a":
            assert (attributes["href"] or "").startswith("#")
        assert not any(name.startswith("on") for name in attributes)
    policy = next(a["content"] for tag, a in page.tags if a.get("http-equiv") == "Content-Security-Policy")
    assert policy is not None
    assert policy.startswith("default-src 'none'")
    assert "unsafe-eval" not in policy
    assert "unsafe-inline" not in policy.partition("script-src")[2]


def test_every_link_has_its_place_and_every_place_is_once(page: Page) -> None:
    ids = page.ids()
    assert len(ids) == len(set(ids))
    targets = {(attributes["href"] or "")[1:] for tag, attributes in page.tags if tag == "a"}
    assert targets <= set(ids)
    assert len(targets) > 30


def test_the_first_screen_says_what_and_what_to_worry_about(html: str, said: str) -> None:
    top = Page(html[html.index("<main") : html.index('<section id="gates"')])
    words = " ".join(" ".join(top.text).split())
    for expected in ("face_expression", "204 faces of 102 people", "London Set", "2026-11-20", "1 fail", "1 pass"):
        assert expected in words
    lines = [attributes for tag, attributes in top.tags if tag == "li"]
    assert len(lines) == MOST
    assert [line["class"] for line in lines] == ["high", "high", "high", "medium", "medium"]
    assert "Hazard: women's joy read as neutral" in words
    assert "more lines under" in words


def test_worries_without_gates_or_findings(run_folder: Path, tmp_path: Path) -> None:
    shutil.copytree(run_folder, tmp_path / "run")
    results = load_results(run_folder)
    quiet = [
        probe.model_copy(update={"findings": [], "measurements": [m for m in probe.measurements if not m.slice]})
        for probe in results.probes
        if probe.status == "ok"
    ]
    write_results(results.model_copy(update={"gates": [], "probes": quiet}), tmp_path / "run")
    assert worries(RunFiles.read(tmp_path / "run")) == ([], 0)
    text = " ".join(Page(render_report(tmp_path / "run")).text)
    assert "The plan has no gates" in text
    assert "no finding and no failed gate" in text


def test_every_probe_says_what_it_shows_and_hides_or_why_it_is_missing(said: str, run_folder: Path) -> None:
    for probe in load_results(run_folder).probes:
        assert probe.shows in said
        assert probe.hides in said
        assert reason_told(probe) in said
        assert probe.citation in said
        assert all(note in said for note in probe.notes)


def test_every_finding_gate_and_caveat_is_told(said: str, run_folder: Path) -> None:
    results = load_results(run_folder)
    for finding in results.findings():
        assert finding.claim in said
        assert all(caveat in said for caveat in finding.caveats)
    for gate in results.gates:
        assert gate_reason(gate, results) in said


def test_numbers_are_those_of_results(said: str, run_folder: Path) -> None:
    results = load_results(run_folder)
    for item in results.measurements():
        if item.estimate.value is not None:
            assert number(item.estimate.value) in said


def test_the_evidence_of_findings_can_be_reached(html: str, page: Page, run_folder: Path) -> None:
    from countenance.reports.page import Anchors

    ids = set(page.ids())
    for finding in load_results(run_folder).findings():
        for key in finding.evidence:
            assert Anchors().name(key) in ids


def test_the_whole_card_is_in_the_report(said: str) -> None:
    for number_, title in enumerate(
        ["Model Details", "Intended Use", "Factors", "Metrics", "Evaluation Data", "Training Data"], start=1
    ):
        assert f"{number_}. {title}" in said
    assert "Not stated and not measured" in said
    assert "stated by the author" in said


def test_no_row_is_named_and_no_face_is_shown(html: str, said: str) -> None:
    assert "secret" not in html
    assert "person_041" not in html
    assert "No face of the data is shown in this report" in said
    assert "the image is truncated 2" in said


def test_permitted_faces_are_said_to_be_not_shown(run_folder: Path, tmp_path: Path) -> None:
    shutil.copytree(run_folder, tmp_path / "run")
    results = load_results(run_folder)
    write_results(results.model_copy(update={"plan": {"report": {"faces": "permitted"}}}), tmp_path / "run")
    text = " ".join(" ".join(Page(render_report(tmp_path / "run")).text).split())
    assert "is shown in this report, although the plan permits those that may be published; no row is named" in text


def test_figures_have_words_and_numbers_beside_them(page: Page) -> None:
    plots = [attributes for _, attributes in page.tags if attributes.get("class") == "plot"]
    words = [attributes for _, attributes in page.tags if attributes.get("class") == "unseen"]
    figures = json.loads(next(script for script in page.scripts if script.startswith("[")))
    assert len(plots) == len(words) == len(figures) > 50
    assert all(plot["aria-label"] for plot in plots)
    tables = sum(tag == "table" for tag, _ in page.tags)
    assert tables > len(plots)


def test_an_artifact_that_changed_is_not_drawn_and_comes_first(run_folder: Path, tmp_path: Path) -> None:
    shutil.copytree(run_folder, tmp_path / "run")
    table = tmp_path / "run" / "tables" / "performance.confusion.csv"
    table.write_text(table.read_text().replace("0", "7"), encoding="utf-8")
    text = " ".join(" ".join(Page(render_report(tmp_path / "run")).text).split())
    assert "1 file of the run folder changed since the audit" in text
    assert "Confusion matrix" not in text
    assert "tables/performance.confusion.csv" in text


def test_a_folder_without_results_is_told_so(tmp_path: Path) -> None:
    with pytest.raises(ResultsError, match="expected results"):
        write_report(tmp_path)


def test_hostile_data_stays_text(made_run: ModuleType, tmp_path: Path, page: Page) -> None:
    made_run.make_run(tmp_path, rename=HOSTILE, name="</title><script>document.title='broken'</script>")
    hostile = Page(render_report(tmp_path))
    assert len(hostile.scripts) == len(page.scripts) == 4
    figures = next(script for script in hostile.scripts if script.startswith("["))
    assert json.loads(figures)
    assert not re.search("[<>&\u2028\u2029]", figures)
    expected = {tag for tag, _ in page.tags}
    assert {tag for tag, _ in hostile.tags} <= expected
    for tag, attributes in hostile.tags:
        assert not any(name.startswith("on") for name in attributes), (tag, attributes)
        assert tag != "a" or (attributes["href"] or "").startswith("#")
        assert "evil.example" not in (attributes.get("style") or "")
    shown = " ".join(hostile.text)
    assert HOSTILE["happy"] in shown
    assert "{{ 7*7 }}" in shown


def test_hostile_text_in_every_field_of_results(run_folder: Path, tmp_path: Path, page: Page) -> None:
    """Put markup into every text of results that is not a key, a path or an enumeration."""
    mark = "</script><img src=x onerror=alert(1)>{{ 1 }}"
    shutil.copytree(run_folder, tmp_path / "run")
    content = load_results(run_folder).model_dump(mode="json")

    def spoil(value: object, name: str) -> object:
        kept = {"key", "metric", "id", "status", "severity", "verdict", "direction", "path", "sha256", "kind", "probe",
                "evidence", "attributes", "of", "review_by", "slice", "condition", "assigned_by"}  # fmt: skip
        if name in kept:
            return value
        if isinstance(value, dict):
            return {key: spoil(entry, key) for key, entry in value.items()}
        if isinstance(value, list):
            return [spoil(entry, name) for entry in value]
        return value + mark if isinstance(value, str) else value

    spoiled = AuditResults.model_validate(spoil(content, ""))
    write_results(spoiled, tmp_path / "run")
    hostile = Page(render_report(tmp_path / "run"))
    assert len(hostile.scripts) == 4
    assert {tag for tag, _ in hostile.tags} <= {tag for tag, _ in page.tags}
    assert not any(name.startswith("on") for _, attributes in hostile.tags for name in attributes)


def test_json_for_a_script_cannot_end_it() -> None:
    text = str(json_for_script({"a": "</script><!--&\u2028"}))
    assert not re.search("[<>&\u2028]", text)
    assert json.loads(text) == {"a": "</script><!--&\u2028"}


def rendered(folder: Path, results: AuditResults, source: Path) -> str:
    """Write other results into a copy of a run folder and return what its report says."""
    shutil.copytree(source, folder)
    write_results(results, folder)
    return " ".join(" ".join(Page(render_report(folder)).text).split())


def test_a_broken_off_audit_is_told_first(run_folder: Path, tmp_path: Path) -> None:
    results = load_results(run_folder)
    plan = {
        **results.plan,
        "probes": [{"probe": probe.probe, "id": probe.id} for probe in results.probes] + [{"probe": "x", "id": "late"}],
        "gates": [gate.gate for gate in results.gates],
    }
    broken = results.model_copy(update={"plan": plan, "gates": []})
    text = rendered(tmp_path / "run", broken, run_folder)
    first, *_ = worries(RunFiles.read(tmp_path / "run"))[0]
    assert (first.grade, first.text) == ("high", "The audit broke off: late did not run; gates were not judged.")
    assert first.text in text.partition("What should I worry about?")[2][:2500]
    assert "3 gates of the plan were not judged." in text
    assert "The plan has no gates" not in text
    card = RunFiles.read(tmp_path / "run").card
    assert "The audit broke off: late did not run; gates were not judged." in str(card.summary.parts[-1])
    assert "the whole probe did not run" in text
    assert "the audit broke off before it" in text


def test_a_complete_audit_is_not_told_to_have_broken_off(run_folder: Path, tmp_path: Path) -> None:
    results = load_results(run_folder)
    plan = {
        **results.plan,
        "probes": [{"probe": probe.probe, "id": probe.id} for probe in results.probes],
        "gates": [gate.gate for gate in results.gates],
    }
    text = rendered(tmp_path / "run", results.model_copy(update={"plan": plan}), run_folder)
    assert "broke off" not in text
    assert "not judged" not in text


@pytest.mark.parametrize(
    ("reason", "told"),
    [
        ("KeyError: '/data/faces/anna_k.png'", "KeyError, see log.txt in the run folder"),
        ("the face anna_k has no landmarks", "see log.txt in the run folder"),
        ("anna_k.Error: no", "see log.txt in the run folder"),
    ],
)
def test_the_words_of_an_error_are_not_published(run_folder: Path, tmp_path: Path, reason: str, told: str) -> None:
    from countenance.cards import card_of, to_json, to_markdown

    results = load_results(run_folder)
    probes = [
        probe.model_copy(update={"reason": reason}) if probe.status == "failed" else probe for probe in results.probes
    ]
    gate = GateOutcome(
        gate={"measure": "shortcut/x", "at_least": 0},
        verdict="not measured",
        why=f"the probe shortcut was failed: {reason}",
    )
    failed = results.model_copy(update={"probes": probes, "gates": [gate]})
    text = rendered(tmp_path / "run", failed, run_folder)
    card = card_of(tmp_path / "run")
    for published in (text, to_markdown(card), to_json(card), render_report(tmp_path / "run")):
        assert "anna_k" not in published
        assert told in published
    assert "skipped: the target is a table of predictions" in text  # what the package itself says is told


def test_a_review_that_was_due_is_told(run_folder: Path, tmp_path: Path) -> None:
    results = load_results(run_folder)
    gates = [
        GateOutcome(gate={"measure": f"p/{due}", "at_least": 0.5, "review_by": due}, verdict="pass", why="it is")
        for due in ("2026-11-19", "2026-11-20", "2027-01-01")
    ]
    shutil.copytree(run_folder, tmp_path / "run")
    write_results(results.model_copy(update={"gates": gates, "probes": []}), tmp_path / "run")
    found, more = worries(RunFiles.read(tmp_path / "run"))
    assert more == 0
    assert [(worry.grade, worry.kind, worry.anchor) for worry in found] == [("low", "review due", "gate-1")]
    assert found[0].text == "A review was due by 2026-11-19, before this audit: p/2026-11-19: at least 0.5."


def test_findings_of_a_probe_used_twice_name_the_use(run_folder: Path, tmp_path: Path) -> None:
    results = load_results(run_folder)
    finding = Finding(id="f", severity="high", claim="It is so.")
    first = results.probes[0].model_copy(update={"measurements": [], "artifacts": [], "tables": []})
    probes = [first.model_copy(update={"id": name, "findings": [finding.model_copy()]}) for name in ("a", "b")]
    shutil.copytree(run_folder, tmp_path / "run")
    write_results(results.model_copy(update={"gates": [], "probes": probes}), tmp_path / "run")
    found, _ = worries(RunFiles.read(tmp_path / "run"))
    assert [worry.text for worry in found if worry.kind == "finding"] == ["It is so. (a)", "It is so. (b)"]


def test_a_claim_opens_with_its_first_sentence() -> None:
    claim = "Recall differs by 0.2 [0.1, 0.3]. By chance 0.05. See Ekman et al. 2002."
    assert first_sentence(claim) == "Recall differs by 0.2 [0.1, 0.3]."
    assert first_sentence(claim) + " " + further(claim) == claim
    assert (first_sentence("One."), further("One.")) == ("One.", "")


def test_no_probe_crowds_the_findings_of_another_out(run_folder: Path, tmp_path: Path) -> None:
    results = load_results(run_folder)
    first = results.probes[0].model_copy(update={"measurements": [], "artifacts": [], "tables": []})

    def probe(name: str, *severities: Any) -> Any:
        found = [
            Finding(id=f"{name}{place}", severity=severity, claim=f"{name} {place}")
            for place, severity in enumerate(severities)
        ]
        return first.model_copy(update={"id": name, "probe": name, "findings": found})

    probes = [probe("a", "medium", "medium", "medium", "high"), probe("b", "medium"), probe("c", "low", "medium")]
    shutil.copytree(run_folder, tmp_path / "run")
    write_results(results.model_copy(update={"gates": [], "probes": probes}), tmp_path / "run")
    found, more = worries(RunFiles.read(tmp_path / "run"))
    assert [worry.text for worry in found] == ["a 3", "a 0", "b 0", "c 1", "a 1"]
    assert more == 2
    assert [worry.anchor for worry in found][:2] == ["finding-1", "finding-2"]
