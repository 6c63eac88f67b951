"""rdbg's commands inside GDB."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import rdbg
from tests.gdb.driver import Gdb, Guest

ELF = Path(__file__).parent / "guest" / "counter-el.elf"
SCRIPTS = Path(rdbg.__file__).parent / "gdb"


@pytest.fixture
def gdb(gdb_program: str) -> Iterator[Gdb]:
    """With rdbg's script, connected to the end of a run: ``last`` was written with 3, 13, ... 93."""
    with Guest("kernel", str(ELF), "--run", "6000", "--finish") as guest, Gdb(gdb_program, ELF) as gdb:
        gdb.run(f"source {SCRIPTS / 'rdbg_gdb.py'}")
        gdb.connect(guest.port)
        yield gdb


@pytest.mark.parametrize("script", ["rdbg.gdb", "rdbg_gdb.py"])
@pytest.mark.parametrize("command", ["goto start", "loadvm early", "back", "switch main"])
def test_a_watchpoint_holds_the_value_of_where_one_jumps_to(gdb_program: str, script: str, command: str) -> None:
    """With the old one, GDB would show a false old value, or keep silent of a store that makes it what it was there."""
    with Guest("kernel", str(ELF), "--run", "6000", "--finish") as guest, Gdb(gdb_program, ELF) as gdb:
        gdb.run(f"source {SCRIPTS / script}")
        gdb.connect(guest.port)
        gdb.run("monitor goto start")
        gdb.run("tbreak note")
        gdb.run("continue")
        gdb.run("monitor savevm early")
        if "switch" in command:
            gdb.run("monitor branch other")
        gdb.run("watch last")
        gdb.run("condition 2 last > 0")
        for value in (3, 13, 23):
            assert f"New value = {value}" in gdb.run("continue")
        if "back" in command:
            gdb.run("monitor goto end")
        gdb.run(f"monitor {command}")
        old, new = (23, 33) if command == "back" else (0, 3)
        answer = gdb.run("continue")
        assert f"Old value = {old}" in answer and f"New value = {new}" in answer
        assert "already hit 4 times" in gdb.run("info breakpoints")


def test_a_watchpoint_set_at_the_end_sees_the_store_that_made_its_value(gdb: Gdb) -> None:
    """GDB compares with the value that it holds: 93 would be no change."""
    gdb.run("watch last if last == 93")
    gdb.run("rdbg goto start")
    answer = gdb.run("continue")
    assert "Old value = 83" in answer and "New value = 93" in answer


def test_running_from_a_place_gives_watchpoints_its_value(gdb_program: str) -> None:
    with Guest("kernel", str(ELF), "--run", "6000", "--finish") as guest, Gdb(gdb_program, ELF) as gdb:
        gdb.run(f"target extended-remote 127.0.0.1:{guest.port}")
        gdb.run("watch last")
        answer = gdb.run("run @start")
        assert "Old value = 0" in answer and "New value = 3" in answer


@pytest.mark.parametrize("command", ["rdbg goto 50%", "monitor goto 50%", "monitor loadvm here", "monitor back"])
def test_a_jump_is_a_stop_for_front_ends(gdb: Gdb, command: str) -> None:
    """Else their windows go on showing the old frame."""
    gdb.run("monitor savevm here")
    gdb.run("monitor goto start")
    answer = gdb.run(f'-interpreter-exec console "{command}"')
    (stop,) = answer.stops
    frame = stop["frame"]
    assert isinstance(frame, dict) and int(frame["addr"], 16) == gdb.value("$pc") != 0xBFC00000
    assert "in begin" in answer or "in work" in answer or "begin ()" in answer or "work (" in answer


def test_what_does_not_move_is_no_stop(gdb: Gdb) -> None:
    for command in ("monitor when", "rdbg when", "monitor branches", "rdbg goto nowhere", "rdbg lastwrite last"):
        assert not gdb.run(command).stops


def test_the_frame_that_one_looks_at_stays(gdb: Gdb) -> None:
    """Else the next variable would be another function's."""
    gdb.run("break note")
    gdb.run("reverse-continue")
    gdb.run("up")
    for command in ("monitor when", "rdbg when", "rdbg lastwrite last", "monitor goto nowhere"):
        gdb.run(command)
        assert "#1" in gdb.run("frame").text and gdb.value("rounds") == 100


