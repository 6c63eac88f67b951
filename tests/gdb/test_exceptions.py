"""Steps where exceptions come in between, through a real GDB: forward and back over handlers, and out of them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.gdb.driver import Gdb, debugged

RUN = 6000


@pytest.fixture
def gdb(gdb_program: str, order: str) -> Iterator[Gdb]:
    """At the live end of a loop of three lines that a timer interrupts every 150 instructions."""
    with debugged(gdb_program, "ticks", order, RUN) as gdb:
        gdb.run("tbreak ticks.c:26")  # not in the handler
        gdb.run("continue")
        yield gdb


@pytest.mark.parametrize("command", ["next", "step", "stepi", "nexti"])
def test_steps_pass_an_interrupt_both_ways(gdb: Gdb, command: str) -> None:
    begin, ticks = gdb.value("(unsigned) &begin"), gdb.value("ticks")
    back: list[int] = []
    while gdb.value("ticks") > ticks - 3:
        back.append(gdb.value("$pc"))
        gdb.run(f"reverse-{command}")
        assert begin <= gdb.value("$pc") < begin + 0x100, len(back)
    forward: list[int] = []
    for _ in back:
        gdb.run(command)
        forward.append(gdb.value("$pc"))
    assert forward == back[::-1]


def test_stepi_from_a_return_stands_where_it_returns_to(gdb: Gdb) -> None:
    gdb.run("break *((char *) &leave + 4)")
    for _ in range(3):
        gdb.run("continue")
        assert "eret" in gdb.run("x/i $pc").text
        target = gdb.value("$epc")
        answer = gdb.run("stepi")
        assert gdb.value("$pc") == target and "SIG" not in answer
        gdb.run("reverse-stepi")  # back where one came from: into the handler
        assert "eret" in gdb.run("x/i $pc").text
        gdb.run("nexti")
        assert gdb.value("$pc") == target
        gdb.run("stepi")
        gdb.run("reverse-stepi")
        gdb.run("reverse-stepi")  # now over it
        assert "begin" in gdb.run("info symbol $pc").text


def test_stepi_from_a_return_that_another_interrupt_follows_at_once(gdb: Gdb) -> None:
    gdb.run("tbreak *((char *) &leave + 4)")
    gdb.run("continue")
    target, ticks = gdb.value("$epc"), gdb.value("ticks")
    gdb.run("set var $status = $status | 0x100")
    gdb.run("set var $cause = $cause | 0x100")  # a software interrupt
    gdb.run("stepi")
    assert (gdb.value("$pc"), gdb.value("ticks")) == (target, ticks + 1)
    gdb.run("stepi")
    gdb.run("reverse-stepi")
    assert gdb.value("$pc") == target
    gdb.run("reverse-stepi")  # over both
    assert "begin" in gdb.run("info symbol $pc").text and gdb.value("ticks") < ticks


def test_a_breakpoint_behind_a_return_is_none_of_a_step(gdb: Gdb) -> None:
    """It stays where it is, and `continue` runs on."""
    gdb.run("break *((char *) &leave + 8)")
    gdb.run("break *((char *) &leave + 4)")
    for _ in range(3):
        gdb.run("continue")
        assert gdb.value("$pc") == gdb.value("(unsigned) &leave") + 4


def test_stepi_from_a_system_call_passes_it_both_ways(gdb: Gdb) -> None:
    gdb.run("monitor goto start")
    gdb.forget()
    call = gdb.value("(unsigned) &call")
    gdb.run("tbreak *&call")
    gdb.run("continue")
    gdb.run("stepi")
    assert gdb.value("$pc") == call + 4
    gdb.run("stepi")
    gdb.run("reverse-stepi")
    gdb.run("reverse-stepi")
    assert gdb.value("$pc") == call


def test_what_stops_in_a_handler_stops_a_step_over_it(gdb: Gdb) -> None:
    gdb.run("break handler")
    gdb.run("watch ticks")
    reasons = ""
    while reasons.count("handler") < 2:
        reasons += gdb.run("reverse-next").text
    assert reasons.count("New value") >= 1


@pytest.mark.parametrize("call", ["ask(3)", "misread()"])
def test_a_call_in_the_past_with_an_exception_in_it_is_undone(gdb: Gdb, call: str) -> None:
    """The handler leaves Cause, EPC and BadVAddr changed, and not all of it can be written back."""
    gdb.run("stepi 20")
    gdb.run("reverse-stepi 20")
    when, before = gdb.run("monitor when").text, gdb.registers()
    for _ in range(2):
        answer = gdb.run(f"output {call}")
        assert answer.text.endswith({"ask(3)": "4", "misread()": "3"}[call])
        gdb.forget()
        assert gdb.value("calls") == 0 and gdb.registers() == before
        answer = gdb.run("monitor when")
        assert when in answer.text and "the call is undone" in answer.text or answer.text == when
    assert "scratch" not in gdb.run("monitor branches")
