"""A browser for the tests of pages: visits that note every complaint and request, and the accessibility checker."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
DRAWN = "html[data-figures=drawn]"
PATIENCE = 240_000
AXE = Path(__file__).resolve().parents[2] / "node_modules" / "axe-core" / "axe.min.js"
GRAVE = {"serious", "critical"}
_AXE_OPTIONS = {"resultTypes": ["violations"], "preload": False, "rules": {"target-size": {"enabled": True}}}


def started_browser() -> Iterator[Any]:
    """Start a headless Chromium, or skip with the reason."""
    sync = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    found = next(filter(None, map(shutil.which, CHROMIUM)), None)
    if found is None:
        pytest.skip("no Chromium on this machine")
    with sync.sync_playwright() as playwright:
        flags = ["--no-sandbox", "--disable-gpu"]
        started = playwright.chromium.launch(executable_path=found, args=flags, timeout=PATIENCE)
        yield started
        started.close()


class Visit:
    """A page with everything it complained of or asked for."""

    def __init__(self, browser: Any, path: Path, **context: Any) -> None:
        self.context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **context})
        self.context.set_default_timeout(PATIENCE)
        self.page = self.context.new_page()
        self.complaints: list[str] = []
        self.requests: list[str] = []
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(path.resolve().as_uri())
        self.page.wait_for_selector(DRAWN, state="attached")

    def __enter__(self) -> Visit:
        return self

    def __exit__(self, *_: object) -> None:
        self.context.close()

    def count(self, selector: str) -> int:
        return int(self.page.locator(selector).count())

    def width_over(self) -> int:
        return int(self.page.evaluate("document.documentElement.scrollWidth - window.innerWidth"))

    def draw_all(self) -> None:
        """Make the window so high that every figure that is shown comes near it, and wait for the last."""
        width = self.page.viewport_size["width"]
        height = self.page.evaluate("document.documentElement.scrollHeight")
        self.page.set_viewport_size({"width": width, "height": min(int(height), 60_000)})
        undrawn = (  # the policy of the page forbids what playwright's own waiting would evaluate
            "[...document.querySelectorAll('.plot')].filter("
            "p => !p.closest('[hidden], details:not([open])') && !p.querySelector('.main-svg')).length"
        )
        for _ in range(PATIENCE // 100):
            if not self.page.evaluate(undrawn):
                return
            self.page.wait_for_timeout(100)
        raise AssertionError("some figures were not drawn")

    def grave_faults(self) -> list[str]:
        """Return what axe-core finds serious or critical; skip with the reason where axe-core is not installed."""
        if not AXE.exists():
            pytest.skip("axe-core is not in node_modules: make node_modules/axe-core")
        self.page.evaluate(AXE.read_text(encoding="utf-8"))
        found = self.page.evaluate("options => axe.run(document, options)", _AXE_OPTIONS)["violations"]
        return [
            f"{fault['id']}: {node['target']} {node['html'][:120]}"
            for fault in found
            if fault["impact"] in GRAVE
            for node in fault["nodes"]
        ]


def is_quiet(visit: Visit, path: Path) -> None:
    """Nothing was written to the console, and nothing but the page itself was asked for."""
    assert visit.complaints == []
    assert visit.requests == [path.resolve().as_uri()]


def links_resolve(visit: Visit) -> None:
    """Every link leads to a place in the page."""
    links = visit.page.eval_on_selector_all("a[href]", "links => links.map(link => link.getAttribute('href'))")
    ids = visit.page.eval_on_selector_all("[id]", "places => places.map(place => '#' + place.id)")
    assert set(links) <= set(ids)
    assert len(set(links)) > 5


def stands_every_check(browser: Any, path: Path) -> None:
    """Check a whole report: drawn in silence, links, the first screen, and no grave fault in light or dark."""
    for scheme in ("light", "dark"):
        with Visit(browser, path, color_scheme=scheme) as visit:
            last = visit.page.locator(".worries li").last.bounding_box()
            assert last is None or last["y"] + last["height"] <= 900
            visit.draw_all()
            assert visit.width_over() <= 0
            links_resolve(visit)
            is_quiet(visit, path)
            assert visit.grave_faults() == []
