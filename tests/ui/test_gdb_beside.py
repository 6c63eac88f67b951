"""GDB and a page on one run: each sees where the other has gone, and neither lies."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path

from tests.gdb.driver import Gdb
from tests.ui.served_page import TANK, Page, served_page

SCRIPTS = Path(__file__).resolve().parents[2] / "rdbg" / "gdb"


def _with_script(gdb: Gdb, page: Page) -> None:
    gdb.run(f"source {SCRIPTS / 'rdbg_gdb.py'}")
    gdb.connect(page.gdb)


def _until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def _pc(gdb: Gdb) -> int:
    """Where GDB takes the guest to be. What the page has made it say comes before the answer."""
    return int(re.findall(r"0x[0-9a-f]+", gdb.run("output/x $pc").text)[-1], 16) & 0xFFFF_FFFF


def test_a_click_moves_gdb_and_gdb_moves_the_page(gdb_program: str, recording: Path) -> None:
    with served_page("ui", recording) as page, Gdb(gdb_program, TANK) as gdb:
        _with_script(gdb, page)
        page.until(lambda state: state["gdb"])
        line = page.ask("console")["lines"][3]
        assert page.obey(f"goto {line[1]}").json["by"] == "gdb"
        page.until(lambda state: state["position"] == line[1])
        pc = int(page.state()["pc"], 16)
        _until(lambda: _pc(gdb) == pc)
        assert f"icount {line[1]}," in gdb.run("monitor when")
        # And back: what GDB does, the page sees.
        gdb.run("break record_sample")
        gdb.run("reverse-continue")
        here = page.until(lambda state: state["position"] < line[1])
        assert int(here["pc"], 16) == _pc(gdb)
        gdb.run("monitor goto end")
        page.until(lambda state: state["position"] == state["end"])


def test_a_page_moves_nothing_behind_a_debugger_that_does_not_listen(recording: Path, gdb_program: str) -> None:
    with served_page("ui", recording) as page, Gdb(gdb_program, TANK) as gdb:
        gdb.connect(page.gdb)
        before = page.until(lambda state: state["gdb"])
        reply = page.obey("goto 50%")
        assert reply.status == 400 and "monitor goto 50%" in reply.json["error"]
        assert page.obey("cont").status == 400
        assert page.state() == before


def test_a_page_says_what_there_is_while_gdb_moves_the_guest(tmp_path: Path, gdb_program: str) -> None:
    guest = TANK.parents[1] / "guest" / "tank.elf"
    with served_page("ui", "-M", "malta", "-kernel", guest, "-serial", "null", "-S") as page:
        with Gdb(gdb_program, TANK) as gdb:
            _with_script(gdb, page)
            gdb.run("hbreak record_sample")
            gdb.run("continue")
            gdb.run("delete")
            gdb.send("continue")
            page.until(lambda state: state["doing"] == "moves" or state["end"] > 700_000)
            gdb.wait(stop=True)
            end = page.until(lambda state: state["doing"] == "stands")
            assert len(page.ask("console")["lines"]) == 6
            page.obey("goto 50%")
            here = page.until(lambda state: state["position"] <= end["end"] // 2)
            _until(lambda: _pc(gdb) == int(here["pc"], 16))
        page.until(lambda state: not state["gdb"])
        # GDB is gone, the guest stands: the page moves it by itself.
        assert page.obey("goto start").json["by"] == "rdbg"
        assert page.state()["position"] == 0


def test_monitor_ui_says_where_the_page_is(recording: Path, gdb_program: str) -> None:
    with served_page("ui", recording) as page, Gdb(gdb_program, TANK) as gdb:
        gdb.connect(page.gdb)
        assert page.url in gdb.run("monitor ui")
