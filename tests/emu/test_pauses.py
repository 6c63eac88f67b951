"""A run that is told to pause does so soon, also where no branch comes."""

from __future__ import annotations

import threading

import pytest

from rdbg.emu.machine import Machine
from rdbg.emu.machine_api import RunRequest, StopKind
from tests.emu.guests import CODE, LOOP, NOP, addiu, beq, beql, i_type, lui, machine_with

PAGE = 4096
UART = 0xBF000900  # the one that needs no PCI bus to be set up

#: Code at the end of a page, code at the start of the next, and after how many instructions it may pause between:
#: between a branch and its slot it may not.
SEAMS = {
    "plain": ([addiu(10, 10, 1), addiu(11, 11, 1)], [addiu(12, 12, 1)], 2),
    "slot on the next page": ([addiu(10, 10, 1), beq(0, 0, 2)], [addiu(11, 11, 1), NOP, NOP], None),
    "branch not taken": ([i_type(0x05, 0, 0, 5), addiu(10, 10, 1)], [addiu(12, 12, 1)], 2),
    "likely not taken": ([beql(8, 0, 5), addiu(10, 10, 1)], [addiu(12, 12, 1)], 2),
    "likely to the next page, not taken": ([beql(8, 0, 1), addiu(10, 10, 1)], [addiu(12, 12, 1)], 2),
}


def guest(before: list[int], after: list[int]) -> Machine:
    """Writes to the serial port shortly before the end of a page."""
    head = [lui(8, UART >> 16), addiu(9, 0, 65), i_type(0x28, 8, 9, UART & 0xFFF)]
    first = CODE + PAGE - 4 * (len(head) + len(before))
    return machine_with([*head, *before, *after, LOOP, NOP], at=first)


@pytest.mark.parametrize("name", SEAMS)
def test_a_kick_is_heard_where_code_falls_through(name: str) -> None:
    before, after, counted = SEAMS[name]
    kicked, stepped = guest(before, after), guest(before, after)
    kicked.set_output(lambda icount, endpoint, data: kicked.core.kick())
    stop = kicked.run(RunRequest(until=200))
    assert stop.kind is StopKind.PAUSED
    assert stop.pc % PAGE in ((0,) if counted is not None else (4 * i for i in range(1, PAGE // 4)))
    if counted is not None:
        assert stop.position == 3 + counted
    while stepped.icount < stop.position:
        stepped.step()
    assert (stepped.icount, stepped.pc, stepped.digest()) == (stop.position, stop.pc, kicked.digest())
    for machine in (kicked, stepped):
        assert machine.run(RunRequest(until=200)).kind is StopKind.LIMIT
    assert kicked.digest() == stepped.digest()


def test_a_run_through_empty_memory_lets_its_caller_look_up() -> None:
    machine = machine_with([])
    threading.Timer(0.05, machine.core.kick).start()
    stop = machine.run(RunRequest(until=2_000_000))  # seconds, since every page is translated
    assert stop.kind is StopKind.PAUSED and stop.position < 1_500_000
    other = machine_with([])
    other.run(RunRequest(until=stop.position))
    assert (other.icount, other.digest()) == (stop.position, machine.digest())


def test_a_slice_that_takes_long_is_cut_short() -> None:
    machine = machine_with([])
    stop = machine.run(RunRequest(until=2_000_000, slice=1_900_000))
    assert stop.kind is StopKind.PAUSED and stop.position < 1_500_000
