"""Watchpoints beside other stops, through a real GDB: every hit is told, by continue and by steps, forward and back."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from tests.gdb.driver import Gdb, debugged
from tests.gdb.test_stops import WATCH_REASONS, WATCHED, at, stops

HIT = "breakpoint-hit"
WATCH, READ = WATCH_REASONS["watch"], WATCH_REASONS["rwatch"]
NEVER = "if $s2 == 123456789"


@pytest.fixture
def gdb(gdb_program: str, order: str) -> Iterator[Gdb]:
    """Standing at the start of the third round; the guest has run all of them."""
    with debugged(gdb_program, "stops", order, 2000) as gdb:
        gdb.run("monitor goto start")
        gdb.forget()
        gdb.run("break *&round if $s2 == 2")
        gdb.run("continue")
        gdb.run("delete")
        yield gdb


@pytest.mark.parametrize("command", ["stepi", "nexti"])
def test_steps_over_three_watched_stores_show_each(gdb: Gdb, command: str) -> None:
    for name in ("byte", "half", "word"):
        gdb.run(f"watch {WATCHED[name]}")
    byte, half, word, start = at(gdb, "store_byte", "store_half", "store_word", "round")
    assert [pc for _, pc in stops(gdb, command, 1)] == [byte]
    assert stops(gdb, command, 3) == [(WATCH, byte + 4), (WATCH, half + 4), (WATCH, word + 4)]
    assert stops(gdb, f"reverse-{command}", 3) == [(WATCH, word), (WATCH, half), (WATCH, byte)]
    assert [pc for _, pc in stops(gdb, f"reverse-{command}", 1)] == [start]


@pytest.mark.parametrize("command", ["next", "step"])
def test_lines_that_write_what_is_watched(gdb_program: str, order: str, command: str) -> None:
    """Steps from line to line, into the function that writes or over its call."""
    with debugged(gdb_program, "counter", order, 2000, "--finish") as gdb:
        gdb.run("monitor goto start")
        gdb.forget()
        gdb.run("tbreak work")
        gdb.run("continue")
        gdb.run("watch count")
        gdb.run("watch last")
        shown: list[str] = []
        while len(shown) < 6:
            answer = gdb.run(command)
            shown += [line for line in answer.text.splitlines() if line.startswith("New value")]
        assert shown == [f"New value = {value}" for value in (2, 4, 6, 8, 3, 10)]
        shown.clear()
        while len(shown) < 6:
            answer = gdb.run(f"reverse-{command}")
            shown += [line for line in answer.text.splitlines() if line.startswith("New value")]
        assert shown == [f"New value = {value}" for value in (8, 0, 6, 4, 2, 0)]


@pytest.mark.parametrize("kind", ["watch", "rwatch"])
@pytest.mark.parametrize("breakpoints", ["break *{:#x}", "hbreak *{:#x}", "break *{:#x} if $s2 > 0"])
def test_a_breakpoint_later_in_the_block_comes_later(gdb: Gdb, kind: str, breakpoints: str) -> None:
    (access,) = at(gdb, "store_word" if kind == "watch" else "load_word")
    gdb.run(f"{kind} {WATCHED['word']}")
    gdb.run(breakpoints.format(access + 8))
    both = [(WATCH_REASONS[kind], access + 4), (HIT, access + 8)]
    assert stops(gdb, "continue", 4) == both + both
    assert stops(gdb, "reverse-continue", 3) == [
        (WATCH_REASONS[kind], access),
        (HIT, access + 8),
        (WATCH_REASONS[kind], access),
    ]


@pytest.mark.parametrize("kind", ["watch", "rwatch"])
def test_a_breakpoint_on_the_access_itself(gdb: Gdb, kind: str) -> None:
    """The breakpoint is told first: GDB takes it out to go on, and the watchpoint to step over the access."""
    (access,) = at(gdb, "store_word" if kind == "watch" else "load_word")
    gdb.run(f"{kind} {WATCHED['word']}")
    gdb.run(f"break *{access:#x}")
    both = [(HIT, access), (WATCH_REASONS[kind], access + 4)]
    assert stops(gdb, "continue", 4) == both + both
    (reasons, pc) = stops(gdb, "reverse-continue", 1)[0]
    assert HIT in reasons and WATCH_REASONS[kind] in reasons and pc == access


@pytest.mark.parametrize("offset", [-4, 0, 4, 8])
def test_a_breakpoint_that_is_passed_hides_no_hit(gdb: Gdb, offset: int) -> None:
    (word,) = at(gdb, "store_word")
    gdb.run(f"watch {WATCHED['word']}")
    gdb.run(f"break *{word + offset:#x} {NEVER}")
    assert stops(gdb, "continue", 3) == [(WATCH, word + 4)] * 3
    assert stops(gdb, "reverse-continue", 3) == [(WATCH, word)] * 3


@pytest.mark.parametrize("offset", [-4, 0, 4, 8])
def test_a_dprintf_hides_no_hit_and_prints_once(gdb: Gdb, offset: int) -> None:
    (word,) = at(gdb, "store_word")
    gdb.run("set dprintf-style agent")
    gdb.run(f"watch {WATCHED['word']}")
    gdb.run(rf'dprintf *{word + offset:#x},"round %d\n", $s2')
    lines = ""
    for value in (3, 4, 5):
        answer = gdb.run("continue")
        assert answer.stops[0]["reason"] == WATCH and f"New value = {value}" in answer
        lines += answer.text
    for value in (3, 4):
        assert lines.count(f"round {value}\n") == 1


def test_jump_to_a_breakpoint_stops_there(gdb: Gdb) -> None:
    gdb.run("monitor goto end")
    gdb.forget()
    (half, word) = at(gdb, "store_half", "store_word")
    gdb.run(f"break *{word:#x}")
    for _ in range(2):  # also where it stands already
        gdb.send(f"jump *{word:#x}")
        assert gdb.wait(stop=True).stops[0]["reason"] == HIT and gdb.value("$pc") == word
    gdb.run("delete")
    gdb.run(f"watch {WATCHED['half']}")
    gdb.run("set var $s2 = 1000")
    gdb.send(f"jump *{half:#x}")
    assert gdb.wait(stop=True).stops[0]["reason"] == WATCH and gdb.value("$pc") == half + 4


@pytest.mark.parametrize("command", ["reverse-continue", "continue"])
def test_one_ctrl_c_ends_a_search_whose_condition_gdb_evaluates(gdb_program: str, order: str, command: str) -> None:
    """It mostly comes while the guest stands, for GDB to look at another hit."""
    with debugged(gdb_program, "counter", order, 1_000_000) as gdb:
        gdb.run("watch count if count == 7")
        for pause in (0.11, 0.2, 0.33, 0.07, 0.15):
            gdb.send(command)
            time.sleep(pause)
            gdb.interrupt()
            answer = gdb.wait(stop=True, timeout=20)
            assert answer.stops or "Quit" in answer
            assert not gdb.run("monitor when").errors
