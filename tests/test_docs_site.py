"""What the site is made of beside its pages: the reference of each probe, and the API reference."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

import pytest
import yaml
from pydantic import Field

from countenance.core.numbers import Fraction
from countenance.core.probes import Probe, ProbeParams, registered_probes

MODULES = ("site_hooks", "probe_block", "api_block")


@pytest.fixture(scope="module")
def site(root: Path) -> Iterator[dict[str, ModuleType]]:
    sys.path.insert(0, str(root / "docs" / "_site"))
    yield {name: import_module(name) for name in MODULES}
    sys.path[:] = [place for place in sys.path if place != str(root / "docs" / "_site")]
    for name in MODULES:
        del sys.modules[name]


class Params(ProbeParams):
    """Every kind of parameter."""

    size: int = Field(default=3, ge=1, lt=9, description="a <b>size</b> | in *pixels*")
    eps: tuple[Fraction, ...] = Field(default=(Fraction("2/255"),), min_length=1, description="sizes")
    way: Literal["quick", "full"] = Field(default="quick", description="which")
    limit: float | None = Field(default=None, description="a limit")
    file: str = Field(description="a file")


def drawn_probe(**changes: Any) -> Probe:
    about: dict[str, Any] = {
        "name": "drawn",
        "version": 2,
        "title": "Drawn",
        "pillar": "integrity",
        "params": Params,
        "needs": frozenset({"images"}),
        "tasks": frozenset({"expression"}),
        "shows": "what is <script>shown</script>",
        "hides": "what is hidden",
        "citation": "Somebody 1900",
        "contested": frozenset(),
        "function": lambda context, params: iter(()),
    }
    return Probe(**about | changes)


def test_the_table_of_parameters_has_type_default_range_and_meaning(site: dict[str, ModuleType]) -> None:
    text = site["probe_block"].parameters(drawn_probe())
    assert "| `size` | whole number | `3` | at least 1, below 9 | a &lt;b>size&lt;/b> \\| in \\*pixels\\* |" in text
    assert "| `eps` | list of number or fraction | `[2/255]` | at least 1 entries | sizes |" in text
    assert "| `way` | `quick` or `full` | `quick` |  | which |" in text
    assert "| `limit` | number or nothing | `null` |  | a limit |" in text
    assert "| `file` | text | required |  | a file |" in text


def test_the_block_tells_what_a_probe_says_and_lets_no_markup_through(site: dict[str, ModuleType]) -> None:
    text = site["probe_block"].probe_block(drawn_probe())
    assert "&lt;script>" in text
    assert "<script" not in text
    for words in ("what is hidden", "version 2", "Somebody 1900", "the images of the faces", "reads the images once"):
        assert words in text


def test_every_probe_has_a_reference(site: dict[str, ModuleType]) -> None:
    measured = site["probe_block"].MEASURED
    assert set(measured) <= set(registered_probes())
    with_measurements = 0
    for name, probe in registered_probes().items():
        text = site["probe_block"].probe_block(probe)
        for field in probe.params.model_fields:
            assert f"| `{field}` |" in text
        if measured.get(name, {}).get("version") == probe.version:
            with_measurements += 1
            for metric in measured[name]["metrics"]:
                assert f"| `{metric}` |" in text
    assert with_measurements > 0


def test_measurements_of_another_version_are_not_shown(site: dict[str, ModuleType]) -> None:
    measured = site["probe_block"].MEASURED["performance"]
    assert "| `accuracy` |" in site["probe_block"].measurements("performance", measured["version"])
    assert "| `accuracy` |" not in site["probe_block"].measurements("performance", measured["version"] + 1)


def test_each_page_of_a_probe_is_found_in_the_navigation(site: dict[str, ModuleType], root: Path) -> None:
    nav = yaml.safe_load((root / "mkdocs.yml").read_text(encoding="utf-8"))["nav"]
    pages = site["site_hooks"].pages_of_probes(nav)
    assert pages["performance.md"] == "performance"
    assert pages["action-units.md"] == "au_alignment"
    assert len(set(pages.values())) == len(pages) >= 31


def test_the_api_reference_holds_every_public_function(site: dict[str, ModuleType], root: Path) -> None:
    import countenance

    page = (root / "docs" / "reference" / "api.md").read_text(encoding="utf-8")
    named = re.findall(r"^::: (\S+)$", page, re.MULTILINE)
    for name in countenance.__all__:
        assert name == "__version__" or f"countenance.{name}" in named
    for path in named:
        text = site["api_block"].api_block(path)
        assert f"`{path}`" in text
        assert ":class:" not in text


def test_a_docstring_becomes_tables(site: dict[str, ModuleType]) -> None:
    text = site["api_block"].api_block("countenance.core.probes.ProbeContext")
    assert "| Attributes |  |" in text
    assert "| `seed` | the plan's seed. |" in text
    assert "#### `.measurement`" in text


@pytest.mark.parametrize("path", ["countenance.no_such_thing", "countenance.core.nowhere.run"])
def test_a_name_that_is_not_there_stops_the_build(site: dict[str, ModuleType], path: str) -> None:
    with pytest.raises(LookupError, match="not there"):
        site["api_block"].api_block(path)


LOADED = re.compile(r"""<(?:script|link|img|iframe|source)\b[^>]*?\b(?:src|href)=["']?([^"' >]+)""")


def test_the_site_builds_strictly_and_asks_no_network(root: Path, tmp_path: Path) -> None:
    pytest.importorskip("mkdocs", reason="mkdocs is not installed")
    pytest.importorskip("material", reason="mkdocs-material is not installed")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path / "site")]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    pages = list((tmp_path / "site").rglob("*.html"))
    assert len(pages) > 50
    for page in pages:
        text = page.read_text(encoding="utf-8")
        assert "--8&lt;--" not in text
        assert "::: countenance" not in text
        for place in LOADED.findall(text):
            if page.name != "404.html" and not place.startswith("data:"):
                assert "//" not in place, f"{page.name} loads {place}"
                assert (page.parent / place.split("#")[0].split("?")[0]).exists(), f"{page.name} has no {place}"
    assert "at least 1, at most 10000" in (tmp_path / "site" / "adversarial.html").read_text(encoding="utf-8")
