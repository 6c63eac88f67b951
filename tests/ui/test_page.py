"""The page in a real browser: what it shows, and what clicks and keys lead to."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webdriver import WebDriver
from selenium.webdriver.support import expected_conditions

from tests.conftest import PYPI_GDB
from tests.gdb.driver import Gdb
from tests.ui.page_in_browser import PageInBrowser
from tests.ui.served_page import TANK, Page, record, served_page

pytestmark = pytest.mark.real("chromium", "chromium-driver")


@pytest.fixture
def view(browser: WebDriver, page: Page) -> PageInBrowser:
    assert page.obey("goto start").status == 200
    return PageInBrowser(browser, page)


def test_a_click_on_a_line_of_the_console_goes_to_where_it_is_printed(view: PageInBrowser, page: Page) -> None:
    view.until(lambda: len(view.all("#lines li")) == 6)
    assert "ALARM: level 336 is over the limit of 334" in view.texts("#lines li")[-1]
    line = view.all("#lines li")[2]
    icount = int(line.get_attribute("data-icount") or "")
    line.click()
    view.stands_at(icount)
    assert page.state()["position"] == icount
    assert view.text("#command") == f"monitor goto {icount}"
    assert view.complaints() == []


def test_the_line_that_is_being_printed_is_marked_as_the_run_moves(view: PageInBrowser, page: Page) -> None:
    assert page.obey("goto 50%").json["said"].startswith("at icount 376299")
    view.stands_at(376299)
    view.until(lambda: view.texts("#lines li.here") == ["level 327"])
    page.obey("goto end")
    view.until(lambda: [t[:5] for t in view.texts("#lines li.here")] == ["ALARM"])


def test_all_works_by_keyboard(view: PageInBrowser, page: Page) -> None:
    view.until(lambda: len(view.all("#lines li")) == 6)
    scroll = "#console-scroll"
    view.keys(Keys.ARROW_DOWN, Keys.ARROW_DOWN, Keys.ENTER, at=scroll)
    chosen = int(view.find("#lines li.chosen").get_attribute("data-icount") or "")
    assert chosen > 0
    view.stands_at(chosen)
    view.keys(".")
    view.until(lambda: page.state()["position"] > chosen)
    view.keys("b")
    view.stands_at(chosen)
    view.keys("f")
    view.until(lambda: page.state()["position"] > chosen)
    view.keys("60%", Keys.ENTER, at="#place")
    view.until(lambda: "(60.00%" in view.text("#state"))


def test_what_cannot_be_done_is_said(view: PageInBrowser, page: Page) -> None:
    before = page.state()
    view.keys("nowhere", Keys.ENTER, at="#place")
    view.until(lambda: "nowhere" in view.text("#message"))
    assert page.state() == before and view.complaints() == []


def _looked_through(view: PageInBrowser) -> None:
    """Wait until all of the run is known."""
    view.until(lambda: view.text("#indexed") == "" and view.text("#events-state") not in ("", "0"))


def test_zooming_goes_from_the_whole_run_to_single_instructions(view: PageInBrowser, page: Page) -> None:
    _looked_through(view)
    end = page.state()["end"]
    time_line = view.find("#time")

    def shown() -> tuple[int, int]:
        return int(time_line.get_attribute("data-from") or 0), int(time_line.get_attribute("data-to") or 0)

    assert shown() == (0, end)
    page.obey("goto 451380")
    view.stands_at(451380)
    for _ in range(40):
        view.keys("+")
    low, high = shown()
    assert high - low == 16 and low <= 451380 <= high
    view.keys(Keys.ARROW_RIGHT)
    assert shown() == (low + 4, high + 4)
    view.keys("-", "-")
    assert shown()[1] - shown()[0] == 64
    view.keys("0")
    assert shown() == (0, end)
    # Drag over a part of a track, and click into it.
    over = view.all(".u-over")[1]
    width = over.size["width"]
    ActionChains(view.driver).move_to_element_with_offset(over, -width // 4, 5).click_and_hold().move_by_offset(
        width // 2, 0
    ).release().perform()
    low, high = shown()
    assert abs(low - end // 4) < end // 50 and abs(high - 3 * end // 4) < end // 50
    view.until(lambda: view.text("#events-state") == "5")
    ActionChains(view.driver).move_to_element_with_offset(view.all(".u-over")[3], 0, 0).click().perform()
    view.until(lambda: abs(page.state()["position"] - (low + high) // 2) < (high - low) // 50)
    assert view.complaints() == []


def test_events_in_view_lead_to_their_places(view: PageInBrowser, page: Page) -> None:
    _looked_through(view)
    rows = view.texts("#event-rows tr")
    assert len(rows) == 10 and all("interrupt" in row and "line 7" in row for row in rows)
    row = view.all("#event-rows tr")[4]
    icount = int(row.get_attribute("data-icount") or "")
    row.click()
    view.stands_at(icount)
    view.keys(Keys.ARROW_DOWN, Keys.ENTER, at="#events .scroll")
    view.until(lambda: page.state()["position"] > icount)


def test_the_side_pane_follows(view: PageInBrowser, page: Page) -> None:
    page.obey("goto end")
    view.until(lambda: f"icount {page.state()['end']}" in view.text("#moment"))
    page.obey("goto 451558")
    view.until(lambda: "put_number+36, board.c:60" in view.text("#moment-source"))
    assert view.texts("#backtrace li")[-2:] == ["main at tank.c:79", "_start at start.S:27"]
    assert view.texts("#disassembly tr.here") == ["0x80100214\tmfhi $v0\tput_number+36"]
    assert "put_char('0' + value % 10);" in view.text("#source-lines b")
    moment = page.ask("moment")
    stack = next(value for name, value, _ in moment["registers"] if name == "sp")
    assert view.text("[data-register=sp]") == stack


def test_a_position_gets_a_name_in_the_page_and_in_gdb(view: PageInBrowser, page: Page) -> None:
    page.obey("goto 301206")
    view.stands_at(301206)
    view.keys("m")
    prompt = view.until(lambda: expected_conditions.alert_is_present()(view.driver))
    prompt.send_keys("the third")
    prompt.accept()
    view.until(lambda: "bookmark 'the third' set at icount 301206" in view.text("#message"))
    assert {"name": "the third", "icount": 301206} in page.ask("marks")["bookmarks"]
    page.obey("goto start")
    view.keys("the third", Keys.ENTER, at="#place")
    view.stands_at(301206)


def test_a_place_is_written_as_at_gdbs_prompt(view: PageInBrowser, page: Page) -> None:
    page.obey("goto interrupt line7 2")
    second = page.state()["position"]
    page.obey("goto start")
    view.keys("interrupt line7 2", Keys.ENTER, at="#place")
    view.stands_at(second)
    assert view.text("#command") == "monitor goto interrupt line7 2"


def test_virtual_time_is_an_axis_too(view: PageInBrowser, page: Page) -> None:
    _looked_through(view)
    view.click("#virtual")
    over = view.all(".u-over")[1]
    ActionChains(view.driver).move_to_element_with_offset(over, 0, 0).click().perform()
    end = page.state()["end"]
    view.until(lambda: abs(page.state()["position"] - end // 2) < end // 50)
    assert view.complaints() == []


@pytest.fixture(scope="module")
def marked_page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """A page of a run with a bookmark and a branch that was kept, both just before the alarm."""
    recording = record(tmp_path_factory.mktemp("marked") / "tank.rec")
    with served_page("ui", recording) as page:
        with Gdb(str(PYPI_GDB), TANK) as gdb:
            gdb.connect(page.gdb)
            gdb.run("monitor goto 751650")
            gdb.forget()
            gdb.run("set var tank.limit = 900")
            gdb.run("monitor branch right-limit --keep")
            gdb.run("monitor switch main")
            gdb.run("monitor goto 751700")
            gdb.run('monitor bookmark "too early"')
            gdb.run("monitor disconnect")
        yield page


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_can_be_read_in_light_and_dark(browser: WebDriver, marked_page: Page, scheme: str, tmp_path: Path) -> None:
    view = PageInBrowser(browser, marked_page)
    view.driver.execute_cdp_cmd(  # type: ignore[attr-defined]
        "Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    )
    _looked_through(view)
    view.page.obey("goto 451558")
    view.until(lambda: "put_number+36" in view.text("#moment-source"))

    def luminance(selector: str, name: str) -> float:
        script = "return getComputedStyle(document.querySelector(arguments[0]))[arguments[1]]"
        numbers = re.findall(r"[0-9.]+", view.driver.execute_script(script, selector, name))
        linear = [
            c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in (int(n) / 255 for n in numbers[:3])
        ]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    panel = luminance("#moment", "backgroundColor")
    assert (panel > 0.5) == (scheme == "light")
    for selector in ("#moment-source", "#lines li", "#indexed", "#footer, footer", "#command"):
        ink = luminance(selector, "color")
        # WCAG 2.1, 1.4.3: 4.5 to 1.
        assert (max(ink, panel) + 0.05) / (min(ink, panel) + 0.05) >= 4.5, selector
    # What is drawn is there: not one colour all over.
    colours = view.driver.execute_script("""
        return [...document.querySelectorAll('canvas')].map((canvas) => {
          const pixels = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
          return new Set(new Uint32Array(pixels.buffer)).size;
        });
    """)
    assert len(colours) == 5 and min(colours) > 3, colours
    view.page.obey("goto 751800")
    view.keys(*"+++++++h++")
    low, high = (view.find("#time").get_attribute(f"data-{name}") for name in ("from", "to"))
    view.until(lambda: view.find("#time").get_attribute("data-shown") == f"{low}-{high}")
    view.until(lambda: "751800" in view.text("#moment"))
    view.until(lambda: view.texts("#branch option") == ["main", "right-limit (from main at 751650)"])
    picture = Path(os.environ.get("RDBG_PICTURES", tmp_path)) / f"ui-{scheme}.png"
    assert view.driver.save_screenshot(str(picture)) and picture.stat().st_size > 20_000
