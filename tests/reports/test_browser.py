"""The report in a browser: drawn, quiet, closed, and fit for a keyboard, a phone, the dark and paper."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from countenance.core.compare import compare
from countenance.core.results_file import load_results
from countenance.reports import write_comparison, write_report

pytestmark = pytest.mark.browser

CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
DRAWN = "html[data-figures=drawn]"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    sync = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    found = next(filter(None, map(shutil.which, CHROMIUM)), None)
    if found is None:
        pytest.skip("no Chromium on this machine")
    with sync.sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=found, args=["--no-sandbox", "--disable-gpu"])
        yield started
        started.close()


@pytest.fixture(scope="module")
def report(run_folder: Path) -> Path:
    return write_report(run_folder)


class Visit:
    """A page with everything it complained of or asked for."""

    def __init__(self, browser: Any, path: Path, **context: Any) -> None:
        self.context = browser.new_context(**context)
        self.page = self.context.new_page()
        self.complaints: list[str] = []
        self.requests: list[str] = []
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(path.resolve().as_uri())
        self.page.wait_for_selector(DRAWN, state="attached", timeout=120_000)

    def __enter__(self) -> Visit:
        return self

    def __exit__(self, *_: object) -> None:
        self.context.close()

    def count(self, selector: str) -> int:
        return int(self.page.locator(selector).count())

    def width_over(self) -> int:
        return int(self.page.evaluate("document.documentElement.scrollWidth - window.innerWidth"))


def is_quiet(visit: Visit, path: Path) -> None:
    assert visit.complaints == []
    assert visit.requests == [path.resolve().as_uri()]


def test_every_figure_is_drawn_in_silence_and_every_link_resolves(browser: Any, report: Path, run_folder: Path) -> None:
    with Visit(browser, report, viewport={"width": 1280, "height": 900}) as visit:
        shown = visit.page.eval_on_selector_all(
            ".plot",
            "plots => plots.filter(p => !p.closest('[hidden], details:not([open])'))"
            ".map(p => p.querySelector('.main-svg') !== null)",
        )
        assert len(shown) >= 10
        assert all(shown)
        assert visit.width_over() <= 0
        links = visit.page.eval_on_selector_all("a[href]", "links => links.map(link => link.getAttribute('href'))")
        ids = visit.page.eval_on_selector_all("[id]", "places => places.map(place => '#' + place.id)")
        assert set(links) <= set(ids)
        last = visit.page.locator(".worries li").last.bounding_box()
        assert last is not None
        assert last["y"] + last["height"] <= 900  # the answer stands on the first screen
        assert visit.page.locator("h1").text_content() == load_results(run_folder).target.name
        is_quiet(visit, report)


@pytest.mark.parametrize("width", [320, 390])
def test_nothing_overflows_on_small_screens(browser: Any, report: Path, width: int) -> None:
    with Visit(browser, report, viewport={"width": width, "height": 844}) as visit:
        assert visit.width_over() <= 0
        visit.page.eval_on_selector_all("details", "parts => parts.forEach(part => { part.open = true; })")
        assert visit.width_over() <= 0
        is_quiet(visit, report)


def test_a_choice_draws_another_figure_and_its_table(browser: Any, report: Path) -> None:
    with Visit(browser, report, viewport={"width": 1280, "height": 900}) as visit:
        figure = visit.page.locator("#figure-group_metrics-1")
        assert figure.locator(".panel:visible").count() == 1
        figure.locator("select").select_option(label="recall of happy")
        panel = figure.locator(".panel:visible")
        panel.locator(".main-svg").first.wait_for()
        assert panel.locator(".plot").get_attribute("aria-label") == "figure: recall of happy"
        assert "groups that were not measured say why" in (panel.locator(".unseen").text_content() or "")
        assert panel.locator("caption").text_content() == "recall of happy"
        is_quiet(visit, report)


def test_a_link_to_evidence_opens_what_hides_it(browser: Any, report: Path) -> None:
    with Visit(browser, report, viewport={"width": 1280, "height": 900}) as visit:
        link = visit.page.locator("#finding-1 .evidence a").first
        target = link.get_attribute("href") or ""
        assert not visit.page.locator(target).is_visible()
        link.click()
        visit.page.locator(target).wait_for(state="visible")
        assert "0.6" in (visit.page.locator(target).text_content() or "")
        visit.page.evaluate("location.hash = 'card-absent'")
        visit.page.locator("#card-absent .item").first.wait_for(state="visible")
        is_quiet(visit, report)


def test_the_keyboard_reaches_everything_that_acts(browser: Any, report: Path) -> None:
    with Visit(browser, report, viewport={"width": 1280, "height": 900}) as visit:
        page = visit.page
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.className") == "skip"
        seen: set[str] = set()
        for _ in range(400):
            page.keyboard.press("Tab")
            seen.add(
                page.evaluate("document.activeElement.tagName + '#' + (document.activeElement.closest('[id]')||{}).id")
            )
        assert any(name.startswith("SELECT") for name in seen)
        assert any(name.startswith("SUMMARY") for name in seen)
        assert "A#worry" in seen
        box = page.locator("figure select").first
        box.focus()
        page.keyboard.press("ArrowDown")
        assert box.input_value() == "1"


def test_dark_pages_have_dark_figures(browser: Any, report: Path) -> None:
    colours = {}
    for scheme in ("light", "dark"):
        with Visit(browser, report, color_scheme=scheme, viewport={"width": 1280, "height": 900}) as visit:
            colours[scheme] = visit.page.evaluate(
                "[getComputedStyle(document.body).backgroundColor,"
                " getComputedStyle(document.querySelector('#figure-group_metrics-1 .ytick text')).fill]"
            )
    (light_page, light_text), (dark_page, dark_text) = colours["light"], colours["dark"]
    assert light_page == "rgb(251, 250, 248)"
    assert dark_page == "rgb(18, 22, 26)"
    assert light_text == "rgb(29, 35, 41)"
    assert dark_text == "rgb(231, 233, 236)"


def test_it_prints_light_and_with_the_card_open(browser: Any, report: Path) -> None:
    with Visit(browser, report, color_scheme="dark", viewport={"width": 690, "height": 900}) as visit:
        assert len(visit.page.pdf(format="A4")) > 50_000
        visit.page.emulate_media(media="print", color_scheme="dark")
        visit.page.evaluate("dispatchEvent(new Event('beforeprint'))")
        visit.page.wait_for_timeout(200)
        assert visit.width_over() <= 0
        assert visit.count("details.section:not([open])") == 0
        fill = "getComputedStyle(document.querySelector('#figure-group_metrics-1 .ytick text')).fill"
        assert visit.page.evaluate(fill) == "rgb(29, 35, 41)"
        is_quiet(visit, report)


def test_a_figure_in_a_closed_part_is_drawn_at_full_width_when_it_is_opened(browser: Any, report: Path) -> None:
    with Visit(browser, report, viewport={"width": 1280, "height": 900}) as visit:
        part = visit.page.locator("#probe-pgd details", has=visit.page.locator("#figure-pgd-folded-1"))
        assert part.locator(".main-svg").count() == 0
        part.locator("summary").first.click()
        part.locator(".main-svg").first.wait_for()
        drawn = part.locator(".plot .main-svg").first.bounding_box()
        room = part.locator("#figure-pgd-folded-1 .panel:visible").bounding_box()
        assert drawn is not None
        assert room is not None
        assert drawn["width"] > 0.9 * room["width"]
        is_quiet(visit, report)


def test_strips_scroll_by_themselves_on_a_phone(browser: Any, robust_run: ModuleType, tmp_path: Path) -> None:
    robust_run.make_robust_run(tmp_path, ("fog", "snow", "jpeg", "frost", "contrast"), permutations=99)
    path = write_report(tmp_path)
    with Visit(browser, path, viewport={"width": 390, "height": 844}) as visit:
        assert visit.width_over() <= 0
        row = visit.page.locator("#probe-corruptions .frames").first
        assert row.evaluate("row => row.scrollWidth > row.clientWidth")
        loaded = visit.page.eval_on_selector_all(".frame img", "pictures => pictures.map(p => p.naturalWidth > 0)")
        assert len(loaded) > 20
        assert all(loaded)
        is_quiet(visit, path)


@pytest.mark.parametrize("width", [360, 1280])
def test_forgeries_and_backdoors_are_drawn_in_silence(
    browser: Any, forged_run: ModuleType, tmp_path: Path, width: int
) -> None:
    forged_run.make_forged_run(tmp_path)
    path = write_report(tmp_path)
    with Visit(browser, path, viewport={"width": width, "height": 900}) as visit:
        assert visit.width_over() <= 0
        for box in visit.page.locator("select.chooser").all():
            box.select_option(index=1)
        visit.page.wait_for_timeout(300)
        assert visit.width_over() <= 0
        assert visit.count(".trio .map") == 12
        badge = "getComputedStyle(document.querySelector('.third.synthetic'), '::after').content"
        assert visit.page.evaluate(badge) == '"SYNTHETIC"'
        loaded = visit.page.eval_on_selector_all(".patterns img", "pictures => pictures.map(p => p.naturalWidth > 0)")
        assert len(loaded) == 16
        assert all(loaded)
        is_quiet(visit, path)


def test_hostile_data_runs_nothing(browser: Any, made_run: ModuleType, tmp_path: Path) -> None:
    attack = "document.title='broken'"
    rename = {
        "happy": f"</script><script>{attack}</script>",
        "sad": f'<img src=x onerror="{attack}">',
        "female": f'<a href="javascript:{attack}">click</a>',
        "male": "<b>bold</b>%{x}$x$",
        "white": f"<svg onload={attack}>",
    }
    made_run.make_run(tmp_path, rename=rename, name=f"<script>{attack}</script>")
    path = write_report(tmp_path)
    with Visit(browser, path, viewport={"width": 1280, "height": 900}) as visit:
        visit.page.eval_on_selector_all("details", "parts => parts.forEach(part => { part.open = true; })")
        for box in visit.page.locator("select.chooser").all():
            box.select_option(index=1)
        visit.page.wait_for_timeout(300)
        assert visit.page.title() == f"<script>{attack}</script>: audit report"
        assert visit.count(".plot a[href]") == visit.count(".plot a[*|href]") == 0
        texts = visit.page.locator("#figure-group_metrics-1 .ytick text").all_text_contents()
        assert "<b>bold</b>%{x}$x$" in texts
        assert visit.count(".plot img") == visit.count(".plot script") == 0
        is_quiet(visit, path)


def test_a_comparison_is_drawn_in_silence(browser: Any, made_run: ModuleType, tmp_path: Path) -> None:
    runs = [made_run.make_run(tmp_path / str(seed), seed=seed) for seed in (1, 9)]
    path = write_comparison(compare(*runs), tmp_path / "comparison.html")
    with Visit(browser, path, viewport={"width": 390, "height": 844}) as visit:
        assert visit.count(".plot .main-svg") > 0
        assert visit.width_over() <= 0
        is_quiet(visit, path)
