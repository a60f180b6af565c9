"""What the documentation shows can be used as it stands."""

from __future__ import annotations

import re
import unicodedata
from pathlib import Path

import pytest
import yaml

from countenance.core.errors import Problems
from countenance.core.places import read_yaml
from countenance.core.plan_file import check_plan

FENCE = re.compile(r"^```(\w+)\n(.*?)^```", re.DOTALL | re.MULTILINE)
SNIPPET = re.compile(r'^--8<-- "(.+)"$', re.MULTILINE)


def pages(root: Path) -> list[Path]:
    return [*sorted((root / "docs").rglob("*.md")), root / "README.md", root / "CONTRIBUTING.md"]


def blocks(root: Path, language: str) -> list[tuple[str, str]]:
    found = []
    for page in pages(root):
        text = SNIPPET.sub(
            lambda match: (root / "docs" / "examples" / match[1]).read_text(encoding="utf-8"),
            page.read_text(encoding="utf-8"),
        )
        found += [(page.name, body) for name, body in FENCE.findall(text) if name == language]
    return found


def test_every_yaml_block_is_yaml_and_every_part_of_a_plan_fits(root: Path) -> None:
    shown = [(name, yaml.safe_load(text)) for name, text in blocks(root, "yaml")]
    assert len(shown) >= 4
    plan = next(content for name, content in shown if name == "plan.md")
    for name, content in shown:
        if name == "write-a-probe.md":
            continue  # its plan names the probe that the page writes; tests/test_docs_examples.py runs it
        if isinstance(content, dict) and content.keys() & {"probes", "gates"}:
            parts = {key: value for key, value in content.items() if key in {"probes", "gates"}}
            whole = {**plan, "gates": [], **parts}
            for probe in whole["probes"]:
                if isinstance(probe, dict):
                    probe.pop("masks", None)  # a folder of the reader's, which is not here
            ids = {probe if isinstance(probe, str) else probe.get("id", probe["probe"]) for probe in whole["probes"]}
            for gate in whole["gates"]:
                assert gate["measure"].split("/")[0] in ids | {"pgd"}, f"{name}: {gate}"
            text = yaml.safe_dump(whole)
            check_plan(read_yaml(text), root, Problems(name), text, check_files=False)


def test_python_blocks_are_python(root: Path) -> None:
    shown = blocks(root, "python")
    assert shown
    for name, text in shown:
        compile(text, name, "exec")


def test_links_between_pages_lead_somewhere(root: Path) -> None:
    for page in pages(root):
        for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
            if "://" not in target and not target.startswith("mailto:"):
                assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_every_registered_probe_has_a_page(root: Path) -> None:
    from countenance.core.probes import registered_probes

    ours = [probe for probe in registered_probes().values() if probe.function.__module__.startswith("countenance.")]
    text = (root / "mkdocs.yml").read_text(encoding="utf-8")
    assert {probe.name for probe in ours} >= {"performance", "group_metrics", "global_heatmaps", "adversarial"}
    for probe in ours:
        assert f"- {probe.name}: " in text, f"the probe {probe.name} has no page in the documentation"


@pytest.mark.parametrize("word", ["is fair", "is safe", "are fair", "are safe"])
def test_no_verdict_is_promised(root: Path, word: str) -> None:
    """A model shows, differs, was not measured; the words of a verdict stand only where they are denied."""
    for page in pages(root):
        wrong = False  # within a box that shows a sentence as a wrong one
        for line in page.read_text(encoding="utf-8").splitlines():
            wrong = line == '!!! failure "Wrong"' or (wrong and line.startswith("    "))
            if word in line.lower() and not wrong:
                assert re.search(r"\b(never|not|nothing|no)\b", line.lower()), f"{page.name}: {line.strip()}"


def test_the_table_of_attribution_methods_is_the_registry(root: Path) -> None:
    from countenance.explain.attribution.registry import METHODS

    text = (root / "docs" / "attribution.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([\w+]+)` \| (.+?) \| `(\w+)` \| (.+?) \| (.+?) \|$", text, re.MULTILINE)
    expected = [(info.name, info.title, info.family, info.citation, info.about) for info in METHODS.values()]
    assert rows == expected


def test_the_readme_counts_the_attribution_methods_right(root: Path) -> None:
    from countenance.explain.attribution.registry import METHODS

    assert f"any of {len(METHODS)} [attribution methods]" in (root / "README.md").read_text(encoding="utf-8")


def test_every_page_is_in_the_navigation(root: Path) -> None:
    nav = (root / "mkdocs.yml").read_text(encoding="utf-8")
    for page in (root / "docs").rglob("*.md"):
        place = page.relative_to(root / "docs").as_posix()
        assert re.search(rf": {re.escape(place)}$", nav, re.MULTILINE), f"no entry of the navigation leads to {place}"


def plain(text: str) -> str:
    """Text without accents."""
    return "".join(sign for sign in unicodedata.normalize("NFD", text) if not unicodedata.combining(sign))


def test_the_bibliography_has_every_source_that_a_probe_names(root: Path) -> None:
    from countenance.core.probes import registered_probes

    known = plain((root / "docs" / "bibliography.md").read_text(encoding="utf-8"))
    for probe in registered_probes().values():
        if probe.function.__module__.startswith("countenance."):
            for number in re.findall(r"arXiv (\d{4}\.\d{4,5})", probe.citation):
                assert number in known, f"{probe.name} names arXiv {number}"
            for author in re.findall(r"(?:^|; )([A-Z]\w+)", plain(probe.citation)):
                assert author in known, f"{probe.name} names {author}"
