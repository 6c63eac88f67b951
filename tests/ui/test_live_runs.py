"""A run that goes on, with a page beside it and nobody else."""

from __future__ import annotations

from pathlib import Path

from tests.ui.served_page import TANK, Page, served_page

#: A branch to itself, and its slot.
_FOR_EVER = bytes.fromhex("ffff0010") + bytes(60)


def _whole(page: Page) -> None:
    """Ask everything about all that there is."""
    end = page.state()["end"]
    for what in ("tracks", "heat", "calls"):
        page.ask(what, **{"from": 0, "to": max(end, 1)})
    for what in ("console", "moment", "marks"):
        page.ask(what)


def test_a_guest_runs_stands_and_is_looked_at(tmp_path: Path) -> None:
    with served_page("ui", "-M", "malta", "-serial", "null", "-no-shutdown", "-kernel", TANK) as page:
        state = page.until(lambda state: state["end"] > 700_000 and state["doing"] == "stands")
        _whole(page)
        assert len(page.ask("console")["lines"]) == 6
        assert page.obey("goto 50%").json["by"] == "rdbg"
        middle = page.state()
        assert abs(middle["position"] - state["end"] // 2) < 10 and middle["doing"] == "stands"
        _whole(page)
        assert page.state() == middle
        moment = page.ask("moment")
        assert moment["icount"] == middle["position"] and moment["frames"][-1]["function"] == "_start"


def test_a_guest_that_goes_on_for_ever_is_looked_at_meanwhile(tmp_path: Path) -> None:
    guest = tmp_path / "for_ever.bin"
    guest.write_bytes(_FOR_EVER)
    with served_page("ui", "-M", "malta", "-serial", "null", "-bios", guest) as page:
        running = page.until(lambda state: state["doing"] == "runs" and state["end"] > 0)
        _whole(page)
        page.until(lambda state: state["end"] > running["end"])
        assert page.obey("stop").status == 200
        stands = page.until(lambda state: state["doing"] == "stands")
        _whole(page)
        assert page.obey("goto start").status == 200 and page.state()["position"] == 0
        assert page.obey("back").status == 200 and page.state()["position"] == stands["position"]
        assert page.obey("cont").status == 200
        page.until(lambda state: state["end"] > stands["end"])


def test_a_run_with_a_drive_is_looked_at_in_its_own_turns(tmp_path: Path) -> None:
    """It cannot be copied."""
    (tmp_path / "disk.img").write_bytes(bytes(1 << 20))
    words = ["-drive", f"file={tmp_path / 'disk.img'},format=raw,if=ide"]
    with served_page("ui", "-M", "malta", "-serial", "null", "-no-shutdown", "-kernel", TANK, *words) as page:
        page.until(lambda state: state["end"] > 700_000 and state["doing"] == "stands")
        page.obey("goto 451380")
        before = page.state()
        _whole(page)
        assert page.state() == before and page.ask("console", at=before["position"])["here"] == 2
