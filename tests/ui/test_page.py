"""The page in a real browser: what it shows, and what clicks and keys lead to."""

from __future__ import annotations

import pytest
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webdriver import WebDriver

from tests.ui.page_in_browser import PageInBrowser
from tests.ui.served_page import Page

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
