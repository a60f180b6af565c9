"""The report in a browser: drawn, quiet, closed, and fit for a keyboard, a phone, the dark and paper."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from browsing import Visit, is_quiet, links_resolve

from countenance.core.compare import compare
from countenance.core.results_file import load_results
from countenance.reports import write_comparison, write_report

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def report(run_folder: Path) -> Path:
    return write_report(run_folder)


def test_every_figure_is_drawn_in_silence_and_every_link_resolves(browser: Any, report: Path, run_folder: Path) -> None:
    with Visit(browser, report) as visit:
        last = visit.page.locator(".worries li").last.bounding_box()
        assert last is not None
        assert last["y"] + last["height"] <= 900  # the answer stands on the first screen
        assert visit.count(".plot .main-svg") < visit.count(".plot")
        visit.draw_all()
        shown = visit.page.eval_on_selector_all(
            ".plot", "plots => plots.filter(p => !p.closest('[hidden], details:not([open])')).length"
        )
        assert shown >= 10
        assert visit.width_over() <= 0
        links_resolve(visit)
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
        figure.scroll_into_view_if_needed()
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


def test_dark_pages_have_dark_figures(browser: Any, report: Path) -> None:
    colours = {}
    for scheme in ("light", "dark"):
        with Visit(browser, report, color_scheme=scheme, viewport={"width": 1280, "height": 900}) as visit:
            visit.page.locator("#figure-group_metrics-1").scroll_into_view_if_needed()
            visit.page.locator("#figure-group_metrics-1 .ytick text").first.wait_for(state="attached")
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
        part.locator("#figure-pgd-folded-1").scroll_into_view_if_needed()
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
        visit.draw_all()
        texts = visit.page.locator("#figure-group_metrics-1 .ytick text").all_text_contents()
        assert "<b>bold</b>%{x}$x$" in texts
        assert visit.count(".plot img") == visit.count(".plot script") == 0
        is_quiet(visit, path)


def test_a_comparison_is_drawn_in_silence(browser: Any, made_run: ModuleType, tmp_path: Path) -> None:
    folders = [tmp_path / str(seed) for seed in (1, 9)]
    for folder, seed in zip(folders, (1, 9), strict=True):
        made_run.make_run(folder, seed=seed)
    path = write_comparison(compare(*folders), tmp_path / "comparison.html")
    with Visit(browser, path, viewport={"width": 390, "height": 844}) as visit:
        visit.draw_all()
        assert visit.count(".plot .main-svg") > 0
        assert visit.width_over() <= 0
        is_quiet(visit, path)
