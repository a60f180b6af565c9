"""What a reader does with a report in a browser: sort, copy and save, by mouse and by keyboard, and with a checker."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from browsing import Visit, is_quiet, stands_every_check

from countenance.reports import write_report

pytestmark = pytest.mark.browser
NUMBERS = "#figure-group_metrics-1 .panel:visible .tabled"


@pytest.fixture(scope="module")
def report(run_folder: Path) -> Path:
    return write_report(run_folder)


def open_numbers(visit: Visit) -> Any:
    """Unfold the numbers of the figure by group and return its table with what belongs to it."""
    figure = visit.page.locator("#figure-group_metrics-1")
    figure.scroll_into_view_if_needed()
    figure.locator(".panel:visible details.numbers summary").click()
    frame = visit.page.locator(NUMBERS)
    frame.scroll_into_view_if_needed()
    frame.locator("button.copy").wait_for()
    return frame


def estimates(frame: Any) -> list[str | None]:
    """Return the shown estimates of the last column from top to bottom, ``None`` where nothing was measured."""
    found: list[str | None] = frame.evaluate(
        "frame => [...frame.querySelectorAll('tbody tr')].map("
        "row => (row.cells[row.cells.length - 1].querySelector('.est b') || {}).textContent ?? null)"
    )
    return found


def test_a_table_sorts_by_keyboard_and_says_so(browser: Any, report: Path) -> None:
    with Visit(browser, report) as visit:
        frame = open_numbers(visit)
        before = estimates(frame)
        known = sorted(float(text) for text in before if text is not None)
        assert None in before
        assert len(known) > 3
        head = frame.locator("thead th").last
        head.locator("button").focus()
        for way, expected in (("ascending", known), ("descending", known[::-1])):
            visit.page.keyboard.press("Enter")
            assert head.get_attribute("aria-sort") == way
            after = estimates(frame)
            assert [float(text) for text in after[: len(known)] if text is not None] == expected
            assert set(after[len(known) :]) == {None}  # what was not measured stays at the end
        visit.page.keyboard.press("Space")
        assert head.get_attribute("aria-sort") is None
        assert estimates(frame) == before
        assert visit.page.evaluate("document.activeElement.closest('th') !== null")
        frame.locator("thead th button").first.click()
        names = frame.locator("tbody th").all_text_contents()
        assert names == sorted(names, key=str.casefold)
        is_quiet(visit, report)


@pytest.mark.parametrize("by_command", [False, True])
def test_a_table_is_copied_with_a_column_for_each_number(browser: Any, report: Path, by_command: bool) -> None:
    with Visit(browser, report) as visit:
        visit.context.grant_permissions(["clipboard-read", "clipboard-write"])
        frame = open_numbers(visit)
        if by_command:  # a browser without the interface
            visit.page.evaluate(
                "Object.defineProperty(navigator, 'clipboard', { value: undefined });"
                "addEventListener('copy', event => { window.taken = event.clipboardData.getData('text/plain'); })"
            )
        frame.locator("button.copy").press("Enter")
        frame.locator(".copied", has_text="copied").wait_for()
        read = "window.taken" if by_command else "navigator.clipboard.readText()"
        lines = [line.split("\t") for line in visit.page.evaluate(read).rstrip("\n").split("\n")]
        assert len({len(line) for line in lines}) == 1
        assert [name.rpartition(" ")[2] for name in lines[0][-3:]] == ["low", "high", "n"]
        assert len(lines) == frame.locator("tbody tr").count() + 1
        measured = [line for line in lines[1:] if not line[-4].startswith("not measured")]
        for *_, value, low, high, n in measured:
            assert float(low) <= float(value) <= float(high)
            assert int(n) > 0
        assert 0 < len(measured) < len(lines) - 1
        is_quiet(visit, report)


def test_copied_text_is_no_formula(browser: Any, made_run: ModuleType, tmp_path: Path) -> None:
    made_run.make_run(tmp_path, rename={"white": '=HYPERLINK("x","y")', "black": "@a\tb\nc", "asian": "-1+1"})
    path = write_report(tmp_path)
    with Visit(browser, path) as visit:
        visit.context.grant_permissions(["clipboard-read", "clipboard-write"])
        frame = open_numbers(visit)
        frame.locator("button.copy").click()
        frame.locator(".copied", has_text="copied").wait_for()
        lines = visit.page.evaluate("navigator.clipboard.readText()").rstrip("\n").split("\n")
        cells = [cell for line in lines for cell in line.split("\t")]
        assert any(cell.startswith("'=HYPERLINK") for cell in cells)
        assert any(cell.startswith("'@a b c") for cell in cells)
        assert not any(cell[:1] in "=@+" for cell in cells if cell)
        assert len({line.count("\t") for line in lines}) == 1


def test_a_figure_is_saved_as_drawing_and_as_picture(browser: Any, report: Path, tmp_path: Path) -> None:
    with Visit(browser, report, color_scheme="dark") as visit:
        figure = visit.page.locator("#figure-group_metrics-1")
        figure.scroll_into_view_if_needed()
        figure.locator(".main-svg").first.wait_for()
        for form, begins in (("SVG", b"<svg"), ("PNG", b"\x89PNG")):
            with visit.page.expect_download() as waiting:
                figure.get_by_role("button", name=f"Save {form}").press("Enter")
            assert waiting.value.suggested_filename.startswith("countenance-")
            assert waiting.value.suggested_filename.endswith(f".{form.lower()}")
            waiting.value.save_as(tmp_path / form)
            content = (tmp_path / form).read_bytes()
            assert content.startswith(begins)
            assert len(content) > 5_000
        drawing = (tmp_path / "SVG").read_text(encoding="utf-8")
        assert "female" in drawing
        assert "rgb(29, 35, 41)" in drawing  # the light colours, on white, in the dark too
        assert "rgb(231, 233, 236)" not in drawing
        assert visit.complaints == []


def test_hovering_tells_the_number(browser: Any, report: Path) -> None:
    with Visit(browser, report) as visit:
        figure = visit.page.locator("#figure-group_metrics-1")
        figure.scroll_into_view_if_needed()
        figure.locator(".point").first.wait_for(state="attached")
        box = figure.locator(".point").first.bounding_box()
        assert box is not None
        visit.page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        figure.locator(".hovertext").first.wait_for()
        assert "n = " in (figure.locator(".hovertext").first.text_content() or "")


def test_the_keyboard_reaches_everything_in_order_and_shows_where_it_is(browser: Any, report: Path) -> None:
    with Visit(browser, report) as visit:
        page = visit.page
        page.evaluate(
            "window.seen = []; addEventListener('focusin', ({ target }) => { const style = getComputedStyle(target);"
            "seen.push([target, style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2]); })"
        )
        for _ in range(1500):
            page.keyboard.press("Tab")
            if page.evaluate(
                "document.activeElement === document.body || seen.length > 3 && seen.at(-1)[0] === seen[0][0]"
            ):
                break
        assert page.evaluate("seen[0][0].className") == "skip"
        unmarked = page.evaluate(
            "seen.filter(([, marked]) => !marked).map(([element]) => element.outerHTML.slice(0, 99))"
        )
        assert unmarked == []
        back = page.evaluate(
            "seen.slice(1).filter(([element], place) => seen[place][0] !== element && place + 2 < seen.length && "
            "!(seen[place][0].compareDocumentPosition(element) & Node.DOCUMENT_POSITION_FOLLOWING)).length"
        )
        assert back == 0
        missed = page.evaluate(
            "(() => { const reached = new Set(seen.map(([element]) => element));"
            "return [...document.querySelectorAll('a[href], button, select, summary, [tabindex=\"0\"]')].filter("
            "one => one.checkVisibility() && !reached.has(one) && !(one.closest('nav') && one.tagName === 'SUMMARY'))"
            ".map(one => one.outerHTML.slice(0, 99)); })()"
        )
        assert missed == []
        box = page.locator("figure select").first
        box.focus()
        page.keyboard.press("ArrowDown")
        assert box.input_value() == "1"


def test_a_report_stands_every_check(browser: Any, report: Path) -> None:
    stands_every_check(browser, report)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_grave_fault_where_everything_is_open(browser: Any, report: Path, scheme: str) -> None:
    with Visit(browser, report, color_scheme=scheme) as visit:
        visit.page.eval_on_selector_all("details", "parts => parts.forEach(part => { part.open = true; })")
        visit.draw_all()
        visit.page.wait_for_timeout(300)
        assert visit.grave_faults() == []


def test_without_its_script_a_report_shows_its_numbers(browser: Any, report: Path) -> None:
    markup = report.read_text(encoding="utf-8")  # a browser told to run no script from outside does not show noscript
    assert "<noscript><style>.panel[hidden] { display: block; }</style></noscript>" in markup
    assert '<noscript><p class="reason">Figures need the script of this page' in markup
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(report.resolve().as_uri())
    assert page.locator("#figure-group_metrics-1 details summary").first.is_visible()  # the numbers below it
    context.close()
