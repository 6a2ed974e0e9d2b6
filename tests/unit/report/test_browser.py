# SPDX-License-Identifier: GPL-2.0-only
"""The page of a run in a real browser: what it loads and runs, who can read it, and what its script does.

Chromium is Debian's; axe-core is in the package axe-playwright-python.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, sync_playwright

from orchestrator.report.html import page
from orchestrator.result.compare.alignment import compare
from orchestrator.result.run import Run
from tests.unit.report.test_hostile import HOSTILE, run_with, suite_run
from tests.unit.result.test_samples import broken_run, pud_run

PHONE, PAPER, DESKTOP = 390, 720, 1280
ALL_HOSTILE = "".join(text for text in HOSTILE.values() if len(text) < 1000)
CONSOLE = "".join(f"[    {at}.000000] line {at} {ALL_HOSTILE!r}\n" for at in range(900))


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium without a window.  Its sandbox does not run as root, and containers have little shared memory."""
    program = shutil.which("chromium")
    assert program, "chromium is not installed: see `tools/setup-system all`"
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=program, args=["--no-sandbox", "--disable-dev-shm-usage"])
        yield started
        started.close()


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Pages of sample runs as files, one of them with a console and one with hostile texts."""
    place = tmp_path_factory.mktemp("pages")
    (place / "boots/mm-align/alignment").mkdir(parents=True)
    (place / "boots/mm-align/alignment/console.log").write_text(CONSOLE)
    runs: dict[str, Run] = {
        "pud": pud_run(),
        "broken": replace(broken_run(), path=place),
        "suite": suite_run(),
        "hostile": replace(run_with("broken placements", ALL_HOSTILE), path=place),
    }
    for name, run in runs.items():
        (place / f"{name}.html").write_text(page.render(compare(run)))
    return {name: place / f"{name}.html" for name in runs}


def opened(
    browser: Browser, path: Path, width: int = DESKTOP, scheme: str = "light", *, script: bool = True
) -> tuple[Page, list[str]]:
    """Open a file; return the page, and what went wrong or was loaded besides the file."""
    context = browser.new_context(
        viewport={"width": width, "height": 900},
        color_scheme="dark" if scheme == "dark" else "light",
        java_script_enabled=script,
    )
    tab, events = context.new_page(), list[str]()
    tab.on("request", lambda request: events.append(request.url))
    tab.on("pageerror", lambda error: events.append(str(error)))
    tab.on("console", lambda message: events.append(message.text))
    tab.on("dialog", lambda dialog: events.append(dialog.message))
    tab.goto(path.as_uri())
    events.remove(path.as_uri())
    return tab, events


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [PHONE, DESKTOP])
@pytest.mark.parametrize("name", ["pud", "broken", "suite", "hostile"])
def test_axe_finds_no_fault_and_nothing_is_wider_than_the_screen(
    browser: Browser, pages: dict[str, Path], name: str, width: int, scheme: str
) -> None:
    tab, events = opened(browser, pages[name], width, scheme)
    found = Axe().run(tab).response["violations"]
    assert [(one["id"], one["impact"], one["nodes"][0]["html"][:200]) for one in found] == []
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    assert events == []
    tab.context.close()


def test_axe_sees_a_fault_that_is_planted(browser: Browser, pages: dict[str, Path], tmp_path: Path) -> None:
    text = pages["pud"].read_text().replace("<main", '<img src="x"><main', 1).replace('<html lang="en">', "<html>")
    (tmp_path / "x.html").write_text(text)
    tab, _ = opened(browser, tmp_path / "x.html")
    assert {"image-alt", "html-has-lang"} <= {one["id"] for one in Axe().run(tab).response["violations"]}
    tab.context.close()


def test_no_text_of_a_run_runs_or_loads_anything(browser: Browser, pages: dict[str, Path]) -> None:
    tab, events = opened(browser, pages["hostile"])
    tab.wait_for_timeout(200)
    assert events == []
    assert "not as expected" in tab.title()
    assert tab.evaluate("[...document.scripts].length") == 1
    assert tab.locator("img, iframe, object, embed, link, base").count() == 0
    assert "<script>document.title=1</script>" in tab.locator("main").inner_text()
    tab.context.close()


@pytest.mark.parametrize(
    "planted",
    [
        "<script>document.title = 'acted'</script>",
        "<b onclick=1></b><img src=x onerror=\"document.title = 'acted'\">",
        "<style>body { display: none }</style>",
        "<iframe src='data:text/html,x'></iframe>",
        "<link rel=stylesheet href='http://localhost:9/x.css'>",
    ],
)
def test_the_policy_of_the_page_stops_what_could_get_in(
    browser: Browser, pages: dict[str, Path], tmp_path: Path, planted: str
) -> None:
    """Even if a text was not escaped, a browser would not act on it."""
    (tmp_path / "x.html").write_text(pages["pud"].read_text().replace("<main ", f"{planted}<main ", 1))
    tab, events = opened(browser, tmp_path / "x.html")
    tab.wait_for_timeout(100)
    assert any("Content Security Policy" in event for event in events)
    assert tab.title() == "pud: as expected"
    assert tab.locator("main").is_visible()
    tab.context.close()


def test_the_policy_of_the_page_lets_no_form_send_anything(
    browser: Browser, pages: dict[str, Path], tmp_path: Path
) -> None:
    planted = "<form action='http://localhost:9/' id=f></form><main "
    (tmp_path / "x.html").write_text(pages["pud"].read_text().replace("<main ", planted, 1))
    tab, events = opened(browser, tmp_path / "x.html")
    tab.evaluate("document.getElementById('f').submit()")
    tab.wait_for_timeout(100)
    assert [event for event in events if "form-action" in event]
    assert not [event for event in events if event.startswith("http:")]
    tab.context.close()


def test_the_page_is_complete_without_its_script(browser: Browser, pages: dict[str, Path]) -> None:
    """What the script adds are controls; all text is there without it."""
    with_script, _ = opened(browser, pages["broken"])
    without, _ = opened(browser, pages["broken"], script=False)
    cells = without.locator("td, tbody th, figcaption, .say, pre, h3").all_inner_texts()
    assert len(cells) > 200
    assert cells == with_script.locator("td, tbody th, figcaption, .say, pre, h3").all_inner_texts()
    assert without.locator("button, input").count() == 0
    assert with_script.locator("button").count() > 10
    for tab in (with_script, without):
        tab.context.close()


def column(tab: Page, table: str, at: int) -> list[str]:
    """Return the texts of a column of a table, by the id of its caption."""
    return tab.locator(f"table:has(#{table}) tbody tr > :nth-child({at})").all_inner_texts()


def test_a_table_is_sorted_by_its_numbers_with_the_keyboard(browser: Browser, pages: dict[str, Path]) -> None:
    tab, _ = opened(browser, pages["pud"])
    before = column(tab, "place-1-table", 2)
    assert before == ["4 KiB", "2 MiB", "1 GiB", "1 GiB", "4 KiB"]
    head = tab.locator("table:has(#place-1-table) thead th").nth(1)
    head.locator("button").focus()
    tab.keyboard.press("Enter")
    assert column(tab, "place-1-table", 2) == ["4 KiB", "4 KiB", "2 MiB", "1 GiB", "1 GiB"]
    assert head.get_attribute("aria-sort") == "ascending"
    tab.keyboard.press("Enter")
    assert column(tab, "place-1-table", 2) == ["1 GiB", "1 GiB", "2 MiB", "4 KiB", "4 KiB"]
    assert head.get_attribute("aria-sort") == "descending"
    tab.locator("table:has(#place-1-table) thead button").first.click()
    assert column(tab, "place-1-table", 1) == ["base", "mm-align", "no-huge", "vfio-size", "vfio-thp"]
    assert head.get_attribute("aria-sort") is None
    tab.context.close()


def test_the_cases_are_filtered_by_text_and_status(browser: Browser, pages: dict[str, Path]) -> None:
    tab, _ = opened(browser, pages["broken"])
    cases = len(broken_run().cases)
    shown = tab.locator("table.filtered tbody tr:visible")
    assert (shown.count(), tab.locator("output").inner_text()) == (cases, f"{cases} of {cases} cases")
    tab.get_by_label("Filter").fill("MM-ALIGN")
    crashed = [case for case in broken_run().cases if case.id.kernel == "mm-align"]
    assert shown.count() == len(crashed)
    tab.get_by_role("checkbox", name="CRASH").uncheck()
    assert shown.count() == len([case for case in crashed if case.status != "CRASH"])
    tab.get_by_label("Filter").fill("no such case")
    assert tab.locator("output").inner_text() == f"0 of {cases} cases"
    tab.context.close()


def test_the_first_key_leads_past_the_navigation(browser: Browser, pages: dict[str, Path]) -> None:
    tab, _ = opened(browser, pages["pud"])
    tab.keyboard.press("Tab")
    assert tab.evaluate("document.activeElement.textContent") == "Skip to the results"
    tab.keyboard.press("Enter")
    assert tab.evaluate("document.activeElement.id") == "main"
    tab.context.close()


@pytest.mark.parametrize("name", ["pud", "broken", "suite"])
def test_on_paper_nothing_is_cut_off_or_dark(browser: Browser, pages: dict[str, Path], name: str) -> None:
    tab, _ = opened(browser, pages[name], PAPER, "dark")
    tab.emulate_media(media="print")
    assert tab.evaluate("document.documentElement.scrollWidth") <= PAPER
    assert tab.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert not tab.locator("nav").is_visible()
    scrolling = "[...document.querySelectorAll('pre, .scroll')].filter(e => getComputedStyle(e).overflowX != 'visible')"
    assert tab.evaluate(f"{scrolling}.length") == 0
    assert tab.pdf()[:4] == b"%PDF"
    tab.context.close()