def test_the_script_may_be_loaded_when_gdb_is_connected(gdb_program: str) -> None:
    with Guest("kernel", str(ELF), "--run", "6000", "--finish") as guest, Gdb(gdb_program, ELF) as gdb:
        gdb.connect(guest.port)
        gdb.run(f"source {SCRIPTS / 'rdbg.gdb'}")
        assert "GDB still holds" not in gdb.run("monitor goto start")


def test_all_places_with_a_name_are_completed(gdb: Gdb) -> None:
    gdb.run("monitor savevm here")
    gdb.run('monitor savevm "before the crash"')
    gdb.run("monitor bookmark alarm")
    assert gdb.run("complete rdbg goto a").text.split("\n")[:1] == ["rdbg goto alarm"]
    answer = gdb.run("complete rdbg goto ")
    for place in ("start", "end", "here", '"before the crash"', "alarm"):
        assert f"rdbg goto {place}" in answer


def test_commands_of_the_script(gdb_program: str) -> None:
    with Guest("kernel", str(ELF), "--run", "6000", "--finish") as guest, Gdb(gdb_program, ELF) as gdb:
        gdb.connect(guest.port)
        gdb.run(f"source {SCRIPTS / 'rdbg.gdb'}")
        gdb.run(f"source {SCRIPTS / 'rdbg_gdb.py'}")
        assert f"icount {guest.end}" in gdb.run("rdbg when")
        gdb.run("monitor savevm here")
        answer = gdb.run("rdbg goto start")
        assert "at icount 0," in answer and "0xbfc00000" in answer and "GDB still holds" not in answer.text
        assert gdb.value("$pc") == 0xBFC00000
        assert "rdbg goto here" in gdb.run("complete rdbg goto h")
        gdb.run("rdbg goto here")
        answer = gdb.run("rdbg lastwrite last")
        assert "wrote" in answer and "note" in answer
        assert "has no address" in gdb.run("rdbg lastwrite 5")
        assert "usage: rdbg lastwrite" in gdb.run("rdbg lastwrite")
        assert "'nowhere'" in gdb.run("rdbg goto nowhere")
        assert "usage: rdbg prompt" in gdb.run("rdbg prompt maybe")
        assert not gdb.run("rdbg prompt on").errors
        assert not gdb.run("rdbg prompt off").errors


def test_what_rdbg_has_to_say_is_not_lost_in_what_the_script_asks(gdb: Gdb) -> None:
    gdb.run("monitor goto 3000")
    gdb.run("set $t0 = 5")
    answer = gdb.run("monitor branches")
    assert "registers changed at icount 2999, in the past" in answer and "* scratch" in answer
    assert "in the past" not in gdb.run("monitor branches")


def test_symbols_of_an_image_that_has_not_moved_are_no_error(gdb: Gdb) -> None:
    answer = gdb.run("rdbg symbols")
    assert "runs where it is linked" in answer and not answer.errors


def test_code_without_symbols_makes_no_warnings(gdb: Gdb) -> None:
    """GDB can't find the start of the function, and says so at length; it has not looked."""
    gdb.run("rdbg goto start")
    for command in ("stepi", "nexti", "stepi", "reverse-stepi", "backtrace", "x/2i $pc"):
        answer = gdb.run(command)
        assert "start of the function" not in answer and "heuristic-fence-post" not in answer


def test_errors_are_said_in_gdbs_words(gdb_program: str) -> None:
    with Gdb(gdb_program, ELF) as gdb:
        gdb.run(f"source {SCRIPTS / 'rdbg_gdb.py'}")
        for command in ("rdbg when", "rdbg goto start", "rdbg lastwrite last", "monitor when"):
            answer = gdb.run(command)
            assert '"monitor" command not supported by this target' in answer and "Python" not in answer
        answer = gdb.run("rdbg lastwrite nothing")
        assert 'No symbol "nothing" in current context' in answer and "Python" not in answer
        assert "rdbg goto start" in gdb.run("complete rdbg goto s")
        assert not gdb.run("rdbg prompt on").errors and not gdb.run("rdbg prompt off").errors
