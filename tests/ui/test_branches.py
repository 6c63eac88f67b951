"""Branches in the page: made in GDB and kept, shown, chosen, with their own console, in a real browser."""

from __future__ import annotations

from pathlib import Path

import pytest
from selenium.webdriver.remote.webdriver import WebDriver
from selenium.webdriver.support.select import Select

from tests.gdb.driver import Gdb
from tests.ui.page_in_browser import PageInBrowser
from tests.ui.served_page import TANK, record, served_page
from tests.ui.test_gdb_beside import _pc, _until, _with_script

pytestmark = pytest.mark.real("chromium", "chromium-driver")

#: Halfway.
FORK = 376_299
_ALARM = "ALARM: level 327 is over the limit of 1"


def test_a_branch_made_in_gdb_is_shown_chosen_and_has_its_own_console(
    gdb_program: str, browser: WebDriver, tmp_path: Path
) -> None:
    recording = record(tmp_path / "tank.rec")
    with served_page("ui", recording) as page:
        view = PageInBrowser(browser, page)
        view.until(lambda: len(view.all("#lines li")) == 6)
        assert not view.find("#branch-label").is_displayed()
        legend = view.text("#legend")
        for name in ("snapshot", "bookmark", "branch", "user", "system", "idle", "written", "run", "interrupts"):
            assert name in legend
        main_lines = view.texts("#lines li")
        with Gdb(gdb_program, TANK) as gdb:
            _with_script(gdb, page)
            gdb.run(f"rdbg goto {FORK}")
            gdb.run("set var tank.limit = 1")
            gdb.run("monitor branch what-if --keep")
            gdb.run("continue")  # it raises the alarm at once, and ends
            view.until(lambda: "branch 'what-if'" in view.text("#state"))
            view.until(lambda: len(view.texts("#branch option")) == 2)
            names = view.texts("#branch option")
            assert names[0] == "main" and names[1] == f"what-if (from main at {FORK})"
            marks = {branch["name"]: branch for branch in page.ask("marks")["branches"]}
            assert marks["what-if"]["parent"] == "main" and marks["what-if"]["current"]
            view.until(lambda: view.texts("#lines li")[-1:] == [_ALARM])
            # Chosen in the page, GDB goes there itself.
            Select(view.find("#branch")).select_by_value("main")
            page.until(lambda state: state["branch"] == "main")
            view.until(lambda: view.text("#command") == "monitor switch main")
            pc = int(page.state()["pc"], 16)
            _until(lambda: _pc(gdb) == pc)
            view.until(lambda: view.texts("#lines li") == main_lines)
            gdb.run("monitor disconnect")
    # In the next session, without a GDB, it is still there.
    with served_page("ui", recording) as page:
        view = PageInBrowser(browser, page)
        view.complaints()  # of the page before, whose server has ended
        view.until(lambda: view.find("#branch-label").is_displayed())
        Select(view.find("#branch")).select_by_value("what-if")
        page.until(lambda state: state["branch"] == "what-if")
        view.until(lambda: "branch 'what-if'" in view.text("#state"))
        view.until(lambda: view.texts("#lines li")[-1:] == [_ALARM])
        Select(view.find("#branch")).select_by_value("main")
        view.until(lambda: view.texts("#lines li") == main_lines)
        assert view.complaints() == []
