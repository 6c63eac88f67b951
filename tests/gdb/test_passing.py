"""Breakpoints that the guest passes: ``dprintf`` done by the stub, steps onto breakpoints whose condition is false."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.gdb.answers import END_WORDS, HERE, START_WORDS, says
from tests.gdb.driver import Gdb, Guest

NEVER = "if count == 123456789"


@pytest.fixture(params=["el", "eb"])
def elf(request: pytest.FixtureRequest) -> Path:
    return HERE / f"counter-{request.param}.elf"


@pytest.fixture
def gdb(gdb_program: str, elf: Path) -> Iterator[Gdb]:
    order = ["--big-endian"] if "-eb" in elf.name else []
    with Guest("kernel", str(elf), "--run", "6000", "--finish", *order) as guest, Gdb(gdb_program, elf) as gdb:
        gdb.connect(guest.port)
        gdb.run("monitor goto start")
        gdb.forget()
        yield gdb


def lines(values: range, only: int = 0) -> str:
    return "".join(f"note {value}, count {2 * value + 2}\n" for value in values if value > only)


@pytest.fixture
def dprintf(gdb: Gdb) -> Gdb:
    gdb.run("set dprintf-style agent")
    gdb.run(r'dprintf note,"note %d, count %u\n", value, count')
    assert "agent-printf" in gdb.run("info breakpoints")
    return gdb


def test_dprintf_prints_forward_and_back(dprintf: Gdb) -> None:
    answer = dprintf.run("continue")
    assert lines(range(3, 100, 10)) in answer and says(answer, END_WORDS)
    answer = dprintf.run("reverse-continue")
    assert lines(range(93, 0, -10)) in answer and says(answer, START_WORDS)


def test_dprintf_with_a_condition_and_beside_other_stops(dprintf: Gdb) -> None:
    dprintf.run("condition 1 value > 50")
    dprintf.run("watch last if last == 73")
    answer = dprintf.run("continue")
    assert lines(range(3, 74, 10), only=50) in answer and "New value = 73" in answer
    answer = dprintf.run("continue")
    assert lines(range(83, 100, 10)) in answer and says(answer, END_WORDS)
    dprintf.run("delete 2")
    dprintf.run("break work")
    answer = dprintf.run("reverse-continue")
    assert lines(range(93, 0, -10), only=50) in answer and "Breakpoint 3, work" in answer


def test_every_form_that_printf_has(gdb: Gdb) -> None:
    gdb.run("set dprintf-style agent")
    gdb.run(r'dprintf note,"%d|%5d|%-5d|%05d|%x|%#x|%c|%u|%lu|%%|\t\"\n", -value,value,value,value,255,255,65,-1,7')
    answer = gdb.run("continue")
    assert '-3|    3|3    |00003|ff|0xff|A|4294967295|7|%|\t"\n' in answer


def test_stepping_over_a_dprintf_prints_once(dprintf: Gdb) -> None:
    dprintf.run("tbreak *note+4")
    assert dprintf.run("continue").text.count("note 3,") == 1
    answer = dprintf.run("reverse-stepi")
    answer = dprintf.run("stepi")
    assert dprintf.value("$pc") == dprintf.value("(unsigned long) &note") + 4
    assert answer.text.count("note 3,") <= 1


def test_an_agent_dprintf_costs_no_stop(dprintf: Gdb) -> None:
    """GDB is told of the first hit alone."""
    dprintf.run("set debug remote 1")
    answer = dprintf.run("continue")
    assert answer.text.count("Packet received: T05swbreak") <= 2


@pytest.mark.parametrize("command", ["stepi", "nexti"])
def test_a_step_onto_a_breakpoint_with_a_false_condition_ends_there(gdb: Gdb, command: str) -> None:
    gdb.run("tbreak note")
    gdb.run("continue")
    start = gdb.value("$pc")
    for offset in (4, 8):
        gdb.run(f"break *{start + offset:#x} {NEVER}")
    for offset in (4, 8):
        gdb.run(command)
        assert gdb.value("$pc") == start + offset
    gdb.run("reverse-stepi")
    assert gdb.value("$pc") == start + 4


def test_next_over_a_call_that_returns_to_one(gdb: Gdb) -> None:
    gdb.run("tbreak begin")
    gdb.run("continue")
    while "jal" not in gdb.run("x/i $pc").text:
        gdb.run("stepi")
    call = gdb.value("$pc")
    gdb.run(f"break *{call + 8:#x} {NEVER}")
    gdb.run(f"break note {NEVER}")
    gdb.run("nexti")
    assert gdb.value("$pc") == call + 8 and gdb.value("last") == 93
    gdb.run("reverse-nexti")
    assert gdb.value("$pc") == call and gdb.value("last") == 0


def test_step_into_a_function_with_one(gdb: Gdb) -> None:
    gdb.run("tbreak begin")
    gdb.run("continue")
    gdb.run(f"break work {NEVER}")
    gdb.run("step")
    gdb.run("step")
    assert "#0  work" in gdb.run("backtrace").text
    gdb.run(f"break note {NEVER}")
    for _ in range(4):
        gdb.run("step")
        assert "work" in gdb.run("backtrace").text


def test_a_false_condition_is_told_to_gdb_once(gdb: Gdb) -> None:
    gdb.run("break note if value == 93")
    gdb.run("set debug remote 1")
    answer = gdb.run("continue")
    assert gdb.value("$a0") == 93
    assert answer.text.count("Packet received: T05swbreak") <= 3


@pytest.mark.parametrize("evaluation", ["host", "target"])
def test_a_condition_on_a_delay_slot_is_asked_at_its_branch(gdb: Gdb, evaluation: str) -> None:
    """GDB moves the breakpoint there, and the condition with it."""
    gdb.run(f"set breakpoint condition-evaluation {evaluation}")
    gdb.run("tbreak note")
    gdb.run("continue")
    call = gdb.value("$ra") - 8
    assert "adjusted" in gdb.run(f"break *{call + 4:#x} if $s0 == 43")
    assert f"0x{call:x}" in gdb.run("info breakpoints")
    gdb.run("continue")
    assert (gdb.value("$pc"), gdb.value("$s0")) == (call, 43)
    assert says(gdb.run("continue"), END_WORDS)
    gdb.run("reverse-continue")
    assert (gdb.value("$pc"), gdb.value("$s0")) == (call, 43)
    assert says(gdb.run("reverse-continue"), START_WORDS)
